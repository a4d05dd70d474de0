//! Second names of files, in another directory: no byte is copied, and either name is whole.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::calls::{Failure, inode_of, link, rename, seen, status};
use super::directories::Directories;
use super::granted::{has_no_links, sync_directory};
use super::stage::reserved_name;
use super::{Mount, Remover, is_regular, open_directory};
use crate::config::Durability;
use crate::error::{CallError, Error, ErrorKind, Result};
use crate::name::FileId;

/// Where a file system has no hard links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linkless {
    Refuse,
    /// The file loses its old name.
    Rename,
}

/// What there is of two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twins {
    /// Neither is there.
    Nothing,
    OnlyOld,
    OnlyNew,
    Same,
    /// Two files; whether that of the old name was written later.
    Differ {
        old_is_later: bool,
    },
}

/// Gives files second names, those of one directory best after each other.
pub(crate) struct Twinning<'m> {
    mount: &'m Mount,
    root: OwnedFd,
    linkless: Linkless,
    /// Where names were given.
    changed: BTreeMap<String, OwnedFd>,
}

impl Mount {
    pub(crate) fn twinning(&self, linkless: Linkless) -> Result<Twinning<'_>> {
        let root = self.root()?;
        Ok(Twinning { mount: self, root, linkless, changed: BTreeMap::new() })
    }
}

impl Twinning<'_> {
    /// What has these names, as the server knows it.
    pub(crate) fn look(&self, old: &FileId, new: &FileId) -> Result<Twins> {
        Ok(match (self.file(old)?, self.file(new)?) {
            (None, None) => Twins::Nothing,
            (Some(_), None) => Twins::OnlyOld,
            (None, Some(_)) => Twins::OnlyNew,
            (Some(old), Some(new)) if inode_of(&old) == inode_of(&new) => Twins::Same,
            (Some(old), Some(new)) => Twins::Differ { old_is_later: written(&old) > written(&new) },
        })
    }

    fn file(&self, id: &FileId) -> Result<Option<FileStat>> {
        let look = || status(&open_directory(&self.root, id.parent())?, id.file_name());
        match look() {
            Ok(Some(status)) if !is_regular(&status) => Err(failed(id, Errno::ELOOP)),
            Ok(found) => Ok(found),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(failed(id, errno)),
        }
    }

    /// Gives the file of the old name the new one as well, whatever has that.
    pub(crate) fn give(&mut self, old: &FileId, new: &FileId) -> Result<()> {
        self.give_or_fail(old, new).map_err(|failure| match failure {
            // Nor is there one for the next.
            Failure::NotDone(errno) if has_no_links(errno) => {
                let reason = "the file cannot have two names (hard links): are there none here, or \
                              is the file another user's, which the kernel protects?";
                Error::new(ErrorKind::InvalidConfig, "rename", old.as_str(), reason)
                    .with_source(errno)
            }
            failure => failure.error("rename", old.as_str(), "cannot give the file its new name"),
        })
    }

    fn give_or_fail(&mut self, old: &FileId, new: &FileId) -> Result<(), Failure> {
        let from = open_directory(&self.root, old.parent())?;
        let source = seen(&from, old.file_name())?.ok_or(Errno::ENOENT)?;
        let file = Some(inode_of(&source));
        if !self.changed.contains_key(new.parent()) {
            let root = self.root.try_clone().map_err(|_| Errno::EMFILE)?;
            let mut directories = Directories::new(root);
            let to = directories.make(self.mount, new.parent()).map_err(CallError::errno)?;
            directories.stay();
            self.changed.insert(new.parent().to_owned(), to);
        }
        let to = self.changed.get(new.parent()).ok_or(Errno::ENOENT)?;
        let there = seen(to, new.file_name())?;
        if there.as_ref().map(inode_of) == file {
            return Ok(());
        }
        // A link replaces nothing, and of two names of one file rename(2) does nothing.
        let own = reserved_name("twin").map_err(|_| Errno::EAGAIN)?;
        let name = if there.is_some() { &*own } else { new.file_name() };
        match link(&from, old.file_name(), to, name) {
            Ok(()) if there.is_some() => rename(to, name, to, new.file_name(), file),
            Err(Failure::NotDone(errno)) if has_no_links(errno) => match self.linkless {
                Linkless::Refuse => Err(Failure::NotDone(errno)),
                Linkless::Rename => rename(&from, old.file_name(), to, new.file_name(), file),
            },
            linked => linked,
        }
    }

    /// Takes the old name away from a file that has both.
    pub(crate) fn take(&self, old: &FileId, new: &FileId) -> Result<()> {
        match self.look(old, new)? {
            Twins::Same => Remover::new(self.mount, None)?.unlink(old.as_str()).map(drop),
            Twins::OnlyNew => Ok(()),
            _ => Err(failed(old, Errno::ESTALE)),
        }
    }

    /// Makes sure that the server has the new names.
    pub(crate) fn sync(&self) -> Result<()> {
        if self.mount.durability == Durability::Rename {
            return Ok(());
        }
        for (path, directory) in &self.changed {
            sync_directory(directory).map_err(|cause| {
                Error::system("rename", path, "cannot sync the directory", cause)
            })?;
        }
        Ok(())
    }
}

fn written(status: &FileStat) -> (i64, i64) {
    (status.st_mtime, status.st_mtime_nsec)
}

fn failed(id: &FileId, errno: Errno) -> Error {
    Error::system("rename", id.as_str(), "cannot look at the file", errno)
}
