//! Serving: open files that several requests share, kept open as long as their
//! rows are trusted.

use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::{OpenFile, Process, Store};
use crate::cache::Key;
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::serve::{self, Request};

/// What is read of a file before a web server gets it: of most pictures all, so
/// that its event loop does not wait for the mount.
const READ_AHEAD: usize = 128 << 10;

/// An open file that several may use at once, who therefore read it at offsets
/// of their own (`pread`, `sendfile`).
///
/// Dropping it never blocks, even where closing does.
#[derive(Debug)]
pub struct SharedFile {
    /// `None` when it is dropped.
    open: Option<OpenFile>,
    distrusted: AtomicBool,
}

impl SharedFile {
    /// Says that reading it went wrong: who asks for it next gets a new one.
    pub fn distrust(&self) {
        self.distrusted.store(true, Ordering::Relaxed);
    }

    /// Whether it can be handed out once more.
    fn is_good(&self, may_read: bool) -> bool {
        !self.distrusted.load(Ordering::Relaxed)
            && self.is_unchanged()
            && (!may_read || self.is_readable())
    }

    fn is_readable(&self) -> bool {
        self.size == 0 || self.file.read_at(&mut [0], 0).is_ok_and(|count| count == 1)
    }
}

impl Deref for SharedFile {
    type Target = OpenFile;

    fn deref(&self) -> &OpenFile {
        self.open.as_ref().expect("is there until it is dropped")
    }
}

impl From<OpenFile> for SharedFile {
    fn from(file: OpenFile) -> Self {
        SharedFile { open: Some(file), distrusted: AtomicBool::new(false) }
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        if let Some(OpenFile { file, .. }) = self.open.take() {
            files::close_elsewhere(file);
        }
    }
}

impl Store {
    /// Opens what a web request asks for, if it may have it.
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`] and of [`serve::candidates`].
    pub fn serve(&self, request: Request<'_>) -> Result<Arc<SharedFile>> {
        let ids = serve::candidates(self.url_prefix(), request)?;
        let process = self.process()?;
        match process.serve_known(&ids, true) {
            Some(known) => known,
            None => runtime::block_on(async { process.serve(ids, false).await }),
        }
    }
}

impl Process {
    /// What is known of these ids without waiting: an open file, or that none of
    /// them exists. `None` where it has to be looked up. `may_read`: the caller
    /// reads on its own thread anyway, so that a stale handle may be noticed there.
    pub(crate) fn serve_known(
        self: &Arc<Self>,
        ids: &[FileId],
        may_read: bool,
    ) -> Option<Result<Arc<SharedFile>>> {
        for id in ids {
            let key = self.name_prefix.key(id).ok()?;
            let hit = self.cache.get(&key)?;
            if hit.facts.is_none() {
                continue;
            }
            let file = self.cache.file(&key, hit.stamp).filter(|file| file.is_good(may_read))?;
            if hit.is_ageing {
                self.refresh(key, id);
            }
            return Some(Ok(file));
        }
        ids.first().map(|id| Err(Error::not_found("open", id.as_str())))
    }

    /// The first of these ids that exists; `alone`: with a descriptor of its own.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        ids: Vec<FileId>,
        alone: bool,
    ) -> Result<Arc<SharedFile>> {
        let mut first_error = None;
        for id in ids {
            let served = match alone {
                true => self.open(&id).await.map(|file| Arc::new(file.into())),
                false => self.serve_one(&id).await,
            };
            match served {
                Err(error) if is_missing_row(&error) => {
                    first_error.get_or_insert(error);
                }
                outcome => return outcome,
            }
        }
        Err(first_error.unwrap_or_else(|| Error::not_found("open", "")))
    }

    async fn serve_one(self: &Arc<Self>, id: &FileId) -> Result<Arc<SharedFile>> {
        let name = self.name_prefix.name(id)?;
        let key = name.digest();
        if !self.cache.is_on() {
            return self.open_shared(id, name, key, false).await;
        }
        let start = || {
            let (process, id) = (Arc::clone(self), id.clone());
            async move { process.open_shared(&id, name, key, false).await }
        };
        self.flights.join_or_start(key, start).await
    }

    /// Reads a row again and opens its file again before their time is over, so
    /// that nobody has to wait when it is.
    fn refresh(self: &Arc<Self>, key: Key, id: &FileId) {
        let Ok(name) = self.name_prefix.name(id) else { return };
        let (process, id) = (Arc::clone(self), id.clone());
        let refresh = async move {
            let again = Arc::clone(&process);
            let start = || async move { again.open_shared(&id, name, key, true).await };
            // A failure shows when somebody waits.
            drop(process.flights.join_or_start(key, start).await);
        };
        if self.flights.is_idle(&key) {
            drop(runtime::in_background(refresh));
        }
    }

    async fn open_shared(
        self: &Arc<Self>,
        id: &FileId,
        name: FileName,
        key: Key,
        ahead: bool,
    ) -> Result<Arc<SharedFile>> {
        let read = self.read_in_batch(name.clone());
        let row = match ahead {
            true => self.find_again(key, read).await?,
            false => self.find(key, read).await?,
        };
        let opened_at = self.cache.now();
        let (file, stamp) = self.open_row(id, &name, row, READ_AHEAD).await?;
        let file = Arc::new(SharedFile::from(file));
        self.cache.keep_file(key, stamp, opened_at, Arc::clone(&file));
        self.close_idle_files();
        Ok(file)
    }

    /// Closes what nobody asks for, until nothing is kept open: on NFS an open
    /// file keeps other programs of this machine from seeing what replaced it.
    fn close_idle_files(self: &Arc<Self>) {
        if !self.cache.is_on() || self.closes_idle_files.swap(true, Ordering::SeqCst) {
            return;
        }
        let (process, pause) = (Arc::downgrade(self), self.cache.ttl());
        let close = async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(process) = Weak::upgrade(&process) else { return };
                if process.cache.drop_idle_files() {
                    continue;
                }
                process.closes_idle_files.store(false, Ordering::SeqCst);
                // One may have been kept just before that.
                let is_done = !process.cache.drop_idle_files();
                if is_done || process.closes_idle_files.swap(true, Ordering::SeqCst) {
                    return;
                }
            }
        };
        drop(runtime::in_background(close));
    }
}

/// No live row, as opposed to a row whose file is missing.
fn is_missing_row(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.os_errno() == 0
}
