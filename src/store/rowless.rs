//! Taking away files that no row speaks of.

use std::sync::Arc;
use std::time::SystemTime;

use super::Process;
use super::trash::Disposal;
use crate::error::Result;
use crate::files::{Mount, Remover, Taken, is_unchanged_since};
use crate::index::PendingWrite;
use crate::metadata::{DEFAULT_MIME, Row};
use crate::name::FileId;
use crate::runtime;

/// What became of a file that no row was known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rowless {
    Taken,
    Gone,
    /// It changed after the time that was given.
    Young,
    /// The table has a row for it by now, or had one all the time.
    HasRow,
    /// A live row of another name leads to it, or one of another table.
    Claimed,
}

impl Process {
    /// Takes away a file that is thought to have no row, unless it changed after
    /// `cutoff`, a time of the file server: while its place in the table is kept
    /// free, so that who stores the name meanwhile waits, and puts the own file in
    /// place after this.
    pub(crate) fn remove_rowless(
        self: &Arc<Self>,
        path: &str,
        cutoff: SystemTime,
        disposal: &Disposal,
        why: &'static str,
    ) -> Result<Rowless> {
        runtime::block_on(async {
            let mut reserved = None;
            // A name that ezdfs keeps for itself has no row.
            if let Ok(id) = FileId::parse(path) {
                if self.is_claimed(path).await? {
                    return Ok(Rowless::Claimed);
                }
                reserved = self.reserve(&id).await?;
                if reserved.is_none() {
                    return Ok(Rowless::HasRow);
                }
            }
            let (taken, disposal) = (path.to_owned(), disposal.clone());
            let take = move |mount: &Mount| take_rowless(mount, &taken, cutoff, &disposal, why);
            self.while_locked(why, path, reserved, take).await
        })
    }

    async fn reserve(&self, id: &FileId) -> Result<Option<PendingWrite>> {
        let name = self.name_prefix.name(id)?;
        let row = Row::new(&name, &self.name_prefix, 0, 1, DEFAULT_MIME);
        self.index.attempts().repeat(|| self.index.reserve(&name, &row)).await
    }
}

pub(crate) fn take_rowless(
    mount: &Mount,
    path: &str,
    cutoff: SystemTime,
    disposal: &Disposal,
    why: &str,
) -> Result<Rowless> {
    let mut remover = Remover::new(mount, None)?;
    let Some(status) = remover.look(path)? else { return Ok(Rowless::Gone) };
    if !is_unchanged_since(&status, cutoff) {
        return Ok(Rowless::Young);
    }
    let taken = match disposal {
        Disposal::Unlink | Disposal::UnlinkOwn => remover.unlink(path)?,
        Disposal::Trash(trash) => trash.move_here(mount, &mut remover, why, path, None)?,
    };
    Ok(if taken == Taken::Yes { Rowless::Taken } else { Rowless::Gone })
}
