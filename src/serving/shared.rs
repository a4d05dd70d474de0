//! Open files that several requests share.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::OpenFile;
use super::budget::{Budget, Grant};
use crate::files::{self, Ahead};

/// What is read of a file before a web server gets it: all of most pictures, so
/// that its event loop has them from memory and does not wait for the mount.
/// The kernel sends larger files by itself, for less than reading them takes.
pub(crate) const READ_AHEAD: Ahead = Ahead { bytes: 128 << 10, whole: 64 << 10 };

/// A file that is asked for so often while it is kept open is worth its memory.
const OFTEN: u32 = 4;

/// An open file that several may use at once, who therefore read it at offsets
/// of their own (`pread`, `sendfile`).
///
/// Dropping it never blocks, even where closing does.
#[derive(Debug, Clone)]
pub struct SharedFile {
    kept: Arc<CachedFile>,
    /// Where they were read for this use alone.
    bytes: Option<Arc<Vec<u8>>>,
}

impl SharedFile {
    /// All its bytes, where they were read for this use. What is small and was
    /// asked for with waiting allowed has them.
    pub fn content(&self) -> Option<&[u8]> {
        self.bytes.as_ref().map(|bytes| bytes.as_slice())
    }

    /// Whether the descriptor is that of a file in memory: no mount is waited for.
    pub fn is_in_memory(&self) -> bool {
        self.kept.is_in_memory()
    }

    /// What its bytes are read from, at offsets of one's own.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        let in_memory = self.kept.in_memory.get().map(|(file, _)| file);
        in_memory.unwrap_or(&self.file).as_fd()
    }

    /// Says that reading it went wrong: who asks for it next gets a new one. What is in memory
    /// cannot have been the reason, and stays.
    pub fn distrust(&self) {
        if self.bytes.is_none() && !self.is_in_memory() {
            self.kept.distrusted.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn kept(&self) -> Arc<CachedFile> {
        Arc::clone(&self.kept)
    }

    /// Counts a use; what is used often is kept in memory, if there is room.
    pub(super) fn note_use(&self, budget: &Arc<Budget>) {
        if self.kept.uses.fetch_add(1, Ordering::Relaxed) >= OFTEN {
            self.copy_to_memory(budget);
        }
    }

    /// Has the file's next users find it in memory, if there is room.
    pub(super) fn copy_to_memory(&self, budget: &Arc<Budget>) {
        if let Some(bytes) = &self.bytes
            && !self.kept.is_in_memory()
            && let Some(grant) = budget.grant(files::taken_in_memory(bytes.len()))
            && let Some(file) = files::in_memory(bytes)
        {
            // Somebody else may have done it.
            let _ = self.kept.in_memory.set((file, grant));
        }
    }
}

impl Deref for SharedFile {
    type Target = OpenFile;

    fn deref(&self) -> &OpenFile {
        self.kept.open()
    }
}

impl From<OpenFile> for SharedFile {
    fn from(mut file: OpenFile) -> Self {
        let bytes = file.take_content().map(Arc::new);
        SharedFile { kept: Arc::new(CachedFile::new(file)), bytes }
    }
}

impl From<Arc<CachedFile>> for SharedFile {
    fn from(kept: Arc<CachedFile>) -> Self {
        SharedFile { kept, bytes: None }
    }
}

/// What the cache has of a file.
#[derive(Debug)]
pub(crate) struct CachedFile {
    /// `None` when it is dropped.
    open: Option<OpenFile>,
    /// All its bytes once more.
    in_memory: OnceLock<(File, Grant)>,
    uses: AtomicU32,
    distrusted: AtomicBool,
}

impl CachedFile {
    fn new(open: OpenFile) -> Self {
        CachedFile {
            open: Some(open),
            in_memory: OnceLock::new(),
            uses: AtomicU32::new(0),
            distrusted: AtomicBool::new(false),
        }
    }

    fn open(&self) -> &OpenFile {
        self.open.as_ref().expect("is there until it is dropped")
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.in_memory.get().is_some()
    }

    /// Whether it can be handed out once more, as far as can be told without
    /// reading it.
    pub(super) fn is_good(&self) -> bool {
        !self.distrusted.load(Ordering::Relaxed) && self.open().is_unchanged()
    }

    /// Whether its first byte can be read. Blocks on the mount.
    pub(crate) fn is_readable(&self) -> bool {
        let OpenFile { file, size, .. } = self.open();
        *size == 0 || file.read_at(&mut [0], 0).is_ok_and(|count| count == 1)
    }

    /// Hands it out once more, with its bytes if it is small; `None` where it
    /// cannot be read any more. Blocks on the mount.
    pub(crate) fn read(self: &Arc<Self>) -> Option<SharedFile> {
        let OpenFile { file, size, .. } = self.open();
        let Some(size) = READ_AHEAD.all_of(*size) else {
            return self.is_readable().then(|| Arc::clone(self).into());
        };
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let bytes = Some(Arc::new(bytes));
        self.open().is_unchanged().then(|| SharedFile { kept: Arc::clone(self), bytes })
    }
}

impl Drop for CachedFile {
    fn drop(&mut self) {
        if let Some(OpenFile { file, .. }) = self.open.take() {
            files::close_elsewhere(file);
        }
    }
}
