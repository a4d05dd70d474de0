//! Old files, kept while the write that replaces them may still fail. Each has a
//! reserved name that tells whose it is and which write it made way for.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::stage::{inode, reserved_name};
use super::walk::changed;
use super::{Mount, is_regular, open_directory};
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
pub(super) fn kept_name(name: &str, inode: u64, mtime: i64) -> Result<String> {
    reserved_name(&format!("old-{}-{inode:x}-{mtime:x}", hash(name)))
}

fn hash(name: &str) -> String {
    FileName::stored(name).hash()
}

/// Whether this is the reserved name of some file's old one.
pub(crate) fn is_kept(reserved: &[u8]) -> bool {
    std::str::from_utf8(reserved).is_ok_and(|reserved| label(reserved).is_some())
}

/// What all that is kept for one name has in common: the directory and the md5
/// of the name. `None` where the path is of no kept file.
pub(crate) fn kept_for(path: &[u8]) -> Option<&[u8]> {
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    is_kept(&path[start..]).then(|| &path[..start + RESERVED_PREFIX.len() + "old-".len() + 32])
}

fn label(reserved: &str) -> Option<Label<'_>> {
    let rest = reserved.strip_prefix(RESERVED_PREFIX)?.strip_prefix("old-")?;
    let mut parts = rest.split('-');
    let (owner, inode, mtime) = (parts.next()?, parts.next()?, parts.next()?);
    let (inode, mtime) =
        (u64::from_str_radix(inode, 16).ok()?, i64::from_str_radix(mtime, 16).ok()?);
    (owner.len() == 32).then_some(Label { owner, inode, mtime })
}

/// An old file whose successor is in place still, or is itself kept for one
/// that is: writes may have died one after the other.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) id: FileId,
    reserved: String,
    /// Of the file in place.
    size: u64,
    /// What it replaced, what that replaced, and so on.
    chain: Vec<Old>,
}

#[derive(Debug)]
struct Old {
    reserved: String,
    size: u64,
    /// What the row of its successor would say.
    mtime: i64,
}

impl Replaced {
    /// Whether it is this file that the row speaks of: no write since then was
    /// committed.
    pub(crate) fn is_of(&self, row: &Row) -> bool {
        let (mut name, mut size) = (None, self.size);
        for old in &self.chain {
            if (row.size, row.mtime) == (size, old.mtime) {
                break;
            }
            (name, size) = (Some(&old.reserved), old.size);
        }
        row.is_live() && row.size == size && name == Some(&self.reserved)
    }
}

impl Mount {
    /// Looks whether the path is an old file's, and by which other files it was
    /// replaced; none of them written to since.
    pub(crate) fn replaced(&self, path: &str) -> Result<Option<Replaced>> {
        let (parent, reserved) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(Label { owner, .. }) = label(reserved) else { return Ok(None) };
        let root = self.root()?;
        let look = || Family::read(&open_directory(&root, parent)?, owner);
        let family = match look() {
            Ok(Some(family)) => family,
            Ok(None) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
            Err(errno) => return Err(failed(path, "cannot look at a kept file", errno)),
        };
        let name = &family.name;
        let id = if parent.is_empty() { name.clone() } else { format!("{parent}/{name}") };
        let Ok(id) = FileId::parse(&id) else { return Ok(None) };
        let size = family.status.st_size.cast_unsigned();
        Ok(Some(Replaced { id, reserved: reserved.to_owned(), size, chain: family.chain() }))
    }

    /// Gives an old file its name again.
    pub(crate) fn put_back(&self, path: &str, id: &FileId) -> Result<()> {
        let (parent, reserved) = path.rsplit_once('/').unwrap_or(("", path));
        open_directory(&self.root()?, parent)
            .and_then(|directory| renameat(&directory, reserved, &directory, id.file_name()))
            .map_err(|errno| failed(path, "cannot put a kept file back", errno))
    }
}

fn failed(path: &str, reason: &'static str, errno: Errno) -> Error {
    Error::new(ErrorKind::Storage, "check", path, reason)
        .with_errno(errno as i32)
        .with_source(errno)
}

fn modified(status: &FileStat) -> SystemTime {
    let nanoseconds = u32::try_from(status.st_mtime_nsec).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::new(status.st_mtime.max(0).cast_unsigned(), nanoseconds)
}

/// A file and what is kept for it.
struct Family {
    name: String,
    status: FileStat,
    kept: Vec<(String, FileStat)>,
}

impl Family {
    /// Of the name in this directory that has this md5, if it is there.
    fn read(directory: &OwnedFd, owner: &str) -> nix::Result<Option<Self>> {
        let mut in_place = None;
        let mut kept = Vec::new();
        for entry in open(directory)?.iter() {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let is_kept = label(name).is_some_and(|label| label.owner == owner);
            if !is_kept && hash(name) != owner {
                continue;
            }
            let status = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            match is_regular(&status) {
                true if is_kept => kept.push((name.to_owned(), status)),
                true => in_place = Some((name.to_owned(), status)),
                false => {}
            }
        }
        Ok(in_place.map(|(name, status)| Family { name, status, kept }))
    }

    fn chain(mut self) -> Vec<Old> {
        let mut chain = Vec::new();
        let mut successor = self.status;
        // Its bytes were written before the old file was set aside.
        let replaced = |name: &str, old: &FileStat, by: &FileStat| {
            label(name).is_some_and(|label| label.inode == by.st_ino)
                && modified(by) <= changed(old)
        };
        while let Some(next) =
            self.kept.iter().position(|(name, old)| replaced(name, old, &successor))
        {
            let (reserved, status) = self.kept.swap_remove(next);
            let mtime = label(&reserved).map_or(0, |label| label.mtime);
            chain.push(Old { reserved, size: status.st_size.cast_unsigned(), mtime });
            successor = status;
        }
        chain
    }
}

/// For a write that is undone after another was begun upon it: whoever kept its
/// file, to put it back should the other write fail, had better put back what
/// was there before. `None` where nothing was.
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
                let link = kept_name(name, 0, 0).map_err(|_| Errno::EAGAIN)?;
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
