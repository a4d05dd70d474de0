//! Writing. Stage the bytes; write the row, which takes its lock, so that one
//! of two writers waits here; rename; commit. The end, and what is done where the commit
//! fails, is in [`super::ending`].

use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use super::ending::Ending;
use super::trash::Disposal;
use super::writing::{EmptyRoot, Source, Written};
use super::{Description, OpenFile, Process, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, TIME_IS_TAKEN};
use crate::index::{Begun, Locks, Renamed};
use crate::metadata::{FileInfo, Identity, Mtime, Row, check_mtime};
use crate::mime;
use crate::mount::Pulse;
use crate::name::{FileId, FileName, NamePrefix};
use crate::runtime;
use crate::stats::Counter;

/// How many seconds later than it was written a version may be at most, because others
/// are being written with those times.
pub(crate) const LATEST: i64 = 64;

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
        let process = self.process()?;
        let created = self.create_on(&process, id, source, options);
        let created = process.changed(created, Counter::Created)?;
        process.stats.add(Counter::WrittenBytes, created.size);
        Ok(created)
    }

    fn create_on(
        &self,
        process: &Arc<Process>,
        id: &FileId,
        source: &mut dyn Read,
        options: &CreateOptions<'_>,
    ) -> Result<FileInfo> {
        let name = self.name(id)?;
        let mime_type = options.mime_type.map(mime::check).transpose()?;
        let given = options.mtime.map(|mtime| check_mtime(id, mtime)).transpose()?;
        runtime::block_on(async { process.index.ready(&name).await })?;

        let source = Source::Reader(source);
        let written = process.write(id, source, options.size, EmptyRoot::AskTable)?;
        let written_at = Mtime::Written(written.mtime.unwrap_or_else(now));
        let write = Write {
            name,
            mtime: given.map_or(written_at, Mtime::Given),
            mime_type: mime_type.unwrap_or(written.sniffed).to_owned(),
            scope: None,
            instead_of: None,
        };
        let row = process.put_in_place(&write, written)?;
        // None only where there was a row to take away.
        let row = row.ok_or_else(|| Error::not_found("store", id.as_str()))?;
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
        let process = self.process()?;
        process.changed(self.rename_on(&process, from, to, disposal), Counter::Renamed)
    }

    fn rename_on(
        &self,
        process: &Arc<Process>,
        from: &FileId,
        to: &FileId,
        disposal: &Disposal,
    ) -> Result<FileInfo> {
        let (old_name, new_name) = (self.name(from)?, self.name(to)?);
        let attempts = process.index.attempts();
        while !attempts.are_over() {
            let source = runtime::block_on(async { process.open(from).await })?;
            if from == to {
                return Ok(source.description.info);
            }
            let OpenFile { file, description: Description { size, info, .. }, .. } = source;
            let written = process.write(to, Source::File(file), Some(size), EmptyRoot::AskTable)?;
            let write = Write {
                name: new_name.clone(),
                mtime: Mtime::Given(info.mtime),
                mime_type: info.mime_type.clone(),
                scope: None,
                instead_of: Some(Renamed { name: old_name.clone(), info }),
            };
            if let Some(row) = process.put_in_place(&write, written)? {
                // Nobody sees the old file any more: deleting again, or purging, ends that.
                if let Err(error) = process.remove_deleted(&[old_name], None, disposal).1 {
                    log::warn!("ezdfs: renamed, but the old file is not gone: {error:#}");
                }
                return Ok(FileInfo::new(to.clone(), &row));
            }
        }
        let reason = "the file is overwritten again and again";
        Err(Error::new(ErrorKind::Unavailable, "rename", from.as_str(), reason))
    }
}

/// A file that is to be stored.
pub(super) struct Write {
    pub(super) name: FileName,
    pub(super) mtime: Mtime,
    pub(super) mime_type: String,
    /// That of the file's area where it is `None`.
    pub(super) scope: Option<String>,
    /// A row that goes at the same time.
    pub(super) instead_of: Option<Renamed>,
}

impl Write {
    fn names(&self) -> impl Iterator<Item = &FileName> {
        [&self.name].into_iter().chain(self.instead_of.as_ref().map(|old| &old.name))
    }

    fn row(&self, prefix: &NamePrefix, size: u64, mtime: i64) -> Row {
        let row = Row::new(&self.name, prefix, size, mtime, &self.mime_type);
        match &self.scope {
            Some(scope) => Row { scope: scope.clone(), ..row },
            None => row,
        }
    }
}

impl Process {
    /// Row, file, commit; begun again where the database asks for that. `None`, and
    /// nothing has changed, where the row that is to go at the same time is not what it
    /// was any more.
    pub(super) fn put_in_place(
        self: &Arc<Self>,
        write: &Write,
        written: Written,
    ) -> Result<Option<Row>> {
        let written = tokio::sync::Mutex::new(written);
        let outcome = runtime::block_on(async {
            let attempt = || async {
                let mut written = written.lock().await;
                for later in 0..LATEST {
                    match self.put_in_place_once(write, later, &mut written).await {
                        Err(error) if error.detail() == TIME_IS_TAKEN => {}
                        outcome => return outcome,
                    }
                }
                self.put_in_place_once(write, LATEST, &mut written).await
            };
            self.index.attempts().repeat(attempt).await
        });
        self.forget(write.names());
        outcome
    }

    async fn put_in_place_once(
        self: &Arc<Self>,
        write: &Write,
        later: i64,
        written: &mut Written,
    ) -> Result<Option<Row>> {
        let mtime = write.mtime.later(later);
        let other = write.instead_of.as_ref().map(|old| &old.name);
        let make = async |locks: &Locks| {
            if write.instead_of.as_ref().is_some_and(|old| !old.is_still(locks)) {
                return Ok(None);
            }
            let old = locks.get(&write.name);
            let is_taken = match (mtime, old) {
                (Mtime::Given(mtime), Some(old)) => {
                    let version = Identity { size: written.size, mtime };
                    version == old.identity() && !written.has_bytes_in_place().await?
                }
                _ => false,
            };
            let mtime = mtime.after(old, is_taken, locks.turns);
            Ok(Some(write.row(&self.name_prefix, written.size, mtime)))
        };
        let begun = self.index.begin_write(&write.name, other, make).await?;
        let Some(Begun { mut pending, row, old }) = begun else { return Ok(None) };
        if let Some(other) = other {
            pending.soft_delete(&self.index, other).await?;
        }
        step!("upserted");
        let staged = written.take()?;
        let version = row.identity();
        let replaced = old.as_ref().map_or(Identity::default(), Row::identity);
        let is_certified = pending.is_certified();
        let publish =
            move |_: &Mount, _: &Pulse| Ok(staged.publish(replaced, version, is_certified));
        let publishing = self.gate.start("store", publish).await?;
        let is_overwrite = old.is_some();
        let ending = Ending {
            process: Arc::clone(self),
            name: write.name.clone(),
            row: row.clone(),
            old,
            instead_of: write.instead_of.clone(),
        };
        let (ended, staged) = ending.by_the_deadline(pending, publishing).await;
        written.give_back(staged);
        if is_overwrite && ended.as_ref().is_err_and(|error| error.detail() != TIME_IS_TAKEN) {
            self.stats.count(Counter::InterruptedOverwrites);
        }
        ended.map(|()| Some(row))
    }

    /// Whether the table knows no file of this store.
    pub(crate) async fn has_no_rows(&self) -> Result<bool> {
        let beneath = self.name_prefix.beneath(None)?;
        Ok(self.index.list(&beneath, None, 1).await?.is_some_and(|page| page.rows.is_empty()))
    }
}

pub(crate) fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(0, |time| time.as_secs().cast_signed())
}
