//! Reading: the row first, then the file it speaks of.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Process, Store};
use crate::cache::{Facts, Hit, Key, Reading, Stamp};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Opened, Version};
use crate::metadata::{FileInfo, Row};
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::serve::{self, Presentation};

/// A file that is open for reading, with what its row says.
#[derive(Debug)]
pub struct OpenFile {
    /// The open file, at its beginning.
    pub file: File,
    /// The file's own length in bytes. It may differ from the row's, which
    /// another node may have written meanwhile: this one is what can be read.
    pub size: u64,
    /// What the row says.
    pub info: FileInfo,
    name: FileName,
    presentation: Presentation,
    version: Version,
}

impl OpenFile {
    /// The name under which the table knows it.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// How a web server presents it.
    pub fn presentation(&self) -> Presentation {
        self.presentation
    }

    /// Whether the file is as it was when it was opened, as far as this machine
    /// knows. Does not block.
    pub(super) fn is_unchanged(&self) -> bool {
        self.version.is_of(&self.file)
    }

    /// The strong validator, from the row.
    pub fn etag(&self) -> String {
        serve::etag(self.info.mtime, self.info.size)
    }
}

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
        if let Some(Hit { facts, .. }) = process.cache.get(&process.name_prefix.key(id)?) {
            let facts = facts.ok_or_else(|| Error::not_found("stat", id.as_str()))?;
            return Ok(facts.info(id.clone()));
        }
        runtime::block_on(async { process.stat(id).await })
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
    ///   [`Error::os_errno`], a row whose file is missing from a live mount; or
    ///   something there that is not a regular file beneath the root.
    /// - [`ErrorKind::Unavailable`]: database or mount gone or silent.
    /// - [`ErrorKind::Storage`]: any other error of the file system.
    pub fn open(&self, id: &FileId) -> Result<OpenFile> {
        let process = self.process()?;
        runtime::block_on(async { process.open(id).await })
    }
}

/// A row as the cache knows it; `None` where there is no live one.
pub(super) type Found = (Option<Facts>, Stamp);

impl Process {
    async fn stat(&self, id: &FileId) -> Result<FileInfo> {
        let name = self.name_prefix.name(id)?;
        let (facts, _) = self.find(name.digest(), self.read_row(&name)).await?;
        let facts = facts.ok_or_else(|| Error::not_found("stat", id.as_str()))?;
        Ok(facts.info(id.clone()))
    }

    pub(crate) async fn open(self: &Arc<Self>, id: &FileId) -> Result<OpenFile> {
        let name = self.name_prefix.name(id)?;
        let row = self.find(name.digest(), self.read_row(&name)).await?;
        let (file, _) = self.open_row(id, &name, row).await?;
        Ok(file)
    }

    /// Opens the file of a row; says under which reading of it.
    pub(super) async fn open_row(
        &self,
        id: &FileId,
        name: &FileName,
        (facts, stamp): Found,
    ) -> Result<(OpenFile, Stamp)> {
        let missing = || Error::not_found("open", id.as_str());
        let facts = facts.ok_or_else(missing)?;
        let key = name.digest();
        let was_open = self.cache.holds_file(&key);
        let opened = |opened: Opened, facts: &Facts, stamp| {
            let Opened { file, size, version } = opened;
            let info = facts.info(id.clone());
            let presentation = serve::present(&info.mime_type, id.file_name());
            (OpenFile { file, size, info, name: name.clone(), presentation, version }, stamp)
        };
        match self.open_file(id, was_open).await {
            Ok(file) if file.size == facts.size => Ok(opened(file, &facts, stamp)),
            // Written meanwhile, here or elsewhere: the row, once more.
            Ok(file) => {
                let (facts, stamp) = match self.find_again(key, self.read_row(name)).await {
                    Ok((found, stamp)) => (found.ok_or_else(missing)?, stamp),
                    Err(_) => (facts, stamp),
                };
                if file.size != facts.size {
                    self.size_mismatches.fetch_add(1, Ordering::Relaxed);
                    log::warn!(
                        "ezdfs: {name:?} has {} bytes, its row says {}",
                        file.size,
                        facts.size
                    );
                }
                Ok(opened(file, &facts, stamp))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (found, stamp) = self.find_again(key, self.read_row(name)).await?;
                let current = found.ok_or_else(missing)?;
                if current == facts {
                    return Err(error);
                }
                Ok(opened(self.open_file(id, true).await?, &current, stamp))
            }
            Err(error) => Err(error),
        }
    }

    /// `was_open`: this process may hold a file of this name open.
    pub(super) async fn open_file(&self, id: &FileId, was_open: bool) -> Result<Opened> {
        let id = id.clone();
        self.on_mount("open", move |mount| mount.open(&id, was_open)).await
    }

    /// Finds a row: in the cache or by `read`.
    pub(super) async fn find(
        &self,
        key: Key,
        read: impl Future<Output = Result<(Option<Row>, Reading)>>,
    ) -> Result<Found> {
        if let Some(Hit { facts, stamp, .. }) = self.cache.get(&key) {
            return Ok((facts, stamp));
        }
        match self.find_again(key, read).await {
            Err(error) if error.kind().is_temporary() => {
                let (facts, stamp) = self.cache.stale(&key).ok_or(error)?;
                Ok((Some(facts), stamp))
            }
            outcome => outcome,
        }
    }

    /// Finds a row, not trusting what is remembered.
    pub(super) async fn find_again(
        &self,
        key: Key,
        read: impl Future<Output = Result<(Option<Row>, Reading)>>,
    ) -> Result<Found> {
        let (row, reading) = read.await?;
        Ok(self.cache.remember(key, row, reading))
    }

    async fn read_row(&self, name: &FileName) -> Result<(Option<Row>, Reading)> {
        let reading = self.cache.reading();
        Ok((self.index.find(name).await?, reading))
    }
}
