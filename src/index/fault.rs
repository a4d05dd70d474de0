//! What the errors of the three databases mean.

use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "cli")]
use sqlx::error::DatabaseError;
#[cfg(feature = "cli")]
use sqlx::sqlite::SqliteError;

use super::database::{Meaning, meaning};
use crate::error::{Error, ErrorKind, Result};
use crate::stats::{Counter, Stats};

/// The operation of errors that come before anything was asked of a server.
pub(super) const CONNECT: &str = "connect";

/// Converts an error of sqlx at the edge of the index.
pub(super) fn convert(error: sqlx::Error, operation: &'static str, subject: &str) -> Error {
    let (kind, detail) = match &error {
        sqlx::Error::Database(database) => match meaning(&**database) {
            Meaning::Repeat => (ErrorKind::Unavailable, "the database is busy"),
            Meaning::Elsewhere => (ErrorKind::Unavailable, "the database takes no writes"),
            Meaning::Unavailable | Meaning::Full | Meaning::Lost | Meaning::Unprepared => {
                (ErrorKind::Unavailable, "the database cannot serve now")
            }
            Meaning::Login => (ErrorKind::InvalidConfig, "the database refused the login"),
            Meaning::Privilege => {
                (ErrorKind::InvalidConfig, "the database's user lacks a privilege")
            }
            Meaning::Untrusted => (
                ErrorKind::InvalidConfig,
                "the server has a binary log, and lets only users with SUPER make triggers then, \
                 unless log_bin_trust_function_creators is on",
            ),
            Meaning::Input | Meaning::Untranslatable => {
                (ErrorKind::InvalidInput, "the table cannot hold this")
            }
            // Of a key that nobody but the table's owner has thought of.
            Meaning::Schema | Meaning::Duplicate => {
                (ErrorKind::Schema, "the table has the wrong shape")
            }
        },
        // Without its source, which quotes the dsn.
        sqlx::Error::Configuration(_) => {
            let reason = "the dsn or a parameter of it is not one that the database understands";
            return Error::new(ErrorKind::InvalidConfig, operation, subject, reason);
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            (ErrorKind::Schema, "a column holds what ezdfs cannot read")
        }
        _ => (ErrorKind::Unavailable, "the database cannot be reached"),
    };
    Error::new(kind, operation, subject, detail).with_source(error)
}

/// What an error of sqlx means, if the connection broke or the server said it.
pub(super) fn meaning_of(error: &sqlx::Error) -> Option<Meaning> {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Some(Meaning::Lost)
        }
        sqlx::Error::Database(error) => Some(meaning(&**error)),
        _ => None,
    }
}

fn meant(error: &Error) -> Option<Meaning> {
    meaning_of(source(error)?)
}

/// Whether the server has no place for one more connection.
pub(super) fn is_full(error: &Error) -> bool {
    meant(error) == Some(Meaning::Full)
}

/// Whether others have locked what was to be changed.
pub(super) fn is_busy(error: &Error) -> bool {
    meant(error) == Some(Meaning::Repeat)
}

/// Whether the server refused the login.
pub(super) fn is_barred(error: &Error) -> bool {
    meant(error) == Some(Meaning::Login)
}

/// Whether there is a row of this key.
pub(super) fn is_duplicate(error: &Error) -> bool {
    meant(error) == Some(Meaning::Duplicate)
}

/// Whether the connection broke, other than by silence.
pub(super) fn is_cut(error: &Error) -> bool {
    meant(error) == Some(Meaning::Lost)
}

/// Whether the server answered, and refused, so that nothing is under way there.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(source(error), Some(sqlx::Error::Database(_))) && !is_cut(error)
}

/// Whether the server refuses all that changes anything: SQLite does so by a code of a family.
#[cfg(feature = "cli")]
pub(crate) fn takes_no_writes(error: &Error) -> bool {
    const SQLITE_READONLY: u32 = 8;
    let is_embedded = |error: &dyn DatabaseError| {
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        let is_it = error.try_downcast_ref::<SqliteError>().is_some();
        is_it && code.is_some_and(|code| code & 0xff == SQLITE_READONLY)
    };
    match source(error) {
        Some(sqlx::Error::Database(error)) if is_embedded(&**error) => true,
        _ => meant(error) == Some(Meaning::Elsewhere),
    }
}

/// Whether a COMMIT that was answered so has changed nothing: of what a server, or
/// something before it, says otherwise it is not known what became of it.
pub(crate) fn has_rolled_back(error: &Error) -> bool {
    let certain = [
        Meaning::Repeat,
        Meaning::Elsewhere,
        Meaning::Privilege,
        Meaning::Input,
        Meaning::Schema,
        Meaning::Duplicate,
    ];
    meant(error).is_some_and(|meaning| certain.contains(&meaning))
}

/// Whether the database cannot have what was asked for, for want of characters.
pub(super) fn cannot_be_there(error: &Error) -> bool {
    meant(error) == Some(Meaning::Untranslatable)
}

pub(super) fn silent(operation: &'static str, subject: &str, waited: Duration) -> Error {
    let reason = format!("the database did not answer within {waited:?}");
    Error::new(ErrorKind::Unavailable, operation, subject, reason)
}

fn source(error: &Error) -> Option<&sqlx::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Repeats one operation while there is hope, so long and no longer.
#[derive(Debug)]
pub(crate) struct Attempts {
    began: Instant,
    within: Duration,
    failures: u32,
    lost: bool,
    /// How many servers may yet be asked that somebody else should be.
    others: usize,
    /// The table has been looked at again.
    looked_again: bool,
    stats: Arc<Stats>,
}

impl Attempts {
    const FIRST_PAUSE: Duration = Duration::from_millis(5);
    const MOST_DOUBLINGS: u32 = 6;

    /// No attempt begins later than this after now.
    pub(super) fn within(deadline: Duration, servers: usize, stats: &Arc<Stats>) -> Self {
        let began = Instant::now();
        Attempts {
            began,
            within: deadline,
            failures: 0,
            lost: false,
            others: servers,
            looked_again: false,
            stats: Arc::clone(stats),
        }
    }

    /// Does it, COMMIT included, until it succeeds or there is no more hope.
    ///
    /// # Errors
    ///
    /// The last one, where it would come again or did so long enough.
    pub(crate) async fn repeat<T, F>(&mut self, mut work: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            match work().await {
                Err(error) if self.may_repeat(&error) => self.pause(error).await?,
                outcome => return outcome,
            }
        }
    }

    /// The same for what must be done if it can be: repeats it as long as the
    /// database is unavailable in any way.
    pub(crate) async fn insist<T, F>(&mut self, mut work: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            match work().await {
                Err(error) if error.kind().is_temporary() => self.pause(error).await?,
                outcome => return outcome,
            }
        }
    }

    /// Whether no further attempt may begin.
    pub(crate) fn are_over(&self) -> bool {
        self.began.elapsed() >= self.within
    }

    /// Whether an earlier attempt may have been successful unheard.
    pub(super) fn lost_one(&self) -> bool {
        self.lost
    }

    fn may_repeat(&mut self, error: &Error) -> bool {
        // Who cannot connect is told at once.
        if error.operation() == CONNECT {
            return false;
        }
        match meant(error) {
            Some(Meaning::Lost) => {
                self.lost = true;
                true
            }
            Some(Meaning::Repeat | Meaning::Unprepared) => true,
            Some(Meaning::Elsewhere) => {
                let may = self.others > 0;
                self.others = self.others.saturating_sub(1);
                may
            }
            Some(Meaning::Schema) => !std::mem::replace(&mut self.looked_again, true),
            _ => false,
        }
    }

    async fn pause(&mut self, error: Error) -> Result<()> {
        if self.are_over() {
            return Err(error);
        }
        let pause = Self::FIRST_PAUSE * (1 << self.failures.min(Self::MOST_DOUBLINGS));
        self.failures += 1;
        self.stats.count(Counter::Retries);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
