//! How often something is done.

use std::time::{Duration, Instant};

/// Something that is due now and then.
pub(super) struct Pace {
    due: Instant,
    every: Duration,
    rows: Option<u64>,
}

impl Pace {
    /// Due at once, and then so often.
    pub(super) fn every(every: Duration) -> Self {
        Pace { due: Instant::now(), every, rows: None }
    }

    /// So many rows a second, 0 for none, or as many as there are; due at once.
    pub(super) fn of_rows(rows: Option<u64>) -> Self {
        Pace { due: Instant::now(), every: Duration::ZERO, rows }
    }

    pub(super) fn is_due(&mut self) -> bool {
        if self.rows == Some(0) {
            return false;
        }
        let now = Instant::now();
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.every;
        }
        is_due
    }

    /// So many rows were read.
    pub(super) fn took(&mut self, rows: u64) {
        if let Some(rate) = self.rows.filter(|rate| *rate > 0) {
            self.due = Instant::now() + Duration::from_secs_f64(rows as f64 / rate as f64);
        }
    }
}
