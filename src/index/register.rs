//! Writing rows for files that are in place already, unless somebody else writes
//! them meanwhile.

use super::sql::Sql;
use super::{Index, PendingWrite};
use crate::error::Result;
use crate::metadata::Row;
use crate::name::FileName;

/// A row that a file is to have.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) name: FileName,
    pub(crate) row: Row,
    /// What the table had when it was asked.
    pub(crate) before: Option<Row>,
}

impl Index {
    /// Opens a transaction and locks the rows of those for which the table has
    /// still what it had; gives these back. Who had none has a row in this
    /// transaction that says nothing yet.
    pub(crate) async fn begin_register(
        &self,
        wanted: &[Registration],
    ) -> Result<(PendingWrite, Vec<Registration>)> {
        let names: Vec<_> = wanted.iter().map(|it| it.name.clone()).collect();
        let mut pending = self.begin_for(&names).await?;
        let mut locked = Vec::with_capacity(wanted.len());
        for registration in wanted {
            let sql = self.sql(self.table_of(&registration.name)).await?;
            if pending.lock_unchanged(&sql, registration).await? {
                locked.push(registration.clone());
            }
        }
        Ok((pending, locked))
    }
}

impl PendingWrite {
    async fn lock_unchanged(&mut self, sql: &Sql, registration: &Registration) -> Result<bool> {
        let Registration { name, row, before } = registration;
        let subject = name.as_str();
        let Some(before) = before else {
            let insert = sql.reserve(name, row);
            return Ok(self.connection.execute("import", subject, insert).await? > 0);
        };
        Ok(self.lock(sql, "import", name).await?.as_ref() == Some(before))
    }

    /// Writes a row in full: where there was none there is one by now, see
    /// [`Index::begin_register`].
    pub(crate) async fn register(
        &mut self,
        index: &Index,
        registration: &Registration,
    ) -> Result<()> {
        let Registration { name, row, .. } = registration;
        self.upsert(&*index.sql(index.table_of(name)).await?, name, row).await
    }
}
