//! As Prometheus reads it.

use std::fmt::Write as _;

use super::snapshot::{Histogram, Metric, Snapshot, Value};

/// How a snapshot is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What a web server says that it is.
    pub const fn content_type(self) -> &'static std::ffi::CStr {
        match self {
            Format::Prometheus => c"text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => c"application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes what stores have counted, each under its name as the label `store`.
pub fn write(stores: &[(&str, Snapshot)], format: Format) -> String {
    let mut text = String::new();
    let stores: Vec<_> =
        stores.iter().map(|(name, snapshot)| (escape(name), snapshot.metrics())).collect();
    // A metric's samples stand together, whatever stores have it.
    let mut names: Vec<&str> = Vec::new();
    for metric in stores.iter().flat_map(|(_, metrics)| metrics) {
        if !names.contains(&metric.name) {
            names.push(metric.name);
            head(&mut text, metric, format);
            for (store, metrics) in &stores {
                metrics
                    .iter()
                    .filter(|it| it.name == metric.name)
                    .for_each(|it| samples(&mut text, store, it));
            }
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
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

fn samples(text: &mut String, store: &str, metric: &Metric) {
    let Metric { name, label, members, .. } = metric;
    for (value_of_label, value) in members {
        let mut labels = format!("store=\"{store}\"");
        if !label.is_empty() {
            let _ = write!(labels, ",{label}=\"{value_of_label}\"");
        }
        let _ = match value {
            Value::Counter(count) => writeln!(text, "{name}_total{{{labels}}} {count}"),
            Value::Gauge(now) => writeln!(text, "{name}{{{labels}}} {now}"),
            Value::Histogram(times) => buckets(text, name, &labels, times),
        };
    }
}

fn buckets(
    text: &mut String,
    name: &str,
    labels: &str,
    times: &Histogram,
) -> Result<(), std::fmt::Error> {
    let bounds = Histogram::BOUNDS.into_iter().chain(["+Inf"]);
    for (bound, count) in bounds.zip(times.cumulative) {
        writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}")?;
    }
    writeln!(text, "{name}_sum{{{labels}}} {}", times.sum)?;
    writeln!(text, "{name}_count{{{labels}}} {}", times.count())
}

/// As the value of a label is spelled.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
