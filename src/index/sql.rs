//! The statements: their only home, one method each. What the databases spell in
//! different ways is in [`super::database`].

pub(super) mod feed;
#[cfg(feature = "cli")]
pub(super) mod follow;
mod record;
mod select;
mod survey;

use std::sync::Arc;

use super::BATCH;
use super::database::Database;
use super::query::Query;
use super::schema::Shape;
use super::tables::Names;
use crate::metadata::Row;
use crate::name::FileName;

pub(super) use select::Filter;

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
    database: &'static dyn Database,
    table: String,
    /// Those of a [`Row`], and the key.
    columns: String,
    /// What rows meet whose names the table has, where it has not all.
    own: Option<String>,
    find: Arc<str>,
    /// An INSERT without its verb and its values.
    #[cfg(feature = "cli")]
    into: String,
    insert: Arc<str>,
    reserve: Arc<str>,
    upsert: Arc<str>,
    delete: Arc<str>,
    expired_is_boolean: bool,
    status_is_boolean: Option<bool>,
    /// `name_hash` is `char(32)`, compared as such so that the key is used.
    padded_hash: bool,
    has_transactions: bool,
    /// Of keys.
    #[cfg(feature = "cli")]
    key_collation: String,
    /// Of names.
    charset: String,
}

impl Sql {
    pub(super) fn new(database: &'static dyn Database, table: &str, shape: &Shape) -> Self {
        let columns = columns(database, shape);
        let hash = hash_parameter(database, shape.hash_is_padded, 1);
        let (names, into) = inserted(table, shape);
        let (expired, status) = (shape.expired_is_boolean, shape.status_is_boolean);
        let one = format!("{into} {}", values(database, expired, status, 0));
        let overwritten: Vec<_> = names.into_iter().filter(|name| *name != "name_hash").collect();
        Sql {
            database,
            table: table.to_owned(),
            find: Arc::from(format!("SELECT {columns} FROM {table} WHERE name_hash = {hash}")),
            columns,
            own: None,
            #[cfg(feature = "cli")]
            into,
            insert: Arc::from(database.insert(&one)),
            reserve: Arc::from(database.reserve(&one)),
            upsert: Arc::from(database.upsert(&one, &overwritten)),
            delete: Arc::from(format!("DELETE FROM {table} WHERE name_hash = {hash}")),
            expired_is_boolean: shape.expired_is_boolean,
            status_is_boolean: shape.status_is_boolean,
            padded_hash: shape.hash_is_padded,
            has_transactions: shape.has_transactions(),
            #[cfg(feature = "cli")]
            key_collation: shape.key_collation.clone(),
            charset: shape.charset.clone(),
        }
    }

    /// The statements for a table that has the rows of these names: those that read many leave
    /// out others.
    pub(super) fn holding(self, names: Names) -> Self {
        let contains = |text| self.database.contains(text);
        let is_cache = format!("({} AND NOT {})", contains("/cache/"), contains("/storage/"));
        let own = match names {
            Names::All => None,
            Names::Caches => Some(is_cache),
            Names::AllButCaches => Some(format!("NOT {is_cache}")),
        };
        Sql { own, ..self }
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// Whether the table had any when it was looked at.
    pub(super) fn has_transactions(&self) -> bool {
        self.has_transactions
    }

    pub(super) fn begin(&self) -> &'static str {
        self.database.begin()
    }

    /// Begins a transaction and locks the rows of these names, always in the same
    /// order. Unprepared, to be sent at once: the hashes stand in it.
    pub(super) fn begin_locking(&self, names: &[&FileName]) -> String {
        let Sql { columns, table, .. } = self;
        let hash = |name: &&FileName| format!("'{:032x}'", u128::from_be_bytes(name.digest()));
        let hashes = names.iter().map(hash).collect::<Vec<_>>().join(", ");
        let (begin, lock) = (self.begin(), self.database.lock());
        format!(
            "{begin}; SELECT {columns} FROM {table} WHERE name_hash IN ({hashes}) \
             ORDER BY name_hash{lock}; SAVEPOINT {LOCKED}"
        )
    }

    /// Takes back what was written since; the locks stay.
    pub(super) fn unwrite() -> String {
        format!("ROLLBACK TO SAVEPOINT {LOCKED}")
    }

    /// To bind: the hash.
    pub(super) fn find(&self) -> Query {
        kept(&self.find)
    }

    /// To bind: so many hashes, and as many as [`places`] says.
    pub(super) fn find_many(&self, count: usize) -> Query {
        let Sql { columns, table, .. } = self;
        let hashes = self.hash_parameters(count);
        prepared(format!("SELECT {columns} FROM {table} WHERE name_hash IN ({hashes})"))
    }

    /// Affects no row where there is one of this hash, or, on MySQL, fails.
    pub(super) fn insert(&self, name: &FileName, row: &Row) -> Query {
        bind_row(kept(&self.insert), name, row)
    }

    /// The same of several; of one that is there already, it affects fewer rows than there are.
    #[cfg(feature = "cli")]
    pub(super) fn insert_many(&self, rows: &[Row]) -> Query {
        let Sql { database, into, expired_is_boolean, status_is_boolean, .. } = self;
        let of_row = |number| values(*database, *expired_is_boolean, *status_is_boolean, number);
        let all = (0..rows.len()).map(of_row).collect::<Vec<_>>().join(", ");
        let query = prepared(database.insert(&format!("{into} {all}")));
        rows.iter().fold(query, |query, row| bind_row(query, &FileName::stored(&row.name), row))
    }

    /// Overwrites a row in full.
    pub(super) fn upsert(&self, name: &FileName, row: &Row) -> Query {
        bind_row(kept(&self.upsert), name, row)
    }

    /// To bind: the hash.
    pub(super) fn delete(&self) -> Query {
        kept(&self.delete)
    }

    /// To bind: so many hashes, and as many as [`places`] says. Marks rows as
    /// legacy does, which hides them from
    /// every kind of node; the zero of the epoch would stay visible to legacy.
    pub(super) fn soft_delete(&self, count: usize) -> Query {
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
    pub(super) fn lock_soft_deleted(&self, count: usize) -> Query {
        let hashes = self.hash_parameters(count);
        let (text, lock) = (self.database.text(), self.database.lock());
        prepared(format!(
            "SELECT CAST(name_hash AS {text}) FROM {} \
             WHERE name_hash IN ({hashes}) AND mtime + 0 < 0 ORDER BY name_hash{lock}",
            self.table
        ))
    }

    /// To bind: so many hashes, and as many as [`places`] says.
    pub(super) fn delete_many(&self, count: usize) -> Query {
        let (hashes, by_key) = (self.hash_parameters(count), self.by_key(count));
        prepared(format!("DELETE FROM {} WHERE name_hash IN ({hashes}){by_key}", self.table))
    }

    /// Ends a statement that changes the rows of so many keys.
    fn by_key(&self, count: usize) -> String {
        self.database.by_key(places(count))
    }

    /// To bind: the hash. Keeps the row for this transaction alone.
    pub(super) fn find_locked(&self) -> Query {
        prepared(format!("{}{}", self.find, self.database.lock()))
    }

    /// To bind: the value, the hash.
    pub(super) fn set(&self, column: Column) -> Query {
        let Sql { database, table, .. } = self;
        let column = match column {
            Column::Size => "size",
            Column::Mtime => "mtime",
            Column::Datatype => "datatype",
            Column::NameHash => "name_hash",
        };
        let value = database.parameter(1);
        let hash = hash_parameter(*database, self.padded_hash, 2);
        prepared(format!("UPDATE {table} SET {column} = {value} WHERE name_hash = {hash}"))
    }

    /// To bind: the hash.
    pub(super) fn unexpire(&self) -> Query {
        let expired = literal(self.expired_is_boolean, false);
        let hash = hash_parameter(self.database, self.padded_hash, 1);
        prepared(format!("UPDATE {} SET expired = {expired} WHERE name_hash = {hash}", self.table))
    }

    /// To bind: the time, the hash. What was soft-deleted, or hidden, is live again.
    #[cfg(feature = "cli")]
    pub(super) fn revive(&self) -> Query {
        let Sql { database, table, .. } = self;
        let (expired, mtime) = (literal(self.expired_is_boolean, false), database.parameter(1));
        let hash = hash_parameter(*database, self.padded_hash, 2);
        prepared(format!(
            "UPDATE {table} SET expired = {expired}, mtime = {mtime} WHERE name_hash = {hash}"
        ))
    }

    /// The same for a row that is never committed. Affects no row where there is one of this hash,
    /// after waiting for whoever is writing it.
    pub(super) fn reserve(&self, name: &FileName, row: &Row) -> Query {
        bind_row(kept(&self.reserve), name, row)
    }

    fn hash_parameters(&self, count: usize) -> String {
        let parameters: Vec<_> = (1..=places(count))
            .map(|number| hash_parameter(self.database, self.padded_hash, number))
            .collect();
        parameters.join(", ")
    }
}

/// The columns of a row as sqlx reads them from each database, the key behind.
fn columns(database: &dyn Database, shape: &Shape) -> String {
    let (text, integer) = (database.text(), database.integer());
    let expired = flag(database, shape.expired_is_boolean, "expired");
    format!(
        "CAST(name AS {text}), CAST(datatype AS {text}), CAST(scope AS {text}), \
         CAST(size AS {integer}), CAST(mtime AS {integer}), {expired}, CAST(name_hash AS {text})"
    )
}

/// A column that says yes or no, as an integer.
fn flag(database: &dyn Database, is_boolean: bool, column: &str) -> String {
    let integer = database.integer();
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

/// Binds [`COLUMNS`].
fn bind_row(query: Query, name: &FileName, row: &Row) -> Query {
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
fn prepared(text: String) -> Query {
    Query::new(text)
}

fn kept(text: &Arc<str>) -> Query {
    Query::new(Arc::clone(text))
}

/// So many places for hashes has the statement for this many: few lengths, so
/// that each is prepared once. What was prepared for one use would be closed
/// after it, and on TCP the packet behind that waits 40 ms for the server's
/// delayed acknowledgement.
pub(super) fn places(count: usize) -> usize {
    [1, 8, 64].into_iter().find(|places| *places >= count).unwrap_or(BATCH)
}

fn hash_parameter(database: &dyn Database, padded: bool, number: usize) -> String {
    let parameter = database.parameter(number);
    if padded { format!("CAST({parameter} AS bpchar)") } else { parameter }
}

const COLUMNS: [&str; 7] =
    ["name", "name_trunk", "name_hash", "datatype", "scope", "size", "mtime"];

/// The columns that every writer inserts, and an INSERT of them without its verb and its values.
/// `expired`, too: the kernels leave it, so that a file that legacy had deleted stays
/// invisible when stored again.
fn inserted(table: &str, shape: &Shape) -> (Vec<&'static str>, String) {
    let mut names = COLUMNS.to_vec();
    names.push("expired");
    names.extend(shape.status_is_boolean.map(|_| "status"));
    let into = format!("INTO {table} ({}) VALUES", names.join(", "));
    (names, into)
}

/// The values of the row of this number, from 0, in the same order.
fn values(
    database: &dyn Database,
    expired_is_boolean: bool,
    status_is_boolean: Option<bool>,
    number: usize,
) -> String {
    let first = number * COLUMNS.len();
    let parameters = (1..=COLUMNS.len()).map(|at| database.parameter(first + at));
    let flags = [Some(expired_is_boolean), status_is_boolean].into_iter().flatten();
    let flags = flags.map(|is_boolean| literal(is_boolean, false).to_owned());
    format!("({})", parameters.chain(flags).collect::<Vec<_>>().join(", "))
}
