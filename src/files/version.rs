//! Noticing that an open file was written to, replaced or removed.

use std::fs::File;

use nix::sys::stat::FileStat;
use rustix::fs::{AtFlags, StatxFlags, statx};

/// What tells one state of a file from another. A file that was replaced or
/// removed has another ctime and fewer links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    links: u64,
}

impl Version {
    pub(super) fn new(status: &FileStat) -> Self {
        Version {
            size: status.st_size.cast_unsigned(),
            modified: (status.st_mtime, status.st_mtime_nsec),
            changed: (status.st_ctime, status.st_ctime_nsec),
            links: status.st_nlink,
        }
    }

    /// Whether the file is in this state still, as far as this machine knows.
    /// Asks no server and so never blocks.
    pub(crate) fn is_of(&self, file: &File) -> bool {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let now = statx(file, c"", flags, StatxFlags::BASIC_STATS).map(|now| Version {
            size: now.stx_size,
            modified: (now.stx_mtime.tv_sec, now.stx_mtime.tv_nsec.into()),
            changed: (now.stx_ctime.tv_sec, now.stx_ctime.tv_nsec.into()),
            links: now.stx_nlink.into(),
        });
        now.is_ok_and(|now| now == *self)
    }
}
