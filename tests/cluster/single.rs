//! What stands beside the web nodes and the databases: the HTTP cache, sessions, Prometheus.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::configuration::Words;
use super::network::Host;
use crate::support::Result;
use crate::support::process::{Daemon, program, scratch};

/// A host with one server, which can be killed and started again.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) host: Arc<Host>,
    port: u16,
    program: &'static str,
    arguments: Vec<String>,
    daemon: Option<Daemon>,
    // After the server that writes there.
    home: TempDir,
}

impl Single {
    fn new(host: Arc<Host>, port: u16, program: &'static str) -> Self {
        Single { host, port, program, arguments: Vec::new(), daemon: None, home: scratch() }
    }

    pub(super) fn varnish(host: Arc<Host>, words: &Words) -> Result<Self> {
        let mut varnish = Self::new(host, 80, "varnishd");
        words.fill_in("site.vcl", varnish.home.path())?;
        let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/varnish");
        let (address, work) = (varnish.address(), varnish.at("work"));
        let vcl = varnish.at("site.vcl");
        varnish.with("-F -j none -s malloc,64m -t 600 -a").with(&address).with("-n").with(&work);
        varnish.with("-p").with(&format!("vcl_path={}", contrib.display()));
        varnish.with("-f").with(&vcl);
        varnish.start().map(|()| varnish)
    }

    /// It keeps nothing on a disk.
    pub(super) fn redis(host: Arc<Host>) -> Result<Self> {
        let mut redis = Self::new(host, 6379, "redis-server");
        let (address, home) = (redis.host.address.to_string(), redis.at(""));
        redis.with("--bind").with(&address).with("--protected-mode no --appendonly no --save");
        redis.arguments.push(String::new());
        redis.with("--dir").with(&home);
        redis.start().map(|()| redis)
    }

    pub(super) fn prometheus(host: Arc<Host>, words: &Words) -> Result<Self> {
        let mut prometheus = Self::new(host, 9090, "prometheus");
        words.fill_in("prometheus.yml", prometheus.home.path())?;
        let (config, data) = (prometheus.at("prometheus.yml"), prometheus.at("data"));
        let address = prometheus.address();
        prometheus.with(&format!("--config.file={config}"));
        prometheus.with(&format!("--storage.tsdb.path={data}"));
        prometheus.with(&format!("--web.listen-address={address} --log.level=warn"));
        prometheus.start().map(|()| prometheus)
    }

    fn with(&mut self, arguments: &str) -> &mut Self {
        self.arguments.extend(arguments.split(' ').map(str::to_owned));
        self
    }

    fn address(&self) -> String {
        format!("{}:{}", self.host.address, self.port)
    }

    fn at(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    pub(super) fn start(&mut self) -> Result {
        let missing = || format!("{} is not installed", self.program);
        let program: PathBuf = program(self.program).ok_or_else(missing)?;
        let mut command = self.host.command(&program);
        command.args(&self.arguments);
        let log = self.home.path().join("server.log");
        let mut daemon = Daemon::start(&command, None, Signal::SIGTERM, &log)?;
        daemon.wait_until_ready(|| self.host.listens(self.port))?;
        self.daemon = Some(daemon);
        Ok(())
    }

    pub(super) fn is_up(&self) -> bool {
        self.host.listens(self.port)
    }

    pub(super) fn kill(&mut self) -> Result {
        self.host.kill_all()?;
        self.daemon = None;
        Ok(())
    }
}
