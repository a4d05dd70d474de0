//! What the database says of itself beside the table: its clock, the connections that it allows,
//! whether it takes writes.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::connect::Purpose;
use super::guard::Authority;
use super::query::Query;
use super::schema::Column;
use super::{Index, fault, schema};
use crate::error::Result;

/// How far a clock is ahead of this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// Below 0 where it is behind.
    pub(crate) microseconds: i64,
    /// It may be so much more or less: what the answer took.
    pub(crate) uncertain: i64,
}

impl Ahead {
    /// Of a clock that said `there` between these two times of this machine's.
    pub(crate) fn of(there: i64, before: i64, after: i64) -> Self {
        let uncertain = (after - before).max(0) / 2;
        Ahead { microseconds: there - before - uncertain, uncertain }
    }
}

/// A bound of connections that a server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectionLimit {
    /// As the server calls it.
    pub(crate) name: String,
    pub(crate) connections: u64,
}

/// Microseconds since the epoch by this machine's clock.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl Index {
    /// The database's clock; `None` where that is this machine's.
    pub(crate) async fn clock(&self) -> Result<Option<Ahead>> {
        let database = self.pool.database();
        if database.is_embedded() {
            return Ok(None);
        }
        let ask = || async {
            let mut connection = self.pool.get(Purpose::Read).await?;
            let query = Query::new(format!("SELECT {}", database.microseconds()));
            let before = now();
            let rows = connection.fetch_all("clock", &self.main.name, query).await?;
            Ok((rows, before, now()))
        };
        let (rows, before, after) = self.attempts().repeat(ask).await?;
        let there: Option<i64> = self.first(&rows, "clock")?;
        Ok(there.map(|there| Ahead::of(there, before, after)))
    }

    /// What bounds the connections of the database's user; nothing where nobody does.
    pub(crate) async fn connection_limits(&self) -> Result<Vec<ConnectionLimit>> {
        let Some(text) = self.pool.database().connection_limits() else { return Ok(Vec::new()) };
        let rows = self.inquire("look", Query::new(text)).await?;
        let limit = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let limits: Result<Vec<(String, i64)>, sqlx::Error> = rows.iter().map(limit).collect();
        let limits = limits.map_err(|error| fault::convert(error, "look", &self.main.name))?;
        let is_one = |(name, connections): (String, i64)| {
            let connections = u64::try_from(connections).ok().filter(|it| *it > 0)?;
            Some(ConnectionLimit { name, connections })
        };
        Ok(limits.into_iter().filter_map(is_one).collect())
    }

    /// Whether the server in use takes writes, as far as it says.
    pub(crate) async fn takes_writes(&self) -> Result<bool> {
        let look = || async {
            let mut connection = self.pool.get(Purpose::Read).await?;
            connection.authority().await
        };
        Ok(self.attempts().repeat(look).await? == Authority::Whole)
    }

    /// The account that is logged in, as GRANT takes it.
    pub(crate) async fn account(&self) -> Result<Option<String>> {
        let Some(text) = self.pool.database().account() else { return Ok(None) };
        let rows = self.inquire("look", Query::new(text)).await?;
        self.first(&rows, "look")
    }

    /// The journal of a database that is a file.
    pub(crate) async fn journal(&self) -> Result<Option<String>> {
        let Some(text) = self.pool.database().journal() else { return Ok(None) };
        let rows = self.inquire("look", Query::new(text)).await?;
        self.first(&rows, "look")
    }

    /// Whether an index begins with `name`, and none has the order that listings need.
    pub(crate) async fn is_indexed_out_of_order(&self) -> Result<bool> {
        if self.pool.database().ordered_index().is_none() {
            return Ok(false);
        }
        let is_indexed = self.indexed().await?.iter().any(|column| column == "name");
        Ok(is_indexed && !self.is_ordered().await?)
    }

    /// The columns that hold less than what is stored in them, and how many characters.
    pub(crate) async fn narrow_columns(&self) -> Result<Vec<(&'static str, i64)>> {
        let mut connection = self.pool.get(Purpose::Read).await?;
        let columns =
            schema::columns(&mut connection, self.pool.database(), &self.main.name).await?;
        let length =
            |wanted: &str| columns.iter().find(|column: &&Column| column.name == wanted)?.length;
        let is_narrow = |(name, least): (&'static str, i64)| {
            Some((name, length(name).filter(|length| *length < least)?))
        };
        Ok(LEAST.into_iter().filter_map(is_narrow).collect())
    }

    /// What makes an index that begins with a column, as this database spells it.
    pub(crate) fn index_statement(&self, column: &str) -> String {
        self.pool.database().add_index(&self.main.name, column)
    }

    /// What gives a column the type that a table of ours has.
    pub(crate) fn column_statement(&self, column: &str) -> String {
        self.pool.database().change_column(&self.main.name, column)
    }

    async fn inquire(&self, operation: &'static str, query: Query) -> Result<Vec<AnyRow>> {
        let ask = || async {
            let mut connection = self.pool.get(Purpose::Read).await?;
            connection.fetch_all(operation, &self.main.name, query.clone()).await
        };
        self.attempts().repeat(ask).await
    }

    fn first<T>(&self, rows: &[AnyRow], operation: &'static str) -> Result<Option<T>>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        let first = rows.first().map(|row| row.try_get(0)).transpose();
        first.map_err(|error| fault::convert(error, operation, &self.main.name))
    }
}

/// What sites store: names of variations with all that stands before them, and legacy's scopes.
const LEAST: [(&str, i64); 3] = [("name", 512), ("name_trunk", 512), ("scope", 15)];
