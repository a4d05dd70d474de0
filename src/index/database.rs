//! The three databases, each in a file of its own: how it is connected to and what a
//! session is told, how statements are spelled, what its catalogue and its errors say.

mod described;
mod mysql;
mod postgres;
mod sqlite;

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::error::DatabaseError;

use super::connection::Connection;
use super::query::Query;
use super::sql::Filter;
use crate::config::Dialect;
use crate::config::dsn::Address;
use crate::metadata::Turns;

use described::Described;

/// What to make of an error that the server sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Deadlock, lock timeout, serialisation failure: the same statement may
    /// succeed at once.
    Repeat,
    /// Not now, not here: the server takes no writes, or nothing; another one may.
    Elsewhere,
    /// The server is overloaded, starting or stopping.
    Unavailable,
    /// It has no place for one more connection.
    Full,
    /// The connection is of no more use.
    Lost,
    /// Statements that were prepared are not there: a pooler gives each transaction
    /// another connection.
    Unprepared,
    /// Wrong login or database.
    Login,
    /// The user may not do this.
    Privilege,
    /// Triggers change what the binary log is to say, so this user may make none.
    Untrusted,
    /// A value does not fit its column.
    Input,
    /// The database has not the characters for it.
    Untranslatable,
    /// No such table or column.
    Schema,
    /// There is a row of this key.
    Duplicate,
}

/// What an error of any of the three means.
pub(super) fn meaning(error: &dyn DatabaseError) -> Meaning {
    use sqlx::mysql::MySqlDatabaseError;
    use sqlx::postgres::{PgDatabaseError, PgSeverity};

    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return mysql::meaning(error.number());
    }
    let code = error.code().unwrap_or_default();
    match error.try_downcast_ref::<PgDatabaseError>() {
        Some(error) => {
            let is_fatal = matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic);
            postgres::meaning(&code, is_fatal)
        }
        None => sqlite::meaning(&code),
    }
}

/// One of the databases.
pub(super) trait Database: Described + Debug + Send + Sync {
    /// Opens a connection, with no session settings yet but those that must come first.
    fn connect(&self, address: Address, session: Session) -> Connecting;

    /// Settles the session, and hears what the server says of itself.
    fn settle<'c>(&self, connection: &'c mut Connection, session: Session) -> Settling<'c>;

    /// Asks a server that took writes whether it takes them still: a row, whose last
    /// column says so, means that it does not. `None` where there is no such server.
    fn is_read_only(&self) -> Option<String>;

    /// Whether it is a file, opened in this process, and not a server.
    fn is_embedded(&self) -> bool {
        false
    }

    /// A statement with its arguments in it, to be sent through a pooler. `None` where
    /// they are bound all the same.
    fn spell_out(&self, query: &Query) -> Option<String> {
        let _ = query;
        None
    }

    /// The session's settings, for one transaction alone: to be sent before what begins
    /// it, through a pooler.
    fn for_this_transaction(&self, session: &Session) -> String {
        let _ = session;
        String::new()
    }

    /// What a name of a table has if it may stand in a statement as it is.
    fn is_plain(&self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_'
    }

    /// What text is cast to.
    fn text(&self) -> &'static str;

    /// What integers are cast to.
    fn integer(&self) -> &'static str;

    /// A place that is bound.
    fn parameter(&self, number: usize) -> String {
        let _ = number;
        "?".to_owned()
    }

    /// `BEGIN` is a block where MySQL's `sql_mode` says so.
    fn begin(&self) -> &'static str {
        "START TRANSACTION"
    }

    /// Ends a SELECT whose rows are to be locked.
    fn lock(&self) -> &'static str {
        " FOR UPDATE"
    }

    /// Ends a statement that changes the rows of so many keys.
    fn by_key(&self, places: usize) -> String {
        let _ = places;
        String::new()
    }

    /// Inserts, and affects no row or fails where there is one of this key.
    fn insert(&self, into: &str) -> String {
        format!("INSERT {into} ON CONFLICT (name_hash) DO NOTHING")
    }

    /// Inserts what is not committed; affects no row where there is one of this key.
    fn reserve(&self, into: &str) -> String {
        self.insert(into)
    }

    /// Inserts, or overwrites all these columns of the row that is there; a trigger on
    /// INSERT sees it, as it sees that of the kernels.
    fn upsert(&self, into: &str, columns: &[&str]) -> String {
        let assign = |column: &&str| format!("{column} = excluded.{column}");
        let assignments = columns.iter().map(assign).collect::<Vec<_>>().join(", ");
        format!("INSERT {into} ON CONFLICT (name_hash) DO UPDATE SET {assignments}")
    }

    /// The name as something that compares by bytes.
    fn exact_name(&self) -> &'static str;

    /// Whether the name contains this text, byte for byte.
    fn contains(&self, text: &str) -> String {
        format!("instr({}, '{text}') > 0", self.exact_name())
    }

    /// Adds the conditions that names beneath a directory meet, of which only those
    /// after another are wanted; the names have this character set.
    fn add_beneath(&self, filter: &mut Filter, beneath: &str, after: Option<&str>, charset: &str);

    /// Whether it takes long to count the rows of a directory, so that it is done in parts.
    fn counts_slowly(&self) -> bool {
        false
    }

    /// Whether a column of this type is a boolean, not an integer.
    fn is_boolean(&self, column_type: &str) -> bool {
        let _ = column_type;
        false
    }

    /// Asks for names, types, character sets and lengths of a table's columns, in lower
    /// case. This and the next five have two places: the schema, or NULL for that of the
    /// session, and the table.
    fn columns(&self) -> &'static str;

    /// One row where the table is a view, or has a unique index on `name_hash` alone.
    fn unique(&self) -> &'static str;

    /// The engine of a table that has no transactions.
    fn engine(&self) -> Option<&'static str> {
        None
    }

    /// The columns with which indexes begin.
    fn indexed(&self) -> &'static str;

    /// A row where an index has the rows in the byte order of their names. `None` where
    /// none can.
    fn ordered_index(&self) -> Option<&'static str>;

    /// The other tables of the database or schema that have a column `name_hash`, or any.
    fn others(&self) -> &'static str;

    /// The statements that create the table and its indexes, with the column types
    /// and index names of the kernels and names that compare by bytes.
    fn create(&self, table: &str) -> Vec<String>;

    /// Whether this name is a view's, 1 or 0, and its definition if it is one. Two places, as
    /// above.
    fn relation(&self) -> &'static str;

    /// Gives a table another name and leaves a view under its own, so that each name leads to the
    /// rows at any moment and after any of the statements. `has_view`: a view of it has the other
    /// name, whose place it takes. `None` where views cannot be written to.
    fn rename(&self, from: &str, to: &str, has_view: bool) -> Option<Vec<String>>;

    /// Removes what a rename has left that did not come to its end.
    fn clear_rename(&self, table: &str) -> Vec<String> {
        let _ = table;
        Vec::new()
    }

    /// The schema of a table, fit to stand in a statement, where triggers must name it. Two
    /// places, as above.
    fn schema_of(&self) -> Option<&'static str> {
        None
    }

    /// Creates the table of the changes, with columns that can hold whatever the other's can:
    /// what does not fit would fail the writer.
    fn create_log(&self, log: &str) -> String;

    /// What logs the changes.
    fn triggers(&self, feed: &Feed) -> Vec<Trigger>;

    /// Names of triggers, and what ends with their definitions if they are as they should be, and
    /// is another where they were made again. Two places, as above.
    fn found_triggers(&self) -> &'static str;

    /// Microseconds since the epoch.
    fn microseconds(&self) -> &'static str;

    /// What another server says otherwise, as text that may stand beside keys in a log.
    #[cfg(feature = "cli")]
    fn incarnation(&self) -> &'static str;

    /// The settings of a server that takes no writes, in the same way: none of them is on.
    #[cfg(feature = "cli")]
    fn read_only_settings(&self) -> &'static str;

    /// Joins the rows of a table to others, by their keys.
    #[cfg(feature = "cli")]
    fn beside(&self, table: &str, key: &str) -> String {
        format!("LEFT JOIN {table} ON {table}.name_hash = {key}")
    }

    /// A key from a log, to be compared with those of a table.
    #[cfg(feature = "cli")]
    fn logged_key(&self, key: &str, collation: &str) -> String {
        let _ = collation;
        key.to_owned()
    }
}

/// Names of a change log.
#[derive(Debug)]
pub(super) struct Feed {
    /// The metadata table.
    pub(super) table: String,
    /// The table of the changes.
    pub(super) log: String,
    /// What names of the same schema begin with: nothing, or the schema and a dot.
    pub(super) schema: String,
    /// The metadata table's name without its schema.
    pub(super) local: String,
}

/// A trigger.
#[derive(Debug)]
pub(super) struct Trigger {
    pub(super) name: String,
    /// What tells it from others of its name.
    pub(super) definition: String,
    pub(super) create: Vec<String>,
    pub(super) drop: Vec<String>,
}

/// An attempt to connect.
pub(super) type Connecting = BoxFuture<'static, Result<Connection, sqlx::Error>>;

/// An attempt to settle a session.
pub(super) type Settling<'c> = BoxFuture<'c, Result<Facts, sqlx::Error>>;

/// What a server says of itself when its session is settled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// It is a replica, or was told to take no writes. A user who may write all
    /// the same had better not.
    pub(super) read_only: bool,
    /// It is one of several that all take writes, and learns from the others
    /// only at COMMIT what they have locked (Galera): the times that it may give.
    pub(super) certified: Option<Turns>,
    /// Something stands before it that gives each transaction another of its
    /// connections.
    pub(super) is_pooled: bool,
}

/// Whether a setting of a server says yes.
pub(super) fn is_on(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "off")
}

/// What is settled for each session. No setting that the protocol stands on is left to the
/// server's configuration or to the DSN.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) query_timeout: Duration,
}

impl Session {
    /// Locks are waited for a little less long than for an answer, to hear of it as
    /// what it is.
    fn for_locks(&self) -> Duration {
        self.query_timeout * 4 / 5
    }
}

/// The only place where they are told apart.
pub(super) fn of(dialect: Dialect) -> &'static dyn Database {
    match dialect {
        Dialect::MySql => &mysql::MySql,
        Dialect::Postgres => &postgres::Postgres,
        Dialect::Sqlite => &sqlite::Sqlite,
    }
}

/// The columns of a table that is created.
fn created_columns(text: &str, boolean: &str, size: &str, falsehood: &str) -> String {
    format!(
        "name {text} NOT NULL, name_trunk {text} NOT NULL, \
         name_hash varchar(34) NOT NULL PRIMARY KEY, \
         datatype varchar(255) NOT NULL DEFAULT 'application/octet-stream', \
         scope varchar(25) NOT NULL DEFAULT '', size {size} NOT NULL DEFAULT 0, \
         mtime integer NOT NULL DEFAULT 0, \
         expired {boolean} NOT NULL DEFAULT {falsehood}, \
         status {boolean} NOT NULL DEFAULT {falsehood}"
    )
}

/// A table and its indexes, where an index may have whole names. Theirs begin with one of these
/// names of the table, and are made on the other.
fn created_with_indexes(table: &str, columns: &str, begin: &str, on: &str) -> Vec<String> {
    let index = |name: &str, columns: &str| {
        format!("CREATE INDEX IF NOT EXISTS {begin}_{name} ON {on} ({columns})")
    };
    vec![
        format!("CREATE TABLE IF NOT EXISTS {table} ({columns})"),
        index("name", "name"),
        index("name_trunk", "name_trunk"),
        index("mtime", "mtime"),
        index("expired_name", "expired, name"),
    ]
}

/// Escapes by `|`, which no server setting turns into something else.
fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '|' | '%' | '_') {
            escaped.push('|');
        }
        escaped.push(character);
    }
    escaped
}

/// The names beneath a directory: the dot comes before the slash, and the digits after it.
struct Range {
    before: String,
    end: String,
    pattern: String,
}

impl Range {
    fn beneath(beneath: &str) -> Self {
        let directory = beneath.trim_end_matches('/');
        Range {
            before: format!("{directory}."),
            end: format!("{directory}0"),
            pattern: format!("{}%", escape_like(beneath)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server says when it ends a connection tells nothing of what was under way.
    #[test]
    fn the_end_of_a_connection_is_no_refusal() {
        for code in ["08P01", "08006", "57P01", "57P02", "XX000", "25006", "40001"] {
            assert_eq!(postgres::meaning(code, true), Meaning::Lost, "{code}");
        }
        for code in ["28P01", "3D000"] {
            assert_eq!(postgres::meaning(code, true), Meaning::Login, "{code}");
        }
        assert_eq!(postgres::meaning("25006", false), Meaning::Elsewhere);
        assert_eq!(postgres::meaning("53300", true), Meaning::Full);
        for number in [1053, 1927, 2006, 2013] {
            assert_eq!(mysql::meaning(number), Meaning::Lost, "{number}");
        }
    }
}
