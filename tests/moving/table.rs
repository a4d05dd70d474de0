//! `ezdfs rename-table`: whoever has either name of the table goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use ezdfs::maintenance::{
    FeedState, RenamedTable, abilities, create_feed, drop_feed, drop_old_view, rename_table,
};
use ezdfs::{ErrorKind, Store};
use serde_json::json;

use crate::command::{Cli, stderr};
use crate::store::{PREFIX, Site, id, md5, refused, texts};
use crate::support::db::{Backend, TestDb};
use crate::support::process::wait_for;
use crate::support::{Group, Result};

pub(super) const OLD: &str = "ezdfsfile";
pub(super) const NEW: &str = "ibexa_dfs_file";
const UNCACHED: &[(&str, &str)] = &[("cache_ttl", "0s"), ("cache_negative_ttl", "0s")];

pub(super) fn register(group: &mut Group<'_>) {
    group.per_server("either_name_is_the_tables_under_load", under_load);
    group.per_server("kernels_write_through_the_old_name", kernels);
    group.per_server("a_name_that_is_taken_is_refused", taken);
    group.per_server("a_table_renamed_by_hand_gets_its_view", by_hand);
    group.per_server("a_change_log_is_in_the_way", change_log);
    group.per_server("the_rights_of_others_go_on", rights);
    group.per_database("names_that_cannot_be_are_refused", impossible);
}

pub(super) fn register_command(group: &mut Group<'_>) {
    group.per_server("rename_table_says_what_it_did", command);
}

pub(super) fn named(site: &Site, table: &'static str) -> Store {
    site.another_store(&[UNCACHED, &[("table", table)]].concat())
}

/// Readers and writers of the name that they have always had, while the table gets another, and
/// its own again.
fn under_load(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", b"bytes")?;
    let (done, read, written) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let until_done = |store: Store, turn: &(dyn Fn(&Store) -> Result + Sync)| -> Result {
        while !done.load(Ordering::Relaxed) {
            turn(&store)?;
        }
        Ok(())
    };
    let reads = |store: &Store| {
        assert!(store.exists(&id("images/a"))?);
        read.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let writes = |store: &Store| {
        let number = written.fetch_add(1, Ordering::Relaxed);
        let file = id(&format!("images/{}", number % 7));
        store.create(&file, &mut &b"written"[..], &Default::default())?;
        store.delete(&file).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        Ok(())
    };
    thread::scope(|scope| -> Result {
        // The new name is nobody's before the command is there.
        assert_eq!(rename_table(&site.store, OLD, NEW)?, RenamedTable::Renamed);
        let (reads, writes, until_done) = (&reads, &writes, &until_done);
        let others: Vec<_> = [OLD, NEW]
            .into_iter()
            .flat_map(|table| {
                let (reader, writer) = (named(&site, table), named(&site, table));
                [
                    scope.spawn(move || until_done(reader, reads)),
                    scope.spawn(move || until_done(writer, writes)),
                ]
            })
            .collect();
        let rounds = (0..6).try_for_each(|round| -> Result {
            let before = (read.load(Ordering::Relaxed), written.load(Ordering::Relaxed));
            wait_for("others to get on", || {
                let now = (read.load(Ordering::Relaxed), written.load(Ordering::Relaxed));
                (now.0 > before.0 + 20 && now.1 > before.1 + 5)
                    || others.iter().any(|other| other.is_finished())
            })?;
            let (from, to) = if round % 2 == 0 { (NEW, OLD) } else { (OLD, NEW) };
            assert_eq!(rename_table(&site.store, from, to)?, RenamedTable::Renamed);
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        for other in others {
            other.join().map_err(|_| "a reader or writer panicked")??;
        }
        rounds
    })
}

/// What kernels send, which know the old name alone.
fn kernels(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", b"bytes")?;
    rename_table(&site.store, OLD, NEW)?;
    let name = format!("{PREFIX}/images/k");
    let hash = md5(&name);
    let row = |size: u64| {
        format!(
            "INSERT INTO {OLD} (name, name_trunk, name_hash, datatype, scope, size, mtime) \
             VALUES ('{name}', '{name}', '{hash}', 'image/png', 'image', {size}, 1500000000)"
        )
    };
    let upsert = |size| match site.db.backend {
        Backend::MariaDb => {
            format!(
                "{} ON DUPLICATE KEY UPDATE size = VALUES(size), mtime = VALUES(mtime)",
                row(size)
            )
        }
        _ => format!(
            "{} ON CONFLICT (name_hash) DO UPDATE SET size = excluded.size, mtime = excluded.mtime",
            row(size)
        ),
    };
    let size =
        |table: &str| site.db.sql(&format!("SELECT size FROM {table} WHERE name_hash = '{hash}'"));
    for bytes in [3, 4] {
        site.db.sql(&upsert(bytes));
        assert_eq!(size(NEW), texts([&bytes.to_string()]));
        assert_eq!(size(OLD), size(NEW));
    }
    let expired = if site.db.backend == Backend::Postgres { "TRUE" } else { "1" };
    site.db.sql(&format!(
        "UPDATE {OLD} SET mtime = -ABS(mtime), expired = {expired} WHERE name_hash = '{hash}'"
    ));
    let state = format!("SELECT mtime FROM {NEW} WHERE name_hash = '{hash}'");
    assert_eq!(site.db.sql(&state), texts(["-1500000000"]));
    site.db.sql(&format!("DELETE FROM {OLD} WHERE name LIKE '{PREFIX}/images/k%'"));
    assert!(size(NEW).is_empty());
    let renamed = named(&site, NEW);
    assert!(renamed.exists(&id("images/a"))?);
    // Both names are fit for all that is done with a store.
    for table in [OLD, NEW] {
        let abilities = abilities(&named(&site, table))?;
        assert!(abilities.tasks.iter().all(|task| task.lacks.is_empty()), "{table}: {abilities:?}");
    }
    assert_eq!(drop_old_view(&site.store, OLD, NEW)?, RenamedTable::ViewDropped);
    refused(named(&site, OLD).exists(&id("images/a")), ErrorKind::Schema);
    assert!(renamed.exists(&id("images/a"))?);
    Ok(())
}

fn taken(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", b"bytes")?;
    for (make, drop) in [
        (format!("CREATE TABLE {NEW} (name_hash varchar(34))"), format!("DROP TABLE {NEW}")),
        (
            format!("CREATE VIEW {NEW} AS SELECT * FROM {OLD} WHERE size > 0"),
            format!("DROP VIEW {NEW}"),
        ),
        (
            format!(
                "CREATE TABLE another (name_hash varchar(34)); CREATE VIEW {NEW} AS SELECT * FROM another"
            ),
            format!("DROP VIEW {NEW}; DROP TABLE another"),
        ),
    ] {
        site.db.sql(&make);
        refused(rename_table(&site.store, OLD, NEW), ErrorKind::InvalidInput);
        refused(drop_old_view(&site.store, NEW, OLD), ErrorKind::InvalidInput);
        assert!(site.exists("images/a"));
        site.db.sql(&drop);
    }
    let gone = refused(rename_table(&site.store, "missing", NEW), ErrorKind::Schema);
    assert!(gone.to_string().contains("no such table"), "{gone}");
    Ok(())
}

/// As the notes of the release have it.
fn by_hand(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", b"bytes")?;
    site.db.sql(&format!("ALTER TABLE {OLD} RENAME TO {NEW}"));
    refused(named(&site, OLD).exists(&id("images/a")), ErrorKind::Schema);
    assert_eq!(rename_table(&site.store, OLD, NEW)?, RenamedTable::ViewMade);
    assert!(named(&site, OLD).exists(&id("images/a"))?);
    assert_eq!(rename_table(&site.store, OLD, NEW)?, RenamedTable::AlreadyRenamed);
    assert_eq!(rename_table(&site.store, NEW, OLD)?, RenamedTable::Renamed);
    assert_eq!(drop_old_view(&site.store, NEW, OLD)?, RenamedTable::ViewDropped);
    assert!(named(&site, OLD).exists(&id("images/a"))?);
    Ok(())
}

fn change_log(db: TestDb) -> Result {
    let site = Site::new(db);
    create_feed(&site.store)?;
    let error = refused(rename_table(&site.store, OLD, NEW), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("--drop-feed"), "{error}");
    drop_feed(&site.store)?;
    rename_table(&site.store, OLD, NEW)?;
    let renamed = named(&site, NEW);
    create_feed(&renamed)?;
    assert_eq!(abilities(&renamed)?.feed, FeedState::There);
    // Written through the view, too.
    site.create("images/a", b"bytes")?;
    let logged = format!("SELECT COUNT(*) > 0 FROM {NEW}_changes WHERE name <> ''");
    assert!(matches!(site.db.sql(&logged)[0][0].as_deref(), Some("1" | "t")));
    Ok(())
}

/// A kernel's account with no more than it needs, and not on the whole database.
fn rights(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", b"bytes")?;
    let user = format!("kernel_{}", std::process::id());
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON ezdfsfile TO";
    let dsn = site.db.dsn.replacen("ezdfs:secret", &format!("{user}:secret"), 1);
    match site.db.backend {
        Backend::MariaDb => site.db.sql(&format!(
            "CREATE OR REPLACE USER {user}@'%' IDENTIFIED BY 'secret'; {grant} {user}@'%'"
        )),
        _ => site.db.sql(&format!("CREATE ROLE {user} LOGIN PASSWORD 'secret'; {grant} {user}")),
    };
    let kernels = crate::store::store(&dsn, site.root(), UNCACHED);
    kernels.create(&id("images/k"), &mut &b"one"[..], &Default::default())?;
    rename_table(&site.store, OLD, NEW)?;
    assert!(kernels.exists(&id("images/k"))?);
    kernels.create(&id("images/k"), &mut &b"four"[..], &Default::default())?;
    kernels.delete(&id("images/k"))?;
    rename_table(&site.store, NEW, OLD)?;
    kernels.create(&id("images/k"), &mut &b"five"[..], &Default::default())?;
    drop(kernels);
    match site.db.backend {
        Backend::MariaDb => site.db.sql(&format!("DROP USER {user}@'%'")),
        _ => site.db.sql(&format!("DROP OWNED BY {user}; DROP ROLE {user}")),
    };
    Ok(())
}

fn impossible(db: TestDb) {
    let site = Site::new(db);
    for (old, new, kind) in [
        (OLD, OLD, ErrorKind::InvalidInput),
        (OLD, "EZDFSFILE", ErrorKind::InvalidInput),
        (OLD, "other.ezdfsfile", ErrorKind::InvalidInput),
        (OLD, "no name", ErrorKind::InvalidConfig),
    ] {
        refused(rename_table(&site.store, old, new), kind);
    }
    if site.db.backend == Backend::Sqlite {
        let error = refused(rename_table(&site.store, OLD, NEW), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("ALTER TABLE ezdfsfile RENAME TO"), "{error}");
    }
}

fn command(db: TestDb) {
    let cli = Cli::new(Some(db));
    let json = cli.json(&["rename-table", OLD, NEW, "--json"]);
    assert_eq!(json, [json!({ "old": OLD, "new": NEW, "outcome": "renamed" })]);
    let text = cli.text(&["rename-table", OLD, NEW]);
    assert_eq!(text, "ibexa_dfs_file is the table already, ezdfsfile a view of it\n");
    let text = cli.text(&["rename-table", NEW, OLD]);
    assert_eq!(text, "ezdfsfile is the table, ibexa_dfs_file a view of it\n");
    assert_eq!(
        cli.text(&["rename-table", NEW, OLD, "--drop-view"]),
        "there is no view ibexa_dfs_file\n"
    );
    let output = cli.run(&["rename-table", "missing", NEW]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
}
