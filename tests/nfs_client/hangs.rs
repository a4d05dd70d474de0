//! A mount that hangs: the caller hears of it at its deadline, others go on, and all is well once
//! the server is back.

use std::fs;
use std::io::BufRead;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ezdfs::CreateOptions;

use crate::support::db::Backend;
use crate::support::faults::injected;
use crate::support::http::{Connection, get};
use crate::support::nfs_client::Call;
use crate::support::nginx::Nginx;
use crate::support::process::{free_port, wait_for};
use crate::support::{Need, Result, Servers, Trials};

use super::cluster::{Cluster, PICTURE, file_id, store_with};
use super::doors::{Answer, Door, done, per_door, read_core};

const IMPATIENT: &[(&str, &str)] = &[("mount_timeout", "500ms"), ("cache_ttl", "0")];
/// What opening a file asks for.
const OPENING: &[Call] = &[Call::Lookup, Call::GetAttributes, Call::Open];
/// What storing a file asks for besides.
const WRITING: &[Call] = &[
    Call::Lookup,
    Call::Create,
    Call::Write,
    Call::ChangeMode,
    Call::Fsync,
    Call::Flush,
    Call::Link,
    Call::Rename,
];
/// What deleting a file asks for.
const DELETING: &[Call] = &[Call::OpenDirectory, Call::Lookup, Call::Unlink];
/// Requests at a time; more than a process has threads for.
const CROWD: usize = 150;
/// More than the kernel buffers for a client that does not read.
const LARGE: usize = 32 << 20;
/// All threads of a process that serves from a mount: those of its runtime and its own.
const THREADS: usize = 80;

const SERVERS: [Door; 2] = [Door::Nginx, Door::NewestNginx];

pub(super) fn register(trials: &mut Trials) {
    per_door(trials, "reads_that_hang_end_in_time", &Door::ALL, hung_reads);
    per_door(trials, "reads_that_hang_end_in_time", &[Door::NewestNginx], hung_reads);
    per_door(trials, "threads_do_not_pile_up", &[Door::Core], crowd);
    per_door(trials, "writes_that_hang_end_in_time", &Door::WRITERS, hung_writes);
    per_door(trials, "deletes_that_hang_end_in_time", &Door::WRITERS, hung_deletes);
    per_door(trials, "threads_of_writers_do_not_pile_up", &[Door::Core], crowd_of_writers);
    let mut group = trials.group("nfs_client", &[Need::NfsClient, Need::MARIADB]);
    group.add("writers_that_hang_leave_readers_a_connection", connection_left);
    per_door(trials, "other_requests_go_on", &SERVERS, others_go_on);
    per_door(trials, "other_requests_go_on_while_a_body_hangs", &SERVERS, hung_body);
}

fn whole() -> Answer {
    Answer::Bytes(b"bytes".to_vec())
}

fn hung_reads(servers: &Servers, door: Door) -> Result {
    for call in OPENING {
        let mut cluster = Cluster::new(servers)?;
        cluster.put(PICTURE, b"bytes")?;
        let node = cluster.door(door, IMPATIENT)?;
        // A busy machine may take longer than the deadline without any fault.
        wait_for("a healthy mount", || node.read(PICTURE) == whole())?;
        cluster.b.hang(&[*call])?;
        let answer = match door {
            Door::Core | Door::Nginx | Door::Apache | Door::NewestNginx => node.read(PICTURE),
            _ => node.run_hung(&["get", PICTURE], || cluster.b.hang(&[]))?,
        };
        let said = answer.assert_refused();
        assert!(Door::SERVERS.contains(&door) || said.contains("did not answer within"), "{said}");
        cluster.b.heal()?;
        wait_for("the mount's recovery", || node.read(PICTURE) == whole())?;
    }
    injected(
        "the mount hangs when a file is opened",
        "unavailable at the deadline, then well again",
    );
    Ok(())
}

fn threads_of(process: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/task"))?.count())
}

/// In a process of its own, which is the server of PHP's or anybody's requests.
fn crowd(servers: &Servers, _: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, b"bytes")?;
    let store = store_with(&cluster.db.dsn, cluster.b.at(), IMPATIENT);
    cluster.b.hang(OPENING)?;
    let refused = AtomicUsize::new(0);
    for _ in 0..2 {
        thread::scope(|scope| {
            for _ in 0..CROWD {
                scope.spawn(|| {
                    let error = store.open(&file_id(PICTURE)).expect_err("the mount hangs");
                    assert_eq!(error.kind(), ezdfs::ErrorKind::Unavailable, "{error:#}");
                    refused.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        let hanging = cluster.b.hanging()?;
        assert!((1..=32).contains(&hanging), "{hanging} calls hang");
    }
    assert_eq!(refused.into_inner(), 2 * CROWD);
    cluster.b.heal()?;
    wait_for("the mount's recovery", || store.open(&file_id(PICTURE)).is_ok())?;
    injected("300 readers of a mount that hangs", "all told in time, 32 threads wait at most");
    Ok(())
}

/// One worker, one mount that hangs and one that does not.
struct Site {
    cluster: Cluster,
    nginx: Nginx,
    healthy: u16,
}

impl Site {
    fn start(servers: &Servers, door: Door, location: &str) -> Result<Self> {
        let cluster = Cluster::new(servers)?;
        let healthy = free_port();
        let store = |name, root: &std::path::Path| {
            let (dsn, root) = (&cluster.db.dsn, root.display());
            let options = "mount_timeout 2s; cache_ttl 0;";
            format!("ezdfs_store {name} {{ dsn {dsn}; root {root}; {options} }}\n")
        };
        let nginx = door
            .server()
            .http(&store("hung", cluster.b.at()))
            .http(&store("healthy", cluster.a.at()))
            .http(&format!(
                "server {{ listen 127.0.0.1:{healthy}; location / {{ ezdfs healthy; }} }}\n"
            ))
            .server(&format!("location / {{ ezdfs hung; {location} }}"))
            .start()?;
        Ok(Site { cluster, nginx, healthy })
    }

    fn ask(&self) -> Result<Connection> {
        let mut connection = Connection::open(self.nginx.port())?;
        connection.send("GET", &format!("/{PICTURE}"), &[])?;
        Ok(connection)
    }
}

fn others_go_on(servers: &Servers, door: Door) -> Result {
    let mut site = Site::start(servers, door, "")?;
    site.cluster.put(PICTURE, b"bytes")?;
    site.cluster.b.hang(OPENING)?;
    let worker = *site.nginx.worker_pids().first().ok_or("no worker")?;
    for _ in 0..2 {
        let mut crowd = (0..CROWD).map(|_| site.ask()).collect::<Result<Vec<_>>>()?;
        wait_for("calls to hang", || site.cluster.b.hanging().is_ok_and(|hanging| hanging > 0))?;
        // Neither the other mount nor the table is concerned.
        assert_eq!(get(site.healthy, &format!("/{PICTURE}")).text(), "bytes");
        let missing = PICTURE.replace("picture", "missing");
        assert_eq!(get(site.nginx.port(), &format!("/{missing}")).status, 404);
        for connection in &mut crowd {
            let answer = connection.receive("GET")?;
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(answer.header("Retry-After").is_some(), "{answer:?}");
        }
        let threads = threads_of(worker)?;
        assert!(threads <= THREADS, "{threads} threads");
    }
    site.cluster.b.heal()?;
    wait_for("the mount's recovery", || {
        get(site.nginx.port(), &format!("/{PICTURE}")).status == 200
    })?;
    assert_eq!(site.nginx.worker_pids().first(), Some(&worker), "the worker was replaced");
    injected(
        "300 requests to a mount that hangs",
        "503 in time; one worker serves others meanwhile",
    );
    Ok(())
}

/// nginx itself reads what is not small: off its event loop.
fn hung_body(servers: &Servers, door: Door) -> Result {
    let mut site = Site::start(servers, door, "")?;
    let picture = vec![b'a'; LARGE];
    site.cluster.put(PICTURE, &picture)?;
    let mut connection = site.ask()?;
    connection.reader().fill_buf()?;
    site.cluster.b.hang(&[Call::Read])?;
    let reading = thread::spawn(move || connection.receive("GET"));
    wait_for("a call to hang", || site.cluster.b.hanging().is_ok_and(|hanging| hanging > 0))?;
    let missing = PICTURE.replace("picture", "missing");
    assert_eq!(get(site.healthy, &format!("/{missing}")).status, 404);
    assert!(!reading.is_finished(), "all of it was read although the mount hangs");
    site.cluster.b.heal()?;
    let bytes = reading.join().map_err(|_| "the reader panicked")??.body;
    assert!(bytes == picture, "{} of {LARGE} bytes", bytes.len());
    injected("the mount hangs while nginx sends a file", "others served meanwhile");
    Ok(())
}

/// Ends with what `work` says, or lets the mount go on and fails.
fn in_time(cluster: &mut Cluster, work: impl FnOnce() -> Answer + Send) -> Result<Answer> {
    thread::scope(|scope| {
        let worker = scope.spawn(work);
        let waited = wait_for("an answer", || worker.is_finished());
        if waited.is_err() {
            cluster.b.hang(&[])?;
        }
        let answer = worker.join().map_err(|_| "the caller panicked")?;
        waited.map(|()| answer)
    })
}

fn hung_writes(servers: &Servers, door: Door) -> Result {
    for call in WRITING {
        let mut cluster = Cluster::new(servers)?;
        cluster.put_old(PICTURE, b"bytes")?;
        // A mode that the umask does not leave.
        let options = [IMPATIENT, &[("file_mode", "0664")]].concat();
        let node = cluster.door(door, &options)?;
        cluster.b.hang(&[*call])?;
        let answer = match door {
            Door::Core => in_time(&mut cluster, || node.write(PICTURE, b"new bytes"))?,
            _ => node.write_hung(PICTURE, b"new bytes", || cluster.b.hang(&[]))?,
        };
        let said = answer.assert_refused();
        // What hangs once the row is written may still end well.
        let reason = match call {
            Call::Link | Call::Rename => "the outcome is unknown: the mount did not answer within",
            _ => "did not answer within",
        };
        assert!(said.contains(reason), "{call:?}: {said}");
        let found = read_core(&cluster.store(), PICTURE);
        // What a process was about to do is done while it ends, as when it is killed.
        let ended = door != Door::Core && found == Answer::Bytes(b"new bytes".to_vec());
        assert!(found == whole() || ended, "{call:?}: {found:?}");
        cluster.b.heal()?;
        let (written, bytes) = (done(), Answer::Bytes(b"new bytes".to_vec()));
        wait_for("the mount's recovery", || node.write(PICTURE, b"new bytes") == written)?;
        wait_for("the new bytes", || node.read(PICTURE) == bytes)?;
        let alone = || cluster.files().is_ok_and(|files| files == [PICTURE]);
        wait_for("what hung to clean up", || door != Door::Core || alone())?;
    }
    injected(
        "the mount hangs at a step of a write",
        "unavailable at the deadline, then well again",
    );
    Ok(())
}

fn hung_deletes(servers: &Servers, door: Door) -> Result {
    for call in DELETING {
        let mut cluster = Cluster::new(servers)?;
        cluster.put_old(PICTURE, b"bytes")?;
        // A mode that the umask does not leave.
        let options = [IMPATIENT, &[("file_mode", "0664")]].concat();
        let node = cluster.door(door, &options)?;
        cluster.b.hang(&[*call])?;
        let answer = match door {
            Door::Core => in_time(&mut cluster, || node.delete(PICTURE))?,
            _ => node.run_hung(&["rm", PICTURE], || cluster.b.hang(&[]))?,
        };
        let said = answer.assert_refused();
        assert!(said.contains("did not answer within"), "{call:?}: {said}");
        cluster.b.heal()?;
        // The call that hung may have ended the deletion meanwhile.
        let gone = || matches!(node.delete(PICTURE), Answer::NotFound);
        wait_for("the deletion to end", gone)?;
        assert_eq!(cluster.files()?, Vec::<String>::new(), "{call:?}");
    }
    injected("the mount hangs at a step of a delete", "unavailable at the deadline, then ended");
    Ok(())
}

/// Each holds a connection, and with it the lock of its row, until the mount answers.
fn connection_left(servers: &Servers) -> Result {
    let mut cluster = Cluster::on(Backend::MariaDb.fresh(servers)?)?;
    cluster.put_old(PICTURE, b"bytes")?;
    let store = store_with(&cluster.db.dsn, cluster.b.at(), IMPATIENT);
    cluster.b.hang(&[Call::Rename])?;
    thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || {
                // Of one directory, one file is renamed at a time.
                let id = file_id(&PICTURE.replace("1/", &format!("{number}/")));
                store.create(&id, &mut &b"bytes"[..], &CreateOptions::default()).unwrap_err()
            });
        }
    });
    let (hanging, found) = (cluster.b.hanging()?, store.stat(&file_id(PICTURE)));
    cluster.b.heal()?;
    assert!(hanging > 0, "no write hangs");
    assert_eq!(found.map_err(|error| format!("{error:#}"))?.size, 5);
    wait_for("the mount's recovery", || {
        store.create(&file_id(PICTURE), &mut &b"bytes"[..], &CreateOptions::default()).is_ok()
    })?;
    injected("8 writes on a mount that hangs at rename", "readers have a connection");
    Ok(())
}

fn crowd_of_writers(servers: &Servers, _: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put_old(PICTURE, b"bytes")?;
    let store = store_with(&cluster.db.dsn, cluster.b.at(), IMPATIENT);
    cluster.b.hang(&[Call::Create])?;
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..CROWD {
            let (store, refused) = (&store, &refused);
            scope.spawn(move || {
                let id = file_id(&PICTURE.replace("picture", &number.to_string()));
                let written = store.create(&id, &mut &b"bytes"[..], &CreateOptions::default());
                let unavailable =
                    written.is_err_and(|error| error.kind() == ezdfs::ErrorKind::Unavailable);
                refused.fetch_add(usize::from(unavailable), Ordering::Relaxed);
            });
        }
        let waited = wait_for("all to be refused", || refused.load(Ordering::Relaxed) == CROWD);
        let hanging = cluster.b.hanging();
        cluster.b.hang(&[])?;
        waited?;
        let hanging = hanging?;
        assert!((1..=32).contains(&hanging), "{hanging} calls hang");
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    })?;
    wait_for("the mount's recovery", || {
        store.create(&file_id(PICTURE), &mut &b"bytes"[..], &CreateOptions::default()).is_ok()
    })?;
    injected("150 writers on a mount that hangs", "all told in time, 32 threads wait at most");
    Ok(())
}
