//! What a store has counted, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use super::Result;

/// Where nginx answers with them.
pub const LOCATION: &str = "location = /metrics { ezdfs_metrics; }\n";

/// Samples by name and labels, that of the store left out: `ezdfs_lookups_total{source="kept"}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Those of one store among what a server has answered.
    pub fn parse(text: &str, store: &str) -> Result<Self> {
        let mut metrics = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (sample, value) = line.rsplit_once(' ').ok_or("no value")?;
            let own = format!("{{store=\"{store}\"");
            let Some((name, labels)) = sample.split_once(&own) else { continue };
            let labels = labels.trim_start_matches(',');
            let sample = if labels == "}" { name.to_owned() } else { format!("{name}{{{labels}") };
            metrics.0.insert(sample, value.parse()?);
        }
        Ok(metrics)
    }

    #[track_caller]
    pub fn get(&self, sample: &str) -> f64 {
        let known = || {
            self.0.keys().fold(String::new(), |mut all, it| {
                let _ = writeln!(all, "{it}");
                all
            })
        };
        *self.0.get(sample).unwrap_or_else(|| panic!("no {sample:?} among\n{}", known()))
    }

    /// By how much each sample has grown since.
    pub fn since(&self, before: &Self) -> Self {
        let grown = |(sample, now): (&String, &f64)| {
            (sample.clone(), now - before.0.get(sample).unwrap_or(&0.0))
        };
        Self(self.0.iter().map(grown).collect())
    }

    /// The samples that are not zero.
    pub fn moved(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| **value != 0.0).map(|(sample, _)| sample.as_str())
    }

    /// All there are.
    pub fn samples(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// What Prometheus' own tool finds wrong with metrics.
pub fn lint(text: &str) -> Result<String> {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = promtool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    std::io::Write::write_all(&mut stdin, text.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
