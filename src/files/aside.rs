//! Old files, set aside while the write that replaces them may still fail. Each has a
//! reserved name that tells whose it is and which write it made way for.

use std::os::fd::{AsFd, OwnedFd};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::stage::{inode, reserved_name};
use super::walk::changed;
use super::{Mount, at, is_regular, open_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Row;
use crate::name::{FileId, FileName, RESERVED_PREFIX};

/// What a reserved name says.
#[derive(Debug, PartialEq, Eq)]
struct Label<'n> {
    /// The md5 of the file's own name.
    owner: &'n str,
    /// The inode of the file that takes its place.
    inode: u64,
    /// What the row of that one says.
    mtime: i64,
}

/// A new reserved name for the old file of this name, which another inode is to
/// replace, whose row will have this time.
pub(super) fn aside_name(name: &str, inode: u64, mtime: i64) -> Result<String> {
    reserved_name(&format!("old-{}-{inode:x}-{mtime:x}", hash(name)))
}

fn hash(name: &str) -> String {
    FileName::stored(name).hash()
}

/// Whether this is the reserved name of some file's old one.
pub(crate) fn is_aside(reserved: &[u8]) -> bool {
    std::str::from_utf8(reserved).is_ok_and(|reserved| label(reserved).is_some())
}

/// What all that is set aside for one name has in common: the directory and the md5
/// of the name. `None` where the path is of no file set aside.
pub(crate) fn aside_for(path: &[u8]) -> Option<&[u8]> {
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    is_aside(&path[start..]).then(|| &path[..start + RESERVED_PREFIX.len() + "old-".len() + 32])
}

fn label(reserved: &str) -> Option<Label<'_>> {
    let rest = reserved.strip_prefix(RESERVED_PREFIX)?.strip_prefix("old-")?;
    let mut parts = rest.split('-');
    let (owner, inode, mtime) = (parts.next()?, parts.next()?, parts.next()?);
    let (inode, mtime) =
        (u64::from_str_radix(inode, 16).ok()?, i64::from_str_radix(mtime, 16).ok()?);
    (owner.len() == 32).then_some(Label { owner, inode, mtime })
}

/// What is set aside for one name.
#[derive(Debug, Default)]
pub(crate) struct SetAside {
    /// The size of the file in place, if there is one.
    in_place: Option<u64>,
    /// What the file in place replaced, what that replaced, and so on: writes may
    /// have died one after the other.
    chain: Vec<Old>,
    /// The others: names and sizes.
    others: Vec<(String, u64)>,
}

#[derive(Debug)]
struct Old {
    reserved: String,
    size: u64,
    /// What the row of its successor would say.
    mtime: i64,
}

impl SetAside {
    pub(crate) fn is_empty(&self) -> bool {
        self.chain.is_empty() && self.others.is_empty()
    }

    /// Under which reserved name the file lies that this row speaks of; `None`
    /// where that is not to be found among these, such as when it is in place.
    pub(crate) fn of_row(&self, row: &Row) -> Option<&str> {
        if !row.is_live() {
            return None;
        }
        let Some(in_place) = self.in_place else { return self.only_one_of_size(row.size) };
        let (mut name, mut size) = (None, in_place);
        for old in &self.chain {
            // No write since then was committed.
            if (row.size, row.mtime) == (size, old.mtime) {
                break;
            }
            (name, size) = (Some(old.reserved.as_str()), old.size);
        }
        name.filter(|_| row.size == size)
    }

    /// Where nothing is in place, nothing says which of several it was.
    fn only_one_of_size(&self, size: u64) -> Option<&str> {
        let mut fitting = self.others.iter().filter(|(_, other)| *other == size);
        let (name, _) = fitting.next()?;
        fitting.next().is_none().then_some(name)
    }
}

impl Mount {
    /// What is set aside for a file's name.
    pub(crate) fn set_aside(&self, id: &FileId) -> Result<SetAside> {
        let look = |root: &OwnedFd| {
            Family::read(&open_directory(root, id.parent())?, &hash(id.file_name()))
        };
        match look(&self.root()?) {
            Ok(family) => Ok(family.sort_out()),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(SetAside::default()),
            Err(errno) => Err(failed(id.as_str(), "cannot look for kept files", errno)),
        }
    }

    /// The id of the file in place that a file set aside path is labelled with.
    /// `None` where there is none, or the path is not a file set aside.
    pub(crate) fn owner_of_aside(&self, path: &str) -> Result<Option<FileId>> {
        let (parent, reserved) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(Label { owner, .. }) = label(reserved) else { return Ok(None) };
        let root = self.root()?;
        let look = || Family::read(&open_directory(&root, parent)?, owner);
        match look() {
            Ok(Family { in_place: Some((name, _)), .. }) => {
                let id = if parent.is_empty() { name } else { format!("{parent}/{name}") };
                Ok(FileId::parse(&id).ok())
            }
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
            Err(errno) => Err(failed(path, "cannot look at a kept file", errno)),
        }
    }

    /// Gives an old file its name again.
    pub(crate) fn put_back(&self, path: &str, id: &FileId) -> Result<()> {
        let (parent, reserved) = path.rsplit_once('/').unwrap_or(("", path));
        open_directory(&self.root()?, parent)
            .and_then(|directory| renameat(&directory, reserved, &directory, id.file_name()))
            .map_err(|errno| failed(path, "cannot put a kept file back", errno))
    }
}

/// Whether a file set aside path is labelled with a file of this name.
pub(crate) fn is_aside_for(path: &str, file_name: &str) -> bool {
    let reserved = path.rsplit('/').next().unwrap_or(path);
    label(reserved).is_some_and(|label| label.owner == hash(file_name))
}

fn failed(path: &str, reason: &'static str, errno: Errno) -> Error {
    Error::new(ErrorKind::Storage, "check", path, reason)
        .with_errno(errno as i32)
        .with_source(errno)
}

/// A file, if it is in place, and what is set aside for it.
struct Family {
    in_place: Option<(String, FileStat)>,
    aside: Vec<(String, FileStat)>,
}

impl Family {
    /// Of the name in this directory that has this md5.
    fn read(directory: &OwnedFd, owner: &str) -> nix::Result<Self> {
        let mut family = Family { in_place: None, aside: Vec::new() };
        for entry in open(directory)?.iter() {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let is_aside = label(name).is_some_and(|label| label.owner == owner);
            if !is_aside && hash(name) != owner {
                continue;
            }
            let status = match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT) => continue,
                outcome => outcome?,
            };
            match is_regular(&status) {
                true if is_aside => family.aside.push((name.to_owned(), status)),
                true => family.in_place = Some((name.to_owned(), status)),
                false => {}
            }
        }
        Ok(family)
    }

    fn sort_out(mut self) -> SetAside {
        let mut chain = Vec::new();
        let mut successor = self.in_place.as_ref().map(|(_, status)| *status);
        // Its bytes were written before the old file was set aside.
        let replaced = |name: &str, old: &FileStat, by: &FileStat| {
            label(name).is_some_and(|label| label.inode == by.st_ino)
                && at(by.st_mtime, by.st_mtime_nsec) <= changed(old)
        };
        while let Some(by) = successor {
            let next = self.aside.iter().position(|(name, old)| replaced(name, old, &by));
            successor = next.map(|next| {
                let (reserved, status) = self.aside.swap_remove(next);
                let mtime = label(&reserved).map_or(0, |label| label.mtime);
                chain.push(Old { reserved, size: status.st_size.cast_unsigned(), mtime });
                status
            });
        }
        let size = |status: &FileStat| status.st_size.cast_unsigned();
        let others = self.aside.into_iter().map(|(name, status)| (name, size(&status))).collect();
        SetAside { in_place: self.in_place.map(|(_, status)| size(&status)), chain, others }
    }
}

/// For a write that is undone after another was begun upon it: whoever set its
/// file aside, to put it back should the other write fail, had better put back
/// what was there before. `None` where nothing was.
///
/// To be called under the row's lock, which the other must take to put anything
/// back.
pub(super) fn pass_on(
    directory: &OwnedFd,
    name: &str,
    undone: (u64, u64),
    old: Option<&str>,
) -> nix::Result<()> {
    let wanted = hash(name);
    for entry in open(directory)?.iter() {
        let entry = entry?;
        let Ok(reserved) = entry.file_name().to_str() else { continue };
        if label(reserved).is_none_or(|label| label.owner != wanted)
            || inode(directory, reserved)? != Some(undone)
        {
            continue;
        }
        match old {
            None => unlinkat(directory, reserved, UnlinkatFlags::NoRemoveDir)?,
            Some(old) => {
                let link = aside_name(name, 0, 0).map_err(|_| Errno::EAGAIN)?;
                linkat(directory, old, directory, link.as_str(), AtFlags::empty())?;
                renameat(directory, link.as_str(), directory, reserved)?;
            }
        }
    }
    Ok(())
}

/// Afresh, so that an NFS client asks the server what is in it.
fn open(directory: &OwnedFd) -> nix::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Dir::openat(directory.as_fd(), ".", flags, Mode::empty())
}
