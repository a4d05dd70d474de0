//! The replica as it is consulted: what it says, and how far its word counts.

use std::sync::atomic::{AtomicBool, Ordering};

use super::confirms::Confirms;
use super::written::Written;
use crate::config::Options;
use crate::feed::replica::{Answer, Known, Replica, Unusable};
use crate::name::Key;

/// What counts of a replica's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// There is this row.
    Row(Known),
    /// None is known, which the table is to confirm.
    Unconfirmed,
    /// It says nothing that counts.
    Nothing,
}

/// A replica, and what this process knows better.
#[derive(Debug)]
pub(super) struct Consulted {
    replica: Replica,
    confirms: Confirms,
    own: Written,
    /// By other stores of this process, on this table or another one.
    others: Written,
    /// Whether it could not be used when it was last asked, which has been told.
    is_unused: AtomicBool,
}

impl Consulted {
    /// `None` where the options name none.
    pub(super) fn new(options: &Options) -> Option<Self> {
        let path = options.replica.as_ref()?;
        Some(Consulted {
            replica: Replica::of(path, options),
            confirms: Confirms::new(options.replica_confirms),
            own: Written::default(),
            others: Written::default(),
            is_unused: AtomicBool::new(false),
        })
    }

    /// What counts of what the replica says of a key now. Waits for nobody.
    pub(super) fn ask(&self, key: &Key) -> Word {
        if [&self.own, &self.others].iter().any(|it| it.is_news(key, || self.heard_at())) {
            return Word::Nothing;
        }
        match self.replica.look_up(key) {
            Answer::Unusable(why) => {
                self.cannot_be_used(&why);
                Word::Nothing
            }
            usable => {
                self.can_be_used();
                match usable {
                    Answer::Known(known) => Word::Row(known),
                    Answer::Unknown => Word::Unconfirmed,
                    Answer::AskDatabase | Answer::Unusable(_) => Word::Nothing,
                }
            }
        }
    }

    /// Whether the table may be asked, once, by who then takes leave by
    /// [`Consulted::may_confirm`].
    pub(super) fn will_confirm(&self) -> bool {
        self.confirms.set_aside()
    }

    /// Whether the table may be asked, once, whether what it says is so still. Not what it said
    /// last, while its database is away.
    pub(super) fn may_confirm(&self) -> bool {
        let header = self.replica.header();
        header.is_ok_and(|it| self.replica.is_usable(&it).is_ok()) && self.confirms.take()
    }

    /// How long ago the agent heard from the database, where that can be told, in seconds; and
    /// whether that is recent enough.
    pub(super) fn age(&self) -> (Option<f64>, bool) {
        let Ok(header) = self.replica.header() else { return (None, false) };
        let age = self.replica.age(&header);
        (age.map(|age| age.as_secs_f64()), self.replica.is_usable(&header).is_ok())
    }

    /// What the replica said last, however long ago: while the database is away, nobody
    /// writes. `None` where it never knew the whole table.
    pub(super) fn last_word(&self, key: &Key) -> Option<Option<Known>> {
        if self.own.is_news(key, || self.heard_at()) {
            return None;
        }
        match self.replica.look_up_whenever(key) {
            Answer::Known(known) => Some(Some(known)),
            Answer::Unknown => Some(None),
            Answer::AskDatabase | Answer::Unusable(_) => None,
        }
    }

    /// Notes a write of this store, which has to see that at once.
    pub(super) fn note_own(&self, key: &Key) {
        self.own.note(key, || self.heard_at());
    }

    /// Notes a write of another store of this process.
    pub(super) fn note_other(&self, key: &Key) {
        self.others.note(key, || self.heard_at());
    }

    /// When the agent asked the database for the last time.
    fn heard_at(&self) -> u64 {
        self.replica.header().map_or(0, |header| header.heard_at)
    }

    fn can_be_used(&self) {
        if self.becomes(false) {
            log::info!("ezdfs: the replica {:?} is used again", self.replica.path());
        }
    }

    fn cannot_be_used(&self, why: &Unusable) {
        if self.becomes(true) {
            log::warn!("ezdfs: the replica {:?} is not used: {why}", self.replica.path());
        }
    }

    /// Whether that is news. Each look-up asks: nothing is written where it is not.
    fn becomes(&self, is_unused: bool) -> bool {
        self.is_unused.load(Ordering::Relaxed) != is_unused
            && self.is_unused.swap(is_unused, Ordering::Relaxed) != is_unused
    }
}
