//! Two MariaDB servers, active and passive, and who has the passive one take over.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::network::Host;
use crate::support::Result;
use crate::support::mariadb::Server;
use crate::support::process::{run, wait_for};

/// How often the active server is looked at. It is given up when it was silent twice.
const INTERVAL: Duration = Duration::from_millis(500);

/// The account of the site has no right that a server without writes makes exceptions for.
const ACCOUNTS: &str = "
    SET sql_log_bin = 0;
    CREATE USER site@'%' IDENTIFIED BY 'secret';
    GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON ezdfs.* TO site@'%';
    CREATE USER replica@'%' IDENTIFIED BY 'secret';
    GRANT REPLICATION SLAVE ON *.* TO replica@'%';";

/// A commit is answered when the passive server has it, as long as there is one: so whatever was
/// acknowledged is there after a failover.
const OPTIONS: &[&str] = &[
    "--port=3306",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--log-slave-updates",
    "--read-only=1",
    "--rpl-semi-sync-master-enabled=1",
    "--rpl-semi-sync-slave-enabled=1",
    "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
    "--rpl-semi-sync-master-timeout=3600000",
    "--rpl-semi-sync-master-wait-no-slave=0",
];

#[derive(Debug)]
pub(super) struct Databases {
    pair: Arc<Mutex<Pair>>,
    ends: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Pair {
    hosts: [Arc<Host>; 2],
    servers: [Option<Server>; 2],
    active: usize,
    /// What has happened, for who looks on.
    failovers: usize,
}

impl Databases {
    pub(super) fn start(hosts: [Arc<Host>; 2]) -> Result<Self> {
        let active = start(&hosts[0], 1)?;
        admin(&active, "SET GLOBAL read_only = 0; CREATE DATABASE ezdfs CHARACTER SET utf8mb4")?;
        let pair = Pair { hosts, servers: [Some(active), None], active: 0, failovers: 0 };
        let pair = Arc::new(Mutex::new(pair));
        lock(&pair).seed()?;
        let ends = Arc::<AtomicBool>::default();
        let (watched, stop) = (Arc::clone(&pair), Arc::clone(&ends));
        let watcher = thread::spawn(move || watch(&watched, &stop));
        Ok(Databases { pair, ends, watcher: Some(watcher) })
    }

    /// Where a program on the machine of the active server finds it, as its administrator.
    pub(super) fn admin_dsn(&self) -> String {
        let pair = lock(&self.pair);
        let socket = pair.active().map(|server| server.socket().display().to_string());
        format!("mysql://root@localhost/ezdfs?socket={}", socket.unwrap_or_default())
    }

    /// Both, as the sites know them.
    pub(super) fn dsn(&self) -> String {
        let [first, second] = lock(&self.pair).hosts.each_ref().map(|host| host.address);
        format!("mysql://site:secret@{first}:3306,{second}:3306/ezdfs")
    }

    pub(super) fn hosts(&self) -> [Arc<Host>; 2] {
        lock(&self.pair).hosts.clone()
    }

    /// The name of the active server's host.
    pub(super) fn active(&self) -> String {
        let pair = lock(&self.pair);
        pair.hosts[pair.active].name.clone()
    }

    pub(super) fn failovers(&self) -> usize {
        lock(&self.pair).failovers
    }

    /// Whether a commit is on both servers before it is answered.
    pub(super) fn are_whole(&self) -> bool {
        const ASK: &str = "SELECT @@read_only = 0 AND (SELECT VARIABLE_VALUE FROM \
                           information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = \
                           'RPL_SEMI_SYNC_MASTER_CLIENTS') > 0";
        let pair = lock(&self.pair);
        let answer = pair.active().and_then(|active| admin(active, ASK).ok());
        pair.servers.iter().all(Option::is_some) && answer.is_some_and(|said| said.trim() == "1")
    }

    /// Whether both have the same rows.
    pub(super) fn are_equal(&self) -> Result {
        const SUM: &str = "CHECKSUM TABLE ezdfs.ezdfsfile";
        let pair = lock(&self.pair);
        let [Some(first), Some(second)] = &pair.servers else { return Err("one is gone".into()) };
        let (first, second) = (admin(first, SUM)?, admin(second, SUM)?);
        if first == second { Ok(()) } else { Err(format!("{first} is not {second}").into()) }
    }

    /// Kills the active server. The other one takes over, and it comes back as the passive one.
    pub(super) fn kill_active(&self) -> Result {
        self.on_active(|server| {
            server.stop();
            Ok(())
        })
    }

    /// Lets the active server hang: connections stay, and nothing is answered.
    pub(super) fn freeze_active(&self) -> Result {
        self.on_active(Server::freeze)
    }

    fn on_active(&self, act: impl FnOnce(&Server) -> Result) -> Result {
        let pair = lock(&self.pair);
        match &pair.servers {
            [Some(_), Some(_)] => pair.active().map_or(Ok(()), act),
            _ => Err("the other server is not there again yet".into()),
        }
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.watcher.take().map(JoinHandle::join);
    }
}

impl Pair {
    fn active(&self) -> Option<&Server> {
        self.servers[self.active].as_ref()
    }

    fn passive(&self) -> usize {
        1 - self.active
    }

    /// Ends the active server for good, so that two never take writes, and has the other one
    /// take them as soon as it has all that it was sent.
    fn fail_over(&mut self) -> Result {
        let passive = self.passive();
        if self.servers[passive].is_none() {
            return Err("there is no other server".into());
        }
        if let Some(lost) = self.servers[self.active].take() {
            lost.stop();
            self.hosts[self.active].kill_all()?;
        }
        let successor = self.servers[passive].as_ref().ok_or("there is no other server")?;
        admin(successor, "STOP SLAVE IO_THREAD")?;
        wait_for("what is left of the replication", || has_applied_all(successor))?;
        admin(successor, "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0")?;
        self.active = passive;
        self.failovers += 1;
        Ok(())
    }

    /// Makes another passive server of what the active one has: what a lost one has may be more.
    fn seed(&mut self) -> Result {
        let (passive, active) = (self.passive(), self.active().ok_or("there is no server")?);
        let fresh = start(&self.hosts[passive], passive + 1)?;
        copy(active, &fresh)?;
        let source = self.hosts[self.active].address;
        admin(
            &fresh,
            &format!(
                "CHANGE MASTER TO MASTER_HOST = '{source}', MASTER_PORT = 3306, MASTER_USER = 'replica', \
                 MASTER_PASSWORD = 'secret', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos; \
                 START SLAVE"
            ),
        )?;
        self.servers[passive] = Some(fresh);
        Ok(())
    }
}

fn watch(pair: &Mutex<Pair>, ends: &AtomicBool) {
    let mut silent = 0;
    while !ends.load(Ordering::Relaxed) {
        thread::sleep(INTERVAL);
        let mut pair = lock(pair);
        let (host, from) = (&pair.hosts[pair.active], &pair.hosts[pair.passive()]);
        silent = if greets(host, from) { 0 } else { silent + 1 };
        let failed = match silent {
            0 if pair.servers[pair.passive()].is_none() => pair.seed(),
            0 | 1 => Ok(()),
            _ => pair.fail_over(),
        };
        if let Err(error) = failed {
            eprintln!("databases: {error}");
        }
    }
}

/// A server that lives says something to whoever connects.
fn greets(host: &Host, from: &Host) -> bool {
    let connection = from.connect((host.address, 3306).into());
    connection.is_ok_and(|mut connection| {
        let waits = connection.set_read_timeout(Some(Duration::from_secs(1)));
        waits.and_then(|()| connection.read_exact(&mut [0; 5])).is_ok()
    })
}

fn lock(pair: &Mutex<Pair>) -> MutexGuard<'_, Pair> {
    pair.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(host: &Host, number: usize) -> Result<Server> {
    let (address, id) =
        (format!("--bind-address={}", host.address), format!("--server-id={number}"));
    let options = [OPTIONS, &[&address, &id]].concat();
    let server = Server::start_within(&host.enter(), &options)?;
    admin(&server, ACCOUNTS)?;
    Ok(server)
}

/// What its own client says to a server, by its socket.
fn client(program: &str, server: &Server) -> Command {
    let mut command = Command::new(program);
    command.args(["--no-defaults", "--user=root", "--socket"]).arg(server.socket());
    command
}

fn admin(server: &Server, statements: &str) -> Result<String> {
    let mut command = client("mariadb", server);
    run(command.args(["--batch", "--skip-column-names", "--execute", statements]))
}

fn has_applied_all(server: &Server) -> bool {
    let said = run(client("mariadb", server).args(["--execute", "SHOW SLAVE STATUS\\G"]));
    let said = said.unwrap_or_default();
    let received = said.lines().find_map(|line| line.trim().strip_prefix("Gtid_IO_Pos:"));
    let applied = admin(server, "SELECT @@gtid_slave_pos").unwrap_or_default();
    received.is_some_and(|received| received.trim() == applied.trim())
}

/// With its place in the log. None of this is a change to be replicated.
fn copy(from: &Server, to: &Server) -> Result {
    let mut dump = client("mariadb-dump", from);
    dump.args(["--single-transaction", "--gtid", "--master-data=1", "--databases", "ezdfs"]);
    let mut dump = dump.stdout(Stdio::piped()).spawn()?;
    let mut load = client("mariadb", to);
    load.arg("--init-command=SET sql_log_bin = 0").stdin(dump.stdout.take().ok_or("no pipe")?);
    let loaded = load.status()?;
    if dump.wait()?.success() && loaded.success() {
        Ok(())
    } else {
        Err("cannot copy the active server".into())
    }
}

/// What it is done with, besides the servers.
pub(super) const PROGRAMS: &[&str] = &["mariadb", "mariadb-dump"];
