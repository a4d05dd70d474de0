//! Counts the faults that the trials inject, and what came of them; the table of them in the
//! document of what is promised.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libtest_mimic::{Arguments, Conclusion};

use super::{Result, documents};

/// Fault and outcome, in the words of the document.
pub type Fault = (&'static str, &'static str);

static COUNTS: Mutex<BTreeMap<Fault, u64>> = Mutex::new(BTreeMap::new());

/// To be called for each injection, once its outcome has been checked.
pub fn injected(fault: &'static str, outcome: &'static str) {
    *counts().entry((fault, outcome)).or_default() += 1;
}

/// How often each fault had each outcome so far.
pub fn counts() -> MutexGuard<'static, BTreeMap<Fault, u64>> {
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

const PART: &str = "faults";
const HEAD: &str = "| fault | times | outcome |\n|---|---|---|\n";

/// Writes the table where EZDFS_TEST_FAULT_TABLE says, or compares the one of the document with what
/// happened, in so far as every trial has run and succeeded.
///
/// # Errors
///
/// The table cannot be written, or names a fault that was not injected.
pub fn conclude(arguments: &Arguments, conclusion: &Conclusion) -> Result {
    let partial = arguments.filter.is_some()
        || !arguments.skip.is_empty()
        || conclusion.num_failed + conclusion.num_ignored + conclusion.num_filtered_out > 0;
    let counts = counts();
    match std::env::var_os("EZDFS_TEST_FAULT_TABLE").map(PathBuf::from) {
        Some(_) if partial => Err("the table of faults is for a whole run that succeeds".into()),
        Some(path) => {
            let document = fs::read_to_string(&path)?;
            Ok(fs::write(path, with_table(&document, &counts)?)?)
        }
        None if partial => Ok(()),
        None => {
            let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/consistency.md");
            compare(&fs::read_to_string(document)?, &counts)
        }
    }
}

/// The document with this table in place of the one it has.
pub fn with_table(document: &str, counts: &BTreeMap<Fault, u64>) -> Result<String> {
    let (before, _, after) = documents::parts(document, PART)?;
    let mut table = HEAD.to_owned();
    for ((fault, outcome), count) in counts {
        writeln!(table, "| {fault} | {count} | {outcome} |")?;
    }
    Ok(format!("{before}{table}{after}"))
}

/// Every line of the table must have happened, however often. What happened besides is new.
pub fn compare(document: &str, counts: &BTreeMap<Fault, u64>) -> Result {
    let (_, table, _) = documents::parts(document, PART)?;
    let lines = table.strip_prefix(HEAD).ok_or("the table of faults has no head")?;
    let mut unlisted: Vec<Fault> = counts.keys().copied().collect();
    let mut missing = Vec::new();
    for line in lines.lines() {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (fault, outcome) = (cells.next().unwrap_or_default(), cells.nth(1).unwrap_or_default());
        if !counts.keys().any(|known| *known == (fault, outcome)) {
            missing.push(line);
        }
        unlisted.retain(|known| *known != (fault, outcome));
    }
    for (fault, outcome) in unlisted {
        eprintln!("not in the table of faults (make faults): {fault}: {outcome}");
    }
    if !missing.is_empty() {
        let lines = missing.join("\n");
        return Err(format!("the document lists faults that were not injected:\n{lines}").into());
    }
    Ok(())
}
