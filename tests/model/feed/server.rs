//! The database: a table of two rows and its change log.

use super::follower::{Answer, Entry, Fingerprint, MODULUS, Question};
use super::gaps::Range;

/// Which write a row comes from: the first two were there before, the writer `of` writes
/// `of + 2`.
pub(super) type Version = usize;

const VERSIONS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Commit {
    version: Version,
    key: usize,
    number: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Server {
    /// Its own; the successor has the next.
    pub(super) number: u8,
    pub(super) rows: [Version; 2],
    /// In the order in which they became visible.
    log: Vec<Commit>,
    next: u64,
    /// When a version ceased to be what the table has.
    gone: [Option<u8>; VERSIONS],
}

impl Server {
    pub(super) fn new() -> Self {
        Server { number: 0, rows: [0, 1], log: Vec::new(), next: 1, gone: [None; VERSIONS] }
    }

    pub(super) fn take_number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn commit(&mut self, of: usize, key: usize, number: u64, now: u8) -> Version {
        let version = of + 2;
        self.gone[self.rows[key]] = Some(now);
        self.rows[key] = version;
        self.log.push(Commit { version, key, number });
        version
    }

    pub(super) fn commits(&self) -> usize {
        self.log.len()
    }

    /// Becomes its successor, which has not got its last commits, nor what nobody has committed.
    pub(super) fn lose(&mut self, lost: usize, now: u8) {
        self.number += 1;
        for _ in 0..lost {
            let Some(commit) = self.log.pop() else { return };
            let before = self.log.iter().rfind(|before| before.key == commit.key);
            let before = before.map_or(commit.key, |before| before.version);
            self.gone[commit.version] = Some(now);
            self.gone[before] = None;
            self.rows[commit.key] = before;
        }
        self.next = self.log.iter().map(|commit| commit.number + 1).max().unwrap_or(1);
    }

    pub(super) fn gone(&self, version: Version) -> Option<u8> {
        self.gone[version]
    }

    pub(super) fn has(&self, version: Version) -> bool {
        self.log.iter().any(|commit| commit.version == version)
    }

    /// Whether a version was not committed before another that is there.
    pub(super) fn is_not_before(&self, version: Version, own: Version) -> bool {
        let place = |of: Version| self.log.iter().position(|commit| commit.version == of);
        // What is lost comes after what is not.
        version > 1 && place(version).is_none_or(|at| Some(at) >= place(own))
    }

    fn entry(commit: &Commit) -> Entry {
        let changed_at = i64::try_from(commit.version).unwrap();
        Entry { number: commit.number, key: commit.key.to_string(), changed_at }
    }

    /// Of the entries in there.
    pub(super) fn numbers(&self, range: Range) -> Vec<u64> {
        self.log.iter().map(|commit| commit.number).filter(|it| range.contains(*it)).collect()
    }

    /// All at one moment.
    pub(super) fn answer(&self, question: &Question, page: usize) -> Answer {
        let asked = |ranges: &[Range], number| ranges.iter().any(|it| it.contains(number));
        let mut from: Vec<_> = self.log.iter().filter(|it| it.number >= question.from).collect();
        from.sort_unstable_by_key(|commit| commit.number);
        let rest = self.log.iter().filter(|it| asked(&question.ranges, it.number));
        // The entry that was seen last is no news.
        let entries = from.iter().take(page.saturating_add(1)).copied().chain(rest);
        let entries = entries.map(Self::entry).collect();
        let compared = question.compared.iter().flatten().copied().collect::<Vec<_>>();
        let compared = self.log.iter().filter(|it| asked(&compared, it.number)).map(Self::entry);
        let fingerprint = compared.fold(Fingerprint::default(), |sum, entry| Fingerprint {
            count: sum.count + 1,
            sum: sum.sum + entry.changed_at % MODULUS,
        });
        Answer {
            session: self.number.to_string(),
            entries,
            is_whole: from.len() <= page.saturating_add(1),
            count: question.counted.map_or(0, |range| self.numbers(range).len() as u64),
            compared: fingerprint,
        }
    }
}
