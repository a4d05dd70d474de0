//! Listing: memory does not grow with the table.

use super::Store;
use crate::error::Result;
use crate::index::{BATCH, Sorted};
use crate::metadata::{FileInfo, Row};
use crate::name::DirId;
use crate::runtime;

/// The live files below a directory, in the byte order of their names.
///
/// The first few hundred are read first, for who looks at no more, and the
/// others when these have been seen: SQLite's page by page, all those of another
/// database at once. Files written meanwhile may show or not. On MySQL, which has
/// no index for that order, all are read first if there are more. Ends after its
/// first error.
#[derive(Debug)]
pub struct List {
    /// Not its process: a fork in the middle of a listing leaves the parent's
    /// connections alone.
    store: Store,
    beneath: String,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Unread,
    /// And the name of the last of them, if there may be others.
    Page(std::vec::IntoIter<Row>, Option<String>),
    /// Those after this name.
    Others(Sorted, Option<String>),
    Ended,
}

impl Store {
    /// Lists the live files below a directory, or all of the store.
    ///
    /// Blocks on the database when rows are read, not here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`](crate::ErrorKind::InvalidName) where the
    /// directory is too long with the prefix; those of the database come from
    /// the iterator.
    pub fn list(&self, dir: Option<&DirId>) -> Result<List> {
        let beneath = self.options.name_prefix.beneath(dir)?;
        Ok(List { store: self.clone(), beneath, rows: Rows::Unread })
    }
}

impl List {
    fn next_row(&mut self) -> Result<Option<Row>> {
        loop {
            self.rows = match &mut self.rows {
                Rows::Unread => self.page(None)?,
                Rows::Page(rows, last) => match (rows.next(), last.take()) {
                    (Some(row), same) => {
                        *last = same;
                        return Ok(Some(row));
                    }
                    (None, Some(last)) => self.after(last)?,
                    (None, None) => Rows::Ended,
                },
                Rows::Others(rows, last) => match rows.next()? {
                    Some(keyed) if Some(&keyed.row.name) <= last.as_ref() => continue,
                    Some(keyed) => return Ok(Some(keyed.row)),
                    None => Rows::Ended,
                },
                Rows::Ended => return Ok(None),
            }
        }
    }

    fn page(&self, after: Option<&str>) -> Result<Rows> {
        let process = self.store.process()?;
        let list = async { process.index.list(&self.beneath, after, BATCH).await };
        let Some(rows) = runtime::block_on(list)? else {
            return self.others(None);
        };
        let last = rows.last().filter(|_| rows.len() == BATCH).map(|row| row.name.clone());
        Ok(Rows::Page(rows.into_iter(), last))
    }

    fn after(&self, last: String) -> Result<Rows> {
        let process = self.store.process()?;
        match runtime::block_on(async { process.index.lists_by_index().await })? {
            true => self.page(Some(&last)),
            false => self.others(Some(last)),
        }
    }

    fn others(&self, last: Option<String>) -> Result<Rows> {
        let process = self.store.process()?;
        let sorted = runtime::block_on(async { process.index.sorted(&self.beneath).await })?;
        Ok(Rows::Others(sorted, last))
    }
}

impl Iterator for List {
    type Item = Result<FileInfo>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_row() {
                Ok(Some(row)) if row.is_live() => {
                    if let Some(id) = self.store.options.name_prefix.id(&row.name) {
                        return Some(Ok(FileInfo::new(id, &row)));
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => {
                    self.rows = Rows::Ended;
                    return Some(Err(error));
                }
            }
        }
    }
}
