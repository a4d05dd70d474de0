//! Writing. Stage the bytes; write the row, which takes its lock, so that one
//! of two writers waits here; rename; commit. If the commit fails, the old file
//! goes back.

use std::io::{Read, Write};
use std::time::SystemTime;

use super::{Process, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Published, Staged};
use crate::index::Attempts;
use crate::metadata::{FileInfo, Row, check_mtime};
use crate::mime;
use crate::name::{FileId, FileName};
use crate::runtime;

/// How much is read from a source at a time.
const CHUNK: usize = 128 * 1024;

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

        let mut staged = process.mount.stage(id, || process.has_no_rows())?;
        step!("staged");
        let sniffed = copy(source, &mut staged, id, options.size)?;
        step!("written");
        staged.finish()?;
        step!("finished");
        let row = Row::new(&name, id, staged.written(), mtime, mime_type.unwrap_or(sniffed));
        process.put_in_place(&name, &row, None, staged)?;
        Ok(FileInfo::new(id.clone(), &row))
    }

    /// Gives a file another id, replacing what that had before. Size, time and
    /// type stay.
    ///
    /// The bytes are under both ids until the row has moved; the old row is
    /// soft-deleted then, and goes with its file as any deleted one.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`]: no live row for `from`, or its file is missing.
    /// - As [`Store::create`].
    pub fn rename(&self, from: &FileId, to: &FileId) -> Result<FileInfo> {
        let (old_name, new_name) = (self.name(from)?, self.name(to)?);
        let process = self.process()?;
        let mut source = runtime::block_on(async { process.open(from).await })?;
        if from == to {
            return Ok(source.info);
        }
        let mut staged = process.mount.stage(to, || Ok(false))?;
        copy(&mut source.file, &mut staged, to, Some(source.size))?;
        staged.finish()?;
        let info = source.info;
        let row = Row::new(&new_name, to, staged.written(), info.mtime, &info.mime_type);
        process.put_in_place(&new_name, &row, Some(&old_name), staged)?;
        process.purge(&[old_name])?;
        Ok(FileInfo::new(to.clone(), &row))
    }
}

impl Process {
    /// Row, file, commit; `instead_of` is a name whose row goes at the same time.
    fn put_in_place(
        &self,
        name: &FileName,
        row: &Row,
        instead_of: Option<&FileName>,
        staged: Staged,
    ) -> Result<()> {
        let pending = runtime::block_on(async {
            let mut attempts = Attempts::default();
            loop {
                match self.index.begin_upsert(name, row, instead_of).await {
                    Ok(pending) => return Ok(pending),
                    Err(error) => attempts.pause_or_fail(error).await?,
                }
            }
        })?;
        step!("upserted");
        let published = staged.publish()?;
        let commit = async {
            step!("published");
            pending.commit().await?;
            step!("committed");
            Ok(())
        };
        let outcome = match runtime::block_on(commit) {
            Ok(()) => {
                published.keep();
                Ok(())
            }
            Err(error) => self.settle(name, row, published, error),
        };
        self.cache.forget(&name.digest());
        if let Some(old) = instead_of {
            self.cache.forget(&old.digest());
        }
        outcome
    }

    /// After a commit that failed: asks for the row, because the failure may
    /// have been only in hearing of success. Where the row is not there, undoes
    /// the file step under the row's lock, which the next writer waits for.
    fn settle(&self, name: &FileName, row: &Row, published: Published, error: Error) -> Result<()> {
        let asked = runtime::block_on(async {
            if self.index.find(name).await?.is_some_and(|found| found == *row) {
                return Ok(None);
            }
            self.index.begin_upsert(name, row, None).await.map(Some)
        });
        match asked {
            Ok(None) => {
                published.keep();
                Ok(())
            }
            Ok(Some(_lock)) => {
                published.undo();
                Err(error)
            }
            Err(_) => {
                published.leave();
                let reason = "the outcome is unknown: the database went away during the commit";
                Err(Error::new(ErrorKind::Unavailable, "store", name.as_str(), reason)
                    .with_source(error))
            }
        }
    }

    /// Whether the table knows no file of this store.
    fn has_no_rows(&self) -> Result<bool> {
        let beneath = self.name_prefix.beneath(None)?;
        runtime::block_on(async { Ok(self.index.list(&beneath, None, 1).await?.is_empty()) })
    }
}

/// Copies the source, no further than declared; says what its beginning is.
pub(super) fn copy(
    source: &mut dyn Read,
    staged: &mut Staged,
    id: &FileId,
    declared: Option<u64>,
) -> Result<&'static str> {
    let mut buffer = vec![0; CHUNK];
    let head = fill(source, &mut buffer[..mime::SNIFF_LEN], id)?;
    let sniffed = mime::sniff(&buffer[..head]);
    let mut count = head;
    while count > 0 {
        staged.write_all(&buffer[..count]).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or_default();
            Error::new(ErrorKind::Storage, "store", id.as_str(), "cannot write")
                .with_errno(errno)
                .with_source(error)
        })?;
        if declared.is_some_and(|declared| staged.written() > declared) {
            break;
        }
        count = fill(source, &mut buffer, id)?;
    }
    match declared {
        Some(declared) if declared != staged.written() => {
            let more = if staged.written() > declared { "at least " } else { "" };
            let reason = format!(
                "{declared} bytes were declared, the source has {more}{}",
                staged.written()
            );
            Err(Error::new(ErrorKind::InvalidInput, "store", id.as_str(), reason))
        }
        _ => Ok(sniffed),
    }
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut dyn Read, buffer: &mut [u8], id: &FileId) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                let reason = "cannot read the source";
                return Err(Error::new(ErrorKind::InvalidInput, "store", id.as_str(), reason)
                    .with_source(error));
            }
        }
    }
    Ok(filled)
}

pub(super) fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(0, |time| time.as_secs().cast_signed())
}
