//! A database that stops while clients ask for pictures.
//!
//! EZDFS_TEST_OUTAGE sets for how many seconds it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::watched::{PICTURES, Version, Watched, id, url};
use super::{is_usable, status, until};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::http::{Connection, get};
use crate::support::nginx::Nginx;
use crate::support::proxy::Mode;
use crate::support::{Need, Result, Trials, mariadb};

const CLIENTS: usize = 8;

pub(super) fn register(trials: &mut Trials) {
    let needs = [Need::COMMAND, Need::NGINX, Need::MODULE, Need::MARIADB];
    let mut group = trials.group("agent::outage", &needs);
    group.add("no_request_fails_while_the_database_is_away", |_| stopped());
    group.add("no_request_fails_while_the_database_is_silent", |_| silent());
}

fn duration() -> Duration {
    let seconds = std::env::var("EZDFS_TEST_OUTAGE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5))
}

fn stopped() -> Result {
    let server = Arc::new(mariadb::Server::start()?);
    let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_unicode_520_ci")?;
    let watched = Watched::new(db)?;
    let stop = || {
        server.stop();
        Ok(())
    };
    outlasts(&watched, stop, || server.restart_on_same_port())?;
    injected("database stopped under load, with a replica", "0 requests for known files fail");
    Ok(())
}

fn silent() -> Result {
    let server = Arc::new(mariadb::Server::start()?);
    let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_unicode_520_ci")?;
    let watched = Watched::new(db)?;
    let freeze = || {
        watched.proxy.set(Mode::Freeze);
        Ok(())
    };
    let thaw = || {
        watched.proxy.set(Mode::Pass);
        Ok(())
    };
    outlasts(&watched, freeze, thaw)?;
    injected("database silent under load, with a replica", "0 requests for known files fail");
    Ok(())
}

fn outlasts(
    watched: &Watched,
    stop: impl FnOnce() -> Result,
    restart: impl FnOnce() -> Result,
) -> Result {
    let options = "replica_max_lag 1s; cache_ttl 1ms; cache_files 5; query_timeout 1s;";
    let nginx = watched.nginx(options).http("keepalive_requests 1000000;\n").workers(2).start()?;
    let load = Load::default();
    thread::scope(|scope| -> Result {
        let _over = Over(&load);
        for client in 0..CLIENTS {
            let (load, nginx) = (&load, &nginx);
            scope.spawn(move || load.ask(nginx, client));
        }
        load.wait_for(100);
        stop()?;
        thread::sleep(duration());
        assert_eq!(status(&watched.cli)["usable"], false);
        load.wait_for(100);
        restart()?;
        is_usable(&watched.cli);
        load.wait_for(100);
        Ok(())
    })?;
    let (answers, slowest) = (load.answers.into_inner(), load.slowest.into_inner());
    eprintln!("{answers} answers, the slowest after {slowest} ms, {:?} away", duration());
    assert_eq!(load.failures.into_inner(), 0);
    let stored = Version { picture: 77, number: 0 };
    watched.put(&id(77), stored)?;
    until("a new file", || get(nginx.port(), &url(&id(77))).body == stored.bytes());
    Ok(())
}

/// Clients that ask until it is over, and what they got.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    answers: AtomicUsize,
    failures: AtomicUsize,
    slowest: AtomicUsize,
}

impl Load {
    fn ask(&self, nginx: &Nginx, client: usize) {
        let mut connection = Connection::open(nginx.port()).unwrap();
        for turn in client.. {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let picture = turn % PICTURES;
            let asked = Instant::now();
            let answer = connection.request("GET", &url(&id(picture)), &[]);
            let taken = usize::try_from(asked.elapsed().as_millis()).unwrap();
            self.slowest.fetch_max(taken, Ordering::Relaxed);
            let bytes = Version { picture, number: 0 }.bytes();
            let is_right = answer.as_ref().is_ok_and(|it| it.status == 200 && it.body == bytes);
            if !is_right {
                eprintln!("{picture}: {answer:?}");
                self.failures.fetch_add(1, Ordering::Relaxed);
                connection = Connection::open(nginx.port()).unwrap();
            }
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for so many more answers.
    fn wait_for(&self, count: usize) {
        let end = self.answers.load(Ordering::Relaxed) + count;
        until("answers", || self.answers.load(Ordering::Relaxed) >= end);
    }
}

/// Ends it, also where the trial has failed.
struct Over<'a>(&'a Load);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}
