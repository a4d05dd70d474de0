//! Numbers of the change log that are seen in another order than they were taken, late, or
//! never.

use ezdfs::Store;
use nix::sys::signal::Signal;

use super::{Running, fill, insert, is_true, is_usable, of, reader, site, size, status, until};
use crate::command::Cli;
use crate::support::db::{self, Backend, TestDb};
use crate::support::faults::injected;
use crate::support::{Group, Result, Servers};

/// What no change tells is found otherwise, which is not what is looked at here.
const BY_CHANGES: &[&str] = &["--compare-rate", "0"];

pub(super) fn register(group: &mut Group) {
    group.per_server("it_misses_no_late_commit", late);
    group.per_server("it_misses_nothing_among_interleaved_numbers", interleaved);
}

pub(super) fn register_galera(group: &mut Group) {
    group.add("it_follows_a_cluster", cluster);
}

#[track_caller]
fn knows(cli: &Cli, rows: usize) {
    until("all is heard", || status(cli)["rows"] == rows);
    is_true(cli, rows);
    assert_eq!(status(cli)["repaired"], 0);
}

/// Some rows, an agent that reads them, and a reader.
fn followed(cli: &Cli) -> (Running, Store) {
    fill(cli, 0..10);
    let agent = Running::start(cli, BY_CHANGES);
    is_usable(cli);
    (agent, reader(cli))
}

fn late(db: TestDb) {
    let cli = site(Some(db));
    let (agent, reader) = followed(&cli);
    let late = db::hold(&cli.dsn, &insert(1000, 8));
    fill(&cli, 10..20);
    let later = db::hold(&cli.dsn, &format!("UPDATE ezdfsfile SET size = 9 {}", of(3)));
    let never = db::hold(&cli.dsn, &insert(1001, 1));
    fill(&cli, 20..30);
    drop(never);
    until("the others", || status(&cli)["rows"] == 30);
    assert_eq!((size(&reader, 1000), size(&reader, 3)), (None, Some(3)));
    // The agent ends meanwhile, and begins where it was.
    assert_eq!(agent.ends(Signal::SIGKILL).1.matches("reads the table").count(), 1);
    let agent = Running::start(&cli, BY_CHANGES);
    is_usable(&cli);
    later.commit();
    until("the overwrite", || size(&reader, 3) == Some(9));
    late.commit();
    until("the new row", || size(&reader, 1000) == Some(8));
    knows(&cli, 31);
    assert_eq!(agent.ends(Signal::SIGTERM), (Some(0), String::new()), "nothing is read anew");
    injected("change that commits after others with higher numbers", "the replica has it");
    injected("change that is rolled back, its number with it", "nothing is missed");
}

fn interleaved(db: TestDb) {
    let backend = db.backend;
    let cli = site(Some(db));
    let (agent, reader) = followed(&cli);
    let interleave = match backend {
        Backend::MariaDb => "SET SESSION auto_increment_increment = 3, auto_increment_offset = 2; ",
        _ => {
            cli.sql("ALTER TABLE ezdfsfile_changes ALTER number SET INCREMENT BY 3");
            ""
        }
    };
    let late = db::hold(&cli.dsn, &format!("{interleave}{}", insert(1000, 8)));
    let rows: Vec<_> = (10..710).map(|number| insert(number, number)).collect();
    cli.sql(&format!("{interleave}{}", rows.join("; ")));
    until("the others", || status(&cli)["rows"] == 710);
    assert_eq!(size(&reader, 1000), None);
    late.commit();
    until("the new row", || size(&reader, 1000) == Some(8));
    knows(&cli, 711);
    let (_, told) = agent.ends(Signal::SIGTERM);
    assert_eq!(told.matches("reads the table").count(), 1, "{told}");
    injected("late commit among interleaved numbers, a gap after each", "the replica has it");
}

/// By way of the second node, with the first beside it.
fn cluster(servers: &Servers) -> Result {
    let (db, second) = servers.galera()?.database()?;
    let first = db.dsn.clone();
    let mut cli = site(Some(db));
    let place = |dsn: &str| {
        let rest = dsn.split_once('@').map(|it| it.1).unwrap_or_default();
        rest.split('/').next().unwrap_or_default().to_owned()
    };
    let both = format!("{},{}", place(&second), place(&first));
    cli.dsn = second.replace(&place(&second), &both);
    let fill = |from: usize, to: usize| -> Result {
        for number in from..to {
            db::sql([&*first, &*second][number % 2], &insert(number, number))?;
        }
        Ok(())
    };
    fill(0, 10)?;
    let agent = Running::start(&cli, BY_CHANGES);
    is_usable(&cli);
    let reader = reader(&cli);
    let late = db::hold(&first, &insert(1000, 8));
    fill(10, 100)?;
    until("the others", || status(&cli)["rows"] == 100);
    for (node, size) in [(&first, 500), (&second, 501)] {
        db::sql(node, &format!("UPDATE ezdfsfile SET size = {size} {}", of(7)))?;
        until("the overwrite", || super::size(&reader, 7) == Some(size));
    }
    late.commit();
    until("the new row", || super::size(&reader, 1000) == Some(8));
    knows(&cli, 101);
    let (_, told) = agent.ends(Signal::SIGTERM);
    assert_eq!(told.matches("reads the table").count(), 1, "{told}");
    injected("writers on two Galera nodes, one commits late", "the replica has it");
    Ok(())
}
