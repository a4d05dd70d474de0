//! Listing, in batches: memory does not grow with the table.

use std::collections::VecDeque;

use super::Store;
use crate::error::Result;
use crate::index::{BATCH, PAGE};
use crate::metadata::FileInfo;
use crate::name::DirId;
use crate::runtime;

/// The live files below a directory, in the byte order of their names.
///
/// Each batch is a query of its own: files written meanwhile may show or not.
/// Ends after its first error.
#[derive(Debug)]
pub struct List {
    /// Not its process: a fork in the middle of a listing leaves the parent's
    /// connections alone.
    store: Store,
    beneath: String,
    /// The last name of the batches read so far.
    after: Option<String>,
    batch: VecDeque<FileInfo>,
    ended: bool,
    /// Rows of the next page. The first is small, for who looks at the first
    /// few files only.
    page: usize,
}

impl Store {
    /// Lists the live files below a directory, or all of the store.
    ///
    /// Blocks on the database with each batch, not here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`](crate::ErrorKind::InvalidName) where the
    /// directory is too long with the prefix; those of the database come from
    /// the iterator.
    pub fn list(&self, dir: Option<&DirId>) -> Result<List> {
        let beneath = self.options.name_prefix.beneath(dir)?;
        Ok(List {
            store: self.clone(),
            beneath,
            after: None,
            batch: VecDeque::new(),
            ended: false,
            page: BATCH,
        })
    }
}

impl List {
    fn read_batch(&mut self) -> Result<()> {
        let process = self.store.process()?;
        let after = self.after.as_deref();
        let page = self.page;
        let rows =
            runtime::block_on(async { process.index.list(&self.beneath, after, page).await })?;
        self.ended = rows.len() < page;
        self.page = (page * 4).min(PAGE);
        let prefix = &process.name_prefix;
        self.batch = rows
            .iter()
            .filter(|row| row.is_live())
            .filter_map(|row| Some(FileInfo::new(prefix.id(&row.name)?, row)))
            .collect();
        self.after = rows.into_iter().next_back().map(|row| row.name);
        Ok(())
    }
}

impl Iterator for List {
    type Item = Result<FileInfo>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.batch.is_empty() && !self.ended {
            if let Err(error) = self.read_batch() {
                self.ended = true;
                return Some(Err(error));
            }
        }
        self.batch.pop_front().map(Ok)
    }
}
