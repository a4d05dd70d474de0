//! The commands, killed at each of their steps, and run again.

use std::path::Path;

use crate::races::command;
use crate::store::{Site, id, store, texts};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::{Group, Result};

/// The steps that are played here.
pub(crate) const STEPS: &[&str] = &["name-changed"];

pub(super) fn register(group: &mut Group<'_>) {
    group.per_server("rename_table_killed_at_each_step", rename_table);
}

/// After so many times at this step it dies. False where it did not get there.
fn dies(site: &Site, arguments: &[&str], last: &str, step: &str, times: usize) -> Result<bool> {
    let mut command = command(site, arguments, Path::new(last));
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
