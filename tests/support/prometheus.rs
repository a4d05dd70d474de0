//! A private Prometheus, with the project's alert rules.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use super::Result;
use super::http::get;
use super::process::{Daemon, free_port, scratch, wait_for};

#[derive(Debug)]
pub struct Prometheus {
    // Before the directory, so that the server ends before its files go.
    _daemon: Daemon,
    port: u16,
    _dir: TempDir,
}

impl Prometheus {
    /// Asks servers for `/metrics` each second, and judges by the project's rules, which wait for
    /// nothing here and look back over a few seconds.
    pub fn scraping(targets: &[u16]) -> Result<Self> {
        let (dir, port) = (scratch(), free_port());
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rules = fs::read_to_string(project.join("contrib/prometheus/ezdfs.rules.yml"))?;
        let waits = |line: &&str| !line.trim_start().starts_with("for: ");
        let rules: Vec<_> = rules.lines().filter(waits).collect();
        let rules = rules
            .join("\n")
            .replace("[5m]", "[5s]")
            .replace("[1m]", "[5s]")
            .replace("[1h]", "[10s]");
        fs::write(dir.path().join("rules.yml"), rules)?;
        let targets: Vec<_> = targets.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let targets = targets.join(", ");
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules.yml]\nscrape_configs:\n  - job_name: ezdfs\n    \
             static_configs: [{{targets: [{targets}]}}]\n"
        );
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config)?;
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.arg("--log.level=warn");
        let log = dir.path().join("log");
        let mut daemon = Daemon::start(&command, None, Signal::SIGTERM, &log)?;
        daemon.wait_until_ready(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Prometheus { _daemon: daemon, port, _dir: dir })
    }

    /// What an expression comes to now: its samples.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let answer = get(self.port, &format!("/api/v1/query?query={query}")).text();
        let answer: Value = serde_json::from_str(&answer)?;
        match answer["data"]["result"].as_array() {
            Some(samples) => Ok(samples.clone()),
            None => Err(format!("{expression}: {answer}").into()),
        }
    }

    /// The alerts that fire now.
    pub fn alerts(&self) -> Vec<String> {
        let answer = get(self.port, "/api/v1/alerts").text();
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let fires = |alert: &&Value| alert["state"] == "firing";
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().map(str::to_owned);
        alerts.iter().filter(fires).filter_map(name).collect()
    }

    pub fn until_fires(&self, alert: &str) -> Result {
        let fires = || self.alerts().iter().any(|it| it == alert);
        wait_for(alert, fires).map_err(|error| format!("{error}; {:?}", self.alerts()).into())
    }

    pub fn until_quiet(&self) -> Result {
        let quiet = wait_for("no alert", || self.alerts().is_empty());
        quiet.map_err(|error| format!("{error}; {:?}", self.alerts()).into())
    }

    /// Whether it has heard from its target.
    pub fn until_it_scrapes(&self) -> Result {
        wait_for("a scrape", || {
            let memory = self.query("ezdfs_lookups_total{source=\"memory\"}");
            memory.is_ok_and(|samples| !samples.is_empty())
        })
    }
}
