//! A transaction that has begun, and what is done in it.

use super::connect::{Guard, Query};
use super::sql::Sql;
use super::{Index, Renamed, bind_all, decode};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Row;
use crate::name::FileName;

/// A row that is written but not committed. Dropped without [`commit`], it is
/// rolled back: its connection is closed.
///
/// [`commit`]: PendingWrite::commit
pub(crate) struct PendingWrite {
    pub(super) connection: Guard,
    pub(super) table: String,
}

impl PendingWrite {
    pub(super) async fn upsert(&mut self, sql: &Sql, name: &FileName, row: &Row) -> Result<()> {
        let subject = name.as_str();
        let affected = self.connection.execute("store", subject, sql.upsert(name, row)).await?;
        if affected == 0 {
            // The kernels' fallback UPDATE reports success where it met no row.
            let reason = "the database accepted the row and stored none";
            return Err(Error::new(ErrorKind::Unavailable, "store", subject, reason));
        }
        Ok(())
    }

    /// The row of a query that finds one or none.
    pub(super) async fn fetch(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query<'static>,
    ) -> Result<Option<Row>> {
        let rows = self.connection.fetch_all(operation, subject, query).await?;
        rows.first().map(|row| decode(row, subject)).transpose()
    }

    pub(super) async fn lock(
        &mut self,
        sql: &Sql,
        operation: &'static str,
        name: &FileName,
    ) -> Result<Option<Row>> {
        let query = sql.find_locked().bind(name.hash());
        self.fetch(operation, name.as_str(), query).await
    }

    /// Locks a row and looks whether it is what was read.
    pub(super) async fn has_still(
        &mut self,
        sql: &Sql,
        Renamed { name, info }: &Renamed,
    ) -> Result<bool> {
        let row = self.lock(sql, "rename", name).await?;
        let seen = (info.size, info.mtime, info.mime_type.as_str());
        Ok(row.is_some_and(|row| row.is_live() && (row.size, row.mtime, &*row.datatype) == seen))
    }

    pub(super) async fn soft_delete(&mut self, sql: &Sql, name: &FileName) -> Result<()> {
        let query = sql.soft_delete(1).bind(name.hash());
        match self.connection.execute("rename", name.as_str(), query).await? {
            0 => Err(Error::not_found("rename", name.as_str())),
            _ => Ok(()),
        }
    }

    /// Deletes rows within the transaction.
    pub(crate) async fn delete(&mut self, index: &Index, names: &[FileName]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let query = bind_all(index.sql().await?.delete_many(names.len()), names);
        self.connection.execute("delete", &self.table, query).await.map(drop)
    }

    /// # Errors
    ///
    /// After any error the outcome is unknown: ask for the row.
    pub(crate) async fn commit(mut self) -> Result<()> {
        self.connection.command("commit", &self.table, "COMMIT").await?;
        self.connection.release();
        Ok(())
    }

    /// Ends the transaction and keeps the connection.
    pub(crate) async fn roll_back(mut self) -> Result<()> {
        self.connection.command("roll back", &self.table, "ROLLBACK").await?;
        self.connection.release();
        Ok(())
    }
}
