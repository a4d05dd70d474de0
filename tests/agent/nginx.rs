//! nginx with a replica.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::watched::{PICTURES, Version, Watched, id, url};
use super::{Running, is_usable, until};
use crate::prometheus::PROGRAMS;
use crate::support::db::TestDb;
use crate::support::http::{Response, get};
use crate::support::metrics::{LOCATION, Metrics};
use crate::support::nginx::Nginx;
use crate::support::process::{free_port, is_root, wait_for};
use crate::support::prometheus::Prometheus;
use crate::support::{Need, Result, Trials};

/// For machines that are busy.
const OPTIONS: &str = "replica_max_lag 5s;";

/// What of the metrics no panel shows: alerts, and `ezdfs replica status`, do.
const NOT_SHOWN: &[&str] = &[
    "ezdfs_lookups_joined_total",
    "ezdfs_replica_used",
    "ezdfs_agent_replica_complete",
    "ezdfs_agent_replica_rows",
];

/// What is said once, when it is so.
const NOT_USED: &str = "/replica\" is not used: ";
const USED_AGAIN: &str = "/replica\" is used again";

pub(super) fn register(trials: &mut Trials) {
    let needs = [Need::COMMAND, Need::NGINX, Need::MODULE];
    let mut group = trials.group("agent::nginx", &needs);
    group.per_server("foreign_writes_come_without_a_connection", foreign_writes);
    group.per_server("what_the_replica_does_not_know_is_found", unknown);
    let needs = [&needs[..], &[Need::MARIADB]].concat();
    let prometheus = [&needs[..], &[PROGRAMS]].concat();
    let mut group = trials.group("agent::nginx", &prometheus);
    group.add("a_replica_that_lags_is_an_alert", |servers| lag(mariadb(servers)?));
    group.add("the_dashboard_finds_what_it_shows", |servers| dashboard(mariadb(servers)?));
    let mut group = trials.group("agent::nginx", &needs);
    group.add("the_agent_comes_and_goes", |servers| comes_and_goes(mariadb(servers)?));
    group.add("what_the_replica_answers_is_counted", |servers| counted(mariadb(servers)?));
    group.add("workers_come_and_go", |servers| workers(mariadb(servers)?));
    group.add("workers_are_in_the_agents_group", |servers| permissions(mariadb(servers)?));
}

fn mariadb(servers: &crate::support::Servers) -> Result<TestDb> {
    TestDb::mariadb(servers, "utf8mb4", "utf8mb4_unicode_520_ci")
}

/// The version that an answer is of, in all its parts.
#[track_caller]
fn version(answer: &Response) -> Version {
    assert_eq!(answer.status, 200, "{answer:?}");
    let version = Version::of_bytes(&answer.body).expect("whole bytes");
    assert_eq!(answer.header("ETag"), Some(&*version.etag()), "{answer:?}");
    let modified = httpdate(version.mtime());
    assert_eq!(answer.header("Last-Modified"), Some(&*modified), "{answer:?}");
    version
}

fn httpdate(mtime: i64) -> String {
    let output = Command::new("date")
        .args(["-u", "-d", &format!("@{mtime}"), "+%a, %d %b %Y %H:%M:%S GMT"])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[track_caller]
fn serves_all(nginx: &Nginx) {
    for picture in 0..PICTURES {
        let version = version(&get(nginx.port(), &url(&id(picture))));
        assert_eq!(version, Version { picture, number: 0 });
    }
}

fn foreign_writes(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let nginx = watched.nginx(OPTIONS).start()?;
    let ask = |picture| get(nginx.port(), &url(&id(picture)));
    let is = |picture, number| {
        let answer = ask(picture);
        answer.status == 200 && version(&answer) == Version { picture, number }
    };
    // Often enough for a copy in memory.
    watched.unasked(|| (0..6).for_each(|_| serves_all(&nginx)));
    // Of the same length as the one before, and of another.
    for number in 1..5 {
        watched.put(&id(1), Version { picture: 1, number })?;
        until("an overwrite", || is(1, number));
    }
    watched.delete(&id(2))?;
    until("a deletion", || ask(2).status == 404);
    watched.soft_delete(&id(3));
    until("a soft deletion", || ask(3).status == 404);
    for picture in [2, 3] {
        watched.put(&id(picture), Version { picture, number: 7 })?;
        assert!(is(picture, 7), "again, and at once");
    }
    watched.rename(&id(4), "images/other.png")?;
    let renamed = || get(nginx.port(), &url("images/other.png"));
    assert_eq!(version(&renamed()), Version { picture: 4, number: 0 });
    until("the old name's end", || ask(4).status == 404);
    for (picture, number) in [(1, 4), (2, 7), (3, 7)] {
        until("what is known again", || {
            let before = watched.proxy.accepted();
            is(picture, number) && watched.proxy.accepted() == before
        });
    }
    Ok(())
}

fn unknown(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let options = "replica_max_lag 1h;";
    let (asking, silent) = (
        watched.nginx(options).start()?,
        watched.nginx(&format!("{options} replica_confirms 0;")).start()?,
    );
    // It hears of nothing any more.
    watched.agent.as_ref().ok_or("an agent")?.signal(Signal::SIGSTOP);
    let stored = Version { picture: 77, number: 1 };
    watched.put(&id(77), stored)?;
    let ask = |nginx: &Nginx, picture| get(nginx.port(), &url(&id(picture)));
    watched.unasked(|| assert_eq!(ask(&silent, 77).status, 404));
    assert_eq!(version(&ask(&asking, 77)), stored);
    assert_eq!(ask(&asking, 78).status, 404);
    Ok(())
}

fn counted(db: TestDb) -> Result {
    let mut watched = Watched::new(db)?;
    let nginx = watched.nginx("replica_max_lag 2s;").server(LOCATION).start()?;
    let metrics = || Metrics::parse(&get(nginx.port(), "/metrics").text(), "main");
    let ask = || get(nginx.port(), &url(&id(0))).status;
    until("it is used", || {
        assert_eq!(ask(), 200);
        metrics().is_ok_and(|now| now.get("ezdfs_lookups_total{source=\"replica\"}") > 0.0)
    });
    until("its age is young", || {
        let now = metrics().unwrap();
        now.get("ezdfs_replica_used") == 1.0 && now.get("ezdfs_replica_age_seconds") < 2.0
    });
    watched.agent = None;
    until("its age grows", || {
        let now = metrics().unwrap();
        now.get("ezdfs_replica_used") == 0.0 && now.get("ezdfs_replica_age_seconds") > 2.0
    });
    Ok(())
}

fn lag(db: TestDb) -> Result {
    let mut watched = Watched::new(db)?;
    let nginx = watched.nginx(OPTIONS).server(LOCATION).start()?;
    let prometheus = Prometheus::scraping(&[nginx.port()])?;
    prometheus.until_it_scrapes()?;
    prometheus.until_quiet()?;
    watched.agent = None;
    prometheus.until_fires("EzdfsReplicaLags")?;
    prometheus.until_fires("EzdfsReplicaNotUsed")?;
    watched.start_agent(&[]);
    prometheus.until_quiet()
}

/// Grafana's variables, as Prometheus would get them.
fn substituted(expression: &str) -> String {
    ["$instance", "$store"]
        .iter()
        .fold(expression.replace("$__rate_interval", "5s"), |text, it| text.replace(it, ".*"))
}

fn dashboard(db: TestDb) -> Result {
    let mut watched = Watched::without_agent(db, PICTURES)?;
    let port = free_port();
    watched.start_agent(&["--metrics", &format!("127.0.0.1:{port}")]);
    is_usable(&watched.cli);
    let nginx = watched.nginx(OPTIONS).server(LOCATION).start()?;
    serves_all(&nginx);
    let prometheus = Prometheus::scraping(&[nginx.port(), port])?;
    prometheus.until_it_scrapes()?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/grafana/ezdfs.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<_> =
        targets.map(|target| target["expr"].as_str().expect("an expression")).collect();
    assert!(expressions.len() > panels.len(), "{}", expressions.len());
    for expression in &expressions {
        // A mistake in it is told at once; a rate takes two scrapes.
        let expression = substituted(expression);
        assert!(!expression.contains('$'), "{expression}");
        prometheus.query(&expression)?;
        let has_answer = || prometheus.query(&expression).is_ok_and(|it| !it.is_empty());
        wait_for(&expression, has_answer)?;
    }
    // And nothing that is counted is left out.
    let said = get(nginx.port(), "/metrics").text() + &get(port, "/metrics").text();
    for metric in said.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = metric.split(' ').next().unwrap_or_default();
        let is_shown = expressions.iter().any(|it| it.contains(name));
        assert!(is_shown || NOT_SHOWN.contains(&name), "{name}");
    }
    Ok(())
}

fn comes_and_goes(db: TestDb) -> Result {
    let mut watched = Watched::new(db)?;
    let options = "replica_max_lag 500ms; cache_ttl 1ms; cache_negative_ttl 1ms;";
    let nginx = watched.nginx(options).start()?;
    let ask = |picture| get(nginx.port(), &url(&id(picture)));
    until("it is used", || {
        let before = watched.proxy.accepted();
        serves_all(&nginx);
        watched.proxy.accepted() == before
    });
    watched.agent = None;
    until("its news is old", || {
        ask(0);
        nginx.error_log().contains(NOT_USED)
    });
    let overwritten = Version { picture: 1, number: 1 };
    watched.put(&id(1), overwritten)?;
    watched.delete(&id(2))?;
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert_eq!((version(&ask(1)), ask(2).status), (overwritten, 404), "as without a replica");

    let told = nginx.error_log().matches(USED_AGAIN).count();
    watched.start_agent(&[]);
    until("it is used again", || {
        ask(0);
        nginx.error_log().matches(USED_AGAIN).count() > told
    });
    assert_eq!((version(&ask(1)), ask(2).status), (overwritten, 404));
    let log = nginx.error_log();
    assert!(log.contains("[warn]") && log.contains("heard nothing of the database for"), "{log}");
    // A busy machine may have had the news grow old more than once.
    let (ends, begins) = (log.matches(NOT_USED).count(), log.matches(USED_AGAIN).count());
    assert!(ends == begins && ends < 5, "{log}");
    Ok(())
}

fn workers(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let mut nginx = watched.nginx(OPTIONS).workers(2).start()?;
    wait_for("two workers", || nginx.worker_pids().len() == 2)?;
    let seen = watched.unasked(|| -> Result<BTreeSet<u32>> {
        serves_all(&nginx);
        let old = nginx.worker_pids();
        nginx.reload(|_| {})?;
        wait_for("the old workers' end", || nginx.worker_pids().is_disjoint(&old))?;
        (0..20).for_each(|_| serves_all(&nginx));
        Ok(old)
    })?;
    assert_eq!(seen.len(), 2);
    let overwritten = Version { picture: 1, number: 1 };
    watched.put(&id(1), overwritten)?;
    let ask = || get(nginx.port(), &url(&id(1)));
    // Of two workers each has to say so.
    let mut in_a_row = 0;
    until("an overwrite", || {
        in_a_row = if version(&ask()) == overwritten { in_a_row + 1 } else { 0 };
        in_a_row > 20
    });
    let log = nginx.error_log();
    assert!(!log.contains(NOT_USED) && !log.contains("[alert]"), "{log}");
    Ok(())
}

/// As docs/cluster.md has it: the agent is a user of its own, in the group of the workers.
fn permissions(db: TestDb) -> Result {
    const AGENT: [&str; 5] = ["--reuid", "daemon", "--regid", "www-data", "--clear-groups"];
    let watched = Watched::without_agent(db, PICTURES)?;
    fs::set_permissions(watched.cli.dir.path(), fs::Permissions::from_mode(0o755))?;
    fs::create_dir(watched.replica())?;
    fs::set_permissions(watched.replica(), fs::Permissions::from_mode(0o750))?;
    let bare = super::command(&watched.cli, &["agent"]);
    let mut command = Command::new("setpriv");
    if is_root() {
        chown(watched.replica(), Some(1), Some(33))?;
        command.args(AGENT);
    }
    command.args(["--", "sh", "-c", "umask 0007; exec \"$@\"", "sh"]);
    command.arg(bare.get_program()).args(bare.get_args()).current_dir("/");
    command.envs(bare.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let _agent = Running::spawn(command);
    is_usable(&watched.cli);

    let nginx = watched.nginx(OPTIONS).user("www-data").start()?;
    watched.unasked(|| serves_all(&nginx));
    let log = nginx.error_log();
    assert!(!log.contains(NOT_USED), "{log}");
    if is_root() {
        let nginx = watched.nginx(OPTIONS).user("nobody nogroup").start()?;
        serves_all(&nginx);
        let log = nginx.error_log();
        assert_eq!(log.matches(NOT_USED).count(), 1, "{log}");
        assert!(log.contains("Permission denied"), "{log}");
    }
    Ok(())
}
