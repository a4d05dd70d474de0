//! Files that several requests share.

use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::memory::MemoryFile;
use super::{Description, OpenFile};
use crate::files::{self, Ahead};
use crate::stats::Source;

/// What is read of a file before a web server gets it: all of most pictures, so
/// that its event loop has them from memory and does not wait for the mount.
/// The kernel sends larger files by itself, for less than reading them takes.
pub(crate) const READ_AHEAD: Ahead = Ahead { bytes: 128 << 10, whole: 64 << 10 };

/// A file that is asked for so often while it is kept open is worth its memory.
const OFTEN: u32 = 4;

/// A file that several may use at once, who therefore read it at offsets of their own
/// (`pread`, `sendfile`): open, or in memory.
///
/// Dropping it never blocks, even where closing does.
#[derive(Debug, Clone)]
pub struct SharedFile {
    bytes: Bytes,
    answered_by: Source,
}

#[derive(Debug, Clone)]
enum Bytes {
    Open {
        file: Arc<CachedFile>,
        /// Where they were read for this use alone.
        bytes: Option<Arc<Vec<u8>>>,
    },
    Memory(Arc<MemoryFile>),
}

impl SharedFile {
    /// All its bytes, where they are in memory or were read for this use. What is small and was
    /// asked for with waiting allowed has them.
    pub fn content(&self) -> Option<&[u8]> {
        match &self.bytes {
            Bytes::Open { bytes, .. } => bytes.as_ref().map(|bytes| bytes.as_slice()),
            Bytes::Memory(copy) => Some(&copy.bytes),
        }
    }

    /// Where it was found.
    pub fn answered_by(&self) -> Source {
        self.answered_by
    }

    /// Whether it is in memory: no mount is waited for.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.bytes, Bytes::Memory(_))
    }

    /// What its bytes can be read from, at offsets of one's own. `None` where they are in memory
    /// and the system refuses a descriptor for them: [`SharedFile::content`] has them.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.bytes {
            Bytes::Open { file, .. } => Some(file.open().file.as_fd()),
            Bytes::Memory(copy) => copy.descriptor(),
        }
    }

    /// Says that reading it went wrong: who asks for it next gets a new one. What is in memory
    /// cannot have been the reason, and stays.
    pub fn distrust(&self) {
        if let Bytes::Open { file, bytes: None } = &self.bytes {
            file.distrusted.store(true, Ordering::Relaxed);
        }
    }

    /// The open file, where it is not in memory.
    pub(super) fn kept(&self) -> Option<&Arc<CachedFile>> {
        match &self.bytes {
            Bytes::Open { file, .. } => Some(file),
            Bytes::Memory(_) => None,
        }
    }

    /// The same, with all its bytes, where they were read.
    pub(super) fn kept_and_read(&self) -> Option<(&Arc<CachedFile>, &Arc<Vec<u8>>)> {
        match &self.bytes {
            Bytes::Open { file, bytes: Some(bytes) } => Some((file, bytes)),
            _ => None,
        }
    }
}

impl Deref for SharedFile {
    type Target = Description;

    fn deref(&self) -> &Description {
        match &self.bytes {
            Bytes::Open { file, .. } => file.description(),
            Bytes::Memory(copy) => &copy.description,
        }
    }
}

impl From<OpenFile> for SharedFile {
    fn from(mut file: OpenFile) -> Self {
        let bytes = file.take_content().map(Arc::new);
        let answered_by = file.answered_by;
        let file = Arc::new(CachedFile::new(file));
        SharedFile { bytes: Bytes::Open { file, bytes }, answered_by }
    }
}

impl From<Arc<CachedFile>> for SharedFile {
    fn from(file: Arc<CachedFile>) -> Self {
        SharedFile { bytes: Bytes::Open { file, bytes: None }, answered_by: Source::Kept }
    }
}

impl From<Arc<MemoryFile>> for SharedFile {
    fn from(copy: Arc<MemoryFile>) -> Self {
        SharedFile { bytes: Bytes::Memory(copy), answered_by: Source::Memory }
    }
}

/// An open file that is kept.
#[derive(Debug)]
pub(crate) struct CachedFile {
    /// `None` when it is dropped.
    open: Option<OpenFile>,
    uses: AtomicU32,
    distrusted: AtomicBool,
}

impl CachedFile {
    fn new(open: OpenFile) -> Self {
        CachedFile { open: Some(open), uses: AtomicU32::new(0), distrusted: AtomicBool::new(false) }
    }

    fn open(&self) -> &OpenFile {
        self.open.as_ref().expect("is there until it is dropped")
    }

    pub(super) fn description(&self) -> &Description {
        &self.open().description
    }

    /// Whether it can be handed out once more, as far as can be told without
    /// reading it.
    pub(super) fn is_good(&self) -> bool {
        !self.distrusted.load(Ordering::Relaxed) && self.open().is_unchanged()
    }

    /// Counts a use; whether there were many already.
    pub(crate) fn is_used_often(&self) -> bool {
        self.uses.fetch_add(1, Ordering::Relaxed) >= OFTEN
    }

    /// Whether its first byte can be read. Blocks on the mount.
    pub(crate) fn is_readable(&self) -> bool {
        let open = self.open();
        open.size == 0 || open.file.read_at(&mut [0], 0).is_ok_and(|count| count == 1)
    }

    /// Hands it out once more, with its bytes if it is small; `None` where it
    /// cannot be read any more. Blocks on the mount.
    pub(crate) fn read(self: &Arc<Self>) -> Option<SharedFile> {
        let open = self.open();
        let Some(size) = READ_AHEAD.all_of(open.size) else {
            return self.is_readable().then(|| Arc::clone(self).into());
        };
        let mut bytes = vec![0; size];
        open.file.read_exact_at(&mut bytes, 0).ok()?;
        let (file, bytes) = (Arc::clone(self), Some(Arc::new(bytes)));
        let read = SharedFile { bytes: Bytes::Open { file, bytes }, answered_by: Source::Kept };
        open.is_unchanged().then_some(read)
    }
}

impl Drop for CachedFile {
    fn drop(&mut self) {
        if let Some(OpenFile { file, .. }) = self.open.take() {
            files::close_elsewhere(file);
        }
    }
}
