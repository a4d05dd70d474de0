//! Passwords as they stand, that change, and that MySQL wants to see whole.

use std::fs;
use std::sync::Arc;

use ezdfs::ErrorKind;

use super::{put, stored, with};
use crate::store::{refused, store};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::{scratch, wait_for};
use crate::support::{Group, Result, mariadb};

pub(super) fn register(group: &mut Group<'_>) {
    group.per_server("a_password_may_stand_as_it_is", as_it_is);
    group.per_server("a_file_is_read_again_when_the_login_is_refused", read_again);
}

pub(super) fn register_mysql(group: &mut Group<'_>) {
    group.add("a_cold_cache_takes_the_whole_password::mysql", |_| cold_cache());
}

/// Another user of the server, who may do everything.
fn create_user(db: &TestDb, user: &str, password: &str) {
    match db.dsn.starts_with("mysql") {
        true => db.sql(&format!(
            "CREATE USER {user}@'%' IDENTIFIED BY '{password}'; GRANT ALL PRIVILEGES ON *.* TO {user}@'%'"
        )),
        false => db.sql(&format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'")),
    };
}

fn drop_user(db: &TestDb, user: &str) {
    let host = if db.dsn.starts_with("mysql") { "@'%'" } else { "" };
    db.sql(&format!("DROP USER {user}{host}"));
}

fn as_it_is(db: TestDb) -> Result {
    let root = scratch();
    create_user(&db, "awkward", "p/a#s?s@w:o%rd");
    let dsn = db.dsn.replace("//ezdfs:secret@", "//awkward:p/a#s?s@w:o%rd@");
    stored(&dsn, root.path())?;
    let wrong = db.dsn.replace("//ezdfs:secret@", "//awkward:wr/o#ng@");
    let error = refused(stored(&wrong, root.path()), ErrorKind::InvalidConfig);
    let told = format!("{error:#} {error:?}");
    assert!(!told.contains("o#ng") && !told.contains("wr/"), "{told}");
    if db.dsn.starts_with("mysql") {
        drop_user(&db, "awkward");
    } else {
        db.sql("DROP OWNED BY awkward CASCADE; DROP ROLE awkward");
    }
    Ok(())
}

fn read_again(db: TestDb) -> Result {
    let (root, file) = (scratch(), root_file());
    let hold = |password: &str| {
        fs::write(&file.1, db.dsn.replace(":secret@", &format!(":{password}@"))).unwrap();
    };
    stored(&db.dsn, root.path())?;
    hold("hunter2");
    let store = store(&format!("file:{}", file.1.display()), root.path(), &[]);
    let error = refused(put(&store), ErrorKind::InvalidConfig);
    assert!(!format!("{error:#} {error:?}").contains("hunter2"), "{error:?}");
    hold("secret");
    wait_for("the new login", || put(&store).is_ok())?;
    injected("the login in the dsn's file is changed", "read again, and let in");
    Ok(())
}

fn root_file() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = scratch();
    let file = dir.path().join("dsn");
    (dir, file)
}

/// After each restart the server knows no password that it could compare with a scramble.
fn cold_cache() -> Result {
    let server = Arc::new(mariadb::Server::start()?);
    let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?;
    let name = db.dsn.rsplit('/').next().unwrap();
    let root = scratch();
    let socket = server.socket().display().to_string();
    let by_socket = format!("mysql://ezdfs:secret@/{name}?socket={socket}");
    for dsn in [
        db.dsn.clone(),
        with(&db, "127.0.0.1", "ssl-mode=DISABLED"),
        with(&db, "127.0.0.1", "ssl-mode=REQUIRED"),
        by_socket.clone(),
        format!("{by_socket}&ssl-mode=DISABLED"),
    ] {
        db.sql("FLUSH PRIVILEGES");
        stored(&dsn, root.path()).map_err(|error| format!("{dsn}: {error:#}"))?;
        injected("MySQL has forgotten the passwords that it knew", "let in all the same");
    }
    Ok(())
}
