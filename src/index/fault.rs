//! What the errors of the three databases mean.

use std::time::{Duration, Instant};

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use crate::error::{Error, ErrorKind, Result};

/// The operation of errors that come before anything was asked of a server.
pub(super) const CONNECT: &str = "connect";

/// What to make of an error that the server sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Deadlock, lock timeout, serialisation failure: the same statement may
    /// succeed at once.
    Repeat,
    /// The server takes no writes; another one may.
    ReadOnly,
    /// The server is overloaded, starting or stopping.
    Unavailable,
    /// Wrong login, database or privilege.
    Config,
    /// A value does not fit its column.
    Input,
    /// No such table or column.
    Schema,
}

/// Numbers of MySQL and MariaDB (Server Error Reference); for a busy SQLite its
/// result codes; for PostgreSQL its SQLSTATE classes.
fn meaning(error: &dyn DatabaseError) -> Meaning {
    if let Some(mysql) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return match mysql.number() {
            1205 | 1213 | 1020 => Meaning::Repeat,
            // --read-only, a read-only transaction by default, a Galera node
            // without its cluster.
            1290 | 1836 | 1792 | 1047 => Meaning::ReadOnly,
            1044 | 1045 | 1049 | 1142 | 1143 | 1227 | 1698 => Meaning::Config,
            1264 | 1265 | 1292 | 1300 | 1366 | 1406 | 1048 | 3988 => Meaning::Input,
            // The last two are of views.
            1054 | 1146 | 1109 | 1062 | 1356 | 1449 => Meaning::Schema,
            _ => Meaning::Unavailable,
        };
    }
    let code = error.code().unwrap_or_default();
    match &*code {
        // SQLITE_BUSY and its extended codes, SQLITE_LOCKED.
        "5" | "261" | "517" | "773" | "6" => return Meaning::Repeat,
        // SQLITE_ERROR: sqlx prepares each statement, so the text is what fails.
        "1" => return Meaning::Schema,
        "40001" | "40P01" | "55P03" => return Meaning::Repeat,
        "25006" => return Meaning::ReadOnly,
        "3D000" | "42501" => return Meaning::Config,
        // The b-tree cannot hold so long a name.
        "54000" => return Meaning::Input,
        _ => {}
    }
    match code.get(..2) {
        Some("28") => Meaning::Config,
        Some("22" | "23") => Meaning::Input,
        Some("42") => Meaning::Schema,
        _ => Meaning::Unavailable,
    }
}

/// Converts an error of sqlx at the edge of the index.
pub(super) fn convert(error: sqlx::Error, operation: &'static str, subject: &str) -> Error {
    let (kind, detail) = match &error {
        sqlx::Error::Database(database) => match meaning(&**database) {
            Meaning::Repeat => (ErrorKind::Unavailable, "the database is busy"),
            Meaning::ReadOnly => (ErrorKind::Unavailable, "the database takes no writes"),
            Meaning::Unavailable => (ErrorKind::Unavailable, "the database cannot serve now"),
            Meaning::Config => (ErrorKind::InvalidConfig, "the database refused the login"),
            Meaning::Input => (ErrorKind::InvalidInput, "the table cannot hold this"),
            Meaning::Schema => (ErrorKind::Schema, "the table has the wrong shape"),
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

/// Whether the connection itself is of no more use.
pub(super) fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // Shutdown (1053), killed (1927), and what PostgreSQL says when it stops.
        sqlx::Error::Database(database) => {
            match database.try_downcast_ref::<MySqlDatabaseError>() {
                Some(mysql) => matches!(mysql.number(), 1053 | 1077 | 1079 | 1927 | 2006 | 2013),
                None => database.code().is_some_and(|code| code.starts_with("57P")),
            }
        }
        _ => false,
    }
}

/// Whether the server refuses to write.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if meaning(&**error) == Meaning::ReadOnly)
}

/// Whether the server has no place for one more connection.
pub(super) fn is_full(error: &Error) -> bool {
    let Some(sqlx::Error::Database(error)) = source(error) else {
        return false;
    };
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        Some(mysql) => matches!(mysql.number(), 1040 | 1203 | 1226),
        None => error.code().is_some_and(|code| code == "53300"),
    }
}

/// Whether there is a row of this key.
pub(super) fn is_duplicate(error: &Error) -> bool {
    matches!(source(error), Some(sqlx::Error::Database(error)) if error.is_unique_violation())
}

/// Whether the connection broke, other than by silence.
pub(super) fn is_cut(error: &Error) -> bool {
    source(error).is_some_and(is_connection_lost)
}

/// Whether the server answered, and refused, so that nothing is under way there.
pub(crate) fn is_refusal(error: &Error) -> bool {
    source(error).is_some_and(|error| {
        matches!(error, sqlx::Error::Database(_)) && !is_connection_lost(error)
    })
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
    read_only: bool,
}

impl Attempts {
    const FIRST_PAUSE: Duration = Duration::from_millis(5);
    const MOST_DOUBLINGS: u32 = 6;

    /// No attempt begins later than this after now.
    pub(super) fn within(deadline: Duration) -> Self {
        let began = Instant::now();
        Attempts { began, within: deadline, failures: 0, lost: false, read_only: false }
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
        match source(error) {
            // Who cannot connect is told at once.
            Some(_) if error.operation() == CONNECT => false,
            Some(lost) if is_connection_lost(lost) => {
                self.lost = true;
                true
            }
            Some(sqlx::Error::Database(database)) => match meaning(&**database) {
                Meaning::Repeat => true,
                // Once, on another server.
                Meaning::ReadOnly => !std::mem::replace(&mut self.read_only, true),
                _ => false,
            },
            _ => false,
        }
    }

    async fn pause(&mut self, error: Error) -> Result<()> {
        if self.are_over() {
            return Err(error);
        }
        let pause = Self::FIRST_PAUSE * (1 << self.failures.min(Self::MOST_DOUBLINGS));
        self.failures += 1;
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
