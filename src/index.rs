//! The metadata table.

#[cfg(feature = "cli")]
mod condition;
mod connect;
mod connection;
mod database;
mod fault;
mod feed;
mod find;
mod fitness;
mod fitted;
#[cfg(feature = "cli")]
mod follow;
mod guard;
mod list;
mod locked;
mod opened;
mod options;
mod panics;
mod pending;
mod query;
mod record;
mod register;
mod rename;
mod roster;
mod schema;
mod servers;
mod settle;
mod siblings;
mod sorted;
mod sql;
mod survey;
mod tables;
#[cfg(test)]
mod trials;
mod write;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tokio::sync::Mutex;

use crate::config::Options;
use crate::error::Result;
use crate::metadata::{FileInfo, Row};
use crate::name::FileName;
use crate::stats::Stats;

use connect::{Pool, Purpose};
use locked::keyed;
use query::Query;
use siblings::Siblings;
use sql::Sql;
use tables::Table;

#[cfg(feature = "cli")]
pub(crate) use condition::{Ahead, ConnectionLimit, now};
#[cfg(feature = "cli")]
pub(crate) use fault::takes_no_writes;
pub(crate) use fault::{Attempts, has_rolled_back};
pub use feed::FeedState;
#[cfg(feature = "cli")]
pub(crate) use feed::UNSEEN;
#[cfg(feature = "cli")]
pub(crate) use fitness::{Advice, Topic};
#[cfg(feature = "cli")]
pub(crate) use follow::{Change, MOST_GAPS, Polled};
pub(crate) use list::Page;
pub(crate) use locked::{Keyed, Locked};
pub(crate) use pending::PendingWrite;
pub use record::Record;
pub(crate) use register::Registration;
pub use rename::RenamedTable;
pub(crate) use schema::Shape;
pub(crate) use settle::{Outcome, Unsettled};
pub(crate) use sorted::Sorted;
pub(crate) use write::{Begun, Locks};

/// Rows that one statement deletes or looks up.
pub(crate) const BATCH: usize = 500;

/// Rows that a listing reads at a time.
pub(crate) const PAGE: usize = 5000;

/// The table, reached through a bounded pool of connections. Where the rows of caches are in one
/// of their own, this is both.
pub(crate) struct Index {
    pool: Pool,
    main: Table,
    caches: Option<Table>,
    database: String,
    siblings: Mutex<Option<Arc<Siblings>>>,
}

impl Index {
    /// Connects to nothing yet.
    pub(crate) fn new(options: &Options, stats: &Arc<Stats>) -> Result<Self> {
        let (main, caches) = Table::of_options(options);
        Ok(Index {
            pool: Pool::new(options, stats)?,
            main,
            caches,
            database: options.dsn.database().to_owned(),
            siblings: Mutex::default(),
        })
    }

    /// Connects and looks at the table of a name, if that has not been done: to fail
    /// before anything is stored.
    pub(crate) async fn ready(&self, name: &FileName) -> Result<()> {
        self.sql_for_writing(self.table_of(name)).await.map(drop)
    }

    /// Makes sure that a server takes writes: another may not have all rows yet, and what
    /// it does not list is not missing.
    pub(crate) async fn require_writes(&self) -> Result<()> {
        self.pool.get(Purpose::Write).await.map(drop)
    }

    /// The server that a reader gets; whether it takes writes, where there are several.
    #[cfg(feature = "cli")]
    pub(crate) async fn server_in_use(&self) -> Result<(String, Option<bool>)> {
        let connection = self.pool.get(Purpose::Read).await?;
        let takes_writes = (!connection.is_of_one_server()).then(|| connection.is_writable());
        Ok((connection.server(), takes_writes))
    }

    /// The table's name.
    pub(crate) fn table(&self) -> &str {
        &self.main.name
    }

    /// The name of the database that it is in.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// For an operation that begins now: it is repeated no later than
    /// `query_timeout` after this.
    pub(crate) fn attempts(&self) -> Attempts {
        self.pool.attempts()
    }

    /// How long a look-up takes at most.
    pub(crate) fn patience(&self) -> Duration {
        self.pool.patience()
    }

    async fn begin(&self, table: &Table) -> Result<(PendingWrite, Arc<Sql>)> {
        let sql = self.sql_for_writing(table).await?;
        let mut connection = self.pool.get(Purpose::Write).await?;
        connection.hold();
        connection.command("begin", &table.name, sql.begin()).await?;
        Ok((PendingWrite { connection, table: table.name.clone() }, sql))
    }

    /// The same for the rows of these names, whatever tables they are in.
    async fn begin_for(&self, names: &[FileName]) -> Result<PendingWrite> {
        let tables = self.by_table(names).into_iter().map(|(table, _)| table);
        // Looked at before: within the transaction there may be no other connection for that.
        for table in tables.clone().skip(1) {
            self.sql_for_writing(table).await?;
        }
        let first = tables.into_iter().next().unwrap_or(&self.main);
        Ok(self.begin(first).await?.0)
    }

    /// Deletes the row, live or not; says whether there was one.
    pub(crate) async fn delete(&self, name: &FileName) -> Result<bool> {
        let hash = name.hash();
        let delete = |sql: &Sql| sql.delete().bind(hash.clone());
        let table = self.table_of(name);
        let (rows, lost_one) = self.execute_knowing(table, "delete", name.as_str(), delete).await?;
        // An attempt of which nothing was heard has deleted it, if it was there.
        Ok(rows > 0 || lost_one)
    }

    /// Makes rows invisible to every kind of node; says how many there were.
    /// What lies behind them is then removed under [`Index::begin_purge`].
    pub(crate) async fn soft_delete(&self, names: &[FileName]) -> Result<u64> {
        debug_assert!(names.len() <= BATCH);
        let mut deleted = 0;
        for (table, names) in self.by_table(names) {
            let update = |sql: &Sql| bind_all(sql.soft_delete(names.len()), &names);
            deleted += self.execute(table, "delete", subject(&names), update).await?;
        }
        Ok(deleted)
    }

    /// Opens a transaction and locks those of these rows that are soft-deleted
    /// still; nobody can store such a name again until it ends.
    pub(crate) async fn begin_purge(
        &self,
        names: &[FileName],
    ) -> Result<(PendingWrite, Vec<FileName>)> {
        let mut pending = self.begin_for(names).await?;
        let mut locked = HashSet::new();
        for (table, names) in self.by_table(names) {
            let query = self.sql(table).await?.lock_soft_deleted(names.len());
            let query = bind_all(query, &names);
            for row in pending.connection.fetch_all("delete", subject(&names), query).await? {
                let key = found_key(&row, 0);
                locked.insert(key.map_err(|error| fault::convert(error, "delete", &table.name))?);
            }
        }
        let is_locked = |name: &&FileName| locked.contains(&name.hash().to_ascii_lowercase());
        let names = names.iter().filter(is_locked).cloned().collect();
        Ok((pending, names))
    }

    /// Deletes rows by their names; says how many there were.
    pub(crate) async fn delete_many(&self, names: &[FileName]) -> Result<u64> {
        debug_assert!(names.len() <= BATCH);
        let mut deleted = 0;
        for (table, names) in self.by_table(names) {
            let delete = |sql: &Sql| bind_all(sql.delete_many(names.len()), &names);
            deleted += self.execute(table, "delete", &table.name, delete).await?;
        }
        Ok(deleted)
    }

    /// Looks at the shape of each table.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Schema`] where there is no table or ezdfs cannot write to it.
    pub(crate) async fn check_schema(&self) -> Result<()> {
        for table in self.tables() {
            self.writable_shape(table).await?;
        }
        Ok(())
    }

    async fn writable_shape(&self, table: &Table) -> Result<Shape> {
        self.shape(table).await?.check_transactions(&table.name)
    }

    /// The shape of a table that can be read at least.
    async fn shape(&self, table: &Table) -> Result<Shape> {
        self.inspect(&table.name).await?.check(&table.name)
    }

    async fn inspect(&self, table: &str) -> Result<Shape> {
        let inspect = || async {
            let mut connection = self.pool.get(Purpose::Read).await?;
            schema::inspect(&mut connection, self.pool.database(), table).await
        };
        self.attempts().repeat(inspect).await
    }

    /// Creates each table where there is none.
    pub(crate) async fn create_schema(&self) -> Result<()> {
        let mut connection = self.pool.get_creating().await?;
        for Table { name, .. } in self.tables() {
            for statement in self.pool.database().create(name) {
                connection.command("create", name, statement).await?;
            }
        }
        fitted::table_is_made();
        Ok(())
    }

    /// Runs a query; again where the connection turns out to be dead.
    async fn fetch(
        &self,
        table: &Table,
        operation: &'static str,
        subject: &str,
        query: impl Fn(&Sql) -> Query,
    ) -> Result<Vec<AnyRow>> {
        let fetch = || async {
            let query = query(&*self.sql(table).await?);
            let mut connection = self.pool.get(Purpose::Read).await?;
            connection.fetch_all(operation, subject, query).await
        };
        match self.attempts().repeat(fetch).await {
            Err(error) if fault::cannot_be_there(&error) => Ok(Vec::new()),
            rows => rows,
        }
    }

    async fn execute(
        &self,
        table: &Table,
        operation: &'static str,
        subject: &str,
        query: impl Fn(&Sql) -> Query,
    ) -> Result<u64> {
        Ok(self.execute_knowing(table, operation, subject, query).await?.0)
    }

    /// Runs one statement that commits by itself and may be repeated; repeats
    /// it while the database asks for that (deadlock, lock timeout) and where
    /// the connection is lost. Says how many rows the last attempt affected, and
    /// whether nothing was heard of an earlier one.
    async fn execute_knowing(
        &self,
        table: &Table,
        operation: &'static str,
        subject: &str,
        query: impl Fn(&Sql) -> Query,
    ) -> Result<(u64, bool)> {
        let mut attempts = self.attempts();
        let execute = || async {
            let query = query(&*self.sql_for_writing(table).await?);
            let mut connection = self.pool.get(Purpose::Write).await?;
            connection.execute(operation, subject, query).await
        };
        let rows = attempts.repeat(execute).await?;
        Ok((rows, attempts.lost_one()))
    }
}

/// A row that a rename takes away, as it was when its file was read.
#[derive(Debug, Clone)]
pub(crate) struct Renamed {
    pub(crate) name: FileName,
    pub(crate) info: FileInfo,
}

impl Renamed {
    /// Whether it is what was read, among rows that are locked.
    pub(crate) fn is_still(&self, locks: &Locks) -> bool {
        let Renamed { name, info } = self;
        let seen = (info.size, info.mtime, info.mime_type.as_str());
        let row = locks.get(name);
        row.is_some_and(|row| row.is_live() && (row.size, row.mtime, &*row.datatype) == seen)
    }
}

fn bind_all(query: Query, names: &[FileName]) -> Query {
    bind_keys(query, names.iter().map(FileName::hash))
}

/// Places without a key of their own get the last once more.
fn bind_keys(query: Query, keys: impl ExactSizeIterator<Item = String> + Clone) -> Query {
    let places = sql::places(keys.len());
    let last = keys.clone().last().into_iter().cycle();
    keys.chain(last).take(places).fold(query, |query, key| query.bind(key))
}

/// What an error about these names speaks of.
fn subject(names: &[FileName]) -> &str {
    names.first().map_or("", FileName::as_str)
}

/// The key of a row that a database found by it, as the name's digest is
/// written: `char(32)` is padded, and a collation may take `A` for `a`.
fn found_key(row: &AnyRow, column: usize) -> Result<String, sqlx::Error> {
    Ok(row.try_get::<String, _>(column)?.trim_end().to_ascii_lowercase())
}

fn decode(row: &AnyRow, subject: &str) -> Result<Row> {
    let columns = || -> Result<Row, sqlx::Error> {
        Ok(Row {
            name: row.try_get(0)?,
            // The column is nullable where it was once widened by hand.
            datatype: row.try_get::<Option<String>, _>(1)?.unwrap_or_default(),
            scope: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
            size: u64::try_from(row.try_get::<i64, _>(3)?).unwrap_or(0),
            mtime: row.try_get(4)?,
            expired: row.try_get::<i64, _>(5)? != 0,
        })
    };
    columns().map_err(|error| fault::convert(error, "decode", subject))
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("table", &self.main.name).finish_non_exhaustive()
    }
}
