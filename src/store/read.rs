//! Reading: the row first, then the file it speaks of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::write::now;
use super::{Process, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Ahead, Opened, Version};
use crate::lookup::{Facts, Found, Stamp};
use crate::metadata::FileInfo;
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::serving::OpenFile;
use crate::stats::{Counter, Source, Timer};

/// How old a row may be, in seconds, and still be news to this node's NFS client,
/// whose caches last so long by default. Clocks differ, so the future counts too.
const FRESH: u64 = 60;

/// How long it may take, in seconds, from when a writer has put a file in place until its row is
/// committed.
const SETTLED: u64 = 2;

/// How long a file with a fresh row is waited for.
const VISIBLE_WITHIN: Duration = Duration::from_secs(1);

/// How long that of any other live row is waited for. Where an NFS client holds
/// the old file of an overwrite open, it renames that one away first, and the new
/// one into place by a second call: the name is absent between the two, which are a
/// round trip apart. This leaves a busy server a hundred of them.
const REPLACED_WITHIN: Duration = Duration::from_millis(200);

/// The first pause before it is looked for again; each is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// What is read of a file before its caller gets it: enough to learn that its
/// handle is stale.
pub(super) const FIRST_BYTE: Ahead = Ahead { bytes: 1, whole: 0 };

impl Store {
    /// What the table says of a file. Does not touch the mount.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`]: no live row.
    /// - [`ErrorKind::Unavailable`] and others of the database.
    pub fn stat(&self, id: &FileId) -> Result<FileInfo> {
        let process = self.process()?;
        // What is remembered is worth no detour by the runtime.
        let key = process.name_prefix.key(id)?;
        let known = process.lookup.known_at_once(&key, process.is_logged(id));
        let found = match known {
            Some(hit) => process.described(id, hit.into()),
            None => runtime::block_on(async { process.stat(id).await }),
        };
        process.looked_up(found, |(_, source)| *source).map(|(info, _)| info)
    }

    /// Whether there is a live row. Does not touch the mount.
    ///
    /// # Errors
    ///
    /// Those of [`Store::stat`], but for `NotFound`.
    pub fn exists(&self, id: &FileId) -> Result<bool> {
        match self.stat(id) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`]: no live row; or, with `ENOENT` as
    ///   [`Error::os_errno`], a row whose file is missing from a live mount.
    /// - [`ErrorKind::Unavailable`]: database or mount gone or silent.
    /// - [`ErrorKind::Storage`]: any other error of the file system, such as something there
    ///   that is not a regular file beneath the root.
    pub fn open(&self, id: &FileId) -> Result<OpenFile> {
        let process = self.process()?;
        let opened = runtime::block_on(async { process.open(id).await });
        process.looked_up(opened, OpenFile::answered_by)
    }
}

impl Process {
    async fn stat(&self, id: &FileId) -> Result<(FileInfo, Source)> {
        let name = self.name_prefix.name(id)?;
        let found = self.lookup.find(&name).await?;
        self.described(id, found)
    }

    fn described(&self, id: &FileId, found: Found) -> Result<(FileInfo, Source)> {
        let Found { facts, source, .. } = found;
        let facts = facts.ok_or_else(|| missing_row("stat", id, source))?;
        Ok((facts.info(id.clone()), source))
    }

    pub(crate) async fn open(self: &Arc<Self>, id: &FileId) -> Result<OpenFile> {
        let name = self.name_prefix.name(id)?;
        let row = self.lookup.find(&name).await?;
        let (file, _) = self.open_row(id, &name, row, FIRST_BYTE).await?;
        Ok(file)
    }

    /// Opens the file of a row; says under which reading of it. What is rarely
    /// done is in a box: it would make many times larger what is kept for each
    /// request.
    pub(super) async fn open_row(
        &self,
        id: &FileId,
        name: &FileName,
        Found { facts, stamp, source }: Found,
        ahead: Ahead,
    ) -> Result<(OpenFile, Stamp)> {
        let mut row = (facts.ok_or_else(|| missing_row("open", id, source))?, stamp);
        let opened = match self.open_file(id, self.serving.holds_open(&name.digest()), ahead).await
        {
            Err(error) if is_no_file(&error) => {
                let again = Box::pin(self.open_once_visible(id, name, row, ahead, error));
                let (found, opened) = again.await?;
                row = found;
                opened
            }
            outcome => outcome?,
        };
        let opened = if self.may_disagree(&opened, &row) {
            let agreed = Box::pin(self.open_by_table(id, name, row, opened, ahead)).await?;
            row = agreed.0;
            agreed.1
        } else {
            opened
        };
        let (facts, stamp) = row;
        if opened.size != facts.size {
            self.stats.count(Counter::SizeMismatches);
            let (text, size) = (name.as_str(), opened.size);
            log::warn!("ezdfs: {text:?} has {size} bytes, its row says {}", facts.size);
        }
        let info = facts.info(id.clone());
        let file = OpenFile::new(opened, info, name.clone(), &self.name_prefix, source);
        Ok((file, stamp))
    }

    /// Written meanwhile, here or elsewhere: the row, once more, and if it is another one the
    /// file as well. One that was opened before may be older than that row, and would be taken
    /// for it by whoever remembers its validator.
    async fn open_by_table(
        &self,
        id: &FileId,
        name: &FileName,
        row: (Facts, Stamp),
        opened: Opened,
        ahead: Ahead,
    ) -> Result<((Facts, Stamp), Opened)> {
        let Ok(Found { facts, stamp, source }) = self.lookup.find_again(name).await else {
            return Ok((row, opened));
        };
        let found = facts.ok_or_else(|| missing_row("open", id, source))?;
        if found != row.0 {
            let row = (found, stamp);
            return match self.open_file(id, true, ahead).await {
                Err(error) if is_no_file(&error) => {
                    self.open_once_visible(id, name, row, ahead, error).await
                }
                opened => Ok((row, opened?)),
            };
        }
        // Where the replica is right the file stays open by that; but not while its row may be
        // about to be written.
        let is_confirmed = matches!(row.1, Stamp::Replicated(_));
        let stays = is_confirmed && is_older(&opened.version, SETTLED);
        Ok(((found, if stays { row.1 } else { stamp }), opened))
    }

    fn may_disagree(&self, opened: &Opened, row: &(Facts, Stamp)) -> bool {
        opened.size != row.0.size || self.is_ahead(opened, row)
    }

    /// Whether a file may be that of a later row than the replica has, and the table is to be
    /// asked.
    fn is_ahead(&self, opened: &Opened, row: &(Facts, Stamp)) -> bool {
        let (facts, stamp) = row;
        matches!(stamp, Stamp::Replicated(_))
            && may_be_later(opened, facts)
            && self.lookup.may_confirm()
    }

    /// Opens a file that was not there although it has a row. Another node may
    /// have written both just now, without this one's NFS client knowing it yet, or
    /// be about to replace the file: it is looked for again, longer where the row is
    /// fresh. Waiting holds no thread.
    async fn open_once_visible(
        &self,
        id: &FileId,
        name: &FileName,
        mut row: (Facts, Stamp),
        ahead: Ahead,
        mut error: Error,
    ) -> Result<((Facts, Stamp), Opened)> {
        let since = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let Found { facts, stamp, source } = self.lookup.find_again(name).await?;
            let current = facts.ok_or_else(|| missing_row("open", id, source))?;
            let budget = if is_fresh(&current) { VISIBLE_WITHIN } else { REPLACED_WITHIN };
            let left = budget.min(self.gate.timeout()).saturating_sub(since.elapsed());
            let is_absent = error.os_errno() == Errno::ENOENT as i32;
            let is_same = current == row.0;
            if is_same && !is_absent || left.is_zero() {
                if is_absent {
                    self.require_mounted_at("open", id.as_str()).await?;
                }
                return Err(error);
            }
            if is_same {
                tokio::time::sleep(pause.min(left)).await;
                pause *= 2;
            }
            row = (current, stamp);
            match self.open_file(id, true, ahead).await {
                Err(again) if is_no_file(&again) => error = again,
                outcome => return Ok((row, outcome?)),
            }
        }
    }

    /// `was_open`: this process may hold a file of this name open.
    pub(super) async fn open_file(
        &self,
        id: &FileId,
        was_open: bool,
        ahead: Ahead,
    ) -> Result<Opened> {
        // A thread that may wait costs more than opening does where nothing waits.
        let since = Instant::now();
        if let Some(opened) = self.mount().open_nowait(id, ahead) {
            self.stats.took(Timer::MountOpen, since);
            return Ok(opened);
        }
        let id = id.clone();
        self.gate.run("open", move |mount| mount.open(&id, was_open, ahead)).await
    }
}

/// There is no live row, as this says.
pub(super) fn missing_row(operation: &'static str, id: &FileId, source: Source) -> Error {
    Error::not_found(operation, id.as_str()).with_answer_by(source)
}

/// Whether there is no file where a row says that there is one: the row may be outdated.
fn is_no_file(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.is_of_no_file()
}

/// Whether a file may be that of a later row: it has changed lately, and has another time than
/// the row, which is so for what PHP kernels write, too. Length alone does not tell versions apart.
pub(super) fn may_be_later(opened: &Opened, facts: &Facts) -> bool {
    opened.version.modified_at() != facts.mtime && !is_older(&opened.version, FRESH)
}

/// Whether a file has changed longer ago, by clocks that may differ.
fn is_older(version: &Version, seconds: u64) -> bool {
    now().abs_diff(version.changed_at()) > seconds
}

fn is_fresh(facts: &Facts) -> bool {
    now().abs_diff(facts.mtime) <= FRESH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CreateOptions;
    use crate::mount::tests::store;

    #[test]
    fn what_the_kernel_has_cached_needs_no_thread_on_a_local_disk() {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path(), "100ms");
        let id = FileId::parse("images/a").unwrap();
        store.create(&id, &mut &b"bytes"[..], &CreateOptions::default()).unwrap();
        store.open(&id).unwrap();

        let process = store.process().unwrap();
        let all = process.gate().close();
        let opened = store.open(&id);
        drop(all);
        match process.mount().open_nowait(&id, FIRST_BYTE).is_some() {
            true => assert_eq!(opened.unwrap().size, 5),
            false => assert_eq!(opened.unwrap_err().kind(), ErrorKind::Unavailable),
        }
    }
}
