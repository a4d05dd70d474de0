//! Comparing two stores, or a store and a tree, without changing either.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use super::bytes::Verify;
use super::difference::{Comparison, Difference, compare};
use super::fitness;
use super::pairs::{Pair, Pairs};
use super::parallel::each_batch;
use super::selection::Selection;
use super::side::{Role, Side};
use crate::error::{Error, Result};
use crate::maintenance::{Phase, Progress};
use crate::name::FileId;
use crate::store::is_of_all;

/// What comparing a pair came to.
type Outcome = Result<Option<Difference>>;

/// So many pairs are compared before it is asked whether to go on.
const CHUNK: usize = 2048;

/// What to compare.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// Which files.
    pub selection: Selection,
    /// Sizes alone, or all bytes.
    pub verify: Verify,
    /// How many files are looked at at a time.
    pub jobs: usize,
}

/// What a comparison found: numbers of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Looked at, on either side.
    pub files: u64,
    /// Those that differ, by what they differ in first.
    pub differing: BTreeMap<&'static str, u64>,
    /// Those that could not be read.
    pub failed: u64,
    /// It was ended before its end.
    pub is_interrupted: bool,
}

/// Where a comparison tells what it finds.
pub trait CheckReport: Progress {
    /// Called for each file that differs.
    ///
    /// # Errors
    ///
    /// Any, which ends the comparison.
    fn differs(&mut self, id: &FileId, difference: Difference) -> Result<()>;

    /// Called for each file that cannot be compared, which does not end the comparison.
    fn failure(&mut self, error: Error);
}

/// A comparison under way.
#[derive(Debug)]
pub struct Check {
    from: Side,
    to: Side,
    options: CheckOptions,
    same_files: bool,
}

impl Check {
    /// # Errors
    ///
    /// The sides are one, or one of them cannot be reached.
    pub fn new(from: Side, to: Side, mut options: CheckOptions) -> Result<Self> {
        let (from, to) = (from.of("check"), to.of("check"));
        let same_files = fitness::require_apart(&from, &to)?;
        options.selection.begin(&from, &to)?;
        from.require_alive()?;
        to.require_alive()?;
        Ok(Check { from, to, options, same_files })
    }

    /// Compares all files, in memory that does not grow with their number.
    ///
    /// # Errors
    ///
    /// A database or mount that is gone.
    pub fn run(&self, report: &mut dyn CheckReport) -> Result<Compared> {
        let mut compared = Compared::default();
        let mut total = 0;
        let from = self.from.list(Role::From, &mut |_| total += 1)?;
        let to = self.to.list(Role::To, &mut |_| {})?;
        let mut failures = Vec::new();
        let mut failed = |error| failures.push(error);
        let mut pairs = Pairs::new(from, to, &self.options.selection, &mut failed)?;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            while chunk.len() < CHUNK
                && let Some(pair) = pairs.next(&mut failed)?
            {
                if pair.is_live() {
                    chunk.push(pair);
                }
            }
            self.chunk(&chunk, &mut compared, report)?;
            report.progress(Phase::Comparing, compared.files, total);
            compared.is_interrupted = report.is_interrupted();
            if chunk.len() < CHUNK || compared.is_interrupted {
                break;
            }
        }
        for error in failures {
            compared.failed += 1;
            report.failure(error);
        }
        Ok(compared)
    }

    fn chunk(
        &self,
        chunk: &[Pair],
        compared: &mut Compared,
        report: &mut dyn CheckReport,
    ) -> Result<()> {
        let bytes = self.options.verify == Verify::Hash;
        let comparison = Comparison { bytes, source_file: true, same_files: self.same_files };
        let work = |batch: &[Pair], done: &Sender<(FileId, Outcome)>| {
            for pair in batch {
                let outcome = compare(&self.from, &self.to, pair, comparison);
                let is_end = outcome.as_ref().is_err_and(is_of_all);
                done.send((pair.id.clone(), outcome)).ok()?;
                if is_end {
                    return None;
                }
            }
            Some(())
        };
        let mut ended = Ok(());
        each_batch(chunk, self.options.jobs, work, |heard| {
            let Some((id, outcome)) = heard else { return };
            compared.files += 1;
            let told = match outcome {
                Ok(None) => Ok(()),
                Ok(Some(difference)) => {
                    *compared.differing.entry(difference.name()).or_default() += 1;
                    report.differs(&id, difference)
                }
                Err(error) if is_of_all(&error) => Err(error),
                Err(error) => {
                    compared.failed += 1;
                    report.failure(error);
                    Ok(())
                }
            };
            ended = std::mem::replace(&mut ended, Ok(())).and(told);
        });
        ended
    }
}
