//! The end of a write, when its row is written and locked and its file on the way to its
//! place: commit; and if that fails, what became of it is asked, and the old file goes
//! back.

use std::sync::Arc;
use std::time::Duration;

use super::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, Published, Settled, Staged};
use crate::index::{Outcome, PendingWrite, Renamed, Unsettled, has_rolled_back};
use crate::metadata::Row;
use crate::mount::Started;
use crate::name::FileName;
use crate::runtime;

/// How often a file is put in place again that other servers' writers take away.
const SETTLING_ROUNDS: u32 = 64;

/// How much longer each time what another writer is about to put back is waited for.
const PAUSE: Duration = Duration::from_millis(2);

/// What became of a write, and where it failed and nothing is left of it, what was
/// staged, for another attempt.
pub(super) type Ended = (Result<()>, Option<Staged>);

/// A file that is on the way to its place, and whether it got there.
pub(super) type Publishing = (Published, Result<()>);

/// The end of one write.
pub(super) struct Ending {
    pub(super) process: Arc<Process>,
    pub(super) name: FileName,
    pub(super) row: Row,
    /// What the row was.
    pub(super) old: Option<Row>,
    pub(super) instead_of: Option<Renamed>,
}

impl Ending {
    /// A rename that hangs cannot be called back: the caller is told that the
    /// outcome is unknown, the row's lock is held on until the rename has ended,
    /// and then the write is ended as any other.
    pub(super) async fn by_the_deadline(
        self,
        pending: PendingWrite,
        mut publishing: Started<Publishing>,
    ) -> Ended {
        match publishing.end_in_time().await {
            Some(Ok(published)) => return self.end(pending, published).await,
            Some(Err(error)) => return (Err(error), None),
            None => {}
        }
        let waited = self.process.gate.timeout();
        let unknown = self.unknown(&format!("the mount did not answer within {waited:?}"));
        let what = format!("store {:?}", self.name);
        let end_late = async move {
            let ended = match publishing.end().await {
                Ok(published) => self.end(pending, published).await.0,
                Err(error) => Err(error),
            };
            let old = self.instead_of.as_ref().map(|old| &old.name);
            self.process.forget([&self.name].into_iter().chain(old));
            match ended {
                Ok(()) => {
                    log::warn!("ezdfs: the write of {:?} ended late", self.name.as_str());
                }
                Err(error) => log::error!("ezdfs: {error:#}"),
            }
        };
        runtime::to_its_end(&what, end_late).await;
        (Err(unknown), None)
    }

    async fn end(&self, pending: PendingWrite, (published, placed): Publishing) -> Ended {
        if let Err(error) = placed {
            return self.take_back(pending, published, error).await;
        }
        let commit = async {
            step!("published");
            pending.commit().await?;
            step!("committed");
            Ok(())
        };
        match commit.await {
            Ok(()) => self.confirm(published).await,
            Err(error) => self.settle(published, error).await,
        }
    }

    /// The file did not get to its place, or nobody knows whether it did. What is
    /// committed is the old row.
    async fn take_back(
        &self,
        mut pending: PendingWrite,
        published: Published,
        error: Error,
    ) -> Ended {
        let lock = match pending.unwrite().await {
            Ok(()) => Some(pending),
            Err(_) => None,
        };
        self.undo(published, self.old.clone(), lock, error).await
    }

    /// After a commit that failed: asks what became of it. Where the row was not
    /// committed, undoes the file step under the row's lock, which the next
    /// writer waits for.
    pub(super) async fn settle(&self, published: Published, error: Error) -> Ended {
        match self.outcome(!has_rolled_back(&error)).await {
            Ok(Outcome::Committed) => self.confirm_unless_mistaken(published, error).await,
            Ok(Outcome::RolledBack(row, lock)) => {
                self.undo(published, row.map(|row| *row), Some(*lock), error).await
            }
            // A server that said no has rolled back; that the lock cannot be had
            // (no server takes writes) keeps other writers away as well.
            Err(_) if has_rolled_back(&error) => {
                self.undo(published, self.old.clone(), None, error).await
            }
            Err(_) => {
                let unknown = self.unknown("the database went away during the commit");
                (Err(unknown.with_source(error)), None)
            }
        }
    }

    /// A row of the same size and time may be that of a writer who came when this one's
    /// lock was lost: its file says whose it is.
    async fn confirm_unless_mistaken(&self, published: Published, error: Error) -> Ended {
        let look = move |_: &Mount| {
            let is_mistaken = published.is_mistaken()?;
            Ok((published, is_mistaken))
        };
        match self.process.gate.run("store", look).await {
            Ok((published, false)) => self.confirm(published).await,
            Ok((published, true)) => {
                self.undo(published, Some(self.row.clone()), None, error).await
            }
            Err(unseen) => (Err(self.unknown(unseen.detail()).with_source(error)), None),
        }
    }

    async fn outcome(&self, unheard: bool) -> Result<Outcome> {
        let Ending { process, name, row, instead_of, .. } = self;
        let write = Unsettled { name, row, instead_of: instead_of.as_ref(), unheard };
        let ask = || process.index.outcome(write);
        process.index.attempts().insist(ask).await
    }

    /// Makes the file in place that of the row again. The lock goes with the work: it is
    /// held until that has ended.
    async fn undo(
        &self,
        published: Published,
        row: Option<Row>,
        lock: Option<PendingWrite>,
        error: Error,
    ) -> Ended {
        let Ending { process, name, row: own, .. } = self;
        match process.settle_file(name, Some(own), published, row, lock).await {
            Ok(published) => {
                let staged = published.give_up();
                // Without its bytes there is no other attempt.
                let error = match staged.is_some() {
                    true => error,
                    false => self.undone(error),
                };
                (note_undone().and(Err(error)), staged)
            }
            Err(unsettled) => {
                log::error!("ezdfs: {unsettled:#}");
                let unknown = self.unknown("the commit failed, the old file cannot be put back");
                (Err(unknown.with_source(error)), None)
            }
        }
    }

    /// The row is committed: that the old file cannot be removed in time takes
    /// nothing from that.
    pub(super) async fn confirm(&self, mut published: Published) -> Ended {
        if published.has_to_confirm() {
            let confirm = move |_: &Mount| {
                let is_confirmed = published.confirm()?;
                Ok((published, is_confirmed))
            };
            let confirmed = match self.process.gate.run("store", confirm).await {
                Ok((published, false)) => self.confirm_again(published).await,
                confirmed => confirmed.map(drop),
            };
            if let Err(error) = confirmed {
                log::warn!("ezdfs: {error:#}");
            }
        }
        (Ok(()), None)
    }

    /// Another writer has taken the committed file from its place, and may have ended.
    async fn confirm_again(&self, published: Published) -> Result<()> {
        let Ending { process, name, row, .. } = self;
        let published = process.settle_file(name, Some(row), published, None, None).await?;
        let staged = published.give_up();
        let remove = move |_: &Mount| {
            drop(staged);
            Ok(())
        };
        process.gate.run("store", remove).await
    }

    fn undone(&self, error: Error) -> Error {
        let reason = "the write failed, and was undone";
        Error::new(error.kind(), "store", self.name.as_str(), reason).with_source(error)
    }

    fn unknown(&self, reason: &str) -> Error {
        outcome_unknown(self.name.as_str(), reason)
    }
}

impl Process {
    /// Settles what is in place, see [`Published::settle`], by the row that is locked, or,
    /// where locks do not reach all writers, by the row as it is committed each time.
    pub(super) async fn settle_file(
        &self,
        name: &FileName,
        own: Option<&Row>,
        mut published: Published,
        mut row: Option<Row>,
        mut lock: Option<PendingWrite>,
    ) -> Result<Published> {
        for round in 0..SETTLING_ROUNDS {
            if published.is_certified() {
                lock = None;
                row = self.index.find(name).await?;
            }
            let (seen, held) = (row.clone(), lock.take());
            let is_own = own.is_some() && row.as_ref() == own;
            let settle = move |_: &Mount| {
                let settled = published.settle(seen.as_ref(), is_own);
                Ok((published, settled, held))
            };
            let settled;
            (published, settled, lock) = self.gate.run("store", settle).await?;
            match settled? {
                Settled::Done => {
                    if let Some(lock) = lock {
                        // The lock is gone either way.
                        drop(lock.roll_back().await);
                    }
                    return Ok(published);
                }
                Settled::PutBack(mtime) => {
                    self.advance(name, lock, mtime).await;
                    return Ok(published);
                }
                Settled::Again => {}
                Settled::Spared if round + 1 == SETTLING_ROUNDS => return Ok(published),
                Settled::Later | Settled::Spared => tokio::time::sleep(PAUSE * round).await,
                Settled::NotUndone => break,
            }
        }
        let reason = "the old file is not set aside any more, or never was";
        Err(Error::new(ErrorKind::Storage, "store", name.as_str(), reason))
    }

    /// Gives the row of a file that was put back its new time, while it is locked still: what
    /// was in place meanwhile may be remembered under the old one. Where that fails the
    /// file is right all the same.
    async fn advance(&self, name: &FileName, lock: Option<PendingWrite>, mtime: i64) {
        let Some(mut lock) = lock else { return };
        let advance = async {
            lock.set_mtime(&self.index, name, mtime).await?;
            lock.commit().await
        };
        if let Err(error) = advance.await {
            log::warn!("ezdfs: {error:#}");
        }
    }
}

pub(super) fn outcome_unknown(subject: &str, reason: &str) -> Error {
    let reason = format!("the outcome is unknown: {reason}");
    Error::new(ErrorKind::Unavailable, "store", subject, reason)
}

fn note_undone() -> Result<()> {
    step!("undone");
    Ok(())
}
