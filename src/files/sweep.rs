//! Emptying a directory whose rows are gone.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Mount, open_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::name::DirId;

/// A file without a row that is younger than this may be an upload whose row
/// comes next: PHP kernels write the file first.
const GRACE: Duration = Duration::from_secs(600);

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Files without a row that were removed.
    pub(crate) removed: u64,
    /// Files and directories that stayed: too young, still open on this client
    /// (`.nfsXXXX`), or not removable.
    pub(crate) left: u64,
}

impl Mount {
    /// Removes what is left below a directory, then the directory itself.
    /// Symbolic links are removed, never followed. `beat` is called for each
    /// entry: there may be many.
    pub(crate) fn sweep(&self, dir: &DirId, beat: &dyn Fn()) -> Result<Swept> {
        let root = self.root()?;
        let mut swept = Swept::default();
        let directory = match open_directory(&root, dir.as_str()) {
            Ok(directory) => directory,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(swept),
            Err(errno) => return Err(cannot("cannot open the directory", dir, errno)),
        };
        empty(directory, &mut swept, beat)
            .map_err(|errno| cannot("cannot read the directory", dir, errno))?;
        let (parent, name) = dir.as_str().rsplit_once('/').unwrap_or(("", dir.as_str()));
        match open_directory(&root, parent)
            .and_then(|parent| unlinkat(&parent, name, UnlinkatFlags::RemoveDir))
        {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(_) => swept.left += 1,
        }
        Ok(swept)
    }
}

fn cannot(reason: &'static str, dir: &DirId, errno: Errno) -> Error {
    Error::new(ErrorKind::Storage, "delete_directory", dir.as_str(), reason)
        .with_errno(errno as i32)
        .with_source(errno)
}

fn empty(directory: OwnedFd, swept: &mut Swept, beat: &dyn Fn()) -> nix::Result<()> {
    let mut entries = Dir::from_fd(directory.try_clone().map_err(|_| Errno::EMFILE)?)?;
    // Collected first: removing while reading makes some servers skip entries.
    let names: Vec<_> = entries.iter().collect::<nix::Result<_>>()?;
    for entry in names {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        beat();
        let status = match fstatat(directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) => status,
            Err(Errno::ENOENT) => continue,
            Err(errno) => return Err(errno),
        };
        let removed = if is_directory(&status, entry.file_type()) {
            remove_directory(&directory, name, swept, beat)?
        } else {
            remove_file(&directory, name, &status, swept)
        };
        swept.left += u64::from(!removed);
    }
    Ok(())
}

fn is_directory(status: &FileStat, listed: Option<Type>) -> bool {
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    kind == SFlag::S_IFDIR && listed != Some(Type::Symlink)
}

fn remove_directory(
    parent: &OwnedFd,
    name: &CStr,
    swept: &mut Swept,
    beat: &dyn Fn(),
) -> nix::Result<bool> {
    let Ok(path) = name.to_str() else {
        return Ok(false);
    };
    match open_directory(parent, path) {
        Ok(directory) => empty(directory, swept, beat)?,
        Err(Errno::ENOENT) => return Ok(true),
        Err(_) => return Ok(false),
    }
    Ok(matches!(unlinkat(parent, name, UnlinkatFlags::RemoveDir), Ok(()) | Err(Errno::ENOENT)))
}

fn remove_file(parent: &OwnedFd, name: &CStr, status: &FileStat, swept: &mut Swept) -> bool {
    if name.to_bytes().starts_with(b".nfs") || !is_old(status.st_mtime) {
        return false;
    }
    let removed = match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) => true,
        Err(errno) => return errno == Errno::ENOENT,
    };
    swept.removed += u64::from(removed);
    removed
}

fn is_old(mtime: i64) -> bool {
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(mtime.max(0).cast_unsigned());
    SystemTime::now().duration_since(changed).is_ok_and(|age| age > GRACE)
}
