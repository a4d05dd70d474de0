//! Writing: bytes go to a name of their own beside the file, are checked there,
//! and take the file's name by rename(2). Readers see the old file or the new.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, fsync, linkat, unlinkat};

use super::alive::{Bare, bare_at, deepest};
use super::aside::{aside_name, pass_on};
use super::directories::Directories;
use super::{Mount, failed, open_directory};
use crate::config::Durability;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{FileId, RESERVED_PREFIX};
use crate::territory::area_end;

/// How often a directory that somebody prunes meanwhile is made again.
const PRUNED_RETRIES: usize = 5;

/// How often it is looked again whether a directory is empty, of which the table was
/// found to have rows: others write as well.
const RACED_RETRIES: usize = 2;

/// A file being written under a staging name. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Staged {
    id: FileId,
    parent: OwnedFd,
    staging_name: String,
    /// `None` once closed.
    file: Option<File>,
    written: u64,
    /// Device and inode, once closed.
    inode: Option<(u64, u64)>,
    mode: Mode,
    durability: Durability,
    /// Last, so that the staging file is gone from them when they are dropped.
    directories: Directories,
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
        let mut parent = open_directory(&directories.root, id.parent());
        let is_missing = matches!(parent, Err(Errno::ENOENT));
        // Deep in an area nobody mounts anything; outside of them, who knows.
        let area = area_end(id.as_str());
        if is_missing || area == 0 || id.parent().len() <= area {
            let there = deepest(&directories.root, id.parent());
            let there = there.map_err(|errno| cannot_create(id, errno))?;
            self.require_place(id, &there, has_live_rows)?;
            if is_missing {
                parent = directories.make_below(self, id.parent(), there);
            }
        }
        for _ in 1..PRUNED_RETRIES {
            match self.stage_once(&mut directories, id, parent) {
                Err(Errno::ENOENT) => parent = open_directory(&directories.root, id.parent()),
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
        (found, directory): &(&str, OwnedFd),
        has_live_rows: impl Fn(&Bare) -> Result<bool>,
    ) -> Result<()> {
        if self.marker.is_some() {
            self.require_alive()?;
        }
        let bare = bare_at(id.as_str(), found, directory);
        let mut bare = bare.map_err(|errno| cannot_create(id, errno))?;
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

    /// Legacy nodes prune empty directories after a delete; ENOENT says that
    /// one was taken away meanwhile.
    fn stage_once(
        &self,
        directories: &mut Directories,
        id: &FileId,
        parent: nix::Result<OwnedFd>,
    ) -> nix::Result<(OwnedFd, String, OwnedFd)> {
        let parent = match parent {
            Err(Errno::ENOENT) => directories.make(self, id.parent())?,
            outcome => outcome?,
        };
        let staging_name = reserved_name("stage").map_err(|_| Errno::EAGAIN)?;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        // Private until complete; the mode proper follows in `finish`.
        let private = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = openat(&parent, staging_name.as_str(), flags, private)?;
        Ok((parent, staging_name, file))
    }

    fn staged(
        &self,
        directories: Directories,
        id: &FileId,
        outcome: nix::Result<(OwnedFd, String, OwnedFd)>,
    ) -> Result<Staged> {
        let (parent, staging_name, file) = outcome.map_err(|errno| cannot_create(id, errno))?;
        Ok(Staged {
            id: id.clone(),
            parent,
            staging_name,
            file: Some(File::from(file)),
            written: 0,
            inode: None,
            mode: self.file_mode,
            durability: self.durability,
            directories,
        })
    }
}

fn cannot_create(id: &FileId, errno: Errno) -> Error {
    let reason = "cannot create a file in the file's directory";
    failed(ErrorKind::Storage, "store", id, reason, errno)
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
        let errno = error.raw_os_error().unwrap_or_default();
        Error::new(ErrorKind::Storage, "store", self.id.as_str(), "cannot write")
            .with_errno(errno)
            .with_source(error)
    }

    /// Makes sure that the server has every byte: on NFS a full disk or quota
    /// may show only in fsync or close. After this the staging file is done.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let written = self.written;
        let storage = |reason, errno| failed(ErrorKind::Storage, "store", &self.id, reason, errno);
        fchmod(&file, self.mode).map_err(|errno| storage("cannot set the mode", errno))?;
        if self.durability == Durability::Full {
            fsync(&file).map_err(|errno| storage("cannot sync the file", errno))?;
        }
        let status = fstat(&file).map_err(|errno| storage("cannot stat the file", errno))?;
        nix::unistd::close(file).map_err(|errno| storage("cannot close the file", errno))?;
        if status.st_size.cast_unsigned() != written {
            let reason = format!("wrote {written} bytes, the file has {}", status.st_size);
            return Err(Error::new(ErrorKind::Storage, "store", self.id.as_str(), reason));
        }
        self.inode = Some((status.st_dev, status.st_ino));
        Ok(())
    }

    /// Gives the file its name. What had the name is set aside until
    /// [`Published::confirm`]; `mtime` is what the row will say.
    pub(crate) fn publish(mut self, mtime: i64) -> Result<Published> {
        let name = self.id.file_name();
        let inode = self.inode.ok_or_else(|| {
            let reason = "was not finished before it was put in place";
            Error::new(ErrorKind::Internal, "store", self.id.as_str(), reason)
        })?;
        let parent = self.parent.try_clone().map_err(|_| self.not_in_place(Errno::EMFILE))?;
        let parent = Arc::new(parent);
        let old = OldFile::link(&parent, name, inode.1, mtime).map_err(|errno| {
            let reason = "cannot keep the old file";
            failed(ErrorKind::Storage, "store", &self.id, reason, errno)
        })?;
        if let Err(error) = self.take_name(&parent) {
            old.inspect(OldFile::remove);
            return Err(error);
        }
        self.staging_name.clear();
        self.directories.stay();
        let published = Published { parent, name: name.to_owned(), inode, old };
        if self.durability == Durability::Full
            && let Err(errno) = fsync(&published.parent)
        {
            published.undo();
            return Err(self.not_in_place(errno));
        }
        Ok(published)
    }

    fn take_name(&self, parent: &OwnedFd) -> Result<()> {
        step!("set-aside");
        renameat(parent, self.staging_name.as_str(), parent, self.id.file_name())
            .map_err(|errno| self.not_in_place(errno))
    }

    fn not_in_place(&self, errno: Errno) -> Error {
        let reason = "cannot put the file in place";
        failed(ErrorKind::Storage, "store", &self.id, reason, errno)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.staging_name.is_empty() {
            remove_reserved(&self.parent, &self.staging_name);
        }
    }
}

/// The file that had the name before, under a reserved name. Dropped, it stays
/// there, where `fsck` knows it: who cannot go on must not lose it.
#[derive(Debug)]
struct OldFile {
    parent: Arc<OwnedFd>,
    reserved: String,
}

impl OldFile {
    /// `None` where there is no file, and where the file system or the file's
    /// owner forbids hard links: then a write goes on, but cannot be undone.
    fn link(
        parent: &Arc<OwnedFd>,
        name: &str,
        inode: u64,
        mtime: i64,
    ) -> nix::Result<Option<Self>> {
        let reserved = aside_name(name, inode, mtime).map_err(|_| Errno::EAGAIN)?;
        match linkat(parent, name, parent, reserved.as_str(), AtFlags::empty()) {
            Ok(()) => Ok(Some(OldFile { parent: Arc::clone(parent), reserved })),
            Err(Errno::ENOENT | Errno::EPERM | Errno::EOPNOTSUPP | Errno::EMLINK) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn put_back(&self, name: &str) -> nix::Result<()> {
        renameat(&self.parent, self.reserved.as_str(), &self.parent, name)
    }

    fn remove(&self) {
        remove_reserved(&self.parent, &self.reserved);
    }
}

/// A file that has its name, while its row is not committed yet. Dropped, both
/// files stay, the old one under its reserved name.
#[derive(Debug)]
#[must_use = "confirm() or undo()"]
pub(crate) struct Published {
    parent: Arc<OwnedFd>,
    name: String,
    inode: (u64, u64),
    old: Option<OldFile>,
}

impl Published {
    /// Whether there is an old file that [`Published::confirm`] removes.
    pub(crate) fn has_old_file(&self) -> bool {
        self.old.is_some()
    }

    /// The row is committed: the old file may go.
    pub(crate) fn confirm(self) {
        self.old.as_ref().inspect(|old| old.remove());
    }

    /// The row is not committed: puts the old file back, or removes the new
    /// one. Where another writer has replaced it meanwhile, that one gets the
    /// old file, to put it back in its turn. To be called under the row's lock.
    /// Says whether that was done; if not, all files stay.
    pub(crate) fn undo(self) -> bool {
        let undone = self.try_undo();
        if let Err(errno) = undone {
            log::error!("ezdfs: cannot undo the write of {:?}: {errno}", self.name);
        }
        undone.is_ok()
    }

    fn try_undo(&self) -> nix::Result<()> {
        let old = self.old.as_ref();
        if inode(&self.parent, &self.name)? != Some(self.inode) {
            let reserved = old.map(|old| old.reserved.as_str());
            pass_on(&self.parent, &self.name, self.inode, reserved)?;
            old.inspect(|old| old.remove());
            return Ok(());
        }
        match old.map(|old| old.put_back(&self.name)) {
            // None any more where another's undoing has found that it was
            // no file of a row.
            None | Some(Err(Errno::ENOENT)) => {
                unlinkat(&self.parent, self.name.as_str(), UnlinkatFlags::NoRemoveDir)
            }
            Some(done) => done,
        }
    }
}

/// Device and inode of a name, `None` where it does not exist.
pub(super) fn inode(parent: &OwnedFd, name: &str) -> nix::Result<Option<(u64, u64)>> {
    match fstatat(parent.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(status) => Ok(Some((status.st_dev, status.st_ino))),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// A name that no id can have and no other process will choose.
pub(super) fn reserved_name(purpose: &str) -> Result<String> {
    let random = getrandom::u64().map_err(|error| {
        Error::new(ErrorKind::Internal, "store", "staging file", "no random numbers")
            .with_source(error)
    })?;
    Ok(format!("{RESERVED_PREFIX}{purpose}-{random:016x}"))
}

/// What cannot be removed now is left to `fsck`, which knows it by its name.
pub(super) fn remove_reserved(parent: &OwnedFd, name: &str) {
    if let Err(errno) = unlinkat(parent, name, UnlinkatFlags::NoRemoveDir)
        && errno != Errno::ENOENT
    {
        log::warn!("ezdfs: cannot remove {name:?}: {errno}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Options;

    #[test]
    fn what_cannot_go_on_loses_no_file() {
        let root = tempfile::tempdir().unwrap();
        let mut options = Options::builder();
        options.set("dsn", "sqlite:/x").unwrap();
        options.set("root", root.path().to_str().unwrap()).unwrap();
        let mount = Mount::new(&options.build().unwrap());
        fs::write(root.path().join("a"), b"old").unwrap();
        let mut staged = mount.stage(&FileId::parse("a").unwrap(), |_| Ok(false)).unwrap();
        staged.append(b"new").unwrap();
        staged.finish().unwrap();
        drop(staged.publish(1).unwrap());
        let files = fs::read_dir(root.path()).unwrap();
        let mut files: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        files.sort();
        assert_eq!(files, [b"new", b"old"]);
    }
}
