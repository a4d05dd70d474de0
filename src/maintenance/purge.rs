//! Ending deletions: removing the files and rows of what was soft-deleted long
//! enough ago.
//!
//! Legacy soft-deletes by a negative `mtime` and leaves the file. The row does
//! not say when that was, so purge remembers when it first saw each of them, in
//! a file of its own; what it has not seen before is kept for the whole grace
//! period from now. Losing that file makes it wait once more, never less.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Lines, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use crate::error::{Error, ErrorKind, Result};
use crate::index::Keyed;
use crate::store::{Removal, Store};

/// How to purge.
#[derive(Debug, Clone)]
pub struct PurgeOptions {
    /// How long what was deleted is kept, counted from when purge first saw it.
    pub grace: Duration,
    /// Where purge remembers what it saw; made when it is missing. One for each
    /// store.
    pub state: PathBuf,
    /// Only look and count; remembers nothing.
    pub dry_run: bool,
}

/// What a purge came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Soft-deleted rows that are kept, because their time has not come.
    pub kept: u64,
    /// Rows whose time had come. Those that somebody stored again meanwhile are
    /// left alone all the same.
    pub due: u64,
    /// Files that were removed.
    pub files: u64,
}

/// Removes what was soft-deleted longer ago than the grace period. Memory does
/// not grow with the table.
///
/// # Errors
///
/// - [`ErrorKind::Unavailable`]: database or mount gone; nothing more is removed.
/// - [`ErrorKind::Storage`]: the state file, or a file that cannot be removed.
pub fn purge(store: &Store, options: &PurgeOptions) -> Result<Purged> {
    let now = seconds(SystemTime::now());
    let mut seen = Seen::open(&options.state)?;
    let mut next = Remembered::beside(&options.state)?;
    let mut purged = Purged::default();
    let mut after = None;
    let mut removal = Removal::default();
    loop {
        let page = store.soft_deleted(after.as_deref())?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        let mut due = Vec::new();
        let ours = |keyed: &&Keyed| store.id_of(&keyed.row.name).is_some();
        for keyed in page.iter().filter(ours) {
            let Keyed { key, row } = keyed;
            let since = seen.since(key, row.mtime)?.unwrap_or(now);
            next.add(since, row.mtime, key)?;
            if now.saturating_sub(since) >= options.grace.as_secs() {
                due.push(keyed.name());
            } else {
                purged.kept += 1;
            }
        }
        purged.due += due.len() as u64;
        if options.dry_run {
            continue;
        }
        removal.add(store.end_deletion(&due))?;
    }
    step!("purged");
    if !options.dry_run {
        next.replace(&options.state)?;
    }
    purged.files = removal.end()?;
    Ok(purged)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// What the last run remembered: lines of first sight, `mtime` and key, in the
/// order of the keys, read beside the rows.
struct Seen {
    path: PathBuf,
    lines: Option<Lines<BufReader<File>>>,
    /// The line after the last that was asked for.
    line: Option<(u64, i64, String)>,
}

impl Seen {
    fn open(path: &Path) -> Result<Self> {
        let lines = match File::open(path) {
            Ok(file) => Some(BufReader::new(file).lines()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, "cannot be read", error)),
        };
        let mut seen = Seen { path: path.to_owned(), lines, line: None };
        seen.advance()?;
        Ok(seen)
    }

    /// Since when this row is known. Keys are asked for in their order. A row
    /// that was stored and deleted again has another `mtime`.
    fn since(&mut self, key: &str, mtime: i64) -> Result<Option<u64>> {
        while self.line.as_ref().is_some_and(|(_, _, line)| line.as_str() < key) {
            self.advance()?;
        }
        let known = self.line.as_ref().filter(|(_, time, line)| line == key && *time == mtime);
        Ok(known.map(|(since, _, _)| *since))
    }

    fn advance(&mut self) -> Result<()> {
        let Some(line) = self.lines.as_mut().and_then(Iterator::next) else {
            self.line = None;
            return Ok(());
        };
        let line = line.map_err(|error| failed(&self.path, "cannot be read", error))?;
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let parsed = (word().parse(), word().parse(), word().to_owned());
        let (Ok(since), Ok(mtime), key) = parsed else {
            let subject = self.path.to_string_lossy();
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "purge",
                subject,
                "is no state of purge",
            ));
        };
        self.line = Some((since, mtime, key));
        Ok(())
    }
}

/// What this run remembers, written beside the old state.
struct Remembered {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Remembered {
    fn beside(path: &Path) -> Result<Self> {
        let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
            .map_err(|error| failed(path, "cannot be written", error))?;
        Ok(Remembered { file: BufWriter::new(file), path: path.to_owned() })
    }

    fn add(&mut self, since: u64, mtime: i64, key: &str) -> Result<()> {
        writeln!(self.file, "{since} {mtime} {key}")
            .map_err(|error| failed(&self.path, "cannot be written", error))
    }

    fn replace(self, path: &Path) -> Result<()> {
        let file = self
            .file
            .into_inner()
            .map_err(|error| failed(path, "cannot be written", error.into_error()))?;
        file.as_file().sync_all().map_err(|error| failed(path, "cannot be written", error))?;
        file.persist(path).map(drop).map_err(|error| failed(path, "cannot be written", error.error))
    }
}

fn failed(path: &Path, reason: &'static str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "purge", path.to_string_lossy(), reason)
        .with_errno(error.raw_os_error().unwrap_or_default())
        .with_source(error)
}
