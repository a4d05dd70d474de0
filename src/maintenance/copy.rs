//! Copying a site from one store, or from a plain tree, to another: rows as they are, files
//! checked, as often as there is something that differs.
//!
//! Both sides are listed in the byte order of their ids and merged; what differs is copied, so
//! that a copy that was ended goes on by being started again.

mod bytes;
mod check;
mod difference;
mod fitness;
mod follow;
mod pairs;
mod parallel;
mod removal;
mod selection;
mod side;
mod state;
mod work;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Phase, Progress, limit};
use crate::error::{Error, ErrorKind, Result};
use crate::name::FileId;
use crate::store::unix_time;

use bytes::Pace;
use pairs::{Pair, Pairs};
use parallel::each_batch;
use side::Role;
use state::State;
use work::{Done, Work};

pub use bytes::Verify;
pub use check::{Check, CheckOptions, CheckReport, Compared};
pub use difference::Difference;
pub use follow::Follow;
pub use selection::Selection;
pub use side::Side;

/// So many pairs are worked on before it is noted how far the copy has come.
const CHUNK: usize = 2048;

/// A version whose row is no older than this before the last pass began, in seconds, may be another
/// by now under the same size and time: kernels give one second to several, and clocks differ.
const RECENT: i64 = 60;

/// How to copy.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// Which files.
    pub selection: Selection,
    /// Only look and tell.
    pub dry_run: bool,
    /// How many files are copied at a time.
    pub jobs: usize,
    /// Bytes a second, at most; as fast as it goes where it is `None`.
    pub max_rate: Option<u64>,
    /// What is looked at again once a file is written.
    pub verify: Verify,
    /// Bytes are compared even where size, time and type are equal.
    pub checksum: bool,
    /// Rows that are soft-deleted, and what is left of their files, are copied as well.
    pub with_deleted: bool,
    /// What the source has not goes from the target, into the trash.
    pub delete: bool,
    /// So much may go in one pass; `None` for 1,000 or one per cent, whichever is more.
    pub max_remove: Option<u64>,
    /// The target knows no row of this storage directory yet.
    pub new_storage: bool,
    /// Where it is noted how far the copy has come.
    pub state: Option<PathBuf>,
    /// After the first pass, what changes is copied as well.
    pub follow: Option<Follow>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        CopyOptions {
            selection: Selection::default(),
            dry_run: false,
            jobs: 8,
            max_rate: None,
            verify: Verify::default(),
            checksum: false,
            with_deleted: false,
            delete: false,
            max_remove: None,
            new_storage: false,
            state: None,
            follow: None,
        }
    }
}

/// What a copy came to: numbers of files, unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Copied, or would be; again each time that one had changed.
    pub copied: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The same on both sides, in the last pass.
    pub unchanged: u64,
    /// Taken away from the target, or would be.
    pub removed: u64,
    /// Those that the target has and the source has not, in the last pass.
    pub extra: u64,
    /// Not copied, for an error.
    pub failed: u64,
    /// What the source has that is nobody's stored file.
    pub foreign: u64,
    /// How often everything was gone through.
    pub passes: u64,
    /// It was ended before its end.
    pub is_interrupted: bool,
}

impl Copied {
    /// Whether neither side had any file of those that it was about.
    pub fn is_nothing(&self) -> bool {
        let Copied { copied, unchanged, extra, failed, is_interrupted, .. } = *self;
        copied + unchanged + extra + failed == 0 && !is_interrupted
    }
}

/// Where a copy tells what it does.
pub trait CopyReport: Progress {
    /// Called for each file that was copied, or would be, and why.
    ///
    /// # Errors
    ///
    /// Any, which ends the copy.
    fn copied(&mut self, id: &FileId, size: u64, difference: Difference) -> Result<()>;

    /// Called for each file that was taken away from the target, or would be.
    ///
    /// # Errors
    ///
    /// Any, which ends the copy.
    fn removed(&mut self, id: &FileId) -> Result<()>;

    /// Called for each file that cannot be copied, which does not end the copy.
    fn failure(&mut self, error: Error);
}

/// A copy under way.
#[derive(Debug)]
pub struct Copy {
    from: Side,
    to: Side,
    options: CopyOptions,
    /// Two tables speak of one tree: rows alone are copied.
    same_files: bool,
    pace: Pace,
}

/// What one pass found.
#[derive(Debug, Default)]
struct Pass {
    begun_at: i64,
    copied: u64,
    failed: u64,
    unchanged: u64,
    extra: u64,
    /// Some of those, to be taken away.
    extras: Vec<FileId>,
}

/// What goes on from pass to pass.
struct Run<'r> {
    report: &'r mut dyn CopyReport,
    state: State,
    outcome: Copied,
}

impl Copy {
    /// Looks whether the two sides are what they seem to be meant as.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidInput`]: they are one, or lie within each other.
    /// - [`ErrorKind::InvalidConfig`]: files would get names of no storage directory, or of one
    ///   that the target does not know.
    /// - [`ErrorKind::Unavailable`]: a database or mount is gone, or rows and files of a side do
    ///   not fit each other.
    pub fn new(from: Side, to: Side, mut options: CopyOptions) -> Result<Self> {
        let same_files = fitness::require_apart(&from, &to)?;
        options.selection.begin(&from, &to)?;
        if same_files && options.delete {
            let reason = "both sides have the same files: nothing of them is removed here";
            return Err(Error::new(ErrorKind::InvalidInput, "copy", to.shown(), reason));
        }
        fitness::require(&from, &to, &options.selection, options.new_storage)?;
        let pace = Pace::new(options.max_rate);
        Ok(Copy { from, to, options, same_files, pace })
    }

    /// Copies what differs. What is acknowledged at the source before it begins is at the target
    /// when it ends without a failure. At the source nothing is changed.
    ///
    /// # Errors
    ///
    /// What keeps all files from being copied: a database or mount that is gone, a full target.
    /// What was copied stays; start it again.
    pub fn run(&self, report: &mut dyn CopyReport) -> Result<Copied> {
        let state = State::open(self.options.state.as_deref(), &self.from, &self.to)?;
        let mut run = Run { report, state, outcome: Copied::default() };
        match self.options.follow.as_ref().filter(|_| !self.options.dry_run) {
            Some(follow) => self.follow(follow, &mut run)?,
            None => {
                run.state.now.has_passed = false;
                self.first_pass(&mut run)?;
            }
        }
        Ok(run.outcome)
    }

    /// Goes on where a first pass was ended.
    fn first_pass(&self, run: &mut Run<'_>) -> Result<Pass> {
        let after = run.state.now.after.clone();
        let pass = self.pass(run, after.as_deref(), run.state.now.passed_at)?;
        if !run.outcome.is_interrupted && after.is_some() {
            // What came before that may have changed since.
            return self.pass(run, None, run.state.now.passed_at);
        }
        Ok(pass)
    }

    /// Goes through everything, or through what comes after an id. What was written since
    /// `recent` is compared byte for byte.
    fn pass(&self, run: &mut Run<'_>, after: Option<&str>, recent: Option<i64>) -> Result<Pass> {
        let mut pass = Pass { begun_at: unix_time(), ..Pass::default() };
        let mut total = 0;
        let from = self.from.list(Role::From, &mut |size| total += size)?;
        let to = self.to.list(Role::To, &mut |_| {})?;
        let mut failures = Vec::new();
        let mut failed = |error| failures.push(error);
        let mut pairs = Pairs::new(from, to, &self.options.selection, &mut failed)?;
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut done = 0;
        loop {
            let next = pairs.next(&mut failed)?;
            let is_last = next.is_none();
            match next {
                Some(pair) if after.is_some_and(|after| pair.id.as_str() <= after) => {
                    done += size_of(&pair);
                }
                Some(pair) if self.is_of_interest(&pair) => {
                    let bytes = self.options.checksum || is_recent(&pair, recent);
                    chunk.push((pair, bytes));
                }
                _ => {}
            }
            if chunk.len() == CHUNK || is_last {
                let last = chunk.last().map(|(pair, _)| pair.id.clone());
                self.chunk(&chunk, run, &mut pass, &mut |report, size| {
                    done += size;
                    report.progress(Phase::Copying, done, total);
                })?;
                chunk.clear();
                if run.outcome.is_interrupted {
                    break;
                }
                self.note_progress(run, last)?;
            }
            if is_last {
                break;
            }
        }
        run.outcome.foreign = pairs.foreign;
        for error in failures {
            pass.failed += 1;
            run.report.failure(error);
        }
        self.end_pass(run, &mut pass)?;
        Ok(pass)
    }

    fn is_of_interest(&self, pair: &Pair) -> bool {
        pair.is_live() || (self.options.with_deleted && pair.from.is_some())
    }

    fn note_progress(&self, run: &mut Run<'_>, last: Option<FileId>) -> Result<()> {
        if let Some(last) = last.filter(|_| !run.state.now.has_passed && !self.options.dry_run) {
            run.state.now.after = Some(last.as_str().to_owned());
            run.state.save()?;
        }
        Ok(())
    }

    fn end_pass(&self, run: &mut Run<'_>, pass: &mut Pass) -> Result<()> {
        let outcome = &mut run.outcome;
        outcome.unchanged = pass.unchanged;
        outcome.failed = pass.failed;
        outcome.extra = pass.extra;
        outcome.passes += 1;
        if outcome.is_interrupted {
            return Ok(());
        }
        if self.options.delete && pass.extra > 0 {
            self.remove(run, pass)?;
        }
        if !self.options.dry_run {
            run.state.now.has_passed = true;
            run.state.now.after = None;
            run.state.now.passed_at = Some(pass.begun_at);
            run.state.save()?;
        }
        Ok(())
    }

    /// Works on some pairs, whatever there is to be done with each.
    fn chunk(
        &self,
        chunk: &[(Pair, bool)],
        run: &mut Run<'_>,
        pass: &mut Pass,
        progress: &mut dyn FnMut(&mut dyn CopyReport, u64),
    ) -> Result<()> {
        let work = self.work();
        let mut ended = Ok(());
        let hear = |done: Option<Done>| {
            if let Some(done) = done {
                let told = self.take_in(done, run, pass, progress);
                ended = std::mem::replace(&mut ended, Ok(())).and(told);
            }
            if run.report.is_interrupted() {
                run.outcome.is_interrupted = true;
                work.stop.store(true, Ordering::Relaxed);
            }
        };
        each_batch(chunk, self.options.jobs, |batch, done| work.batch(batch, done), hear);
        ended
    }

    fn work(&self) -> Work<'_> {
        Work {
            from: &self.from,
            to: &self.to,
            same_files: self.same_files,
            verify: self.options.verify,
            with_deleted: self.options.with_deleted,
            dry_run: self.options.dry_run,
            pace: &self.pace,
            stop: AtomicBool::new(false),
        }
    }

    fn take_in(
        &self,
        done: Done,
        run: &mut Run<'_>,
        pass: &mut Pass,
        progress: &mut dyn FnMut(&mut dyn CopyReport, u64),
    ) -> Result<()> {
        match done {
            Done::Unchanged { size } => {
                pass.unchanged += 1;
                progress(run.report, size);
            }
            Done::Copied { id, size, difference } => {
                pass.copied += 1;
                run.outcome.copied += 1;
                run.outcome.bytes += size;
                progress(run.report, size);
                run.report.copied(&id, size, difference)?;
            }
            Done::Extra(id) => {
                pass.extra += 1;
                // More are refused anyway, and need no memory.
                let most = self.options.max_remove.unwrap_or(u64::MAX).max(limit::AT_LEAST);
                if self.options.delete && pass.extras.len() as u64 <= most {
                    pass.extras.push(id);
                }
            }
            Done::Failed(error) => {
                pass.failed += 1;
                run.report.failure(error);
            }
            Done::Ended(error) => return Err(error),
        }
        Ok(())
    }
}

fn size_of(pair: &Pair) -> u64 {
    let row = pair.from.as_ref().and_then(|from| from.row.as_ref());
    row.filter(|row| row.is_live()).map_or(0, |row| row.size)
}

fn is_recent(pair: &Pair, since: Option<i64>) -> bool {
    let Some(since) = since else { return false };
    let row = pair.from.as_ref().and_then(|from| from.row.as_ref());
    // Of a tree the files' own times say enough.
    row.is_some_and(|row| row.mtime >= since - RECENT)
}
