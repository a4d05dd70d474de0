//! Answers of the file server that get lost. Each call of an operation that changes something on the
//! mount is carried out or not, and answered with an error: one call, two, all from one on; or the
//! mount is dead from then on. Afterwards there is the old or the new state, whole, and the command
//! has said which; `fsck` clears away the rest.
//!
//! The calls of an operation are counted first, then each is made to fail in turn. On SQLite all of
//! it is tried, on the servers a part, but with EZDFS_TEST_ROUNDS set.

mod operations;
mod plan;
mod run;

use std::collections::BTreeMap;
use std::process::Command;

use crate::kill::content::Random;
use crate::store::Site;
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::{Result, Trials};
use operations::OPERATIONS;
use plan::plans;
use run::{Checked, Run};

/// So many failures are told of in full.
const SHOWN: usize = 12;

/// One in so many is tried on a server.
const PART: u64 = 5;

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("replies", &[]);
    for operation in OPERATIONS {
        group.per_database(operation.name, |db| every_call(db, operation));
    }
}

/// What is tried, and what must hold.
struct Operation {
    name: &'static str,
    /// Faults of the command itself that lead there.
    failpoints: &'static str,
    files: &'static [File],
    /// All files change, or none.
    is_whole: bool,
    /// Its commit is refused: it undoes what it did.
    is_undone: bool,
    prepare: fn(&Run<'_>),
    command: fn(&Run<'_>) -> Command,
    /// What is done afterwards, besides what an operator does everywhere.
    finish: fn(&Run<'_>) -> Checked,
}

/// What one of its files is before and after it.
struct File {
    name: &'static str,
    before: State,
    after: State,
    /// What it may be besides, where the operation ends half way.
    between: &'static [State],
}

/// What there is of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A live row and the file that it speaks of.
    Live(Content),
    /// The new bytes under the old row.
    Torn,
    /// A soft-deleted row, and perhaps a file.
    Dead { has_file: bool },
    /// No row, and perhaps a file.
    Gone { has_file: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Old,
    New,
}

fn every_call(db: TestDb, operation: &'static Operation) -> Result {
    let is_all = db.backend == Backend::Sqlite || std::env::var_os("EZDFS_TEST_ROUNDS").is_some();
    let site = Site::new(db);
    let calls = Run::new(&site, operation, 0).count()?;
    let mut plans = plans(&calls, operation.name);
    if !is_all {
        let mut random = Random::new(calls.len() as u64);
        plans.retain(|_| random.below(PART) == 0);
    }
    let mut failures = BTreeMap::<String, Vec<String>>::new();
    for (number, plan) in (1..).zip(&plans) {
        match Run::new(&site, operation, number).with(plan, &calls) {
            Ok(()) => {
                let (fault, outcome) = plan.fault(&calls);
                injected(fault, outcome);
            }
            Err(error) => {
                let (what, rest) = error.split_once('\n').unwrap_or((&error, ""));
                let told = format!("{}: {rest}", plan.text(&calls));
                failures.entry(what.to_owned()).or_default().push(told);
            }
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    let failed: usize = failures.values().map(Vec::len).sum();
    let mut text = format!("{failed} of {} failed; calls: {calls:?}", plans.len());
    let shown = SHOWN.div_ceil(failures.len());
    for (what, cases) in &failures {
        text += &format!("\n{} times: {what}", cases.len());
        cases.iter().take(shown).for_each(|case| text += &format!("\n  {case}"));
    }
    Err(text.into())
}
