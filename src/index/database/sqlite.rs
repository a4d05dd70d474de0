//! SQLite, embedded.

use futures_util::FutureExt as _;
use sqlx::ConnectOptions as _;

use super::{
    Connecting, Database, Facts, Feed, Meaning, Range, Session, Settling, Trigger, created_columns,
    created_with_indexes,
};
use crate::config::dsn::Address;
use crate::index::connection::Connection;
use crate::index::options;
use crate::index::sql::Filter;

/// Result codes, extended ones too. sqlx prepares each statement, so that its text is
/// what fails with SQLITE_ERROR.
pub(super) fn meaning(code: &str) -> Meaning {
    match code {
        // SQLITE_BUSY and its extended codes, SQLITE_LOCKED.
        "5" | "261" | "517" | "773" | "6" => Meaning::Repeat,
        "1" => Meaning::Schema,
        // SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE.
        "1555" | "2067" => Meaning::Duplicate,
        _ => Meaning::Unavailable,
    }
}

#[derive(Debug)]
pub(super) struct Sqlite;

impl Database for Sqlite {
    fn connect(&self, address: Address, _: Session) -> Connecting {
        async move {
            let options = options::sqlite(&address)?.disable_statement_logging();
            Ok(Connection::new(options.connect().await?))
        }
        .boxed()
    }

    fn settle<'c>(&self, connection: &'c mut Connection, session: Session) -> Settling<'c> {
        let timeout = session.for_locks().as_millis();
        async move {
            connection.command(format!("PRAGMA busy_timeout = {timeout}")).await?;
            Ok(Facts::default())
        }
        .boxed()
    }

    fn is_embedded(&self) -> bool {
        true
    }

    fn is_read_only(&self) -> Option<String> {
        None
    }

    fn text(&self) -> &'static str {
        "TEXT"
    }

    fn integer(&self) -> &'static str {
        "INTEGER"
    }

    /// Takes the write lock at once: upgrading from a read lock fails instead of waiting.
    fn begin(&self) -> &'static str {
        "BEGIN IMMEDIATE"
    }

    /// Its transaction has the whole table.
    fn lock(&self) -> &'static str {
        ""
    }

    fn exact_name(&self) -> &'static str {
        "name COLLATE BINARY"
    }

    /// Its LIKE ignores the case of ASCII.
    fn add_beneath(&self, filter: &mut Filter, beneath: &str, after: Option<&str>, _: &str) {
        // Of two lower bounds it would use one with the index.
        if after.is_none() {
            filter.add(self.exact_name(), ">=", beneath.to_owned(), "");
        }
        filter.add(self.exact_name(), "<", Range::beneath(beneath).end, "");
    }

    fn columns(&self) -> &'static str {
        "SELECT LOWER(name), LOWER(type), '', CAST(NULL AS INTEGER), '' \
         FROM pragma_table_info(?2, COALESCE(?1, 'main'))"
    }

    fn unique(&self) -> &'static str {
        "SELECT 1 FROM pragma_table_info(?2, COALESCE(?1, 'main')) \
         WHERE LOWER(name) = 'name_hash' AND pk = 1 \
         UNION SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = ?2 \
         UNION SELECT 1 FROM pragma_index_list(?2) l WHERE l.\"unique\" = 1 AND \
           (SELECT group_concat(LOWER(x.name)) FROM pragma_index_info(l.name) x) = 'name_hash'"
    }

    fn indexed(&self) -> &'static str {
        "SELECT LOWER(x.name) FROM pragma_index_list(?2, COALESCE(?1, 'main')) l \
         JOIN pragma_index_info(l.name, COALESCE(?1, 'main')) x WHERE x.seqno = 0"
    }

    fn ordered_index(&self) -> Option<&'static str> {
        Some(
            "SELECT 1 FROM pragma_index_list(?2, COALESCE(?1, 'main')) l \
             JOIN pragma_index_xinfo(l.name, COALESCE(?1, 'main')) x \
             WHERE l.partial = 0 AND x.seqno = 0 AND LOWER(x.name) = 'name' AND x.coll = 'BINARY'",
        )
    }

    fn others(&self) -> &'static str {
        "SELECT name FROM pragma_table_list \
         WHERE schema = COALESCE(?1, 'main') AND LOWER(name) <> LOWER(?2) ORDER BY 1"
    }

    fn relation(&self) -> &'static str {
        "SELECT type <> 'table', sql FROM sqlite_master \
         WHERE type IN ('table', 'view') AND COALESCE(?1, 'main') <> '' AND LOWER(name) = LOWER(?2)"
    }

    /// No trigger of a view lets it take an INSERT that may update, as all writers send it.
    fn rename(&self, _: &str, _: &str, _: bool) -> Option<Vec<String>> {
        None
    }

    fn create(&self, table: &str) -> Vec<String> {
        // Readers are not stopped by a writer in this mode.
        let mut statements = vec!["PRAGMA journal_mode = WAL".to_owned()];
        let columns = created_columns("text", "boolean", "bigint", "0");
        // An index is in its table's schema by its own name, and there alone.
        let local = table.rsplit('.').next().unwrap_or(table);
        statements.extend(created_with_indexes(table, &columns, table, local));
        statements
    }

    /// AUTOINCREMENT gives no number twice, even if the last rows are deleted.
    fn create_log(&self, log: &str) -> String {
        format!(
            "CREATE TABLE {log} (number INTEGER PRIMARY KEY AUTOINCREMENT, \
             name_hash text NOT NULL, name text, changed_at bigint NOT NULL)"
        )
    }

    /// Within them no name has a schema. REPLACE deletes without the trigger that would say so,
    /// and that on INSERT is enough: the key stays.
    fn triggers(&self, feed: &Feed) -> Vec<Trigger> {
        let Feed { schema, local, .. } = feed;
        let now = self.microseconds();
        let insert = |row: &str, when: &str| {
            format!(
                "INSERT INTO {local}_changes (name_hash, name, changed_at) \
                 SELECT {row}.name_hash, {row}.name, {now}{when};"
            )
        };
        let (new, old) = (insert("NEW", ""), insert("OLD", ""));
        let renamed = insert("OLD", " WHERE OLD.name_hash IS NOT NEW.name_hash");
        let trigger = |(event, statements): (&str, String)| {
            let name = format!("{local}_feed_{}", event.to_ascii_lowercase());
            let definition = format!("AFTER {event} ON {local} BEGIN {statements} END");
            let create = vec![format!("CREATE TRIGGER {schema}{name} {definition}")];
            let drop = vec![format!("DROP TRIGGER IF EXISTS {schema}{name}")];
            Trigger { name, definition, create, drop }
        };
        let update = format!("{renamed} {new}");
        [("INSERT", new), ("UPDATE", update), ("DELETE", old)].map(trigger).into()
    }

    fn found_triggers(&self) -> &'static str {
        "SELECT name, (SELECT schema_version FROM pragma_schema_version) || ' ' || sql FROM sqlite_master \
         WHERE type = 'trigger' AND LOWER(tbl_name) = LOWER(?2) AND COALESCE(?1, 'main') <> ''"
    }

    /// Has no finer clock than milliseconds.
    fn microseconds(&self) -> &'static str {
        "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
    }

    #[cfg(feature = "cli")]
    fn incarnation(&self) -> &'static str {
        "''"
    }

    #[cfg(feature = "cli")]
    fn read_only_settings(&self) -> &'static str {
        "''"
    }
}
