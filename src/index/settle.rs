//! What became of a transaction whose commit failed: the failure may have been
//! only in hearing of success.

use super::{Index, PendingWrite, Renamed};
use crate::error::Result;
use crate::metadata::Row;
use crate::name::FileName;

/// How a write ended.
pub(crate) enum Outcome {
    Committed,
    /// It never will be. Nobody else can write the row while this is held.
    RolledBack(PendingWrite),
}

impl Index {
    /// Whether a write was committed, which [`Index::begin_upsert`] began with
    /// these arguments.
    ///
    /// A row that is not there may be about to come: the server may not have read
    /// the commit yet. Therefore it is looked for once more under its lock, which
    /// that transaction holds until it ends.
    pub(crate) async fn outcome(
        &self,
        name: &FileName,
        row: &Row,
        instead_of: Option<&Renamed>,
    ) -> Result<Outcome> {
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
        loop {
            let (mut locked, found) = self.lock(&name.hash()).await?;
            if found.is_some() {
                step!("relocked");
                let old = match instead_of {
                    Some(old) => locked.find_keyed(&old.name.hash()).await?.map(|it| it.row),
                    None => None,
                };
                return match found.as_ref() == Some(row) && has_gone(old.as_ref()) {
                    true => Ok(Outcome::Committed),
                    false => Ok(Outcome::RolledBack(locked.into_pending())),
                };
            }
            locked.roll_back().await?;
            // Waits for whoever is inserting it; `None` where it came meanwhile.
            if let Some(pending) = self.reserve(name, row).await? {
                step!("relocked");
                return Ok(Outcome::RolledBack(pending));
            }
        }
    }
}

/// Whether a rename took its old row away: what its new name had before may have
/// looked the same.
fn has_gone(old: Option<&Row>) -> bool {
    !old.is_some_and(Row::is_live)
}
