//! As Prometheus reads it.

use std::fmt::Write as _;

use super::snapshot::{Metric, Snapshot, Value};

/// How a snapshot is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What a client gets that accepts this: Prometheus' own, unless it names the other one.
    pub fn accepted(accept: &[u8]) -> Self {
        const OPEN: &[u8] = b"application/openmetrics-text";
        match accept.windows(OPEN.len()).any(|part| part.eq_ignore_ascii_case(OPEN)) {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        }
    }

    /// What a web server says that it is.
    pub const fn content_type(self) -> &'static std::ffi::CStr {
        match self {
            Format::Prometheus => c"text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => c"application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes what stores have counted, each under its name as the label `store`.
pub fn write<N: AsRef<str>>(stores: &[(N, Snapshot)], format: Format) -> String {
    let mut text = String::new();
    let stores: Vec<_> = stores.iter().map(|(name, it)| (name.as_ref(), it.metrics())).collect();
    // A metric's samples stand together, whatever stores have it.
    let mut names: Vec<&str> = Vec::new();
    for metric in stores.iter().flat_map(|(_, metrics)| metrics) {
        if !names.contains(&metric.name) {
            names.push(metric.name);
            head(&mut text, metric, format);
            for (store, metrics) in &stores {
                for it in metrics.iter().filter(|it| it.name == metric.name) {
                    samples(it).iter().for_each(|sample| sample.write(&mut text, Some(store)));
                }
            }
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

/// What of one store is not zero, line by line, but for the buckets of histograms: for people.
pub fn summary(store: Option<&str>, snapshot: &Snapshot) -> Vec<String> {
    let mut text = String::new();
    for metric in snapshot.metrics() {
        let told = samples(&metric).into_iter().filter(|it| it.value != "0" && !it.is_bucket());
        told.for_each(|sample| sample.write(&mut text, store));
    }
    text.lines().map(str::to_owned).collect()
}

fn head(text: &mut String, metric: &Metric, format: Format) {
    let Metric { name, help, .. } = metric;
    let kind = kind(metric);
    // OpenMetrics names the family, the other what its samples are called.
    let total = if kind == "counter" && format == Format::Prometheus { "_total" } else { "" };
    let _ = writeln!(text, "# HELP {name}{total} {help}\n# TYPE {name}{total} {kind}");
}

fn kind(metric: &Metric) -> &'static str {
    match metric.members.first() {
        Some((_, Value::Counter(_))) => "counter",
        Some((_, Value::Histogram(_))) => "histogram",
        _ => "gauge",
    }
}

/// A number, and what it is of.
struct Sample {
    name: String,
    labels: Vec<(&'static str, &'static str)>,
    value: String,
}

const BOUND: &str = "le";

fn samples(metric: &Metric) -> Vec<Sample> {
    let Metric { name, label, members, .. } = metric;
    let of_member = |(member, value): &(&'static str, Value)| {
        let own: Vec<_> =
            [(*label, *member)].into_iter().filter(|(label, _)| !label.is_empty()).collect();
        let sample = |ending: &str, further: Option<&'static str>, value: String| {
            let labels = own.iter().copied().chain(further.map(|bound| (BOUND, bound))).collect();
            Sample { name: format!("{name}{ending}"), labels, value }
        };
        match value {
            Value::Counter(count) => vec![sample("_total", None, count.to_string())],
            Value::Gauge(now) => vec![sample("", None, now.to_string())],
            Value::Histogram(times) => {
                let buckets = times
                    .buckets()
                    .map(|(bound, count)| sample("_bucket", Some(bound), count.to_string()));
                let all = [
                    sample("_sum", None, times.sum.to_string()),
                    sample("_count", None, times.count().to_string()),
                ];
                buckets.chain(all).collect()
            }
        }
    };
    members.iter().flat_map(of_member).collect()
}

impl Sample {
    fn is_bucket(&self) -> bool {
        self.labels.iter().any(|(label, _)| *label == BOUND)
    }

    fn write(&self, text: &mut String, store: Option<&str>) {
        let Sample { name, labels, value } = self;
        let store = store.map(|store| ("store", escape(store)));
        let own = labels.iter().map(|(label, value)| (*label, (*value).to_owned()));
        let all: Vec<_> =
            store.into_iter().chain(own).map(|(label, it)| format!("{label}=\"{it}\"")).collect();
        let all = if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) };
        let _ = writeln!(text, "{name}{all} {value}");
    }
}

/// As the value of a label is spelled.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
