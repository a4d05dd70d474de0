//! When a store was last checked and purged as a whole, by whichever node.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Checked, Purged};
use crate::error::{Error, ErrorKind, Result};
use crate::files::Mount;
use crate::runtime;
use crate::store::{Process, Store};

/// A run that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastRun<R> {
    /// In UTC, by the clock of that node: `2026-11-26T04:00:00Z`.
    pub(crate) ended: String,
    /// The node that did it.
    pub(crate) host: String,
    #[serde(flatten)]
    pub(crate) result: R,
}

/// What checking all of a store came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastFsck {
    pub(crate) rows: u64,
    pub(crate) files: u64,
    /// Faults that are there still.
    pub(crate) faults: u64,
    pub(crate) repaired: u64,
    /// Things that could not be read or repaired.
    pub(crate) errors: u64,
}

/// What a purge came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastPurge {
    /// Rows that were due.
    pub(crate) due: u64,
    /// Files that went to the trash.
    pub(crate) files: u64,
    /// A file could not be removed.
    pub(crate) failed: bool,
}

/// How its note is called.
pub(crate) trait Noted: Serialize + for<'de> Deserialize<'de> {
    const COMMAND: &'static str;
}

impl Noted for LastFsck {
    const COMMAND: &'static str = "fsck";
}

impl Noted for LastPurge {
    const COMMAND: &'static str = "purge";
}

impl From<&Checked> for LastFsck {
    fn from(checked: &Checked) -> Self {
        LastFsck {
            rows: checked.rows,
            files: checked.files,
            faults: checked.remaining(),
            repaired: checked.repaired.iter().sum(),
            errors: checked.errors,
        }
    }
}

impl From<&Purged> for LastPurge {
    fn from(purged: &Purged) -> Self {
        LastPurge { due: purged.due, files: purged.files, failed: purged.failure.is_some() }
    }
}

/// Notes a run that has just ended.
///
/// # Errors
///
/// Those of the mount.
pub(crate) fn note<R: Noted>(store: &Store, result: R) -> Result<()> {
    let process = store.process()?;
    let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let ended = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let text = serde_json::to_vec(&LastRun { ended, host, result });
    let text = text.map_err(|error| no_note::<R>(&process, "cannot be made").with_source(error))?;
    let name = name::<R>(&process);
    let write = move |mount: &Mount| {
        // Not into a mount point that a share is missing from.
        mount.require_alive().and_then(|()| mount.note_run(&name, &text))
    };
    runtime::block_on(process.gate().run("note", write))
}

/// The last one; `None` where none was noted.
///
/// # Errors
///
/// Those of the mount, and [`ErrorKind::Storage`] where it is no note.
pub(crate) fn last<R: Noted>(process: &Process) -> Result<Option<LastRun<R>>> {
    let name = name::<R>(process);
    let read = move |mount: &Mount| mount.run_noted(&name);
    let Some(text) = runtime::block_on(process.gate().run("look", read))? else { return Ok(None) };
    let run = serde_json::from_slice(&text).map(Some);
    run.map_err(|error| no_note::<R>(process, "cannot be read").with_source(error))
}

fn no_note<R: Noted>(process: &Process, reason: &'static str) -> Error {
    Error::new(ErrorKind::Storage, "look", name::<R>(process), reason)
}

/// Stores of several tables may have one root.
fn name<R: Noted>(process: &Process) -> String {
    format!("{}.{}.json", process.index().table(), R::COMMAND)
}
