//! What the agent tells: systemd, and whoever reads its log. Each thing once.

use std::path::Path;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::error::{Error, ErrorKind};
use crate::feed::replica::State;

const TELL_STATUS: Duration = Duration::from_secs(1);

/// So many are known from others that were not told yet.
const MOST_TROUBLES: usize = 16;

pub(crate) struct Report {
    tell: fn(&str),
    /// What is in the way, each thing as it was told; the last is the newest.
    troubles: Vec<String>,
    /// What is in the way of trimming the log, which is in nobody's way otherwise.
    untrimmed: Option<String>,
    is_behind: bool,
    /// What is done is begun again and again, in vain.
    has_no_place: bool,
    is_ready: bool,
    told: Option<Instant>,
}

impl Report {
    pub(crate) fn new(tell: fn(&str)) -> Self {
        Report {
            tell,
            troubles: Vec::new(),
            untrimmed: None,
            is_behind: false,
            has_no_place: false,
            is_ready: false,
            told: None,
        }
    }

    pub(crate) fn say(&self, what: &str) {
        (self.tell)(what);
    }

    /// A new configuration cannot be.
    pub(crate) fn goes_on(&self, error: &Error) {
        self.say(&format!("goes on with what it had: {error:#}"));
    }

    /// Something that takes a while has begun, or ended.
    pub(super) fn does(&self, what: &str) {
        if !self.has_no_place {
            self.say(what);
        }
    }

    /// The replica cannot be written.
    pub(crate) fn unwritable(&mut self, error: &Error) {
        self.failed(error);
        self.behind();
        self.has_no_place = true;
    }

    /// Another replica is made in the room of the one that could not be changed.
    pub(crate) fn begins_another(&mut self, path: &Path) {
        let reason =
            "has no room even for what would make it smaller: another is made in its place";
        self.failed(&Error::new(ErrorKind::NoSpace, "write", path.to_string_lossy(), reason));
    }

    /// The database was heard in time, and of all that there is.
    pub(super) fn heard(&mut self) {
        if !self.troubles.is_empty() || self.is_behind {
            self.say("hears from the database again");
        }
        self.troubles.clear();
        self.is_behind = false;
        self.has_no_place = false;
    }

    /// It was heard too late, or not at all.
    pub(super) fn behind(&mut self) {
        if !self.is_behind {
            self.is_behind = true;
            self.say("the replica's news is too old, readers ask the database");
        }
    }

    pub(super) fn trimmed(&mut self, error: Option<&Error>) {
        let text = error.map(|error| format!("cannot trim the change log: {error:#}"));
        if let Some(text) = text.as_ref().filter(|text| self.untrimmed.as_ref() != Some(text)) {
            self.say(text);
        }
        self.untrimmed = text;
    }

    /// Something failed, which is tried again. One of several servers may fail in another way
    /// than the next, in turn.
    pub(super) fn failed(&mut self, error: &Error) {
        let text = format!("{error:#}");
        match self.troubles.iter().position(|trouble| *trouble == text) {
            Some(known) => {
                self.troubles.remove(known);
            }
            None => self.say(&text),
        }
        self.troubles.push(text);
        if self.troubles.len() > MOST_TROUBLES {
            self.troubles.remove(0);
        }
    }

    /// Tells systemd, which may start what needs the replica when it is complete, and ends an
    /// agent that tells nothing any more.
    pub(super) fn turn(&mut self, state: &State, is_current: bool) {
        let mut news = vec![NotifyState::Watchdog];
        if is_current && self.troubles.is_empty() && !self.is_ready {
            self.is_ready = true;
            news.push(NotifyState::Ready);
        }
        let status = match self.troubles.last() {
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::error::ErrorKind;

    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

    /// As two servers that are down in two ways, of which one is tried after the other.
    #[test]
    fn each_trouble_is_told_once() {
        let mut report = Report::new(|what| TOLD.lock().unwrap().push(what.to_owned()));
        let told = || std::mem::take(&mut *TOLD.lock().unwrap());
        let error =
            |reason: &str| Error::new(ErrorKind::Unavailable, "connect", "db", reason.to_owned());
        for _ in 0..3 {
            for reason in ["refused", "timed out"] {
                report.failed(&error(reason));
                report.behind();
            }
        }
        assert_eq!(told().len(), 3);
        report.heard();
        report.heard();
        assert_eq!(told(), ["hears from the database again"]);
        report.failed(&error("refused"));
        assert_eq!(told().len(), 1);
        (0..100).for_each(|number| report.failed(&error(&number.to_string())));
        assert_eq!(report.troubles.len(), MOST_TROUBLES);
    }
}
