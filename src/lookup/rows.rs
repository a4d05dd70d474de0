//! The rows that a process remembers.
//!
//! A row is trusted for `cache_ttl` from the moment it was asked for, its absence
//! for `cache_negative_ttl`: so long may a write of another node stay unseen. A
//! write of this process is seen by it at once, through whichever store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::facts::{Facts, Kinds};
use super::{Found, Hit, Stamp};
use crate::config::Options;
use crate::evicting::{Evicting, evicting};
use crate::metadata::Row;
use crate::name::Key;
use crate::stats::{Counter, Gauge, Source, Stats};

/// What an entry costs in memory, all in all; measured by `make bench`.
const ROW_BYTES: u64 = 160;

/// Part of a row's time after which it is asked for again ahead of its end.
const AGEING: (u32, u32) = (3, 4);

/// Nanoseconds since `cache_ttl` before this was made. Of a row: when it was asked for,
/// and so also which reading of the row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked(u64);

impl Asked {
    #[cfg(test)]
    pub(crate) const fn at(nanoseconds: u64) -> Self {
        Asked(nanoseconds)
    }
}

/// A row that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    asked_at: Asked,
    forgotten: u64,
    doubted: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    facts: Option<Facts>,
    asked_at: Asked,
    /// Other than `asked_at` where a row asked for ahead of time was the same.
    stamp: Asked,
}

/// The rows of one process.
pub(super) struct Rows {
    /// `None` where the options switch it off.
    rows: Option<Evicting<Entry>>,
    kinds: Kinds,
    ttl: Duration,
    negative_ttl: Duration,
    stale_if_error: Duration,
    epoch: Instant,
    /// Count writes, so that a row read before one is not trusted after it.
    forgotten: AtomicU64,
    doubted: AtomicU64,
    stats: Arc<Stats>,
}

impl Rows {
    pub(super) fn new(options: &Options, stats: &Arc<Stats>) -> Self {
        let most = (options.cache_size / ROW_BYTES) as usize;
        let most = if options.cache_ttl.is_zero() { 0 } else { most };
        Rows {
            rows: evicting(most, stats, Counter::RowsEvicted),
            kinds: Kinds::default(),
            ttl: options.cache_ttl,
            negative_ttl: options.cache_negative_ttl,
            stale_if_error: options.stale_if_error,
            epoch: Instant::now(),
            forgotten: AtomicU64::new(0),
            doubted: AtomicU64::new(0),
            stats: Arc::clone(stats),
        }
    }

    /// Whether rows are remembered at all.
    pub(super) fn is_on(&self) -> bool {
        self.rows.is_some()
    }

    /// The row, or its absence, if it was asked for recently enough.
    pub(super) fn get(&self, key: &Key) -> Option<Hit> {
        let Entry { facts, asked_at, stamp } = self.rows.as_ref()?.get(key)?;
        let ttl = if facts.is_some() { self.ttl } else { self.negative_ttl };
        let age = self.age(asked_at);
        let is_ageing = facts.is_some() && age > ttl * AGEING.0 / AGEING.1;
        (age < ttl).then_some(Hit {
            facts,
            stamp: Stamp::Asked(stamp),
            source: Source::Cache,
            is_ageing,
        })
    }

    /// A row to fall back on while the database is unavailable. Never an
    /// absence: that would be a guess.
    pub(super) fn stale(&self, key: &Key) -> Option<Found> {
        let Entry { facts, asked_at, stamp } = self.rows.as_ref()?.get(key)?;
        let is_near = self.age(asked_at) < self.ttl + self.stale_if_error;
        let facts = Some(facts.filter(|_| is_near)?);
        Some(Found { facts, stamp: Stamp::Asked(stamp), source: Source::Cache })
    }

    /// To be called before the database is asked for a row.
    pub(super) fn reading(&self) -> Reading {
        let [forgotten, doubted] =
            [&self.forgotten, &self.doubted].map(|count| count.load(Ordering::SeqCst));
        Reading { asked_at: self.now(), forgotten, doubted }
    }

    /// Remembers what a reading found.
    pub(super) fn remember(&self, key: Key, row: Option<Row>, reading: Reading) -> Found {
        let facts = row.and_then(|row| self.kinds.facts(row));
        let asked_at = reading.asked_at;
        let found =
            |facts, stamp| Found { facts, stamp: Stamp::Asked(stamp), source: Source::Database };
        let Some(rows) = &self.rows else { return found(facts, asked_at) };
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
        // Looked at after inserting, so that no write falls between.
        if self.forgotten.load(Ordering::SeqCst) != reading.forgotten {
            rows.remove(&key);
        } else if self.doubted.load(Ordering::SeqCst) != reading.doubted {
            self.distrust(&key);
        }
        self.stats.set(Gauge::RowsCached, rows.len() as u64);
        found(facts, stamp)
    }

    /// Whether this is still the reading of the row that is remembered.
    pub(super) fn is_current(&self, key: &Key, stamp: Asked) -> bool {
        self.rows.as_ref().and_then(|rows| rows.peek(key)).is_some_and(|row| row.stamp == stamp)
    }

    /// Drops what is known of a key, because it is being written.
    pub(super) fn forget(&self, key: &Key) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        if let Some(rows) = &self.rows {
            rows.remove(key);
            self.stats.set(Gauge::RowsCached, rows.len() as u64);
        }
    }

    /// Has a key asked for again, because it is being written, here or in another table:
    /// what is known of it is but good enough to fall back on.
    pub(super) fn doubt(&self, key: &Key) {
        self.doubted.fetch_add(1, Ordering::SeqCst);
        self.distrust(key);
    }

    fn distrust(&self, key: &Key) {
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

    pub(super) fn now(&self) -> Asked {
        // 64 bits of nanoseconds are 584 years.
        Asked((self.ttl + self.epoch.elapsed()).as_nanos() as u64)
    }

    /// When a row was asked for that is not trusted any more from now on.
    fn just_out_of_time(&self) -> Asked {
        Asked(self.epoch.elapsed().as_nanos() as u64)
    }

    fn age(&self, stamp: Asked) -> Duration {
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

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(options: &[(&str, &str)]) -> Rows {
        let mut builder = Options::builder();
        builder.set("dsn", "sqlite:/x").unwrap().set("root", "/").unwrap();
        for (key, value) in options {
            builder.set(key, value).unwrap();
        }
        Rows::new(&builder.build().unwrap(), &Stats::new(None))
    }

    fn row(size: u64) -> Option<Row> {
        Some(Row {
            name: "a".into(),
            datatype: "image/png".into(),
            scope: "image".into(),
            size,
            mtime: 1,
            expired: false,
        })
    }

    const KEY: Key = [2; 16];
    const ABSENT: Key = [4; 16];

    #[test]
    fn a_row_read_before_a_write_is_not_remembered_after_it() {
        let rows = rows(&[]);
        let reading = rows.reading();
        rows.forget(&KEY);
        rows.remember(KEY, row(1), reading);
        assert!(rows.get(&KEY).is_none());
    }

    #[test]
    fn stale_rows_serve_only_within_their_limit_and_absences_never() {
        let brief = [("cache_ttl", "1ms"), ("cache_negative_ttl", "1ms")];
        let strict = rows(&brief);
        let lenient = rows(&[brief[0], brief[1], ("stale_if_error", "1h")]);
        for rows in [&strict, &lenient] {
            rows.remember(KEY, row(3), rows.reading());
            rows.remember(ABSENT, None, rows.reading());
        }
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(lenient.stale(&KEY).unwrap().facts.unwrap().size, 3);
        assert!(lenient.get(&KEY).is_none());
        assert!(lenient.stale(&ABSENT).is_none());
        assert!(strict.stale(&KEY).is_none());
    }

    #[test]
    fn what_is_in_doubt_is_only_fallen_back_on() {
        let rows = rows(&[("stale_if_error", "1h")]);
        let stamp = rows.remember(KEY, row(3), rows.reading()).stamp;
        rows.remember(ABSENT, None, rows.reading());
        let reading = rows.reading();
        [KEY, ABSENT].iter().for_each(|key| rows.doubt(key));
        assert!(rows.get(&KEY).is_none());
        assert!(rows.get(&ABSENT).is_none());
        assert_eq!(rows.stale(&KEY).unwrap().facts.unwrap().size, 3);
        // Read before the write that brought the doubt.
        rows.remember(KEY, row(5), reading);
        assert!(rows.get(&KEY).is_none());
        assert_eq!(rows.stale(&KEY).unwrap().facts.unwrap().size, 5);
        assert_ne!(rows.remember(KEY, row(5), rows.reading()).stamp, stamp);
        assert!(rows.get(&KEY).is_some());
    }

    #[test]
    fn a_soft_deleted_row_is_an_absence() {
        let rows = rows(&[]);
        let deleted = row(1).map(|row| Row { mtime: -1, expired: true, ..row });
        assert_eq!(rows.remember(KEY, deleted, rows.reading()).facts, None);
        assert_eq!(rows.get(&KEY).unwrap().facts, None);
    }

    fn is_current(rows: &Rows, stamp: Stamp) -> bool {
        matches!(stamp, Stamp::Asked(at) if rows.is_current(&KEY, at))
    }

    #[test]
    fn a_reading_is_current_until_the_row_is_another_one() {
        let rows = rows(&[]);
        let first = rows.remember(KEY, row(1), rows.reading()).stamp;
        // The same row, asked for ahead of time.
        assert_eq!(rows.remember(KEY, row(1), rows.reading()).stamp, first);
        assert!(is_current(&rows, first));
        let second = rows.remember(KEY, row(2), rows.reading()).stamp;
        assert_ne!(first, second);
        assert!(!is_current(&rows, first));
        // A deletion elsewhere, a write of this process.
        rows.remember(KEY, None, rows.reading());
        assert!(!is_current(&rows, second));
        let third = rows.remember(KEY, row(2), rows.reading()).stamp;
        rows.forget(&KEY);
        assert!(!is_current(&rows, third));
    }

    #[test]
    fn a_scan_leaves_what_is_asked_for_often() {
        let rows = rows(&[("cache_size", "16k")]);
        let hot: Vec<Key> = (0..10).map(|n| [n; 16]).collect();
        let remember = |key| rows.remember(key, row(1), rows.reading());
        hot.iter().for_each(|key| drop(remember(*key)));
        for round in 0..1000_u128 {
            hot.iter().for_each(|key| drop(rows.get(key)));
            for cold in 0..10 {
                remember((1_000_000 + round * 10 + cold).to_be_bytes());
            }
        }
        assert_eq!(hot.iter().filter(|key| rows.get(key).is_some()).count(), 10);
    }
}
