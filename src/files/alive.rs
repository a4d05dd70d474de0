//! Whether the mount is there, and the part of it that a path leads to. "Not
//! found" is never a guess: what an unmounted share looks like is not believed.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::{Mount, PRUNED_RETRIES, listing, open_beneath, open_directory};
use crate::debris;
use crate::error::{Error, ErrorKind, Result};
use crate::territory::area_end;

/// What the mount shows where a path leads to no file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Absence {
    /// A directory on the way that a share could be mounted on and is not.
    pub(crate) bare: Option<Bare>,
    /// The deepest directory on the way that is there lies on another mount than
    /// the root.
    pub(crate) is_elsewhere: bool,
}

/// The deepest directory on the way to a file that is there.
pub(super) struct Way<'p> {
    /// Its path from the root.
    pub(super) found: &'p str,
    pub(super) directory: OwnedFd,
    pub(super) bare: Option<Bare>,
}

/// A directory that is empty, or, at the top of a storage directory, missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bare {
    /// Beneath the root; empty for the root itself.
    pub(crate) directory: String,
    /// If the table has so many live rows beneath it, they are not missing: their
    /// share is not mounted. The directory of a single picture may well be left
    /// empty when that goes; a whole area is not.
    pub(crate) live_rows: usize,
}

impl Bare {
    /// So many live rows in a directory that is empty are too many for a chance.
    pub(crate) const TOO_MANY: usize = 2;
}

/// The identity of a mount within a namespace; where the kernel does not tell,
/// that of its file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MountId(u64);

impl Mount {
    /// Refuses a mount that is not there: a missing root, or a bare one. Only to
    /// be asked where rows say that something must be there.
    pub(crate) fn require_alive(&self) -> Result<()> {
        if self.is_bare()? { Err(self.bare_root()) } else { Ok(()) }
    }

    /// Refuses a bare root that does not lie on a share. To be asked where there are no
    /// rows that could tell.
    pub(crate) fn require_share(&self) -> Result<()> {
        if !self.is_bare()? || self.marker.is_none() && self.is_on_share()? {
            return Ok(());
        }
        if self.marker.is_some() {
            return Err(self.bare_root());
        }
        let reason = "the root is empty, and no share is mounted there: if it is none, or a new \
                      one, put a file into it (names that begin with a dot do not count)";
        Err(self.unavailable(reason, Errno::ENOENT))
    }

    /// Whether the root is what a mount point looks like when nothing is mounted
    /// on it: the marker is missing, or without one, there is nothing but what
    /// mount points have (`.keep`, `lost+found`).
    pub(crate) fn is_bare(&self) -> Result<bool> {
        let root = self.root()?;
        let outcome = match &self.marker {
            Some(marker) => match open_beneath(&root, marker, OFlag::O_PATH) {
                Ok(_) => Ok(false),
                Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(true),
                Err(errno) => Err(errno),
            },
            None => is_bare(&root),
        };
        outcome.map_err(|errno| self.root_error(errno))
    }

    /// What can be said of a path that leads to no file. The mount is alive.
    pub(crate) fn absence(&self, path: &str) -> Result<Absence> {
        let root = self.root()?;
        let way = self.way_to(&root, path).map_err(|errno| {
            Error::system("look", path, "cannot read the directories on the way", errno)
                .but(ErrorKind::Unavailable)
        })?;
        let is_elsewhere = mount_id(&way.directory) != mount_id(&root);
        Ok(Absence { bare: way.bare, is_elsewhere })
    }

    /// How far the directories on the way to a file are there.
    pub(super) fn way_to<'p>(&self, root: &OwnedFd, path: &'p str) -> nix::Result<Way<'p>> {
        for _ in 1..PRUNED_RETRIES {
            match self.way_once(root, path) {
                // Somebody pruned a directory between opening and reading it.
                Err(Errno::ENOENT | Errno::ESTALE) => {}
                outcome => return outcome,
            }
        }
        self.way_once(root, path)
    }

    fn way_once<'p>(&self, root: &OwnedFd, path: &'p str) -> nix::Result<Way<'p>> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let (found, directory) = deepest(root, parent)?;
        let area = area_end(path, &self.name_prefix).unwrap_or_default();
        let bare = if is_bare(&directory)? {
            let live_rows = if found.len() <= area { 1 } else { Bare::TOO_MANY };
            Some(Bare { directory: found.to_owned(), live_rows })
        } else {
            // The storage directory, or the area in it, is not there at all.
            let missing = || Bare { directory: path[..area].to_owned(), live_rows: 1 };
            (found.len() < area).then(missing)
        };
        Ok(Way { found, directory, bare })
    }

    /// That a directory is bare although the table has rows beneath it.
    pub(crate) fn not_mounted(&self, bare: &Bare) -> Error {
        if bare.directory.is_empty() {
            return self.bare_root();
        }
        let reason = "the directory is empty or missing although the table has rows beneath it: \
                      is the share mounted there?";
        let missing = Error::new(ErrorKind::Unavailable, "mount", &*bare.directory, reason);
        missing.with_errno(Errno::ENOENT as i32)
    }

    fn bare_root(&self) -> Error {
        let reason = match &self.marker {
            Some(marker) => {
                format!("{marker:?} (mount_marker) is not there: is the share mounted?")
            }
            None => "the root is empty although the table has rows: is the share mounted?".into(),
        };
        self.unavailable(reason, Errno::ENOENT)
    }
}

/// The longest beginning of a path that leads to a directory, and that one.
pub(super) fn deepest<'p>(root: &OwnedFd, path: &'p str) -> nix::Result<(&'p str, OwnedFd)> {
    // From below: most often it is only the last that is missing.
    let mut found = path;
    while !found.is_empty() {
        match open_directory(root, found) {
            Ok(directory) => return Ok((found, directory)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => return Err(errno),
        }
        found = found.rsplit_once('/').map_or("", |(above, _)| above);
    }
    Ok(("", open_directory(root, "")?))
}

/// Whether a directory has nothing but what a bare mount point may have, too.
fn is_bare(directory: &OwnedFd) -> nix::Result<bool> {
    for entry in listing(directory)?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") && !debris::may_lie_in_a_mount_point(name) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `None` where it cannot be told. Asks no server.
pub(super) fn mount_id(directory: &OwnedFd) -> Option<MountId> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    match statx(directory, c"", flags, StatxFlags::MNT_ID) {
        Ok(status) if status.stx_mask & StatxFlags::MNT_ID.bits() != 0 => {
            Some(MountId(status.stx_mnt_id))
        }
        _ => listed_mount_id(directory)
            .or_else(|| fstat(directory).ok().map(|status| status.st_dev))
            .map(MountId),
    }
}

/// The same number as /proc shows it, since Linux 3.15.
fn listed_mount_id(directory: &OwnedFd) -> Option<u64> {
    let listed = fs::read_to_string(format!("/proc/self/fdinfo/{}", directory.as_raw_fd())).ok()?;
    let id = listed.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    id.trim().parse().ok()
}
