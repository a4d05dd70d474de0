//! Removing files whose rows are deleted.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Mount, failed, open_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{DirId, FileId};

impl Mount {
    /// Removes a file; says whether there was one.
    pub(crate) fn remove(&self, id: &FileId) -> Result<bool> {
        Remover::new(self, None)?.remove(id)
    }
}

/// Removes files, those of one directory best after each other.
#[derive(Debug)]
pub(crate) struct Remover {
    root: OwnedFd,
    /// Where the last file was, open.
    parent: Option<(String, OwnedFd)>,
    /// Below it, directories that become empty are removed as well.
    prune: Option<DirId>,
}

impl Remover {
    pub(crate) fn new(mount: &Mount, prune: Option<DirId>) -> Result<Self> {
        Ok(Remover { root: mount.root()?, parent: None, prune })
    }

    /// Says whether there was such a file.
    pub(crate) fn remove(&mut self, id: &FileId) -> Result<bool> {
        let parent = match self.enter(id.parent()) {
            Ok(parent) => parent,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(false),
            Err(errno) => return Err(cannot(id, "cannot open the file's directory", errno)),
        };
        match unlinkat(parent, id.file_name(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(cannot(id, "the row is deleted, the file cannot be removed", errno)),
        }
    }

    fn enter(&mut self, path: &str) -> nix::Result<&OwnedFd> {
        if self.parent.as_ref().is_none_or(|(entered, _)| entered != path) {
            self.leave();
            self.parent = Some((path.to_owned(), open_directory(&self.root, path)?));
        }
        self.parent.as_ref().map(|(_, directory)| directory).ok_or(Errno::ENOENT)
    }

    /// Removes the directory left behind, if it is empty now and lies below the
    /// one that is being deleted.
    fn leave(&mut self) {
        let (Some((left, _)), Some(prune)) = (self.parent.take(), &self.prune) else { return };
        let is_below = left.strip_prefix(prune.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if let Some((above, name)) = left.rsplit_once('/').filter(|_| is_below) {
            // Not empty, or in use on an NFS client: the sweep looks at it again.
            let _ = open_directory(&self.root, above)
                .and_then(|above| unlinkat(&above, name, UnlinkatFlags::RemoveDir));
        }
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        self.leave();
    }
}

fn cannot(id: &FileId, reason: &'static str, errno: Errno) -> Error {
    failed(ErrorKind::Storage, "delete", id, reason, errno)
}
