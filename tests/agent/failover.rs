//! Two servers in the DSN, and an agent that follows them.

use std::sync::Arc;

use nix::sys::signal::Signal;

use super::{Running, insert, is_true, of, reader, site, size, status, until};
use crate::command::Cli;
use crate::support::db::{self, TestDb};
use crate::support::faults::injected;
use crate::support::{Group, Result, mariadb};

pub(super) fn register(group: &mut Group) {
    group.add("a_failover_that_loses_changes_is_noticed", |_| loses());
    group.add("it_leaves_a_server_that_turns_read_only", |_| read_only());
}

/// A site with ten rows on each of two servers, which do not replicate.
struct Pair {
    servers: [Arc<mariadb::Server>; 2],
    dsns: [String; 2],
    cli: Cli,
}

impl Pair {
    fn new() -> Result<Self> {
        let first = Arc::new(mariadb::Server::start()?);
        let db = TestDb::on_mariadb(&first, "utf8mb4", "utf8mb4_bin")?;
        let mut cli = site(Some(db));
        super::fill(&cli, 0..10);
        let second = Arc::new(first.fork()?);
        let places = [&first, &second].map(|server| format!("127.0.0.1:{}", server.port()));
        let dsns = places.each_ref().map(|place| cli.dsn.replace(&places[0], place));
        cli.dsn = cli.dsn.replace(&places[0], &places.join(","));
        Ok(Pair { servers: [first, second], dsns, cli })
    }

    fn fill(&self, server: usize, numbers: std::ops::Range<usize>) -> Result {
        let rows: Vec<_> = numbers.map(|number| insert(number, number)).collect();
        db::sql(&self.dsns[server], &rows.join("; ")).map(drop)
    }

    fn is_usable(&self, rows: usize) {
        until("usable", || {
            let status = status(&self.cli);
            status["usable"] == true && status["rows"] == rows
        });
        is_true(&self.cli, rows);
    }
}

fn loses() -> Result {
    let pair = Pair::new()?;
    let agent = Running::start(&pair.cli, &["--compare-rate", "0"]);
    pair.is_usable(10);
    let reader = reader(&pair.cli);
    pair.fill(0, 10..20)?;
    db::sql(&pair.dsns[0], &format!("UPDATE ezdfsfile SET size = 300 {}", of(3)))?;
    until("the overwrite", || size(&reader, 3) == Some(300));
    assert_eq!(size(&reader, 15), Some(15));

    // Numbers that the first server gave are given again, to others.
    pair.servers[0].stop();
    pair.fill(1, 20..31)?;
    pair.is_usable(21);
    assert_eq!((size(&reader, 3), size(&reader, 15), size(&reader, 25)), (Some(3), None, Some(25)));
    injected("failover that loses changes", "the table is read anew; readers are right");

    pair.servers[0].restart_on_same_port()?;
    pair.is_usable(20);
    assert_eq!(
        (size(&reader, 3), size(&reader, 15), size(&reader, 25)),
        (Some(300), Some(15), None)
    );
    let (code, told) = agent.ends(Signal::SIGTERM);
    assert_eq!((code, told.matches("reads the table anew: ").count()), (Some(0), 2), "{told}");
    Ok(())
}

fn read_only() -> Result {
    let pair = Pair::new()?;
    let set = |server: usize, value: u8| {
        pair.servers[server].sql("", &format!("SET GLOBAL read_only = {value}"))
    };
    pair.fill(1, 10..11)?;
    let agent = Running::start(&pair.cli, &["--compare-rate", "0"]);
    pair.is_usable(10);
    set(0, 1)?;
    pair.is_usable(11);
    injected("followed server turns read-only, another takes writes", "that one is followed");

    set(1, 1)?;
    until("it is old", || status(&pair.cli)["usable"] == false);
    set(0, 0)?;
    pair.is_usable(10);
    let (code, told) = agent.ends(Signal::SIGTERM);
    assert_eq!(code, Some(0), "{told}");
    injected(
        "all servers that could be followed read-only",
        "readers ask them; the first that is not is followed",
    );
    Ok(())
}
