//! What is left below a directory whose rows are gone.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::walk::Walked;
use super::{Mount, open_directory};
use crate::debris::{self, Debris};
use crate::error::{Error, Result};

/// What lies below a directory.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// Files and links that somebody may have stored, by their paths.
    pub(crate) files: Vec<String>,
    /// Entries that are nobody's stored file, or of which nothing can be said.
    pub(crate) foreign: u64,
}

impl Mount {
    /// Looks what is left below a directory. `beat` is called for each entry:
    /// there may be many.
    pub(crate) fn leftovers(&self, dir: &str, beat: &dyn Fn()) -> Result<Leftovers> {
        let mut leftovers = Leftovers::default();
        for walked in self.walk(dir)? {
            beat();
            let path = match walked {
                Walked::Bare { .. } => continue,
                Walked::File(file) => Some(file.path),
                Walked::Other { path } => Some(path),
                Walked::Elsewhere { .. } | Walked::Unreadable { .. } => None,
            };
            let path = path.and_then(|path| String::from_utf8(path).ok());
            let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            match path {
                Some(path) if debris::of_file(name(&path).as_bytes()) != Some(Debris::Foreign) => {
                    leftovers.files.push(path);
                }
                _ => leftovers.foreign += 1,
            }
        }
        Ok(leftovers)
    }

    /// Removes the empty directories below this one, and itself if it is empty
    /// then; says how many are not. `beat` is called for each.
    pub(crate) fn remove_empty_directories(&self, dir: &str, beat: &dyn Fn()) -> Result<u64> {
        let left = self.remove_empty_directories_below(dir, beat)?;
        let (parent, name) = dir.rsplit_once('/').unwrap_or(("", dir));
        match open_directory(&self.root()?, parent)
            .and_then(|parent| unlinkat(&parent, name, UnlinkatFlags::RemoveDir))
        {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(left),
            Err(_) => Ok(left + 1),
        }
    }

    /// The same, without itself.
    pub(crate) fn remove_empty_directories_below(&self, dir: &str, beat: &dyn Fn()) -> Result<u64> {
        let mut left = 0;
        let directory = match open_directory(&self.root()?, dir) {
            Ok(directory) => directory,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(0),
            Err(errno) => return Err(cannot("cannot open the directory", dir, errno)),
        };
        prune(directory, &mut left, beat)
            .map_err(|errno| cannot("cannot read the directory", dir, errno))?;
        Ok(left)
    }
}

fn cannot(reason: &'static str, dir: &str, errno: Errno) -> Error {
    Error::system("delete_directory", dir, reason, errno)
}

fn prune(directory: OwnedFd, left: &mut u64, beat: &dyn Fn()) -> nix::Result<()> {
    let mut entries = Dir::from_fd(directory.try_clone().map_err(|_| Errno::EMFILE)?)?;
    // Collected first: removing while reading makes some servers skip entries.
    let entries: Vec<_> = entries.iter().collect::<nix::Result<_>>()?;
    for entry in entries {
        let name = entry.file_name();
        let is_file = entry.file_type().is_some_and(|kind| kind != Type::Directory);
        if is_file || matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        beat();
        *left += u64::from(!remove_directory(&directory, name, left, beat)?);
    }
    Ok(())
}

fn remove_directory(
    parent: &OwnedFd,
    name: &CStr,
    left: &mut u64,
    beat: &dyn Fn(),
) -> nix::Result<bool> {
    let Some(path) =
        name.to_str().ok().filter(|path| !debris::is_foreign_directory(path.as_bytes()))
    else {
        return Ok(false);
    };
    match open_directory(parent, path) {
        Ok(directory) => prune(directory, left, beat)?,
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(true),
        Err(_) => return Ok(false),
    }
    let removed = unlinkat(parent.as_fd(), name, UnlinkatFlags::RemoveDir);
    Ok(matches!(removed, Ok(()) | Err(Errno::ENOENT)))
}
