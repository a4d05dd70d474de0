//! Which row a name has: as the replica says, remembered, or asked for, alone or in company.
//!
//! Callers know keys, facts and stamps and nothing of how they are kept.

mod batch;
mod confirms;
mod consulted;
mod facts;
mod rows;
mod written;

use std::future::Future;
use std::sync::Arc;

use crate::config::Options;
use crate::error::Result;
use crate::feed::replica::Known;
pub(crate) use crate::feed::replica::Version;
use crate::index::Index;
use crate::name::{FileName, Key};
use crate::stats::{Counter, Source, Stats};

use batch::Batch;
pub(crate) use batch::MOST_WAITING;
use consulted::{Consulted, Word};
pub(crate) use facts::{Facts, Kind};
pub(crate) use rows::Asked;
use rows::{Reading, Rows};

/// Which reading of a row it is: what was opened under one is good as long as the row is
/// known by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// The table was asked then; good for so long as rows are trusted.
    Asked(Asked),
    /// The replica has it in this version.
    Replicated(Version),
}

/// A row that is known.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// `None`: there is no live row.
    pub(crate) facts: Option<Facts>,
    pub(crate) stamp: Stamp,
    /// What knows it.
    pub(crate) source: Source,
    /// Whether it is time to ask again, ahead of its end.
    pub(crate) is_ageing: bool,
}

impl Hit {
    fn replicated(known: Known) -> Self {
        let Known { facts, version } = known;
        let stamp = Stamp::Replicated(version);
        Hit { facts: Some(facts), stamp, source: Source::Replica, is_ageing: false }
    }
}

/// A row as it was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// `None`: there is no live row.
    pub(crate) facts: Option<Facts>,
    pub(crate) stamp: Stamp,
    /// What has said so.
    pub(crate) source: Source,
}

impl From<Hit> for Found {
    fn from(hit: Hit) -> Self {
        let Hit { facts, stamp, source, .. } = hit;
        Found { facts, stamp, source }
    }
}

/// What answers which row there is.
#[derive(Debug)]
pub(crate) struct Lookup {
    index: Arc<Index>,
    replica: Option<Consulted>,
    rows: Rows,
    batch: Batch,
    stats: Arc<Stats>,
}

impl Lookup {
    pub(crate) fn new(options: &Options, index: Arc<Index>, stats: &Arc<Stats>) -> Self {
        let (replica, rows) = (Consulted::new(options), Rows::new(options, stats));
        Lookup { index, replica, rows, batch: Batch::default(), stats: Arc::clone(stats) }
    }

    /// Whether anything is known without asking the table.
    pub(crate) fn knows_rows(&self) -> bool {
        self.replica.is_some() || self.rows.is_on()
    }

    /// How old what the replica says is, in seconds, and whether it is used; `None` where there is
    /// none.
    pub(crate) fn replica_age(&self) -> Option<(Option<f64>, bool)> {
        self.replica.as_ref().map(Consulted::age)
    }

    /// What is known without waiting. Of a name that is not logged no replica has a say, here
    /// and below: the table of caches is not in it.
    pub(crate) fn known(&self, key: &Key, is_logged: bool) -> Option<Hit> {
        self.hit(key, self.word(key, is_logged))
    }

    /// The same; `None` where the row is to be found next, by which the table is asked.
    pub(crate) fn known_at_once(&self, key: &Key, is_logged: bool) -> Option<Hit> {
        self.known_unless(key, is_logged, Consulted::will_confirm)
    }

    /// What is known, but an absence only where the table is not to confirm it: it must not be
    /// asked too often.
    fn known_unless(
        &self,
        key: &Key,
        is_logged: bool,
        confirms: fn(&Consulted) -> bool,
    ) -> Option<Hit> {
        match self.word(key, is_logged) {
            Word::Unconfirmed if !self.replica.as_ref().is_some_and(confirms) => {
                Some(self.absent())
            }
            word => self.hit(key, word),
        }
    }

    /// What counts of what the replica says.
    fn word(&self, key: &Key, is_logged: bool) -> Word {
        let replica = self.replica.as_ref().filter(|_| is_logged);
        replica.map_or(Word::Nothing, |replica| replica.ask(key))
    }

    fn hit(&self, key: &Key, word: Word) -> Option<Hit> {
        match word {
            Word::Row(known) => Some(Hit::replicated(known)),
            Word::Unconfirmed => None,
            Word::Nothing => self.rows.get(key),
        }
    }

    /// Whether this is still the reading of the row that is known.
    pub(crate) fn is_current(&self, key: &Key, stamp: Stamp) -> bool {
        match stamp {
            Stamp::Asked(at) => self.rows.is_current(key, at),
            Stamp::Replicated(_) => self.known(key, true).is_some_and(|known| known.stamp == stamp),
        }
    }

    fn absent(&self) -> Hit {
        let stamp = Stamp::Asked(self.rows.now());
        Hit { facts: None, stamp, source: Source::Replica, is_ageing: false }
    }

    /// What is known, or what the table says.
    pub(crate) async fn find(&self, name: &FileName) -> Result<Found> {
        self.known_or(name, self.find_again(name)).await
    }

    /// The same; the table is asked in company, if there is any. To be called within the
    /// runtime.
    pub(crate) async fn find_in_batch(self: &Arc<Self>, name: &FileName) -> Result<Found> {
        self.known_or(name, self.find_again_in_batch(name)).await
    }

    /// What the table says, whatever is known.
    pub(crate) async fn find_again(&self, name: &FileName) -> Result<Found> {
        let reading = self.rows.reading();
        let row = self.index.find(name).await?;
        Ok(self.rows.remember(name.digest(), row, reading))
    }

    /// The same, in company. To be called within the runtime.
    pub(crate) async fn find_again_in_batch(self: &Arc<Self>, name: &FileName) -> Result<Found> {
        let (row, reading) = self.read_in_batch(name.clone()).await?;
        Ok(self.rows.remember(name.digest(), row, reading))
    }

    async fn known_or(
        &self,
        name: &FileName,
        find: impl Future<Output = Result<Found>>,
    ) -> Result<Found> {
        let (key, is_logged) = (name.digest(), self.index.is_logged(name.as_str()));
        let known = self.known_unless(&key, is_logged, Consulted::may_confirm);
        if let Some(hit) = known {
            return Ok(hit.into());
        }
        match find.await {
            Err(error) if error.kind().is_temporary() => {
                let found = self.fallen_back_on(&key, is_logged).ok_or(error)?;
                self.stats.count(Counter::StaleAnswers);
                Ok(found)
            }
            outcome => outcome,
        }
    }

    /// Whether the table may be asked, once, whether what the replica says is so still.
    pub(crate) fn may_confirm(&self) -> bool {
        self.replica.as_ref().is_some_and(Consulted::may_confirm)
    }

    /// What there is to go on with while the table cannot be asked. An absence only as the
    /// replica's, which knows all rows: else it would be a guess.
    fn fallen_back_on(&self, key: &Key, is_logged: bool) -> Option<Found> {
        let replica = self.replica.as_ref().filter(|_| is_logged);
        let last_word = replica.and_then(|replica| replica.last_word(key));
        match last_word {
            Some(Some(known)) => Some(Hit::replicated(known).into()),
            Some(None) => Some(self.absent().into()),
            None => self.rows.stale(key),
        }
    }

    /// Drops what is known of a key, because it is being written.
    pub(crate) fn forget(&self, key: &Key) {
        if let Some(replica) = &self.replica {
            replica.note_own(key);
        }
        self.rows.forget(key);
    }

    /// Has a key asked for again, because it is being written, here or in another table:
    /// what is known of it is but good enough to fall back on.
    pub(crate) fn doubt(&self, key: &Key) {
        if let Some(replica) = &self.replica {
            replica.note_other(key);
        }
        self.rows.doubt(key);
    }
}
