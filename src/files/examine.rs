//! Looking at single files when rows and files are checked against each other.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmodat, fstat, fstatat};

use super::calls::{Failure, Given, give_free_name, inode, unlink};
use super::directories::Directories;
use super::remove::Remover;
use super::walk::changed;
use super::{Ahead, Mount, Opened, is_regular, listing, open_beneath, open_directory};
use crate::error::{CallError, Error, Result, in_call};
use crate::name::FileId;

/// Which directory on which file system the root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RootIdentity {
    device: u64,
    inode: u64,
}

/// What a file looks like.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) size: u64,
    pub(crate) changed: SystemTime,
    /// Its first bytes.
    pub(crate) head: Vec<u8>,
}

/// A path without symbolic links. realpath(3) of the C library asks for what sandboxes refuse.
pub(crate) fn real_path(path: &Path) -> io::Result<PathBuf> {
    let opened = openat(AT_FDCWD, path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    path_of(&opened).or_else(|_| path.canonicalize())
}

fn path_of(file: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

impl Mount {
    pub(crate) fn identity(&self) -> Result<RootIdentity> {
        let status = fstat(&self.root()?).map_err(|errno| self.root_error(errno))?;
        Ok(RootIdentity { device: status.st_dev, inode: status.st_ino })
    }

    /// The root without symbolic links, as text.
    pub(crate) fn real_root(&self) -> Result<String> {
        let real = path_of(&self.root()?).unwrap_or_else(|_| self.root.clone());
        Ok(real.to_string_lossy().into_owned())
    }

    /// When a file, or a link, last changed: bytes, name or links. `None` where
    /// there is none.
    pub(crate) fn last_change(&self, path: &str) -> Result<Option<SystemTime>> {
        Ok(Remover::new(self, None)?.look(path)?.map(|status| changed(&status)))
    }

    /// Gives a file another path, unless something has that.
    pub(crate) fn give_name(&self, from: &str, to: &FileId) -> Result<bool> {
        let give = || {
            let root = self.root().map_err(|_| Failure::from(Errno::ESTALE))?;
            let (parent, name) = from.rsplit_once('/').unwrap_or(("", from));
            let parent = open_directory(&root, parent)?;
            let mut directories = Directories::new(root);
            let file = inode(&parent, name)?.ok_or(Errno::ENOENT)?;
            let target = directories.make(self, to.parent()).map_err(CallError::errno)?;
            let given = give_free_name(&parent, name, &target, to.file_name(), file)?;
            if given == Given::Occupied {
                return Ok(false);
            }
            directories.stay();
            if given == Given::Linked {
                unlink(&parent, name)?;
            }
            Ok(true)
        };
        give().map_err(|failure: Failure| {
            failure.error("repair", from, "cannot give the file its row's name")
        })
    }

    /// Some names that the root holds, for messages.
    pub(crate) fn some_entries(&self) -> Result<Vec<String>> {
        const SOME: usize = 5;
        let root = listing(self.root()?);
        let mut root = root.map_err(|errno| self.root_error(errno))?;
        let names =
            root.iter().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(names.filter(|name| !matches!(name.as_str(), "." | "..")).take(SOME).collect())
    }

    /// Whether something has this path, as far as this machine knows: no server is asked
    /// about what a client remembers.
    pub(crate) fn seems_to_have(&self, path: &str) -> Result<bool> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        Ok(open_beneath(&self.root()?, path, flags).is_ok())
    }

    /// Whether anything has this path, without asking what.
    pub(crate) fn has_entry(&self, path: &str) -> Result<bool> {
        Ok(self.entry(path)?.is_some())
    }

    /// What has this path, whatever it is; nothing is followed.
    pub(crate) fn entry(&self, path: &str) -> Result<Option<FileStat>> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let status = open_directory(&self.root()?, parent)
            .and_then(|parent| fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW));
        match status {
            Ok(status) => Ok(Some(status)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(Error::system("look", path, "cannot look for the file", errno)),
        }
    }

    /// Refuses a root that is another one than before, or empty.
    pub(crate) fn require_same(&self, before: RootIdentity) -> Result<()> {
        if self.identity()? != before {
            let reason = "another file system is mounted here than at the beginning";
            return Err(self.unavailable(reason, Errno::ESTALE));
        }
        self.require_alive()
    }

    /// Opens a file as readers do, and looks at it and at so many of its bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Mount::open`].
    pub(crate) fn examine(&self, id: &FileId, head: usize) -> Result<Examined> {
        let failed = |error| Error::io("check", id.as_str(), "cannot read the file", error);
        let Opened { file, size, .. } = self.open(id, false, Ahead { bytes: 0, whole: 0 })?;
        let status = fstat(file.as_fd()).map_err(|errno| failed(errno.into()))?;
        let mut bytes = Vec::with_capacity(head);
        file.take(head as u64).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Examined { size, changed: changed(&status), head: bytes })
    }

    /// Lets those read a file whom `file_mode` allows to.
    pub(crate) fn make_readable(&self, id: &FileId) -> Result<()> {
        let failed = |errno: Errno| {
            let cause = in_call("fchmodat")(errno);
            Error::system("repair", id.as_str(), "cannot set the file's mode", cause)
        };
        let parent = open_directory(&self.root()?, id.parent()).map_err(failed)?;
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        let status = fstatat(&parent, id.file_name(), flags).map_err(failed)?;
        if !is_regular(&status) {
            return Err(failed(Errno::ELOOP));
        }
        let reading = Mode::S_IRUSR | Mode::S_IRGRP | Mode::S_IROTH;
        let mode = Mode::from_bits_truncate(status.st_mode) | (self.file_mode.mode & reading);
        let follow = FchmodatFlags::FollowSymlink;
        fchmodat(&parent, id.file_name(), mode, follow).map_err(failed)
    }
}
