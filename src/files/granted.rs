//! What a file system may refuse without a file being the worse for it: modes that the mount gives,
//! directories that cannot be synced.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::stat::{FileStat, Mode, fchmod};
use nix::unistd::fsync;

use crate::error::{CallError, in_call};

/// The mode that something new is to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewMode {
    pub(super) mode: Mode,
    /// Nobody has asked for it.
    is_default: bool,
}

impl NewMode {
    pub(super) fn new(mode: u32, default: u32) -> Self {
        NewMode { mode: Mode::from_bits_truncate(mode), is_default: mode == default }
    }

    pub(super) fn is_of(self, status: &FileStat) -> bool {
        Mode::from_bits_truncate(status.st_mode & 0o7777) == self.mode
    }

    /// Gives it, whatever the file system thinks of that.
    #[cfg(feature = "cli")]
    pub(super) fn insist(self, file: impl AsFd) -> nix::Result<()> {
        fchmod(file, self.mode)
    }

    /// On Azure Files, blobfuse and CIFS the mount gives the modes, and where owners are mapped
    /// the file is somebody else's: what nobody has asked for is not insisted on there.
    pub(super) fn give(self, file: impl AsFd) -> Result<(), CallError> {
        static IS_TOLD: AtomicBool = AtomicBool::new(false);
        match fchmod(file, self.mode) {
            Err(errno) if self.is_default && is_unsupported(errno) => {
                if !IS_TOLD.swap(true, Ordering::Relaxed) {
                    log::warn!("ezdfs: modes are as the mount gives them: fchmod: {errno}");
                }
                Ok(())
            }
            outcome => outcome.map_err(in_call("fchmod")),
        }
    }
}

/// Makes sure that the server has the names in a directory, where that can be asked for: CIFS and
/// DrvFs know no such call.
pub(super) fn sync_directory(directory: impl AsFd) -> Result<(), CallError> {
    match fsync(directory) {
        Err(Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
        outcome => outcome.map_err(in_call("fsync of the directory")),
    }
}

/// Whether a link was refused because there are none here, or none of this file.
pub(super) fn has_no_links(errno: Errno) -> bool {
    is_unsupported(errno) || matches!(errno, Errno::EMLINK | Errno::EXDEV | Errno::EROFS)
}

fn is_unsupported(errno: Errno) -> bool {
    matches!(errno, Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS)
}
