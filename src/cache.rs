//! What this process remembers: rows, and descriptors of their files.
//!
//! A row is trusted for `cache_ttl` from the moment it was asked for, its absence
//! for `cache_negative_ttl`: so long may a write of another node stay unseen. A
//! write of this process is seen by it at once, through whichever store. A descriptor
//! is trusted as long as the row under which it was opened, but no longer than
//! `cache_ttl` from when it was opened, and closed soon after.
//!
//! Callers know keys, facts and stamps and nothing of how they are kept.

mod budget;
mod facts;
mod flights;
#[cfg(test)]
mod trials;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache as Evicting;
use quick_cache::{OptionsBuilder, UnitWeighter};

use crate::config::Options;
use crate::metadata::Row;

pub(crate) use budget::{Budget, Grant};
pub(crate) use facts::Facts;
use facts::Kinds;
pub(crate) use flights::{Flights, MOST as MOST_FLIGHTS};

/// The md5 of a name, which is the table's key too.
pub(crate) type Key = [u8; 16];

/// What an entry costs in memory, all in all; measured by `make bench`.
const ROW_BYTES: u64 = 160;

/// Part of a row's time after which it is asked for again ahead of its end.
const AGEING: (u32, u32) = (3, 4);

/// Nanoseconds since `cache_ttl` before the cache was made. Of a row: when it was asked for, and so
/// also which reading of the row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

/// A row that is being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    asked_at: Stamp,
    forgotten: u64,
    doubted: u64,
}

/// A row that is remembered.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// `None`: there is no live row.
    pub(crate) facts: Option<Facts>,
    pub(crate) stamp: Stamp,
    /// Whether it is time to ask again, ahead of its end.
    pub(crate) is_ageing: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    facts: Option<Facts>,
    asked_at: Stamp,
    /// Other than `asked_at` where a row asked for ahead of time was the same.
    stamp: Stamp,
}

#[derive(Debug, Clone)]
struct Kept<F> {
    file: F,
    /// The reading of the row under which it was opened.
    stamp: Stamp,
    opened_at: Stamp,
}

/// The cache of one process; `F` is an open file.
pub(crate) struct Cache<F> {
    /// `None` where the options switch it off.
    rows: Option<Evicting<Key, Entry>>,
    files: Option<Evicting<Key, Kept<F>>>,
    kinds: Kinds,
    ttl: Duration,
    negative_ttl: Duration,
    stale_if_error: Duration,
    epoch: Instant,
    /// Count writes, so that a row read before one is not trusted after it.
    forgotten: AtomicU64,
    doubted: AtomicU64,
}

impl<F: Clone> Cache<F> {
    /// Keeps at most so many descriptors, whatever the options say.
    pub(crate) fn new(options: &Options, most_files: usize) -> Self {
        let rows = (options.cache_size / ROW_BYTES) as usize;
        let rows = if options.cache_ttl.is_zero() { 0 } else { rows };
        let files = if rows == 0 { 0 } else { options.cache_files.min(most_files) };
        Cache {
            rows: evicting(rows),
            files: evicting(files),
            kinds: Kinds::default(),
            ttl: options.cache_ttl,
            negative_ttl: options.cache_negative_ttl,
            stale_if_error: options.stale_if_error,
            epoch: Instant::now(),
            forgotten: AtomicU64::new(0),
            doubted: AtomicU64::new(0),
        }
    }

    /// Whether rows are remembered at all.
    pub(crate) fn is_on(&self) -> bool {
        self.rows.is_some()
    }

    /// How long a row is trusted.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The row, or its absence, if it was asked for recently enough.
    pub(crate) fn get(&self, key: &Key) -> Option<Hit> {
        let Entry { facts, asked_at, stamp } = self.rows.as_ref()?.get(key)?;
        let ttl = if facts.is_some() { self.ttl } else { self.negative_ttl };
        let age = self.age(asked_at);
        let is_ageing = facts.is_some() && age > ttl * AGEING.0 / AGEING.1;
        (age < ttl).then_some(Hit { facts, stamp, is_ageing })
    }

    /// A row to fall back on while the database is unavailable. Never an
    /// absence: that would be a guess.
    pub(crate) fn stale(&self, key: &Key) -> Option<(Facts, Stamp)> {
        let Entry { facts, asked_at, stamp } = self.rows.as_ref()?.get(key)?;
        let is_near = self.age(asked_at) < self.ttl + self.stale_if_error;
        Some((facts.filter(|_| is_near)?, stamp))
    }

    /// To be called before the database is asked for a row.
    pub(crate) fn reading(&self) -> Reading {
        let [forgotten, doubted] =
            [&self.forgotten, &self.doubted].map(|count| count.load(Ordering::SeqCst));
        Reading { asked_at: self.now(), forgotten, doubted }
    }

    /// Remembers what a reading found.
    pub(crate) fn remember(
        &self,
        key: Key,
        row: Option<Row>,
        reading: Reading,
    ) -> (Option<Facts>, Stamp) {
        let facts = row.and_then(|row| self.kinds.facts(row));
        let asked_at = reading.asked_at;
        let Some(rows) = &self.rows else { return (facts, asked_at) };
        let before = rows.peek(&key);
        // Asked for ahead of time and the same: its file is trusted on until it
        // has been opened anew.
        let stamp = match before {
            Some(Entry { facts: known, stamp, asked_at })
                if same(known.as_ref(), facts.as_ref()) && self.age(asked_at) < self.ttl =>
            {
                stamp
            }
            _ => asked_at,
        };
        rows.insert(key, Entry { facts: facts.clone(), asked_at, stamp });
        if stamp == asked_at {
            self.drop_file(&key);
        }
        // Looked at after inserting, so that no write falls between.
        if self.forgotten.load(Ordering::SeqCst) != reading.forgotten {
            rows.remove(&key);
        } else if self.doubted.load(Ordering::SeqCst) != reading.doubted {
            self.distrust(&key);
        }
        (facts, stamp)
    }

    /// The file that was opened under this reading of its row, recently enough:
    /// a row that is read again ahead of time says nothing of a file that could
    /// not be opened again.
    pub(crate) fn file(&self, key: &Key, stamp: Stamp) -> Option<F> {
        let kept = self.files.as_ref()?.get(key)?;
        (kept.stamp == stamp && self.age(kept.opened_at) < self.ttl).then_some(kept.file)
    }

    /// Whether any file of this name is kept open.
    pub(crate) fn holds_file(&self, key: &Key) -> bool {
        self.files.as_ref().is_some_and(|files| files.contains_key(key))
    }

    /// Keeps an open file; `opened_at` is when somebody set about opening it.
    pub(crate) fn keep_file(&self, key: Key, stamp: Stamp, opened_at: Stamp, file: F) {
        if let Some(files) = &self.files {
            files.insert(key, Kept { file, stamp, opened_at });
        }
    }

    /// Drops the files that are not trusted any more; says whether any are left.
    pub(crate) fn drop_idle_files(&self) -> bool {
        let (Some(rows), Some(files)) = (&self.rows, &self.files) else { return false };
        files.retain(|key, kept| {
            let row = rows.peek(key);
            row.is_some_and(|row| row.stamp == kept.stamp) && self.age(kept.opened_at) < self.ttl
        });
        !files.is_empty()
    }

    /// Drops what is known of a key, because it is being written.
    pub(crate) fn forget(&self, key: &Key) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        if let Some(rows) = &self.rows {
            rows.remove(key);
        }
        self.drop_file(key);
    }

    /// Has a key asked for again, because it is being written, here or in another table:
    /// what is known of it is but good enough to fall back on.
    pub(crate) fn doubt(&self, key: &Key) {
        self.doubted.fetch_add(1, Ordering::SeqCst);
        self.distrust(key);
    }

    fn distrust(&self, key: &Key) {
        self.drop_file(key);
        let Some(rows) = &self.rows else { return };
        match rows.peek(key) {
            Some(Entry { facts: None, .. }) => drop(rows.remove(key)),
            Some(entry) => {
                let asked_at = entry.asked_at.min(self.just_out_of_time());
                rows.insert(*key, Entry { asked_at, ..entry });
            }
            None => {}
        }
    }

    fn drop_file(&self, key: &Key) {
        if let Some(files) = &self.files {
            files.remove(key);
        }
    }

    pub(crate) fn now(&self) -> Stamp {
        // 64 bits of nanoseconds are 584 years.
        Stamp((self.ttl + self.epoch.elapsed()).as_nanos() as u64)
    }

    /// When a row was asked for that is not trusted any more from now on.
    fn just_out_of_time(&self) -> Stamp {
        Stamp(self.epoch.elapsed().as_nanos() as u64)
    }

    fn age(&self, stamp: Stamp) -> Duration {
        (self.ttl + self.epoch.elapsed()).saturating_sub(Duration::from_nanos(stamp.0))
    }
}

/// A function of its own: compiled into its caller the fields of a row that is
/// not there are compared before it is seen that it is not, which harms nobody
/// but is more than valgrind can follow.
#[inline(never)]
fn same(one: Option<&Facts>, other: Option<&Facts>) -> bool {
    one == other
}

fn evicting<V: Clone>(items: usize) -> Option<Evicting<Key, V>> {
    // Shards are for threads that meet, which they do not here: one caller at a
    // time asks, in a web server's event loop or in PHP.
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(items)
        .weight_capacity(items as u64)
        .build()
        .ok()?;
    (items > 0).then(|| {
        Evicting::with_options(options, UnitWeighter, Default::default(), Default::default())
    })
}

impl<F> std::fmt::Debug for Cache<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
