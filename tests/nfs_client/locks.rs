//! What hangs on the mount keeps its rows locked: it cannot be called back, and must meet nobody
//! else's file when it is carried out at last.

use std::thread;
use std::time::Duration;

use ezdfs::{CreateOptions, DirId, ErrorKind, FileId, Store};

use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::nfs_client::Call;
use crate::support::process::wait_for;
use crate::support::{Need, Result, Trials};

use super::cluster::{Cluster, file_id, store_with};

const IMPATIENT: &[(&str, &str)] = &[("mount_timeout", "500ms"), ("cache_ttl", "0")];
const PATIENT: &[(&str, &str)] =
    &[("connect_timeout", "60s"), ("query_timeout", "60s"), ("mount_timeout", "60s")];
/// More than one thread removes.
const FILES: usize = 200;
/// Those that the first thread removes.
const FIRST_SHARE: usize = 128;
/// All threads of a process but one.
const OTHERS: usize = 31;
/// Long enough for a writer who has nobody to wait for.
const UNHINDERED: Duration = Duration::from_secs(1);

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("nfs_client", &[Need::NfsClient]);
    group.per_database("a_batch_of_which_a_part_hangs_stays_locked", part_of_a_batch);
}

fn doomed(number: usize) -> FileId {
    file_id(&format!("var/site/storage/images/1/{number:03}.png"))
}

fn bystander(number: usize) -> FileId {
    file_id(&format!("var/site/storage/images/2/{number}.png"))
}

fn put(store: &Store, id: &FileId, bytes: &[u8]) -> Result {
    store.create(id, &mut &bytes[..], &CreateOptions::default())?;
    Ok(())
}

/// One thread is left for the files, of whom several are to go at a time.
fn part_of_a_batch(db: TestDb) -> Result {
    let mut cluster = Cluster::on(db)?;
    let a = store_with(&cluster.db.dsn, cluster.a.at(), PATIENT);
    (0..FILES).try_for_each(|number| put(&a, &doomed(number), b"old"))?;
    (0..OTHERS).try_for_each(|number| put(&a, &bystander(number), b"bytes"))?;
    let b = store_with(&cluster.db.dsn, cluster.b.at(), IMPATIENT);
    cluster.b.hang(&[Call::Open, Call::Unlink])?;
    thread::scope(|scope| {
        for number in 0..OTHERS {
            let b = &b;
            scope.spawn(move || drop(b.open(&bystander(number))));
        }
    });
    assert_eq!(cluster.b.hanging()?, OTHERS);

    let directory = DirId::parse("var/site/storage/images/1")?;
    // On a busy machine it may be refused before it comes so far.
    wait_for("a file to be removed", || {
        let deleted = b.delete_directory(&directory).expect_err("the mount hangs");
        assert_eq!(deleted.kind(), ErrorKind::Unavailable, "{deleted:#}");
        cluster.b.hanging().is_ok_and(|hanging| hanging == OTHERS + 1)
    })?;
    let stored = [doomed(0), doomed(FIRST_SHARE - 1)];
    thread::scope(|scope| {
        let writer = scope.spawn(|| stored.iter().try_for_each(|id| put(&a, id, b"stored anew")));
        wait_for_end_within(UNHINDERED, || writer.is_finished());
        cluster.b.heal()?;
        writer.join().map_err(|_| "the writer panicked")?
    })?;
    let gone = doomed(FIRST_SHARE - 2);
    wait_for("the removal to end", || {
        !cluster.server().join(gone.as_str()).exists() && cluster.b.hanging().is_ok_and(|n| n == 0)
    })?;
    for id in &stored {
        assert_eq!(std::fs::read(cluster.server().join(id.as_str()))?, b"stored anew", "{id:?}");
    }
    injected(
        "a part of a batch hangs, another finds no thread",
        "its rows stay locked until it ends",
    );
    Ok(())
}

/// Gives something the time that it would take if nothing hindered it.
fn wait_for_end_within(time: Duration, has_ended: impl Fn() -> bool) {
    let pause = Duration::from_millis(10);
    for _ in 0..time.as_millis() / pause.as_millis() {
        if has_ended() {
            return;
        }
        thread::sleep(pause);
    }
}
