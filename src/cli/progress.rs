//! Phase, percentage, rate and time to go, on one line of standard error.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use rustix::termios::tcgetwinsize;

use super::{diagnostics, output};
use crate::maintenance::{self, Phase};

/// In fewer columns there is no room for the numbers that the percentage is made of.
const WIDE: u16 = 60;

/// Nothing where standard error is no terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    phase: Option<Phase>,
    total: u64,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = match diagnostics::allows_progress() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress { bar, phase: None, total: 0 }
    }

    /// `total` is 0 where it is not known.
    pub(super) fn show(&mut self, phase: Phase, done: u64, total: u64) {
        // Others have added some since they were counted.
        let total = if done > total { 0 } else { total };
        if self.phase != Some(phase) || self.total != total {
            // The message last: what is drawn meanwhile is still told of the phase before.
            if self.phase != Some(phase) {
                self.bar.reset();
            }
            self.bar.set_length(total);
            self.bar.set_style(style(phase, total));
            self.bar.set_message(phase.name());
            (self.phase, self.total) = (Some(phase), total);
        }
        self.bar.set_position(done);
    }

    /// Prints something meanwhile.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(phase: Phase, total: u64) -> ProgressStyle {
    let is_wide = tcgetwinsize(io::stderr()).is_ok_and(|size| size.ws_col >= WIDE);
    let template = match (phase.is_of_bytes(), total, is_wide) {
        (false, 0, _) => "{spinner} {wide_msg} {pos} {rate} {elapsed}",
        (false, _, true) => "{spinner} {wide_msg} {pos}/{len} {percent}% {rate} {eta} to go",
        (false, _, false) => "{spinner} {wide_msg} {percent}% {rate} {eta}",
        (true, 0, _) => "{spinner} {wide_msg} {bytes} {bytes_per_sec} {elapsed}",
        (true, _, true) => {
            "{spinner} {wide_msg} {bytes}/{total_bytes} {percent}% {bytes_per_sec} {eta} to go"
        }
        (true, _, false) => "{spinner} {wide_msg} {percent}% {bytes_per_sec} {eta}",
    };
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_spinner()).with_key("rate", rate)
}

/// Three digits say enough.
fn rate(state: &ProgressState, out: &mut dyn Write) {
    let (rate, unit) = match state.per_sec() {
        rate if rate >= 999_500.0 => (rate / 1e6, "M"),
        rate if rate >= 999.5 => (rate / 1e3, "k"),
        rate => (rate, ""),
    };
    let decimals = if rate < 9.95 && !unit.is_empty() { 1 } else { 0 };
    // Of a line that cannot be drawn nobody wants to hear.
    let _ = write!(out, "{rate:.decimals$}{unit}/s");
}

impl maintenance::Progress for Progress {
    fn progress(&mut self, phase: Phase, done: u64, total: u64) {
        self.show(phase, done, total);
    }

    fn is_interrupted(&self) -> bool {
        output::is_interrupted()
    }
}
