//! Looking at single files when rows and files are checked against each other,
//! and removing those that nothing needs.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::walk::changed;
use super::{Ahead, Mount, Opened, is_regular, open_directory};
use crate::error::{Error, ErrorKind, Result};
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

/// What became of a file that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unneeded {
    Removed,
    /// There is no such regular file.
    Gone,
    /// It is there and old enough, and nobody asked to remove it.
    There,
    /// It changed after the time that was given.
    Young,
}

impl Mount {
    pub(crate) fn identity(&self) -> Result<RootIdentity> {
        let status = fstat(&self.root()?).map_err(|errno| self.root_error(errno))?;
        Ok(RootIdentity { device: status.st_dev, inode: status.st_ino })
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
        let failed = |error: std::io::Error| {
            let errno = error.raw_os_error().unwrap_or_default();
            Error::new(ErrorKind::Storage, "check", id.as_str(), "cannot read the file")
                .with_errno(errno)
                .with_source(error)
        };
        let Opened { file, size, .. } = self.open(id, false, Ahead { bytes: 0, keep: 0 })?;
        let status = fstat(file.as_fd()).map_err(|errno| failed(errno.into()))?;
        let mut bytes = Vec::with_capacity(head);
        file.take(head as u64).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Examined { size, changed: changed(&status), head: bytes })
    }

    /// Looks at a file that no row needs, and removes it if `remove` says so,
    /// unless it changed after `cutoff`.
    pub(crate) fn unneeded(
        &self,
        path: &str,
        cutoff: SystemTime,
        remove: bool,
    ) -> Result<Unneeded> {
        let failed = |reason, errno| {
            Error::new(ErrorKind::Storage, "check", path, reason)
                .with_errno(errno as i32)
                .with_source(errno)
        };
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = match open_directory(&self.root()?, parent) {
            Ok(parent) => parent,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(Unneeded::Gone),
            Err(errno) => return Err(failed("cannot open the file's directory", errno)),
        };
        match fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) if !is_regular(&status) => return Ok(Unneeded::Gone),
            Ok(status) if changed(&status) > cutoff => return Ok(Unneeded::Young),
            Ok(_) if !remove => return Ok(Unneeded::There),
            Ok(_) => {}
            Err(Errno::ENOENT) => return Ok(Unneeded::Gone),
            Err(errno) => return Err(failed("cannot look at the file", errno)),
        }
        match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => Ok(Unneeded::Removed),
            Err(Errno::ENOENT) => Ok(Unneeded::Gone),
            Err(errno) => Err(failed("cannot remove the file", errno)),
        }
    }
}
