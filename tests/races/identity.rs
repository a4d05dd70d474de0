//! Versions that could be taken for each other: of one size, and with a time that another had.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use ezdfs::CreateOptions;

use super::{Stopped, command, scratch};
use crate::store::{Site, id, md5};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::{Group, Result};

const FILE: &str = "images/file";
const TIME: i64 = 1_500_000_000;
const A: &[u8] = b"AAAAAAAA";
const B: &[u8] = b"BBBBBBBB";
const C: &[u8] = b"CCCCCCCC";

/// Long enough for a writer to wait for a row.
const QUEUED: Duration = Duration::from_millis(500);

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("an_older_version_with_the_same_time_does_not_come_back", older);
    group.per_database("a_row_that_looks_like_ones_own_is_another_writers", mistaken);
    group.per_database("whoever_waits_for_an_undo_knows_what_it_put_back", queued);
}

fn create(site: &Site, bytes: &[u8], mtime: Option<i64>) -> Result {
    let options = CreateOptions { mtime, ..CreateOptions::default() };
    site.store.create(&id(FILE), &mut &bytes[..], &options)?;
    Ok(())
}

fn put(site: &Site, bytes: &[u8], failpoints: &str) -> Result<Command> {
    let (scratch, number) = scratch(site)?;
    let source = scratch.join(format!("{number}"));
    fs::write(&source, bytes)?;
    let mut put = command(site, &["put", FILE], &source);
    put.env("FAILPOINTS", failpoints);
    Ok(put)
}

/// What an overwrite left behind whose last step failed, and then its time came again.
fn older(db: TestDb) -> Result {
    let site = Site::new(db);
    for round in 0..8 {
        let time = TIME + 10 * round;
        create(&site, A, Some(time))?;
        let label = format!("{}-{:x}-{time:x}-1", md5("file"), A.len());
        // Before or after the other in the directory.
        let left = format!("images/.ezdfs-old-{label}-{}", &md5(&round.to_string())[..16]);
        fs::hard_link(site.path(FILE), site.path(&left))?;
        create(&site, B, None)?;
        create(&site, C, Some(time))?;
        assert!(!put(&site, B, "published=return(error)")?.status()?.success());
        assert_eq!(site.read(FILE)?, C, "{round}");
        injected(
            "an overwrite left its old file, and its time came again",
            "what was there before is put back",
        );
        fs::remove_file(site.path(&left))?;
    }
    Ok(())
}

/// One writer loses the lock, and the other makes the same row.
fn mistaken(db: TestDb) -> Result {
    let site = Site::new(db);
    for there_before in [false, true] {
        if there_before {
            create(&site, A, Some(TIME + 1))?;
        }
        let stopped = Stopped::put(&site, FILE, B)?;
        create(&site, C, Some(TIME))?;
        stopped.release()?;
        assert!(!stopped.succeeds()?, "{there_before}: its row was never committed");
        assert_eq!(site.read(FILE)?, C);
        assert_eq!(site.tree(), ["images", FILE]);
        injected(
            "commit fails, and another writer makes the same row",
            "an error; the other's file stays",
        );
    }
    Ok(())
}

/// A writer waits for the row that another undoes its write under, and dies before its own commit.
fn queued(db: TestDb) -> Result {
    let site = Site::new(db);
    create(&site, A, None)?;
    let undoing = Stopped::start(&site, put(&site, B, "")?, "published=return(error);relocked")?;
    let mut next = put(&site, C, "published=return(crash)")?.spawn()?;
    thread::sleep(QUEUED);
    undoing.release()?;
    assert!(!undoing.succeeds()? && !next.wait()?.success());
    let row = site.store.stat(&id(FILE))?;
    assert_eq!(row.size, A.len() as u64);
    let repair = ["fsck", "--grace", "0s", "--repair", "all", "--max-missing", "100"];
    assert!(command(&site, &repair, "images".as_ref()).status()?.success());
    assert_eq!(site.read(FILE)?, A);
    let row = site.another_store(&[]).stat(&id(FILE))?;
    assert_eq!(fs::metadata(site.path(FILE))?.mtime(), row.mtime, "row and file have one time");
    injected("a writer that waited for an undo dies before its commit", "fsck restores the old");
    Ok(())
}
