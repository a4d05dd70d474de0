//! What readers know by the replica.

use ezdfs::{ErrorKind, FileId, Store};
use nix::sys::signal::Signal;

use super::{Running, fill, insert, is_usable, of, site, status, until};
use crate::command::Cli;
use crate::store::{id, refused, store};
use crate::support::db::TestDb;
use crate::support::proxy::{Mode, Proxy};
use crate::support::{Group, Result};

const BYTES: &[u8] = b"bytes";

pub(super) fn register(group: &mut Group) {
    group.per_server("known_rows_cost_no_query", known);
    group.per_server("what_is_not_known_is_confirmed", unknown);
    group.per_server("readers_go_on_without_a_database", away);
}

/// A site with ten rows, whose database is reached by a proxy, and its agent.
pub(super) struct Watched {
    pub(super) agent: Running,
    pub(super) cli: Cli,
    pub(super) proxy: Proxy,
}

impl Watched {
    fn new(db: TestDb) -> Result<Self> {
        Self::with(db, &[])
    }

    /// With these arguments of the agent's.
    pub(super) fn with(db: TestDb, arguments: &[&str]) -> Result<Self> {
        let port = db.dsn.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next());
        let proxy = Proxy::start(port.ok_or("a server on the loopback")?.parse()?)?;
        let mut cli = site(Some(db));
        cli.dsn = proxy.through(&cli.dsn);
        fill(&cli, 0..10);
        let agent = Running::start(&cli, arguments);
        is_usable(&cli);
        Ok(Watched { agent, cli, proxy })
    }

    fn store(&self, max_lag: &str, confirms: &str) -> Store {
        let replica = super::at(&self.cli, "replica");
        let options = [
            ("replica", replica.to_str().unwrap()),
            ("replica_max_lag", max_lag),
            ("replica_confirms", confirms),
        ];
        store(&self.cli.dsn, &self.cli.root(), &options)
    }

    /// What it does, without a new connection.
    fn unasked<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.proxy.accepted();
        let done = work();
        assert_eq!(self.proxy.accepted(), before, "somebody connected");
        done
    }
}

fn image(number: usize) -> FileId {
    id(&format!("images/{number}.png"))
}

fn known(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let store = watched.store("1h", "100");
    watched.unasked(|| -> Result {
        for number in 0..10 {
            assert_eq!(store.stat(&image(number))?.size, number as u64);
        }
        Ok(())
    })?;
    watched.cli.sql(&format!("UPDATE ezdfsfile SET size = 100 {}", of(3)));
    until("an overwrite", || watched.unasked(|| store.stat(&image(3))).unwrap().size == 100);
    watched.cli.sql(&format!("DELETE FROM ezdfsfile {}", of(4)));
    until("a deletion", || !store.exists(&image(4)).unwrap());
    Ok(())
}

fn unknown(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let (asking, silent) = (watched.store("1h", "100"), watched.store("1h", "0"));
    // It hears of nothing any more, and its word counts for an hour.
    watched.agent.signal(Signal::SIGSTOP);
    watched.cli.sql(&insert(11, 11));
    assert_eq!(asking.stat(&image(11))?.size, 11);
    watched.unasked(|| refused(silent.stat(&image(11)), ErrorKind::NotFound));
    // What a process writes itself it knows at once, through each of its stores.
    silent.create(&image(5), &mut &*BYTES, &Default::default())?;
    for store in [&silent, &asking] {
        assert_eq!(store.stat(&image(5))?.size, BYTES.len() as u64);
    }
    watched.agent.signal(Signal::SIGCONT);
    until("its own write", || {
        let before = watched.proxy.accepted();
        silent.stat(&image(5)).unwrap().size == 5 && watched.proxy.accepted() == before
    });
    Ok(())
}

fn away(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let store = watched.store("1s", "100");
    store.create(&image(5), &mut &*BYTES, &Default::default())?;
    // What comes later is heard of: so is that.
    fill(&watched.cli, 10..11);
    until("it is heard of", || status(&watched.cli)["rows"] == 11);
    watched.proxy.set(Mode::Refuse);
    watched.proxy.cut();
    until("it is old", || status(&watched.cli)["usable"] == false);
    assert_eq!(store.open(&image(5))?.size, BYTES.len() as u64);
    assert_eq!(store.stat(&image(6))?.size, 6);
    refused(store.stat(&image(77)), ErrorKind::NotFound);
    watched.proxy.set(Mode::Pass);
    watched.cli.sql(&insert(77, 77));
    until("the new row", || store.exists(&image(77)).is_ok_and(|exists| exists));
    Ok(())
}
