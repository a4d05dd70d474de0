//! Follows a change log. Its numbers are taken when a row is written, and become visible when that
//! is committed: in another order, late, or never. A server that takes another's place may lack
//! what that one committed last, and give the same numbers again.
//!
//! No input, no output, no clock: `tests/model/feed.rs` plays all that can happen.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gaps::{Gaps, Range};

/// What a sum of times is made of: a day's fit into a column.
pub(crate) const MODULUS: i64 = 1_000_000_007;

/// In so many runs lie the numbers that can be compared.
pub(crate) const MOST_RUNS: usize = 1000;

/// A row of the change log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    /// The key of the row that changed.
    pub(crate) key: String,
    /// In microseconds, by the database's clock.
    pub(crate) changed_at: i64,
}

/// What is to be found out, all at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// The entries from this number on, the lowest first, as many as one likes.
    pub(crate) from: u64,
    /// The entries of these numbers.
    pub(crate) ranges: Vec<Range>,
    /// How many entries have these.
    pub(crate) counted: Option<Range>,
    /// What entries these are, if that is to be known.
    pub(crate) compared: Option<Vec<Range>>,
}

impl Question {
    /// Whether nothing but entries is asked for.
    pub(crate) fn is_of_entries(&self) -> bool {
        self.counted.is_none() && self.compared.is_none()
    }
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Answer {
    /// Another one where another server may have answered, or the same after it broke down.
    pub(crate) session: String,
    pub(crate) entries: Vec<Entry>,
    /// Whether there were no more.
    pub(crate) is_whole: bool,
    pub(crate) count: u64,
    pub(crate) compared: Fingerprint,
}

/// What tells entries from others of their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    pub(crate) count: u64,
    /// Of the times, each modulo [`MODULUS`].
    pub(crate) sum: i64,
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Heard {
    /// Somebody else has answered: nothing until it is asked again.
    Again,
    /// What was read from the table may be what the table never had.
    Lost(Loss),
    /// The entries of these numbers had not been seen.
    New {
        numbers: Vec<u64>,
        /// Nothing else was there to be seen.
        is_whole: bool,
    },
}

/// Why the table has to be read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Loss {
    Position,
    LastBatch,
    Incomparable,
    ReadAhead,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::Position => "the entry read last is gone from the change log, or another",
            Loss::LastBatch => "entries read last are gone from the change log, or others",
            Loss::Incomparable => "another server answers, and the last changes were too many",
            Loss::ReadAhead => "another server answers than that from which the table was read",
        })
    }
}

/// The entries that were committed last among those that were seen: none is lost before one of
/// these is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Batch {
    runs: Vec<Range>,
    fingerprint: Fingerprint,
    is_too_large: bool,
}

impl Batch {
    fn add(&mut self, entry: &Entry) {
        match self.runs.last_mut() {
            Some(run) if run.last + 1 == entry.number => run.last = entry.number,
            _ => self.runs.push(Range::of(entry.number)),
        }
        self.fingerprint.count += 1;
        self.fingerprint.sum += entry.changed_at % MODULUS;
        if self.runs.len() > MOST_RUNS {
            *self = Batch { is_too_large: true, ..Batch::default() };
        }
    }
}

/// What lasts longer than a process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Nothing from this number down is of interest.
    floor: u64,
    /// Of all entries that were seen, the one with the highest number.
    highest: Option<Entry>,
    gaps: Vec<Range>,
    last: Batch,
    has_read_ahead: bool,
}

/// Where somebody stands who reads a change log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Follower {
    floor: u64,
    highest: Option<Entry>,
    gaps: Gaps,
    last: Batch,
    /// Rows may be known as they became by changes whose entries were not seen.
    has_read_ahead: bool,
    session: Option<String>,
    /// So many gaps are asked for by themselves.
    most_gaps: usize,
    /// Where more entries were counted than seen.
    suspect: Option<Range>,
    /// Numbers that were found there.
    wanted: Vec<Range>,
}

impl Follower {
    /// Begins above a number: what has a lower one was committed before. Asks for so many gaps by
    /// themselves, and whether there is anything in the others.
    pub(crate) fn new(floor: u64, most_gaps: usize) -> Self {
        Follower {
            floor,
            highest: None,
            gaps: Gaps::default(),
            last: Batch::default(),
            has_read_ahead: false,
            session: None,
            most_gaps,
            suspect: None,
            wanted: Vec::new(),
        }
    }

    /// Goes on from where somebody stood.
    pub(crate) fn resume(position: Position, most_gaps: usize, now: Duration) -> Self {
        let Position { floor, highest, gaps, last, has_read_ahead } = position;
        let gaps = Gaps::noticed(&gaps, now);
        Follower { highest, gaps, last, has_read_ahead, ..Follower::new(floor, most_gaps) }
    }

    /// The highest number that was seen.
    fn number(&self) -> u64 {
        self.highest.as_ref().map_or(self.floor, |highest| highest.number)
    }

    pub(crate) fn position(&self) -> Position {
        let older = self.gaps.older(self.most_gaps);
        Position {
            floor: self.floor,
            highest: self.highest.clone(),
            // Few, in which more may have been seen than was.
            gaps: older.into_iter().chain(self.gaps.newest(self.most_gaps)).collect(),
            last: self.last.clone(),
            has_read_ahead: self.has_read_ahead,
        }
    }

    /// Rows were read otherwise than with their entries. Until all that there is has been seen
    /// after that, nothing tells that those rows' changes were lost.
    pub(crate) fn read_ahead(&mut self) {
        self.has_read_ahead = true;
    }

    /// The numbers of all entries in there are to be told to [`Follower::found`] first.
    pub(crate) fn suspect(&self) -> Option<Range> {
        self.suspect
    }

    pub(crate) fn found(&mut self, numbers: &[u64]) {
        let unseen = numbers.iter().filter(|number| self.gaps.contains(**number));
        self.wanted = unseen.copied().map(Range::of).collect();
        self.suspect = None;
    }

    pub(crate) fn question(&self) -> Question {
        let mut ranges = self.gaps.newest(self.most_gaps);
        ranges.extend(&self.wanted);
        Question {
            from: self.highest.as_ref().map_or(self.floor + 1, |highest| highest.number),
            ranges,
            counted: self.gaps.older(self.most_gaps),
            compared: self.session.is_none().then(|| self.last.runs.clone()),
        }
    }

    /// Takes an answer in. What follows is to be stored together with what is made of the new
    /// entries, or after it.
    pub(crate) fn hear(&mut self, question: &Question, answer: &Answer, now: Duration) -> Heard {
        if self.session.as_ref() != Some(&answer.session) {
            if question.compared.is_none() {
                self.session = None;
                return Heard::Again;
            }
            if let Some(loss) = self.compare(answer) {
                return Heard::Lost(loss);
            }
        }
        if !self.is_position_there(answer) {
            return Heard::Lost(Loss::Position);
        }
        self.session = Some(answer.session.clone());
        self.wanted.clear();
        let numbers = self.take(&answer.entries, now);
        if let Some(range) = question.counted
            && self.gaps.seen_within(range) != answer.count
        {
            self.suspect = Some(range);
        }
        self.gaps.forget(now);
        let is_whole = answer.is_whole && self.suspect.is_none();
        // Of an entry that is to come, the row may have come with another.
        self.has_read_ahead = !is_whole;
        Heard::New { numbers, is_whole }
    }

    fn compare(&self, answer: &Answer) -> Option<Loss> {
        if self.has_read_ahead {
            Some(Loss::ReadAhead)
        } else if self.last.is_too_large {
            Some(Loss::Incomparable)
        } else if self.last.fingerprint != answer.compared {
            Some(Loss::LastBatch)
        } else {
            None
        }
    }

    fn is_position_there(&self, answer: &Answer) -> bool {
        self.highest.as_ref().is_none_or(|highest| answer.entries.contains(highest))
    }

    /// Those that had not been seen, in the order of their numbers.
    fn take(&mut self, entries: &[Entry], now: Duration) -> Vec<u64> {
        let highest = self.number();
        let is_new = |entry: &&Entry| entry.number > highest || self.gaps.contains(entry.number);
        let mut new: Vec<_> = entries.iter().filter(is_new).collect();
        new.sort_unstable_by_key(|entry| entry.number);
        new.dedup_by_key(|entry| entry.number);
        if !self.has_read_ahead && !new.is_empty() {
            self.last = Batch::default();
        }
        for entry in &new {
            self.last.add(entry);
            self.see(entry, now);
        }
        new.iter().map(|entry| entry.number).collect()
    }

    fn see(&mut self, entry: &Entry, now: Duration) {
        let highest = self.number();
        if entry.number <= highest {
            return self.gaps.remove(entry.number);
        }
        if highest + 1 < entry.number {
            self.gaps.add(Range { first: highest + 1, last: entry.number - 1 }, now);
        }
        self.highest = Some(entry.clone());
    }
}
