//! The database is killed again and again while its table gets another name, and its own again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ezdfs::maintenance::{drop_old_view, rename_table};
use ezdfs::{ErrorKind, Store};

use super::table::{NEW, OLD, named};
use crate::kill::content::Random;
use crate::kill::{Finished, number, seed};
use crate::store::{Site, id, read_if_there};
use crate::support::db::Backend;
use crate::support::faults::injected;
use crate::support::process::wait_for_success;
use crate::support::{Group, Result};

/// Names that each writer writes under.
const IDS: u64 = 20;

pub(super) fn register(group: &mut Group<'_>) {
    for of in [Backend::MariaDb, Backend::Postgres] {
        let name = format!("a_table_is_renamed_under_its_writers::{}", of.name());
        group.add(&name, move |_| under_its_writers(of));
    }
}

fn under_its_writers(of: Backend) -> Result {
    let site = Site::new(of.alone()?);
    site.create("images/a", b"bytes")?;
    rename_table(&site.store, OLD, NEW)?;
    let done = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let writers = [OLD, NEW].map(|table| {
            let (store, done) = (named(&site, table), &done);
            scope.spawn(move || write(&store, table, done))
        });
        let finished = Finished(&done);
        let renamed = kill_renames(&site);
        drop(finished);
        let mut all = Vec::new();
        for writer in writers {
            all.extend(writer.join().map_err(|_| "a writer panicked")??);
        }
        renamed.map(|()| all)
    })?;
    for table in [OLD, NEW] {
        let store = named(&site, table);
        for (name, bytes) in &acknowledged {
            assert_eq!(read_if_there(&store, name)?.as_ref(), Some(bytes), "{table}: {name}");
        }
    }
    rename_table(&site.store, OLD, NEW)?;
    drop_old_view(&site.store, OLD, NEW)?;
    assert!(named(&site, NEW).exists(&id("images/a"))?);
    Ok(())
}

/// What was acknowledged last under each name.
fn write(store: &Store, table: &str, done: &AtomicBool) -> Result<Vec<(String, Vec<u8>)>> {
    let mut last = vec![None; IDS as usize];
    let mut random = Random::new(seed() + table.len() as u64);
    while !done.load(Ordering::Relaxed) {
        let number = random.below(IDS) as usize;
        let bytes = vec![random.below(256) as u8; 100 + random.below(100) as usize];
        let name = format!("images/{table}/{number}");
        wait_for_success("a write to be acknowledged", || {
            store.create(&id(&name), &mut &*bytes, &Default::default())?;
            Ok(())
        })?;
        last[number] = Some((name, bytes));
    }
    Ok(last.into_iter().flatten().collect())
}

fn kill_renames(site: &Site) -> Result {
    let mut random = Random::new(seed());
    for round in 0..number("EZDFS_TEST_KILLS").unwrap_or(3) {
        let (from, to) = if round % 2 == 0 { (NEW, OLD) } else { (OLD, NEW) };
        let store = named(site, from);
        thread::scope(|scope| -> Result {
            let renaming = scope.spawn(|| rename_at_last(&store, from, to));
            thread::sleep(Duration::from_millis(random.below(60)));
            site.db.kill_server()?;
            renaming.join().map_err(|_| "the rename panicked")?
        })?;
        for table in [OLD, NEW] {
            assert_eq!(named(site, table).stat(&id("images/a"))?.size, 5, "{round}: {table}");
        }
        injected("a database is killed while its table is renamed", "repeated, it is done");
    }
    Ok(())
}

/// Whoever is told that the database is away runs it again.
fn rename_at_last(store: &Store, from: &str, to: &str) -> Result {
    wait_for_success("a rename", || match rename_table(store, from, to) {
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}");
            Err(error.into())
        }
        Ok(_) => Ok(()),
    })
}
