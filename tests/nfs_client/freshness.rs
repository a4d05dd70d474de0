//! What another node wrote is seen, however much this node's NFS client remembers.

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::faults::injected;
use crate::support::nfs_client::{Call, Version};
use crate::support::{Result, Servers, Trials};

use super::cluster::{Cluster, PICTURE};
use super::doors::{Answer, Door, Node, per_door};

/// Longer than any trial takes.
const LONG: Duration = Duration::from_secs(3600);

/// Rows are asked for each time, so that only the NFS client can be behind.
const UNCACHED: &[(&str, &str)] = &[("cache_ttl", "0")];

/// Every read opens its file.
const UNKEPT: &[(&str, &str)] = &[("cache_ttl", "0"), ("cache_files", "0")];

/// Overwrites of a file that is held open where it is overwritten.
const OVERWRITES: u64 = 20;
const READERS: usize = 8;
const CROWD: usize = 50;

pub(super) fn register(trials: &mut Trials) {
    per_door(trials, "probed_too_early", &Door::ALL, probed_too_early);
    per_door(trials, "directory_probed_too_early", &Door::ALL, directory_probed_too_early);
    per_door(trials, "visible_late", &Door::ALL, visible_late);
    per_door(trials, "visible_too_late", &Door::ALL, visible_too_late);
    per_door(trials, "waited_for_less_with_an_old_row", &[Door::Core], old_row);
    per_door(trials, "absent_while_replaced", &[Door::Core, Door::Nginx], absent_while_replaced);
    per_door(trials, "missing_and_looked_for_together", &[Door::Nginx], looked_for_together);
    per_door(trials, "replaced_while_held_open", &Door::ALL, replaced_while_held);
    per_door(trials, "replaced_while_attributes_are_trusted", &Door::ALL, trusted_attributes);
    per_door(trials, "deleted_while_held_open", &Door::ALL, deleted_while_held);
}

fn bytes(text: &str) -> Answer {
    Answer::Bytes(text.as_bytes().to_vec())
}

fn probed_too_early(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(&PICTURE.replace("picture", "other"), b"other")?;
    cluster.b.behave(|behaviour| behaviour.negative = LONG)?;
    let path = cluster.b.at().join(PICTURE);
    assert!(fs::metadata(&path).is_err());
    cluster.put(PICTURE, b"bytes")?;
    assert!(File::open(&path).is_err(), "the client remembers nothing");
    let node = cluster.door(door, &[])?;
    assert_eq!(node.read(PICTURE), bytes("bytes"));
    injected("a name that was probed too early stays ENOENT", "found after opening its directory");
    Ok(())
}

/// Another node makes the directories too.
fn directory_probed_too_early(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put("var/site/other", b"other")?;
    cluster.b.behave(|behaviour| behaviour.negative = LONG)?;
    let path = cluster.b.at().join(PICTURE);
    assert!(fs::metadata(&path).is_err());
    cluster.put_old(PICTURE, b"bytes")?;
    assert!(File::open(&path).is_err(), "the client remembers nothing");
    let node = cluster.door(door, &[])?;
    assert_eq!(node.read(PICTURE), bytes("bytes"));
    injected(
        "a directory that was probed too early stays ENOENT",
        "found after opening those above it",
    );
    Ok(())
}

fn visible_late(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let node = cluster.door(door, &[])?;
    cluster.b.behave(|behaviour| behaviour.delay = Duration::from_millis(400))?;
    cluster.put(PICTURE, b"bytes")?;
    assert_eq!(node.read(PICTURE), bytes("bytes"));
    injected("a new file is visible 400 ms after its row", "waited for and served");
    Ok(())
}

fn visible_too_late(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let node = cluster.door(door, &[])?;
    cluster.b.behave(|behaviour| behaviour.delay = LONG)?;
    cluster.put(PICTURE, b"bytes")?;
    assert_eq!(node.read(PICTURE), Answer::NotFound);
    cluster.b.behave(|behaviour| behaviour.delay = Duration::ZERO)?;
    assert_eq!(node.read(PICTURE), bytes("bytes"));
    injected(
        "a new file stays invisible for longer than the budget",
        "not found, and served as soon as it is visible",
    );
    Ok(())
}

/// A file that is missing from the mount for good costs every request a few looks, not a second.
fn old_row(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let (old, young) = (PICTURE.replace("picture", "old"), PICTURE);
    cluster.put_old(&old, b"bytes")?;
    cluster.put(young, b"bytes")?;
    // An empty directory would count as one that is not mounted.
    cluster.put(&PICTURE.replace("picture", "other"), b"other")?;
    fs::remove_file(cluster.server().join(&old))?;
    fs::remove_file(cluster.server().join(young))?;
    cluster.b.behave(|_| {})?;
    let node = cluster.door(door, &[])?;
    let mut lookups = Vec::new();
    for id in [&old, young] {
        let before = looks(&cluster)?;
        assert_eq!(node.read(id), Answer::NotFound);
        lookups.push(looks(&cluster)? - before);
    }
    assert!(lookups[0] < lookups[1], "{lookups:?}");
    Ok(())
}

/// How often the server was asked for a directory, which each look begins with.
fn looks(cluster: &Cluster) -> Result<u64> {
    Ok(cluster.b.calls()?.get(&Call::OpenDirectory).copied().unwrap_or(0))
}

/// As others see an overwrite by an NFS client that holds the old file open.
fn absent_while_replaced(servers: &Servers, door: Door) -> Result {
    let cluster = Cluster::new(servers)?;
    cluster.put_old(PICTURE, b"bytes")?;
    cluster.put_old(&PICTURE.replace("picture", "other"), b"other")?;
    let node = cluster.door(door, UNKEPT)?;
    let mut absences = 0;
    while absences < OVERWRITES {
        let length = Duration::from_millis(50 + 50 * (absences % 2));
        let (absent, answers) = read_while_absent(&cluster, &node, length)?;
        // It may have taken longer on a machine that is busy.
        if absent < length + length / 4 {
            assert!(answers.iter().all(|answer| *answer == bytes("bytes")), "{answers:?}");
            absences += 1;
            injected("a file is absent for a moment while it is replaced", "waited for and served");
        }
    }
    Ok(())
}

/// Answers of readers who come while the file is away, and how long it was.
fn read_while_absent(
    cluster: &Cluster,
    node: &Node,
    length: Duration,
) -> Result<(Duration, Vec<Answer>)> {
    let path = cluster.server().join(PICTURE);
    let away = path.with_extension("away");
    thread::scope(|scope| {
        let since = Instant::now();
        fs::rename(&path, &away)?;
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| node.read(PICTURE))).collect();
        thread::sleep(length);
        fs::rename(&away, &path)?;
        let absent = since.elapsed();
        let answers = readers.into_iter().map(|reader| reader.join());
        let answers = answers.collect::<std::result::Result<_, _>>();
        Ok((absent, answers.map_err(|_| "a reader panicked")?))
    })
}

fn looked_for_together(servers: &Servers, door: Door) -> Result {
    let cluster = Cluster::new(servers)?;
    cluster.put_old(PICTURE, b"bytes")?;
    cluster.put_old(&PICTURE.replace("picture", "other"), b"other")?;
    fs::remove_file(cluster.server().join(PICTURE))?;
    let node = cluster.door(door, &[])?;
    let before = looks(&cluster)?;
    assert_eq!(node.read(PICTURE), Answer::NotFound);
    let alone = looks(&cluster)? - before;
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| assert_eq!(node.read(PICTURE), Answer::NotFound));
        }
    });
    let together = looks(&cluster)? - before - alone;
    // Who comes when the others have been answered is not one of them.
    assert!(together < alone * CROWD as u64 / 3, "{together} looks, {alone} for one request");
    injected("50 requests for a file that is missing", "looked for once for all");
    Ok(())
}

fn replaced_while_held(servers: &Servers, door: Door) -> Result {
    for version in [Version::V4, Version::V3] {
        let mut cluster = Cluster::new(servers)?;
        cluster.put(PICTURE, b"old bytes")?;
        let node = cluster.door(door, UNCACHED)?;
        cluster.b.behave(|behaviour| (behaviour.version, behaviour.names) = (version, LONG))?;
        let path = cluster.b.at().join(PICTURE);
        let held = File::open(&path)?;
        assert_eq!(node.read(PICTURE), bytes("old bytes"));
        for text in ["new bytes", "newer"] {
            cluster.put(PICTURE, text.as_bytes())?;
            assert!(held.metadata().is_err(), "the held file is not stale");
            assert_eq!(node.read(PICTURE), bytes(text), "{version:?}");
        }
        match version {
            Version::V4 => injected(
                "NFS 4.2: the name leads to the replaced file, which is held open here",
                "the new file, after opening the directory",
            ),
            _ => injected("NFS 3: the replaced file is held open here", "the new file"),
        }
    }
    Ok(())
}

fn trusted_attributes(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, b"old bytes")?;
    let node = cluster.door(door, UNCACHED)?;
    cluster.b.behave(|behaviour| behaviour.attributes = LONG)?;
    assert_eq!(node.read(PICTURE), bytes("old bytes"));
    cluster.put(PICTURE, b"longer new bytes")?;
    assert_eq!(fs::metadata(cluster.b.at().join(PICTURE))?.len(), 9, "nothing is trusted");
    assert_eq!(node.read(PICTURE), bytes("longer new bytes"));
    injected("attributes of the replaced file are cached", "the new file, whole");
    Ok(())
}

fn deleted_while_held(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, b"old bytes")?;
    let node = cluster.door(door, UNCACHED)?;
    cluster.b.behave(|behaviour| (behaviour.version, behaviour.names) = (Version::V4, LONG))?;
    let path = cluster.b.at().join(PICTURE);
    let _held = File::open(&path)?;
    assert_eq!(node.read(PICTURE), bytes("old bytes"));
    cluster.store().delete(&super::cluster::file_id(PICTURE))?;
    assert!(File::open(&path).is_ok(), "the client knows already");
    assert_eq!(node.read(PICTURE), Answer::NotFound);
    injected("NFS 4.2: the deleted file can be opened still", "not found: the row is gone");
    Ok(())
}
