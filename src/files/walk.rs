//! Walking the tree in the byte order of the files' relative paths, which is
//! the order of names in the table.
//!
//! Only the names of one directory and its parents are held at a time.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;
use std::vec;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

use super::alive::{MountId, mount_id};
use super::{Mount, at, is_regular, open_directory};
use crate::debris;
use crate::error::{Error, Result};

/// What the walk comes by. Paths need not be UTF-8; those of directories end in a
/// slash.
#[derive(Debug)]
pub(crate) enum Walked {
    File(WalkedFile),
    /// A symbolic link, a socket and the like.
    Other {
        path: Vec<u8>,
    },
    /// A directory that has nothing but what a bare mount point may have, too.
    Bare {
        path: Vec<u8>,
    },
    /// A directory on another mount than where the walk began. Not entered.
    Elsewhere {
        path: Vec<u8>,
    },
    /// A file or directory of which nothing can be said.
    Unreadable {
        path: Vec<u8>,
        error: Error,
    },
}

/// A regular file.
#[derive(Debug)]
pub(crate) struct WalkedFile {
    pub(crate) path: Vec<u8>,
    pub(crate) size: u64,
    /// When bytes, name or links last changed.
    pub(crate) changed: SystemTime,
    /// Whether the owner or the group of its directory, or everybody, may read it.
    pub(crate) is_readable: bool,
}

impl Walked {
    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Walked::File(WalkedFile { path, .. })
            | Walked::Other { path }
            | Walked::Bare { path }
            | Walked::Elsewhere { path }
            | Walked::Unreadable { path, .. } => path,
        }
    }
}

/// A walk under way. Never follows a symbolic link, never leaves the mount, and
/// enters none of the directories of [`debris::is_foreign_directory`].
#[derive(Debug)]
pub(crate) struct Walk {
    /// From the top down to the directory that is being read.
    levels: Vec<Level>,
    mount: Option<MountId>,
    /// Reported before anything else.
    top: Option<Walked>,
}

#[derive(Debug)]
struct Level {
    directory: OwnedFd,
    owner: (u32, u32),
    /// Empty, or ends in a slash.
    path: Vec<u8>,
    entries: vec::IntoIter<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: CString,
    is_directory: bool,
}

impl Mount {
    /// Walks a directory beneath the root, or with an empty path everything. A
    /// directory that is not there is empty.
    pub(crate) fn walk(&self, path: &str) -> Result<Walk> {
        let root = self.root()?;
        let mut walk = Walk { levels: Vec::new(), mount: mount_id(&root), top: None };
        let shown = if path.is_empty() { Vec::new() } else { format!("{path}/").into_bytes() };
        match open_directory(&root, path) {
            Ok(directory) => walk.top = walk.enter(directory, shown),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => walk.top = Some(unreadable(shown, errno)),
        }
        Ok(walk)
    }
}

impl Walk {
    fn enter(&mut self, directory: OwnedFd, path: Vec<u8>) -> Option<Walked> {
        if mount_id(&directory) != self.mount {
            return Some(Walked::Elsewhere { path });
        }
        let owner = fstat(&directory).map(|status| (status.st_uid, status.st_gid));
        match owner.and_then(|owner| Ok((owner, read(&directory)?))) {
            Ok((owner, entries)) => {
                let shows =
                    |entry: &Entry| !debris::may_lie_in_a_mount_point(entry.name.to_bytes());
                let is_bare = !entries.iter().any(shows);
                let bare = is_bare.then(|| Walked::Bare { path: path.clone() });
                self.levels.push(Level { directory, owner, path, entries: entries.into_iter() });
                bare
            }
            Err(Errno::ENOENT) => None,
            Err(errno) => Some(unreadable(path, errno)),
        }
    }

    /// `None` where the entry is gone by now, or is not to be looked at.
    fn visit(&mut self, entry: &Entry) -> Option<Walked> {
        let level = self.levels.last()?;
        let name = entry.name.to_bytes();
        let mut path = [&level.path, name].concat();
        if !entry.is_directory {
            return match fstatat(&level.directory, &*entry.name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(status) if is_regular(&status) => Some(Walked::File(WalkedFile {
                    path,
                    size: status.st_size.cast_unsigned(),
                    changed: changed(&status),
                    is_readable: is_readable(&status, level.owner),
                })),
                Ok(_) => Some(Walked::Other { path }),
                Err(Errno::ENOENT) => None,
                Err(errno) => Some(unreadable(path, errno)),
            };
        }
        if debris::is_foreign_directory(name) {
            return None;
        }
        path.push(b'/');
        // A single segment, and no link: it cannot lead out of the tree.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(&level.directory, &*entry.name, flags, Mode::empty()) {
            Ok(directory) => self.enter(directory, path),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => None,
            Err(errno) => Some(unreadable(path, errno)),
        }
    }
}

/// Who serves files is not who checks them: root can read everything. So the
/// owner of the directory, its group and everybody are asked about.
fn is_readable(status: &FileStat, (uid, gid): (u32, u32)) -> bool {
    let may = |bit: Mode| status.st_mode & bit.bits() != 0;
    may(Mode::S_IROTH)
        || (may(Mode::S_IRGRP) && status.st_gid == gid)
        || (may(Mode::S_IRUSR) && status.st_uid == uid)
}

impl Iterator for Walk {
    type Item = Walked;

    fn next(&mut self) -> Option<Walked> {
        if let Some(top) = self.top.take() {
            return Some(top);
        }
        while let Some(level) = self.levels.last_mut() {
            match level.entries.next() {
                None => drop(self.levels.pop()),
                Some(entry) => {
                    if let Some(walked) = self.visit(&entry) {
                        return Some(walked);
                    }
                }
            }
        }
        None
    }
}

/// The entries of a directory, in the order of the paths below it: `a/b` comes
/// after `a-b`, so a directory sorts as if its name ended in a slash.
fn read(directory: &OwnedFd) -> nix::Result<Vec<Entry>> {
    let mut listing = Dir::from_fd(directory.try_clone().map_err(|_| Errno::EMFILE)?)?;
    let mut entries = Vec::new();
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let is_directory = match entry.file_type() {
            Some(kind) => kind == Type::Directory,
            // Some file systems do not say.
            None => match fstatat(directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(status) => is_directory(&status),
                Err(Errno::ENOENT) => continue,
                Err(errno) => return Err(errno),
            },
        };
        entries.push(Entry { name: name.to_owned(), is_directory });
    }
    entries.sort_by(|one, other| one.sort_key().cmp(other.sort_key()));
    Ok(entries)
}

impl Entry {
    fn sort_key(&self) -> impl Iterator<Item = &u8> {
        let slash: &[u8] = if self.is_directory { b"/" } else { b"" };
        self.name.to_bytes().iter().chain(slash)
    }
}

fn is_directory(status: &FileStat) -> bool {
    SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR
}

/// When bytes, name or links last changed: by the change time, which nobody but the file
/// server gives. The other is a row's, or an old file's that a tool has copied.
pub(super) fn changed(status: &FileStat) -> SystemTime {
    at(status.st_ctime, status.st_ctime_nsec)
}

fn unreadable(path: Vec<u8>, errno: Errno) -> Walked {
    let error = Error::system("check", shown(&path), "cannot be read", errno);
    Walked::Unreadable { path, error }
}

/// A path as text: with escapes where it is not UTF-8.
pub(crate) fn shown(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) => text.to_owned(),
        Err(_) => path.escape_ascii().to_string(),
    }
}
