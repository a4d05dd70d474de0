//! Rows with the keys that they really have, and what is done to single rows
//! while they are locked.

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::query::Query;
use super::sorted::{Sorted, Sorter};
use super::sql::{Column, Sql};
use super::tables::{Table, merged};
use super::{Index, PAGE, PendingWrite, Record, decode, fault};
use crate::error::Result;
use crate::metadata::Row;
use crate::name::FileName;

/// A row and its key, which need not be the hash of its name.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) key: String,
    pub(crate) row: Row,
}

impl Keyed {
    pub(crate) fn name(&self) -> FileName {
        FileName::of_row(&self.row.name, &self.key)
    }
}

impl Index {
    /// The rows of [`Index::list`], in the order of the keys, which every
    /// database has an index for.
    pub(crate) async fn list_by_key(
        &self,
        beneath: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Keyed>> {
        let mut pages = Vec::new();
        for table in self.tables_beneath(beneath) {
            pages.push(self.page_by_key(table, beneath, after, limit).await?);
        }
        Ok(merged(pages, limit, |keyed| &keyed.key))
    }

    async fn page_by_key(
        &self,
        table: &Table,
        beneath: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Keyed>> {
        let list = |sql: &Sql| sql.list_by_key(beneath, after, limit);
        keyed(&self.fetch(table, "list", beneath, list).await?, beneath)
    }

    /// All rows below a prefix, live or not, in the byte order of their names;
    /// `observe` sees each as it is read.
    pub(crate) async fn sorted(
        &self,
        beneath: &str,
        observe: &mut dyn FnMut(&Keyed),
    ) -> Result<Sorted> {
        let mut sorter = Sorter::default();
        for table in self.tables_beneath(beneath) {
            let mut after = None;
            loop {
                let page = self.page_by_key(table, beneath, after.as_deref(), PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.key.clone());
                for keyed in page {
                    observe(&keyed);
                    sorter.add(keyed)?;
                }
            }
        }
        sorter.finish()
    }

    /// Soft-deleted rows of all tables, in the order of the keys.
    pub(crate) async fn soft_deleted(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Keyed>> {
        let list = |sql: &Sql| sql.soft_deleted(after, limit);
        let mut pages = Vec::new();
        for table in self.tables() {
            let rows = self.fetch(table, "list", &table.name, list).await?;
            pages.push(keyed(&rows, &table.name)?);
        }
        Ok(merged(pages, limit, |keyed| &keyed.key))
    }

    /// Keys and names of all tables, in the order of the keys.
    pub(crate) async fn names_by_key(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, String)>> {
        let list = |sql: &Sql| sql.names_by_hash(after, limit);
        let pair = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let mut pages: Vec<Vec<(String, String)>> = Vec::new();
        for table in self.tables() {
            let rows = self.fetch(table, "list", &table.name, list).await?;
            let names: Result<_, sqlx::Error> = rows.iter().map(pair).collect();
            pages.push(names.map_err(|error| fault::convert(error, "list", &table.name))?);
        }
        Ok(merged(pages, limit, |(key, _)| key))
    }

    /// The row that is found by this key, live or not, under the key that it has:
    /// a collation may take `A` for `a`.
    pub(crate) async fn find_keyed(&self, key: &str) -> Result<Option<Keyed>> {
        for table in self.tables() {
            let rows =
                self.fetch(table, "find", key, |sql| sql.find().bind(key.to_owned())).await?;
            let found = keyed(&rows, key)?.pop();
            if found.as_ref().is_some_and(|it| self.has_row(table, &it.row.name)) {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Opens a transaction and locks the row of this name, if there is one:
    /// writers wait until it ends, and those who came before have ended.
    pub(crate) async fn lock(&self, name: &FileName) -> Result<(Locked, Option<Row>)> {
        let (pending, sql) = self.begin(self.table_of(name)).await?;
        let mut locked = Locked { pending, sql, name: name.clone() };
        let key = name.hash();
        let row = locked.fetch(locked.sql.find_locked().bind(key.clone()), &key).await?;
        Ok((locked, row))
    }

    /// Opens a transaction in which nobody else can store this name; `None`
    /// where it has a row. For rolling back: the row that holds the place says
    /// nothing.
    pub(crate) async fn reserve(&self, name: &FileName, row: &Row) -> Result<Option<PendingWrite>> {
        let (mut pending, sql) = self.begin(self.table_of(name)).await?;
        let insert = sql.reserve(name, row);
        match pending.connection.execute("check", name.as_str(), insert).await? {
            0 => pending.roll_back().await.map(|()| None),
            _ => Ok(Some(pending)),
        }
    }
}

/// A locked row within its transaction; rolled back when dropped.
pub(crate) struct Locked {
    pending: PendingWrite,
    sql: Arc<Sql>,
    name: FileName,
}

impl Locked {
    /// Another row as this transaction sees it.
    pub(crate) async fn find_keyed(&mut self, key: &str) -> Result<Option<Keyed>> {
        let query = self.sql.find().bind(key.to_owned());
        let rows = self.pending.connection.fetch_all("check", key, query).await?;
        Ok(keyed(&rows, key)?.pop())
    }

    pub(crate) async fn delete(&mut self) -> Result<()> {
        self.change(self.sql.delete()).await
    }

    pub(crate) async fn unexpire(&mut self) -> Result<()> {
        self.change(self.sql.unexpire()).await
    }

    #[cfg(feature = "cli")]
    pub(crate) async fn revive(&mut self, mtime: i64) -> Result<()> {
        self.change(self.sql.revive().bind(mtime)).await
    }

    pub(crate) async fn set_size(&mut self, size: u64) -> Result<()> {
        self.change(self.sql.set(Column::Size).bind(size.cast_signed())).await
    }

    pub(crate) async fn set_datatype(&mut self, datatype: &str) -> Result<()> {
        self.change(self.sql.set(Column::Datatype).bind(datatype.to_owned())).await
    }

    pub(crate) async fn set_key(&mut self, key: &str) -> Result<()> {
        self.change(self.sql.set(Column::NameHash).bind(key.to_owned())).await
    }

    /// The row with all its columns.
    pub(crate) async fn record(&mut self, index: &Index) -> Result<Option<Record>> {
        Ok(self.pending.records(index, std::slice::from_ref(&self.name)).await?.pop())
    }

    pub(crate) async fn commit(self) -> Result<()> {
        self.pending.commit().await
    }

    pub(crate) fn into_pending(self) -> PendingWrite {
        self.pending
    }

    pub(crate) async fn roll_back(self) -> Result<()> {
        self.pending.roll_back().await
    }

    async fn fetch(&mut self, query: Query, key: &str) -> Result<Option<Row>> {
        self.pending.fetch("check", key, query).await
    }

    async fn change(&mut self, query: Query) -> Result<()> {
        let key = self.name.hash();
        let query = query.bind(key.clone());
        self.pending.connection.execute("repair", &key, query).await.map(drop)
    }
}

pub(super) fn keyed(rows: &[AnyRow], subject: &str) -> Result<Vec<Keyed>> {
    let one = |row: &AnyRow| {
        let key: Result<String, sqlx::Error> = row.try_get(6);
        let key = key.map_err(|error| fault::convert(error, "list", subject))?;
        Ok(Keyed { key: key.trim_end().to_owned(), row: decode(row, subject)? })
    };
    rows.iter().map(one).collect()
}
