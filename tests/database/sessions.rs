//! Servers and DSNs whose settings are not those that the protocol needs: a session has its own.

use std::sync::Arc;
use std::thread;

use ezdfs::{DirId, ErrorKind, Store};

use super::{NEW, OLD, create};
use crate::fsck::{fsck, options};
use crate::store::{PREFIX, Site, id, md5, refused, store, texts};
use crate::support::db::{Backend, Rows, TestDb};
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers, mariadb, postgres};

pub(super) fn register_mariadb(group: &mut Group) {
    group.add("settings_of_the_server_are_not_ours::mariadb", |_| mariadb_settings());
    group.add("a_log_of_statements_takes_writes", |_| statement_log());
    group.add("what_is_given_up_ends_on_the_server::mariadb", given_up);
}

pub(super) fn register_postgres(group: &mut Group) {
    group.add("settings_of_the_server_are_not_ours::postgres", |_| postgres_settings());
}

/// What the server is told, what undoes it, and parameters of the DSN.
const MARIADB_SETTINGS: [(&str, &str, &str); 11] = [
    ("autocommit = 0", "autocommit = 1", ""),
    ("completion_type = CHAIN", "completion_type = NO_CHAIN", ""),
    ("completion_type = 'RELEASE'", "completion_type = NO_CHAIN", ""),
    ("sql_mode = ORACLE", "sql_mode = ''", ""),
    (
        "sql_mode = 'ANSI,EMPTY_STRING_IS_NULL,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'",
        "sql_mode = ''",
        "",
    ),
    ("tx_isolation = 'SERIALIZABLE'", "tx_isolation = 'REPEATABLE-READ'", ""),
    ("tx_isolation = 'READ-UNCOMMITTED'", "tx_isolation = 'REPEATABLE-READ'", ""),
    ("sql_select_limit = 1", "sql_select_limit = DEFAULT", ""),
    ("sql_safe_updates = 1", "sql_safe_updates = 0", ""),
    ("autocommit = 1", "autocommit = 1", "?charset=latin1"),
    ("autocommit = 1", "autocommit = 1", "?charset=ascii&timezone=%2B05:00"),
];

fn mariadb_settings() -> Result {
    let server = Arc::new(mariadb::Server::start()?);
    let mut failed = Vec::new();
    for (settings, back, parameters) in MARIADB_SETTINGS {
        let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_unicode_520_ci")?;
        server.sql("", &format!("SET GLOBAL {settings}"))?;
        failed.extend(try_out(format!("{settings} {parameters}"), db, parameters));
        server.sql("", &format!("SET GLOBAL {back}"))?;
    }
    assert!(failed.is_empty(), "{failed:#?}");
    Ok(())
}

fn postgres_settings() -> Result {
    let server = Arc::new(postgres::Server::start()?);
    let mut failed = Vec::new();
    for settings in [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_isolation = 'repeatable read'",
        "standard_conforming_strings = off",
        "client_encoding = 'LATIN1'",
    ] {
        let db = TestDb::on_postgres(&server)?;
        db.sql(&format!("ALTER ROLE ezdfs SET {settings}"));
        failed.extend(try_out(settings.to_owned(), db, ""));
        server.sql("postgres", "ALTER ROLE ezdfs RESET ALL")?;
    }
    let (db, parameters) =
        (TestDb::on_postgres(&server)?, "?options=-c%20client_encoding%3DLATIN1");
    failed.extend(try_out(parameters.to_owned(), db, parameters));
    assert!(failed.is_empty(), "{failed:#?}");
    Ok(())
}

/// Tells what fails, so that each of the settings has its turn.
fn try_out(settings: String, db: TestDb, parameters: &'static str) -> Option<String> {
    match thread::spawn(move || works(db, parameters)).join() {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{settings}: {error}")),
        Err(_) => Some(format!("{settings}: see the panic")),
    }
}

/// Such a server refuses InnoDB's writes where they are committed as they are read.
fn statement_log() -> Result {
    let log = ["--log-bin=log", "--server-id=1", "--binlog-format=STATEMENT"];
    let server = Arc::new(mariadb::Server::start_with(&log)?);
    works(TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_unicode_520_ci")?, "")
}

/// A statement that would take hours, of a reader and of a writer.
fn given_up(servers: &Servers) -> Result {
    let site = Site::new(Backend::MariaDb.fresh(servers)?);
    site.create("images/a", OLD)?;
    let hasty = site.another_store(&[("query_timeout", "1s"), ("cache_ttl", "0")]);
    hasty.check_schema()?;
    let ended = || {
        let mine = "SELECT COUNT(*) FROM information_schema.processlist \
                    WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Sleep'";
        wait_for("the statement's end", || site.db.sql(mine) == texts(["0"]))
    };
    site.db.sql(
        "CREATE TRIGGER slow BEFORE UPDATE ON ezdfsfile FOR EACH ROW \
         SET NEW.scope = IF(SLEEP(9999) = 0, 'late', NEW.scope)",
    );
    refused(hasty.delete(&id("images/a")), ErrorKind::Unavailable);
    ended()?;
    site.db.sql("DROP TRIGGER slow");
    assert!(site.exists("images/a"));
    injected("statement of a writer that takes too long", "ends on the server, too");
    site.db.sql(
        "RENAME TABLE ezdfsfile TO stored; \
         CREATE VIEW ezdfsfile AS SELECT * FROM stored WHERE SLEEP(9999) = 0",
    );
    refused(hasty.stat(&id("images/a")), ErrorKind::Unavailable);
    ended()?;
    injected("statement of a reader that takes too long", "ends on the server, too");
    Ok(())
}

/// Whether rows are what others say, and others see what was said to be done.
fn works(db: TestDb, parameters: &str) -> Result {
    let dsn = format!("{}{parameters}", db.dsn);
    let site = Site::without_table(db, &[]);
    let store = store(&dsn, site.root(), &[("cache_ttl", "0"), ("max_connections", "2")]);
    store.create_schema()?;
    names_are_stored(&site, &store)?;
    rows_are_those_of_now(&site, &store)?;
    deletes_are_done(&site, &store)?;
    writers_do_not_hinder_each_other(&site, &store)?;
    assert_eq!(fsck(&site, options(&[])).0.remaining(), 0);
    injected("server or dsn with settings of its own", "success: the session has ours");
    Ok(())
}

fn names_are_stored(site: &Site, store: &Store) -> Result {
    let file = "images/living room é \u{1f5bc}.jpg";
    create(store, file, OLD)?;
    assert_eq!(store.stat(&id(file))?.size, OLD.len() as u64);
    let name = format!("{PREFIX}/{file}");
    let bytes = match site.db.backend {
        Backend::Postgres => "encode(convert_to(name, 'UTF8'), 'hex')",
        _ => "LOWER(HEX(CONVERT(name USING utf8mb4)))",
    };
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    let found = format!("SELECT {bytes} FROM ezdfsfile WHERE name_hash = '{}'", md5(&name));
    assert_eq!(others(site, &found), texts([&*hex]));
    Ok(())
}

fn rows_are_those_of_now(site: &Site, store: &Store) -> Result {
    create(store, "images/a", OLD)?;
    for round in 0..3 {
        let kind = format!("image/{round}");
        others(site, &format!("UPDATE ezdfsfile SET datatype = '{kind}' {}", of("images/a")));
        assert_eq!(store.stat(&id("images/a"))?.mime_type, kind);
        create(store, &format!("images/{round}"), OLD)?;
        create(store, &format!("images/{round}"), NEW)?;
        let size = format!("SELECT size FROM ezdfsfile {}", of(&format!("images/{round}")));
        assert_eq!(others(site, &size), texts([&*NEW.len().to_string()]));
    }
    assert_eq!(store.list(None)?.count(), 5);
    Ok(())
}

fn deletes_are_done(site: &Site, store: &Store) -> Result {
    let count = |file: &str| {
        others(site, &format!("SELECT COUNT(*) FROM ezdfsfile {} AND mtime > 0", of(file)))
    };
    store.put_metadata(&id("images/half"), 1, None, None)?;
    assert_eq!(count("images/half"), texts(["1"]));
    store.delete_metadata(&id("images/half"))?;
    assert_eq!(count("images/half"), texts(["0"]));
    store.rename(&id("images/0"), &id("images/moved"))?;
    assert_eq!((count("images/0"), count("images/moved")), (texts(["0"]), texts(["1"])));
    for file in ["images/x/1", "images/x/2", "images/x/3"] {
        create(store, file, OLD)?;
    }
    store.delete_directory(&DirId::parse("images/x")?)?;
    store.delete(&id("images/1"))?;
    let rows = others(site, "SELECT COUNT(*) FROM ezdfsfile");
    assert_eq!(rows, texts(["4"]));
    assert_eq!(site.tree().len(), 5, "{:?}", site.tree());
    Ok(())
}

fn writers_do_not_hinder_each_other(site: &Site, store: &Store) -> Result {
    thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                scope.spawn(move || {
                    for round in 0..12 {
                        create(store, &format!("images/w/{}", (writer + round) % 3), OLD)?;
                    }
                    Ok(())
                })
            })
            .collect();
        writers.into_iter().try_for_each(|writer| writer.join().unwrap())
    })
    .map_err(|error: ezdfs::Error| format!("{error:#}"))?;
    let rows = others(site, "SELECT COUNT(*) FROM ezdfsfile");
    assert_eq!(rows, texts(["7"]));
    Ok(())
}

/// What another client does or sees.
fn others(site: &Site, statement: &str) -> Rows {
    match site.db.backend {
        Backend::MariaDb => site.db.sql(&format!("SET autocommit = 1; {statement}")),
        _ => site.db.sql(statement),
    }
}

fn of(file: &str) -> String {
    format!("WHERE name = '{PREFIX}/{file}'")
}
