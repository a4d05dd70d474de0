//! Numbers that were passed over: whoever has taken one may commit yet.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a number that was passed over is asked for: nobody has a transaction open for longer
/// than ten minutes.
pub(crate) const KEPT: Duration = Duration::from_secs(11 * 60);

/// Numbers that follow each other: the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Range {
    pub(crate) fn of(number: u64) -> Self {
        Range { first: number, last: number }
    }

    pub(crate) fn contains(self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
    }

    pub(crate) fn width(self) -> u64 {
        self.last - self.first + 1
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Gap {
    range: Range,
    noticed: Duration,
}

/// In the order of the numbers, which is that in which they were noticed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gaps(Vec<Gap>);

impl Gaps {
    /// Those of somebody who counted the time by another clock.
    pub(crate) fn noticed(ranges: &[Range], now: Duration) -> Self {
        Gaps(ranges.iter().map(|range| Gap { range: *range, noticed: now }).collect())
    }

    /// Numbers above all that there are.
    pub(crate) fn add(&mut self, range: Range, now: Duration) {
        self.0.push(Gap { range, noticed: now });
    }

    fn find(&self, number: u64) -> Option<usize> {
        let at = self.0.partition_point(|gap| gap.range.last < number);
        self.0.get(at).is_some_and(|gap| gap.range.contains(number)).then_some(at)
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.find(number).is_some()
    }

    pub(crate) fn remove(&mut self, number: u64) {
        let Some(at) = self.find(number) else { return };
        let Gap { range: Range { first, last }, noticed } = self.0[at];
        let below = (first < number).then(|| Range { first, last: number - 1 });
        let above = (number < last).then(|| Range { first: number + 1, last });
        let left = below.into_iter().chain(above).map(|range| Gap { range, noticed });
        self.0.splice(at..=at, left);
    }

    /// Drops those that nobody can fill any more.
    pub(crate) fn forget(&mut self, now: Duration) {
        let old = self.0.partition_point(|gap| gap.noticed + KEPT < now);
        self.0.drain(..old);
    }

    /// The newest, so many of them.
    pub(crate) fn newest(&self, count: usize) -> Vec<Range> {
        self.0[self.0.len().saturating_sub(count)..].iter().map(|gap| gap.range).collect()
    }

    /// From the first to the last of those that are older than the newest: where numbers are
    /// interleaved, as in a Galera cluster, every second one is missing forever.
    pub(crate) fn older(&self, newest: usize) -> Option<Range> {
        let older = &self.0[..self.0.len().saturating_sub(newest)];
        let (first, last) = (older.first()?.range.first, older.last()?.range.last);
        Some(Range { first, last })
    }

    /// How many numbers of these were seen.
    pub(crate) fn seen_within(&self, range: Range) -> u64 {
        let within = |gap: &&Gap| range.first <= gap.range.first && gap.range.last <= range.last;
        range.width() - self.0.iter().filter(within).map(|gap| gap.range.width()).sum::<u64>()
    }
}
