//! Writing: bytes go to a name of their own beside the file, are checked there,
//! and take the file's name by rename(2). Readers see the old file or the new.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::fsync;

use super::alive::Bare;
use super::aside::SetAside;
use super::directories::Directories;
use super::granted::NewMode;
#[cfg(feature = "cli")]
use super::nowait::is_local;
use super::{Mount, PRUNED_RETRIES, READING, calls, open_directory};
use crate::config::Durability;
use crate::error::{CallError, Error, ErrorKind, Result, in_call};
use crate::metadata::MAX_MTIME;
use crate::name::{FileId, RESERVED_PREFIX};
use crate::random;
use crate::territory::area_end;

/// What a failure to make the staging file names.
const CREATE: &str = "create";

/// How often it is looked again whether a directory is empty, of which the table was
/// found to have rows: others write as well.
const RACED_RETRIES: usize = 2;

/// A file being written under a staging name. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(super) id: FileId,
    pub(super) parent: OwnedFd,
    pub(super) staging_name: String,
    /// `None` once closed.
    file: Option<File>,
    written: u64,
    /// What it was when it was closed.
    pub(super) finished: Option<FileStat>,
    /// Where the umask has taken bits away.
    missing_mode: Option<NewMode>,
    pub(super) durability: Durability,
    /// Last, so that the staging file is gone from them when they are dropped.
    pub(super) directories: Directories,
}

impl Mount {
    /// Makes the directories that are missing and opens a staging file.
    ///
    /// `has_live_rows` is asked where a directory on the way is empty: whether the
    /// table has so many live rows beneath it that a share must be missing there.
    pub(crate) fn stage(
        &self,
        id: &FileId,
        has_live_rows: impl Fn(&Bare) -> Result<bool>,
    ) -> Result<Staged> {
        let mut directories = Directories::new(self.root()?);
        let mut parent = open_parent(&directories, id);
        let is_missing = parent.as_ref().is_err_and(is_absent);
        // Deep in an area nobody mounts anything; outside of them, who knows.
        let area = area_end(id.as_str(), &self.name_prefix);
        if is_missing || area.is_none_or(|end| id.parent().len() <= end) {
            let way = self.way_to(&directories.root, id.as_str());
            let way = way.map_err(|errno| cannot_create(id, errno))?;
            self.require_place(id, way.bare, has_live_rows)?;
            if is_missing {
                parent = directories.make_below(self, id.parent(), way.found, way.directory);
            }
        }
        for _ in 1..PRUNED_RETRIES {
            match self.stage_once(&mut directories, id, parent) {
                Err(failed) if was_pruned(&failed) => parent = open_parent(&directories, id),
                outcome => return self.staged(directories, id, outcome),
            }
        }
        let outcome = self.stage_once(&mut directories, id, parent);
        self.staged(directories, id, outcome)
    }

    /// What is written to a mount point that nothing is mounted on hides below the
    /// share when that is back, and passes for it meanwhile.
    fn require_place(
        &self,
        id: &FileId,
        mut bare: Option<Bare>,
        has_live_rows: impl Fn(&Bare) -> Result<bool>,
    ) -> Result<()> {
        if self.marker.is_some() {
            self.require_alive()?;
        }
        for _ in 0..RACED_RETRIES {
            match &bare {
                Some(bare) if has_live_rows(bare)? => {}
                _ => return Ok(()),
            }
            // Who wrote these rows has put files there since we looked.
            bare = self.absence(id.as_str())?.bare;
        }
        bare.map_or(Ok(()), |bare| Err(self.not_mounted(&bare)))
    }

    fn stage_once(
        &self,
        directories: &mut Directories,
        id: &FileId,
        parent: Result<OwnedFd, CallError>,
    ) -> Result<StagedIn, CallError> {
        let parent = match parent {
            Err(missing) if is_absent(&missing) => directories.make(self, id.parent())?,
            outcome => outcome?,
        };
        let staging_name = reserved_name("stage").map_err(|_| Errno::EAGAIN)?;
        let file = calls::create_new(&parent, &staging_name, OFlag::empty(), self.file_mode.mode);
        Ok((parent, staging_name, file.map_err(in_call(CREATE))?))
    }

    /// Nothing is staged here, but a file of this name is to be put in place.
    pub(super) fn nothing_staged(&self, id: &FileId) -> Result<Staged> {
        let directories = Directories::new(self.root()?);
        let parent = open_parent(&directories, id);
        Ok(Staged {
            id: id.clone(),
            parent: parent.map_err(|failed| cannot_create(id, failed))?,
            staging_name: String::new(),
            file: None,
            written: 0,
            finished: None,
            missing_mode: None,
            durability: self.durability,
            directories,
        })
    }

    fn staged(
        &self,
        directories: Directories,
        id: &FileId,
        outcome: Result<StagedIn, CallError>,
    ) -> Result<Staged> {
        let (parent, staging_name, file) = outcome.map_err(|failed| cannot_create(id, failed))?;
        // What creating it has told; a server is not asked.
        let status = fstat(&file).map_err(|errno| cannot_create(id, in_call("fstat")(errno)))?;
        Ok(Staged {
            id: id.clone(),
            parent,
            staging_name,
            file: Some(File::from(file)),
            written: 0,
            finished: None,
            missing_mode: (!self.file_mode.is_of(&status)).then_some(self.file_mode),
            durability: self.durability,
            directories,
        })
    }
}

/// The file's directory, and a file that is staged there.
type StagedIn = (OwnedFd, String, OwnedFd);

fn open_parent(directories: &Directories, id: &FileId) -> Result<OwnedFd, CallError> {
    open_directory(&directories.root, id.parent()).map_err(in_call("open of the directory"))
}

fn is_absent(failed: &CallError) -> bool {
    failed.errno() == Errno::ENOENT
}

/// Legacy nodes prune empty directories after a delete. That one was taken away meanwhile ENOENT
/// says, and of creating in it ESTALE, where another client of the file server did it.
fn was_pruned(failed: &CallError) -> bool {
    is_absent(failed) || *failed == in_call(CREATE)(Errno::ESTALE)
}

fn cannot_create(id: &FileId, failed: impl Into<CallError>) -> Error {
    Error::system("store", id.as_str(), "cannot create a file in the file's directory", failed)
}

impl Staged {
    /// Bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes these bytes after those before.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.open_file().and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| self.cannot_write(error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Has the kernel copy at most `limit` bytes from a file's present offset;
    /// says how many it were.
    pub(crate) fn copy_from(&mut self, source: &File, limit: u64) -> Result<u64> {
        let copied =
            self.open_file().and_then(|mut file| io::copy(&mut source.take(limit), &mut file));
        let copied = copied.map_err(|error| self.cannot_write(error))?;
        self.written += copied;
        Ok(copied)
    }

    fn open_file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    fn cannot_write(&self, error: io::Error) -> Error {
        Error::io("store", self.id.as_str(), "cannot write", error)
    }

    /// Makes sure that the server has every byte: on NFS a full disk or quota
    /// may show only in fsync or close. After this the staging file is done.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let written = self.written;
        let cannot =
            |failed| Error::system("store", self.id.as_str(), "cannot finish the file", failed);
        if let Some(mode) = self.missing_mode {
            mode.give(&file).map_err(cannot)?;
        }
        if self.durability == Durability::Full {
            fsync(&file).map_err(in_call("fsync")).map_err(cannot)?;
        }
        let status = fstat(&file).map_err(in_call("fstat")).map_err(cannot)?;
        nix::unistd::close(file).map_err(in_call("close")).map_err(cannot)?;
        if status.st_size.cast_unsigned() != written {
            let reason = format!("wrote {written} bytes, the file has {}", status.st_size);
            return Err(Error::new(ErrorKind::Storage, "store", self.id.as_str(), reason));
        }
        self.finished = Some(status);
        Ok(())
    }

    /// When the server had its last byte; `None` where that is nothing that a row can
    /// say, or it is not finished.
    pub(crate) fn mtime(&self) -> Option<i64> {
        let mtime = self.finished.as_ref()?.st_mtime;
        (1..=MAX_MTIME).contains(&mtime).then_some(mtime)
    }

    /// What was written, to be read again.
    pub(crate) fn read_back(&self) -> Result<File> {
        self.open_for_reading(&self.staging_name).map_err(|errno| {
            Error::system("store", self.id.as_str(), "cannot read what was staged", errno)
        })
    }

    /// The same as the disk or the file server has it, whatever this machine remembers of it.
    #[cfg(feature = "cli")]
    pub(crate) fn read_back_stored(&self) -> Result<File> {
        let file = self.read_back()?;
        // What a local disk was not made to take lies in memory alone. Asked to forget it, the kernel
        // would begin to write it, file by file, and remember it until that is done.
        if self.durability == Durability::Full || !is_local(&file) {
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
        Ok(file)
    }

    fn open_for_reading(&self, name: &str) -> nix::Result<File> {
        let flags = READING | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.parent, name, flags, Mode::empty()).map(File::from)
    }

    /// Whether it has the bytes of the file that has its name now, and that is what the row
    /// speaks of for sure: nothing is set aside.
    pub(crate) fn has_bytes_in_place(&self) -> Result<bool> {
        let storage =
            |reason, errno: Errno| Error::system("store", self.id.as_str(), reason, errno);
        let own = self.read_back()?;
        let there = match self.open_for_reading(self.id.file_name()) {
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(false),
            there => there.map_err(|errno| storage("cannot read the old file", errno))?,
        };
        let aside = SetAside::of(&self.parent, self.id.file_name());
        let aside = aside.map_err(|errno| storage("cannot look for old files", errno))?;
        let is_same = have_same_bytes(own, there).map_err(|error| self.cannot_write(error))?;
        Ok(is_same && aside.is_empty())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.staging_name.is_empty() {
            calls::discard(&self.parent, &self.staging_name);
        }
    }
}

/// Compares two files from their present offsets on.
pub(crate) fn have_same_bytes(one: File, other: File) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if left[..length] != right[..length] || left.is_empty() != right.is_empty() {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
        one.consume(length);
        other.consume(length);
    }
}

/// A name that no id can have and no other process will choose.
pub(super) fn reserved_name(purpose: &str) -> Result<String> {
    let random = random::number().map_err(|error| {
        Error::new(ErrorKind::Internal, "store", "staging file", "no random numbers")
            .with_source(error)
    })?;
    Ok(format!("{RESERVED_PREFIX}{purpose}-{random:016x}"))
}
