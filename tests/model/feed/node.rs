//! The node: an agent that fills a replica.

use std::time::Duration;

use super::follower::{Follower, Heard, Position, Question};
use super::server::{Server, Version};
use super::{Feed, Flaw, LAG, State};

/// A row in the replica.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Copied {
    pub(super) version: Version,
    /// Another one after each change: what open files go by.
    pub(super) mark: u64,
}

/// What outlives the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Replica {
    is_complete: bool,
    pub(super) rows: [Copied; 2],
    position: Option<Position>,
    /// All that was committed by then is in it.
    pub(super) heard: Option<u8>,
    /// Never given twice.
    next_mark: u64,
}

impl Replica {
    pub(super) fn is_fresh(&self, now: u8) -> bool {
        self.is_complete && self.heard.is_some_and(|heard| now <= heard + LAG)
    }

    fn put(&mut self, key: usize, version: Version, number: Option<u64>) {
        self.next_mark += 1;
        self.rows[key] = Copied { version, mark: number.unwrap_or(self.next_mark) };
    }
}

/// A row that changed, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Change {
    key: usize,
    version: Version,
    number: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    heard: u8,
    changes: Vec<Change>,
    is_whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Agent {
    Down,
    /// Reads the row of this key next. Without a follower, it does not know yet from where on it
    /// has to follow.
    Scanning(usize, Option<Follower>),
    Following(Follower),
    /// The statement is on its way.
    Asked {
        follower: Follower,
        heard: u8,
        /// What a flawed agent has read beforehand.
        rows: [Version; 2],
    },
    /// What changed is known, and not what it is now: a flawed agent asks for it.
    Heard(Follower, Batch),
    Read(Follower, Batch),
    /// The position is stored, and not the rows: by a flawed agent.
    Stored(Follower, Batch),
}

impl State {
    pub(super) fn agent_goes_on(&mut self, feed: &Feed) {
        self.agent = match std::mem::replace(&mut self.agent, Agent::Down) {
            Agent::Down => self.start(feed),
            Agent::Scanning(key, follower) => self.scan(key, follower, feed),
            Agent::Following(follower) => {
                Agent::Asked { follower, heard: self.now, rows: self.server.rows }
            }
            Agent::Asked { follower, heard, rows } => {
                let server = self.server.clone();
                self.answer(&server, follower, heard, rows, feed)
            }
            Agent::Heard(follower, mut batch) => {
                let rows = self.server.rows;
                batch.changes.iter_mut().for_each(|change| change.version = rows[change.key]);
                Agent::Read(follower, batch)
            }
            Agent::Read(follower, batch) => self.store(follower, batch, feed),
            Agent::Stored(follower, batch) => {
                self.put(&batch, feed);
                Agent::Following(follower)
            }
        };
    }

    pub(super) fn former_answers(&mut self, feed: &Feed) {
        let former = self.former.clone();
        let agent = std::mem::replace(&mut self.agent, Agent::Down);
        let (Some(former), Agent::Asked { follower, heard, rows }) = (former, agent) else {
            return;
        };
        self.agent = match feed.flaw {
            Some(Flaw::FormerServer) => self.answer(&former, follower, heard, rows, feed),
            // It says that it takes no writes.
            _ => Agent::Following(follower),
        };
    }

    fn start(&mut self, feed: &Feed) -> Agent {
        if let Some(position) = self.replica.position.take_if(|_| self.replica.is_complete) {
            self.replica.position = Some(position.clone());
            return Agent::Following(Follower::resume(position, feed.most_gaps, self.clock()));
        }
        self.replica.is_complete = false;
        match feed.flaw {
            Some(Flaw::ScanBeforePosition) => Agent::Scanning(0, None),
            _ => Agent::Scanning(0, Some(self.begin(feed))),
        }
    }

    fn clock(&self) -> Duration {
        Duration::from_secs(self.now.into())
    }

    /// Passes over what was committed before.
    fn begin(&self, feed: &Feed) -> Follower {
        let mut follower = Follower::new(0, feed.most_gaps);
        let question = follower.question();
        let answer = self.server.answer(&question, usize::MAX);
        follower.hear(&question, &answer, self.clock());
        follower
    }

    fn scan(&mut self, key: usize, follower: Option<Follower>, feed: &Feed) -> Agent {
        if let Some(version) = self.server.rows.get(key).copied() {
            self.replica.put(key, version, feed.is_flawed(Flaw::MarkIsNumber).then_some(0));
            return Agent::Scanning(key + 1, follower);
        }
        let mut follower = follower.unwrap_or_else(|| self.begin(feed));
        if !feed.is_flawed(Flaw::ScanAcrossServers) {
            follower.read_ahead();
        }
        if feed.is_flawed(Flaw::CompleteAfterScan) {
            self.replica.is_complete = true;
            self.replica.heard = Some(self.now);
        }
        Agent::Following(follower)
    }

    fn answer(
        &mut self,
        server: &Server,
        mut follower: Follower,
        heard: u8,
        before: [Version; 2],
        feed: &Feed,
    ) -> Agent {
        if let Some(range) = follower.suspect() {
            follower.found(&server.numbers(range));
        }
        let question = follower.question();
        let asked = match feed.flaw {
            Some(Flaw::NoGaps) => Question { ranges: Vec::new(), ..question.clone() },
            _ => question.clone(),
        };
        let mut answer = server.answer(&asked, feed.page);
        if feed.is_flawed(Flaw::NoLastBatch) && self.replica.is_complete {
            answer.session = "the same".to_owned();
        }
        let was_whole = answer.is_whole;
        answer.is_whole |= feed.is_flawed(Flaw::PagesAcrossServers);
        let (numbers, is_whole) = match follower.hear(&question, &answer, self.clock()) {
            Heard::Again => return Agent::Asked { follower, heard, rows: before },
            Heard::Lost(_) => {
                self.replica.is_complete = false;
                return Agent::Down;
            }
            Heard::New { numbers, is_whole } => (numbers, is_whole),
        };
        let rows = match feed.flaw {
            Some(Flaw::RowsBeforeEntries) => before,
            _ => server.rows,
        };
        let new = answer.entries.iter().filter(|entry| numbers.contains(&entry.number));
        let changes = new.map(|entry| {
            let key = entry.key.parse().expect("a key of the model");
            Change { key, version: rows[key], number: entry.number }
        });
        let is_whole = (is_whole && was_whole) || feed.is_flawed(Flaw::HeardThoughNotWhole);
        let batch = Batch { heard, changes: changes.collect(), is_whole };
        match feed.flaw {
            Some(Flaw::RowsAfterEntries) => Agent::Heard(follower, batch),
            _ => Agent::Read(follower, batch),
        }
    }

    /// One transaction of the replica's.
    fn store(&mut self, follower: Follower, batch: Batch, feed: &Feed) -> Agent {
        if feed.is_flawed(Flaw::PositionBeforeRows) {
            self.replica.position = Some(follower.position());
            return Agent::Stored(follower, batch);
        }
        self.put(&batch, feed);
        self.replica.position = Some(follower.position());
        Agent::Following(follower)
    }

    fn put(&mut self, batch: &Batch, feed: &Feed) {
        for change in &batch.changes {
            let number = feed.is_flawed(Flaw::MarkIsNumber).then_some(change.number);
            self.replica.put(change.key, change.version, number);
        }
        if batch.is_whole {
            let is_late = feed.is_flawed(Flaw::HeardWhenApplied);
            self.replica.heard = Some(if is_late { self.now } else { batch.heard });
            self.replica.is_complete = true;
        }
    }
}
