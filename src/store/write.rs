//! Writing. Stage the bytes; write the row, which takes its lock, so that one
//! of two writers waits here; rename; commit. If the commit fails, the old file
//! goes back.

use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use super::mounted::Started;
use super::trash::Disposal;
use super::writing::{EmptyRoot, Source, Written};
use super::{OpenFile, Process, Pulse, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, Published};
use crate::index::{Outcome, PendingWrite, Renamed, is_refusal};
use crate::metadata::{FileInfo, Row, check_mtime};
use crate::mime;
use crate::name::{FileId, FileName};
use crate::runtime;

/// How often the bytes of a file are copied anew that is overwritten while it is
/// renamed.
const RENAME_ATTEMPTS: usize = 4;

/// What the creator of a file knows of it.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions<'a> {
    /// The number of bytes that the source must have.
    pub size: Option<u64>,
    /// The MIME type to store; found from the first bytes where it is `None`.
    pub mime_type: Option<&'a str>,
    /// Seconds since the epoch; now where it is `None`.
    pub mtime: Option<i64>,
}

impl Store {
    /// Stores what `source` yields, replacing what the id had before.
    ///
    /// Readers see the old file or the whole new one. On failure nothing has
    /// changed, but where the error says that the outcome is unknown.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidInput`]: size, MIME type or mtime cannot be; the
    ///   source has not as many bytes as declared; the table cannot hold it.
    /// - [`ErrorKind::Storage`], [`ErrorKind::Unavailable`],
    ///   [`ErrorKind::Schema`]: the mount or the database.
    pub fn create(
        &self,
        id: &FileId,
        source: &mut dyn Read,
        options: &CreateOptions<'_>,
    ) -> Result<FileInfo> {
        let name = self.name(id)?;
        let mime_type = options.mime_type.map(mime::check).transpose()?;
        let mtime = check_mtime(id, options.mtime.unwrap_or_else(now))?;
        let process = self.process()?;
        runtime::block_on(async { process.index.ready().await })?;

        let source = Source::Reader(source);
        let written = process.write(id, source, options.size, EmptyRoot::AskTable)?;
        let mime_type = mime_type.unwrap_or(written.sniffed);
        let row = Row::new(&name, id, written.size, mtime, mime_type);
        process.put_in_place(&name, &row, None, written)?;
        Ok(FileInfo::new(id.clone(), &row))
    }

    /// Gives a file another id, replacing what that had before. Size, time and
    /// type stay.
    ///
    /// The bytes are under both ids until the row has moved; the old row is
    /// soft-deleted then, and goes with its file as any deleted one. What somebody
    /// else stores under the old id meanwhile is what gets the new one.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`]: no live row for `from`, or its file is missing.
    /// - As [`Store::create`].
    pub fn rename(&self, from: &FileId, to: &FileId) -> Result<FileInfo> {
        self.rename_by(from, to, &Disposal::Unlink)
    }

    /// The same; says how the old file goes.
    pub(crate) fn rename_by(
        &self,
        from: &FileId,
        to: &FileId,
        disposal: &Disposal,
    ) -> Result<FileInfo> {
        let (old_name, new_name) = (self.name(from)?, self.name(to)?);
        let process = self.process()?;
        for _ in 0..RENAME_ATTEMPTS {
            let source = runtime::block_on(async { process.open(from).await })?;
            if from == to {
                return Ok(source.info);
            }
            let OpenFile { file, size, info, .. } = source;
            let written = process.write(to, Source::File(file), Some(size), EmptyRoot::AskTable)?;
            let row = Row::new(&new_name, to, written.size, info.mtime, &info.mime_type);
            let old = Renamed { name: old_name.clone(), info };
            if process.put_in_place(&new_name, &row, Some(&old), written)? {
                process.remove_deleted(&[old_name], None, disposal).1?;
                return Ok(FileInfo::new(to.clone(), &row));
            }
        }
        let reason = "the file is overwritten again and again";
        Err(Error::new(ErrorKind::Unavailable, "rename", from.as_str(), reason))
    }
}

impl Process {
    /// Row, file, commit; `instead_of` is a row that goes at the same time. False,
    /// and nothing has changed, where that is not what it was any more.
    fn put_in_place(
        self: &Arc<Self>,
        name: &FileName,
        row: &Row,
        instead_of: Option<&Renamed>,
        mut written: Written,
    ) -> Result<bool> {
        let outcome = runtime::block_on(async {
            let mut attempts = self.index.attempts();
            let pending = loop {
                match self.index.begin_upsert(name, row, instead_of).await {
                    Ok(Some(pending)) => break pending,
                    Ok(None) => return Ok(false),
                    Err(error) => attempts.pause_or_fail(error).await?,
                }
            };
            step!("upserted");
            let staged = written.take()?;
            let mtime = row.mtime;
            let publish = move |_: &Mount, _: &Pulse| staged.publish(mtime);
            let publishing = self.start_on_mount("store", publish).await?;
            let ending = Ending {
                process: Arc::clone(self),
                name: name.clone(),
                row: row.clone(),
                instead_of: instead_of.cloned(),
            };
            ending.by_the_deadline(pending, publishing).await.map(|()| true)
        });
        self.forget([name].into_iter().chain(instead_of.map(|old| &old.name)));
        outcome
    }

    /// Whether the table knows no file of this store.
    pub(crate) async fn has_no_rows(&self) -> Result<bool> {
        let beneath = self.name_prefix.beneath(None)?;
        Ok(self.index.list(&beneath, None, 1).await?.is_some_and(|page| page.rows.is_empty()))
    }
}

/// The end of a write: the row is written and locked, the file on its way to its
/// place.
struct Ending {
    process: Arc<Process>,
    name: FileName,
    row: Row,
    instead_of: Option<Renamed>,
}

impl Ending {
    /// A rename that hangs cannot be called back: the caller is told that the
    /// outcome is unknown, the row's lock is held on until the rename has ended,
    /// and then the write is ended as any other.
    async fn by_the_deadline(
        self,
        pending: PendingWrite,
        mut publishing: Started<Published>,
    ) -> Result<()> {
        if let Some(published) = publishing.end_within(self.process.mount_timeout).await {
            return self.commit(pending, published?).await;
        }
        let waited = self.process.mount_timeout;
        let reason = format!("the mount did not answer within {waited:?}");
        let unknown = outcome_unknown(&self.name, &reason);
        let end_late = async move {
            let ended = match publishing.end().await {
                Ok(published) => self.commit(pending, published).await,
                Err(error) => Err(error),
            };
            self.process.forget([&self.name]);
            match ended {
                Ok(()) => log::warn!("ezdfs: the write of {:?} ended late", self.name),
                Err(error) => log::error!("ezdfs: {error:#}"),
            }
        };
        runtime::in_background(end_late)?;
        Err(unknown)
    }

    async fn commit(&self, pending: PendingWrite, published: Published) -> Result<()> {
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

    /// After a commit that failed: asks what became of it. Where the row was not
    /// committed, undoes the file step under the row's lock, which the next
    /// writer waits for.
    async fn settle(&self, published: Published, error: Error) -> Result<()> {
        match self.outcome().await {
            Ok(Outcome::Committed) => self.confirm(published).await,
            Ok(Outcome::RolledBack(lock)) => self.undo(published, Some(lock), error).await,
            // A server that said no has rolled back; that the lock cannot be had
            // (no server takes writes) keeps other writers away as well.
            Err(_) if is_refusal(&error) => self.undo(published, None, error).await,
            Err(_) => {
                let reason = "the database went away during the commit";
                Err(outcome_unknown(&self.name, reason).with_source(error))
            }
        }
    }

    async fn outcome(&self) -> Result<Outcome> {
        let Ending { process, name, row, instead_of } = self;
        let mut attempts = process.index.attempts();
        loop {
            match process.index.outcome(name, row, instead_of.as_ref()).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => attempts.insist_or_fail(error).await?,
            }
        }
    }

    /// The lock goes with the work: it is held until that has ended.
    async fn undo(
        &self,
        published: Published,
        lock: Option<PendingWrite>,
        error: Error,
    ) -> Result<()> {
        let undo = move |_: &Mount| {
            let undone = published.undo();
            drop(lock);
            Ok(undone)
        };
        if self.process.on_mount("store", undo).await.is_ok_and(|undone| undone) {
            step!("undone");
            return Err(error);
        }
        let reason = "the commit failed, the old file cannot be put back";
        Err(outcome_unknown(&self.name, reason).with_source(error))
    }

    /// The row is committed: that the old file cannot be removed in time takes
    /// nothing from that.
    async fn confirm(&self, published: Published) -> Result<()> {
        if published.has_old_file() {
            let remove = move |_: &Mount| {
                published.confirm();
                Ok(())
            };
            if let Err(error) = self.process.on_mount("store", remove).await {
                log::warn!("ezdfs: {error:#}");
            }
        }
        Ok(())
    }
}

fn outcome_unknown(name: &FileName, reason: &str) -> Error {
    let reason = format!("the outcome is unknown: {reason}");
    Error::new(ErrorKind::Unavailable, "store", name.as_str(), reason)
}

pub(super) fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(0, |time| time.as_secs().cast_signed())
}
