//! What had been counted at a moment.

use std::sync::atomic::Ordering;

use super::names::Family;
use super::{BOUNDS, BUCKETS, Counter, Gauge, Sheet, Timer, Zone, zone};

/// What had been counted of a store, by all processes that count together. Taking one allocates
/// nothing.
#[derive(Debug, Clone)]
pub struct Snapshot {
    counters: [u64; Counter::COUNT],
    gauges: [i64; Gauge::COUNT],
    times: [Histogram; Timer::COUNT],
    /// How old what the replica says is, in seconds, where it can be told.
    replica_age: Option<f64>,
    /// Whether the replica is used, where there is one.
    replica_used: Option<bool>,
}

/// How often something took how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// How often it took no longer than each of [`Histogram::BOUNDS`]; how often at all.
    pub cumulative: [u64; BUCKETS],
    /// Seconds, altogether.
    pub sum: f64,
}

impl Histogram {
    /// Upper bounds of the buckets but the last, in seconds, as text.
    pub const BOUNDS: [&'static str; BUCKETS - 1] = {
        let mut bounds = [""; BUCKETS - 1];
        let mut next = 0;
        while next < bounds.len() {
            bounds[next] = BOUNDS[next].1;
            next += 1;
        }
        bounds
    };

    /// How often it took no longer than each bound; the last is `+Inf`.
    pub fn buckets(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::BOUNDS.into_iter().chain(["+Inf"]).zip(self.cumulative)
    }

    /// How often at all.
    pub fn count(&self) -> u64 {
        self.cumulative[BUCKETS - 1]
    }
}

/// What one member of a family has come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Grows.
    Counter(u64),
    /// Is so now.
    Gauge(f64),
    /// Took time.
    Histogram(Histogram),
}

/// A metric, and its members by the value of its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// As Prometheus has it, without what it ends in for its type.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// The label; empty where there is one member.
    pub label: &'static str,
    /// The label's value, and what that has come to.
    pub members: Vec<(&'static str, Value)>,
}

impl Snapshot {
    pub(crate) fn of_sheet(sheet: &Sheet) -> Self {
        let mut snapshot = Snapshot::empty();
        snapshot.add(sheet, true);
        snapshot
    }

    pub(crate) fn of_zone(zone: &Zone) -> Self {
        let mut snapshot = Snapshot::empty();
        zone.sheets().for_each(|sheet| snapshot.add(sheet, zone::is_in_use(sheet)));
        snapshot
    }

    fn empty() -> Self {
        Snapshot {
            counters: [0; Counter::COUNT],
            gauges: [0; Gauge::COUNT],
            times: [const { Histogram { cumulative: [0; BUCKETS], sum: 0.0 } }; Timer::COUNT],
            replica_age: None,
            replica_used: None,
        }
    }

    /// With how old what the replica says is, and whether it is used; `None` where there is none.
    pub(crate) fn with_replica(mut self, replica: Option<(Option<f64>, bool)>) -> Self {
        self.replica_used = replica.map(|(_, is_used)| is_used);
        self.replica_age = replica.and_then(|(age, _)| age);
        self
    }

    fn add(&mut self, sheet: &Sheet, is_in_use: bool) {
        for (sum, counter) in self.counters.iter_mut().zip(&sheet.counters) {
            *sum += counter.load(Ordering::Relaxed);
        }
        for (sum, gauge) in self.gauges.iter_mut().zip(&sheet.gauges).filter(|_| is_in_use) {
            *sum += gauge.load(Ordering::Relaxed);
        }
        for (sum, times) in self.times.iter_mut().zip(&sheet.times) {
            let mut below = 0;
            for (cumulative, bucket) in sum.cumulative.iter_mut().zip(&times.buckets) {
                below += bucket.load(Ordering::Relaxed);
                *cumulative += below;
            }
            sum.sum += times.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
        }
    }

    #[cfg(any(test, feature = "capi"))]
    pub(crate) fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    #[cfg(any(test, feature = "capi"))]
    pub(crate) fn gauge(&self, gauge: Gauge) -> i64 {
        self.gauges[gauge as usize]
    }

    /// All there is, metric by metric.
    pub fn metrics(&self) -> Vec<Metric> {
        let counters = shown(Counter::FAMILIES, |it| Value::Counter(self.counters[it as usize]));
        let gauges = shown(Gauge::FAMILIES, |it| Value::Gauge(self.gauges[it as usize] as f64));
        let times = shown(Timer::FAMILIES, |it| Value::Histogram(self.times[it as usize].clone()));
        let all = counters.chain(gauges).chain(self.of_replica()).chain(times);
        let is_agent = self.gauges[Gauge::HeardAt as usize] > 0;
        all.filter(|metric| is_agent || !metric.name.starts_with("ezdfs_agent_")).collect()
    }

    fn of_replica(&self) -> impl Iterator<Item = Metric> {
        let used = self.replica_used.map(|is| f64::from(u8::from(is)));
        let metric = |name, help, value: Option<f64>| {
            value.map(|value| Metric {
                name,
                help,
                label: "",
                members: vec![("", Value::Gauge(value))],
            })
        };
        [
            metric("ezdfs_replica_used", "Whether the replica is used.", used),
            metric(
                "ezdfs_replica_age_seconds",
                "Time since the agent has heard from the database.",
                self.replica_age,
            ),
        ]
        .into_iter()
        .flatten()
    }
}

fn shown<M: Copy>(
    families: &'static [Family<M>],
    value: impl Fn(M) -> Value,
) -> impl Iterator<Item = Metric> {
    families.iter().map(move |family| Metric {
        name: family.name,
        help: family.help,
        label: family.label,
        members: family.members.iter().map(|(member, text)| (*text, value(*member))).collect(),
    })
}
