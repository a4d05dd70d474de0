//! A private nginx, with or without the project's module.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::process::{Daemon, free_port, is_root, log_of, program, scratch, started_by, wait_for};
use super::{Result, built};

/// An nginx, for which the module was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The system's.
    Installed,
    /// The newest stable one, which `tests/newest-nginx.sh` fetched.
    Newest,
}

impl Release {
    /// Whichever the trials are to be played on: `EZDFS_TEST_NGINX=newest`.
    fn chosen() -> Self {
        match std::env::var_os("EZDFS_TEST_NGINX") {
            Some(name) if name == "newest" => Self::Newest,
            _ => Self::Installed,
        }
    }

    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Installed => program("nginx"),
            Self::Newest => Some(built("tools/newest-nginx/nginx")),
        }
    }

    /// The module under test.
    fn module(self) -> String {
        let name = match self {
            Self::Installed => "ngx_http_ezdfs_module.so",
            Self::Newest => "test-nginx/newest.so",
        };
        built(name).to_string_lossy().into_owned()
    }
}

/// What goes into nginx.conf, beside what every private server needs.
#[derive(Debug)]
pub struct Builder {
    dir: TempDir,
    port: u16,
    release: Release,
    modules: Vec<String>,
    user: Option<&'static str>,
    under: Vec<String>,
    pub workers: usize,
    pub main: String,
    pub events: String,
    pub http: String,
    pub server: String,
}

impl Builder {
    /// The port of the server, for further `server` blocks.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory that ends with the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Lets the workers run as this user (and group) where the tests run as root.
    pub fn user(mut self, user: &'static str) -> Self {
        self.user = Some(user);
        self
    }

    /// Has this program, with its arguments, start the server.
    pub fn under(mut self, wrapper: &[String]) -> Self {
        self.under = wrapper.to_vec();
        self
    }

    pub fn load_module(mut self, module: &str) -> Self {
        self.modules.push(module.to_owned());
        self
    }

    /// Adds to the top level.
    pub fn main(mut self, text: &str) -> Self {
        self.main.push_str(text);
        self
    }

    /// Adds to `events`.
    pub fn events(mut self, text: &str) -> Self {
        self.events.push_str(text);
        self
    }

    /// Adds to `http`, before the server.
    pub fn http(mut self, text: &str) -> Self {
        self.http.push_str(text);
        self
    }

    /// Adds to the `server` that listens on [`port`](Self::port).
    pub fn server(mut self, text: &str) -> Self {
        self.server.push_str(text);
        self
    }

    /// The whole nginx.conf.
    pub fn config(&self) -> String {
        let Self { port, workers, main, events, http, server, .. } = self;
        let dir = self.dir.path().display();
        let load: String = self.modules.iter().map(|m| format!("load_module {m};\n")).collect();
        // Workers run as whoever runs the tests, so that they can read the trial's files.
        let user = self.user.unwrap_or("root");
        let user = if is_root() { format!("user {user};\n") } else { String::new() };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("    {name}_temp_path {dir}/{name};\n"))
            .concat();
        format!(
            "{load}{user}worker_processes {workers};\n\
             daemon off;\npid {dir}/nginx.pid;\nerror_log {dir}/error.log info;\n{main}\n\
             events {{ worker_connections 512; {events} }}\n\
             http {{\n    access_log {dir}/access.log;\n{temporary}    {http}\n    \
             server {{\n        listen 127.0.0.1:{port};\n        {server}\n    }}\n}}\n"
        )
    }

    /// Runs `nginx -t` on the configuration: whether it passes, and what it says.
    pub fn test(&self) -> Result<(bool, String)> {
        let file = self.dir.path().join("test.conf");
        fs::write(&file, self.config())?;
        let output = self.command(&file)?.arg("-t").stdin(Stdio::null()).output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    pub fn start(self) -> Result<Nginx> {
        let file = self.dir.path().join("nginx.conf");
        fs::write(&file, self.config())?;
        let command = self.command(&file)?;
        // TERM, for the master must live long enough to end its workers.
        let log = self.dir.path().join("stderr.log");
        let mut daemon = Daemon::start(&command, None, Signal::SIGTERM, &log)?;
        let port = self.port;
        daemon.wait_until_ready(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Nginx { daemon, setup: self })
    }

    fn command(&self, config: &Path) -> Result<Command> {
        let program = self.release.program().ok_or("nginx is not installed")?;
        let mut command = started_by(&self.under, &program);
        command.arg("-p").arg(self.dir.path()).arg("-c").arg(config).args(["-e", "stderr"]);
        Ok(command)
    }
}

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    // Before the directory in `setup`, so that the server ends before its files go.
    daemon: Daemon,
    setup: Builder,
}

impl Nginx {
    pub fn builder() -> Builder {
        Self::bare(Release::chosen())
    }

    /// An nginx of this release without any module.
    pub fn bare(release: Release) -> Builder {
        Builder {
            dir: scratch(),
            port: free_port(),
            release,
            workers: 1,
            modules: Vec::new(),
            user: None,
            under: Vec::new(),
            main: String::new(),
            events: String::new(),
            http: String::new(),
            server: String::new(),
        }
    }

    /// Like [`builder`](Self::builder), with the module under test.
    pub fn with_module() -> Builder {
        Self::of(Release::chosen())
    }

    /// An nginx of this release with the module that was built for it.
    pub fn of(release: Release) -> Builder {
        Self::bare(release).load_module(&release.module())
    }

    pub fn port(&self) -> u16 {
        self.setup.port
    }

    pub fn dir(&self) -> &Path {
        self.setup.dir.path()
    }

    pub fn master_pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Every worker, those that are still shutting down included.
    pub fn worker_pids(&self) -> BTreeSet<u32> {
        let master = self.daemon.pid();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|&pid| parent_of(pid) == Some(master) && title_of(pid).contains("worker"))
            .collect()
    }

    /// Changes the configuration with `edit`, reloads, and waits until new workers run.
    pub fn reload(&mut self, edit: impl FnOnce(&mut Builder)) -> Result {
        let old = self.worker_pids();
        edit(&mut self.setup);
        fs::write(self.dir().join("nginx.conf"), self.setup.config())?;
        self.daemon.signal(Signal::SIGHUP)?;
        let reloaded = wait_for("new workers", || !self.worker_pids().is_subset(&old));
        reloaded.map_err(|e| format!("{e}\n{}", self.error_log()).into())
    }

    pub fn signal(&self, signal: Signal) -> Result {
        self.daemon.signal(signal)
    }

    /// Waits for the end of the master, which outlives its workers.
    pub fn wait_for_end(&mut self) -> Result {
        self.daemon.wait_for_end()
    }

    /// The requests that nginx has logged.
    pub fn access_log(&self) -> String {
        log_of(&self.dir().join("access.log"))
    }

    /// What nginx has logged, the messages of its start included.
    pub fn error_log(&self) -> String {
        self.daemon.log() + &log_of(&self.dir().join("error.log"))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("nginx on port {} said:\n{}", self.port(), self.error_log());
        }
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in parentheses, may hold spaces; the parent is the second field after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn title_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}
