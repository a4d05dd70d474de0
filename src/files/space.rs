//! How much room there is on the mount.

use nix::sys::statvfs::fstatvfs;

use super::Mount;
use crate::error::{Error, Result};

/// As df(1) has it: what is free for whoever is not root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) bytes: u64,
    pub(crate) bytes_free: u64,
    /// 0 where the file system has no fixed number of them.
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
}

impl Mount {
    pub(crate) fn space(&self) -> Result<Space> {
        let root = self.root()?;
        let status = fstatvfs(&root).map_err(|errno| {
            let shown = self.root.to_string_lossy();
            Error::system("look", shown, "cannot ask for the space that is free", errno)
        })?;
        let bytes = |blocks: u64| blocks.saturating_mul(status.fragment_size());
        Ok(Space {
            bytes: bytes(status.blocks()),
            bytes_free: bytes(status.blocks_available()),
            inodes: status.files(),
            inodes_free: status.files_available(),
        })
    }
}
