//! What this node's replica says of itself, and whether it says what the table says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::feed::replica::{Answer, Part, Replica, Unusable, agent_of, now, request_rebuild};
use crate::index::{Index, Keyed, PAGE};
use crate::metadata::Row;
use crate::name::Key;
use crate::runtime;
use crate::store::Store;

/// How a replica is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Its directory.
    pub path: PathBuf,
    /// Why nobody uses it, where that is so.
    pub unusable: Option<String>,
    /// Live rows; `None` where it cannot be read.
    pub rows: Option<u64>,
    /// For how long its agent has heard nothing of the database.
    pub age: Option<Duration>,
    /// Changes applied since it was made.
    pub changes: u64,
    /// Rows that were other than the table's, though no change had told it.
    pub repaired: u64,
    /// The process that keeps it.
    pub agent: Option<u32>,
}

/// Looks at the replica of a store. Does not ask the database.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] where the store has none.
pub fn replica_status(store: &Store) -> Result<ReplicaStatus> {
    let (path, replica) = replica_of(store)?;
    let header = replica.header();
    let unusable = match &header {
        Ok(header) => replica.is_usable(header).err(),
        Err(why) => Some(why.clone()),
    };
    let header = header.ok();
    let state = header.as_ref().map(|header| header.state.clone()).unwrap_or_default();
    Ok(ReplicaStatus {
        path: path.to_owned(),
        unusable: unusable.map(|why| why.to_string()),
        rows: header.as_ref().map(|header| header.state.rows),
        age: header.map(|header| Duration::from_nanos(now().saturating_sub(header.heard_at))),
        changes: state.changes,
        repaired: state.repaired,
        agent: agent_of(path),
    })
}

/// Has the agent read the whole table anew: the one that runs, or the next. Says which.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] where the store has no replica, and those of the file system.
pub fn rebuild_replica(store: &Store) -> Result<Option<u32>> {
    let (path, _) = replica_of(store)?;
    request_rebuild(path)?;
    Ok(agent_of(path))
}

/// What [`verify_replica`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaReport {
    /// Live rows of the table.
    pub rows: u64,
    /// Keys of rows that are other in the replica, or in one of both only.
    pub different: Vec<String>,
}

/// Compares the replica with the table, row by row. What is other is looked at
/// again when the agent has had the time for it.
///
/// # Errors
///
/// Those of the database, and [`ErrorKind::Unavailable`] where the replica cannot be read.
pub fn verify_replica(store: &Store) -> Result<ReplicaReport> {
    let (path, replica) = replica_of(store)?;
    let process = store.process()?;
    let failed = |why: Unusable| {
        Error::new(ErrorKind::Unavailable, "verify", path.to_string_lossy(), why.to_string())
    };
    let mut report = ReplicaReport::default();
    let mut after = None;
    let mut part = Part::default();
    loop {
        let page = process.index().list_logged(after.as_deref(), PAGE);
        let page = runtime::block_on(page)?;
        after = page.last().map(|last| last.key.clone());
        let rows = live(page);
        part.to = after.is_some().then(|| rows.last().map(|(key, _)| *key)).flatten();
        if after.is_none() || part.to.is_some() {
            report.rows += rows.len() as u64;
            let said = replica.part(&part).map_err(failed)?;
            let suspects = differences(&rows, &said);
            if !suspects.is_empty() {
                std::thread::sleep(store.options().replica_max_lag);
                report.different.extend(confirmed(process.index(), &replica, suspects)?);
            }
            part.after = part.to;
        }
        if after.is_none() {
            return Ok(report);
        }
    }
}

fn replica_of(store: &Store) -> Result<(&Path, Replica)> {
    let options = store.options();
    let path = options.replica.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, "option", "replica", "required but not set")
    })?;
    Ok((path, Replica::of(path, options)))
}

/// Live rows with a key that a name can have, in its order.
fn live(page: Vec<Keyed>) -> Vec<(Key, Row)> {
    let rows = page.into_iter().filter(|keyed| keyed.row.is_live());
    rows.filter_map(|keyed| Some((crate::feed::replica::key_of(&keyed.key)?, keyed.row))).collect()
}

fn is_same(row: Option<&Row>, said: &Answer) -> bool {
    match (row, said) {
        (None, Answer::Unknown) | (Some(_), Answer::AskDatabase) => true,
        (Some(row), Answer::Known(known)) => known.facts.is_of(row),
        _ => false,
    }
}

fn differences(rows: &[(Key, Row)], said: &[(Key, Answer)]) -> Vec<Key> {
    let find = |key: &Key| said.binary_search_by_key(key, |(key, _)| *key).map(|at| &said[at].1);
    let other = rows
        .iter()
        .filter(|(key, row)| !is_same(Some(row), find(key).unwrap_or(&Answer::Unknown)))
        .map(|(key, _)| *key);
    let more = said
        .iter()
        .map(|(key, _)| *key)
        .filter(|key| rows.binary_search_by_key(key, |(key, _)| *key).is_err());
    other.chain(more).collect()
}

/// Those that are other still.
fn confirmed(index: &Index, replica: &Replica, suspects: Vec<Key>) -> Result<Vec<String>> {
    let mut confirmed = Vec::new();
    for key in suspects {
        let text = format!("{:032x}", u128::from_be_bytes(key));
        let row = runtime::block_on(index.find_keys(std::slice::from_ref(&text)))?.pop();
        let row = row.map(|keyed| keyed.row).filter(Row::is_live);
        let before = u128::from_be_bytes(key).checked_sub(1).map(u128::to_be_bytes);
        let one = Part { after: before, to: Some(key) };
        let said = replica.part(&one).ok().and_then(|mut said| said.pop());
        if !is_same(row.as_ref(), &said.map_or(Answer::Unknown, |(_, said)| said)) {
            confirmed.push(text);
        }
    }
    Ok(confirmed)
}
