//! Ending deletions: taking away the files and rows of what was soft-deleted long
//! enough ago.
//!
//! Legacy soft-deletes by a negative `mtime` and leaves the file. The row does
//! not say when that was, so purge remembers when it first saw each of them, in
//! a file of its own; what it has not seen before is kept for the whole grace
//! period from now. Losing that file makes it wait once more, never less.
//!
//! In two passes: the first only judges whether root, prefix and table fit what
//! lies there.

mod seen;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Exclude, Phase, Progress, fit, limit, require_outside};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, Mounts, Remover};
use crate::index::{Keyed, PAGE};
use crate::mount::Pulse;
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::store::{Disposal, Process, REMOVAL_BATCH, Removal, Store};
use crate::territory::storage_of;

use seen::{Remembered, SANE_TIME, Seen};

/// How long what was deleted is kept, and again in the trash.
pub(super) const GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// So few due rows without a file are what an interrupted delete leaves.
const FEW: u64 = 20;

/// Seconds by which clocks of those who write rows and files differ.
const SLACK: i64 = 60;

/// How to purge.
#[derive(Debug, Clone)]
pub struct PurgeOptions {
    /// How long what was deleted is kept, counted from when purge first saw it.
    pub grace: Duration,
    /// Where purge remembers what it saw; made when it is missing. One for each
    /// store.
    pub state: PathBuf,
    /// Only look and tell; remembers nothing.
    pub dry_run: bool,
    /// So many rows may go; `None` for 1,000 or one per cent of the rows, whichever
    /// is more.
    pub max_remove: Option<u64>,
    /// If more per cent of the rows that are due have no file, nothing is removed:
    /// the root is the wrong one.
    pub max_missing: u8,
    /// Paths whose rows are left alone.
    pub exclude: Exclude,
}

impl PurgeOptions {
    /// With the defaults of the command.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        PurgeOptions {
            grace: GRACE,
            state: state.into(),
            dry_run: false,
            max_remove: None,
            max_missing: 50,
            exclude: Exclude::default(),
        }
    }
}

/// What a purge came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// Soft-deleted rows that are kept, because their time has not come.
    pub kept: u64,
    /// Rows whose time had come. Those that somebody stored again meanwhile are
    /// left alone all the same.
    pub due: u64,
    /// Files that went to the trash.
    pub files: u64,
    /// Soft-deleted rows outside the areas of storage directories: not ours to
    /// judge.
    pub foreign: u64,
    /// The journal of what was taken away, in the trash.
    pub journal: Option<String>,
    /// It was ended before its end.
    pub is_interrupted: bool,
    /// The first file that could not be removed; its row stays soft-deleted.
    pub failure: Option<String>,
}

/// Where a purge tells what it does.
pub trait PurgeReport: Progress {
    /// Called for each row that is due, before anything is removed: its id, and
    /// whether its file is there.
    ///
    /// # Errors
    ///
    /// Any, which ends the purge.
    fn due(&mut self, id: &FileId, has_file: bool) -> Result<()>;
}

/// Takes away what was soft-deleted longer ago than the grace period. Memory does
/// not grow with the table.
///
/// # Errors
///
/// - [`ErrorKind::Unavailable`]: database or mount gone, or files are not where root
///   and prefix say; nothing more is removed.
/// - [`ErrorKind::InvalidConfig`]: root, prefix or table do not fit each other.
/// - [`ErrorKind::InvalidInput`]: more is due than `max_remove`, or the state file would lie in
///   the root.
/// - [`ErrorKind::Storage`]: the state file.
pub fn purge(
    store: &Store,
    options: &PurgeOptions,
    report: &mut dyn PurgeReport,
) -> Result<Purged> {
    require_outside(store, &options.state)?;
    let process = store.process()?;
    let root = process.root_shown();
    fit::require(&process, "purge")?;
    let now = runtime::block_on(process.gate().run("purge", |mount| mount.server_time([])))
        .or_else(|error| if options.dry_run { Ok(SystemTime::now()) } else { Err(error) })?;
    let mounts = runtime::block_on(process.gate().run("purge", Mount::mounts))?;
    require_sane(now, &root)?;
    runtime::block_on(async { process.index().require_writes().await })?;
    let newest = runtime::block_on(async { process.index().newest().await })?.unwrap_or_default();
    let run = Run { process: Arc::clone(&process), options, mounts, now: seconds(now), newest };
    let judged = run.judge(report)?;
    let rows = runtime::block_on(async { process.index().count("").await })?;
    let most = limit::most(options.max_remove, rows);
    if options.dry_run {
        return Ok(judged.purged);
    }
    limit::require("purge", root, judged.purged.due, most)?;
    run.remove(now, judged.purged.due, report)
}

/// A purge under way.
struct Run<'p> {
    process: Arc<Process>,
    options: &'p PurgeOptions,
    /// Those on which the files were found that rows are judged by.
    mounts: Mounts,
    now: u64,
    /// When the last of all rows was written.
    newest: i64,
}

#[derive(Default)]
struct Judged {
    purged: Purged,
    missing: u64,
}

impl Run<'_> {
    /// The first pass.
    fn judge(&self, report: &mut dyn PurgeReport) -> Result<Judged> {
        let mut judged = Judged::default();
        let folders = runtime::block_on(self.process.gate().run("purge", Mount::trash_folders))?;
        self.each_page(&mut judged.purged, None, &mut |names, so_far| {
            report.progress(Phase::Judging, so_far.due, 0);
            let prefix = self.process.name_prefix();
            let ids: Vec<_> = names
                .iter()
                .filter(|name| name.has_its_key())
                .filter_map(|name| prefix.id(name.as_str()))
                .collect();
            let paths: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
            let claimed =
                runtime::block_on(async { self.process.claimed_among(&paths, true).await })?;
            if let Some(path) = claimed.iter().min() {
                return Err(self.claimed(path));
            }
            let folders = folders.clone();
            let look = move |mount: &Mount, pulse: &Pulse| {
                let mut remover = Remover::new(mount, None)?;
                let look = |path: &String| {
                    pulse.beat();
                    // What an interrupted run has taken away is no missing file.
                    // What cannot be looked at is told of when it cannot be removed.
                    let is_there = remover.look(path).map_or(true, |file| file.is_some());
                    Ok((is_there, mount.is_in_trash(path, &folders)?))
                };
                paths.iter().map(look).collect::<Result<Vec<_>>>()
            };
            let looked = runtime::block_on(self.process.gate().run_long("purge", look))?;
            for (id, (is_there, was_taken)) in ids.iter().zip(looked) {
                judged.missing += u64::from(!is_there && !was_taken);
                report.due(id, is_there)?;
            }
            Ok(!report.is_interrupted())
        })?;
        let (due, missing) = (judged.purged.due, judged.missing);
        if missing > FEW && missing * 100 > due * u64::from(self.options.max_missing) {
            let reason = format!(
                "{missing} of {due} rows that are due have no file here, which is more than {} %: \
                 do root and name_prefix fit? Nothing was changed; if the files are really gone, raise \
                 --max-missing",
                self.options.max_missing
            );
            let root = self.process.root_shown();
            return Err(Error::new(ErrorKind::Unavailable, "purge", root, reason));
        }
        Ok(judged)
    }

    fn claimed(&self, path: &str) -> Error {
        let reason = format!(
            "the file {path:?} is that of a live row, too, which has another name or is in another \
             table: do root, name_prefix and table fit? Nothing was changed"
        );
        Error::new(ErrorKind::InvalidConfig, "purge", self.process.root_shown(), reason)
    }

    /// The second pass.
    fn remove(&self, now: SystemTime, total: u64, report: &mut dyn PurgeReport) -> Result<Purged> {
        let mut next = Remembered::beside(&self.options.state)?;
        let trash = self.process.trash("purge", now);
        let disposal = Disposal::Trash(Arc::clone(&trash));
        let (mut purged, mut removal) = (Purged::default(), Removal::default());
        self.each_page(&mut purged, Some(&mut next), &mut |names, so_far| {
            for names in names.chunks(REMOVAL_BATCH) {
                report.progress(Phase::Removing, so_far.due, total);
                runtime::block_on(self.process.gate().run("purge", Mount::require_alive))?;
                let mounts = &self.mounts;
                let batch = self.process.remove_deleted_from(mounts, names, None, &disposal);
                removal.add(batch)?;
            }
            Ok(!report.is_interrupted())
        })?;
        step!("purged");
        // What was not come to was not remembered: it would have to wait anew.
        if !purged.is_interrupted {
            next.replace(&self.options.state)?;
        }
        purged.files = removal.files().removed;
        purged.journal = trash.journal().map(str::to_owned);
        purged.failure = removal.end().err().map(|error| format!("{error:#}"));
        Ok(purged)
    }

    /// Goes through the soft-deleted rows, and hands on those that are due, page by
    /// page, until it is told to stop.
    fn each_page(
        &self,
        purged: &mut Purged,
        mut next: Option<&mut Remembered>,
        due: &mut dyn FnMut(&[FileName], &Purged) -> Result<bool>,
    ) -> Result<()> {
        let prefix = self.process.name_prefix();
        let mut seen = Seen::open(&self.options.state)?;
        let mut after = None;
        loop {
            let page = runtime::block_on(async {
                self.process.index().soft_deleted(after.as_deref(), PAGE).await
            })?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let mut due_rows = Vec::new();
            for keyed in &page {
                let Keyed { key, row } = keyed;
                let Some(id) = prefix.id(&row.name) else { continue };
                let is_ours = storage_of(&row.name, prefix).is_some();
                if !is_ours || self.options.exclude.has(id.as_str()) {
                    purged.foreign += 1;
                    continue;
                }
                let since = seen.since(key, row.mtime)?.unwrap_or(self.now);
                if let Some(next) = &mut next {
                    next.add(since, row.mtime, key)?;
                }
                if self.now.saturating_sub(since) >= self.options.grace.as_secs() {
                    due_rows.push((keyed.name(), row.mtime));
                } else {
                    purged.kept += 1;
                }
            }
            let timely = due_rows.len();
            let names = self.without_newer(due_rows)?;
            purged.kept += (timely - names.len()) as u64;
            purged.due += names.len() as u64;
            if !due(&names, purged)? {
                purged.is_interrupted = true;
                return Ok(());
            }
        }
    }
}

impl Run<'_> {
    /// Leaves out rows whose file was written after all that the table knows: it was
    /// stored again, and the row for that is not written yet, or in the table that is
    /// in use, of which this is an old copy.
    fn without_newer(&self, due: Vec<(FileName, i64)>) -> Result<Vec<FileName>> {
        let (newest, prefix) = (self.newest, self.process.name_prefix().clone());
        let look = move |mount: &Mount, pulse: &Pulse| {
            let mut remover = Remover::new(mount, None)?;
            let mut names = Vec::with_capacity(due.len());
            for (name, mtime) in due {
                pulse.beat();
                let id = prefix.id(name.as_str());
                let file = id.map_or(Ok(None), |id| remover.look(id.as_str()))?;
                let known = newest.max(mtime.saturating_abs()).saturating_add(SLACK);
                match file.is_some_and(|file| file.st_mtime > known) {
                    true => {
                        let text = name.as_str();
                        log::warn!("ezdfs: the file of {text:?} is newer than any row: it stays");
                    }
                    false => names.push(name),
                }
            }
            Ok(names)
        };
        runtime::block_on(self.process.gate().run_long("purge", look))
    }
}

/// Refuses to remember what time it is by a clock that was never set.
fn require_sane(now: SystemTime, root: &str) -> Result<()> {
    if seconds(now) >= SANE_TIME {
        return Ok(());
    }
    let now = humantime::format_rfc3339_seconds(now);
    let reason = format!("the file server says that it is {now}: its clock is wrong");
    Err(Error::new(ErrorKind::Unavailable, "purge", root, reason))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_not_believed() {
        let error = require_sane(SystemTime::UNIX_EPOCH, "/mnt/nfs").unwrap_err();
        assert!(error.to_string().contains("1970-01-01"), "{error}");
        require_sane(SystemTime::now(), "/mnt/nfs").unwrap();
    }
}
