//! What the agent counts, and what a Prometheus makes of it.

use std::collections::BTreeSet;
use std::process::Command;

use super::{Running, at, is_usable, site, until};
use crate::prometheus::PROGRAMS;
use crate::support::db::TestDb;
use crate::support::http::{get, request};
use crate::support::metrics::{Metrics, lint};
use crate::support::process::free_port;
use crate::support::prometheus::Prometheus;
use crate::support::{Group, Need, Result, Trials, built};

pub(super) fn register(group: &mut Group<'_>) {
    group.per_server("it_says_what_it_does", says);
    group.add("an_address_that_is_taken_is_refused", |_| taken());
    group.add("its_unit_takes_the_address_from_a_file", |_| by_its_unit());
}

pub(super) fn register_prometheus(trials: &mut Trials) {
    let mut group = trials.group("agent::metrics", &[Need::COMMAND, Need::MARIADB, PROGRAMS]);
    group.add("prometheus_hears_when_it_hears_nothing", |servers| {
        silent(TestDb::mariadb(servers, "utf8mb4", "utf8mb4_bin")?)
    });
}

fn metrics(port: u16) -> Result<Metrics> {
    Metrics::parse(&get(port, "/metrics").text(), "replica")
}

fn says(db: TestDb) -> Result {
    let cli = site(Some(db));
    let port = free_port();
    let _agent = Running::start(&cli, &["--metrics", &format!("127.0.0.1:{port}")]);
    is_usable(&cli);
    cli.text(&["put", "images/1.png", "/dev/null"]);
    until("it is told", || metrics(port).is_ok_and(|it| it.get("ezdfs_agent_changes_total") > 0.0));
    let said = metrics(port)?;
    // Of caches where there are any.
    let is_its =
        |it: &&str| it.starts_with("ezdfs_agent_") && !it.starts_with("ezdfs_agent_cache_");
    let agents: BTreeSet<_> = said.moved().filter(is_its).collect();
    let all: BTreeSet<_> = said.samples().filter(is_its).collect();
    assert_eq!(agents, all, "each has moved");
    assert_eq!(said.get("ezdfs_agent_replica_rows"), 1.0);
    assert!(said.get("ezdfs_query_seconds_count{kind=\"read\"}") > 0.0);

    let answer = request(port, "GET", "/metrics", &[("Accept", "application/openmetrics-text")]);
    assert!(answer.header("Content-Type").is_some_and(|it| it.starts_with("application/openm")));
    assert!(answer.text().ends_with("# EOF\n"));
    let statuses = [("GET", "/"), ("POST", "/metrics"), ("HEAD", "/metrics")]
        .map(|(method, path)| request(port, method, path, &[]).status);
    assert_eq!(statuses, [404, 405, 200]);

    // Who says nothing holds nobody up for long.
    let idle = [(); 20].map(|()| std::net::TcpStream::connect(("127.0.0.1", port)));
    until("it answers all the same", || metrics(port).is_ok());
    drop(idle);
    Ok(())
}

fn taken() {
    let cli = site(None);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = super::command(&cli, &["agent", "--metrics", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(crate::command::stderr(&output).contains(&address));
    assert!(!at(&cli, "replica").join("state").exists());
}

/// As systemd starts it where that file has such a line.
fn by_its_unit() -> Result {
    let cli = site(None);
    let port = free_port();
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/systemd/ezdfs-agent@.service");
    let unit = std::fs::read_to_string(unit)?;
    assert!(unit.contains("\nEnvironmentFile=-/etc/default/ezdfs-agent-%i\n"), "{unit}");
    let command =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).ok_or("no command")?;
    let command = command.replace("/usr/local/bin/ezdfs", "\"$EZDFS\"");
    let known = super::command(&cli, &[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {command}")]);
    shell.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("EZDFS", built("ezdfs")).env("OPTIONS", format!("--metrics 127.0.0.1:{port}"));
    let _agent = Running::spawn(shell);
    is_usable(&cli);
    metrics(port)?;
    Ok(())
}

fn silent(db: TestDb) -> Result {
    let cli = super::watched::Watched::without_agent(db, 1)?;
    let port = free_port();
    let _agent = Running::start(&cli.cli, &["--metrics", &format!("127.0.0.1:{port}")]);
    is_usable(&cli.cli);
    let prometheus = Prometheus::scraping(&[port])?;
    prometheus.until_it_scrapes()?;
    prometheus.until_quiet()?;
    assert_eq!(lint(&get(port, "/metrics").text())?, "");
    cli.proxy.set(crate::support::proxy::Mode::Refuse);
    cli.proxy.cut();
    prometheus.until_fires("EzdfsAgentHearsNothing")?;
    cli.proxy.set(crate::support::proxy::Mode::Pass);
    prometheus.until_quiet()
}
