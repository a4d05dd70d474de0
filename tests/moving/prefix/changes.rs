//! What others have done under either name, and what was there before.

use std::fs;

use ezdfs::maintenance::{
    Phase, Progress, RenamePrefix, RenamePrefixOptions, RenamePrefixReport, drop_old_view,
    rename_table,
};
use ezdfs::{Error, ErrorKind};

use super::{
    FINISH, NEW, OLD, Outcome, Told, another, both, content, finish, new, old, read, rename, site,
    state,
};
use crate::store::{id, md5, refused};
use crate::support::db::{Backend, TestDb};
use crate::support::{Group, Result};

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("what_is_done_under_either_name_is_followed", followed);
    group.per_database("new_names_that_are_taken_are_refused", taken);
    group.per_database("the_way_back_begins_in_the_midst_of_the_end", turned);
    group.per_database("what_has_no_file_keeps_its_old_name", without_file);
    group.per_server("a_view_of_the_table_is_in_the_way_of_the_end", beside_a_view);
}

/// Between the two runs some nodes have the old name still, others the new one already.
fn followed(db: TestDb) -> Result {
    let site = site(db, 8)?;
    both(&site.store)?;
    let store = another(&site);
    let put = |name: &str, bytes: &[u8]| store.create(&id(name), &mut &*bytes, &Default::default());
    put(&old(0), b"overwritten under the old name")?;
    put(&new(1), b"overwritten under the new name")?;
    store.delete(&id(&old(2)))?;
    store.delete(&id(&new(3)))?;
    let deleted = format!(
        "UPDATE ezdfsfile SET mtime = -ABS(mtime), expired = {} WHERE name_hash = ",
        if site.db.backend == Backend::Postgres { "TRUE" } else { "1" }
    );
    site.db.sql(&format!("{deleted}'{}'", md5(&old(4))));
    site.db.sql(&format!("{deleted}'{}'", md5(&new(5))));
    put(&format!("{OLD}/images/made"), b"under the old name")?;
    put(&format!("{NEW}/images/made too"), b"under the new name")?;
    // A kernel truncates and writes what both names lead to, and then its own row.
    fs::write(site.path(&old(6)), "rewritten in place, longer than before")?;
    site.db.sql(&format!(
        "UPDATE ezdfsfile SET size = 38, mtime = mtime + 10 WHERE name_hash = '{}'",
        md5(&old(6))
    ));
    let renamed = both(&site.store)?;
    assert_eq!(renamed.renamed, 4, "0, 4, 6 and what was made: {renamed:?}");
    let renamed = finish(&site.store)?;
    assert_eq!(renamed.deleted, 2, "{renamed:?}");
    let seen = |number: usize| read(&store, &new(number));
    assert_eq!(seen(0)?, Some(b"overwritten under the old name".to_vec()));
    assert_eq!(seen(1)?, Some(b"overwritten under the new name".to_vec()));
    for number in 2..6 {
        assert_eq!(seen(number)?, None, "{number}");
    }
    assert_eq!(seen(6)?, Some(b"rewritten in place, longer than before".to_vec()));
    assert_eq!(store.stat(&id(&new(6)))?.size, 38);
    assert_eq!(seen(7)?, Some(content(7).into_bytes()));
    assert_eq!(read(&store, &format!("{NEW}/images/made"))?, Some(b"under the old name".to_vec()));
    let made = read(&store, &format!("{NEW}/images/made too"))?;
    assert_eq!(made, Some(b"under the new name".to_vec()));
    assert!(!site.path(OLD).exists());
    // What one name alone had, and nobody wants any more.
    assert_eq!(site.trash(), [new(2), old(1), old(3)]);
    Ok(())
}

fn taken(db: TestDb) -> Result {
    let site = site(db, 3)?;
    let store = another(&site);
    store.create(&id(&new(1)), &mut &b"somebody else's"[..], &Default::default())?;
    let before = state(&site);
    for options in [RenamePrefixOptions::default(), FINISH] {
        let error = refused(rename(&site.store, OLD, NEW, options), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("nothing was changed"), "{error}");
        assert_eq!(state(&site), before);
    }
    store.delete(&id(&new(1)))?;
    // A file without a row.
    fs::create_dir_all(site.path(&new(2)).parent().unwrap())?;
    fs::write(site.path(&new(2)), content(2))?;
    let before = state(&site);
    refused(both(&site.store), ErrorKind::InvalidInput);
    assert_eq!(state(&site), before);
    fs::remove_file(site.path(&new(2)))?;
    both(&site.store)?;
    Ok(())
}

/// Some old names are gone already when somebody changes his mind.
fn turned(db: TestDb) -> Result {
    const FILES: usize = 600;
    let site = site(db, FILES)?;
    both(&site.store)?;
    let interrupted =
        RenamePrefix::new(&site.store, OLD, NEW, FINISH)?.run(&mut Interrupting { removed: 0 })?;
    assert!(interrupted.is_interrupted && interrupted.ended < FILES as u64, "{interrupted:?}");
    assert!(interrupted.ended > 0);
    let renamed = rename(&site.store, NEW, OLD, RenamePrefixOptions::default())?;
    assert_eq!((renamed.renamed, renamed.deleted), (interrupted.ended, 0));
    let reader = another(&site);
    for number in 0..FILES {
        let expected = Some(content(number).into_bytes());
        assert_eq!(read(&reader, &old(number))?, expected, "{number}");
        assert_eq!(read(&reader, &new(number))?, expected, "{number}");
    }
    let renamed = rename(&site.store, NEW, OLD, FINISH)?;
    assert_eq!((renamed.ended, renamed.deleted), (FILES as u64, 0));
    assert!(site.path(&old(0)).exists() && !site.path(NEW).exists());
    Ok(())
}

/// Ctrl-C after the first batch that is removed.
struct Interrupting {
    removed: u64,
}

impl Progress for Interrupting {
    fn progress(&mut self, phase: Phase, done: u64, _: u64) {
        if phase == Phase::Removing {
            self.removed = done;
        }
    }

    fn is_interrupted(&self) -> bool {
        self.removed > 0
    }
}

impl RenamePrefixReport for Interrupting {
    fn would_rename(&mut self, _: &str, _: &str) -> Outcome<()> {
        Ok(())
    }

    fn would_remove(&mut self, _: &str) -> Outcome<()> {
        Ok(())
    }

    fn failure(&mut self, error: Error) {
        panic!("{error:#}");
    }
}

/// The view leads to the same files under the old names, as another site's table might.
fn beside_a_view(db: TestDb) -> Result {
    let site = site(db, 5)?;
    both(&site.store)?;
    rename_table(&site.store, "ezdfsfile", "ibexa_dfs_file")?;
    let table = [("table", "ibexa_dfs_file")];
    let renamed = site.another_store(&[super::WHOLE_NAMES, &table].concat());
    let before = state(&site);
    let mut told = Told::default();
    let outcome = RenamePrefix::new(&renamed, OLD, NEW, FINISH)?.run(&mut told)?;
    assert_eq!((outcome.ended, outcome.failed), (0, 5));
    let is_told = |error: &Error| {
        error.kind() == ErrorKind::Storage && error.to_string().contains("view of this table")
    };
    assert!(told.failures.len() == 5 && told.failures.iter().all(is_told), "{:?}", told.failures);
    assert_eq!(state(&site), before);
    drop_old_view(&renamed, "ezdfsfile", "ibexa_dfs_file")?;
    assert_eq!(finish(&renamed)?.ended, 5);
    let reader = site.another_store(&[super::WHOLE_NAMES, &table].concat());
    assert_eq!(read(&reader, &new(3))?, Some(content(3).into_bytes()));
    assert!(!site.path(OLD).exists());
    Ok(())
}

/// It may be on a part of the tree that is not mounted.
fn without_file(db: TestDb) -> Result {
    let site = site(db, 5)?;
    both(&site.store)?;
    for name in [old(2), new(2)] {
        fs::remove_file(site.path(&name))?;
    }
    let mut told = Told::default();
    let renamed = RenamePrefix::new(&site.store, OLD, NEW, FINISH)?.run(&mut told)?;
    assert_eq!((renamed.ended, renamed.failed), (4, 1));
    let [error] = &told.failures[..] else { panic!("{:?}", told.failures) };
    assert_eq!((error.kind(), error.subject()), (ErrorKind::Storage, &*old(2)));
    // There again, it goes as well.
    fs::create_dir_all(site.path(&new(2)).parent().unwrap())?;
    fs::write(site.path(&new(2)), content(2))?;
    assert_eq!(finish(&site.store)?.ended, 1);
    Ok(())
}
