//! What befalls an agent, its disk, its database and its clocks.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ezdfs::Store;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::watched::Watched;
use super::{
    Running, at, command, fill, insert, is_true, is_usable, of, reader, reader_with, site, size,
    status, until,
};
use crate::command::Cli;
use crate::support::db::{self, Backend, TestDb};
use crate::support::faults::injected;
use crate::support::process::clock_library;
use crate::support::proxy::Mode;
use crate::support::{Group, Result, Servers};

pub(super) fn register(group: &mut Group) {
    group.add("it_reads_its_configuration_again", configured_anew);
    group.add("a_full_disk_is_outlasted", full_disk);
    group.add("a_replica_that_fills_its_disk_is_made_anew", filled_disk);
    group.add("no_clock_of_the_node_counts", clock_of_the_node);
    group.per_database("the_clock_of_the_database_may_jump", clock_of_the_database);
    group.per_server("a_database_that_is_too_slow_is_told_of", slow);
    group.per_database("it_may_be_killed_under_load", killed_under_load);
}

/// The same in a file, with the replica of this name.
fn configure(cli: &Cli, replica: &str, table: &str) -> String {
    let (root, replica) = (cli.root(), at(cli, replica));
    format!(
        "dsn = {:?}\nroot = {root:?}\nreplica = {replica:?}\nreplica_max_lag = \"5s\"\n\
         table = {table:?}\n",
        cli.dsn
    )
}

fn of_replica(cli: &Cli, name: &str, table: &str) -> Value {
    let mut command = command(cli, &["replica", "status", "--json", "--table", table]);
    let output = command.env("EZDFS_REPLICA", at(cli, name)).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn configured_anew(_: &Servers) {
    let cli = site(None);
    fill(&cli, 0..3);
    cli.text(&["schema", "--create", "--table", "other"]);
    cli.text(&["schema", "--create-feed", "--table", "other"]);
    let file = at(&cli, "agent.toml");
    let write = |text: &str| fs::write(&file, text).unwrap();
    write(&configure(&cli, "one", "ezdfsfile"));
    let agent = Running::spawn(cli.bare(&["agent", "--config", file.to_str().unwrap()]));
    let is_at = |name: &str, table: &str, rows: usize| {
        until(name, || {
            let status = of_replica(&cli, name, table);
            status["usable"] == true && status["rows"] == rows
        });
    };
    is_at("one", "ezdfsfile", 3);
    let reload = |text: &str| {
        write(text);
        agent.signal(Signal::SIGHUP);
    };
    reload(&configure(&cli, "two", "ezdfsfile"));
    is_at("two", "ezdfsfile", 3);
    assert_eq!(of_replica(&cli, "one", "ezdfsfile")["agent"], Value::Null);
    reload(&configure(&cli, "two", "other"));
    is_at("two", "other", 0);
    reload(&configure(&cli, "two", "ezdfsfile"));
    is_at("two", "ezdfsfile", 3);
    injected("SIGHUP with another replica or table", "that one is kept from then on");

    let other = Running::start(&cli, &["--replica", at(&cli, "another-s").to_str().unwrap()]);
    is_at("another-s", "ezdfsfile", 3);
    let good = configure(&cli, "two", "ezdfsfile");
    let without = good.lines().filter(|line| !line.starts_with("replica =")).collect::<Vec<_>>();
    let broken = [
        "dsn = ".to_owned(),
        good.replace("table", "tabel"),
        good.replace("sqlite:", "oracle:"),
        without.join("\n"),
        configure(&cli, "another-s", "ezdfsfile"),
    ];
    for (round, text) in broken.iter().enumerate() {
        reload(text);
        fill(&cli, 3 + round..4 + round);
        is_at("two", "ezdfsfile", 4 + round);
        injected("SIGHUP with a configuration that cannot be", "told once; all goes on as it was");
    }
    drop(other);
    let (code, told) = agent.ends(Signal::SIGTERM);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(told.matches("goes on with what it had: ").count(), broken.len(), "{told}");
}

/// In a file system of its own, of so many bytes.
fn on_small_disk(cli: &Cli, bytes: &str) -> Running {
    let inner = command(cli, &["agent"]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(format!("mount -t tmpfs -o size={bytes} none \"$0\" && exec \"$@\""));
    fs::create_dir(at(cli, "replica")).unwrap();
    command.arg(at(cli, "replica")).arg(inner.get_program()).args(inner.get_args());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Running::spawn(command)
}

/// A path as that process has it.
fn seen_by(agent: &Running, path: &Path) -> PathBuf {
    Path::new(&format!("/proc/{}/root", agent.child.id())).join(path.strip_prefix("/").unwrap())
}

/// In one transaction.
fn fill_at_once(cli: &Cli, numbers: Range<usize>) {
    let rows: Vec<_> = numbers.map(|number| insert(number, number)).collect();
    cli.sql(&format!("BEGIN; {}; COMMIT", rows.join("; ")));
}

/// A site whose replica has so little room, and how it is seen.
struct SmallDisk {
    cli: Cli,
    agent: Running,
    replica: PathBuf,
    reader: Store,
}

impl SmallDisk {
    fn new(bytes: &str, rows: usize) -> Self {
        let cli = site(None);
        fill_at_once(&cli, 0..rows);
        let agent = on_small_disk(&cli, bytes);
        let replica = seen_by(&agent, &at(&cli, "replica"));
        let reader = reader_with(&cli, &[("replica", replica.to_str().unwrap())]);
        let disk = SmallDisk { cli, agent, replica, reader };
        until("usable", || disk.status()["usable"] == true);
        assert_eq!(size(&disk.reader, 3), Some(3));
        disk
    }

    fn status(&self) -> Value {
        let mut command = command(&self.cli, &["replica", "status", "--json"]);
        let output = command.env("EZDFS_REPLICA", &self.replica).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Only the first 100 rows are left. What the agent has told by the time when it has heard.
    fn shrink(self) -> String {
        self.cli.sql("DELETE FROM ezdfsfile WHERE size >= 100");
        until("all is heard", || {
            // A reader that is never asked keeps the room of what it has open.
            assert_eq!(size(&self.reader, 3), Some(3));
            let status = self.status();
            status["usable"] == true && status["rows"] == 100
        });
        assert_eq!((size(&self.reader, 3), size(&self.reader, 9_999)), (Some(3), None));
        let (code, told) = self.agent.ends(Signal::SIGTERM);
        assert_eq!((code, told.matches("No space left").count()), (Some(0), 1), "{told}");
        told
    }
}

fn full_disk(_: &Servers) {
    let disk = SmallDisk::new("512k", 100);
    fill_at_once(&disk.cli, 100..20_000);
    until("it is old", || disk.status()["usable"] == false);
    assert_eq!((size(&disk.reader, 3), size(&disk.reader, 9_999)), (Some(3), Some(9_999)));
    disk.shrink();
    injected("no room for the replica", "readers ask the database; it goes on when there is some");
}

fn filled_disk(_: &Servers) {
    let disk = SmallDisk::new("4m", 10_000);
    // As it was made, it has no pages that are not used.
    let other = File::create(disk.replica.join("other")).unwrap();
    assert_eq!(io::copy(&mut io::repeat(0), &mut &other).unwrap_err().raw_os_error(), Some(28));
    let told = disk.shrink();
    assert!(told.contains("another is made in its place"), "{told}");
    injected("a full disk, and fewer rows", "the replica is made anew in the room that it had");
}

/// A process whose clock is wrong by so many seconds.
fn with_clock<'c>(command: &'c mut Command, seconds: &str) -> &'c mut Command {
    command.env("LD_PRELOAD", clock_library()).env("EZDFS_TEST_CLOCK", seconds)
}

const YEAR: &str = "31536000";

fn clock_of_the_node(_: &Servers) {
    let cli = site(None);
    fill(&cli, 0..10);
    let is_usable_by = |seconds: &str| {
        let mut command = command(&cli, &["replica", "status", "--json"]);
        let output = with_clock(&mut command, seconds).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["usable"] == true
    };
    for (own, readers) in [(YEAR, "-31536000"), ("-31536000", YEAR)] {
        let mut command = command(&cli, &["agent"]);
        with_clock(&mut command, own);
        let agent = Running::spawn(command);
        until("usable", || is_usable_by(readers));
        is_true(&cli, 10);
        drop(agent);
        until("it is old", || !is_usable_by(readers));
        injected("agent and readers whose wall clocks are years apart", "no difference");
    }
}

/// As an entry is that was written while it was another time.
fn clock_of_the_database(db: TestDb) {
    let backend = db.backend;
    let cli = site(Some(db));
    fill(&cli, 0..10);
    let agent = Running::start(&cli, &["--compare-rate", "0"]);
    is_usable(&cli);
    let reader = reader(&cli);
    for (number, seconds) in [(1, 1_000), (2, 4_000_000_000_i64), (3, 1)] {
        let change = format!("UPDATE ezdfsfile SET size = 300 {}", of(number));
        match backend {
            Backend::MariaDb => {
                cli.sql(&format!("SET timestamp = {}; {change}", seconds.min(2_000_000_000)));
            }
            _ => cli.sql(&format!(
                "BEGIN; {change}; UPDATE ezdfsfile_changes SET changed_at = {seconds} * 1000000 \
                 WHERE number = (SELECT MAX(number) FROM ezdfsfile_changes); COMMIT"
            )),
        }
        until("the overwrite", || size(&reader, number) == Some(300));
        injected("database's clock jumps, forward and back", "nothing is missed or read anew");
    }
    is_true(&cli, 10);
    drop(agent);
    let agent = Running::start(&cli, &["--compare-rate", "0"]);
    cli.sql(&format!("UPDATE ezdfsfile SET size = 301 {}", of(4)));
    until("the overwrite", || size(&reader, 4) == Some(301));
    assert_eq!(agent.ends(Signal::SIGTERM), (Some(0), String::new()));
}

fn slow(db: TestDb) -> Result {
    let mut watched = Watched::without_agent(db, 10)?;
    watched.start_agent(&["--replica-max-lag", "500ms"]);
    is_usable(&watched.cli);
    let agent = watched.agent.take().expect("an agent");
    let Watched { cli, proxy, .. } = &watched;
    let reader = reader_with(cli, &[("replica_max_lag", "500ms"), ("replica_confirms", "100")]);
    assert_eq!(size(&reader, 77), None, "it has a connection");
    // Each question takes longer than news may be old.
    proxy.set(Mode::Delay(Duration::from_millis(300)));
    let is_usable = || {
        let mut command =
            command(cli, &["replica", "status", "--json", "--replica-max-lag", "500ms"]);
        let output = command.output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["usable"] == true
    };
    until("it is old", || !is_usable());
    watched.sql(&format!("UPDATE ezdfsfile SET size = 300 {}", of(3)));
    assert_eq!(size(&reader, 3), Some(300));
    thread::sleep(Duration::from_secs(3));
    proxy.set(Mode::Pass);
    until("usable again", is_usable);
    let (code, told) = agent.ends(Signal::SIGTERM);
    // More often on a machine that is busy.
    for what in ["news is too old", "hears from the database again"] {
        assert!(code == Some(0) && told.contains(what), "{what}: {told}");
    }
    injected("database that answers too late", "readers ask it themselves; it is told");
    Ok(())
}

/// How many times the agent is killed.
fn rounds() -> usize {
    let given = std::env::var("EZDFS_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    given.unwrap_or(8)
}

fn killed_under_load(db: TestDb) -> Result {
    let cli = site(Some(db));
    fill(&cli, 0..200);
    drop({
        let agent = Running::start(&cli, &[]);
        is_usable(&cli);
        agent
    });
    let (is_over, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
    let write = || {
        while !is_over.load(Ordering::Relaxed) {
            let turn = turns.fetch_add(1, Ordering::Relaxed);
            let number = turn * 7919 % 400;
            let statement = match turn % 4 {
                0 => format!("DELETE FROM ezdfsfile {}", of(number)),
                1 => format!("DELETE FROM ezdfsfile {}; {}", of(number), insert(number, turn)),
                2 => format!("UPDATE ezdfsfile SET mtime = -ABS(mtime) {}", of(number)),
                _ => {
                    format!("UPDATE ezdfsfile SET size = {turn}, mtime = mtime + 1 {}", of(number))
                }
            };
            // Two who insert at a time are in each other's way.
            let _ = db::sql(&cli.dsn, &statement);
        }
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2).map(|_| scope.spawn(write)).collect();
        for round in 0..rounds() {
            let agent = Running::start(&cli, &["--poll-interval", "5ms", "--compare-rate", "0"]);
            thread::sleep(Duration::from_millis((round as u64 * 97) % 400));
            let (_, told) = agent.ends(Signal::SIGKILL);
            assert_eq!(told, "", "nothing is read anew");
            injected("agent killed at a random moment, under load", "it goes on where it was");
        }
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
    let _agent = Running::start(&cli, &["--compare-rate", "0"]);
    is_usable(&cli);
    let count = db::sql(&cli.dsn, "SELECT COUNT(*) FROM ezdfsfile WHERE mtime > 0")?;
    let count: usize = count[0][0].as_ref().ok_or("a number")?.parse()?;
    until("all is heard", || status(&cli)["rows"] == count);
    is_true(&cli, count);
    Ok(())
}
