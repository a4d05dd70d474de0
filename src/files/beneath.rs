//! Opening what lies beneath a directory. No path leads out of it, and no symbolic link is followed.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fstat, fstatat};

use super::is_link;
use super::optional::Optional;

/// How ids are resolved.
pub(super) const BENEATH: ResolveFlag = ResolveFlag::RESOLVE_BENEATH
    .union(ResolveFlag::RESOLVE_NO_SYMLINKS)
    .union(ResolveFlag::RESOLVE_NO_MAGICLINKS);

/// Since Linux 5.6.
static OPENAT2: Optional = Optional::new();

/// Never follows a symbolic link and never leaves the directory it starts from: ELOOP where there
/// is one.
pub(super) fn open_beneath(from: &OwnedFd, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    const RETRIES: usize = 8;
    if OPENAT2.is_refused() {
        return walk_beneath(from, path, flags);
    }
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(BENEATH);
    for _ in 0..RETRIES {
        match openat2(from, path, how) {
            // EAGAIN: a rename elsewhere made the kernel unsure of the path.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) if OPENAT2.refuses(errno, || opens_anything().is_ok()) => {
                return walk_beneath(from, path, flags);
            }
            outcome => return outcome,
        }
    }
    Err(Errno::EAGAIN)
}

/// Fails for nothing but that the call is refused.
pub(super) fn opens_anything() -> nix::Result<()> {
    openat2(AT_FDCWD, "/", OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC)).map(drop)
}

/// The same, segment by segment. Sound because no id, and so no path here, has a `..` segment.
fn walk_beneath(from: &OwnedFd, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    let through = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    let mut directory = open_segment(from, ".", through)?;
    for segment in parent.split('/') {
        directory = open_segment(&directory, segment, through)?;
    }
    let opened = open_segment(&directory, name, flags)?;
    // With O_PATH a link itself is opened, which only who asks for it is to get.
    let takes_links = flags.contains(OFlag::O_NOFOLLOW) || !flags.contains(OFlag::O_PATH);
    if !takes_links && is_link(&fstat(&opened)?) {
        return Err(Errno::ELOOP);
    }
    Ok(opened)
}

/// A link is no directory to openat(2); openat2(2) tells the two apart.
fn open_segment(directory: &OwnedFd, name: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let link =
        || fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|it| is_link(&it));
    match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::ENOTDIR) if link() => Err(Errno::ELOOP),
        outcome => outcome,
    }
}

/// The directory at `path`, which may be empty: then `from` itself.
pub(super) fn open_directory(from: &OwnedFd, path: &str) -> nix::Result<OwnedFd> {
    let path = if path.is_empty() { "." } else { path };
    open_beneath(from, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn both_ways_open_the_same() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/file"), b"bytes").unwrap();
        symlink("b", at("a/linked")).unwrap();
        symlink("b/file", at("a/link")).unwrap();
        symlink("nowhere", at("a/broken")).unwrap();
        let from = OwnedFd::from(File::open(root.path()).unwrap());
        let directory = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let paths = [
            ".",
            "a",
            "a/b",
            "a/b/file",
            "a/linked",
            "a/linked/file",
            "a/link",
            "a/link/x",
            "a/broken",
            "a/missing",
            "a/missing/x",
            "a/b/file/x",
        ];
        for flags in [OFlag::O_RDONLY, directory, OFlag::O_PATH, OFlag::O_PATH | OFlag::O_NOFOLLOW]
        {
            for path in paths {
                let outcomes = [open_beneath, walk_beneath].map(|open| {
                    open(&from, path, flags).map(|opened| {
                        let status = fstat(&opened).unwrap();
                        (status.st_dev, status.st_ino)
                    })
                });
                assert_eq!(outcomes[0], outcomes[1], "{path} {flags:?}");
            }
        }
    }
}
