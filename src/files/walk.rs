//! Walking the tree in the byte order of the files' relative paths, which is
//! the order of names in the table.
//!
//! Only the names of one directory and its parents are held at a time.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};
use std::vec;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

use super::{Mount, is_regular, open_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::name::DirId;

/// What the walk comes by.
#[derive(Debug)]
pub(crate) enum Walked {
    /// A regular file. Its path need not be UTF-8.
    File { path: Vec<u8>, size: u64, changed: SystemTime },
    /// A file, or with a slash at its end a directory, of which nothing can be
    /// said.
    Unreadable { path: Vec<u8>, error: Error },
}

impl Walked {
    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Walked::File { path, .. } | Walked::Unreadable { path, .. } => path,
        }
    }
}

/// A walk under way. Never follows a symbolic link.
#[derive(Debug)]
pub(crate) struct Walk {
    /// From the top down to the directory that is being read.
    levels: Vec<Level>,
    /// Reported before anything else.
    unreadable_top: Option<Walked>,
}

#[derive(Debug)]
struct Level {
    directory: OwnedFd,
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
    /// Walks a directory, or everything. A directory that is not there is empty.
    pub(crate) fn walk(&self, dir: Option<&DirId>) -> Result<Walk> {
        let mut walk = Walk { levels: Vec::new(), unreadable_top: None };
        let path = dir.map_or(Vec::new(), |dir| format!("{dir}/").into_bytes());
        match open_directory(&self.root()?, dir.map_or("", DirId::as_str)) {
            Ok(directory) => walk.unreadable_top = walk.enter(directory, path),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => walk.unreadable_top = Some(unreadable(path, errno)),
        }
        Ok(walk)
    }
}

impl Walk {
    fn enter(&mut self, directory: OwnedFd, path: Vec<u8>) -> Option<Walked> {
        match read(&directory) {
            Ok(entries) => {
                self.levels.push(Level { directory, path, entries: entries.into_iter() });
                None
            }
            Err(Errno::ENOENT) => None,
            Err(errno) => Some(unreadable(path, errno)),
        }
    }

    /// `None` where the entry is gone by now, or is neither file nor directory.
    fn visit(&mut self, entry: &Entry) -> Option<Walked> {
        let level = self.levels.last()?;
        let mut path = [&level.path, entry.name.to_bytes()].concat();
        if !entry.is_directory {
            return match fstatat(&level.directory, &*entry.name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(status) if is_regular(&status) => {
                    let size = status.st_size.cast_unsigned();
                    Some(Walked::File { path, size, changed: changed(&status) })
                }
                Ok(_) | Err(Errno::ENOENT) => None,
                Err(errno) => Some(unreadable(path, errno)),
            };
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

impl Iterator for Walk {
    type Item = Walked;

    fn next(&mut self) -> Option<Walked> {
        if let Some(unreadable) = self.unreadable_top.take() {
            return Some(unreadable);
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

/// When bytes, name or links last changed. The change time too, because tools
/// that copy give old files' times to new ones.
pub(super) fn changed(status: &FileStat) -> SystemTime {
    let at = |seconds: i64, nanoseconds: i64| {
        let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
        let since = Duration::new(seconds.max(0).cast_unsigned(), nanoseconds);
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    at(status.st_mtime, status.st_mtime_nsec).max(at(status.st_ctime, status.st_ctime_nsec))
}

fn unreadable(path: Vec<u8>, errno: Errno) -> Walked {
    let error = Error::new(ErrorKind::Storage, "check", shown(&path), "cannot be read")
        .with_errno(errno as i32)
        .with_source(errno);
    Walked::Unreadable { path, error }
}

/// A path as text: with escapes where it is not UTF-8.
pub(crate) fn shown(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) => text.to_owned(),
        Err(_) => path.escape_ascii().to_string(),
    }
}
