//! A private pgbouncer, which lends its clients a server's connections for one transaction each.

use std::os::unix::fs::chown;
use std::process::Command;
use std::sync::Arc;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::postgres::{self, server_ids, server_user};
use super::process::{Daemon, free_port, program, scratch};
use super::{Result, db};

/// The programs without which there is no pooler.
pub const PROGRAMS: &[&str] = &["pgbouncer", "initdb", "postgres"];

/// A running pooler before a server.
#[derive(Debug)]
pub struct Pooler {
    // Before the directory, so that it ends before its files go.
    _daemon: Daemon,
    _dir: TempDir,
    server: Arc<postgres::Server>,
    port: u16,
}

impl Pooler {
    /// The connection changes at every turn. There are more than a store has: while its writers hold
    /// theirs, their files may wait for an answer of another. `ignored` are the start-up parameters that it passes over; all others but a few it refuses.
    pub fn start(server: &Arc<postgres::Server>, ignored: &str) -> Result<Self> {
        let (dir, port) = (scratch(), free_port());
        let users = dir.path().join("users");
        std::fs::write(&users, "\"ezdfs\" \"secret\"\n")?;
        let configuration = dir.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
             pool_mode = transaction\ndefault_pool_size = 5\nserver_round_robin = 1\n\
             max_client_conn = 200\n\
             ignore_startup_parameters = {ignored}\n",
            server.port(),
            users.display()
        );
        std::fs::write(&configuration, text)?;
        if let Some((uid, gid)) = server_ids()? {
            for path in [dir.path(), &users, &configuration] {
                chown(path, Some(uid), Some(gid))?;
            }
        }
        let mut command = Command::new(program("pgbouncer").ok_or("pgbouncer is not installed")?);
        command.arg(&configuration);
        let log = dir.path().join("pgbouncer.log");
        // Its other signals wait for clients, or are ignored where the tests run in the background.
        let mut daemon = Daemon::start(&command, server_user(), Signal::SIGKILL, &log)?;
        daemon.wait_until_ready(|| is_listening(port))?;
        Ok(Self { _daemon: daemon, _dir: dir, server: Arc::clone(server), port })
    }

    /// The same database by way of the pooler.
    pub fn through(&self, dsn: &str) -> String {
        dsn.replace(&format!(":{}/", self.server.port()), &format!(":{}/", self.port))
    }

    /// What another program gets, which prepares nothing.
    pub fn sql(&self, dsn: &str, statements: &str) -> Result<db::Rows> {
        db::sql(&self.through(dsn), statements)
    }
}

fn is_listening(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}
