//! The agent, while others change the table by plain SQL.

mod accounts;
mod c;
mod changes;
mod conversation;
mod failover;
mod faults;
mod http_caches;
mod logs;
mod metrics;
mod nginx;
mod numbers;
mod outage;
mod php;
mod readers;
mod watched;

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ezdfs::{ErrorKind, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::command::{Cli, stderr};
use crate::store::{id, md5, store};
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Servers, Trials, mariadb};

/// So long is waited for what comes by itself.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("agent", &[Need::COMMAND]);
    group.per_database("it_follows_foreign_writers", foreign_writers);
    group.per_database("it_goes_on_where_it_was_killed", killed);
    group.per_server("it_repairs_what_no_change_tells", untold);
    group.per_database("it_waits_for_a_change_log", no_log);
    group.add("there_is_one", second);
    group.add("it_reads_a_table_anew_that_has_become_many_times_larger", outgrown);
    group.add("systemd_hears_of_it", systemd);
    readers::register(&mut group);
    numbers::register(&mut group);
    logs::register(&mut group);
    faults::register(&mut group);
    accounts::register(&mut group);
    metrics::register(&mut group);
    let mut group = trials.group("agent", &[Need::COMMAND, Need::MARIADB]);
    group.add("it_outlasts_a_database_that_is_away", away);
    failover::register(&mut group);
    let mut group = trials.group("agent", &[Need::COMMAND, Need::MARIADB, Need::Galera]);
    numbers::register_galera(&mut group);
    let mut group = trials.group("agent", &[Need::COMMAND, Need::PGBOUNCER]);
    accounts::register_pooler(&mut group);
    c::register(trials);
    changes::register(trials);
    http_caches::register(trials);
    metrics::register_prometheus(trials);
    nginx::register(trials);
    outage::register(trials);
    php::register(trials);
}

/// An agent that runs.
struct Running {
    child: Child,
}

impl Running {
    fn start(cli: &Cli, arguments: &[&str]) -> Self {
        Running::spawn(command(cli, &[&["agent"], arguments].concat()))
    }

    fn spawn(mut command: Command) -> Self {
        Running { child: command.stderr(Stdio::piped()).spawn().unwrap() }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits until it tells something; gives all that it has told so far.
    fn until_told(&mut self, wanted: &str) -> String {
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut told = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&told).contains(wanted) || told.last() != Some(&b'\n') {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&told));
            told.push(byte[0]);
        }
        String::from_utf8(told).unwrap()
    }

    /// What it has told, when it has ended by a signal, and how.
    fn ends(mut self, signal: Signal) -> (Option<i32>, String) {
        self.signal(signal);
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().code(), told)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at(cli: &Cli, path: &str) -> PathBuf {
    cli.dir.path().join(path)
}

/// With a replica that is fresh on a machine that is busy.
fn command(cli: &Cli, arguments: &[&str]) -> Command {
    let mut command = cli.with_store(arguments);
    command.env("EZDFS_REPLICA", at(cli, "replica")).env("EZDFS_REPLICA_MAX_LAG", "5s");
    command
}

fn site(db: Option<TestDb>) -> Cli {
    let cli = Cli::new(db);
    // A root without files would pass for one where nothing is mounted.
    let images = cli.root().join("images");
    std::fs::create_dir_all(&images).unwrap();
    std::fs::write(images.join("0.png"), "").unwrap();
    cli.text(&["schema", "--create-feed"]);
    cli
}

fn json(cli: &Cli, arguments: &[&str]) -> Value {
    let output = command(cli, &[arguments, &["--json"]].concat()).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}

fn status(cli: &Cli) -> Value {
    json(cli, &["replica", "status"])
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn is_usable(cli: &Cli) {
    until("usable", || status(cli)["usable"] == true);
}

/// It says what the table says, a while after the last change.
#[track_caller]
fn is_true(cli: &Cli, rows: usize) {
    let report = json(cli, &["replica", "verify"]);
    assert_eq!((&report["rows"], &report["different"]), (&rows.into(), &Value::Array(vec![])));
    assert_eq!(status(cli)["rows"], rows);
}

fn insert(number: usize, size: usize) -> String {
    let name = format!("var/site/storage/images/{number}.png");
    format!(
        "INSERT INTO ezdfsfile (name_hash, name, name_trunk, mtime, size, scope, datatype) \
         VALUES ('{}', '{name}', '{name}', 1500000000, {size}, 'image', 'image/png')",
        md5(&name)
    )
}

fn of(number: usize) -> String {
    format!("WHERE name_hash = '{}'", md5(&format!("var/site/storage/images/{number}.png")))
}

/// Another process, which asks nobody to confirm that there is no row.
fn reader(cli: &Cli) -> Store {
    reader_with(cli, &[])
}

fn reader_with(cli: &Cli, options: &[(&str, &str)]) -> Store {
    let replica = at(cli, "replica");
    let usual = [
        ("replica", replica.to_str().unwrap()),
        ("replica_max_lag", "5s"),
        ("replica_confirms", "0"),
        ("cache_ttl", "0"),
    ];
    store(&cli.dsn, &cli.root(), &[&usual[..], options].concat())
}

/// What a reader says of the size of a row.
fn size(reader: &Store, number: usize) -> Option<u64> {
    match reader.stat(&id(&format!("images/{number}.png"))) {
        Ok(info) => Some(info.size),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error:#}"),
    }
}

/// Some rows, at first without an agent.
fn fill(cli: &Cli, numbers: std::ops::Range<usize>) {
    cli.sql(&numbers.map(|number| insert(number, number)).collect::<Vec<_>>().join("; "));
}

fn foreign_writers(db: TestDb) {
    let backend = db.backend;
    let cli = site(Some(db));
    fill(&cli, 0..100);
    let _agent = Running::start(&cli, &[]);
    is_usable(&cli);
    is_true(&cli, 100);
    fill(&cli, 100..200);
    let renamed = md5("var/site/storage/images/renamed.png");
    for statement in [
        format!("UPDATE ezdfsfile SET size = 7, mtime = 1500000001 {}", of(1)),
        format!("UPDATE ezdfsfile SET size = size {}", of(2)),
        format!("UPDATE ezdfsfile SET mtime = -ABS(mtime) {}", of(3)),
        format!("UPDATE ezdfsfile SET name_hash = '{renamed}' {}", of(4)),
        format!("DELETE FROM ezdfsfile {}", of(5)),
        format!("DELETE FROM ezdfsfile {}; {}", of(6), insert(6, 8)),
        "DELETE FROM ezdfsfile WHERE size BETWEEN 50 AND 59".to_owned(),
        format!("BEGIN; {}; ROLLBACK", insert(1000, 1)),
        "UPDATE ezdfsfile SET datatype = 'misc', scope = 'binaryfile' WHERE size > 190".to_owned(),
    ] {
        cli.sql(&statement);
    }
    if backend != Backend::Postgres {
        cli.sql(&insert(7, 70_000).replace("INSERT", "REPLACE"));
    }
    is_true(&cli, 200 - 1 - 1 - 10);
    let report = status(&cli);
    assert_eq!(report["repaired"], 0, "{report}");
}

fn killed(db: TestDb) {
    let cli = site(Some(db));
    fill(&cli, 0..50);
    let agent = Running::start(&cli, &[]);
    is_usable(&cli);
    drop(agent);
    for round in 1..6 {
        let agent = Running::start(&cli, &["--poll-interval", "1ms"]);
        fill(&cli, round * 50..round * 50 + 50);
        cli.sql(&format!("DELETE FROM ezdfsfile {}", of(round)));
        let (_, told) = agent.ends(Signal::SIGKILL);
        assert_eq!(told, "", "the table is not read again");
    }
    let _agent = Running::start(&cli, &[]);
    until("all is heard", || status(&cli)["rows"] == 295);
    is_true(&cli, 295);
}

fn untold(db: TestDb) {
    let cli = site(Some(db));
    fill(&cli, 0..30);
    let _agent = Running::start(&cli, &["--compare-rate", "100000"]);
    is_usable(&cli);
    cli.sql("TRUNCATE TABLE ezdfsfile");
    until("nothing is left", || status(&cli)["rows"] == 0);
    assert_eq!(status(&cli)["repaired"], 30);
    fill(&cli, 0..10);
    until("they are there", || status(&cli)["rows"] == 10);
    is_true(&cli, 10);
    assert_eq!(status(&cli)["repaired"], 30);
}

fn outgrown(_: &Servers) {
    const MORE: usize = 33_000;
    let cli = site(None);
    fill(&cli, 0..10);
    let mut agent = Running::start(&cli, &[]);
    is_usable(&cli);
    cli.sql(&format!(
        "INSERT INTO ezdfsfile (name_hash, name, name_trunk, mtime, size, scope, datatype) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MORE}) \
         SELECT LOWER(HEX(RANDOMBLOB(16))), i, i, 1500000000, i, 'image', 'image/png' FROM n"
    ));
    agent.until_told("many times larger");
    is_usable(&cli);
    is_true(&cli, 10 + MORE);
}

fn no_log(db: TestDb) {
    let cli = Cli::new(Some(db));
    let agent = Running::start(&cli, &["--poll-interval", "10ms"]);
    sleep(Duration::from_millis(500));
    assert_eq!(status(&cli)["usable"], false);
    cli.text(&["schema", "--create-feed"]);
    is_usable(&cli);
    fill(&cli, 0..3);
    until("all is heard", || status(&cli)["rows"] == 3);
    is_true(&cli, 3);
    let (code, told) = agent.ends(Signal::SIGTERM);
    assert_eq!(code, Some(0));
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].contains("there is no change log; `ezdfs schema --create-feed`"), "{told}");
    assert_eq!(told.matches("there is no change log").count(), 1, "{told}");
    assert_eq!(lines.last(), Some(&"ezdfs: hears from the database again"), "{told}");
}

fn second(_: &Servers) {
    let cli = site(None);
    let first = Running::start(&cli, &[]);
    is_usable(&cli);
    let output = command(&cli, &["agent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = format!("another agent has it, process {}", first.child.id());
    assert!(stderr(&output).contains(&told), "{}", stderr(&output));
    let other = json(&cli, &["replica", "status", "--table", "other"]);
    assert!(other["reason"].as_str().unwrap().contains("another table"), "{other}");
    first.signal(Signal::SIGHUP);
    let rebuilt = json(&cli, &["replica", "rebuild"]);
    assert_eq!(rebuilt["agent"], first.child.id());
    until("it is taken", || !at(&cli, "replica/rebuild").exists());
    is_usable(&cli);
    let (code, told) = first.ends(Signal::SIGTERM);
    assert_eq!((code, told.matches("has read the table").count()), (Some(0), 2), "{told}");
    assert_eq!(status(&cli)["agent"], Value::Null);
}

fn systemd(_: &Servers) {
    let cli = site(None);
    let socket = UnixDatagram::bind(at(&cli, "notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = command(&cli, &["agent"]);
    command.env("NOTIFY_SOCKET", at(&cli, "notify"));
    let agent = Running::spawn(command);
    let mut told = String::new();
    let mut buffer = [0; 4096];
    while !told.contains("READY=1\n") {
        let length = socket.recv(&mut buffer).unwrap();
        told.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert!(told.contains("WATCHDOG=1\n"), "{told}");
    assert!(told.contains("STATUS=0 rows"), "{told}");
    assert_eq!(status(&cli)["usable"], true, "it is complete");
    assert_eq!(agent.ends(Signal::SIGTERM).0, Some(0));
}

fn away(_: &Servers) {
    let server = Arc::new(mariadb::Server::start().unwrap());
    let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_unicode_520_ci").unwrap();
    let cli = site(Some(db));
    fill(&cli, 0..10);
    let agent = Running::start(&cli, &[]);
    is_usable(&cli);
    server.stop();
    until("it is old", || status(&cli)["usable"] == false);
    let report = status(&cli);
    assert!(report["reason"].as_str().unwrap().contains("heard nothing"), "{report}");
    server.restart_on_same_port().unwrap();
    is_usable(&cli);
    fill(&cli, 10..20);
    until("all is heard", || status(&cli)["rows"] == 20);
    is_true(&cli, 20);
    let (code, told) = agent.ends(Signal::SIGTERM);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told.matches("hears from the database again").count(), 1, "{told}");
    assert_eq!(told.matches("news is too old").count(), 1, "{told}");
}
