//! Listing: memory does not grow with the table.

use super::Store;
use crate::error::Result;
use crate::index::{BATCH, Page, Sorted};
use crate::metadata::{FileInfo, Row};
use crate::name::DirId;
use crate::runtime;

/// The live files below a directory, in the byte order of their names.
///
/// Read page by page where an index has that order (SQLite, and PostgreSQL where
/// the column's collation is "C"). Elsewhere, and so always on MySQL, all are read
/// before the first is given, into a temporary file if they are many. Files
/// written meanwhile may show or not. Ends after its first error.
#[derive(Debug)]
pub struct List {
    /// Not its process: a fork in the middle of a listing leaves the parent's
    /// connections alone.
    store: Store,
    beneath: String,
    /// Rows that no reader sees, instead of those that are live.
    hidden: bool,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Unread,
    /// And the name of the last of them, if there are others.
    Page(std::vec::IntoIter<Row>, Option<String>),
    All(Sorted),
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
        Ok(List { store: self.clone(), beneath, hidden: false, rows: Rows::Unread })
    }

    /// Lists what has a row that no reader sees: soft-deleted, or hidden otherwise.
    #[cfg(feature = "cli")]
    pub(crate) fn list_deleted(&self, dir: Option<&DirId>) -> Result<List> {
        Ok(List { hidden: true, ..self.list(dir)? })
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
                    (None, Some(last)) => self.page(Some(&last))?,
                    (None, None) => return Ok(None),
                },
                Rows::All(rows) => return Ok(rows.next()?.map(|keyed| keyed.row)),
                Rows::Ended => return Ok(None),
            }
        }
    }

    /// Ends the listing, which counts once, however often it is asked for more.
    fn end(&mut self, outcome: Result<()>) -> Option<Result<FileInfo>> {
        let rows = std::mem::replace(&mut self.rows, Rows::Ended);
        if let (false, Ok(process)) = (matches!(rows, Rows::Ended), self.store.process()) {
            return process.ended(outcome).err().map(Err);
        }
        outcome.err().map(Err)
    }

    fn page(&self, after: Option<&str>) -> Result<Rows> {
        let process = self.store.process()?;
        runtime::block_on(async {
            let Some(Page { rows, is_last }) =
                process.index.list(&self.beneath, after, BATCH).await?
            else {
                return process.index.sorted(&self.beneath, &mut |_| {}).await.map(Rows::All);
            };
            let last = rows.last().filter(|_| !is_last).map(|row| row.name.clone());
            Ok(Rows::Page(rows.into_iter(), last))
        })
    }
}

impl Iterator for List {
    type Item = Result<FileInfo>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_row() {
                Ok(Some(row)) if row.is_live() != self.hidden => {
                    if let Some(id) = self.store.options.name_prefix.id(&row.name) {
                        return Some(Ok(FileInfo::new(id, &row)));
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => return self.end(Ok(())),
                Err(error) => return self.end(Err(error)),
            }
        }
    }
}
