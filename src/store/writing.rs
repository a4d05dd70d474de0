//! Bringing bytes to the mount. The source is read on the caller's thread; every
//! step on the mount has a deadline.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Bare, Mount, Staged};
use crate::mime;
use crate::mount::Pulse;
use crate::name::FileId;
use crate::runtime;

/// How much is read from a source at a time.
const CHUNK: usize = 128 * 1024;

/// How much the kernel copies between two signs of life.
const KERNEL_CHUNK: u64 = 4 << 20;

/// The slowest that a server may be when it is made to keep what was written.
const BYTES_PER_SECOND: u64 = 1 << 20;

/// Where the bytes of a write come from.
pub(super) enum Source<'s> {
    Reader(&'s mut dyn Read),
    /// A regular file, copied by the kernel from its present offset to its end.
    File(File),
}

/// Whether an empty root, or directory on the way, is one where nothing is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EmptyRoot {
    /// It is, if the table has rows.
    AskTable,
    /// As above; where there is no table to be asked, it is but on a share.
    AskTableOrMount,
}

/// Bytes on the mount, complete and checked, that no reader sees yet. Dropped,
/// they are removed, within the deadline.
pub(super) struct Written {
    process: Arc<Process>,
    /// `None` once taken, or lost to a mount that hangs.
    staged: Option<Staged>,
    pub(super) size: u64,
    /// When the server had the last byte; `None` where its clock says nothing that a row
    /// can hold.
    pub(super) mtime: Option<i64>,
    /// The MIME type that the first bytes look like.
    pub(super) sniffed: &'static str,
}

impl Process {
    /// Brings the source's bytes to the mount, beside the file's place.
    pub(super) fn write(
        self: &Arc<Self>,
        id: &FileId,
        source: Source<'_>,
        declared: Option<u64>,
        root: EmptyRoot,
    ) -> Result<Written> {
        let mut written =
            Written { process: Arc::clone(self), staged: None, size: 0, mtime: None, sniffed: "" };
        match source {
            Source::Reader(reader) => {
                let mut chunks = Chunks { reader, id, declared, read: 0 };
                let mut chunk = chunks.next(vec![0; CHUNK])?;
                written.sniffed = mime::sniff(chunk.head());
                chunk = written.stage(id, root, chunk)?;
                while !chunk.is_last {
                    chunk = chunks.next(chunk.buffer)?;
                    chunk = written.append(chunk)?;
                }
            }
            Source::File(file) => {
                written.sniffed = sniff(&file, id)?;
                written.stage(id, root, WholeFile { file, declared, id: id.clone() })?;
            }
        }
        Ok(written)
    }
}

impl Written {
    /// Bytes that were staged otherwise.
    #[cfg(feature = "cli")]
    pub(super) fn of(process: &Arc<Process>, staged: Staged) -> Self {
        let (size, mtime) = (staged.written(), staged.mtime());
        Written { process: Arc::clone(process), staged: Some(staged), size, mtime, sniffed: "" }
    }

    /// What was staged, to be put in place.
    pub(super) fn take(&mut self) -> Result<Staged> {
        self.staged
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "store", "staging file", "is not there"))
    }

    /// What was staged, after an attempt to put it in place that was undone.
    pub(super) fn give_back(&mut self, staged: Option<Staged>) {
        self.staged = staged;
    }

    /// Whether it has the bytes that are in place.
    pub(super) async fn has_bytes_in_place(&mut self) -> Result<bool> {
        let staged = self.take()?;
        let compare = |_: &Mount, _: &Pulse| {
            let is_same = staged.has_bytes_in_place()?;
            Ok((staged, is_same))
        };
        let compared = self.process.gate.run_long("store", compare).await;
        let (staged, is_same) = compared?;
        self.staged = Some(staged);
        Ok(is_same)
    }

    /// Makes the staging file and puts the first piece into it; small files are
    /// done with this.
    fn stage<P: Piece>(&mut self, id: &FileId, root: EmptyRoot, piece: P) -> Result<P> {
        let (process, id) = (Arc::clone(&self.process), id.clone());
        self.on_mount(move |mount, pulse| {
            let has_live_rows =
                |bare: &Bare| match (Handle::current().block_on(process.has_live_rows(bare)), root)
                {
                    (Err(_), EmptyRoot::AskTableOrMount) => mount.require_share().map(|()| false),
                    (outcome, _) => outcome,
                };
            let mut staged = mount.stage(&id, has_live_rows)?;
            step!("staged");
            let piece = piece.put(&mut staged, pulse)?;
            Ok((staged, piece))
        })
    }

    fn append<P: Piece>(&mut self, piece: P) -> Result<P> {
        let mut staged = self.take()?;
        self.on_mount(move |_, pulse| {
            let piece = piece.put(&mut staged, pulse)?;
            Ok((staged, piece))
        })
    }

    /// Runs one step. What is staged comes back with its outcome, or is removed
    /// where the step failed.
    fn on_mount<P: Send + 'static>(
        &mut self,
        step: impl FnOnce(&Mount, &Pulse) -> Result<(Staged, P)> + Send + 'static,
    ) -> Result<P> {
        let process = Arc::clone(&self.process);
        let (staged, piece) = runtime::block_on(process.gate.run_long("store", step))?;
        self.size = staged.written();
        self.mtime = staged.mtime();
        self.staged = Some(staged);
        Ok(piece)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(staged) = self.staged.take() {
            let remove = |_: &Mount| {
                drop(staged);
                Ok(())
            };
            if let Err(error) = runtime::block_on(self.process.gate.run("store", remove)) {
                log::warn!("ezdfs: {error:#}");
            }
        }
    }
}

/// Part of a source on its way into a staging file.
trait Piece: Sized + Send + 'static {
    /// Writes it, and completes the file if it is the last. Gives itself back,
    /// for what it is used for next.
    fn put(self, staged: &mut Staged, pulse: &Pulse) -> Result<Self>;
}

/// A part that was read into memory.
struct Chunk {
    buffer: Vec<u8>,
    filled: usize,
    is_last: bool,
}

impl Chunk {
    fn head(&self) -> &[u8] {
        &self.buffer[..self.filled.min(mime::SNIFF_LEN)]
    }
}

impl Piece for Chunk {
    fn put(self, staged: &mut Staged, pulse: &Pulse) -> Result<Self> {
        staged.append(&self.buffer[..self.filled])?;
        pulse.beat();
        if self.is_last {
            step!("written");
            finish(staged, pulse)?;
            step!("finished");
        }
        Ok(self)
    }
}

/// A file that the kernel copies.
struct WholeFile {
    file: File,
    id: FileId,
    declared: Option<u64>,
}

impl Piece for WholeFile {
    fn put(self, staged: &mut Staged, pulse: &Pulse) -> Result<Self> {
        while staged.copy_from(&self.file, KERNEL_CHUNK)? > 0 {
            pulse.beat();
            if self.declared.is_some_and(|declared| staged.written() > declared) {
                break;
            }
        }
        check_size(&self.id, self.declared, staged.written(), true)?;
        step!("written");
        finish(staged, pulse)?;
        step!("finished");
        Ok(self)
    }
}

/// Whoever syncs much may take long, and shows no sign of life meanwhile.
fn finish(staged: &mut Staged, pulse: &Pulse) -> Result<()> {
    pulse.pause(Duration::from_secs(staged.written() / BYTES_PER_SECOND));
    staged.finish()
}

/// A source, read chunk by chunk, no further than declared.
struct Chunks<'s> {
    reader: &'s mut dyn Read,
    id: &'s FileId,
    declared: Option<u64>,
    read: u64,
}

impl Chunks<'_> {
    fn next(&mut self, mut buffer: Vec<u8>) -> Result<Chunk> {
        let filled = self.fill(&mut buffer)?;
        let is_last = filled < buffer.len();
        self.read += filled as u64;
        check_size(self.id, self.declared, self.read, is_last)?;
        Ok(Chunk { buffer, filled, is_last })
    }

    /// Reads until the buffer is full or the source ends.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(self.id, error)),
            }
        }
        Ok(filled)
    }
}

/// The first bytes of a file that is read from its present offset.
fn sniff(mut file: &File, id: &FileId) -> Result<&'static str> {
    let mut head = vec![0; mime::SNIFF_LEN];
    let length = file.stream_position().and_then(|at| file.read_at(&mut head, at));
    let length = length.map_err(|error| unreadable(id, error))?;
    Ok(mime::sniff(&head[..length]))
}

fn unreadable(id: &FileId, error: io::Error) -> Error {
    let failed = Error::io("store", id.as_str(), "cannot read the source", error);
    failed.but(ErrorKind::InvalidInput)
}

fn check_size(id: &FileId, declared: Option<u64>, size: u64, is_all: bool) -> Result<()> {
    match declared {
        Some(declared) if size > declared || is_all && size < declared => {
            let more = if size > declared { "at least " } else { "" };
            let reason = format!("{declared} bytes were declared, the source has {more}{size}");
            Err(Error::new(ErrorKind::InvalidInput, "store", id.as_str(), reason))
        }
        _ => Ok(()),
    }
}
