//! The commands, killed at each of their steps, and run again.

use std::path::Path;

use super::prefix;
use crate::races::command;
use crate::store::{Site, id, store, texts};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::{Group, Result};

/// The steps that are played here.
pub(crate) const STEPS: &[&str] =
    &["name-changed", "twins-locked", "twins-named", "twins-committed"];

pub(super) fn register(group: &mut Group<'_>) {
    group.per_server("rename_table_killed_at_each_step", rename_table);
    group.per_database("rename_prefix_killed_at_each_step", rename_prefix);
}

/// After so many times at this step it dies. False where it did not get there.
fn dies(site: &Site, arguments: &[&str], last: &str, step: &str, times: usize) -> Result<bool> {
    let mut command = command(site, arguments, Path::new(last));
    if arguments[0] == "rename-prefix" {
        command.env("EZDFS_NAME_PREFIX", "");
    }
    let how = format!("{step}={times}*off->return(crash)");
    let status = command.env("FAILPOINTS", how).status()?;
    assert!(status.success() || status.code().is_none(), "{step} {times}: {status}");
    Ok(!status.success())
}

fn rename_table(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", b"bytes")?;
    let [old, new] = ["ezdfsfile", "ibexa_dfs_file"]
        .map(|table| store(&site.db.dsn, site.root(), &[("table", table)]));
    for round in 0.. {
        let (from, to) = if round % 2 == 0 {
            ("ezdfsfile", "ibexa_dfs_file")
        } else {
            ("ibexa_dfs_file", "ezdfsfile")
        };
        let has_died = dies(&site, &["rename-table", from], to, "name-changed", round / 2)?;
        // The name that everybody has at the time leads there, whatever became of it.
        let everybodys = if round == 0 { &old } else { &new };
        for store in [&old, everybodys] {
            assert!(store.exists(&id("images/a"))?, "{round}");
            store.create(&id("images/b"), &mut &b"written"[..], &Default::default())?;
        }
        assert!(command(&site, &["rename-table", from], Path::new(to)).status()?.success());
        let views = "SELECT COUNT(*) FROM information_schema.tables \
                     WHERE table_name LIKE 'ezdfs_rename%'";
        assert_eq!(site.db.sql(views), texts(["0"]), "{round}");
        for store in [&old, &new] {
            assert_eq!(store.stat(&id("images/b"))?.size, 7, "{round}");
        }
        injected("rename-table killed at a step", "either name goes on; repeated, it is done");
        if !has_died && round % 2 == 1 {
            assert!(round > 2, "it never died");
            return Ok(());
        }
    }
    Ok(())
}

fn is_unavailable(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<ezdfs::Error>();
    error.is_some_and(|error| error.kind() == ezdfs::ErrorKind::Unavailable)
}

/// Batches of 250 rows: each step is taken several times.
fn rename_prefix(db: TestDb) -> Result {
    const FILES: usize = 600;
    let site = prefix::site(db, FILES)?;
    let reader = prefix::another(&site);
    let check = |has_old: bool, has_new: bool, what: &str| -> Result {
        for number in (0..FILES).step_by(13).chain(FILES - 9..FILES) {
            let expected = Some(prefix::content(number).into_bytes());
            // Of a row whose file has lost this name already nobody says that it is not found.
            let old = match prefix::read(&reader, &prefix::old(number)) {
                Err(error) if !has_old && is_unavailable(&*error) => None,
                outcome => outcome?,
            };
            let new = prefix::read(&reader, &prefix::new(number))?;
            assert!(old == expected || (!has_old && old.is_none()), "{what}: {number} {old:?}");
            assert!(new == expected || (!has_new && new.is_none()), "{what}: {number} {new:?}");
        }
        Ok(())
    };
    for step in ["twins-locked", "twins-named", "twins-committed"] {
        for times in 0..4 {
            let what = format!("{step} {times}");
            // Each time something is new to be renamed.
            let late = format!("{}/images/late {times} of {step}", prefix::OLD);
            site.create(&late, b"late")?;
            let died = dies(&site, &["rename-prefix", prefix::OLD], prefix::NEW, step, times)?;
            check(true, false, &what)?;
            prefix::both(&site.store)?;
            check(true, true, &what)?;
            let died_again =
                dies(&site, &["rename-prefix", prefix::OLD, "--finish"], prefix::NEW, step, times)?;
            assert!(died || times > 0, "{what}: it never died");
            assert!(died_again == (times < 3), "{what}: it died at the end: {died_again}");
            check(false, true, &what)?;
            prefix::finish(&site.store)?;
            check(false, true, &what)?;
            assert!(!site.path(prefix::OLD).exists(), "{what}");
            assert!(site.trash().is_empty(), "{what}: {:?}", site.trash());
            let [old, new] = [prefix::OLD, prefix::NEW].map(|prefix| {
                let count = format!("SELECT COUNT(*) FROM ezdfsfile WHERE name LIKE '{prefix}/%'");
                site.db.sql(&count)[0][0].clone().unwrap()
            });
            let files = walkdir::WalkDir::new(site.path(prefix::NEW)).into_iter().flatten();
            let files = files.filter(|entry| entry.file_type().is_file()).count();
            assert_eq!((&*old, &*new), ("0", &*files.to_string()), "{what}");
            prefix::rename(&site.store, prefix::NEW, prefix::OLD, prefix::FINISH)?;
            injected(
                "rename-prefix killed at a step",
                "each file has a name; repeated, it is done",
            );
        }
    }
    Ok(())
}
