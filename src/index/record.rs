//! Rows as a journal keeps them, to be brought back as they were.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::sql::Sql;
use super::{BATCH, Index, PendingWrite, bind_all, fault};
use crate::error::Result;
use crate::name::FileName;

/// A row with all its columns. What the core's own row leaves out or
/// makes equal is told apart here; names are those of the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The name, as it is stored.
    pub name: String,
    /// Legacy's prefix for mass expiry; else the name.
    pub name_trunk: String,
    /// The key that the row really has.
    pub name_hash: String,
    /// The MIME type, or one of legacy's words.
    pub datatype: Option<String>,
    /// Legacy's scope.
    pub scope: Option<String>,
    /// Bytes.
    pub size: i64,
    /// Seconds since the epoch; negative where it is soft-deleted.
    pub mtime: i64,
    /// Whether it is soft-deleted.
    pub expired: bool,
    /// `None` where the table has no such column.
    pub status: Option<bool>,
}

impl Record {
    /// As it was before it was soft-deleted.
    pub(crate) fn revived(self) -> Self {
        Record { mtime: self.mtime.abs(), expired: false, ..self }
    }

    /// Why the new kernels and ezdfs see no file; `None` where they see one.
    #[cfg(feature = "cli")]
    pub(crate) fn why_not_live(&self) -> Option<&'static str> {
        match (self.mtime, self.expired) {
            (..0, _) => Some("soft-deleted: mtime is negative"),
            (0, _) => Some("hidden: mtime is 0, which legacy nodes take for a file"),
            (_, true) => {
                Some("hidden: expired is set, but legacy nodes go by mtime and see a file")
            }
            (_, false) => None,
        }
    }
}

impl PendingWrite {
    /// The rows of these names, in the order of their keys. Nobody else can change
    /// them until the transaction ends.
    pub(crate) async fn records(
        &mut self,
        index: &Index,
        names: &[FileName],
    ) -> Result<Vec<Record>> {
        debug_assert!(names.len() <= BATCH);
        let mut records = Vec::with_capacity(names.len());
        for (table, names) in index.by_table(names) {
            let sql = index.sql(table).await?;
            let query = bind_all(sql.records(names.len()), &names);
            for row in self.connection.fetch_all("find", &table.name, query).await? {
                let record = decode(&row, &sql);
                records.push(record.map_err(|error| fault::convert(error, "decode", &table.name))?);
            }
        }
        Ok(records)
    }

    /// Inserts a row as it is; false where its key has a row already, after which the transaction is
    /// of no more use.
    pub(crate) async fn insert_record(&mut self, index: &Index, record: &Record) -> Result<bool> {
        let table = index.table_of_text(&record.name);
        let insert = index.sql(table).await?.insert_record(record);
        match self.connection.execute("restore", &record.name, insert).await {
            Err(error) if fault::is_duplicate(&error) => Ok(false),
            inserted => Ok(inserted? > 0),
        }
    }
}

impl Index {
    /// The row that is found by this key, live or not, as it stands.
    #[cfg(feature = "cli")]
    pub(crate) async fn record(&self, key: &str) -> Result<Option<Record>> {
        for table in self.tables() {
            let find = |sql: &Sql| sql.record().bind(key.to_owned());
            let rows = self.fetch(table, "find", key, find).await?;
            let sql = self.sql(table).await?;
            let record = rows.first().map(|row| decode(row, &sql)).transpose();
            let record = record.map_err(|error| fault::convert(error, "decode", key))?;
            if record.as_ref().is_some_and(|it| self.has_row(table, &it.name)) {
                return Ok(record);
            }
        }
        Ok(None)
    }

    /// Opens a transaction and locks these rows, to be deleted.
    pub(crate) async fn begin_removal(
        &self,
        names: &[FileName],
    ) -> Result<(PendingWrite, Vec<Record>)> {
        let mut pending = self.begin_for(names).await?;
        let records = pending.records(self, names).await?;
        Ok((pending, records))
    }

    /// Opens a transaction and inserts a row as it was; `None` where its key has a
    /// row already.
    pub(crate) async fn begin_restore(&self, record: &Record) -> Result<Option<PendingWrite>> {
        let (mut pending, _) = self.begin(self.table_of_text(&record.name)).await?;
        match pending.insert_record(self, record).await? {
            true => Ok(Some(pending)),
            false => pending.roll_back().await.map(|()| None),
        }
    }
}

fn decode(row: &AnyRow, sql: &Sql) -> Result<Record, sqlx::Error> {
    let mut name_hash: String = row.try_get(6)?;
    if sql.pads_keys() {
        name_hash.truncate(name_hash.trim_end_matches(' ').len());
    }
    let status = sql.has_status().then(|| row.try_get::<i64, _>(8)).transpose()?;
    Ok(Record {
        name: row.try_get(0)?,
        name_trunk: row.try_get(7)?,
        name_hash,
        datatype: row.try_get(1)?,
        scope: row.try_get(2)?,
        size: row.try_get(3)?,
        mtime: row.try_get(4)?,
        expired: row.try_get::<i64, _>(5)? != 0,
        status: status.map(|status| status != 0),
    })
}
