//! The whole diagram on one machine: an HTTP cache, two web nodes with all that they have, a
//! database that fails over, sessions, a shared tree. `make test-cluster` has each part fail in
//! turn under load; `make demo-cluster` shows it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::process::{run, scratch};
use crate::support::{Result, Trials, built, copy_tree, fixtures};

mod browser;
mod client;
mod configuration;
mod databases;
mod demo;
mod faults;
mod history;
mod load;
mod network;
mod single;
mod trials;
mod web_node;

use configuration::Words;
use databases::Databases;
use network::{ADDRESS, Host, Network, Relay};
use single::Single;
use web_node::{WebNode, WebServer};

/// The first argument that makes this program show a cluster instead of running trials.
pub(crate) const DEMO: &str = "demo-cluster";

pub(crate) use demo::main as demo_main;

/// Names the document that gets the figures; nothing for none.
const ASKED_FOR: &str = "EZDFS_TEST_CLUSTER";

/// They take minutes and most of the machine, so they are run where they are asked for.
pub(crate) fn register(trials: &mut Trials) {
    if std::env::var_os(ASKED_FOR).is_some() {
        trials::register(trials);
        browser::register(trials);
    }
}

/// It ends in this order: who asks before who is asked.
#[derive(Debug)]
struct Cluster {
    varnish: Single,
    web: [WebNode; 2],
    prometheus: Single,
    redis: Single,
    databases: Databases,
    network: Network,
    // After all that uses them.
    _files: [TempDir; 2],
}

impl Cluster {
    fn start() -> Result<Self> {
        let (network, home, tree) = (Network::new()?, scratch(), scratch());
        let databases = Databases::start([network.host("db1", 31)?, network.host("db2", 32)?])?;
        create_site(&databases.admin_dsn(), tree.path())?;
        let hosts = [network.host("web1", 21)?, network.host("web2", 22)?];
        let (cache, sessions) = (network.host("cache", 11)?, network.host("sessions", 41)?);
        let token = home.path().join("purge-token");
        fs::write(&token, "a-secret-of-this-cluster\n")?;

        let mut words = Words::new();
        words.set("DSN", databases.dsn());
        words.set("REDIS", format!("{}:6379", sessions.address));
        words.set("CACHE", cache.address);
        words.set("CONTROL", network.switch.address);
        words.set("NETWORK", ADDRESS);
        words.set("TOKEN", token.display());
        words.set("WEB1", hosts[0].address);
        words.set("WEB2", hosts[1].address);
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/prometheus/ezdfs.rules.yml");
        words.set("RULES", rules);

        let redis = Single::redis(sessions)?;
        let [first, second] = hosts;
        let web = [
            WebNode::start(first, WebServer::Nginx, tree.path(), &words)?,
            WebNode::start(second, WebServer::Apache, tree.path(), &words)?,
        ];
        let varnish = Single::varnish(cache, &words)?;
        let prometheus = Single::prometheus(network.host("watch", 51)?, &words)?;
        let cluster =
            Cluster { varnish, web, prometheus, redis, databases, network, _files: [home, tree] };
        Ok(cluster)
    }

    /// Lets this machine reach the site by a port of its loopback.
    fn relay(&self, port: u16) -> Result<Relay> {
        Relay::start(port, &self.network.switch, (self.varnish.host.address, 80))
    }

    fn relay_to_node(&self, node: usize, port: u16) -> Result<Relay> {
        Relay::start(port, &self.network.switch, (self.web[node].host.address, 80))
    }

    fn relay_to_prometheus(&self, port: u16) -> Result<Relay> {
        Relay::start(port, &self.network.switch, (self.prometheus.host.address, 9090))
    }

    /// Lets something happen to the ways from both databases to a web node.
    fn on_ways_to_databases(&self, node: usize, act: impl Fn(&Host, &Host) -> Result) -> Result {
        let databases = self.databases.hosts();
        databases.iter().try_for_each(|database| act(database, &self.web[node].host))
    }

    /// Whether nothing is missing that a fault might take.
    fn is_whole(&self) -> bool {
        let is_current = |node: &WebNode| node.ezdfs(&["replica", "status"]).is_ok();
        self.databases.are_whole()
            && self.web.iter().all(|node| node.host.listens(80) && is_current(node))
            && self.redis.is_up()
            && self.varnish.is_up()
    }

    fn logs(&self) -> String {
        self.web.iter().map(WebNode::logs).collect()
    }

    /// The hosts and their addresses.
    fn addresses(&self) -> BTreeMap<String, String> {
        let singles = [&self.varnish, &self.redis, &self.prometheus].map(|single| &single.host);
        let web = self.web.each_ref().map(|node| &node.host);
        let databases = self.databases.hosts();
        let hosts = singles.into_iter().chain(web).chain(&databases);
        hosts.map(|host| (host.name.clone(), host.address.to_string())).collect()
    }
}

/// The table with its change log, and some pictures.
fn create_site(dsn: &str, tree: &Path) -> Result {
    copy_tree(&fixtures(), tree)?;
    let ezdfs = |arguments: &[&str]| {
        let mut command = std::process::Command::new(built("ezdfs"));
        command.args(["--dsn", dsn, "--root"]).arg(tree).args(arguments);
        run(&mut command).map(drop)
    };
    ezdfs(&["schema", "--create", "--create-feed"])?;
    ezdfs(&["import", &tree.display().to_string()])
}
