//! Trying out what a store needs of its mount: calls on files of its own, looks at those that are
//! there. Nothing is left behind.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::{FileStat, fstat};
use nix::unistd::{UnlinkatFlags, close, fsync, geteuid, linkat, unlinkat, write};

use super::calls::{create_new, discard, status};
use super::stage::reserved_name;
use super::{Mount, READING, open_beneath, open_directory};
use crate::error::Result;
use crate::name::FileId;

/// A call that a store makes of its mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tried {
    Create,
    Write,
    Sync,
    Mode,
    Link,
    Rename,
    SyncDirectory,
    Unlink,
}

/// What came of trying them in a directory.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Calls that failed; those that need what failed were not made.
    pub(crate) failed: Vec<(Tried, Errno)>,
    /// Whom a new file belongs to, where that is somebody else.
    pub(crate) foreign_owner: Option<u32>,
    /// What time it was on the server, in microseconds since the epoch.
    pub(crate) changed: Option<i64>,
}

/// A file that a live row speaks of.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) path: String,
    /// `None` where there is none.
    pub(crate) status: Option<FileStat>,
    /// Why it cannot be read.
    pub(crate) unreadable: Option<Errno>,
}

impl Mount {
    /// Makes a file in a directory, gives it other names and removes it.
    ///
    /// # Errors
    ///
    /// Where the root cannot be opened; what fails beneath it is in the answer.
    pub(crate) fn try_writing(&self, directory: &str) -> Result<Trial> {
        let root = self.root()?;
        let mut trial = Trial { failed: Vec::new(), foreign_owner: None, changed: None };
        let prepared = open_directory(&root, directory).and_then(|opened| {
            let name = || reserved_name("doctor").map_err(|_| Errno::EAGAIN);
            Ok((opened, [name()?, name()?, name()?]))
        });
        match prepared {
            Err(errno) => trial.failed.push((Tried::Create, errno)),
            Ok((opened, names)) => self.try_in(&opened, &names, &mut trial),
        }
        Ok(trial)
    }

    fn try_in(&self, directory: &OwnedFd, names: &[String; 3], trial: &mut Trial) {
        let [first, second, third] = names;
        let made = create_new(directory, first, OFlag::empty(), self.file_mode.mode);
        let file = match made {
            Ok(file) => file,
            Err(errno) => return trial.failed.push((Tried::Create, errno)),
        };
        trial.note(Tried::Write, write(&file, b"ezdfs doctor\n").map(drop));
        trial.note(Tried::Sync, fsync(&file));
        trial.note(Tried::Mode, self.file_mode.insist(&file));
        if let Ok(status) = fstat(&file) {
            let (seconds, rest) = (status.st_ctime, status.st_ctime_nsec / 1000);
            trial.changed = Some(seconds.saturating_mul(1_000_000).saturating_add(rest));
            trial.foreign_owner = Some(status.st_uid).filter(|it| *it != geteuid().as_raw());
        }
        // A server may tell of a full disk no earlier.
        trial.note(Tried::Write, close(file));
        let linked =
            linkat(directory, first.as_str(), directory, second.as_str(), AtFlags::empty());
        trial.note(Tried::Link, linked);
        let renamed = renameat(directory, first.as_str(), directory, third.as_str());
        trial.note(Tried::Rename, renamed);
        trial.note(Tried::SyncDirectory, fsync(directory));
        let left = if renamed.is_ok() { third } else { first };
        let removed = unlinkat(directory, left.as_str(), UnlinkatFlags::NoRemoveDir);
        trial.note(Tried::Unlink, removed);
        for name in names {
            if !matches!(status(directory, name), Ok(None)) {
                discard(directory, name);
            }
        }
    }

    /// Looks at files that rows speak of, and opens each for reading.
    pub(crate) fn survey(&self, ids: &[FileId]) -> Result<Vec<Surveyed>> {
        let root = self.root()?;
        let look = |id: &FileId| {
            let path = id.as_str().to_owned();
            let (status, unreadable) = match self.entry(&path) {
                Ok(status) => {
                    let opened = open_beneath(&root, &path, READING);
                    (status, opened.err().filter(|_| status.is_some()))
                }
                // A directory on the way that may not be entered.
                Err(error) => (None, Some(Errno::from_raw(error.os_errno()))),
            };
            Surveyed { path, status, unreadable }
        };
        Ok(ids.iter().map(look).collect())
    }
}

impl Trial {
    /// The first failure of each.
    fn note(&mut self, call: Tried, outcome: nix::Result<()>) {
        let is_known = self.failed.iter().any(|(failed, _)| *failed == call);
        if let (Err(errno), false) = (outcome, is_known) {
            self.failed.push((call, errno));
        }
    }
}
