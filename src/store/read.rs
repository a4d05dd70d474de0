//! Reading: the row first, then the file it speaks of.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Process, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{FileInfo, Row};
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::serve::{self, Presentation, Request};

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
}

impl OpenFile {
    /// How a web server presents it.
    pub fn presentation(&self) -> Presentation {
        serve::present(&self.info.mime_type, self.info.id.file_name())
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

    /// Opens what a web request asks for, if it may have it.
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`] and of [`serve::candidates`].
    pub fn serve(&self, request: Request<'_>) -> Result<OpenFile> {
        let ids = serve::candidates(self.url_prefix(), request)?;
        let process = self.process()?;
        runtime::block_on(async { process.open_first(ids).await })
    }
}

impl Process {
    async fn stat(&self, id: &FileId) -> Result<FileInfo> {
        let name = self.name_prefix.name(id)?;
        let found = self.find(&name).await?;
        let row = live(found).ok_or_else(|| Error::not_found("stat", id.as_str()))?;
        Ok(FileInfo::new(id.clone(), &row))
    }

    /// The first of these ids that exists.
    pub(crate) async fn open_first(self: &Arc<Self>, ids: Vec<FileId>) -> Result<OpenFile> {
        let mut first_error = None;
        for id in ids {
            match self.open(&id).await {
                Err(error) if is_missing_row(&error) => {
                    first_error.get_or_insert(error);
                }
                outcome => return outcome,
            }
        }
        Err(first_error.unwrap_or_else(|| Error::not_found("open", "")))
    }

    /// What is known of these ids without waiting: that none has a live row.
    #[cfg(feature = "capi")]
    pub(crate) fn known_missing(&self, ids: &[FileId]) -> Option<Error> {
        for id in ids {
            let name = self.name_prefix.name(id).ok()?;
            if live(self.cache.fresh(&name.digest())?).is_some() {
                return None;
            }
        }
        ids.first().map(|id| Error::not_found("open", id.as_str()))
    }

    pub(crate) async fn open(self: &Arc<Self>, id: &FileId) -> Result<OpenFile> {
        let name = self.name_prefix.name(id)?;
        let missing = || Error::not_found("open", id.as_str());
        let row = live(self.find(&name).await?).ok_or_else(missing)?;
        let opened = self.open_file(id).await;
        match opened {
            Ok((file, size)) if size == row.size => Ok(open_file(file, size, id, &row)),
            // Written meanwhile, here or elsewhere: the row, once more.
            Ok((file, size)) => {
                let row = match self.find_again(&name).await {
                    Ok(found) => live(found).ok_or_else(missing)?,
                    Err(_) => row,
                };
                if size != row.size {
                    self.size_mismatches.fetch_add(1, Ordering::Relaxed);
                    log::warn!("ezdfs: {name:?} has {size} bytes, its row says {}", row.size);
                }
                Ok(open_file(file, size, id, &row))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let current = live(self.find_again(&name).await?).ok_or_else(missing)?;
                if current == row {
                    return Err(error);
                }
                let (file, size) = self.open_file(id).await?;
                Ok(open_file(file, size, id, &current))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn open_file(&self, id: &FileId) -> Result<(File, u64)> {
        let id = id.clone();
        let opened = self.on_mount("open", move |mount| mount.open(&id)).await?;
        Ok((opened.file, opened.size))
    }
}

impl Process {
    async fn find(&self, name: &FileName) -> Result<Option<Arc<Row>>> {
        self.cache.find(name.digest(), self.read_row(name)).await
    }

    async fn find_again(&self, name: &FileName) -> Result<Option<Arc<Row>>> {
        self.cache.find_again(name.digest(), self.read_row(name)).await
    }

    fn read_row(
        &self,
        name: &FileName,
    ) -> impl Future<Output = Result<Option<Row>>> + Send + 'static {
        let (index, name) = (Arc::clone(&self.index), name.clone());
        async move { index.find(&name).await }
    }
}

fn live(found: Option<Arc<Row>>) -> Option<Arc<Row>> {
    found.filter(|row| row.is_live())
}

fn open_file(file: File, size: u64, id: &FileId, row: &Row) -> OpenFile {
    OpenFile { file, size, info: FileInfo::new(id.clone(), row) }
}

/// No live row, as opposed to a row whose file is missing.
fn is_missing_row(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.os_errno() == 0
}
