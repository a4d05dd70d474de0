//! A web node: its mount, its agent with the replica, php-fpm with the application, a web server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::configuration::Words;
use super::network::Host;
use crate::support::nfs_client::{Behaviour, Call, NfsClient, Version};
use crate::support::process::{Daemon, log_of, program, run, scratch, started_by};
use crate::support::{Result, apache, built, fpm, php};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WebServer {
    Nginx,
    Apache,
}

/// What the real client does by default, with the shortest times that it knows.
fn as_nfs(behaviour: &mut Behaviour) {
    behaviour.version = Version::V4;
    behaviour.attributes = Duration::from_secs(3);
    behaviour.names = Duration::from_secs(3);
    behaviour.negative = Duration::from_secs(3);
}

/// What Symfony, its session and the bundle need of PHP, where it is not part of PHP itself.
const EXTENSIONS: &[&str] = &[
    "mysqlnd",
    "pdo",
    "pdo_mysql",
    "xml",
    "ctype",
    "dom",
    "fileinfo",
    "iconv",
    "igbinary",
    "mbstring",
    "posix",
    "redis",
    "simplexml",
    "tokenizer",
];

#[derive(Debug)]
pub(super) struct WebNode {
    pub(super) host: Arc<Host>,
    web_server: WebServer,
    mount: NfsClient,
    /// The share.
    tree: PathBuf,
    words: Words,
    agent: Option<Daemon>,
    servers: Vec<Daemon>,
    // After all that write there.
    home: TempDir,
}

impl WebNode {
    /// `words` has what the whole cluster knows.
    pub(super) fn start(
        host: Arc<Host>,
        web_server: WebServer,
        tree: &Path,
        words: &Words,
    ) -> Result<Self> {
        let (home, mut mount) = (scratch(), NfsClient::mount(tree)?);
        mount.behave(as_nfs)?;
        // httpd's children are somebody else.
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777))?;
        let mut words = words.clone();
        words.set("HOME", home.path().display());
        words.set("NAME", &host.name);
        words.set("ADDRESS", host.address);
        words.set("MOUNT", mount.at().display());
        let (tree, servers) = (tree.to_owned(), Vec::new());
        let mut node = WebNode { host, web_server, mount, tree, words, agent: None, servers, home };
        node.configure()?;
        node.start_servers()?;
        Ok(node)
    }

    fn configure(&self) -> Result {
        let web_server = match self.web_server {
            WebServer::Nginx => "nginx.conf",
            WebServer::Apache => "httpd.conf",
        };
        let names = [web_server, "php-fpm.conf", "application.yaml", "ezdfs.toml"];
        names.iter().try_for_each(|name| self.words.fill_in(name, self.home.path()))?;
        fs::create_dir(self.home.path().join("tmp"))?;
        let ini = php::ini(EXTENSIONS)? + "zend_extension=opcache\n";
        Ok(fs::write(self.at("php.ini"), ini)?)
    }

    fn start_servers(&mut self) -> Result {
        self.start_agent()?;
        let fpm = self.start_fpm()?;
        self.servers.push(fpm);
        let mut command = self.web_server()?;
        match self.web_server {
            WebServer::Nginx => command.args(["-e", "stderr", "-c"]).arg(self.at("nginx.conf")),
            WebServer::Apache => {
                command.args(["-D", "FOREGROUND", "-f"]).arg(self.at("httpd.conf"))
            }
        };
        let mut server = Daemon::start(&command, None, Signal::SIGTERM, &self.at("web.log"))?;
        server.wait_until_ready(|| self.host.listens(80))?;
        self.servers.push(server);
        Ok(())
    }

    fn web_server(&self) -> Result<Command> {
        let (name, wrapper) = match self.web_server {
            WebServer::Nginx => ("nginx", &[][..]),
            WebServer::Apache => ("apache2", apache::AS_NOBODY),
        };
        let program = program(name).ok_or_else(|| format!("{name} is not installed"))?;
        let wrapper = wrapper.iter().map(ToString::to_string);
        let wrapper: Vec<_> = self.host.enter().into_iter().chain(wrapper).collect();
        Ok(started_by(&wrapper, &program))
    }

    fn start_fpm(&self) -> Result<Daemon> {
        let socket = self.at("php-fpm.sock");
        let _ = fs::remove_file(&socket);
        let home = self.home.path().display().to_string();
        // It reads a php.ini of the node's own, and nothing of the system's.
        let words = ["env", &format!("PHPRC={home}"), "PHP_INI_SCAN_DIR="];
        let mut command = self.host.command(Path::new(words[0]));
        command.args(&words[1..]).arg(fpm::program()?);
        command.args(["--nodaemonize", "--allow-to-run-as-root", "--fpm-config"]);
        command.arg(self.at("php-fpm.conf"));
        let mut daemon = Daemon::start(&command, None, Signal::SIGTERM, &self.at("fpm.log"))?;
        daemon.wait_until_ready(|| socket.exists())?;
        // Whoever httpd's children are.
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
        Ok(daemon)
    }

    /// Starts the agent, as systemd does when it has ended.
    pub(super) fn start_agent(&mut self) -> Result {
        let mut command = self.host.command(&built("ezdfs"));
        command.arg("--config").arg(self.at("ezdfs.toml")).arg("agent");
        command.arg("--metrics").arg(format!("{}:9750", self.host.address));
        command.args(["--purge", &self.words.fill("http://@CACHE@")]);
        command.args(["--purge-host", "www.example.com"]);
        command.args(["--purge-token", &self.words.fill("file:@TOKEN@")]);
        // A node that was started again in the meantime has one, and two would not have its port.
        self.agent = None;
        self.agent = Some(Daemon::start(&command, None, Signal::SIGTERM, &self.at("agent.log"))?);
        Ok(())
    }

    pub(super) fn kill_agent(&mut self) -> Result {
        self.agent.take().map_or(Ok(()), |agent| agent.signal(Signal::SIGKILL))
    }

    /// A power cut: nothing of it is left but its disk.
    pub(super) fn kill(&mut self) -> Result {
        self.host.kill_all()?;
        self.agent = None;
        self.servers.clear();
        self.mount.unmount()
    }

    pub(super) fn start_again(&mut self) -> Result {
        self.mount.mount_again(&self.tree)?;
        self.start_servers()
    }

    /// Lets each call on the mount wait, as those on a hard mount do whose server is gone.
    pub(super) fn hang_mount(&mut self) -> Result {
        self.mount.hang(&Call::ALL)
    }

    pub(super) fn release_mount(&mut self) -> Result {
        self.mount.hang(&[])
    }

    /// What an operator would run here.
    pub(super) fn ezdfs(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.host.command(&built("ezdfs"));
        run(command.arg("--config").arg(self.at("ezdfs.toml")).args(arguments))
    }

    /// What its programs have said last.
    pub(super) fn logs(&self) -> String {
        let last = |name: &str| {
            let log = log_of(&self.at(name));
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(40);
            format!("--- {} {name}\n{}\n", self.host.name, lines[from..].join("\n"))
        };
        ["web.log", "error.log", "fpm.log", "php-fpm.log", "agent.log"].map(last).concat()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}
