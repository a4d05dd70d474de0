//! The one way in which somebody's file is taken away: unlinked for good where
//! its deletion was asked for, moved to the trash where maintenance thinks that
//! it is not needed. Whether it may go was decided under its row's lock, in
//! [`crate::store`].

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::aside::aside_name;
use super::calls::{Failure, Given, give_free_name, inode, rename, unlink};
use super::trash::TrashFolder;
use super::walk::changed;
use super::{Mount, at, is_regular, open_directory};
use crate::error::Result;
use crate::metadata::Identity;
use crate::name::DirId;

/// What there was to take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// Nothing has the name, or something that is neither file nor link.
    NoFile,
}

/// Takes files away, those of one directory best after each other. Their paths
/// lie beneath the root.
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

    /// Removes a file for good.
    pub(crate) fn unlink(&mut self, path: &str) -> Result<Taken> {
        self.take(path, |parent, name| {
            hang!("unlink");
            match unlink(parent, name) {
                Ok(true) => Ok(()),
                // A row may name a directory: that is nobody's file.
                Ok(false) | Err(Failure::NotDone(Errno::EISDIR)) => Err(Errno::ENOENT.into()),
                Err(failure) => Err(failure),
            }
        })
    }

    /// Gives a file a reserved name beside its own, which is free then; says at which
    /// path it is.
    pub(crate) fn set_aside(&mut self, path: &str) -> Result<Option<String>> {
        let mut reserved = String::new();
        let taken = self.take(path, |parent, name| {
            let status = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if !is_file_or_link(&status) {
                return Err(Errno::ENOENT.into());
            }
            // Of a row that is being deleted none is put back: the file says itself what it is.
            reserved = aside_name(name, Identity::default(), 0).map_err(|_| Errno::EAGAIN)?;
            rename(parent, name, parent, &reserved, None)
        })?;
        let beside = |parent: &str| format!("{parent}/{reserved}");
        let path = path.rsplit_once('/').map_or(reserved.clone(), |(parent, _)| beside(parent));
        Ok((taken == Taken::Yes).then_some(path))
    }

    /// Moves a file to its place in the trash, see [`TrashFolder::place`].
    pub(crate) fn trash(&mut self, path: &str, trash: &TrashFolder, place: &str) -> Result<Taken> {
        self.take(path, |parent, name| {
            let status = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if !is_file_or_link(&status) {
                return Err(Errno::ENOENT.into());
            }
            let (folder, name_there) = trash.enter(place).map_err(of_trash)?;
            let inode = Some((status.st_dev, status.st_ino));
            rename(parent, name, &folder, name_there, inode)
        })
    }

    /// Gives a file a second name, in the trash; where there are no hard links, its only one.
    pub(crate) fn link_to_trash(
        &mut self,
        path: &str,
        trash: &TrashFolder,
        place: &str,
    ) -> Result<Taken> {
        self.take(path, |parent, name| {
            let file = inode(parent, name)?.ok_or(Errno::ENOENT)?;
            let (folder, name_there) = trash.enter(place).map_err(of_trash)?;
            match give_free_name(parent, name, &folder, name_there, file)? {
                Given::Linked | Given::Renamed => Ok(()),
                Given::Occupied => Err(Errno::EEXIST.into()),
            }
        })
    }

    /// Size and time of last change of what can be taken away.
    pub(crate) fn look(&mut self, path: &str) -> Result<Option<FileStat>> {
        let mut found = None;
        self.take(path, |parent, name| {
            let status = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            found = is_file_or_link(&status).then_some(status);
            Ok(())
        })?;
        Ok(found)
    }

    fn take(
        &mut self,
        path: &str,
        how: impl FnOnce(&OwnedFd, &str) -> Result<(), Failure>,
    ) -> Result<Taken> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.enter(parent).map_err(Failure::from).and_then(|parent| how(parent, name)) {
            Ok(()) => Ok(Taken::Yes),
            Err(Failure::NotDone(Errno::ENOENT | Errno::ENOTDIR)) => Ok(Taken::NoFile),
            Err(failure) => Err(failure.error("remove", path, "cannot remove the file")),
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

/// That the trash cannot be entered does not say that there is no file to take away.
fn of_trash(errno: Errno) -> Failure {
    Failure::NotDone(if errno == Errno::ENOENT { Errno::ESTALE } else { errno })
}

/// Whether a file has not changed since: neither bytes nor name, links or owner.
pub(crate) fn is_unchanged_since(status: &FileStat, time: std::time::SystemTime) -> bool {
    changed(status) <= time
}

/// When the bytes of a file last changed, or whatever its writer says of that.
pub(crate) fn modified(status: &FileStat) -> std::time::SystemTime {
    at(status.st_mtime, status.st_mtime_nsec)
}

fn is_file_or_link(status: &FileStat) -> bool {
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    is_regular(status) || kind == SFlag::S_IFLNK
}
