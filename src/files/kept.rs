//! Old files, kept while the write that replaces them may still fail. Each has a
//! reserved name that tells whose it is: the md5 of the file's own name is in it.

use std::os::fd::{AsFd, OwnedFd};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::stage::{inode, reserved_name};
use crate::error::Result;
use crate::name::{FileName, RESERVED_PREFIX};

/// A new reserved name for the old file of this name.
pub(super) fn kept_name(name: &str) -> Result<String> {
    reserved_name(&format!("old-{}", hash(name)))
}

fn hash(name: &str) -> String {
    FileName::stored(name).hash()
}

/// The md5 in a reserved name.
fn owner(reserved: &[u8]) -> Option<&[u8]> {
    let rest = reserved.strip_prefix(RESERVED_PREFIX.as_bytes())?.strip_prefix(b"old-")?;
    let (hash, random) = (rest.get(..32)?, rest.get(32..)?);
    let is_hex = hash.iter().all(u8::is_ascii_hexdigit);
    (is_hex && random.starts_with(b"-")).then_some(hash)
}

/// For a write that is undone after another was begun upon it: whoever kept its
/// file, to put it back should the other write fail, had better put back what
/// was there before. `None` where nothing was.
///
/// To be called under the row's lock, which the other must take to put anything
/// back.
pub(super) fn pass_on(
    directory: &OwnedFd,
    name: &str,
    undone: (u64, u64),
    old: Option<&str>,
) -> nix::Result<()> {
    let wanted = hash(name);
    for entry in open(directory)?.iter() {
        let entry = entry?;
        let Ok(reserved) = entry.file_name().to_str() else { continue };
        if owner(reserved.as_bytes()) != Some(wanted.as_bytes())
            || inode(directory, reserved)? != Some(undone)
        {
            continue;
        }
        match old {
            None => unlinkat(directory, reserved, UnlinkatFlags::NoRemoveDir)?,
            Some(old) => {
                let link = kept_name(name).map_err(|_| Errno::EAGAIN)?;
                linkat(directory, old, directory, link.as_str(), AtFlags::empty())?;
                renameat(directory, link.as_str(), directory, reserved)?;
            }
        }
    }
    Ok(())
}

/// Afresh, so that an NFS client asks the server what is in it.
fn open(directory: &OwnedFd) -> nix::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Dir::openat(directory.as_fd(), ".", flags, Mode::empty())
}
