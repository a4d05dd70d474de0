//! What a store does, counted: one writes here, and the doors show it.
//!
//! A process counts on a [`Sheet`] of its own. Where a host has several and gives them a [`Zone`]
//! of shared memory, each takes a sheet of that, and all are added up.

mod names;
mod snapshot;
mod text;
mod zone;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use names::Source;
pub(crate) use names::{Counter, Gauge, Timer};
pub use snapshot::{Histogram, Metric, Snapshot, Value};
pub use text::{Format, summary, write};
pub use zone::Zone;

/// Upper bounds of a histogram's buckets but the last, which has none.
const BOUNDS: [(Duration, &str); 11] = [
    (Duration::from_micros(100), "0.0001"),
    (Duration::from_micros(300), "0.0003"),
    (Duration::from_millis(1), "0.001"),
    (Duration::from_millis(3), "0.003"),
    (Duration::from_millis(10), "0.01"),
    (Duration::from_millis(30), "0.03"),
    (Duration::from_millis(100), "0.1"),
    (Duration::from_millis(300), "0.3"),
    (Duration::from_secs(1), "1.0"),
    (Duration::from_secs(3), "3.0"),
    (Duration::from_secs(10), "10.0"),
];

const BUCKETS: usize = BOUNDS.len() + 1;

/// How long something took, each time.
#[derive(Debug, Default)]
struct Times {
    buckets: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

/// The counters of one process. All zeros is an empty one. No process writes on a cache line of
/// another's.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Sheet {
    /// The process that it is of; 0: of none.
    owner: AtomicU32,
    counters: [AtomicU64; Counter::COUNT],
    gauges: [AtomicI64; Gauge::COUNT],
    times: [Times; Timer::COUNT],
}

impl Default for Sheet {
    fn default() -> Self {
        Sheet {
            owner: AtomicU32::new(0),
            counters: [const { AtomicU64::new(0) }; Counter::COUNT],
            gauges: [const { AtomicI64::new(0) }; Gauge::COUNT],
            times: std::array::from_fn(|_| Times::default()),
        }
    }
}

#[derive(Debug)]
enum Paper {
    Own(Box<Sheet>),
    OfZone(&'static Sheet),
}

/// Where a process counts what a store does.
#[derive(Debug)]
pub(crate) struct Stats(Paper);

impl Stats {
    /// On a sheet of the zone, if there is one that has any left.
    pub(crate) fn new(zone: Option<&'static Zone>) -> Arc<Self> {
        let sheet = zone.and_then(Zone::take);
        if zone.is_some() && sheet.is_none() {
            log::warn!(
                "ezdfs: so many processes count already that what this one does is not seen"
            );
        }
        Arc::new(Stats(sheet.map_or_else(|| Paper::Own(Box::default()), Paper::OfZone)))
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    pub(crate) fn add(&self, counter: Counter, count: u64) {
        self.counters[counter as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, gauge: Gauge, value: u64) {
        self.gauges[gauge as usize].store(value as i64, Ordering::Relaxed);
    }

    pub(crate) fn change(&self, gauge: Gauge, by: i64) {
        self.gauges[gauge as usize].fetch_add(by, Ordering::Relaxed);
    }

    /// Raises a gauge by one until that is dropped.
    pub(crate) fn hold(self: &Arc<Self>, gauge: Gauge) -> Held {
        self.change(gauge, 1);
        Held { stats: Arc::clone(self), gauge }
    }

    /// Notes how long something took that began then.
    pub(crate) fn took(&self, timer: Timer, since: Instant) {
        let time = since.elapsed();
        let times = &self.times[timer as usize];
        let bucket = BOUNDS.iter().position(|(bound, _)| time <= *bound).unwrap_or(BOUNDS.len());
        times.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        // 64 bits of nanoseconds are 584 years.
        times.nanoseconds.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Deref for Stats {
    type Target = Sheet;

    fn deref(&self) -> &Sheet {
        match &self.0 {
            Paper::Own(sheet) => sheet,
            Paper::OfZone(sheet) => sheet,
        }
    }
}

impl Drop for Stats {
    fn drop(&mut self) {
        if let Paper::OfZone(sheet) = &self.0 {
            zone::give_back(sheet);
        }
    }
}

/// Something that a gauge counts.
#[derive(Debug)]
pub(crate) struct Held {
    stats: Arc<Stats>,
    gauge: Gauge,
}

impl Held {
    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stats.change(self.gauge, -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> &'static Zone {
        // All zeros, as shared memory is at first.
        Box::leak(Box::default())
    }

    #[test]
    fn what_took_time_is_in_the_first_bucket_that_it_fits() {
        let stats = Stats::new(None);
        let ago = |time: Duration| Instant::now().checked_sub(time).unwrap();
        stats.took(Timer::Commit, ago(Duration::from_millis(20)));
        stats.took(Timer::Commit, ago(Duration::from_secs(3600)));
        let metrics = Snapshot::of_sheet(&stats).metrics();
        let queries = metrics.iter().find(|metric| metric.name == "ezdfs_query_seconds").unwrap();
        let commits = queries.members.iter().find(|(kind, _)| *kind == "commit").unwrap();
        let Value::Histogram(times) = &commits.1 else { panic!("{commits:?}") };
        assert_eq!(times.cumulative, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2]);
        assert!((3600.0..3700.0).contains(&times.sum), "{}", times.sum);
    }

    #[test]
    fn a_sheet_outlives_its_process_but_for_what_is_so_now() {
        let zone = zone();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        for _ in 0..2 {
            let stats = Stats::new(Some(zone));
            stats.count(Counter::Retries);
            stats.change(Gauge::Connections, 1);
            assert_eq!(Snapshot::of_zone(zone).gauge(Gauge::Connections), 1);
            // Of a process that dies nothing is dropped.
            stats.owner.store(ended.id(), Ordering::Relaxed);
            std::mem::forget(stats);
        }
        let after = Snapshot::of_zone(zone);
        assert_eq!((after.counter(Counter::Retries), after.gauge(Gauge::Connections)), (2, 0));
        assert_eq!(zone.sheets().count(), 1);
    }

    #[test]
    fn processes_that_count_at_once_are_added_up() {
        let zone = zone();
        let all = [(); 3].map(|()| Stats::new(Some(zone)));
        for stats in &all {
            stats.count(Counter::Retries);
            stats.set(Gauge::FilesKept, 5);
        }
        let sum = Snapshot::of_zone(zone);
        assert_eq!((sum.counter(Counter::Retries), sum.gauge(Gauge::FilesKept)), (3, 15));
    }

    #[test]
    fn who_finds_no_sheet_counts_alone() {
        let zone = zone();
        let taken: Vec<_> = std::iter::from_fn(|| zone.take()).collect();
        let stats = Stats::new(Some(zone));
        stats.count(Counter::Retries);
        assert_eq!(Snapshot::of_zone(zone).counter(Counter::Retries), 0);
        assert_eq!(Snapshot::of_sheet(&stats).counter(Counter::Retries), 1);
        taken.into_iter().for_each(zone::give_back);
    }
}
