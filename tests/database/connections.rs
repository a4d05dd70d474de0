//! Connections that die, hang or are slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ezdfs::{ErrorKind, Store};

use super::{NEW, OLD, Sick, create};
use crate::fsck::{fsck, options};
use crate::store::{Site, id, refused, texts};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::proxy::Mode;
use crate::support::{Group, Need, Result, mariadb, postgres};

/// Catches a hang, and nothing less.
const SOON: Duration = Duration::from_secs(30);

pub(super) fn register(group: &mut Group) {
    group.per_server("a_restart_between_two_calls_is_not_noticed", dead_between_calls);
    group.per_server("a_frozen_server_is_an_error_at_the_deadline", frozen);
    group.per_server("a_server_that_is_gone_is_an_error_at_once", gone);
    group.per_server("a_slow_line_is_only_slow", slow);
    group.per_server("resets_at_any_moment_tear_nothing", resets);
    group.per_server("readers_go_on_for_a_while_without_a_database", stale_if_error);
    group.add_needing("a_real_restart_is_not_noticed::mariadb", Need::MARIADB, mariadb_restart);
    group.add_needing("a_real_restart_is_not_noticed::postgres", Need::POSTGRES, postgres_restart);
}

/// What a store does, each call after something has happened to its connections.
fn each_call(store: &Store, mut before: impl FnMut() -> Result) -> Result {
    before()?;
    create(store, "images/new", OLD)?;
    before()?;
    create(store, "images/new", NEW)?;
    before()?;
    assert_eq!(store.stat(&id("images/new"))?.size, NEW.len() as u64);
    before()?;
    assert_eq!(store.list(None)?.count(), 1);
    before()?;
    store.rename(&id("images/new"), &id("images/moved"))?;
    before()?;
    store.delete(&id("images/moved"))?;
    before()?;
    store.put_metadata(&id("images/half"), 1, None, None)?;
    before()?;
    store.delete_metadata(&id("images/half"))?;
    before()?;
    store.check_schema()?;
    Ok(())
}

const CALLS: usize = 9;

fn dead_between_calls(db: TestDb) -> Result {
    let sick = Sick::new(db, &[("cache_ttl", "0")])?;
    // More than one idle connection.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| sick.store.exists(&id("images/new")).unwrap());
        }
    });
    for end in ["close", "reset"] {
        each_call(&sick.store, || {
            if end == "close" {
                sick.proxy.cut()
            } else {
                sick.proxy.reset()
            }
            Ok(())
        })?;
        for _ in 0..CALLS {
            injected("all connections lost between two calls", "success on a new one");
        }
    }
    assert_eq!(sick.site.db.sql("SELECT count(*) FROM ezdfsfile"), texts(["0"]));
    Ok(())
}

fn mariadb_restart() -> Result {
    let server = Arc::new(mariadb::Server::start()?);
    let site = Site::new(TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?);
    each_call(&site.another_store(&[("cache_ttl", "0")]), || server.restart_on_same_port())?;
    for _ in 0..CALLS {
        injected("server killed and restarted between two calls", "success");
    }
    Ok(())
}

fn postgres_restart() -> Result {
    let server = Arc::new(postgres::Server::start()?);
    let site = Site::new(TestDb::on_postgres(&server)?);
    each_call(&site.another_store(&[("cache_ttl", "0")]), || server.restart_on_same_port())?;
    for _ in 0..CALLS {
        injected("server killed and restarted between two calls", "success");
    }
    Ok(())
}

fn frozen(db: TestDb) -> Result {
    let hasty = [("connect_timeout", "300ms"), ("query_timeout", "300ms"), ("cache_ttl", "0")];
    let sick = Sick::new(db, &hasty)?;
    sick.create("images/a", OLD)?;
    sick.proxy.set(Mode::Freeze);
    let began = Instant::now();
    for _ in 0..2 {
        refused(sick.read("images/a"), ErrorKind::Unavailable);
        refused(sick.create("images/a", NEW), ErrorKind::Unavailable);
        refused(sick.create("images/1/new", NEW), ErrorKind::Unavailable);
        refused(sick.store.delete(&id("images/a")), ErrorKind::Unavailable);
        for _ in 0..4 {
            injected(
                "server that accepts and says nothing",
                "error at the deadline; nothing changed",
            );
        }
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(sick.site.tree(), ["images", "images/a"]);
    sick.proxy.set(Mode::Pass);
    wait_for("the thawed server", || sick.read("images/a").is_ok_and(|bytes| bytes == OLD))?;
    sick.create("images/a", NEW)?;
    assert_eq!(sick.site.read("images/a")?, NEW);
    Ok(())
}

fn gone(db: TestDb) -> Result {
    let sick = Sick::new(db, &[("cache_ttl", "0"), ("connect_timeout", "60s")])?;
    sick.create("images/a", OLD)?;
    sick.proxy.set(Mode::Refuse);
    sick.proxy.cut();
    let began = Instant::now();
    for _ in 0..50 {
        refused(sick.read("images/a"), ErrorKind::Unavailable);
        refused(sick.create("images/a", NEW), ErrorKind::Unavailable);
        refused(sick.create("images/1/new", NEW), ErrorKind::Unavailable);
        refused(sick.store.delete(&id("images/a")), ErrorKind::Unavailable);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(sick.site.tree(), ["images", "images/a"]);
    assert_eq!(sick.site.read("images/a")?, OLD);
    sick.proxy.set(Mode::Pass);
    wait_for("the server's return", || sick.read("images/a").is_ok())?;
    sick.create("images/a", NEW)?;
    for _ in 0..200 {
        injected("server that refuses connections", "error at once; nothing changed");
    }
    Ok(())
}

fn slow(db: TestDb) -> Result {
    let sick = Sick::new(db, &[("cache_ttl", "0")])?;
    sick.proxy.set(Mode::Delay(Duration::from_millis(20)));
    each_call(&sick.store, || Ok(()))?;
    injected("20 ms more for each piece of traffic", "success");
    Ok(())
}

/// Every acknowledged write is there, every other one has changed nothing.
/// How often the connections of one write are cut, at most.
const CUTS: usize = 5;

/// Says that all is done, also where the trial fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn resets(db: TestDb) -> Result {
    let sick = Sick::new(db, &[("cache_ttl", "0")])?;
    let (done, cuts) = (AtomicBool::new(false), AtomicUsize::new(0));
    let file = "images/contested";
    sick.create(file, b"0")?;
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                // No multiple of anything that takes as long in the writer.
                thread::sleep(Duration::from_micros(3_000 + round % 17 * 701));
                // On a busy machine no connection lives so long as to be of use.
                if cuts.fetch_add(1, Ordering::Relaxed) >= CUTS {
                    continue;
                }
                if round % 2 == 0 { sick.proxy.cut() } else { sick.proxy.reset() }
            }
        });
        let _done = Done(&done);
        let mut last = vec![b'0'];
        for round in 1..150 {
            cuts.store(0, Ordering::Relaxed);
            let bytes = vec![b'a' + (round % 26) as u8; round];
            match sick.create(file, &bytes) {
                Ok(_) => last = bytes,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}");
                    let unknown = error.to_string().contains("the outcome is unknown");
                    assert!(!unknown, "the database was there all the time: {error:#}");
                }
            }
            assert_eq!(sick.site.read(file).unwrap(), last, "round {round}");
            // Which of the two depends on the moment.
            let outcome = "success, or error; nothing changed";
            injected("connections cut at random moments of a write", outcome);
        }
    });
    assert_eq!(fsck(&sick.site, options(&[])).0.remaining(), 0);
    Ok(())
}

fn stale_if_error(db: TestDb) -> Result {
    let known = [("cache_ttl", "1ms"), ("cache_negative_ttl", "1ms")];
    let strict = Sick::new(db, &known)?;
    let stale = crate::store::store(
        &strict.proxy.through(&strict.site.db.dsn),
        strict.site.root(),
        &[&known[..], &[("stale_if_error", "1h")]].concat(),
    );
    strict.create("images/known", OLD)?;
    strict.create("images/unread", OLD)?;
    for store in [&strict.store, &stale] {
        assert_eq!(store.stat(&id("images/known"))?.size, OLD.len() as u64);
        assert!(!store.exists(&id("images/missing"))?);
    }
    thread::sleep(Duration::from_millis(10));
    strict.proxy.set(Mode::Refuse);
    strict.proxy.cut();
    // Of another table of this process: what it writes is not this name.
    Site::new(TestDb::on_sqlite()?).create("images/known", NEW)?;
    assert_eq!(stale.open(&id("images/known"))?.size, OLD.len() as u64);
    injected(
        "server that refuses connections, stale_if_error set",
        "what was read before is served",
    );
    refused(stale.stat(&id("images/unread")), ErrorKind::Unavailable);
    refused(stale.stat(&id("images/missing")), ErrorKind::Unavailable);
    refused(strict.read("images/known"), ErrorKind::Unavailable);
    strict.proxy.set(Mode::Pass);
    strict.site.create("images/known", NEW)?;
    wait_for("the new row", || {
        stale.stat(&id("images/known")).is_ok_and(|info| info.size == NEW.len() as u64)
    })
}
