//! Readers on both nodes while files are written, replaced and removed.

use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ezdfs::{CreateOptions, Store};

use crate::support::faults::injected;
use crate::support::http::{Connection, get};
use crate::support::nfs_client::{Behaviour, NfsClient, Version};
use crate::support::process::wait_for;
use crate::support::{Result, Servers, Trials};

use super::cluster::{Cluster, PICTURE, file_id, store_with};
use super::doors::{Answer, Door, Node, done, per_door, read_core};

/// Files are written without fsync, rows are never cached; a busy machine is no dead mount.
const QUICK: &[(&str, &str)] =
    &[("cache_ttl", "0"), ("durability", "rename"), ("mount_timeout", "30s")];
const ALIAS: &str = "var/site/storage/images/_aliases/large";

pub(super) fn register(trials: &mut Trials) {
    per_door(trials, "every_read_is_whole_while_files_are_replaced", &Door::ALL, overwrites);
    per_door(trials, "two_nodes_create_one_file_at_once", &Door::ALL, created_twice);
    per_door(trials, "two_kernels_generate_one_variation", &Door::ALL, generated_twice);
    per_door(trials, "variations_are_removed_under_traffic", &[Door::Nginx], removed);
    let writers = [Door::Core, Door::Command, Door::Php];
    per_door(trials, "directories_go_while_files_are_served", &writers, deleted_while_served);
}

/// A client with default mount options, its times shortened.
fn forgetful(client: &mut NfsClient) -> Result {
    let time = Duration::from_millis(50);
    client.behave(|behaviour| {
        *behaviour = Behaviour {
            attributes: time,
            negative: time * 4,
            names: time * 4,
            version: Version::V4,
            silly_rename: true,
            ..Behaviour::default()
        };
    })
}

/// Reads on both nodes until `work` is done; says how often node B has read.
fn while_reading(
    cluster: &Cluster,
    node: &Node,
    id: &str,
    check: impl Fn(&Answer) + Sync,
    work: impl FnOnce() -> Result,
) -> Result<usize> {
    let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let store = store_with(&cluster.db.dsn, cluster.a.at(), QUICK);
    let read = |read: &dyn Fn() -> Answer| {
        while !stop.load(Ordering::Relaxed) {
            check(&read());
        }
    };
    let here = || {
        reads.fetch_add(1, Ordering::Relaxed);
        node.read(id)
    };
    thread::scope(|scope| {
        let readers =
            [scope.spawn(|| read(&|| read_core(&store, id))), scope.spawn(|| read(&here))];
        let worked = work();
        // A reader that starts slowly has its turn.
        let ended = || readers.iter().any(thread::ScopedJoinHandle::is_finished);
        let read = wait_for("a read", || reads.load(Ordering::Relaxed) > 1 || ended());
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().map_err(|_| "a reader met something else")?;
        }
        worked.and(read)
    })?;
    Ok(reads.into_inner())
}

fn overwrites(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let contents = [vec![b'a'; 50_000], vec![b'b'; 70_001]];
    let writer = store_with(&cluster.db.dsn, cluster.a.at(), QUICK);
    let write = |content: &Vec<u8>| {
        writer.create(&file_id(PICTURE), &mut &content[..], &CreateOptions::default())
    };
    write(&contents[0])?;
    forgetful(&mut cluster.a)?;
    forgetful(&mut cluster.b)?;
    let node = cluster.door(door, QUICK)?;
    let whole = |answer: &Answer| match answer {
        Answer::Bytes(bytes) => assert!(contents.contains(bytes), "torn: {} bytes", bytes.len()),
        other => panic!("{other:?}"),
    };
    // A process for each read: fewer of them would fall into 1,000.
    let turns = if matches!(door, Door::Core | Door::Nginx) { 1000 } else { 200 };
    while_reading(&cluster, &node, PICTURE, whole, || {
        for turn in 0..turns {
            write(&contents[turn % 2])?;
        }
        Ok(())
    })?;
    assert_eq!(cluster.rows().len(), 1);
    injected(
        "hundreds of overwrites under readers on two nodes",
        "each read is one of the two files",
    );
    Ok(())
}

fn created_twice(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put("var/site/other", b"other")?;
    forgetful(&mut cluster.a)?;
    forgetful(&mut cluster.b)?;
    let node = cluster.door(door, QUICK)?;
    let stores = [cluster.a.at(), cluster.b.at()].map(|at| store_with(&cluster.db.dsn, at, QUICK));
    for round in 0..10 {
        let id = format!("var/site/storage/images/{round}/a.png");
        let content = vec![b'x'; 40_000];
        let whole = |answer: &Answer| match answer {
            Answer::Bytes(bytes) => assert!(*bytes == content, "torn: {} bytes", bytes.len()),
            Answer::NotFound => {}
            other => panic!("{other:?}"),
        };
        while_reading(&cluster, &node, &id, whole, || at_once(&stores, &id, &content))?;
        assert_eq!(node.read(&id), Answer::Bytes(content));
    }
    assert_eq!(cluster.rows().len(), 11);
    assert_eq!(cluster.files()?.len(), 11, "{:?}", cluster.files()?);
    injected("two nodes create one file, and its directory, at once", "one row, one whole file");
    Ok(())
}

fn at_once(stores: &[Store; 2], id: &str, content: &[u8]) -> Result {
    let create = |store: &Store| {
        store.create(&file_id(id), &mut &content[..], &CreateOptions::default()).map(drop)
    };
    thread::scope(|scope| {
        let writers = stores.each_ref().map(|store| scope.spawn(move || create(store)));
        for writer in writers {
            writer.join().map_err(|_| "a writer panicked")??;
        }
        Ok(())
    })
}

/// As PHP kernels do: written in place, then the row.
fn generated_twice(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put("var/site/other", b"other")?;
    forgetful(&mut cluster.a)?;
    forgetful(&mut cluster.b)?;
    let nodes = cluster.door(door, QUICK)?;
    let content = vec![b'x'; 40_000];
    let id = format!("{ALIAS}/1/a.png");
    assert_eq!(nodes.read(&id), Answer::NotFound);
    let row = foreign_row(&id, content.len(), 1_700_000_000);
    thread::scope(|scope| -> Result {
        let generate = |at: &std::path::Path| -> Result {
            let path = at.join(&id);
            fs::create_dir_all(path.parent().ok_or("no parent")?)?;
            fs::write(&path, &content)?;
            cluster.db.sql(&row);
            Ok(())
        };
        let (a, b) = (cluster.a.at(), cluster.b.at());
        let kernels = [scope.spawn(move || generate(a)), scope.spawn(move || generate(b))];
        for kernel in kernels {
            kernel.join().map_err(|_| "a kernel panicked")??;
        }
        Ok(())
    })?;
    assert_eq!(nodes.read(&id), Answer::Bytes(content.clone()));
    assert_eq!(read_core(&cluster.store(), &id), Answer::Bytes(content));
    assert_eq!(cluster.rows().len(), 2);
    injected("two PHP kernels generate one variation at once", "one row, whole on both nodes");
    Ok(())
}

fn foreign_row(id: &str, size: usize, mtime: i64) -> String {
    let hash = crate::store::md5(id);
    format!(
        "INSERT OR REPLACE INTO ezdfsfile
         (name, name_trunk, name_hash, datatype, scope, size, mtime, expired, status)
         VALUES ('{id}', '{id}', '{hash}', 'image/png', 'image', {size}, {mtime}, 0, 0)"
    )
}

/// A kernel removes the file, then the row, and makes both anew, over and over.
fn removed(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    // An area without any file would count as one that is not mounted.
    cluster.put("var/site/storage/images/other", b"other")?;
    forgetful(&mut cluster.b)?;
    let node = cluster.door(door, QUICK)?;
    let id = format!("{ALIAS}/1/a.png");
    let path = cluster.a.at().join(&id);
    fs::create_dir_all(path.parent().ok_or("no parent")?)?;
    let content = |turn: usize| vec![b'x'; 20_000 + turn];
    let whole = |answer: &Answer| match answer {
        Answer::Bytes(bytes) => {
            assert!((20_000..20_100).contains(&bytes.len()), "{}", bytes.len());
            assert!(bytes.iter().all(|byte| *byte == b'x'), "not what was written");
        }
        Answer::NotFound => {}
        other => panic!("{other:?}"),
    };
    let worker = node.server.as_ref().and_then(|server| server.pid()).ok_or("no worker")?;
    let descriptors =
        || -> Result<usize> { Ok(fs::read_dir(format!("/proc/{worker}/fd"))?.count()) };
    let mut tags = Vec::new();
    let turn = |turn: usize| -> Result {
        // The kernels' own nodes may tear what they write in place: that is not asked here.
        let staged = path.with_extension("staged");
        fs::write(&staged, content(turn))?;
        fs::rename(&staged, &path)?;
        let mtime = 1_700_000_000 + i64::try_from(turn)?;
        cluster.db.sql(&foreign_row(&id, content(turn).len(), mtime));
        Ok(())
    };
    let remove = || -> Result {
        fs::remove_file(&path)?;
        cluster.db.sql(&format!("DELETE FROM ezdfsfile WHERE name = '{id}'"));
        Ok(())
    };
    turn(0)?;
    assert_eq!(node.read(&id), Answer::Bytes(content(0)));
    let before = descriptors()?;
    while_reading(&cluster, &node, &id, whole, || {
        for number in 1..60 {
            remove()?;
            turn(number)?;
            let answer = get(node.port(), &format!("/{id}"));
            assert_eq!((answer.status, answer.body.len()), (200, 20_000 + number));
            tags.push(answer.header("ETag").ok_or("no validator")?.to_owned());
        }
        Ok(())
    })?;
    tags.dedup();
    assert_eq!(tags.len(), 59, "a validator came twice");
    remove()?;
    wait_for("the removal", || node.read(&id) == Answer::NotFound)?;
    // Connections to the database come as they are needed, four at most.
    wait_for("descriptors to be closed", || descriptors().is_ok_and(|now| now <= before + 4))?;
    injected("variations removed and generated anew under traffic", "404 or whole, new validators");
    Ok(())
}

/// The client of a large file takes its time while the file's directory goes.
fn deleted_while_served(servers: &Servers, door: Door) -> Result {
    const SIZE: usize = 24 << 20;
    let mut cluster = Cluster::new(servers)?;
    let id = format!("{ALIAS}/1/a.png");
    let content = vec![b'x'; SIZE];
    cluster.put(&id, &content)?;
    cluster.put(&format!("{ALIAS}/2/b.png"), b"another")?;
    cluster.b.behave(|behaviour| behaviour.silly_rename = true)?;
    let node = cluster.door(door, QUICK)?;
    let server = cluster.door(Door::Nginx, QUICK)?;
    let mut client = Connection::open(server.port())?;
    client.send("GET", &format!("/{id}"), &[("Connection", "close")])?;
    let mut begin = [0; 1000];
    client.reader().read_exact(&mut begin)?;

    assert_eq!(node.delete_directory(ALIAS), done());
    assert_eq!(cluster.rows(), Vec::<Vec<_>>::new());
    let left = cluster.files()?;
    assert!(left.len() == 1 && left[0].contains("/.nfs"), "{left:?}");
    assert_eq!(server.read(&id), Answer::NotFound);
    let mut rest = Vec::new();
    client.reader().read_to_end(&mut rest)?;
    assert!(begin.len() + rest.len() > SIZE, "{} bytes came", rest.len());
    assert!(rest.ends_with(&content[..SIZE - 1000]), "not the file's bytes");
    drop((client, server));
    wait_for("the last descriptor", || cluster.files().is_ok_and(|left| left.is_empty()))?;
    assert_eq!(node.delete_directory(ALIAS), done());
    assert!(!cluster.server().join(ALIAS).exists());
    injected("deleteDirectory while this node serves its files", "done; .nfs files go on close");
    Ok(())
}
