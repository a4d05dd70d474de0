//! What file systems refuse that are no NFS: hard links, syncing of directories, modes. Writes go on.

use std::os::unix::fs::symlink;

use ezdfs::ErrorKind;
use nix::errno::Errno;

use crate::support::faults::injected;
use crate::support::nfs_client::{Call, Fault};
use crate::support::{Result, Servers, Trials};

use super::cluster::{Cluster, file_id};
use super::doors::{Answer, Door, done, per_door};

const DIRECTORY: &str = "var/site/storage/images/a-directory";
const FILE: &str = "var/site/storage/images/a-directory/a.png";

pub(super) fn register(trials: &mut Trials) {
    per_door(trials, "writes_go_on_without_hard_links", &Door::WRITERS, no_links);
    per_door(trials, "writes_go_on_where_no_directory_is_synced", &Door::WRITERS, no_sync);
    per_door(trials, "writes_go_on_where_the_mount_gives_modes", &Door::WRITERS, no_modes);
    per_door(trials, "a_mode_that_was_asked_for_is_insisted_on", &Door::WRITERS, asked_mode);
    per_door(trials, "a_linked_directory_is_not_missing", &Door::ALL, linked_directory);
    per_door(trials, "what_is_no_file_is_not_missing", &Door::ALL, no_files);
    per_door(trials, "no_link_is_written_over", &Door::WRITERS, written_link);
}

fn bytes(text: &str) -> Answer {
    Answer::Bytes(text.as_bytes().to_vec())
}

/// Stores, overwrites, moves and deletes while calls fail; nothing is left.
fn go_on(cluster: &mut Cluster, door: Door, faults: &[Fault], mode: Option<u16>) -> Result {
    cluster.b.behave(|behaviour| {
        behaviour.faults = faults.to_vec();
        behaviour.mode = mode;
    })?;
    let node = cluster.door(door, &[("cache_ttl", "0"), ("cache_negative_ttl", "0")])?;
    for text in ["first", "second one", "third"] {
        assert_eq!(node.write(FILE, text.as_bytes()), done(), "{faults:?}");
        assert_eq!(node.read(FILE), bytes(text));
    }
    assert_eq!(cluster.files()?, [FILE], "{faults:?}");
    if door == Door::Command {
        let moved = FILE.replace("a.png", "b.png");
        assert_eq!(node.run(&["mv", FILE, &moved]), done());
        assert_eq!(node.run(&["mv", &moved, FILE]), done());
        assert!(matches!(node.run(&["fsck"]), Answer::Bytes(_)));
    }
    assert_eq!(node.delete(FILE), done());
    assert_eq!(cluster.files()?, Vec::<String>::new());
    cluster.b.heal()
}

fn no_links(servers: &Servers, door: Door) -> Result {
    use Errno::{EIO, EMLINK, ENOSYS, EOPNOTSUPP, EPERM, EROFS, EXDEV};
    for errno in [EPERM, EOPNOTSUPP, ENOSYS, EMLINK, EXDEV, EROFS, EIO] {
        // Newer kernels ask a mount that said ENOSYS never again, and say EPERM.
        let mut cluster = Cluster::new(servers)?;
        go_on(&mut cluster, door, &[Fault::new(Call::Link, errno)], None)?;
        injected("a file system without hard links", "writes go on");
    }
    Ok(())
}

fn no_sync(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    for errno in [Errno::EINVAL, Errno::EOPNOTSUPP] {
        // Those of the file and of the root have other names.
        let faults = ["a-directory", "images", "storage"]
            .map(|name| Fault::new(Call::Fsync, errno).name(name));
        go_on(&mut cluster, door, &faults, None)?;
        injected("a file system that syncs no directory", "writes go on");
    }
    Ok(())
}

fn no_modes(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    for errno in [Errno::EPERM, Errno::EOPNOTSUPP, Errno::ENOSYS] {
        go_on(&mut cluster, door, &[Fault::new(Call::ChangeMode, errno)], Some(0o770))?;
        injected("a file system whose mount gives the modes", "writes go on");
    }
    Ok(())
}

fn asked_mode(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let node = cluster.door(door, &[("file_mode", "0664")])?;
    cluster.b.behave(|behaviour| {
        behaviour.faults = vec![Fault::new(Call::ChangeMode, Errno::EPERM)];
        behaviour.mode = Some(0o770);
    })?;
    let answer = node.write(FILE, b"bytes");
    // Whose modes of directories are nobody's wish: it is the file that is refused.
    let said = answer.assert_refused();
    assert!(said.contains("fchmod") && said.contains("EPERM"), "{said}");
    assert_eq!(cluster.files()?, Vec::<String>::new());
    Ok(())
}

/// A directory that an administrator has moved, and linked: every file is there.
fn linked_directory(servers: &Servers, door: Door) -> Result {
    let cluster = Cluster::new(servers)?;
    let other = FILE.replace("a.png", "b.png");
    for file in [FILE, &other] {
        cluster.put_old(file, b"bytes")?;
    }
    let images = cluster.server().join("var/site/storage/images");
    std::fs::rename(&images, cluster.server().join("elsewhere"))?;
    symlink("../../../elsewhere", &images)?;
    let rows = cluster.rows();
    let node = cluster.door(door, &[("cache_ttl", "0"), ("cache_negative_ttl", "0")])?;
    let said = |answer: &Answer| answer.assert_refused().to_owned();
    assert!(said(&node.read(FILE)).contains("symbolic link"));
    if Door::WRITERS.contains(&door) {
        said(&node.write(FILE, b"placeholder"));
        said(&node.delete(FILE));
        said(&node.delete_directory(DIRECTORY));
        said(&node.delete_directory("var/site/storage/images"));
    }
    assert_eq!(cluster.rows(), rows);
    for name in ["a.png", "b.png"] {
        let file = cluster.server().join("elsewhere/a-directory").join(name);
        assert_eq!(std::fs::read(file)?, b"bytes");
    }
    injected(
        "a directory on the way is a symbolic link",
        "refused and told of, nothing is missing",
    );
    Ok(())
}

fn no_files(servers: &Servers, door: Door) -> Result {
    let cluster = Cluster::new(servers)?;
    let node = cluster.door(door, &[("cache_ttl", "0"), ("cache_negative_ttl", "0")])?;
    for name in ["link", "broken", "directory", "socket"] {
        let id = FILE.replace("a.png", name);
        cluster.put_old(&id, b"bytes")?;
        let file = cluster.server().join(&id);
        std::fs::remove_file(&file)?;
        match name {
            "link" => symlink("directory", &file)?,
            "broken" => symlink("nowhere", &file)?,
            "directory" => std::fs::create_dir(&file)?,
            _ => drop(std::os::unix::net::UnixListener::bind(&file)?),
        }
        node.read(&id).assert_refused();
        let error = cluster.store().open(&file_id(&id)).expect_err("no file");
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:#}");
    }
    injected("something that is no file has a file's name", "refused and told of, not missing");
    Ok(())
}

/// As PHP kernels do that take a file for missing: they generate a placeholder.
fn written_link(servers: &Servers, door: Door) -> Result {
    let cluster = Cluster::new(servers)?;
    cluster.put_old(FILE, b"original")?;
    let (file, original) = (cluster.server().join(FILE), cluster.server().join("original"));
    std::fs::rename(&file, &original)?;
    symlink(&original, &file)?;
    let rows = cluster.rows();
    let node = cluster.door(door, &[("cache_ttl", "0")])?;
    let answer = node.write(FILE, b"placeholder");
    assert!(answer.assert_refused().contains("symbolic link"), "{answer:?}");
    assert_eq!(std::fs::read_link(&file)?, original);
    assert_eq!(std::fs::read(&original)?, b"original");
    assert_eq!((cluster.rows(), cluster.files()?), (rows, vec!["original".to_owned()]));
    injected("a symbolic link has the name of a file that is written", "refused, the link stays");
    Ok(())
}
