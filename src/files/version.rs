//! Noticing that an open file was written to, replaced or removed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat};
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::nowait::is_local;
use super::optional::may_be_refusal;

/// What tells one state of a file from another. A file that was replaced or
/// removed has another ctime and fewer links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    links: u64,
}

impl From<&FileStat> for State {
    fn from(status: &FileStat) -> Self {
        State {
            size: status.st_size.cast_unsigned(),
            modified: (status.st_mtime, status.st_mtime_nsec),
            changed: (status.st_ctime, status.st_ctime_nsec),
            links: status.st_nlink,
        }
    }
}

/// A state of an open file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    state: State,
    /// Without statx(2), which is younger than Linux 4.10, of a server's file nothing can be asked
    /// that waits for nobody.
    may_be_asked: bool,
}

impl Version {
    /// `status` is what was just found of it. May block.
    pub(super) fn of(file: impl AsFd, status: &FileStat) -> Self {
        let may_be_asked = has_statx(&file) || is_local(&file);
        Version { state: status.into(), may_be_asked }
    }

    /// In whole seconds, by the file server's clock: what a row has, where the writer was ezdfs.
    pub(crate) fn modified_at(&self) -> i64 {
        self.state.modified.0
    }

    /// The same, of the last change, which nobody else can set.
    pub(crate) fn changed_at(&self) -> i64 {
        self.state.changed.0
    }

    pub(super) fn is_state(&self, status: &FileStat) -> bool {
        self.state == status.into()
    }

    /// Whether the file is in this state still, as far as this machine knows.
    /// Asks no server and so never blocks.
    pub(crate) fn is_of(&self, file: &File) -> bool {
        let by_fstat = || fstat(file).ok().as_ref().map(State::from);
        let now = match known(file) {
            Err(_) if self.may_be_asked && !has_statx(file) => by_fstat(),
            now => now.ok(),
        };
        now == Some(self.state)
    }
}

/// What is known of a file here.
fn known(file: impl AsFd) -> io::Result<State> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let now = statx(file, c"", flags, StatxFlags::BASIC_STATS)?;
    Ok(State {
        size: now.stx_size,
        modified: (now.stx_mtime.tv_sec, now.stx_mtime.tv_nsec.into()),
        changed: (now.stx_ctime.tv_sec, now.stx_ctime.tv_nsec.into()),
        links: now.stx_nlink.into(),
    })
}

/// Whether statx(2) is there; looked at once.
pub(super) fn has_statx(file: impl AsFd) -> bool {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    let is_there = || match statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE) {
        Ok(_) => true,
        Err(errno) => !may_be_refusal(Errno::from_raw(errno.raw_os_error())),
    };
    *IS_THERE.get_or_init(is_there)
}
