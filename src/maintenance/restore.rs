//! Putting back what maintenance took away: rows as the journals have them, files
//! from the trash. What somebody else has stored in their place since then stays.

use std::collections::HashSet;
use std::io::BufRead;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Fault, Phase, Progress, fit};
use crate::debris::TRASH;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, TakenBack};
use crate::index::{PendingWrite, Record};
use crate::metadata::Row;
use crate::name::FileId;
use crate::runtime;
use crate::store::{Line, Process, Removed, Restored, Store, Trash};

/// What to put back.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Only what was taken away at this time or later.
    pub since: Option<SystemTime>,
    /// Only these: ids, names or keys of rows. Everything, if it is empty.
    pub only: Vec<String>,
    /// Only look and tell.
    pub dry_run: bool,
}

/// What putting back came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoredFiles {
    /// Rows that are in the table again.
    pub rows: u64,
    /// Files that are in their places again.
    pub files: u64,
    /// What could not be put back, because something is in its place or for an
    /// error.
    pub failed: u64,
    /// Rows of another table or database that went from this root: not put back.
    pub elsewhere: u64,
    /// It was ended before its end.
    pub is_interrupted: bool,
}

/// Where restoring tells what it does.
pub trait RestoreReport: Progress {
    /// Called for each thing that is put back, or would be: its path or name, and
    /// whether row and file are.
    ///
    /// # Errors
    ///
    /// Any, which ends it.
    fn restored(&mut self, what: &str, row: bool, file: bool) -> Result<()>;

    /// Called for each thing that cannot be put back, which does not end it.
    fn failure(&mut self, error: Error);
}

/// Puts back rows and files, the last that were taken away first. What is back is
/// not put back again by the next call.
///
/// # Errors
///
/// - [`ErrorKind::Unavailable`]: database or mount gone.
/// - [`ErrorKind::Storage`]: the trash cannot be read.
pub fn restore(
    store: &Store,
    options: &RestoreOptions,
    report: &mut dyn RestoreReport,
) -> Result<RestoredFiles> {
    let process = store.process()?;
    let mount = process.mount();
    fit::require_mounted(&process, "restore")?;
    let journals = mount.journals()?;
    let done = restored_before(mount, &journals)?;
    let now = match options.dry_run {
        true => SystemTime::now(),
        false => mount.server_time([])?,
    };
    let trash = process.trash("restore", now);
    let mut run =
        Run { process: &process, options, report, trash, outcome: RestoredFiles::default() };
    for journal in journals {
        let mut entries = read(mount, &journal)?;
        while let Some((line, entry)) = entries.pop() {
            if run.report.is_interrupted() {
                run.outcome.is_interrupted = true;
                return Ok(run.outcome);
            }
            if !done.contains(&(journal.clone(), line)) && options.takes(&entry, &process) {
                run.entry(&journal, line, entry)?;
            }
        }
    }
    let outcome = run.outcome;
    let is_nothing = outcome == RestoredFiles::default();
    match options.only.first().filter(|_| is_nothing && !options.dry_run) {
        Some(unknown) => Err(Error::not_found("restore", unknown)),
        None => Ok(outcome),
    }
}

impl RestoreOptions {
    fn takes(&self, entry: &Removed, process: &Process) -> bool {
        let since = self.since.map(|since| humantime::format_rfc3339_seconds(since).to_string());
        if since.is_some_and(|since| entry.time < since) {
            return false;
        }
        // In its place is what the row speaks of: it is there to be looked at.
        if entry.why == Fault::InterruptedOverwrite.name() && self.only.is_empty() {
            return false;
        }
        let prefix = process.name_prefix();
        let is_named = |wanted: &String| {
            let of_row = entry.row.as_ref().is_some_and(|row| {
                row.name == *wanted
                    || row.name_hash == *wanted
                    || prefix.id(&row.name).is_some_and(|id| id.as_str() == wanted)
            });
            of_row || entry.path.as_deref() == Some(wanted)
        };
        self.only.is_empty() || self.only.iter().any(is_named)
    }
}

/// Lines of all journals that say that something is back.
fn restored_before(mount: &Mount, journals: &[String]) -> Result<HashSet<(String, u64)>> {
    let mut done = HashSet::new();
    for journal in journals {
        for line in mount.open_journal(journal)?.lines() {
            if let Ok(Line::Restored(Restored { restored, line })) = parse(journal, line)? {
                done.insert((restored, line));
            }
        }
    }
    Ok(done)
}

/// What a journal says was taken away, with the numbers of the lines.
fn read(mount: &Mount, journal: &str) -> Result<Vec<(u64, Removed)>> {
    let mut entries = Vec::new();
    for (number, line) in mount.open_journal(journal)?.lines().enumerate() {
        match parse(journal, line)? {
            Ok(Line::Removed(entry)) => entries.push((number as u64 + 1, *entry)),
            Ok(Line::Restored(_)) => {}
            // The last line of a run that was killed.
            Err(error) => log::warn!("ezdfs: {journal}, line {}: {error}", number + 1),
        }
    }
    Ok(entries)
}

fn parse(
    journal: &str,
    line: std::io::Result<String>,
) -> Result<std::result::Result<Line, serde_json::Error>> {
    if let Err(error) = &line
        && error.kind() == std::io::ErrorKind::InvalidData
    {
        return Ok(Err(serde::de::Error::custom("not UTF-8")));
    }
    let line =
        line.map_err(|error| Error::io("restore", journal, "cannot read the journal", error))?;
    Ok(serde_json::from_str(&line))
}

/// A restoration under way.
struct Run<'r> {
    process: &'r Arc<Process>,
    options: &'r RestoreOptions,
    report: &'r mut dyn RestoreReport,
    trash: Arc<Trash>,
    outcome: RestoredFiles,
}

impl Run<'_> {
    fn entry(&mut self, journal: &str, line: u64, entry: Removed) -> Result<()> {
        let name = entry.row.as_ref().map(|row| row.name.clone());
        let what = entry.path.clone().or(name).unwrap_or_default();
        let index = self.process.index();
        let is_own = (&*entry.table, &*entry.database) == (index.table(), index.database());
        if entry.row.is_some() && !is_own {
            self.outcome.elsewhere += 1;
            return Ok(());
        }
        let outcome = match self.options.dry_run {
            true => Ok(Some((entry.row.is_some(), entry.trash.is_some()))),
            false => self.put_back(&entry, &what),
        };
        match outcome {
            Ok(None) => {}
            Ok(Some((row, file))) => {
                self.outcome.rows += u64::from(row);
                self.outcome.files += u64::from(file);
                if !self.options.dry_run {
                    let restored = Restored { restored: journal.to_owned(), line };
                    self.trash.note_restored(self.process.mount(), restored)?;
                }
                self.report.restored(&what, row, file)?;
                let done = self.outcome.rows.max(self.outcome.files);
                self.report.progress(Phase::Restoring, done, 0);
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
            Err(error) => {
                self.outcome.failed += 1;
                self.report.failure(error);
            }
        }
        Ok(())
    }

    /// Whether row and file are back; `None` where both had never gone.
    fn put_back(&self, entry: &Removed, what: &str) -> Result<Option<(bool, bool)>> {
        let conflict = |reason| Error::new(ErrorKind::InvalidInput, "restore", what, reason);
        let pending = match &entry.row {
            Some(record) => match self.begin(record, entry.trash.is_some())? {
                Begun::Inserted(pending) => Some(*pending),
                Begun::IsThere => None,
                Begun::Occupied => return Err(conflict("another row has its key by now")),
            },
            None => None,
        };
        let mut file = false;
        if let (Some(place), Some(path)) = (&entry.trash, &entry.path) {
            if !place.starts_with(TRASH) || path.starts_with(TRASH) {
                return Err(conflict("its journal names no place in the trash"));
            }
            if entry.row.is_none() {
                self.require_own_row(entry, path)?;
            }
            match self.process.mount().take_back(place, path)? {
                TakenBack::Yes => file = true,
                TakenBack::NotThere if pending.is_none() => return Ok(None),
                TakenBack::NotThere => {}
                TakenBack::Occupied => return Err(conflict("another file has its path by now")),
            }
        }
        let row = pending.is_some();
        if let Some(pending) = pending {
            runtime::block_on(pending.commit())?;
        }
        if let Some(record) = &entry.row {
            self.process.forget(&[crate::name::FileName::of_row(&record.name, &record.name_hash)]);
        }
        Ok((row || file).then_some((row, file)))
    }

    /// A file that had no row is not what a row of another size speaks of that its
    /// name has got meanwhile.
    fn require_own_row(&self, entry: &Removed, path: &str) -> Result<()> {
        let Ok(id) = FileId::parse(path) else { return Ok(()) };
        let name = self.process.name_prefix().name(&id)?;
        let row = runtime::block_on(async { self.process.index().find(&name).await })?;
        match row.filter(|row| row.is_live() && Some(row.size.cast_signed()) != entry.size) {
            None => Ok(()),
            Some(_) => {
                let reason = "a live row has its name by now, and speaks of another size";
                Err(Error::new(ErrorKind::InvalidInput, "restore", path, reason))
            }
        }
    }

    fn begin(&self, record: &Record, has_file: bool) -> Result<Begun> {
        runtime::block_on(async {
            let index = self.process.index();
            let begun = index.attempts().repeat(|| index.begin_restore(record)).await?;
            if let Some(pending) = begun {
                return Ok(Begun::Inserted(Box::new(pending)));
            }
            let Some(there) = index.find_keyed(&record.name_hash).await? else {
                return Ok(Begun::Occupied);
            };
            let Row { name, size, mtime, .. } = &there.row;
            let is_of_it = (name.as_str(), size.cast_signed()) == (&*record.name, record.size);
            // The run that was to delete it may have been ended before it did.
            let is_there = *mtime == record.mtime;
            // In a table that was restored from a backup it lives again, without its file.
            let is_alive = has_file && there.row.is_live() && *mtime == record.mtime.abs();
            Ok(if is_of_it && (is_there || is_alive) { Begun::IsThere } else { Begun::Occupied })
        })
    }
}

/// What became of a row that was to be put back.
enum Begun {
    /// Not committed yet.
    Inserted(Box<PendingWrite>),
    /// It is there as it was, or as it was before it was soft-deleted.
    IsThere,
    Occupied,
}
