//! Each part fails in turn, under load.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::faults::Fault;
use super::history::{Content, History, State};
use super::load::{Load, Outcome, Tally};
use super::{Cluster, databases};
use crate::support::process::{free_port, wait_for, wait_for_success};
use crate::support::{Need, Result, Trials, documents};

/// How long a fault lasts, and how long all is well before the next.
const LASTS: Duration = Duration::from_secs(8);
const CALM: Duration = Duration::from_secs(3);

/// What a reader may be behind, where the database can be asked: a cache that was fetching the
/// old one while it was purged hears of it again after `--purge-again` (5 s), and where an agent
/// is away its node trusts rows for `cache_ttl` (5 s); and what a busy machine takes for it.
const BEHIND: Duration = Duration::from_secs(8);

pub(super) const NEEDS: &[Need] = &[
    Need::COMMAND,
    Need::NGINX,
    Need::MODULE,
    Need::APACHE,
    Need::APACHE_MODULE,
    Need::Built("ezdfs.so"),
    Need::MARIADB,
    Need::Programs(databases::PROGRAMS),
    Need::VARNISH,
    Need::NfsClient,
    Need::Programs(&["redis-server", "prometheus", "ip", "unshare", "nsenter", "php-config"]),
];

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("cluster", NEEDS);
    group.add("each_part_fails_in_turn", |_| each_part_fails_in_turn());
}

struct Row {
    phase: String,
    tally: Tally,
    /// From its beginning until all was as before.
    lasted: Duration,
    /// From when the part was there again until all was as before.
    recovered: Option<Duration>,
}

fn each_part_fails_in_turn() -> Result {
    let mut cluster = Cluster::start()?;
    let relay = cluster.relay(free_port())?;
    let failed = play(&mut cluster, relay.port);
    failed.map_err(|error| format!("{error}\n{}", cluster.logs()).into())
}

fn play(cluster: &mut Cluster, port: u16) -> Result {
    wait_for_success("the site", || serves(port))?;
    let load = Load::start(port);
    let mut rows = Vec::new();
    for fault in Fault::ALL {
        load.enter("calm");
        thread::sleep(CALM);
        wait_for("a whole cluster", || cluster.is_whole())?;
        rows.push(suffer(cluster, &load, fault, port)?);
    }
    load.enter("calm");
    thread::sleep(CALM);
    let outcome = load.end();
    let calm = outcome.tallies.get("calm").cloned().unwrap_or_default();
    rows.insert(0, Row { phase: "nothing".to_owned(), tally: calm, lasted: CALM, recovered: None });
    let table = table(&rows)?;
    println!("{table}");
    nothing_is_lost(cluster, &outcome, port)?;
    rows.iter().try_for_each(judge)?;
    match std::env::var_os(super::ASKED_FOR) {
        Some(document) if !document.is_empty() => {
            documents::write_part(document.as_ref(), "figures of a cluster", &table)
        }
        _ => Ok(()),
    }
}

fn suffer(cluster: &mut Cluster, load: &Load, fault: Fault, port: u16) -> Result<Row> {
    let (phase, begun) = (fault.name(), Instant::now());
    load.enter(&phase);
    fault.begin(cluster)?;
    thread::sleep(LASTS);
    fault.end(cluster)?;
    let mended = Instant::now();
    let stored = load.tally(&phase).stored;
    wait_for(&format!("recovery after: {phase}"), || {
        cluster.is_whole() && serves(port).is_ok() && load.tally(&phase).stored > stored
    })?;
    let (lasted, recovered) = (begun.elapsed(), Some(mended.elapsed()));
    Ok(Row { tally: load.tally(&phase), phase, lasted, recovered })
}

fn serves(port: u16) -> Result {
    let answer = Client::new(port).get("/files")?;
    let expected = answer.status == 200;
    expected.then_some(()).ok_or_else(|| format!("{}: {}", answer.status, answer.text()).into())
}

fn judge(row: &Row) -> Result {
    let Row { phase, tally, lasted, .. } = row;
    let fault = Fault::ALL.into_iter().find(|fault| fault.name() == *phase);
    // Where it hears nothing, what its replica had counts. While nobody does nobody can write.
    let is_deaf = fault.is_some_and(Fault::is_deaf);
    let bound = if is_deaf { *lasted + BEHIND } else { BEHIND };
    let worst = tally.missed.iter().max().copied().unwrap_or_default();
    let missed = !is_deaf && !tally.missed.is_empty();
    if tally.violations.is_empty() && !missed && tally.stalest.max(worst) <= bound && tally.read > 0
    {
        return Ok(());
    }
    Err(format!("while {phase}, which lasted {lasted:?}: {tally:#?}").into())
}

/// Whatever was acknowledged last is there, by every way, and so is its row on both servers. So
/// it is when an operator has cleared what writers that were killed have left.
fn nothing_is_lost(cluster: &Cluster, outcome: &Outcome, port: u16) -> Result {
    let nodes = [cluster.relay_to_node(0, free_port())?, cluster.relay_to_node(1, free_port())?];
    let ports = [port, nodes[0].port, nodes[1].port];
    all_are_there(ports, outcome)?;
    let left = ["interrupted-overwrite", "stale-staging", "orphan-file"];
    let repair = left.map(|class| ["--repair", class]).concat();
    cluster.web[0].ezdfs(&[&["fsck", "--grace", "0s"], &repair[..]].concat())?;
    cluster.web[0].ezdfs(&["fsck", "--grace", "0s"])?;
    all_are_there(ports, outcome)?;
    wait_for_success("the same rows on both servers", || cluster.databases.are_equal())
}

fn all_are_there(ports: [u16; 3], outcome: &Outcome) -> Result {
    ports.into_iter().map(Client::new).try_for_each(|client| {
        let mut histories = outcome.histories.iter();
        histories.try_for_each(|history| {
            wait_for_success("what was stored last", || is_there(&client, history))
        })
    })
}

fn is_there(client: &Client, history: &History) -> Result {
    let answer = client.picture(&history.name, None)?;
    let found: Option<State> = match answer.status {
        200 => Content::of(&answer.body).map(|content| Some(content.version)),
        404 => Some(None),
        _ => None,
    };
    match found {
        Some(state) if history.may_be(state) => Ok(()),
        _ => Err(format!("{}: {} {found:?}, {history:?}", history.name, answer.status).into()),
    }
}

fn table(rows: &[Row]) -> Result<String> {
    let mut table = "| what fails | stored | not stored | read | of these 304 | not read | at most stale | 404 for what was stored | recovery |\n\
                     |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for Row { phase, tally, recovered, .. } in rows {
        let recovered =
            recovered.map_or(String::new(), |time| format!("{:.1} s", time.as_secs_f64()));
        let Tally { stored, not_stored, read, revalidated, not_read, stalest, missed, .. } = tally;
        let longest = missed
            .iter()
            .max()
            .map_or(String::new(), |longest| format!(", {:.2} s after it", longest.as_secs_f64()));
        writeln!(
            table,
            "| {phase} | {stored} | {not_stored} | {read} | {revalidated} | {not_read} | {:.2} s | {}{longest} | {recovered} |",
            stalest.as_secs_f64(),
            missed.len(),
        )?;
    }
    Ok(table)
}
