//! A private MariaDB server, or one of MySQL in its place.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::db::{self, Rows};
use super::process::{Daemon, free_port, is_root, program, run, scratch, started_by, wait_for};
use super::{Need, Result, copy_tree};

/// The programs without which there is no server.
pub const PROGRAMS: &[&str] = &["mariadbd", "mariadb-install-db"];

/// Names the program `mysqld` of MySQL: every trial on MariaDB then runs on that (`make test-mysql`).
const MYSQL: &str = "EZDFS_TEST_MYSQL";

/// The server that the trials run on where they do not say.
pub fn flavour() -> Flavour {
    std::env::var_os(MYSQL).map_or(Flavour::MariaDb, |path| Flavour::MySql(path.into()))
}

/// Whether that is MySQL.
pub fn is_mysql() -> bool {
    flavour() != Flavour::MariaDb
}

/// Which of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flavour {
    MariaDb,
    /// By its program.
    MySql(PathBuf),
}

impl Flavour {
    /// Why it cannot run here.
    pub fn unmet(&self) -> Option<String> {
        match self {
            Self::MariaDb => Need::Programs(PROGRAMS).unmet(),
            Self::MySql(path) => {
                (!path.is_file()).then(|| format!("{MYSQL} names no program: {}", path.display()))
            }
        }
    }

    fn program(&self) -> Result<PathBuf> {
        match self {
            Self::MariaDb => found("mariadbd"),
            Self::MySql(path) => Ok(path.clone()),
        }
    }

    fn install(&self, dir: &TempDir) -> Result<Command> {
        let data = format!("--datadir={}", dir.path().join("data").display());
        let mut install = match self {
            Self::MariaDb => {
                let mut install = Command::new(found("mariadb-install-db")?);
                install.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
                install.arg("--skip-test-db");
                install
            }
            Self::MySql(path) => {
                let mut install = Command::new(path);
                install.args(["--no-defaults", "--initialize-insecure", "--secure-file-priv="]);
                install.arg("--innodb-redo-log-capacity=16M");
                install
            }
        };
        install.args([data, tmpdir(dir)]);
        Ok(install)
    }

    fn options(&self) -> &'static [&'static str] {
        match self {
            Self::MariaDb => &["--innodb-log-file-size=16M"],
            // One more protocol, which would want a port.
            Self::MySql(_) => {
                &[
                    "--mysqlx=OFF",
                    "--secure-file-priv=",
                    "--innodb-redo-log-capacity=16M",
                    // What is written outlives every stop of the server in the kernel.
                    "--innodb-flush-method=nosync",
                    "--innodb-doublewrite=OFF",
                ]
            }
        }
    }
}

/// A running server with a data directory of its own; user `ezdfs`, password `secret`.
#[derive(Debug)]
pub struct Server {
    // Before the directory, so that the server ends before its files go.
    daemon: Mutex<Option<Daemon>>,
    flavour: Flavour,
    dir: TempDir,
    port: u16,
    /// Arguments that this server has and others have not.
    besides: Vec<String>,
    /// What it is started by.
    under: Vec<String>,
    databases: AtomicUsize,
}

impl Server {
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// With options of the trial's own, which come after the usual ones.
    pub fn start_with(options: &[&str]) -> Result<Self> {
        let options = options.iter().map(ToString::to_string).collect();
        let server = Self::install(flavour(), options)?;
        server.launch()?;
        server.create_user()?;
        Ok(server)
    }

    /// One of MariaDB without any user but root, started by a wrapper such as `nsenter`: on a
    /// network of its own.
    pub fn start_within(wrapper: &[String], options: &[&str]) -> Result<Self> {
        let options = options.iter().map(ToString::to_string).collect();
        let mut server = Self::install(Flavour::MariaDb, options)?;
        server.under = wrapper.to_vec();
        server.launch()?;
        Ok(server)
    }

    /// A server that has not been started yet.
    pub(super) fn install(flavour: Flavour, besides: Vec<String>) -> Result<Self> {
        let server = Self::in_directory(flavour, scratch(), besides);
        copy_tree(&new_data(&server.flavour)?, &server.data())?;
        Ok(server)
    }

    /// Another server with the data that this one had before its start.
    pub(super) fn copy(&self, besides: Vec<String>) -> Result<Self> {
        let copy = Self::in_directory(self.flavour.clone(), scratch(), besides);
        copy_tree(&self.data(), &copy.data())?;
        Ok(copy)
    }

    /// A second server with what this one has now, for which this one is stopped for a moment.
    pub fn fork(&self) -> Result<Self> {
        self.stop();
        let second = self.copy(self.besides.clone())?;
        self.launch()?;
        second.launch()?;
        Ok(second)
    }

    fn in_directory(flavour: Flavour, dir: TempDir, besides: Vec<String>) -> Self {
        let (port, databases) = (free_port(), AtomicUsize::new(0));
        let under = Vec::new();
        Self { daemon: Mutex::default(), flavour, dir, port, besides, under, databases }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(super) fn create_user(&self) -> Result {
        db::sql(
            &self.root_dsn(),
            "CREATE USER ezdfs@'%' IDENTIFIED BY 'secret';
             GRANT ALL PRIVILEGES ON *.* TO ezdfs@'%' WITH GRANT OPTION",
        )?;
        Ok(())
    }

    pub(super) fn launch(&self) -> Result {
        let dir = self.dir.path().display();
        let mut command = started_by(&self.under, &self.flavour.program()?);
        command.args([
            "--no-defaults".to_owned(),
            format!("--datadir={dir}/data"),
            format!("--socket={dir}/socket"),
            format!("--pid-file={dir}/pid"),
            tmpdir(&self.dir),
            format!("--port={}", self.port),
        ]);
        command.args([
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=2",
            "--max-connections=500",
        ]);
        command.args(self.flavour.options());
        command.args(&self.besides);
        if is_root() {
            // Root all the way: a change of user would clear the death signal.
            command.arg("--user=root");
        }
        let log = self.dir.path().join("server.log");
        let mut daemon = Daemon::start(&command, None, Signal::SIGKILL, &log)?;
        daemon.wait_until_well(|| db::sql(&self.root_dsn(), "SELECT 1").map(drop))?;
        *self.daemon.lock().unwrap() = Some(daemon);
        Ok(())
    }

    /// Kills the server as a power cut would; what was committed stays.
    pub fn stop(&self) {
        drop(self.daemon.lock().unwrap().take());
    }

    pub fn restart_on_same_port(&self) -> Result {
        self.stop();
        self.launch()
    }

    /// Stops the server's process without closing its sockets: it accepts and never answers.
    pub fn freeze(&self) -> Result {
        self.signal(Signal::SIGSTOP)?;
        let pid = self.daemon.lock().unwrap().as_ref().map(Daemon::pid).unwrap_or_default();
        // The signal arrives at one thread first, and the others work on meanwhile.
        wait_for("a frozen server", || {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            let stats = threads.map(|thread| fs::read_to_string(thread.path().join("stat")));
            stats.flatten().all(|stat| stat.rsplit_once(") ").is_some_and(|s| s.1.starts_with('T')))
        })
    }

    pub fn thaw(&self) -> Result {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result {
        let daemon = self.daemon.lock().unwrap();
        daemon.as_ref().ok_or("the MariaDB server is stopped")?.signal(signal)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn dsn(&self, database: &str) -> String {
        format!("mysql://ezdfs:secret@127.0.0.1:{}/{database}", self.port)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn root_dsn(&self) -> String {
        format!("mysql://root@localhost/mysql?socket={}/socket", self.dir.path().display())
    }

    pub fn sql(&self, database: &str, statements: &str) -> Result<Rows> {
        db::sql(&self.dsn(database), statements)
    }

    /// Creates an empty database and returns its name.
    pub fn create_database(&self, charset: &str, collation: &str) -> Result<String> {
        let name = format!("trial_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let create = format!("CREATE DATABASE {name} CHARACTER SET {charset} COLLATE {collation}");
        self.sql("", &create)?;
        Ok(name)
    }

    pub fn drop_database(&self, name: &str) -> Result {
        // A trial that left a transaction open must not hold up the run.
        self.sql("", &format!("SET lock_wait_timeout = 1; DROP DATABASE {name}"))?;
        Ok(())
    }
}

/// The data directory of a new server, to be copied: MySQL takes seconds to make one.
fn new_data(flavour: &Flavour) -> Result<PathBuf> {
    static MADE: Mutex<Vec<(Flavour, TempDir)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, dir)) = made.iter().find(|(of, _)| of == flavour) {
        return Ok(dir.path().join("data"));
    }
    let dir = scratch();
    let mut install = flavour.install(&dir)?;
    if is_root() {
        install.arg("--user=root");
    }
    run(&mut install)?;
    let data = dir.path().join("data");
    made.push((flavour.clone(), dir));
    Ok(data)
}

/// A server that starts clears its directory of temporary tables, other servers' as well.
fn tmpdir(dir: &TempDir) -> String {
    format!("--tmpdir={}", dir.path().display())
}

fn found(name: &str) -> Result<PathBuf> {
    program(name).ok_or_else(|| format!("{name} is not installed").into())
}
