//! What became of a transaction whose commit failed: the failure may have been
//! only in hearing of success.

use super::{Index, PendingWrite, Renamed};
use crate::error::Result;
use crate::metadata::Row;
use crate::name::FileName;

/// How a write ended.
pub(crate) enum Outcome {
    Committed,
    /// It never will be. This is the row, which nobody else of the server can write
    /// while its lock is held.
    RolledBack(Option<Box<Row>>, Box<PendingWrite>),
}

/// A write whose end is not known: the row that it was to make, and which one it was
/// to take away with that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unsettled<'w> {
    pub(crate) name: &'w FileName,
    pub(crate) row: &'w Row,
    pub(crate) instead_of: Option<&'w Renamed>,
    /// Nothing was heard of its COMMIT.
    pub(crate) unheard: bool,
}

impl Index {
    /// Whether a write was committed.
    ///
    /// A row that is not there may be about to come: the server may not have read
    /// the commit yet. Therefore it is looked for once more under its lock, which
    /// that transaction holds until it ends. Where locks do not reach other servers, it
    /// is written as well: a commit that comes after that cannot be certified.
    pub(crate) async fn outcome(&self, write: Unsettled<'_>) -> Result<Outcome> {
        let Unsettled { name, row, instead_of, unheard } = write;
        if self.find(name).await?.as_ref() == Some(row) {
            let old = match instead_of {
                Some(old) => self.find(&old.name).await?,
                None => None,
            };
            if has_gone(old.as_ref()) {
                return Ok(Outcome::Committed);
            }
        }
        step!("asked");
        let (found, mut lock, is_committed) = self.lock_or_reserve(write).await?;
        step!("relocked");
        if is_committed {
            lock.roll_back().await?;
            return Ok(Outcome::Committed);
        }
        if unheard && lock.is_certified() {
            lock.touch(self, name, found.as_ref()).await?;
            lock.commit().await?;
            let (lock, mut locks) = self.begin_locked(&[name]).await?;
            return Ok(Outcome::RolledBack(locks.take(name).map(Box::new), Box::new(lock)));
        }
        Ok(Outcome::RolledBack(found.map(Box::new), Box::new(lock)))
    }

    async fn lock_or_reserve(
        &self,
        Unsettled { name, row, instead_of, .. }: Unsettled<'_>,
    ) -> Result<(Option<Row>, PendingWrite, bool)> {
        loop {
            let (mut locked, found) = self.lock(name).await?;
            if found.is_some() {
                let old = match instead_of {
                    Some(old) => locked.find_keyed(&old.name.hash()).await?.map(|it| it.row),
                    None => None,
                };
                let is_committed = found.as_ref() == Some(row) && has_gone(old.as_ref());
                return Ok((found, locked.into_pending(), is_committed));
            }
            locked.roll_back().await?;
            // Waits for whoever is inserting it; `None` where it came meanwhile.
            if let Some(pending) = self.reserve(name, row).await? {
                return Ok((None, pending, false));
            }
        }
    }
}

/// Whether a rename took its old row away: what its new name had before may have
/// looked the same.
fn has_gone(old: Option<&Row>) -> bool {
    !old.is_some_and(Row::is_live)
}
