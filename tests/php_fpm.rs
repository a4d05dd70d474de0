//! The extension in a real php-fpm behind nginx, under many clients at a time.
//!
//! EZDFS_TEST_SECONDS sets how long the clients go on: by default a minute in CI and a few seconds
//! on a person's machine; an hour finds more.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::db::TestDb;
use crate::support::fpm::Fpm;
use crate::support::nginx::Nginx;
use crate::support::process::{children_of, run, scratch, wait_for};
use crate::support::{Need, Result, Servers, Trials, built, http};

const CLIENTS: usize = 32;
const WORKERS: usize = 4;
/// How much larger a worker may become between the middle and the end.
const GROWTH: u64 = 8 << 20;
/// How much larger the process may become that the workers are forked from.
const MASTER_GROWTH: u64 = 1 << 20;
/// Requests with workers that come and go, at the least.
const REQUESTS: usize = 1000;
/// How many a worker serves before another takes its place.
const MAX_REQUESTS: usize = 40;

/// Writes, reads, lists and deletes; a file that another request has deleted is no error.
const PAGE: &str = r#"<?php
$turn = (int) $_GET['n'];
$id = 'images/' . $turn % 40 . '/a.txt';
try {
    $store = new Ezdfs\Store([]);
    switch ($turn % 7) {
        case 0: $store->delete($id); break;
        case 1: $store->create($id, fopen(__FILE__, 'rb')); break;
        case 2: $store->createFromString($id, str_repeat('x', 50000)); break;
        case 3: $store->load($id); break;
        case 4: fpassthru($store->open($id)); break;
        case 5: foreach ($store->list('images') as $info) { $info->uri; } break;
        case 6: strlen($store->read($id)); break;
    }
} catch (Ezdfs\Exception\NotFoundException $e) {
} catch (Throwable $e) {
    http_response_code(500);
    echo $e;
}
"#;

pub(crate) fn register(trials: &mut Trials) {
    let needs =
        [Need::Built("ezdfs.so"), Need::NGINX, Need::MARIADB, Need::Programs(&["php-config"])];
    let mut group = trials.group("php_fpm", &needs);
    group.add("memory_and_connections_are_bounded", bounded);
    group.add("workers_come_and_go", recycled);
}

/// The same workers from start to end.
fn bounded(servers: &Servers) -> Result {
    let site = Site::start(servers, 0)?;
    let load = Load::default();
    thread::scope(|scope| {
        load.start(scope, site.nginx.port());
        thread::sleep(duration() / 2);
        let middle = site.resident();
        thread::sleep(duration() / 2);
        let (end, connections) = (site.resident(), site.connections());
        load.stop();
        assert!(connections <= WORKERS, "{connections} connections of {WORKERS} workers");
        assert_eq!(middle.len(), WORKERS);
        for (pid, before) in middle {
            let after = end.iter().find(|(other, _)| *other == pid).expect("a worker ended").1;
            assert!(after < before + GROWTH, "worker {pid} grew from {before} to {after}");
        }
    });
    load.verdict()
}

/// Workers end after some requests, and all of them at a reload in between. What stays is the
/// process that they are forked from: it has the extension, too, and does not grow.
fn recycled(servers: &Servers) -> Result {
    let site = Site::start(servers, MAX_REQUESTS)?;
    let load = Load::default();
    let outcome = thread::scope(|scope| {
        load.start(scope, site.nginx.port());
        let outcome = site.recycle(&load);
        load.stop();
        outcome
    });
    load.verdict()?;
    outcome?;
    wait_for("the old workers' connections to end", || site.connections() <= WORKERS)
}

fn duration() -> Duration {
    let default = if std::env::var_os("CI").is_some_and(|ci| ci == "true") { 60 } else { 4 };
    let seconds = std::env::var("EZDFS_TEST_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(default))
}

/// Clients that go on until they are stopped, and what they met.
#[derive(Default)]
struct Load {
    stopped: AtomicBool,
    requests: AtomicUsize,
    failure: std::sync::Mutex<Option<String>>,
}

impl Load {
    fn start<'scope>(&'scope self, scope: &'scope thread::Scope<'scope, '_>, port: u16) {
        for _ in 0..CLIENTS {
            scope.spawn(move || {
                while !self.stopped.load(Ordering::Relaxed) {
                    let turn = self.requests.fetch_add(1, Ordering::Relaxed);
                    let answer = http::get(port, &format!("/?n={turn}"));
                    if answer.status != 200 {
                        let failure = format!("{}: {}", answer.status, answer.text());
                        self.failure.lock().unwrap().get_or_insert(failure);
                        self.stop();
                    }
                }
            });
        }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Waits until so many more requests were made, or one has failed.
    fn wait_for_requests(&self, count: usize) -> Result {
        let end = self.requests.load(Ordering::Relaxed) + count;
        wait_for("requests to be made", || {
            self.stopped.load(Ordering::Relaxed) || self.requests.load(Ordering::Relaxed) >= end
        })
    }

    fn verdict(&self) -> Result {
        if let Some(failure) = self.failure.lock().unwrap().take() {
            return Err(failure.into());
        }
        assert!(self.requests.load(Ordering::Relaxed) > CLIENTS, "hardly a request was made");
        Ok(())
    }
}

/// nginx in front of php-fpm in front of a store.
struct Site {
    nginx: Nginx,
    fpm: Fpm,
    db: TestDb,
    _dir: tempfile::TempDir,
}

impl Site {
    fn start(servers: &Servers, max_requests: usize) -> Result<Self> {
        let dir = scratch();
        let db = TestDb::mariadb(servers, "utf8mb4", "utf8mb4_bin")?;
        let root = dir.path().join("root");
        fs::create_dir(&root)?;
        prepare(&root, &db.dsn)?;
        let pool = format!("pm.max_children = {WORKERS}\npm.max_requests = {max_requests}");
        let settings = [
            ("ezdfs.dsn", &*db.dsn),
            ("ezdfs.root", &*root.to_string_lossy()),
            ("ezdfs.durability", "rename"),
        ];
        let fpm = Fpm::start(PAGE, &pool, &settings)?;
        let nginx = Nginx::builder().server(&fpm.location()).start()?;
        Ok(Site { nginx, fpm, db, _dir: dir })
    }

    /// The connections that the store has.
    fn connections(&self) -> usize {
        let others = "SELECT count(*) FROM information_schema.processlist \
                      WHERE db = database() AND id <> connection_id()";
        let count = self.db.sql(others)[0][0].clone();
        count.and_then(|text| text.parse().ok()).unwrap_or(usize::MAX)
    }

    /// Lets the workers be replaced under load, and looks at memory before and after. Panics
    /// nowhere: the clients would go on.
    fn recycle(&self, load: &Load) -> Result {
        load.wait_for_requests(REQUESTS / 2)?;
        let (middle, master) = (self.resident(), resident(self.fpm.pid()));
        load.wait_for_requests(REQUESTS)?;
        wait_for("all workers to be replaced", || {
            children_of(self.fpm.pid()).iter().all(|pid| middle.iter().all(|(old, _)| old != pid))
        })?;
        let (end, now) = (self.resident(), resident(self.fpm.pid()));
        let largest = |workers: &[(u32, u64)]| workers.iter().map(|(_, bytes)| *bytes).max();
        let (before, after) = (largest(&middle).unwrap_or(0), largest(&end).unwrap_or(0));
        if after >= before + GROWTH {
            return Err(format!("workers grew from {before} to {after}").into());
        }
        let (before, after) = (master.unwrap_or(0), now.unwrap_or(u64::MAX));
        if after >= before + MASTER_GROWTH {
            return Err(format!("php-fpm grew from {before} to {after}").into());
        }
        self.fpm.signal(Signal::SIGUSR2)?;
        load.wait_for_requests(REQUESTS / 2)
    }

    /// The workers and the bytes that each has in memory.
    fn resident(&self) -> Vec<(u32, u64)> {
        let workers = children_of(self.fpm.pid());
        workers.iter().filter_map(|pid| Some((*pid, resident(*pid)?))).collect()
    }
}

/// The bytes that a process has in memory.
fn resident(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// Creates the table.
fn prepare(root: &Path, dsn: &str) -> Result {
    let mut php = Command::new("php");
    php.arg("-n").arg("-d").arg(format!("extension={}", built("ezdfs.so").display()));
    php.args([
        "-r",
        "(new Ezdfs\\Store(['dsn' => $argv[1], 'root' => $argv[2]]))->createSchema();",
    ]);
    run(php.arg("--").arg(dsn).arg(root)).map(drop)
}
