//! Storing files as they are in another store: their bytes are staged, their rows have the time,
//! type and scope that they have there. New files share a transaction: of a whole site each by
//! itself would take a COMMIT of its own.

use std::sync::Arc;

use super::Process;
use super::ending::{Ending, Publishing};
use super::write::Write;
use super::writing::Written;
use crate::error::{Error, ErrorKind, Result};
use crate::files::Staged;
use crate::metadata::{Identity, Mtime, Row};
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::stats::Counter;

/// A file that is to be stored.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) id: FileId,
    /// As it is to be, under the name that it has here.
    pub(crate) row: Row,
    /// Complete, and no other than these bytes.
    pub(crate) staged: Staged,
}

/// What became of one.
pub(crate) type Stored = (FileId, Result<()>);

impl Process {
    /// Whether the share is missing that a file would be staged on. For [`Mount::stage`].
    pub(crate) fn lacks_share(&self, bare: &crate::files::Bare) -> Result<bool> {
        runtime::block_on(self.has_live_rows(bare))
    }

    /// Stores files that had no row when they were looked for: inserts the rows, which locks
    /// their names, puts the files in place, commits. Where that fails each is undone, and
    /// stored by itself.
    pub(crate) fn store_new(self: &Arc<Self>, incoming: Vec<Incoming>) -> Vec<Stored> {
        let mut rows: Vec<_> = incoming.iter().map(|one| one.row.clone()).collect();
        // One order for all who lock several.
        rows.sort_by_cached_key(|row| FileName::stored(&row.name).digest());
        let begin = || self.index.begin_new(&rows);
        let begun = runtime::block_on(async { self.index.attempts().repeat(begin).await });
        let pending = match begun {
            Ok(Some(pending)) => pending,
            Err(error) if error.kind() != ErrorKind::InvalidInput => {
                return incoming.into_iter().map(|one| (one.id, Err(error.clone()))).collect();
            }
            // Which of them has a row by now, or cannot have one, shows when each is alone.
            Ok(None) | Err(_) => return self.store_each(incoming),
        };
        let is_certified = pending.is_certified();
        let mut placed = Ok(());
        let mut publishing = Vec::with_capacity(incoming.len());
        for Incoming { id, row, staged } in incoming {
            let (published, outcome) =
                staged.publish(Identity::default(), row.identity(), is_certified);
            placed = placed.and(outcome);
            publishing.push((id, row, published));
        }
        let ended = runtime::block_on(async {
            match placed {
                Ok(()) => {
                    step!("published");
                    pending.commit().await
                }
                Err(error) => pending.roll_back().await.and(Err(error)),
            }
        });
        let mut lasting = None;
        let stored = publishing.into_iter().map(|(id, row, published)| {
            let outcome = self.end_new(&id, row, (published, ended.clone()), &mut lasting);
            (id, outcome)
        });
        stored.collect()
    }

    /// Ends one of several whose transaction has ended. Where it failed and was undone, that may
    /// have been for another of them, or for a moment: each is tried by itself, unless `lasting`
    /// says that this is of no use.
    fn end_new(
        self: &Arc<Self>,
        id: &FileId,
        row: Row,
        (published, ended): Publishing,
        lasting: &mut Option<Error>,
    ) -> Result<()> {
        let name = FileName::stored(&row.name);
        let ending = Ending {
            process: Arc::clone(self),
            name: name.clone(),
            row: row.clone(),
            old: None,
            instead_of: None,
        };
        let ended = runtime::block_on(async {
            Ok(match ended {
                Ok(()) => ending.confirm(published).await,
                Err(error) => ending.settle(published, error).await,
            })
        });
        self.forget([&name]);
        match ended? {
            (Err(_), Some(staged)) => match lasting {
                Some(lasting) => Err(lasting.clone()),
                None => {
                    let stored = self.store_over(Incoming { id: id.clone(), row, staged });
                    *lasting = stored.as_ref().err().filter(|error| is_of_all(error)).cloned();
                    stored
                }
            },
            (outcome, _) => self.counted(row.size, outcome),
        }
    }

    fn store_each(self: &Arc<Self>, incoming: Vec<Incoming>) -> Vec<Stored> {
        let each = incoming.into_iter().map(|one| (one.id.clone(), self.store_over(one)));
        each.collect()
    }

    /// Stores a file in place of what its name has, if there is anything. Where that is another
    /// version of the same size and time, this one gets a later time.
    pub(crate) fn store_over(self: &Arc<Self>, incoming: Incoming) -> Result<()> {
        let Incoming { row, staged, .. } = incoming;
        let size = row.size;
        let write = Write {
            name: FileName::stored(&row.name),
            mtime: Mtime::Given(row.mtime),
            mime_type: row.datatype,
            scope: Some(row.scope),
            instead_of: None,
        };
        let stored = self.put_in_place(&write, Written::of(self, staged));
        self.counted(size, stored.map(drop))
    }

    /// Writes a row whose file is in place already.
    pub(crate) fn store_row(&self, row: &Row) -> Result<()> {
        let name = FileName::stored(&row.name);
        let write = async { self.index.write(&name, |_| row.clone()).await.map(drop) };
        let written = runtime::block_on(write);
        self.forget([&name]);
        written
    }

    fn counted(&self, size: u64, outcome: Result<()>) -> Result<()> {
        self.changed(outcome, Counter::Created)?;
        self.stats.add(Counter::WrittenBytes, size);
        Ok(())
    }
}

/// Whether the next file would meet this error as well.
pub(crate) fn is_of_all(error: &Error) -> bool {
    use ErrorKind::{InvalidConfig, NoSpace, Schema, Unavailable};
    matches!(error.kind(), Unavailable | NoSpace | Schema | InvalidConfig)
}
