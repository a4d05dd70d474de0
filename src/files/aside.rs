//! Old files, set aside while the write that replaces them may still fail. Each has a
//! reserved name that tells whose it is, which version of it, and what it made way for.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::UtimensatFlags::NoFollowSymlink;
use nix::sys::stat::{FileStat, fstatat, utimensat};
use nix::sys::time::TimeSpec;

use super::calls::{self, Inode, inode_of};
use super::stage::reserved_name;
use super::walk::changed;
use super::{Mount, at, is_regular, listing, open_directory};
use crate::error::{Error, Result};
use crate::metadata::{Identity, Row, time_when_back};
use crate::name::{FileId, FileName, RESERVED_PREFIX};

/// What a reserved name says.
#[derive(Debug, PartialEq, Eq)]
struct Label<'n> {
    /// The md5 of the file's own name.
    owner: &'n str,
    /// The row of the name at that time. Files that PHP kernels wrote have another
    /// time than their rows.
    row: Identity,
    /// The inode of the file that takes its place.
    inode: u64,
}

/// A new reserved name for the file of this name, whose row was this and which another
/// inode is to replace.
pub(super) fn aside_name(name: &str, row: Identity, inode: u64) -> Result<String> {
    let Identity { size, mtime } = row;
    reserved_name(&format!("old-{}-{size:x}-{mtime:x}-{inode:x}", hash(name)))
}

/// The reserved name of a version of the file of this name. No two files have one: who
/// has it may have this time.
pub(super) fn version_name(name: &str, version: Identity) -> String {
    let Identity { size, mtime } = version;
    format!("{RESERVED_PREFIX}old-{}-{size:x}-{mtime:x}-0-0", hash(name))
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
    let parts: Vec<_> = rest.split('-').collect();
    let [owner, size, mtime, inode, _random] = parts[..] else { return None };
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let row = Identity { size: hex(size)?, mtime: hex(mtime)?.cast_signed() };
    (owner.len() == 32).then_some(Label { owner, row, inode: hex(inode)? })
}

pub(super) fn identity(status: &FileStat) -> Identity {
    Identity { size: status.st_size.cast_unsigned(), mtime: status.st_mtime }
}

/// The file that has a name, if there is one, and what is set aside for it.
#[derive(Debug, Default)]
pub(crate) struct SetAside {
    in_place: Option<(String, FileStat)>,
    aside: Vec<(String, FileStat)>,
}

impl SetAside {
    /// Of the name in this directory that has this md5.
    fn read(directory: &OwnedFd, owner: &str) -> nix::Result<Self> {
        let mut found = SetAside::default();
        for entry in listing(directory)?.iter() {
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
                true if is_aside => found.aside.push((name.to_owned(), status)),
                true => found.in_place = Some((name.to_owned(), status)),
                false => {}
            }
        }
        Ok(found)
    }

    /// The same of a name that is known.
    pub(super) fn of(directory: &OwnedFd, name: &str) -> nix::Result<Self> {
        SetAside::read(directory, &hash(name))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.aside.is_empty()
    }

    /// Under which reserved name the file lies that this row speaks of; `None`
    /// where that is not to be found among these, such as when it is in place.
    pub(crate) fn of_row(&self, row: &Row) -> Option<&str> {
        let is_it = |(_, status): &&(String, FileStat)| identity(status) == row.identity();
        if !row.is_live() || self.in_place.as_ref().is_some_and(|there| is_it(&there)) {
            return None;
        }
        let in_place = self.in_place.as_ref();
        let by_label = || in_place.and_then(|(_, there)| self.replaced_by(there.st_ino, row));
        // A time may have been another version's as well, which was left aside: the last that
        // was set aside counts.
        let both = || last(self.labelled(row.identity()).filter(is_it));
        let only = || self.only_one_labelled(row).filter(|_| in_place.is_none());
        // Several servers: what it was to others when they set it aside says nothing.
        let any = || last(self.aside.iter().filter(is_it));
        let found = by_label().or_else(both).or_else(only).or_else(any);
        found.filter(|file| !self.is_rewritten_since(file)).map(|(name, _)| name.as_str())
    }

    /// What was set aside when the row was this.
    fn labelled(&self, row: Identity) -> impl Iterator<Item = &(String, FileStat)> {
        let is_it = move |(name, _): &&(String, FileStat)| {
            label(name).is_some_and(|label| label.row == row)
        };
        self.aside.iter().filter(is_it)
    }

    /// The names aside of an inode that was in place when the row was this.
    pub(super) fn labelled_of(&self, row: Identity, inode: Inode) -> impl Iterator<Item = &str> {
        let of_inode = self.labelled(row).filter(move |(_, status)| inode_of(status) == inode);
        of_inode.map(|(name, _)| name.as_str())
    }

    /// Whether the file that a live row speaks of, wherever it is, has this inode.
    pub(super) fn is_of_row(&self, row: &Row, inode: Inode) -> bool {
        let in_place = self.in_place.as_ref();
        let in_place = in_place.filter(|(_, there)| identity(there) == row.identity());
        let aside = || {
            let name = self.of_row(row)?;
            self.aside.iter().find(|(aside, _)| aside == name)
        };
        row.is_live() && in_place.or_else(aside).is_some_and(|(_, file)| inode_of(file) == inode)
    }

    /// The time that the row of an old file gets when it is put back: later than
    /// those of the versions that it and what took its place were known by.
    pub(crate) fn mtime_when_back(&self, row: &Row) -> i64 {
        let there = self.in_place.as_ref().map_or(0, |(_, status)| status.st_mtime);
        time_when_back(row.mtime, there)
    }

    /// Whether what is in place was written to after this was set aside, as PHP kernels
    /// do. Where ezdfs gives a file a time, that has no fraction.
    fn is_rewritten_since(&self, (_, aside): &(String, FileStat)) -> bool {
        self.in_place.as_ref().is_some_and(|(_, there)| {
            let written = at(there.st_mtime, there.st_mtime_nsec);
            there.st_mtime_nsec != 0 && written > changed(aside)
        })
    }

    /// What an inode replaced when the row was this one, or what that had replaced
    /// before, and so on: writes may have died one after the other.
    fn replaced_by(&self, inode: u64, row: &Row) -> Option<&(String, FileStat)> {
        let replaced = |inode| {
            let wanted = |(name, _): &&(String, FileStat)| {
                label(name).is_some_and(|label| label.inode == inode)
            };
            last(self.labelled(row.identity()).filter(wanted))
        };
        let mut first = replaced(inode)?;
        // An inode that was used again must not lead in a circle.
        for _ in 0..self.aside.len() {
            match replaced(first.1.st_ino) {
                Some(before) if before.1.st_ino != first.1.st_ino => first = before,
                _ => break,
            }
        }
        Some(first).filter(|(_, status)| identity(status).size == row.size)
    }

    /// Where nothing is in place, nothing says which of several it was.
    fn only_one_labelled(&self, row: &Row) -> Option<&(String, FileStat)> {
        let has_size = |(_, status): &&(String, FileStat)| identity(status).size == row.size;
        let mut fitting = self.labelled(row.identity()).filter(has_size);
        let found = fitting.next()?;
        fitting.all(|(_, other)| other.st_ino == found.1.st_ino).then_some(found)
    }
}

impl Mount {
    /// What is set aside for a file's name.
    pub(crate) fn set_aside(&self, id: &FileId) -> Result<SetAside> {
        let look =
            |root: &OwnedFd| SetAside::of(&open_directory(root, id.parent())?, id.file_name());
        match look(&self.root()?) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(SetAside::default()),
            found => found.map_err(|errno| failed(id.as_str(), "cannot look for old files", errno)),
        }
    }

    /// The id of the file in place that a file set aside at this path is labelled with.
    /// `None` where there is none, or the path is not of a file set aside.
    pub(crate) fn owner_of_aside(&self, path: &str) -> Result<Option<FileId>> {
        let (parent, reserved) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(Label { owner, .. }) = label(reserved) else { return Ok(None) };
        let root = self.root()?;
        let look = || SetAside::read(&open_directory(&root, parent)?, owner);
        match look() {
            Ok(SetAside { in_place: Some((name, _)), .. }) => {
                let id = if parent.is_empty() { name } else { format!("{parent}/{name}") };
                Ok(FileId::parse(&id).ok())
            }
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(failed(path, "cannot look at an old file", errno)),
        }
    }

    /// Gives an old file its name again, and the time that its row gets.
    pub(crate) fn put_back(&self, path: &str, id: &FileId, mtime: i64) -> Result<()> {
        let (parent, reserved) = path.rsplit_once('/').unwrap_or(("", path));
        let reason = "cannot put an old file back";
        let root = self.root()?;
        let find = || {
            let directory = open_directory(&root, parent)?;
            let old = calls::inode(&directory, reserved)?.ok_or(Errno::ENOENT)?;
            Ok((directory, old))
        };
        let (directory, old) = find().map_err(|errno| failed(path, reason, errno))?;
        calls::rename(&directory, reserved, &directory, id.file_name(), Some(old))
            .map_err(|failure| failure.error("check", path, reason))?;
        stamp_if_possible(&directory, id.file_name(), mtime);
        Ok(())
    }
}

/// The one that was set aside last: an inode may have been used again.
fn last<'f>(files: impl Iterator<Item = &'f (String, FileStat)>) -> Option<&'f (String, FileStat)> {
    files.max_by_key(|(_, status)| changed(status))
}

/// Whether a file set aside at this path is labelled with a file of this name.
pub(crate) fn is_aside_for(path: &str, file_name: &str) -> bool {
    let reserved = path.rsplit('/').next().unwrap_or(path);
    label(reserved).is_some_and(|label| label.owner == hash(file_name))
}

/// Gives a file the time that its row has.
pub(super) fn stamp(directory: &OwnedFd, name: &str, mtime: i64) -> nix::Result<()> {
    let times = [TimeSpec::UTIME_OMIT, TimeSpec::new(mtime, 0)];
    utimensat(directory, name, &times[0], &times[1], NoFollowSymlink)
}

/// The same for a file whose row says what it is in any case.
pub(super) fn stamp_if_possible(directory: &OwnedFd, name: &str, mtime: i64) {
    if let Err(errno) = stamp(directory, name, mtime) {
        log::debug!("ezdfs: cannot set the time of {name:?}: {errno}");
    }
}

fn failed(path: &str, reason: &'static str, errno: Errno) -> Error {
    Error::system("check", path, reason, errno)
}
