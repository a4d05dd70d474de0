//! Start, reload, crash and end of processes, and what they leave behind.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::http::{Connection, get};
use crate::support::nginx::Nginx;
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};
use crate::web::load::while_asked;

use super::database::{observed, send, under_way};
use super::site::{Frozen, Site, location, mariadb_site, path, url};

pub(super) fn register(group: &mut Group) {
    group.add("reload_under_load_loses_no_request", reload_under_load);
    group.add("reload_takes_new_options", reload_takes_new_options);
    group.add("killed_worker_is_replaced", killed_worker);
    group.add("descriptors_do_not_grow", descriptors_do_not_grow);
    group.add("nothing_is_left_behind", nothing_left_behind);
}

pub(super) fn register_mariadb(group: &mut Group) {
    group.add("master_has_no_threads_and_no_connections", |_| master_is_idle());
    group.add("old_worker_finishes_what_waits", |_| old_worker_finishes());
    group.add("fast_shutdown_while_requests_wait", |_| fast_shutdown());
}

fn site_with(servers: &Servers, count: usize) -> Result<Site> {
    let site = Site::sqlite(servers)?;
    for i in 0..count {
        site.put(&path(i), path(i).as_bytes())?;
    }
    Ok(site)
}

#[track_caller]
fn assert_clean(nginx: &Nginx) {
    let log = nginx.error_log();
    for level in ["[emerg]", "[alert]", "[crit]", "[error]"] {
        assert!(!log.contains(level), "{log}");
    }
}

fn reload_under_load(servers: &Servers) -> Result {
    let site = site_with(servers, 20)?;
    let mut nginx = site.builder("cache_ttl 1ms;").workers(2).server(&location("")).start()?;
    while_asked(nginx.port(), 4, 4, || {
        let old = nginx.worker_pids();
        nginx.reload(|_| {})?;
        wait_for("the old workers' end", || nginx.worker_pids().is_disjoint(&old))
    })?;
    assert_clean(&nginx);
    Ok(())
}

fn reload_takes_new_options(servers: &Servers) -> Result {
    let (one, other) = (site_with(servers, 2)?, site_with(servers, 1)?);
    let mut nginx = one.builder("").server(&location("")).start()?;
    let ask = |nginx: &Nginx, i| get(nginx.port(), &url(&path(i))).status;
    assert_eq!((ask(&nginx, 0), ask(&nginx, 1)), (200, 200));
    let old = nginx.worker_pids();
    nginx.reload(|config| config.http = other.block("main", ""))?;
    wait_for("the old worker's end", || nginx.worker_pids().is_disjoint(&old))?;
    assert_eq!((ask(&nginx, 0), ask(&nginx, 1)), (200, 404));

    // A configuration that does not pass leaves the running one as it is.
    let workers = nginx.worker_pids();
    let broken = nginx.dir().join("nginx.conf");
    let text = fs::read_to_string(&broken)?.replace("ezdfs main;", "ezdfs nothing;");
    fs::write(&broken, text)?;
    nginx.signal(Signal::SIGHUP)?;
    wait_for("the refusal", || nginx.error_log().contains("unknown ezdfs_store \"nothing\""))?;
    assert_eq!((ask(&nginx, 0), nginx.worker_pids()), (200, workers));
    Ok(())
}

fn killed_worker(servers: &Servers) -> Result {
    let site = site_with(servers, 2)?;
    let nginx = site.serve("")?;
    assert_eq!(get(nginx.port(), &url(&path(0))).status, 200);
    let old = nginx.worker_pids();
    for pid in &old {
        kill(Pid::from_raw(i32::try_from(*pid)?), Signal::SIGKILL)?;
    }
    let replaced = || !nginx.worker_pids().is_empty() && nginx.worker_pids().is_disjoint(&old);
    wait_for("a new worker", replaced)?;
    for i in 0..2 {
        assert_eq!(get(nginx.port(), &url(&path(i))).text(), path(i));
    }
    Ok(())
}

/// What the descriptors of a process point to.
fn descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.map(|target| target.to_string_lossy().into_owned()).collect()
}

fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().count()
}

fn descriptors_do_not_grow(servers: &Servers) -> Result {
    let site = site_with(servers, 20)?;
    site.write("images/no-row.png", b"")?;
    let nginx = site.serve("cache_ttl 1ms; max_connections 1;")?;
    wait_for("a worker", || !nginx.worker_pids().is_empty())?;
    let worker = *nginx.worker_pids().first().ok_or("no worker")?;
    let round = |count: usize| -> Result {
        for i in 0..count {
            let mut connection = Connection::open(nginx.port())?;
            let target = match i % 7 {
                5 => "images/no-row.png".to_owned(),
                6 => "images-versioned/1/a.png".to_owned(),
                _ => path(i % 20),
            };
            let range = [("Range", "bytes=2-3")];
            connection.send("GET", &url(&target), &range[..i % 2])?;
            // Every third client leaves before its answer.
            if i % 3 != 0 {
                connection.receive("GET")?;
            }
        }
        Ok(())
    };
    let settled = |limit: usize| {
        wait_for("descriptors to be closed", || descriptors(worker).len() <= limit)
            .map_err(|e| format!("{e}: {:?}", descriptors(worker)))
    };
    round(100)?;
    let no_file_open = || !descriptors(worker).iter().any(|target| target.ends_with(".png"));
    wait_for("files to be closed", no_file_open)?;
    let limit = descriptors(worker).len();
    round(1500)?;
    settled(limit)?;
    assert_eq!(nginx.worker_pids(), BTreeSet::from([worker]), "the worker was replaced");
    assert_clean(&nginx);
    Ok(())
}

fn nothing_left_behind(servers: &Servers) -> Result {
    let site = site_with(servers, 3)?;
    let tree = || -> Vec<String> {
        let entries = walkdir::WalkDir::new(site.root()).sort_by_file_name().into_iter().flatten();
        entries.map(|entry| entry.path().display().to_string()).collect()
    };
    let before = tree();
    let mut nginx = site.builder("").workers(2).server(&location("")).start()?;
    for i in 0..3 {
        assert_eq!(get(nginx.port(), &url(&path(i))).status, 200);
    }
    for worker in nginx.worker_pids() {
        let maps = fs::read_to_string(format!("/proc/{worker}/maps"))?;
        assert!(!maps.contains("/dev/shm") && !maps.contains("/SYSV"), "{maps}");
    }
    let workers = nginx.worker_pids();
    nginx.signal(Signal::SIGQUIT)?;
    nginx.wait_for_end()?;
    for worker in workers {
        assert!(!fs::exists(format!("/proc/{worker}"))?, "worker {worker} lives on");
    }
    assert_eq!(tree(), before);
    let mut files: Vec<String> = fs::read_dir(nginx.dir())?
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, ["access.log", "error.log", "nginx.conf", "stderr.log"]);
    assert_clean(&nginx);
    Ok(())
}

/// The inodes of TCP sockets whose other end is this port.
fn sockets_to(port: u16) -> Result<BTreeSet<String>> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let remote = format!(":{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let matching = rows.filter(|row| row.get(2).is_some_and(|address| address.ends_with(&remote)));
    Ok(matching.filter_map(|row| Some(format!("socket:[{}]", row.get(9)?))).collect())
}

fn master_is_idle() -> Result {
    let (server, site) = mariadb_site(2)?;
    let mut nginx = site.serve("")?;
    for round in 0..2 {
        wait_for("one worker", || nginx.worker_pids().len() == 1)?;
        assert_eq!(get(nginx.port(), &url(&path(round))).status, 200);
        let worker = *nginx.worker_pids().first().ok_or("no worker")?;
        let sockets = sockets_to(server.port())?;
        let connected = |pid| descriptors(pid).iter().any(|target| sockets.contains(target));
        let events = |pid| descriptors(pid).iter().any(|target| target.contains("[event"));
        // The worker shows that the questions have answers.
        assert!(connected(worker) && events(worker) && threads(worker) > 1);
        let master = nginx.master_pid();
        assert_eq!(threads(master), 1);
        assert!(!connected(master) && !events(master), "{:?}", descriptors(master));
        nginx.reload(|_| {})?;
    }
    Ok(())
}

const PATIENT: &str = "connect_timeout 60s; query_timeout 60s; cache_ttl 0;";

fn old_worker_finishes() -> Result {
    let (server, site) = mariadb_site(10)?;
    let mut nginx = observed(site.builder(PATIENT)).server(&location("")).start()?;
    assert_eq!(get(nginx.port(), &url(&path(0))).status, 200);
    let old = nginx.worker_pids();
    let frozen = Frozen::new(&server)?;
    let targets: Vec<String> = (0..10).map(|i| url(&path(i))).collect();
    let connections = send(&nginx, targets.iter().map(String::as_str))?;
    wait_for("the requests", || under_way(&nginx) == 10)?;
    nginx.reload(|_| {})?;
    // The new worker has a status of its own.
    wait_for("the new worker", || get(nginx.port(), "/static").text() == "static")?;
    assert!(nginx.worker_pids().is_superset(&old), "the old worker left its requests");
    drop(frozen);
    for (i, mut connection) in connections.into_iter().enumerate() {
        let answer = connection.receive("GET")?;
        assert_eq!((answer.status, answer.text()), (200, path(i)));
    }
    wait_for("the old worker's end", || nginx.worker_pids().is_disjoint(&old))?;
    assert_clean(&nginx);
    Ok(())
}

fn fast_shutdown() -> Result {
    let (server, site) = mariadb_site(10)?;
    let mut nginx = observed(site.builder(PATIENT)).server(&location("")).start()?;
    assert_eq!(get(nginx.port(), &url(&path(0))).status, 200);
    let _frozen = Frozen::new(&server)?;
    let targets: Vec<String> = (0..10).map(|i| url(&path(i))).collect();
    let _connections = send(&nginx, targets.iter().map(String::as_str))?;
    wait_for("the requests", || under_way(&nginx) == 10)?;
    nginx.signal(Signal::SIGTERM)?;
    nginx.wait_for_end()?;
    assert!(nginx.error_log().contains("exited with code 0"), "{}", nginx.error_log());
    assert_clean(&nginx);
    Ok(())
}
