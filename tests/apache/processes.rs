//! Processes and threads of each MPM: nothing before the fork, restarts, crashes, the end.

use std::fs;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::apache::{Apache, Builder, Mpm};
use crate::support::http::{Connection, get};
use crate::support::mariadb;
use crate::support::process::wait_for;
use crate::support::{Group, Result};
use crate::web::door::{Also, Door, Place};
use crate::web::load::while_asked;
use crate::web::site::{Frozen, Site, mariadb_site, path, url};

pub(super) fn register(group: &mut Group) {
    for mpm in Mpm::ALL {
        let mut add = |name: &str, run: fn(Mpm) -> Result| {
            group.add(&format!("{name}::{}", mpm.name()), move |_| run(mpm));
        };
        add("parent_has_no_threads_and_no_connections", parent_is_idle);
        add("graceful_restart_loses_no_request", graceful_restart);
        add("killed_child_is_replaced", killed_child);
        add("ends_without_a_crash", ends_without_a_crash);
    }
}

fn httpd(site: &Site, mpm: Mpm, options: &str) -> Builder {
    let setup = Door::Apache.of(site, options).section(Place::Images, "main", &[Also::Drafts]);
    setup.apache().mpm(mpm).children(3)
}

fn start(mpm: Mpm, options: &str) -> Result<(Arc<mariadb::Server>, Site, Apache)> {
    let (server, site) = mariadb_site(20)?;
    let httpd = httpd(&site, mpm, options)
        .server("<Location /metrics>\nSetHandler ezdfs-metrics\n</Location>\n")
        .start()?;
    Ok((server, site, httpd))
}

#[track_caller]
fn assert_clean(httpd: &Apache) {
    let log = httpd.error_log();
    for word in [":emerg]", ":alert]", ":crit]", "exit signal", "panicked"] {
        assert!(!log.contains(word), "{word}\n{log}");
    }
}

/// Names of what a process has open.
fn descriptors(pid: u32) -> Result<Vec<String>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    Ok(links.map(|link| link.to_string_lossy().into_owned()).collect())
}

fn parent_is_idle(mpm: Mpm) -> Result {
    let (_server, _site, httpd) = start(mpm, "")?;
    for i in 0..20 {
        assert_eq!(get(httpd.port(), &url(&path(i))).text(), path(i));
    }
    let parent = httpd.parent_pid();
    assert_eq!(fs::read_dir(format!("/proc/{parent}/task"))?.count(), 1, "threads of the parent");
    let open = descriptors(parent)?;
    let sockets = open.iter().filter(|name| name.starts_with("socket:")).count();
    assert_eq!(sockets, 1, "the one that listens: {open:?}");
    assert!(!open.iter().any(|name| name.contains("eventfd")), "{open:?}");
    assert_clean(&httpd);
    Ok(())
}

fn graceful_restart(mpm: Mpm) -> Result {
    let (_server, _site, mut httpd) = start(mpm, "cache_ttl 1ms;")?;
    let port = httpd.port();
    let served = while_asked(port, 2, 3, || httpd.restart_gracefully(|_| {}))?;
    // What was counted before is counted still, by those who are gone.
    let counted = looked_up(&httpd)?;
    assert!(counted >= served as u64, "{counted} look-ups counted of {served}");
    assert_clean(&httpd);
    Ok(())
}

/// All look-ups that the metrics tell of.
fn looked_up(httpd: &Apache) -> Result<u64> {
    let text = get(httpd.port(), "/metrics").text();
    let lines = text.lines().filter(|line| line.starts_with("ezdfs_lookups_total{"));
    let numbers = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    Ok(numbers.sum())
}

fn killed_child(mpm: Mpm) -> Result {
    let (_server, _site, httpd) = start(mpm, "")?;
    assert_eq!(get(httpd.port(), &url(&path(0))).text(), path(0));
    let old = httpd.child_pids();
    for pid in &old {
        kill(Pid::from_raw(i32::try_from(*pid)?), Signal::SIGKILL)?;
    }
    wait_for("new children", || {
        let now = httpd.child_pids();
        !now.is_empty() && !now.iter().any(|pid| old.contains(pid))
    })?;
    for i in 0..20 {
        assert_eq!(get(httpd.port(), &url(&path(i))).text(), path(i));
    }
    Ok(())
}

/// While requests are under way, and look-ups of theirs wait for a database that says nothing.
fn ends_without_a_crash(mpm: Mpm) -> Result {
    let (server, _site, mut httpd) =
        start(mpm, "cache_ttl 0; connect_timeout 60s; query_timeout 60s;")?;
    assert_eq!(get(httpd.port(), &url(&path(0))).text(), path(0));
    let frozen = Frozen::new(&server)?;
    let mut waiting = Connection::open(httpd.port())?;
    waiting.send("GET", &url(&path(1)), &[])?;
    let children = httpd.child_pids();
    httpd.signal(Signal::SIGTERM)?;
    httpd.wait_for_end()?;
    drop(frozen);
    assert!(children.iter().all(|pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(true)));
    assert_clean(&httpd);
    Ok(())
}
