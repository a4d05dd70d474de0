//! Two servers in the DSN: the first that takes writes is used.
//!
//! The servers of these trials do not replicate: which rows are where tells who was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ezdfs::{ErrorKind, Store};
use tempfile::TempDir;

use super::{NEW, OLD, create, port};
use crate::store::{PREFIX, id, refused, store};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::{scratch, wait_for};
use crate::support::{Group, Result, mariadb, postgres};

pub(super) fn register_mariadb(group: &mut Group) {
    group.add("a_read_only_first_server_is_passed_over::mariadb", |_| passed_over(&mariadb()?));
    group.add("a_server_that_turns_read_only_is_left::mariadb", |_| turns_read_only(&mariadb()?));
    group.add("a_server_that_stops_is_left::mariadb", |_| stops(&mariadb()?));
    group.add("readers_notice_who_is_active::mariadb", |_| readers_follow(&mariadb()?));
    group.add("what_a_standby_lacks_is_not_missing::mariadb", |_| absence(&mariadb()?));
    group.add("writers_lose_nothing_over_all_of_it::mariadb", |_| under_load(&mariadb()?));
}

pub(super) fn register_postgres(group: &mut Group) {
    group.add("a_read_only_first_server_is_passed_over::postgres", |_| passed_over(&postgres()?));
    group.add("a_server_that_turns_read_only_is_left::postgres", |_| turns_read_only(&postgres()?));
    group.add("a_server_that_stops_is_left::postgres", |_| stops(&postgres()?));
    group.add("what_a_standby_lacks_is_not_missing::postgres", |_| absence(&postgres()?));
    group.add("a_standby_is_passed_over_until_promoted", |_| standby());
}

/// What trials do to a server.
pub(super) trait Server {
    fn set_read_only(&self, read_only: bool) -> Result;
    fn stop(&self);
    fn restart(&self) -> Result;
}

impl Server for mariadb::Server {
    fn set_read_only(&self, read_only: bool) -> Result {
        let value = u8::from(read_only);
        self.sql("", &format!("SET GLOBAL read_only = {value}")).map(drop)
    }

    fn stop(&self) {
        self.stop();
    }

    fn restart(&self) -> Result {
        self.restart_on_same_port()
    }
}

impl Server for postgres::Server {
    fn set_read_only(&self, read_only: bool) -> Result {
        // Changes open sessions too.
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}");
        self.sql("postgres", &set)?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        let wanted = Some(if read_only { "on" } else { "off" }.to_owned());
        wait_for("the new setting", || {
            self.sql("postgres", "SHOW transaction_read_only")
                .is_ok_and(|rows| rows[0][0] == wanted)
        })
    }

    fn stop(&self) {
        self.stop();
    }

    fn restart(&self) -> Result {
        self.restart_on_same_port()
    }
}

/// An active and a passive server, each with its own empty table, and one tree.
pub(super) struct Pair {
    servers: [Arc<dyn Server + Send + Sync>; 2],
    pub(super) dbs: [TestDb; 2],
    dsn: String,
    root: TempDir,
    /// The same servers, where they are of this kind.
    postgres: Vec<Arc<postgres::Server>>,
}

pub(super) fn mariadb() -> Result<Pair> {
    let servers = [mariadb::Server::start()?, mariadb::Server::start()?].map(Arc::new);
    let db = |server| TestDb::on_mariadb(server, "utf8mb4", "utf8mb4_bin");
    let dbs = [db(&servers[0])?, db(&servers[1])?];
    for server in &servers {
        // Without the administrator's right to write all the same.
        server.sql(
            "",
            "CREATE USER web@'%' IDENTIFIED BY 'secret';
             GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON *.* TO web@'%'",
        )?;
    }
    let [one, other] = servers;
    Ok(Pair::new([one, other], dbs, "web"))
}

fn postgres() -> Result<Pair> {
    let servers = [postgres::Server::start()?, postgres::Server::start()?].map(Arc::new);
    let dbs = [TestDb::on_postgres(&servers[0])?, TestDb::on_postgres(&servers[1])?];
    let postgres = servers.to_vec();
    let [one, other] = servers;
    Ok(Pair { postgres, ..Pair::new([one, other], dbs, "ezdfs") })
}

impl Pair {
    fn new(servers: [Arc<dyn Server + Send + Sync>; 2], dbs: [TestDb; 2], user: &str) -> Self {
        let both = format!("127.0.0.1:{},127.0.0.1:{}/", port(&dbs[0].dsn), port(&dbs[1].dsn));
        let one = format!("127.0.0.1:{}/", port(&dbs[0].dsn));
        let dsn = dbs[0].dsn.replace(&one, &both).replace("//ezdfs:", &format!("//{user}:"));
        let root = scratch();
        for db in &dbs {
            store(&db.dsn, root.path(), &[]).create_schema().unwrap();
        }
        Pair { servers, dbs, dsn, root, postgres: Vec::new() }
    }

    pub(super) fn store(&self) -> Store {
        store(&self.dsn, self.root.path(), &[("cache_ttl", "0")])
    }

    /// Which of the servers have a row of this file.
    pub(super) fn holders(&self, name: &str) -> Vec<usize> {
        let count = format!("SELECT 1 FROM ezdfsfile WHERE name = '{PREFIX}/{name}'");
        (0..2).filter(|i| !self.dbs[*i].sql(&count).is_empty()).collect()
    }

    /// Writes new files until one is stored on this server.
    fn wait_until_used(&self, store: &Store, server: usize) -> Result {
        static ROUNDS: AtomicUsize = AtomicUsize::new(0);
        wait_for("the server's use", || {
            let name = format!("images/probe/{}", ROUNDS.fetch_add(1, Ordering::Relaxed));
            create(store, &name, NEW).is_ok() && self.holders(&name) == [server]
        })
    }
}

fn passed_over(pair: &Pair) -> Result {
    let store = pair.store();
    pair.servers[0].set_read_only(true)?;
    create(&store, "images/a", OLD)?;
    assert_eq!(pair.holders("images/a"), [1]);
    assert!(store.exists(&id("images/a"))?, "reads go where writes go");
    injected("first server of the DSN read-only", "the second is used");
    pair.servers[1].set_read_only(true)?;
    let error = refused(create(&store, "images/b", OLD), ErrorKind::Unavailable);
    assert!(error.to_string().contains("takes writes"), "{error}");
    assert!(!pair.root.path().join("images/b").exists());
    // None takes writes: reads go on, on the first that answers.
    store.list(None)?.for_each(drop);
    let fresh = pair.store();
    assert_eq!(fresh.list(None)?.count(), 0);
    refused(fresh.exists(&id("images/a")), ErrorKind::Unavailable);
    refused(create(&fresh, "images/b", OLD), ErrorKind::Unavailable);
    injected("all servers of the DSN read-only", "reads go on; one error for writes");

    pair.servers[0].set_read_only(false)?;
    for store in [&store, &fresh] {
        pair.wait_until_used(store, 0)?;
    }
    injected("first server writable again", "used again, without a restart");
    Ok(())
}

fn turns_read_only(pair: &Pair) -> Result {
    let store = pair.store();
    create(&store, "images/a", OLD)?;
    assert_eq!(pair.holders("images/a"), [0]);
    for round in 0..3 {
        pair.servers[0].set_read_only(true)?;
        let name = format!("images/{round}");
        create(&store, &name, NEW)?;
        assert_eq!(pair.holders(&name), [1]);
        injected("server that turns read-only under a connection", "success on the other");
        pair.servers[0].set_read_only(false)?;
        pair.wait_until_used(&store, 0)?;
        injected("first server writable again", "used again, without a restart");
    }
    Ok(())
}

fn stops(pair: &Pair) -> Result {
    let store = pair.store();
    create(&store, "images/a", OLD)?;
    pair.servers[0].stop();
    create(&store, "images/b", OLD)?;
    assert!(store.exists(&id("images/b"))?);
    injected("first server stopped", "the second is used by the same call");
    pair.servers[1].stop();
    refused(create(&store, "images/c", OLD), ErrorKind::Unavailable);
    refused(store.exists(&id("images/b")), ErrorKind::Unavailable);
    injected("all servers stopped", "error; nothing changed");
    pair.servers[1].restart()?;
    wait_for("the second server", || store.exists(&id("images/b")).is_ok_and(|exists| exists))?;
    pair.servers[0].restart()?;
    pair.wait_until_used(&store, 0)?;
    assert_eq!(pair.holders("images/b"), [1]);
    injected("first server started again", "used again, without a restart");
    Ok(())
}

/// A process that only reads never hears that its server takes no writes any more.
fn readers_follow(pair: &Pair) -> Result {
    let reader = pair.store();
    create(&pair.store(), "images/a", OLD)?;
    assert!(reader.exists(&id("images/a"))?);
    pair.servers[0].set_read_only(true)?;
    create(&pair.store(), "images/b", OLD)?;
    assert_eq!(pair.holders("images/b"), [1]);
    assert!(reader.exists(&id("images/b"))?, "acknowledged, and not found");
    injected("server of a mere reader turns read-only", "the reader follows, and misses nothing");
    Ok(())
}

/// Of a standby that lags only what it has is believed.
fn absence(pair: &Pair) -> Result {
    for name in ["images/both", "images/stored-again"] {
        create(&store(&pair.dbs[1].dsn, pair.root.path(), &[]), name, OLD)?;
        create(&pair.store(), name, OLD)?;
    }
    let expired = if pair.postgres.is_empty() { "1" } else { "TRUE" };
    pair.dbs[1].sql(&format!(
        "UPDATE ezdfsfile SET mtime = -mtime, expired = {expired} WHERE name LIKE '%again'"
    ));
    pair.servers[1].set_read_only(true)?;
    let reader = pair.store();
    create(&pair.store(), "images/new", OLD)?;
    assert!(reader.exists(&id("images/new"))?);
    assert!(!reader.exists(&id("images/none"))?);

    pair.servers[0].stop();
    wait_for("the standby's use", || reader.exists(&id("images/both")).is_ok_and(|it| it))?;
    for name in ["images/new", "images/stored-again", "images/none"] {
        let error = refused(reader.stat(&id(name)), ErrorKind::Unavailable);
        assert!(error.to_string().contains("may not have it yet"), "{error}");
        refused(reader.open(&id(name)), ErrorKind::Unavailable);
    }
    // Many at once are looked up together.
    thread::scope(|scope| {
        for number in 0..40 {
            let (reader, name) = (&reader, if number % 4 == 0 { "images/both" } else { "" });
            scope.spawn(move || match name {
                "" => drop(refused(
                    reader.open(&id(&format!("images/{number}"))),
                    ErrorKind::Unavailable,
                )),
                name => drop(reader.open(&id(name)).unwrap()),
            });
        }
    });
    assert_eq!(reader.list(None)?.count(), 1, "listings go on");
    // What it does not list is not gone.
    let dir = ezdfs::DirId::parse("images/elsewhere")?;
    refused(reader.delete_directory(&dir), ErrorKind::Unavailable);
    injected("active server stopped, the standby lags", "unavailable, not missing; else served");
    pair.servers[0].restart()?;
    pair.wait_until_used(&reader, 0)?;
    assert!(!reader.exists(&id("images/none"))?);
    assert!(reader.exists(&id("images/new"))? && reader.exists(&id("images/stored-again"))?);
    Ok(())
}

/// What was acknowledged has a row on one of the servers, and its file.
fn under_load(pair: &Pair) -> Result {
    let done = AtomicBool::new(false);
    let store = pair.store();
    let stored = thread::scope(|scope| -> Result<Vec<String>> {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (done, store) = (&done, &store);
                scope.spawn(move || {
                    let mut stored = Vec::new();
                    for round in 0.. {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        let name = format!("images/{writer}/{round}");
                        match create(store, &name, name.as_bytes()) {
                            Ok(_) => stored.push(name),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}");
                            }
                        }
                    }
                    stored
                })
            })
            .collect();
        let happen = || -> Result {
            for _ in 0..2 {
                pair.servers[0].set_read_only(true)?;
                pair.wait_until_used(&store, 1)?;
                injected("server made read-only under load", "acknowledged writes are there");
                pair.servers[0].set_read_only(false)?;
                pair.wait_until_used(&store, 0)?;
                pair.servers[0].stop();
                thread::sleep(std::time::Duration::from_millis(200));
                pair.servers[0].restart()?;
                pair.wait_until_used(&store, 0)?;
                injected(
                    "server stopped and restarted under load",
                    "acknowledged writes are there",
                );
            }
            Ok(())
        };
        let happened = happen();
        done.store(true, Ordering::Relaxed);
        let stored = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        happened.map(|()| stored)
    })?;
    assert!(stored.len() > 20, "{} writes", stored.len());
    for name in &stored {
        assert!(!pair.holders(name).is_empty(), "{name} has no row");
        assert_eq!(std::fs::read(pair.root.path().join(name))?, name.as_bytes());
    }
    Ok(())
}

/// A standby answers and refuses every write.
fn standby() -> Result {
    let pair = postgres()?;
    create(&store(&pair.dbs[0].dsn, pair.root.path(), &[]), "images/old", OLD)?;
    pair.postgres[0].become_standby()?;
    let store = pair.store();
    create(&store, "images/a", OLD)?;
    assert_eq!(pair.holders("images/a"), [1]);
    injected("first server of the DSN a standby", "the second is used");
    pair.servers[1].stop();
    assert!(store.exists(&id("images/old"))?, "reads go on, on the standby");
    refused(store.exists(&id("images/a")), ErrorKind::Unavailable);
    let error = refused(create(&store, "images/b", OLD), ErrorKind::Unavailable);
    assert!(error.to_string().contains("takes writes"), "{error}");
    injected("active server stopped, standby not promoted", "reads go on; one error for writes");
    pair.dbs[0].sql("SELECT pg_promote()");
    wait_for("the promoted server's use", || create(&store, "images/b", NEW).is_ok())?;
    assert!(store.exists(&id("images/b"))?);
    injected("standby promoted", "used, without a restart");
    Ok(())
}
