//! Calls that change what a directory has. An error does not say that nothing happened: NFS sends a
//! call again whose answer was lost, and hears that it cannot be done any more; a soft mount gives up
//! on one that the server carries out. So after each error it is looked what is there.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use crate::error::{CallError, Error, in_call};
use crate::name::RESERVED_PREFIX;

/// How often a call is made that finds nothing where there is something.
const ATTEMPTS: usize = 2;

/// Device and inode.
pub(super) type Inode = (u64, u64);

pub(super) fn inode_of(status: &FileStat) -> Inode {
    (status.st_dev, status.st_ino)
}

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was looked: nothing has changed. ENOENT only where the name that the call was about is
    /// not there.
    NotDone(Errno),
    /// It cannot be told what became of it.
    Unknown(Errno),
}

impl Failure {
    pub(super) fn errno(self) -> Errno {
        match self {
            Failure::NotDone(errno) | Failure::Unknown(errno) => errno,
        }
    }

    pub(super) fn in_call(self, call: &'static str) -> CallError {
        in_call(call)(self.errno())
    }

    pub(super) fn error(self, operation: &'static str, subject: &str, reason: &str) -> Error {
        let reason = match self {
            Failure::NotDone(_) => reason.to_owned(),
            Failure::Unknown(_) => format!("the outcome is unknown: {reason}"),
        };
        Error::system(operation, subject, reason, self.errno())
    }
}

/// Of a call that only looks, or was not made.
impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::NotDone(errno)
    }
}

/// What there is after a call that was answered with an error.
enum Seen {
    /// What the call was to bring about.
    Done,
    /// What there was before, and the call could be made.
    NotDone,
    /// Nothing that it could be made with.
    Impossible,
    /// Neither what was before nor what was to be.
    Neither,
}

/// Gives a file another name. What has that already stays; if it is this file, all is well.
pub(super) fn link(
    from: &OwnedFd,
    name: &str,
    to: &OwnedFd,
    new_name: &str,
) -> Result<(), Failure> {
    link_if(from, name, to, new_name, is_own(new_name))
}

/// The same with a reserved name that others may have chosen as well: one file has it.
pub(super) fn link_exclusively(
    directory: &OwnedFd,
    name: &str,
    new_name: &str,
) -> Result<(), Failure> {
    link_if(directory, name, directory, new_name, false)
}

/// `is_own`: whatever has the new name is this file, although its old name may have
/// another by now.
fn link_if(
    from: &OwnedFd,
    name: &str,
    to: &OwnedFd,
    new_name: &str,
    is_own: bool,
) -> Result<(), Failure> {
    let call = || linkat(from, name, to, new_name, AtFlags::empty());
    let seen = || {
        let (source, there) = look(from, name, to, new_name)?;
        let is_it = there.is_some() && (there == source || is_own);
        Ok(match source {
            _ if is_it => Seen::Done,
            None => Seen::Impossible,
            Some(_) => Seen::NotDone,
        })
    };
    carry_out(call, seen).map(drop)
}

/// How a file got a name that was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// It has both names.
    Linked,
    Renamed,
    /// Something has the name.
    Occupied,
}

/// Gives a file a name that nothing has. A link never replaces what is there, as a rename would,
/// which is for file systems without hard links, and after a look.
pub(super) fn give_free_name(
    from: &OwnedFd,
    name: &str,
    to: &OwnedFd,
    new_name: &str,
    file: Inode,
) -> Result<Given, Failure> {
    match link(from, name, to, new_name) {
        Ok(()) => Ok(Given::Linked),
        Err(Failure::NotDone(Errno::EEXIST)) => Ok(Given::Occupied),
        Err(unknown @ Failure::Unknown(_)) => Err(unknown),
        Err(Failure::NotDone(_)) if inode(to, new_name)?.is_some() => Ok(Given::Occupied),
        Err(Failure::NotDone(_)) => {
            rename(from, name, to, new_name, Some(file)).map(|()| Given::Renamed)
        }
    }
}

/// Moves a file, and replaces what has the new name. It is this inode; `None` for whatever has the
/// name, which is told by a new name that nobody else gives.
pub(super) fn rename(
    from: &OwnedFd,
    name: &str,
    to: &OwnedFd,
    new_name: &str,
    inode: Option<Inode>,
) -> Result<(), Failure> {
    let is_it = |seen: Option<Inode>| seen.is_some() && (inode.is_none() || seen == inode);
    let call = || renameat(from, name, to, new_name);
    let seen = || {
        let (source, there) = look(from, name, to, new_name)?;
        Ok(match (is_it(source), is_it(there)) {
            (_, true) if source != there => Seen::Done,
            (true, _) => Seen::NotDone,
            // It never got there.
            (false, _) if there.is_none() && is_own(new_name) => Seen::Impossible,
            (false, _) => Seen::Neither,
        })
    };
    carry_out(call, seen).map(drop)
}

/// Removes a name; says whether there was one.
pub(super) fn unlink(directory: &OwnedFd, name: &str) -> Result<bool, Failure> {
    let call = || unlinkat(directory, name, UnlinkatFlags::NoRemoveDir);
    let seen = || {
        let there = inode(&afresh(directory)?, name)?;
        Ok(if there.is_some() { Seen::NotDone } else { Seen::Done })
    };
    carry_out(call, seen).map(|answer| answer != Err(Errno::ENOENT))
}

/// Removes a reserved name. What stays is left to `fsck`, which knows it by its name.
pub(super) fn discard(directory: &OwnedFd, name: &str) {
    if let Err(failure) = unlink(directory, name) {
        log::warn!("ezdfs: cannot remove {name:?}: {}", failure.errno());
    }
}

/// Makes a directory that was not there a moment ago; says whether it is certain that nobody else
/// made it. ENOENT where its parent is gone.
pub(super) fn make_directory(parent: &OwnedFd, name: &str, mode: Mode) -> nix::Result<bool> {
    let Err(errno) = mkdirat(parent, name, mode) else { return Ok(true) };
    match afresh(parent).and_then(|parent| inode(&parent, name)) {
        Ok(Some(_)) => Ok(errno != Errno::EEXIST),
        // An empty directory that is left behind harms nobody.
        Ok(None) | Err(_) => Err(errno),
    }
}

/// Makes a file under a random name, so that what has the name is this file, whatever the answer
/// was. ENOENT where its directory is gone.
pub(super) fn create_new(
    directory: &OwnedFd,
    name: &str,
    flags: OFlag,
    mode: Mode,
) -> nix::Result<OwnedFd> {
    let flags = flags | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = openat(directory, name, flags | OFlag::O_CREAT | OFlag::O_EXCL, mode);
    let Err(errno) = made else { return made };
    match afresh(directory).and_then(|directory| openat(&directory, name, flags, mode)) {
        Ok(file) => Ok(file),
        Err(Errno::ENOENT) => Err(errno),
        Err(_) => {
            discard(directory, name);
            Err(errno)
        }
    }
}

/// Calls, once more where what is there is said not to be: an NFS client remembers for a while that
/// a name did not exist. Gives the answer of what was done.
fn carry_out(
    call: impl Fn() -> nix::Result<()>,
    seen: impl Fn() -> nix::Result<Seen>,
) -> Result<nix::Result<()>, Failure> {
    for _ in 0..ATTEMPTS {
        let Err(errno) = call() else { return Ok(Ok(())) };
        match seen() {
            Ok(Seen::Done) => return Ok(Err(errno)),
            Ok(Seen::NotDone) if errno == Errno::ENOENT => {}
            Ok(Seen::NotDone | Seen::Impossible) => return Err(Failure::NotDone(errno)),
            Ok(Seen::Neither) | Err(_) => return Err(Failure::Unknown(errno)),
        }
    }
    Err(Failure::NotDone(Errno::ESTALE))
}

/// What has the two names of a call.
fn look(
    from: &OwnedFd,
    name: &str,
    to: &OwnedFd,
    new_name: &str,
) -> nix::Result<(Option<Inode>, Option<Inode>)> {
    let directory = afresh(from)?;
    let source = inode(&directory, name)?;
    let there = match from.as_raw_fd() == to.as_raw_fd() {
        true => inode(&directory, new_name)?,
        false => inode(&afresh(to)?, new_name)?,
    };
    Ok((source, there))
}

/// What has a name, as the server knows it.
pub(super) fn status(directory: &OwnedFd, name: &str) -> nix::Result<Option<FileStat>> {
    match fstatat(&afresh(directory)?, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(None),
        found => found.map(Some),
    }
}

/// Whether something has a name, as far as this machine knows.
pub(super) fn seems_there(directory: &OwnedFd, name: &str) -> bool {
    inode(directory, name) != Ok(None)
}

/// The same, in short.
pub(super) fn inode(directory: &OwnedFd, name: &str) -> nix::Result<Option<Inode>> {
    Ok(seen(directory, name)?.as_ref().map(inode_of))
}

/// What has a name, a symbolic link included, as far as this machine knows.
pub(super) fn seen(directory: &OwnedFd, name: &str) -> nix::Result<Option<FileStat>> {
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(None),
        found => found.map(Some),
    }
}

/// Opened once more, so that an NFS client asks the server what is in it.
fn afresh(directory: &OwnedFd) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(directory, ".", flags, Mode::empty())
}

/// Whether nobody else gives a file this name, which is random.
fn is_own(name: &str) -> bool {
    name.starts_with(RESERVED_PREFIX)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use tempfile::TempDir;

    use super::*;

    /// A directory with the files "old" and "new".
    fn directory() -> (TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), "old").unwrap();
        fs::write(dir.path().join("new"), "new").unwrap();
        let opened = File::open(dir.path()).unwrap().into();
        (dir, opened)
    }

    #[test]
    fn what_was_done_before_is_done() {
        let (_guard, dir) = directory();
        for _ in 0..2 {
            assert_eq!(link(&dir, "old", &dir, "second"), Ok(()));
        }
        let moved = inode(&dir, "new").unwrap();
        for _ in 0..2 {
            assert_eq!(rename(&dir, "new", &dir, "old", moved), Ok(()));
        }
        assert_eq!(unlink(&dir, "old"), Ok(true));
        assert_eq!(unlink(&dir, "old"), Ok(false));
    }

    #[test]
    fn what_was_not_done_is_a_failure() {
        let (_guard, dir) = directory();
        let exists = Err(Failure::NotDone(Errno::EEXIST));
        assert_eq!(link(&dir, "old", &dir, "new"), exists);
        let missing = Err(Failure::NotDone(Errno::ENOENT));
        assert_eq!(link(&dir, "missing", &dir, "another"), missing);
        assert_eq!(rename(&dir, "missing", &dir, ".ezdfs-own", None), missing);
        let unknown = Err(Failure::Unknown(Errno::ENOENT));
        assert_eq!(rename(&dir, "missing", &dir, "new", Some((0, 0))), unknown);
    }

    #[test]
    fn a_directory_made_before_is_somebody_elses() {
        let (_guard, dir) = directory();
        let mode = Mode::from_bits_truncate(0o700);
        assert_eq!(make_directory(&dir, "made", mode), Ok(true));
        assert_eq!(make_directory(&dir, "made", mode), Ok(false));
    }

    #[test]
    fn a_file_with_a_random_name_is_ours() {
        let (guard, dir) = directory();
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        create_new(&dir, ".ezdfs-own", OFlag::empty(), mode).unwrap();
        let again = create_new(&dir, ".ezdfs-own", OFlag::empty(), mode).unwrap();
        nix::unistd::write(&again, b"bytes").unwrap();
        assert_eq!(fs::read(guard.path().join(".ezdfs-own")).unwrap(), b"bytes");
    }
}
