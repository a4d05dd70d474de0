//! The table changes under processes that know it.

use ezdfs::{DirId, ErrorKind};

use super::{NEW, OLD};
use crate::store::{PREFIX, Site, id, refused, store};
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};

pub(super) fn register(group: &mut Group) {
    group.per_database("a_table_is_taken_away_and_comes_back", |db| comes_back(&Site::new(db)));
    group.add("a_file_is_replaced::sqlite", |_| another_file());
    group.per_database("another_table_of_the_kind_comes_and_goes", |db| sibling(&Site::new(db)));
    #[cfg(feature = "failpoints")]
    group.add("a_file_is_replaced_under_a_write::sqlite", |_| replaced_under_a_write());
    group.per_database("a_column_goes_and_comes_back", |db| column(&Site::new(db)));
}

/// A database of SQLite is a path, not what was there when it was first opened.
fn another_file() -> Result {
    let site = Site::new(TestDb::on_sqlite()?);
    use_all(&site)?;
    // A bare root with rows is not mounted.
    site.create("images/kept", OLD)?;
    let other = Site::new(TestDb::on_sqlite()?);
    other.create("images/other", OLD)?;
    let [path, other_path] = [&site, &other].map(|it| it.db.dsn.replace("sqlite:", ""));
    // Whoever restores a backup has moved the log of the old file away, too.
    drop(other.store);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{path}{suffix}"));
    }
    refused(site.create("images/a", OLD), ErrorKind::Unavailable);
    std::fs::rename(other_path, &path)?;
    wait_for("the other file's rows", || site.store.exists(&id("images/other")).unwrap_or(false))?;
    assert_eq!(site.store.list(None)?.count(), 1);
    settles(&site)?;
    injected(
        "SQLite's file is removed, and replaced by another",
        "unavailable, then the other is used",
    );
    Ok(())
}

/// As while a site is upgraded: its files are the other table's, too, as long as that is there.
fn sibling(site: &Site) -> Result {
    let dir = DirId::parse("images/d")?;
    let clean = || -> Result {
        site.create("images/d/own", OLD)?;
        site.store.delete_directory(&dir)?;
        Ok(())
    };
    clean()?;
    let other = site.another_store(&[("table", "ezdfsfile_cache")]);
    other.create_schema()?;
    super::create(&other, "images/d/others", OLD)?;
    wait_for("the other table's file to be left", || {
        clean().is_ok() && site.path("images/d/others").exists()
    })?;
    site.db.sql("DROP TABLE ezdfsfile_cache");
    clean()?;
    injected("another table of the kind comes, and goes", "its files are left; then all goes on");
    Ok(())
}

/// What is committed to a file that is not the database any more is stored nowhere.
#[cfg(feature = "failpoints")]
fn replaced_under_a_write() -> Result {
    let site = Site::new(TestDb::on_sqlite()?);
    site.create("images/a", OLD)?;
    let path = site.db.dsn.replace("sqlite:", "");
    let gate = site.root().with_extension("gate");
    let reached = gate.with_extension("gate.reached");
    for at in ["upserted", "published"] {
        let new = site.root().with_extension("new");
        std::fs::write(&new, NEW)?;
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ezdfs"));
        command.args(["put", "images/a"]).arg(&new).args([
            "--dsn",
            &site.db.dsn,
            "--name-prefix",
            PREFIX,
        ]);
        command
            .arg("--root")
            .arg(site.root())
            .env("FAILPOINTS", format!("{at}=return(wait:{})", gate.display()));
        let backup = format!("{path}.backup");
        site.db.sql("PRAGMA wal_checkpoint(TRUNCATE)");
        std::fs::copy(&path, &backup)?;
        let mut command = command.spawn()?;
        wait_for("the write", || reached.exists())?;
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{path}{suffix}"));
        }
        std::fs::rename(&backup, &path)?;
        std::fs::write(&gate, "")?;
        // It may be undone, and begun again with the file that is there now.
        let bytes = if command.wait()?.success() { NEW } else { OLD };
        assert_eq!(site.read("images/a")?, bytes, "{at}");
        assert_eq!(site.store.stat(&id("images/a"))?.size, bytes.len() as u64, "{at}");
        site.create("images/a", OLD)?;
        for left in [&gate, &reached, &new] {
            std::fs::remove_file(left)?;
        }
    }
    injected(
        "SQLite's file is replaced under a write",
        "refused, or stored in the new one; row and file agree",
    );
    Ok(())
}

pub(super) fn register_postgres(group: &mut Group) {
    group.add("flags_change_their_type::postgres", flags);
    group.add("the_table_is_in_a_later_schema::postgres", later_schema);
}

/// All that is done with a table.
fn use_all(site: &Site) -> Result {
    site.create("images/d/a", OLD)?;
    site.create("images/d/a", NEW)?;
    assert_eq!(site.read("images/d/a")?, NEW);
    site.store.rename(&id("images/d/a"), &id("images/d/b"))?;
    assert_eq!(site.store.list(Some(&DirId::parse("images/d")?))?.count(), 1);
    site.store.delete(&id("images/d/b"))?;
    site.create("images/d/c", OLD)?;
    site.store.delete_directory(&DirId::parse("images/d")?)?;
    Ok(())
}

/// At most once a second it is looked at.
fn settles(site: &Site) -> Result {
    wait_for("the table's new shape", || site.create("images/probe", OLD).is_ok())?;
    use_all(site)?;
    site.store.delete(&id("images/probe"))?;
    Ok(())
}

fn comes_back(site: &Site) -> Result {
    use_all(site)?;
    site.db.sql("ALTER TABLE ezdfsfile RENAME TO elsewhere");
    refused(site.create("images/a", OLD), ErrorKind::Schema);
    refused(site.store.exists(&id("images/a")), ErrorKind::Schema);
    site.db.sql("ALTER TABLE elsewhere RENAME TO ezdfsfile");
    settles(site)?;
    injected("table that is renamed and back", "a schema error while it is away, then all goes on");
    Ok(())
}

fn column(site: &Site) -> Result {
    use_all(site)?;
    site.db.sql("ALTER TABLE ezdfsfile DROP COLUMN status");
    settles(site)?;
    let (boolean, value) = match site.db.backend {
        Backend::Postgres => ("boolean", "FALSE"),
        _ => ("integer", "0"),
    };
    site.db.sql(&format!(
        "ALTER TABLE ezdfsfile ADD COLUMN status {boolean} NOT NULL DEFAULT {value}"
    ));
    settles(site)?;
    injected("column of the table that goes or appears", "all goes on, without a restart");
    Ok(())
}

/// As the kernel's own upgrade changes them.
fn flags(servers: &Servers) -> Result {
    let site = Site::new(Backend::Postgres.fresh(servers)?);
    use_all(&site)?;
    for (kind, to, none) in [("integer", "::integer", "0"), ("boolean", "::boolean", "FALSE")] {
        for column in ["expired", "status"] {
            site.db.sql(&format!(
                "ALTER TABLE ezdfsfile ALTER {column} DROP DEFAULT, \
                 ALTER {column} TYPE {kind} USING {column}{to}, ALTER {column} SET DEFAULT {none}"
            ));
        }
        settles(&site)?;
    }
    injected("flags of the table change their type", "all goes on, without a restart");
    Ok(())
}

fn later_schema(servers: &Servers) -> Result {
    let site = Site::new(Backend::Postgres.fresh(servers)?);
    site.db.sql("CREATE SCHEMA ez; ALTER TABLE ezdfsfile SET SCHEMA ez");
    let dsn = format!("{}?options[search_path]=public,ez", site.db.dsn);
    let store = store(&dsn, site.root(), &[]);
    super::create(&store, "images/a", OLD)?;
    assert!(store.exists(&id("images/a"))?);
    assert_eq!(store.list(None)?.count(), 1);
    Ok(())
}
