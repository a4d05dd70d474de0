//! Which row a name has: remembered, or asked for, alone or in company.
//!
//! Callers know keys, facts and stamps and nothing of how they are kept.

mod batch;
mod facts;
mod rows;

use std::future::Future;
use std::sync::Arc;

use crate::config::Options;
use crate::error::Result;
use crate::index::Index;
use crate::name::{FileName, Key};

use batch::Batch;
pub(crate) use batch::MOST_WAITING;
pub(crate) use facts::{Facts, Kind};
pub(crate) use rows::{Hit, Stamp};
use rows::{Reading, Rows};

/// A row as it is known; `None` where there is no live one.
pub(crate) type Found = (Option<Facts>, Stamp);

/// What answers which row there is.
#[derive(Debug)]
pub(crate) struct Lookup {
    index: Arc<Index>,
    rows: Rows,
    batch: Batch,
}

impl Lookup {
    pub(crate) fn new(options: &Options, index: Arc<Index>) -> Self {
        Lookup { index, rows: Rows::new(options), batch: Batch::default() }
    }

    /// Whether rows are remembered at all.
    pub(crate) fn remembers(&self) -> bool {
        self.rows.is_on()
    }

    /// What is known without waiting.
    pub(crate) fn known(&self, key: &Key) -> Option<Hit> {
        self.rows.get(key)
    }

    /// Whether this is still the reading of the row that is known.
    pub(crate) fn is_current(&self, key: &Key, stamp: Stamp) -> bool {
        self.rows.is_current(key, stamp)
    }

    /// What is known, or what the table says.
    pub(crate) async fn find(&self, name: &FileName) -> Result<Found> {
        self.known_or(&name.digest(), self.find_again(name)).await
    }

    /// The same; the table is asked in company, if there is any. To be called within the
    /// runtime.
    pub(crate) async fn find_in_batch(self: &Arc<Self>, name: &FileName) -> Result<Found> {
        self.known_or(&name.digest(), self.find_again_in_batch(name)).await
    }

    /// What the table says, whatever is known.
    pub(crate) async fn find_again(&self, name: &FileName) -> Result<Found> {
        let reading = self.rows.reading();
        let row = self.index.find(name).await?;
        Ok(self.rows.remember(name.digest(), row, reading))
    }

    /// The same, in company. To be called within the runtime.
    pub(crate) async fn find_again_in_batch(self: &Arc<Self>, name: &FileName) -> Result<Found> {
        let (row, reading) = self.read_in_batch(name.clone()).await?;
        Ok(self.rows.remember(name.digest(), row, reading))
    }

    async fn known_or(
        &self,
        key: &Key,
        find: impl Future<Output = Result<Found>>,
    ) -> Result<Found> {
        if let Some(Hit { facts, stamp, .. }) = self.rows.get(key) {
            return Ok((facts, stamp));
        }
        match find.await {
            Err(error) if error.kind().is_temporary() => {
                let (facts, stamp) = self.rows.stale(key).ok_or(error)?;
                Ok((Some(facts), stamp))
            }
            outcome => outcome,
        }
    }

    /// Drops what is known of a key, because it is being written.
    pub(crate) fn forget(&self, key: &Key) {
        self.rows.forget(key);
    }

    /// Has a key asked for again, because it is being written, here or in another table:
    /// what is known of it is but good enough to fall back on.
    pub(crate) fn doubt(&self, key: &Key) {
        self.rows.doubt(key);
    }
}
