//! The statements: their only home, one method each, the dialects side by side.

mod record;
mod select;
mod survey;

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::BATCH;
use super::connect::Query;
use super::schema::Shape;
use crate::config::Dialect;
use crate::metadata::Row;
use crate::name::FileName;

/// The point in a transaction where its rows are locked and nothing is written.
const LOCKED: &str = "ezdfs_locked";

/// A column that is changed by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    Size,
    Mtime,
    Datatype,
    NameHash,
}

/// Statements fitted to a dialect and to the shape of one table.
#[derive(Debug)]
pub(super) struct Sql {
    dialect: Dialect,
    table: String,
    /// Those of a [`Row`], and the key.
    columns: String,
    find: Arc<str>,
    insert: Arc<str>,
    insert_new: Arc<str>,
    upsert: Arc<str>,
    delete: Arc<str>,
    expired_is_boolean: bool,
    status_is_boolean: Option<bool>,
    /// `name_hash` is `char(32)`, compared as such so that the key is used.
    padded_hash: bool,
    has_transactions: bool,
}

impl Sql {
    pub(super) fn new(dialect: Dialect, table: &str, shape: &Shape) -> Self {
        let columns = columns(dialect, shape);
        let hash = hash_parameter(dialect, shape.hash_is_padded, 1);
        let (insert, insert_new) = inserts(dialect, table, shape);
        Sql {
            dialect,
            table: table.to_owned(),
            find: Arc::from(format!("SELECT {columns} FROM {table} WHERE name_hash = {hash}")),
            columns,
            insert: Arc::from(insert),
            insert_new: Arc::from(insert_new),
            upsert: Arc::from(upsert(dialect, table, shape)),
            delete: Arc::from(format!("DELETE FROM {table} WHERE name_hash = {hash}")),
            expired_is_boolean: shape.expired_is_boolean,
            status_is_boolean: shape.status_is_boolean,
            padded_hash: shape.hash_is_padded,
            has_transactions: shape.has_transactions(),
        }
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// Whether the table had any when it was looked at.
    pub(super) fn has_transactions(&self) -> bool {
        self.has_transactions
    }

    /// Takes the write lock at once in SQLite, where upgrading from a read
    /// lock fails instead of waiting. `BEGIN` is a block where `sql_mode` says so.
    pub(super) fn begin(&self) -> &'static str {
        match self.dialect {
            Dialect::MySql | Dialect::Postgres => "START TRANSACTION",
            Dialect::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// Begins a transaction and locks the rows of these names, always in the same
    /// order. Unprepared, to be sent at once: the hashes stand in it.
    pub(super) fn begin_locking(&self, names: &[&FileName]) -> AssertSqlSafe<String> {
        let Sql { columns, table, .. } = self;
        let hash = |name: &&FileName| format!("'{:032x}'", u128::from_be_bytes(name.digest()));
        let hashes = names.iter().map(hash).collect::<Vec<_>>().join(", ");
        let (begin, lock) = (self.begin(), self.lock());
        AssertSqlSafe(format!(
            "{begin}; SELECT {columns} FROM {table} WHERE name_hash IN ({hashes}) \
             ORDER BY name_hash{lock}; SAVEPOINT {LOCKED}"
        ))
    }

    /// Takes back what was written since; the locks stay.
    pub(super) fn unwrite(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!("ROLLBACK TO SAVEPOINT {LOCKED}"))
    }

    /// To bind: the hash.
    pub(super) fn find(&self) -> Query<'static> {
        kept(&self.find)
    }

    /// To bind: so many hashes, and as many as [`places`] says.
    pub(super) fn find_many(&self, count: usize) -> Query<'static> {
        let Sql { columns, table, .. } = self;
        let hashes = self.hash_parameters(count);
        prepared(format!("SELECT {columns} FROM {table} WHERE name_hash IN ({hashes})"))
    }

    /// Affects no row where there is one of this hash, or, on MySQL, fails.
    pub(super) fn insert(&self, name: &FileName, row: &Row) -> Query<'static> {
        bind_row(kept(&self.insert), name, row)
    }

    /// Overwrites a row in full.
    pub(super) fn upsert(&self, name: &FileName, row: &Row) -> Query<'static> {
        bind_row(kept(&self.upsert), name, row)
    }

    /// To bind: the hash.
    pub(super) fn delete(&self) -> Query<'static> {
        kept(&self.delete)
    }

    /// To bind: so many hashes, and as many as [`places`] says. Marks rows as
    /// legacy does, which hides them from
    /// every kind of node; the zero of the epoch would stay visible to legacy.
    pub(super) fn soft_delete(&self, count: usize) -> Query<'static> {
        let expired = literal(self.expired_is_boolean, true);
        let (hashes, by_key) = (self.hash_parameters(count), self.by_key(count));
        prepared(format!(
            "UPDATE {} SET expired = {expired}, mtime = CASE WHEN mtime > 0 THEN -mtime \
             WHEN mtime = 0 THEN -1 ELSE mtime END WHERE name_hash IN ({hashes}){by_key}",
            self.table
        ))
    }

    /// To bind: so many hashes, and as many as [`places`] says. Locks those of the
    /// rows that are soft-deleted,
    /// always in the same order; SQLite's transaction has the whole table. The sum
    /// keeps MySQL from the index on `mtime`, where it locks what lies between the
    /// rows, and with it all that others would delete.
    pub(super) fn lock_soft_deleted(&self, count: usize) -> Query<'static> {
        let hashes = self.hash_parameters(count);
        let ((text, _), lock) = (types(self.dialect), self.lock());
        prepared(format!(
            "SELECT CAST(name_hash AS {text}) FROM {} \
             WHERE name_hash IN ({hashes}) AND mtime + 0 < 0 ORDER BY name_hash{lock}",
            self.table
        ))
    }

    /// To bind: so many hashes, and as many as [`places`] says.
    pub(super) fn delete_many(&self, count: usize) -> Query<'static> {
        let (hashes, by_key) = (self.hash_parameters(count), self.by_key(count));
        prepared(format!("DELETE FROM {} WHERE name_hash IN ({hashes}){by_key}", self.table))
    }

    /// Ends a statement that changes the rows of so many keys. MySQL would rather
    /// go through all of a small table, and wait for every lock that others have
    /// there; not where it may expect to be done earlier.
    fn by_key(&self, count: usize) -> String {
        match (self.dialect, places(count)) {
            (Dialect::MySql, places @ 2..) => format!(" ORDER BY name_hash LIMIT {places}"),
            _ => String::new(),
        }
    }

    /// To bind: the hash. Keeps the row for this transaction alone.
    pub(super) fn find_locked(&self) -> Query<'static> {
        prepared(format!("{}{}", self.find, self.lock()))
    }

    fn lock(&self) -> &'static str {
        match self.dialect {
            Dialect::MySql | Dialect::Postgres => " FOR UPDATE",
            // Its transaction has the whole table.
            Dialect::Sqlite => "",
        }
    }

    /// To bind: the value, the hash.
    pub(super) fn set(&self, column: Column) -> Query<'static> {
        let Sql { dialect, table, .. } = self;
        let (column, value) = match column {
            Column::Size => ("size", parameter(*dialect, 1)),
            Column::Mtime => ("mtime", parameter(*dialect, 1)),
            Column::Datatype => ("datatype", parameter(*dialect, 1)),
            Column::NameHash => ("name_hash", parameter(*dialect, 1)),
        };
        let hash = hash_parameter(*dialect, self.padded_hash, 2);
        prepared(format!("UPDATE {table} SET {column} = {value} WHERE name_hash = {hash}"))
    }

    /// To bind: the hash.
    pub(super) fn unexpire(&self) -> Query<'static> {
        let expired = literal(self.expired_is_boolean, false);
        let hash = hash_parameter(self.dialect, self.padded_hash, 1);
        prepared(format!("UPDATE {} SET expired = {expired} WHERE name_hash = {hash}", self.table))
    }

    /// The same for a row that is never committed. Affects no row where there is one of this hash,
    /// after waiting for whoever is writing it.
    pub(super) fn insert_new(&self, name: &FileName, row: &Row) -> Query<'static> {
        bind_row(kept(&self.insert_new), name, row)
    }

    fn hash_parameters(&self, count: usize) -> String {
        let parameters: Vec<_> = (1..=places(count))
            .map(|number| hash_parameter(self.dialect, self.padded_hash, number))
            .collect();
        parameters.join(", ")
    }
}

/// The columns of a row as sqlx reads them from each database, the key behind.
fn columns(dialect: Dialect, shape: &Shape) -> String {
    let (text, integer) = types(dialect);
    let expired = flag(dialect, shape.expired_is_boolean, "expired");
    format!(
        "CAST(name AS {text}), CAST(datatype AS {text}), CAST(scope AS {text}), \
         CAST(size AS {integer}), CAST(mtime AS {integer}), {expired}, CAST(name_hash AS {text})"
    )
}

/// A column that says yes or no, as an integer.
fn flag(dialect: Dialect, is_boolean: bool, column: &str) -> String {
    let (_, integer) = types(dialect);
    match is_boolean {
        true => format!("CAST(CASE WHEN {column} THEN 1 ELSE 0 END AS {integer})"),
        false => format!("CAST(COALESCE({column}, 0) AS {integer})"),
    }
}

fn literal(is_boolean: bool, value: bool) -> &'static str {
    match (is_boolean, value) {
        (true, true) => "TRUE",
        (true, false) => "FALSE",
        (false, true) => "1",
        (false, false) => "0",
    }
}

/// What text and integers are cast to.
fn types(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::MySql => ("CHAR", "SIGNED"),
        Dialect::Postgres => ("text", "bigint"),
        Dialect::Sqlite => ("TEXT", "INTEGER"),
    }
}

/// Binds [`COLUMNS`].
fn bind_row(query: Query<'static>, name: &FileName, row: &Row) -> Query<'static> {
    query
        .bind(row.name.clone())
        .bind(row.name.clone())
        .bind(name.hash())
        .bind(row.datatype.clone())
        .bind(row.scope.clone())
        // No file is larger than i64 can say: off_t cannot either.
        .bind(row.size.cast_signed())
        .bind(row.mtime)
}

/// A statement that is prepared once for each connection.
fn prepared(text: String) -> Query<'static> {
    sqlx::query(AssertSqlSafe(text))
}

fn kept(text: &Arc<str>) -> Query<'static> {
    sqlx::query(AssertSqlSafe(Arc::clone(text)))
}

/// So many places for hashes has the statement for this many: few lengths, so
/// that each is prepared once. What was prepared for one use would be closed
/// after it, and on TCP the packet behind that waits 40 ms for the server's
/// delayed acknowledgement.
pub(super) fn places(count: usize) -> usize {
    [1, 8, 64].into_iter().find(|places| *places >= count).unwrap_or(BATCH)
}

fn hash_parameter(dialect: Dialect, padded: bool, number: usize) -> String {
    let parameter = parameter(dialect, number);
    if padded { format!("CAST({parameter} AS bpchar)") } else { parameter }
}

fn parameter(dialect: Dialect, number: usize) -> String {
    match dialect {
        Dialect::Postgres => format!("${number}"),
        Dialect::MySql | Dialect::Sqlite => "?".to_owned(),
    }
}

const COLUMNS: [&str; 7] =
    ["name", "name_trunk", "name_hash", "datatype", "scope", "size", "mtime"];

/// Columns and values that every writer inserts, without the verb. `expired`, too: the
/// kernels leave it, so that a file that legacy had deleted stays invisible when
/// stored again.
struct Insert {
    names: Vec<&'static str>,
    text: String,
}

impl Insert {
    fn new(dialect: Dialect, table: &str, shape: &Shape) -> Self {
        let mut names = COLUMNS.to_vec();
        let mut values: Vec<_> =
            (1..=COLUMNS.len()).map(|number| parameter(dialect, number)).collect();
        names.push("expired");
        values.push(literal(shape.expired_is_boolean, false).to_owned());
        if let Some(boolean) = shape.status_is_boolean {
            names.push("status");
            values.push(literal(boolean, false).to_owned());
        }
        let (columns, values) = (names.join(", "), values.join(", "));
        Insert { text: format!("INTO {table} ({columns}) VALUES ({values})"), names }
    }
}

/// Two statements that insert a row where there is none. MySQL's first fails where
/// there is one; its second would also cut what does not fit.
fn inserts(dialect: Dialect, table: &str, shape: &Shape) -> (String, String) {
    let insert = Insert::new(dialect, table, shape).text;
    match dialect {
        Dialect::MySql => (format!("INSERT {insert}"), format!("INSERT IGNORE {insert}")),
        Dialect::Postgres | Dialect::Sqlite => {
            let insert = format!("INSERT {insert} ON CONFLICT (name_hash) DO NOTHING");
            (insert.clone(), insert)
        }
    }
}

/// Overwrites all columns of the row that is there; a trigger on INSERT sees it, as it
/// sees that of the kernels.
fn upsert(dialect: Dialect, table: &str, shape: &Shape) -> String {
    let Insert { names, text } = Insert::new(dialect, table, shape);
    let clause = match dialect {
        Dialect::MySql => "ON DUPLICATE KEY UPDATE",
        Dialect::Postgres | Dialect::Sqlite => "ON CONFLICT (name_hash) DO UPDATE SET",
    };
    let assign = |name: &&str| match dialect {
        Dialect::MySql => format!("{name} = VALUES({name})"),
        Dialect::Postgres | Dialect::Sqlite => format!("{name} = excluded.{name}"),
    };
    let assignments: Vec<_> =
        names.iter().filter(|name| **name != "name_hash").map(assign).collect();
    format!("INSERT {text} {clause} {}", assignments.join(", "))
}
