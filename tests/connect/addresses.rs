//! Addresses of IPv6, lists of them, and sockets.

use std::sync::Arc;

use super::{stored, with};
use crate::support::db::{Backend, TestDb};
use crate::support::process::{free_port, scratch};
use crate::support::{Group, Result, mariadb, postgres};

pub(super) fn register_mariadb(group: &mut Group<'_>) {
    let name = Backend::MariaDb.name();
    group.add(&format!("ipv6_is_an_address::{name}"), |_| ipv6(&on_mariadb()?));
    group.add(&format!("a_socket_is_an_address::{name}"), |_| mariadb_socket());
}

pub(super) fn register_postgres(group: &mut Group<'_>) {
    group.add("ipv6_is_an_address::postgres", |_| ipv6(&on_postgres()?));
    group.add("a_socket_is_an_address::postgres", |_| postgres_socket());
}

fn on_mariadb() -> Result<TestDb> {
    let server = Arc::new(mariadb::Server::start_with(&["--bind-address=*"])?);
    TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")
}

fn on_postgres() -> Result<TestDb> {
    let settings = ["listen_addresses=127.0.0.1,::1".to_owned()];
    TestDb::on_postgres(&Arc::new(postgres::Server::start_with(&settings)?))
}

fn ipv6(db: &TestDb) -> Result {
    let root = scratch();
    stored(&with(db, "[::1]", ""), root.path())?;
    let nobody = free_port();
    stored(&with(db, &format!("[::1]:{nobody},[::1]"), ""), root.path())?;
    stored(&with(db, &format!("127.0.0.1:{nobody},[0:0:0:0:0:0:0:1]"), ""), root.path())?;
    Ok(())
}

fn mariadb_socket() -> Result {
    let server = Arc::new(mariadb::Server::start()?);
    let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?;
    let name = db.dsn.rsplit('/').next().unwrap();
    let (root, socket) = (scratch(), server.socket().display().to_string());
    let escaped = socket.replace('/', "%2F");
    for dsn in [
        format!("mysql://ezdfs:secret@/{name}?socket={socket}"),
        format!("mysql://ezdfs:secret@localhost/{name}?unix_socket={socket}&serverVersion=8.0"),
        format!("mysql://ezdfs:secret@{escaped}/{name}"),
    ] {
        stored(&dsn, root.path())?;
    }
    Ok(())
}

fn postgres_socket() -> Result {
    let dir = scratch();
    if let Some((uid, gid)) = postgres::owner()? {
        std::os::unix::fs::chown(dir.path(), Some(uid), Some(gid))?;
    }
    let setting = format!("unix_socket_directories={}", dir.path().display());
    let server = Arc::new(postgres::Server::start_with(&[setting])?);
    let db = TestDb::on_postgres(&server)?;
    let name = db.dsn.rsplit('/').next().unwrap();
    let (root, port) = (scratch(), server.port());
    let socket = dir.path().display().to_string();
    let escaped = socket.replace('/', "%2F");
    for dsn in [
        format!("postgres://ezdfs:secret@/{name}?host={socket}&port={port}"),
        format!("postgresql:///{name}?user=ezdfs&password=secret&host={escaped}&port={port}"),
        format!("postgres://ezdfs:secret@{escaped}:{port}/{name}"),
    ] {
        stored(&dsn, root.path())?;
    }
    Ok(())
}
