//! Keeps this node's replica true: reads the table once, follows the change log from then on,
//! and compares both slowly, for what no change tells. HTTP caches are told of each change when
//! the replica has it.
//!
//! Nothing depends on it. Where it stops, the news of the replica grows old, and readers ask
//! the database.

mod compare;
pub(crate) mod http_caches;
mod pace;
mod report;
mod wishes;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::feed::replica::{
    Batch, Buckets, Identity, Part, State, Writer, guessed_rows, key_of, now,
};
use crate::feed::{Follower, Position, clock};
use crate::index::{Change, FeedState, Index, MOST_GAPS, PAGE, Polled};
use crate::name::Key;
use crate::random;
use crate::runtime;
use crate::stats::{Counter, Gauge};
use crate::store::{Process, Store, unix_time};

use compare::Comparison;
use http_caches::HttpCaches;
use pace::Pace;
pub(crate) use report::Report;
pub(crate) use wishes::{End, Wishes};

/// How often it is looked for readers that are no more.
const LOOK_AFTER_READERS: Duration = Duration::from_secs(5);

/// How often entries are taken out of the change log.
const TRIM: Duration = Duration::from_secs(60);

/// How often it is looked whether changes are written to the log still.
const LOOK_AT_FEED: Duration = Duration::from_secs(1);

/// How the agent works.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Between two questions to the change log.
    pub(crate) poll_interval: Duration,
    /// Rows a second that are read when the replica is made.
    pub(crate) scan_rate: Option<u64>,
    /// Rows a second that are compared; none where it is 0.
    pub(crate) compare_rate: u64,
    /// How long entries stay in the change log.
    pub(crate) keep: Duration,
    /// Those that are told of changes.
    pub(crate) http_caches: Option<http_caches::Settings>,
}

pub(crate) struct Agent<'a> {
    process: Arc<Process>,
    settings: &'a Settings,
    max_lag: Duration,
    writer: Writer,
    state: State,
    /// None before the log was found, and after it has turned out to be another.
    follower: Option<Follower>,
    /// What the replica says of where the follower stands.
    stored: Option<Position>,
    scan: Option<Scan>,
    comparison: Comparison,
    readers: Pace,
    trim: Pace,
    feed: Pace,
    http_caches: Option<HttpCaches>,
    heard: Instant,
    /// Whether the database was heard since the table was read.
    is_current: bool,
}

/// How far the table has been read.
struct Scan {
    /// The key of the last row, as the table has it, and the last that a name can have.
    after: Option<String>,
    part: Part,
    pace: Pace,
}

impl<'a> Agent<'a> {
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] where the store has no replica or another agent has it, and
    /// where no host is known under which HTTP caches have its files.
    pub(crate) fn open(store: &Store, settings: &'a Settings) -> Result<Self> {
        let options = store.options();
        let path: &Path = options.replica.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "option", "replica", "required but not set")
        })?;
        let identity = Identity::of(options);
        let writer = Writer::open(path, &identity)?;
        let state = writer.state()?;
        let position = if state.is_complete { writer.position()? } else { None };
        let process = store.process()?;
        let http_caches = settings.http_caches.as_ref();
        let http_caches = http_caches.map(|it| HttpCaches::start(it, options, &process));
        Ok(Agent {
            process,
            settings,
            max_lag: options.replica_max_lag,
            stored: position.clone(),
            follower: position.map(|position| Follower::resume(position, MOST_GAPS, clock())),
            scan: None,
            comparison: Comparison::new(settings.compare_rate),
            readers: Pace::every(LOOK_AFTER_READERS),
            trim: Pace::every(TRIM),
            feed: Pace::every(LOOK_AT_FEED),
            http_caches: http_caches.transpose()?,
            heard: Instant::now(),
            is_current: false,
            writer,
            state,
        })
    }

    /// Works until it is told to end.
    ///
    /// # Errors
    ///
    /// Those of the replica's file system. Those of the database are told, and are over when
    /// it is back.
    pub(crate) fn run(mut self, wishes: &Wishes, report: &mut Report) -> Result<End> {
        loop {
            if let Some(end) = wishes.end() {
                return Ok(end);
            }
            if self.writer.is_to_be_made_anew() {
                report.say("makes the replica anew, as was asked for");
                self.writer.give_up()?;
                return Ok(End::MakeAnew);
            }
            let start = Instant::now();
            match self.turn(report) {
                Ok(()) if self.is_behind() => report.behind(),
                Ok(()) if self.is_current => report.heard(),
                Ok(()) => {}
                Err(error) if error.kind().is_of_storage() => return Err(error),
                Err(error) => {
                    report.failed(&error);
                    if self.is_behind() {
                        report.behind();
                    }
                }
            }
            report.turn(&self.state, self.is_current);
            wishes.sleep(self.settings.poll_interval.saturating_sub(start.elapsed()));
        }
    }

    /// Whether readers have given the replica up.
    fn is_behind(&self) -> bool {
        self.state.is_complete && self.heard.elapsed() > self.max_lag
    }

    fn index(&self) -> &Index {
        self.process.index()
    }

    /// One question to the change log, and what there is time for besides.
    fn turn(&mut self, report: &mut Report) -> Result<()> {
        let until = Instant::now() + self.settings.poll_interval;
        if self.feed.is_due() {
            self.look_at_feed(report)?;
        }
        self.poll(report)?;
        if self.state.is_complete && self.state.buckets.are_too_few_for(self.state.rows) {
            self.begin("reads the table anew: it has become many times larger", report)?;
        }
        while self.scan.as_mut().is_some_and(|scan| scan.pace.is_due()) {
            self.scan_page(report)?;
            if Instant::now() >= until {
                break;
            }
        }
        if self.state.is_complete {
            self.compare(report)?;
        }
        if self.readers.is_due() {
            self.writer.forget_the_dead()?;
        }
        if self.trim.is_due() {
            let trimmed = runtime::block_on(self.index().trim_feed(self.settings.keep));
            report.trimmed(trimmed.err().as_ref());
        }
        Ok(())
    }

    fn poll(&mut self, report: &mut Report) -> Result<()> {
        let heard_at = now();
        let asked = Instant::now();
        let Some(mut follower) = self.follower.take() else {
            return self.begin("reads the table", report);
        };
        match runtime::block_on(self.process.index().poll_feed(&mut follower, clock())) {
            Err(error) => {
                if error.kind() == ErrorKind::Schema {
                    // Says what there is to do where there is no log any more.
                    self.require_feed()?;
                }
                self.follower = Some(follower);
                Err(error)
            }
            Ok(Polled::Lost(reason)) => {
                self.begin(&format!("reads the table anew: {reason}"), report)
            }
            Ok(Polled::Changes { changes, is_whole }) => {
                self.follower = Some(follower);
                self.apply(&changes, is_whole.then_some(heard_at))?;
                if let Some(caches) = &self.http_caches {
                    caches.changed(changes.iter().map(|change| &*change.name));
                }
                self.count(changes.len(), is_whole);
                if is_whole {
                    self.heard = asked;
                    self.is_current = self.state.is_complete;
                    self.comparison.heard(&changes);
                }
                Ok(())
            }
        }
    }

    fn count(&self, changes: usize, is_whole: bool) {
        let stats = self.process.stats();
        stats.count(Counter::Polls);
        stats.add(Counter::Changes, changes as u64);
        if is_whole {
            stats.set(Gauge::HeardAt, unix_time().unsigned_abs());
        }
        stats.set(Gauge::ReplicaComplete, u64::from(self.state.is_complete));
        stats.set(Gauge::ReplicaRows, self.state.rows);
    }

    /// Whether all that changed is in the log that is followed: a trigger that was missing for a
    /// while has told nothing of it.
    fn look_at_feed(&mut self, report: &mut Report) -> Result<()> {
        if self.follower.is_none()
            || runtime::block_on(self.index().feed_mark())? == self.state.feed
        {
            return Ok(());
        }
        self.follower = None;
        self.distrust()?;
        self.begin("reads the table anew: the triggers of the change log are others", report)
    }

    /// Notes where the log stands, and reads the whole table from then on.
    fn begin(&mut self, what: &str, report: &mut Report) -> Result<()> {
        let feed = self.require_feed()?;
        self.process.stats().count(Counter::Scans);
        let follower = runtime::block_on(self.index().begin_feed(clock()))?;
        let scan = random::number().map_err(|error| {
            Error::new(ErrorKind::Internal, "scan", "table", "no random numbers").with_source(error)
        })?;
        self.follower = Some(follower);
        self.write(None, |_, state| {
            *state = State { is_complete: false, feed, scan, ..state.clone() };
            Ok(())
        })?;
        if let Some(caches) = &self.http_caches {
            caches.all_changed();
        }
        self.is_current = false;
        self.comparison = Comparison::new(self.settings.compare_rate);
        self.scan = Some(Scan {
            after: None,
            part: Part::default(),
            pace: Pace::of_rows(self.settings.scan_rate),
        });
        report.does(what);
        Ok(())
    }

    /// A log that not all changes are written to would be followed in vain. Gives the mark of
    /// its triggers.
    fn require_feed(&mut self) -> Result<u64> {
        let (state, mark) = runtime::block_on(self.index().marked_feed_state())?;
        let reason = match state {
            FeedState::There => return Ok(mark),
            FeedState::Absent => "there is no change log".to_owned(),
            FeedState::Broken(faults) => format!("the change log is broken: {}", faults.join("; ")),
        };
        self.distrust()?;
        let reason = format!("{reason}; `ezdfs schema --create-feed` makes it");
        Err(Error::new(ErrorKind::Schema, "follow", self.index().table(), reason))
    }

    /// Has no reader use it until the table has been read again.
    fn distrust(&mut self) -> Result<()> {
        if !self.state.is_complete {
            return Ok(());
        }
        self.is_current = false;
        self.write(None, |_, state| {
            state.is_complete = false;
            Ok(())
        })
    }

    /// Has the rows that changed as they are now.
    fn apply(&mut self, changes: &[Change], heard_at: Option<u64>) -> Result<()> {
        // What was read is the table's only when the same server has told what came since.
        let is_read = heard_at.is_some() && self.scan.is_none();
        self.write(heard_at, |batch, state| {
            for change in changes {
                // The first entry of a log is of no row.
                if let Some(key) = key_of(&change.key) {
                    batch.put(&key, change.row.as_ref())?;
                    state.changes += 1;
                }
            }
            state.is_complete |= is_read;
            Ok(())
        })
    }

    /// Shows readers a change of the replica, and notes with it where the follower stands.
    fn write(
        &mut self,
        heard_at: Option<u64>,
        change: impl FnOnce(&mut Batch<'_>, &mut State) -> Result<()>,
    ) -> Result<()> {
        let position = self.follower.as_ref().map(Follower::position);
        let mut state = self.state.clone();
        let mut batch = self.writer.begin()?;
        change(&mut batch, &mut state)?;
        if let Some(position) = position.as_ref().filter(|it| self.stored.as_ref() != Some(it)) {
            batch.set_position(position)?;
        }
        batch.commit(&mut state, heard_at)?;
        (self.state, self.stored) = (state, position);
        Ok(())
    }

    fn scan_page(&mut self, report: &mut Report) -> Result<()> {
        let (Some(scan), Some(follower)) = (&mut self.scan, &mut self.follower) else {
            return Ok(());
        };
        let (rows, last) = compare::page(&self.process, scan.after.as_deref(), PAGE)?;
        scan.pace.took(rows.len() as u64);
        follower.read_ahead();
        scan.part.to = last.as_ref().and_then(|_| rows.last().map(|(key, _)| *key));
        scan.after = last;
        let (part, is_last) = (scan.part.clone(), scan.after.is_none());
        if is_last || part.to.is_some() {
            scan.part.after = part.to;
            let buckets = part.after.is_none().then(|| self.buckets_for(rows.len(), part.to));
            self.write(None, |batch, _| {
                buckets.map_or(Ok(()), |buckets| batch.store_in(buckets))?;
                batch.put_part(&part, &rows).map(drop)
            })?;
        }
        if is_last {
            self.scan = None;
            report.does(&format!("has read the table: {} rows", self.state.rows));
        }
        Ok(())
    }

    /// How to store a table that begins with so many rows, up to a key where there are more. It
    /// has at least as many as were known before.
    fn buckets_for(&self, first: usize, last: Option<Key>) -> Buckets {
        let guessed = last.map_or(first as u64, |last| guessed_rows(first, &last));
        Buckets::for_rows(guessed.max(self.state.rows))
    }

    /// Looks at a further part of the table, and at what was other in the last one.
    fn compare(&mut self, report: &mut Report) -> Result<()> {
        let repairs = self.comparison.turn(&self.process, &self.writer)?;
        let Some(follower) = self.follower.as_mut().filter(|_| !repairs.is_empty()) else {
            return Ok(());
        };
        follower.read_ahead();
        self.write(None, |batch, state| {
            for (key, row) in &repairs {
                state.repaired += 1;
                batch.put(key, row.as_ref())?;
            }
            Ok(())
        })?;
        if let Some(caches) = &self.http_caches {
            // The replica does not know the name of a row that is gone.
            match repairs.iter().map(|(_, row)| row.as_ref()).collect::<Option<Vec<_>>>() {
                Some(rows) => caches.changed(rows.iter().map(|row| &*row.name)),
                None => caches.all_changed(),
            }
        }
        report.say(&format!("repaired {} rows that no change had told of", repairs.len()));
        Ok(())
    }
}
