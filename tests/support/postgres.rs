//! A private PostgreSQL server.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::Result;
use super::db::{self, Rows};
use super::process::{
    Daemon, become_user, children_of, free_port, is_dead, is_root, program, run, scratch, wait_for,
};

/// The programs without which there is no server.
pub const PROGRAMS: &[&str] = &["initdb", "postgres"];

/// A running server with a data directory of its own; superuser `ezdfs`, password `secret`.
#[derive(Debug)]
pub struct Server {
    // Before the directory, so that the server ends before its files go.
    daemon: Mutex<Option<Daemon>>,
    dir: TempDir,
    port: u16,
    /// Settings that this server has and others have not.
    besides: Vec<String>,
    databases: AtomicUsize,
}

impl Server {
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// With settings of the trial's own, which come after the usual ones.
    pub fn start_with(settings: &[String]) -> Result<Self> {
        let dir = scratch();
        let password = dir.path().join("password");
        std::fs::write(&password, "secret\n")?;
        if is_root() {
            let (uid, gid) = ids_of(SERVER_USER)?;
            chown(dir.path(), Some(uid), Some(gid))?;
            chown(&password, Some(uid), Some(gid))?;
        }
        let mut initdb = Command::new("setpriv");
        initdb
            .args(server_user().map(become_user).into_iter().flatten())
            .arg("--")
            .arg(found("initdb")?)
            .args(["--username=ezdfs", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"])
            .args(["--no-sync", "--no-instructions"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", dir.path().join("data").display()))
            .current_dir("/");
        run(&mut initdb)?;
        let (port, databases) = (free_port(), AtomicUsize::new(0));
        let besides = settings.to_vec();
        let server = Self { daemon: Mutex::default(), dir, port, besides, databases };
        server.launch()?;
        Ok(server)
    }

    pub(super) fn launch(&self) -> Result {
        let dir = self.dir.path().display();
        let mut command = Command::new(found("postgres")?);
        command.arg("-D").arg(format!("{dir}/data")).arg("-p").arg(self.port.to_string());
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "shared_buffers=32MB",
            "max_connections=300",
            // Commits reach the kernel, which outlives every stop of the server.
            "fsync=off",
            "full_page_writes=off",
            "autovacuum=off",
        ] {
            command.args(["-c", setting]);
        }
        for setting in &self.besides {
            command.args(["-c", setting]);
        }
        // QUIT ends the server at once, but lets it take its children and shared memory along.
        let log = self.dir.path().join("postgres.log");
        let mut daemon = Daemon::start(&command, server_user(), Signal::SIGQUIT, &log)?;
        daemon.wait_until_well(|| self.sql("postgres", "SELECT 1").map(drop))?;
        *self.daemon.lock().unwrap() = Some(daemon);
        Ok(())
    }

    /// Ends the server at once; what was committed stays.
    pub fn stop(&self) {
        drop(self.daemon.lock().unwrap().take());
    }

    /// Kills all of its processes, which can say and do nothing any more; what was committed stays.
    pub fn kill(&self) -> Result {
        let Some(mut daemon) = self.daemon.lock().unwrap().take() else { return Ok(()) };
        // Stopped, it neither starts another nor waits for one that is dead: the numbers stay theirs.
        daemon.signal(Signal::SIGSTOP)?;
        let children = children_of(daemon.pid());
        for child in &children {
            let _ = kill(Pid::from_raw(*child as i32), Signal::SIGKILL);
        }
        // Whoever still has its shared memory would keep the next server from starting.
        wait_for("the end of a server's processes", || children.iter().all(|pid| is_dead(*pid)))?;
        daemon.signal(Signal::SIGKILL)?;
        daemon.wait_for_end()
    }

    pub fn restart_on_same_port(&self) -> Result {
        self.stop();
        self.launch()
    }

    /// Restarts it as a standby, whose primary is not there: it answers, and takes no writes until
    /// it is promoted.
    pub fn become_standby(&self) -> Result {
        self.stop();
        let signal = self.dir.path().join("data/standby.signal");
        std::fs::write(&signal, "")?;
        if is_root() {
            let (uid, gid) = ids_of(SERVER_USER)?;
            chown(&signal, Some(uid), Some(gid))?;
        }
        self.launch()
    }

    /// Lets the superuser `tls` in from here on as the line says.
    pub fn let_in(&self, line: &str) -> Result {
        self.sql("postgres", "CREATE ROLE tls SUPERUSER LOGIN PASSWORD 'secret'")?;
        let others = "host all ezdfs 127.0.0.1/32 scram-sha-256";
        std::fs::write(self.dir.path().join("data/pg_hba.conf"), format!("{line}\n{others}\n"))?;
        let loaded = || self.sql("postgres", "SELECT pg_conf_load_time()");
        let before = loaded()?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        wait_for("the new rules", || loaded().is_ok_and(|now| now != before))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn dsn(&self, database: &str) -> String {
        format!("postgres://ezdfs:secret@127.0.0.1:{}/{database}", self.port)
    }

    pub fn sql(&self, database: &str, statements: &str) -> Result<Rows> {
        db::sql(&self.dsn(database), statements)
    }

    /// Creates an empty database and returns its name.
    pub fn create_database(&self) -> Result<String> {
        let name = format!("trial_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        Ok(name)
    }

    pub fn drop_database(&self, name: &str) -> Result {
        self.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))?;
        Ok(())
    }
}

/// Debian's package makes this user; PostgreSQL refuses to run as root.
const SERVER_USER: &str = "postgres";

/// Whose files the server reads.
pub fn owner() -> Result<Option<(u32, u32)>> {
    server_user().map(ids_of).transpose()
}

/// Whom servers run as; `None` where that is whoever runs the trials.
pub fn server_user() -> Option<&'static str> {
    is_root().then_some(SERVER_USER)
}

/// The same by numbers.
pub fn server_ids() -> Result<Option<(u32, u32)>> {
    server_user().map(ids_of).transpose()
}

fn ids_of(user: &str) -> Result<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user));
    let fields: Vec<&str> = line.ok_or_else(|| format!("no user {user}"))?.split(':').collect();
    Ok((fields[2].parse()?, fields[3].parse()?))
}

fn found(name: &str) -> Result<PathBuf> {
    program(name).ok_or_else(|| format!("{name} is not installed").into())
}
