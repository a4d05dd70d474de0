//! Where a replica lies, and how long it is good.
//!
//! Below the directory that is named, in one whose name says of which format it is
//! and since which start of the machine: nobody opens what a crash may have torn.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::time::{ClockId, clock_gettime};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::header::FORMAT;
use super::{MOST_READERS, Unusable};

/// The files that LMDB makes.
pub(super) const DATA: &str = "data.mdb";
pub(super) const LOCK: &str = "lock.mdb";

/// Bytes that a lock file has at least, for its readers alone.
const LOCK_BYTES: u64 = MOST_READERS as u64 * 64;

/// Two pages, which say where the rest is.
const LEAST_DATA: u64 = 2 * 4096;

/// Device and inode: what a path leads to may be replaced.
pub(super) type FileId = (u64, u64);

/// The directory of this format and this start of the machine.
pub(super) fn directory(path: &Path) -> io::Result<PathBuf> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(path.join(format!("{FORMAT}-{}", boot.trim())))
}

/// Nanoseconds since the machine started, sleep included.
pub(crate) fn now() -> u64 {
    // Every kernel that is supported has this clock. 0 is long ago: nobody trusts what was heard then.
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(0, |now| now.tv_sec().unsigned_abs() * 1_000_000_000 + now.tv_nsec().unsigned_abs())
}

/// Which file it is, where it can be one that is whole, and its length.
///
/// Asks without opening anything: a process that closes the lock file loses
/// the locks that LMDB has on it.
pub(super) fn examine(directory: &Path) -> Result<(FileId, u64), Unusable> {
    let lock = directory.join(LOCK);
    // What is on a read-only file system LMDB would read without any lock.
    let checked = accessat(CWD, &lock, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS);
    match checked {
        Err(rustix::io::Errno::NOENT) => return Err(Unusable::Absent),
        Err(error) => return Err(broken("its lock file", io::Error::from(error))),
        Ok(()) => {}
    }
    let status = |path: &Path, what: &str| {
        let status = std::fs::metadata(path).map_err(|error| broken(what, error))?;
        if status.is_file() {
            Ok(status)
        } else {
            Err(Unusable::Broken(format!("{what} is no file")))
        }
    };
    let data = status(&directory.join(DATA), "its data file")?;
    if data.len() < LEAST_DATA || status(&lock, "its lock file")?.len() < LOCK_BYTES {
        return Err(Unusable::Broken("its files have been cut short".to_owned()));
    }
    Ok(((data.dev(), data.ino()), data.len()))
}

fn broken(what: &str, error: io::Error) -> Unusable {
    Unusable::Broken(format!("{what}: {error}"))
}
