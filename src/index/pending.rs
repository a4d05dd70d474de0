//! A transaction that has begun, and what is done in it.

use super::guard::{COMMIT, Guard};
use super::query::Query;
use super::sql::{Column, Sql};
use super::{Index, bind_all, decode, fault};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Row, second_after};
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
    /// Whether other servers take writes of this row meanwhile, and the first COMMIT
    /// makes the others fail: the lock is one among this server's clients.
    pub(crate) fn is_certified(&self) -> bool {
        self.connection.certified().is_some()
    }

    /// Writes a row in full, over `old` if there is one. False where somebody else
    /// has inserted one since it was looked for: then the transaction is of no more
    /// use.
    pub(super) async fn write(
        &mut self,
        index: &Index,
        name: &FileName,
        row: &Row,
        old: Option<&Row>,
    ) -> Result<bool> {
        let sql = index.sql(index.table_of(name)).await?;
        if old.is_some() {
            return self.upsert(&sql, name, row).await.map(|()| true);
        }
        match self.connection.execute("store", name.as_str(), sql.insert(name, row)).await {
            Err(error) if fault::is_duplicate(&error) => Ok(false),
            inserted => Ok(inserted? > 0),
        }
    }

    pub(super) async fn upsert(&mut self, sql: &Sql, name: &FileName, row: &Row) -> Result<()> {
        let subject = name.as_str();
        let affected = self.connection.execute("store", subject, sql.upsert(name, row)).await?;
        if affected == 0 { Err(stored_none(subject)) } else { Ok(()) }
    }

    /// Takes back what was written in a transaction of [`Index::begin_write`]; the locks
    /// stay.
    pub(crate) async fn unwrite(&mut self) -> Result<()> {
        let statement = Sql::unwrite();
        self.connection.command("roll back", &self.table, statement).await.map(drop)
    }

    /// Gives a row another time.
    pub(crate) async fn set_mtime(
        &mut self,
        index: &Index,
        name: &FileName,
        mtime: i64,
    ) -> Result<()> {
        let set = index.sql(index.table_of(name)).await?.set(Column::Mtime);
        let set = set.bind(mtime).bind(name.hash());
        self.connection.execute("store", name.as_str(), set).await.map(drop)
    }

    /// Writes a row twice with no net change, or inserts and deletes it: no other
    /// transaction that began before the COMMIT of this one can be certified after it.
    pub(super) async fn touch(
        &mut self,
        index: &Index,
        name: &FileName,
        row: Option<&Row>,
    ) -> Result<()> {
        match row {
            Some(row) => {
                self.set_mtime(index, name, second_after(row.mtime)).await?;
                self.set_mtime(index, name, row.mtime).await
            }
            None => self.delete(index, std::slice::from_ref(name)).await,
        }
    }

    /// The row of a query that finds one or none.
    pub(super) async fn fetch(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query,
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

    pub(crate) async fn soft_delete(&mut self, index: &Index, name: &FileName) -> Result<()> {
        let sql = index.sql(index.table_of(name)).await?;
        let query = sql.soft_delete(1).bind(name.hash());
        match self.connection.execute("rename", name.as_str(), query).await? {
            0 => Err(Error::not_found("rename", name.as_str())),
            _ => Ok(()),
        }
    }

    /// Deletes rows within the transaction.
    pub(crate) async fn delete(&mut self, index: &Index, names: &[FileName]) -> Result<()> {
        for (table, names) in index.by_table(names) {
            let query = bind_all(index.sql(table).await?.delete_many(names.len()), &names);
            self.connection.execute("delete", &table.name, query).await?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// After any error the outcome is unknown: ask for the row.
    pub(crate) async fn commit(mut self) -> Result<()> {
        self.connection.command(COMMIT, &self.table, "COMMIT").await?;
        self.connection.release();
        Ok(())
    }

    /// Ends the transaction and keeps the connection.
    pub(crate) async fn roll_back(mut self) -> Result<()> {
        match self.connection.command("roll back", &self.table, "ROLLBACK").await {
            Ok(_) => self.connection.release(),
            // A Galera node has done so already, and says that in its answer to this.
            Err(error) if fault::is_refusal(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The kernels' fallback UPDATE reports success where it met no row.
pub(super) fn stored_none(subject: &str) -> Error {
    let reason = "the database accepted the row and stored none";
    Error::new(ErrorKind::Unavailable, "store", subject, reason)
}
