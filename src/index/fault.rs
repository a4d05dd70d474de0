//! What the errors of the three databases mean.

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use crate::error::{Error, ErrorKind, Result};

/// What to make of an error that the server sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Deadlock, lock timeout, serialisation failure: the same statement may
    /// succeed at once.
    Repeat,
    /// The server is overloaded, starting, stopping or read-only.
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
            1044 | 1045 | 1049 | 1142 | 1143 | 1227 | 1698 => Meaning::Config,
            1264 | 1265 | 1292 | 1300 | 1366 | 1406 | 1048 | 3988 => Meaning::Input,
            1054 | 1146 | 1109 | 1062 => Meaning::Schema,
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
            Meaning::Unavailable => (ErrorKind::Unavailable, "the database cannot serve now"),
            Meaning::Config => (ErrorKind::InvalidConfig, "the database refused the login"),
            Meaning::Input => (ErrorKind::InvalidInput, "the table cannot hold this"),
            Meaning::Schema => (ErrorKind::Schema, "the table has the wrong shape"),
        },
        sqlx::Error::Configuration(_) => {
            (ErrorKind::InvalidConfig, "the dsn is not one that the database understands")
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

fn source(error: &Error) -> Option<&sqlx::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Counts how often one operation was tried, so that repeating has an end.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    const LIMIT: u32 = 6;

    pub(crate) fn is_first(&self) -> bool {
        self.0 == 0
    }

    /// Waits a little before the next attempt.
    ///
    /// # Errors
    ///
    /// The error handed in, where it would come again or did so often enough.
    pub(crate) async fn pause_or_fail(&mut self, error: Error) -> Result<()> {
        self.0 += 1;
        let repeat = match source(&error) {
            Some(sqlx::Error::Database(database)) => meaning(&**database) == Meaning::Repeat,
            Some(sqlx_error) => self.0 == 1 && is_connection_lost(sqlx_error),
            None => false,
        };
        if !repeat || self.0 >= Self::LIMIT {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(5 << self.0)).await;
        Ok(())
    }
}
