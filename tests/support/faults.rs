//! Counts the faults that the trials inject, and what came of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
