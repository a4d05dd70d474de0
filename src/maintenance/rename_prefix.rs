//! Other beginnings of names: another `var_dir`, another `name_prefix`.
//!
//! First both names lead to each file, for as long as nodes are told of the new one; then the old
//! names go. Files get second names, no byte is copied.

mod batches;
mod ending;
mod free;
mod ledger;
mod names;

use std::sync::Arc;

use super::{Phase, Progress, fit};
use crate::error::{Error, ErrorKind, Result};
use crate::files::Mount;
use crate::runtime;
use crate::store::{Noted, Pair, Process, Said, Stage, Store, Trash, Verdict};

use batches::Batches;
use ledger::Ledger;
use names::Names;

/// Writers go on meanwhile: rows are gone through so often until none is found that is not under
/// both names.
const PASSES: u32 = 5;

/// How to rename.
#[derive(Debug, Clone, Copy, Default)]
pub struct RenamePrefixOptions {
    /// Only look and tell.
    pub dry_run: bool,
    /// Take the old names away, too.
    pub finish: bool,
    /// So many files may go to the trash because they were deleted under one of the names; `None`
    /// for 1,000 or one per cent of the rows, whichever is more.
    pub max_remove: Option<u64>,
}

/// What a run came to: numbers of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenamedPrefix {
    /// That got the new name, or would.
    pub renamed: u64,
    /// Of these, those found after the first pass: somebody writes under the old name.
    pub again: u64,
    /// Whose old name went, or would.
    pub ended: u64,
    /// That were deleted under one name, and went under the other.
    pub deleted: u64,
    /// That could not be renamed.
    pub failed: u64,
    /// Files below the old directory that no row has led to; they stay there.
    pub left: u64,
    /// It was ended before its end.
    pub is_interrupted: bool,
}

/// Where renaming tells what it does.
pub trait RenamePrefixReport: Progress {
    /// Called for each row that would get a new name.
    ///
    /// # Errors
    ///
    /// Any, which ends it.
    fn would_rename(&mut self, old: &str, new: &str) -> Result<()>;

    /// Called for each name that would go to the trash, because its file was deleted under the
    /// other one.
    ///
    /// # Errors
    ///
    /// Any, which ends it.
    fn would_remove(&mut self, name: &str) -> Result<()>;

    /// Called for each row that cannot get it, which does not end it.
    fn failure(&mut self, error: Error);
}

/// A change of prefix under way.
#[derive(Debug)]
pub struct RenamePrefix {
    process: Arc<Process>,
    names: Names,
    options: RenamePrefixOptions,
    ledger: Ledger,
    trash: Arc<Trash>,
}

impl RenamePrefix {
    /// Judges whether root, prefix and table fit. `old` and `new` are what names of the table begin
    /// with, and the way back is the same with both exchanged. Where both lie beneath the store's
    /// `name_prefix` (or that is empty), files get new paths with their names; where `old` is that
    /// prefix or begins it, the files stay where they are.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidName`], [`ErrorKind::InvalidInput`]: they are the same, lie in each
    ///   other or outside the `name_prefix`.
    /// - [`ErrorKind::InvalidConfig`], [`ErrorKind::Unavailable`]: root, prefix and table do not fit
    ///   each other, the mount is dead, or several servers take writes at once.
    pub fn new(store: &Store, old: &str, new: &str, options: RenamePrefixOptions) -> Result<Self> {
        let process = store.process()?;
        let names = Names::parse(old, new, process.name_prefix())?;
        runtime::block_on(async { process.index().require_writes().await })?;
        fit::require_mounted(&process, "rename")?;
        fit::require(&process, "rename")?;
        process.require_locks()?;
        let ledger = Ledger::read(&process, &names)?;
        let now = runtime::block_on(process.gate().run("rename", |mount| mount.server_time([])))?;
        let trash = process.trash("rename-prefix", now);
        Ok(RenamePrefix { process, names, options, ledger, trash })
    }

    /// Gives all files the new name beside the old one, and where that is asked for, takes the old
    /// one away then. Ended at any moment, it goes on when it is run again.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidInput`]: new names are something else's already; nothing was changed.
    /// - Those of database and mount, after which it can be run again.
    pub fn run(&mut self, report: &mut dyn RenamePrefixReport) -> Result<RenamedPrefix> {
        let mut renamed = RenamedPrefix::default();
        if !self.ledger.is_begun {
            self.require_free(report)?;
        }
        if self.options.dry_run {
            self.would_rename(report, &mut renamed)?;
            return Ok(renamed);
        }
        let has_links = self.has_hard_links()?;
        if !self.ledger.is_begun || self.ledger.is_turned {
            self.ledger.begin(&self.process, &self.names, false)?;
        }
        for pass in 0..if has_links { PASSES } else { 0 } {
            let before = renamed.renamed;
            self.give_new_names(report, &mut renamed, pass == 0)?;
            let found = renamed.renamed - before;
            renamed.again += if pass > 0 { found } else { 0 };
            if found == 0 || renamed.is_interrupted {
                break;
            }
        }
        if self.options.finish && !renamed.is_interrupted {
            self.finish(report, &mut renamed)?;
        }
        Ok(renamed)
    }

    /// Without them a file can only lose its old name when it gets the new one.
    fn has_hard_links(&self) -> Result<bool> {
        let has_links = match self.names.directories {
            Some(_) => runtime::block_on(self.process.gate().run("rename", Mount::has_hard_links))?,
            None => true,
        };
        if has_links || self.options.finish {
            return Ok(has_links);
        }
        let reason = "the file system has no hard links, so that no file can have both names: stop \
                      all that use it, and rename with --finish; nothing was changed";
        Err(Error::new(ErrorKind::InvalidConfig, "rename", self.process.root_shown(), reason))
    }

    /// The journal of what went to the trash, if anything did.
    pub fn journal(&self) -> Option<&str> {
        self.trash.journal()
    }

    fn would_rename(
        &self,
        report: &mut dyn RenamePrefixReport,
        renamed: &mut RenamedPrefix,
    ) -> Result<()> {
        let mut batches = Batches::new(&self.process, &self.names)?;
        while let Some(mut batch) = batches.next()? {
            self.ledger.fill(&mut batch.pairs, &self.names);
            batch.tell_later(&self.process)?;
            for failure in batch.failures.drain(..) {
                renamed.failed += 1;
                report.failure(failure);
            }
            for (pair, _, verdict) in batch.verdicts() {
                renamed.ended += u64::from(self.options.finish);
                if verdict == Verdict::Copy {
                    renamed.renamed += 1;
                    report.would_rename(pair.old.as_str(), pair.new.as_str())?;
                }
            }
            report.progress(Phase::Judging, batches.done, batches.total);
            if report.is_interrupted() {
                renamed.is_interrupted = true;
                return Ok(());
            }
        }
        if self.options.finish && !self.ledger.is_ending {
            self.would_follow_deletions(report, renamed)?;
        }
        Ok(())
    }

    /// One pass: what is under the old name, as it was written last, is under the new one as well.
    fn give_new_names(
        &mut self,
        report: &mut dyn RenamePrefixReport,
        renamed: &mut RenamedPrefix,
        is_first: bool,
    ) -> Result<()> {
        let mut failed = Failed { report, count: 0, tells: is_first };
        let mut batches = Batches::new(&self.process, &self.names)?;
        while let Some(mut batch) = batches.next()? {
            batch.failures.drain(..).for_each(|failure| failed.add(failure));
            self.ledger.fill(&mut batch.pairs, &self.names);
            batch.tell_later(&self.process)?;
            let (mut wanted, mut alike) = (Vec::new(), Vec::new());
            for (pair, row, verdict) in batch.verdicts() {
                let noted = Said::from(row).noted();
                match verdict {
                    Verdict::Copy => wanted.push(pair.clone()),
                    Verdict::Right if batch.is_alike(pair, row) => {
                        alike.push((pair.clone(), noted))
                    }
                    _ => {}
                }
            }
            let done = twin(&self.process, &wanted, &Stage::Both, &mut failed)?;
            renamed.renamed += done.copied;
            alike.extend(done.alike);
            let rest = |pair: &Pair| self.names.rest(pair.old.as_str()).map(str::to_owned);
            let alike: Vec<_> =
                alike.iter().filter_map(|(pair, noted)| Some((rest(pair)?, *noted))).collect();
            self.ledger.note(&self.process, alike)?;
            failed.report.progress(Phase::Renaming, batches.done, batches.total);
            if failed.report.is_interrupted() {
                renamed.is_interrupted = true;
                break;
            }
        }
        renamed.failed = failed.count;
        Ok(())
    }
}

/// What could not be done, and where that is told.
struct Failed<'r> {
    report: &'r mut dyn RenamePrefixReport,
    count: u64,
    /// Told of once.
    tells: bool,
}

impl Failed<'_> {
    fn add(&mut self, error: Error) {
        self.count += 1;
        if self.tells {
            self.report.failure(error);
        }
    }
}

/// What was done for some pairs.
#[derive(Default)]
struct Done {
    copied: u64,
    ended: u64,
    /// What both names of a pair have now.
    alike: Vec<(Pair, Noted)>,
}

/// Brings pairs to a stage, those of a batch one by one where one of their files is in the way.
fn twin(
    process: &Arc<Process>,
    pairs: &[Pair],
    stage: &Stage,
    failed: &mut Failed<'_>,
) -> Result<Done> {
    let mut done = Done::default();
    if pairs.is_empty() {
        return Ok(done);
    }
    match process.twin(pairs, stage) {
        Ok(twinned) => {
            done.copied = twinned.copied;
            done.ended = twinned.ended;
            let alike = twinned.alike.into_iter();
            done.alike = alike.map(|(number, noted)| (pairs[number].clone(), noted)).collect();
        }
        Err(error) if !error.kind().is_of_storage() => return Err(error),
        Err(error) if pairs.len() == 1 => failed.add(error),
        Err(_) => {
            for pair in pairs {
                let one = twin(process, std::slice::from_ref(pair), stage, failed)?;
                done.copied += one.copied;
                done.ended += one.ended;
                done.alike.extend(one.alike);
            }
        }
    }
    Ok(done)
}
