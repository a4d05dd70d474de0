//! Making directories that are missing.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::stat::{fchmod, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};

use super::alive::deepest;
use super::{Mount, open_directory};
use crate::config::Durability;

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
    pub(super) fn make(&mut self, mount: &Mount, path: &str) -> nix::Result<OwnedFd> {
        let there = deepest(&self.root, path)?;
        self.make_below(mount, path, there)
    }

    /// The same from the deepest directory on that is there.
    pub(super) fn make_below(
        &mut self,
        mount: &Mount,
        path: &str,
        (found, mut directory): (&str, OwnedFd),
    ) -> nix::Result<OwnedFd> {
        let ends = path.match_indices('/').map(|(slash, _)| slash).chain([path.len()]);
        let mut start = if found.is_empty() { 0 } else { found.len() + 1 };
        for end in ends.filter(|end| *end > found.len()) {
            let segment = &path[start..end];
            start = end + 1;
            match mkdirat(&directory, segment, mount.dir_mode) {
                Ok(()) => {
                    self.created.push(path[..end].to_owned());
                    if mount.durability == Durability::Full {
                        fsync(&directory)?;
                    }
                    directory = open_directory(&directory, segment)?;
                    // The umask took bits away.
                    fchmod(&directory, mount.dir_mode)?;
                }
                Err(Errno::EEXIST) => directory = open_directory(&directory, segment)?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(directory)
    }
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
