//! What the agent tells: systemd, and whoever reads its log. Each thing once.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::error::Error;
use crate::feed::replica::State;

const TELL_STATUS: Duration = Duration::from_secs(1);

pub(crate) struct Report {
    tell: fn(&str),
    /// What is in the way, as it was told.
    trouble: Option<String>,
    /// What is in the way of trimming the log, which is in nobody's way otherwise.
    untrimmed: Option<String>,
    is_behind: bool,
    is_ready: bool,
    told: Option<Instant>,
}

impl Report {
    pub(crate) fn new(tell: fn(&str)) -> Self {
        Report {
            tell,
            trouble: None,
            untrimmed: None,
            is_behind: false,
            is_ready: false,
            told: None,
        }
    }

    pub(crate) fn say(&self, what: &str) {
        (self.tell)(what);
    }

    /// The database was heard.
    pub(super) fn heard(&mut self) {
        if self.trouble.take().is_some() {
            self.say("hears from the database again");
        }
        self.is_behind = false;
    }

    pub(super) fn trimmed(&mut self, error: Option<&Error>) {
        let text = error.map(|error| format!("cannot trim the change log: {error:#}"));
        if let Some(text) = text.as_ref().filter(|text| self.untrimmed.as_ref() != Some(text)) {
            self.say(text);
        }
        self.untrimmed = text;
    }

    /// Something failed, which is tried again.
    pub(crate) fn failed(&mut self, error: &Error, silence: Duration, max_lag: Duration) {
        let text = format!("{error:#}");
        if self.trouble.as_ref() != Some(&text) {
            self.say(&text);
            self.trouble = Some(text);
        }
        if silence > max_lag && !self.is_behind {
            self.is_behind = true;
            self.say("the replica's news is too old, readers ask the database");
        }
    }

    /// Tells systemd, which may start what needs the replica when it is complete, and ends an
    /// agent that tells nothing any more.
    pub(super) fn turn(&mut self, state: &State, is_current: bool) {
        let mut news = vec![NotifyState::Watchdog];
        if is_current && self.trouble.is_none() && !self.is_ready {
            self.is_ready = true;
            news.push(NotifyState::Ready);
        }
        let status = match &self.trouble {
            Some(trouble) => trouble.clone(),
            None if is_current => {
                format!(
                    "{} rows, {} changes, {} repaired",
                    state.rows, state.changes, state.repaired
                )
            }
            None => format!("reads the table: {} rows", state.rows),
        };
        if self.told.is_none_or(|told| told.elapsed() >= TELL_STATUS) || news.len() > 1 {
            self.told = Some(Instant::now());
            news.push(NotifyState::Status(&status));
        }
        // Nobody listens where systemd does not run.
        let _ = sd_notify::notify(&news);
    }
}
