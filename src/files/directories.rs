//! Making directories that are missing.

use std::os::fd::OwnedFd;

use nix::dir::Entry;
use nix::errno::Errno;
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::alive::deepest;
use super::calls::make_directory;
use super::granted::sync_directory;
use super::{Mount, listing, open_directory};
use crate::config::Durability;
use crate::error::{CallError, in_call};

/// Directories made for one write. Removed again, where they are still empty,
/// if dropped before the write is published.
#[derive(Debug)]
pub(super) struct Directories {
    pub(super) root: OwnedFd,
    /// Paths from the root, parents first.
    created: Vec<String>,
}

impl Directories {
    pub(super) fn new(root: OwnedFd) -> Self {
        Directories { root, created: Vec::new() }
    }

    /// What was made is not removed again.
    pub(super) fn stay(&mut self) {
        self.created.clear();
    }

    /// `mkdir -p`
    pub(super) fn make(&mut self, mount: &Mount, path: &str) -> Result<OwnedFd, CallError> {
        let (found, directory) = deepest(&self.root, path)?;
        self.make_below(mount, path, found, directory)
    }

    /// The same from the deepest directory on that is there.
    pub(super) fn make_below(
        &mut self,
        mount: &Mount,
        path: &str,
        found: &str,
        mut directory: OwnedFd,
    ) -> Result<OwnedFd, CallError> {
        let ends = path.match_indices('/').map(|(slash, _)| slash).chain([path.len()]);
        let mut start = if found.is_empty() { 0 } else { found.len() + 1 };
        for end in ends.filter(|end| *end > found.len()) {
            let segment = &path[start..end];
            start = end + 1;
            let is_ours = make_directory(&directory, segment, mount.dir_mode.mode)
                .map_err(in_call("mkdir"))?;
            if is_ours {
                self.created.push(path[..end].to_owned());
            }
            if mount.durability == Durability::Full {
                sync_directory(&directory)?;
            }
            directory = open_directory(&directory, segment).map_err(in_call("open"))?;
            // What opening it has told; a server is not asked.
            let status = fstat(&directory).map_err(in_call("fstat"))?;
            // The umask took bits away.
            if !mount.dir_mode.is_of(&status)
                && (is_ours || may_be_ours(&directory, &status, mount.dir_mode.mode)?)
            {
                mount.dir_mode.give(&directory)?;
            }
        }
        Ok(directory)
    }
}

/// Whether a directory that came to be a moment ago looks as if we had made it, and the server had
/// done it again and said that it exists: ours, without some bits of the mode, and empty.
fn may_be_ours(directory: &OwnedFd, status: &FileStat, mode: Mode) -> nix::Result<bool> {
    let given = Mode::from_bits_truncate(status.st_mode);
    if status.st_uid != geteuid().as_raw() || !mode.contains(given) {
        return Ok(false);
    }
    let is_entry = |entry: &Entry| !matches!(entry.file_name().to_bytes(), b"." | b"..");
    Ok(!listing(directory)?.iter().flatten().any(|entry| is_entry(&entry)))
}

impl Drop for Directories {
    fn drop(&mut self) {
        for path in self.created.iter().rev() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            // Not empty, or gone: somebody else's business by now.
            let _ = open_directory(&self.root, parent)
                .and_then(|parent| unlinkat(&parent, name, UnlinkatFlags::RemoveDir));
        }
    }
}

/// The directory of a path from the root, made where it is missing, and the name in it.
pub(super) fn enter<'p>(
    mount: &Mount,
    root: &OwnedFd,
    path: &'p str,
) -> nix::Result<(OwnedFd, &'p str)> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    match open_directory(root, parent) {
        Err(Errno::ENOENT) => {
            let mut directories = Directories::new(root.try_clone().map_err(|_| Errno::EMFILE)?);
            let directory = directories.make(mount, parent).map_err(CallError::errno)?;
            directories.stay();
            Ok((directory, name))
        }
        outcome => Ok((outcome?, name)),
    }
}
