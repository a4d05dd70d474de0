//! Opening a file without waiting, where that is possible: on a local disk, as
//! long as its names and bytes are in the kernel's caches. What would have to
//! wait goes to a thread that may, see [`Mount::open`].

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::libc::RESOLVE_CACHED;
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, XFS_SUPER_MAGIC, fstatfs};
use rustix::fs::{AtFlags, StatxFlags, makedev, statx};
use rustix::io::{ReadWriteFlags, preadv2};

use super::optional::Optional;
use super::{Ahead, BENEATH, Mount, Opened, READING, ROOT, read_ahead, regular};
use crate::name::FileId;

/// File systems that open a file whose name is cached without asking anybody, and
/// that can be read without waiting. On NFS and FUSE opening asks the server.
const LOCAL: [FsType; 3] = [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC];

/// Fails rather than ask anybody for a name (since Linux 5.12).
const CACHED: ResolveFlag = ResolveFlag::from_bits_retain(RESOLVE_CACHED);

/// The local device on which a file was opened last; 0 where none was, or where
/// the last one lay elsewhere.
#[derive(Debug, Clone, Default)]
pub(super) struct LocalDevice(Arc<AtomicU64>);

impl LocalDevice {
    /// Looks at a root beneath which a file has just been opened. Blocks on the
    /// mount.
    pub(super) fn note(&self, root: &OwnedFd) {
        let device = device(root).unwrap_or_default();
        if device != self.0.load(Ordering::Relaxed) {
            self.0.store(if is_local(root) { device } else { 0 }, Ordering::Relaxed);
        }
    }
}

/// Asks no server.
fn device(root: &OwnedFd) -> Option<u64> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let status = statx(root, c"", flags, StatxFlags::TYPE).ok()?;
    Some(makedev(status.stx_dev_major, status.stx_dev_minor))
}

impl Mount {
    /// Opens a file like [`Mount::open`] but does not wait; `None` where that
    /// would have to, or does not work: there it finds out the reason.
    pub(crate) fn open_nowait(&self, id: &FileId, ahead: Ahead) -> Option<Opened> {
        let local = self.local_device.0.load(Ordering::Relaxed);
        if local == 0 || NOWAIT.is_refused() {
            // Opening the root of an NFS mount may ask the server, as statfs does.
            return None;
        }
        let how = OpenHow::new().flags(ROOT).resolve(CACHED);
        let root = answer(openat2(AT_FDCWD, &self.root, how))?;
        if device(&root) != Some(local) {
            return None;
        }
        let resolve = BENEATH | CACHED | ResolveFlag::RESOLVE_NO_XDEV;
        let how = OpenHow::new().flags(READING | OFlag::O_CLOEXEC).resolve(resolve);
        let file = openat2(&root, id.as_str(), how).ok()?;
        let mut opened = regular(file).ok()?;
        answer(read_ahead(&mut opened, ahead, read_nowait))?;
        Some(opened)
    }
}

/// What all this needs: since Linux 5.12.
static NOWAIT: Optional = Optional::new();

/// The outcome of a call, if it is one; remembers where it cannot be made.
fn answer<T>(outcome: nix::Result<T>) -> Option<T> {
    if let Err(Errno::EPERM | Errno::ENOSYS | Errno::EINVAL | Errno::EOPNOTSUPP) = outcome {
        NOWAIT.note_refusal();
    }
    outcome.ok()
}

/// Fails rather than wait for the disk.
pub(super) fn read_nowait(file: &File, buffer: &mut [u8], offset: u64) -> nix::Result<usize> {
    preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT)
        .map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}

/// Whether a file lies on a local disk, of which anything can be asked without waiting for a
/// server. May block itself.
pub(super) fn is_local(file: impl AsFd) -> bool {
    fstatfs(file).is_ok_and(|it| LOCAL.contains(&it.filesystem_type()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::Mode;
    use nix::sys::statfs::statfs;
    use nix::unistd::mkfifo;

    use super::*;
    use crate::config::Options;

    const AHEAD: Ahead = Ahead { bytes: 1, whole: 100 };

    fn id(text: &str) -> FileId {
        FileId::parse(text).unwrap()
    }

    #[test]
    fn a_local_file_is_opened_without_waiting_once_one_has_been_opened() {
        let root = tempfile::tempdir().unwrap();
        if !LOCAL.contains(&statfs(root.path()).unwrap().filesystem_type()) {
            eprintln!("skipped: {} is on no local disk", root.path().display());
            return;
        }
        let mut options = Options::builder();
        options.set("dsn", "sqlite:/x").unwrap();
        options.set("root", root.path().to_str().unwrap()).unwrap();
        let mount = Mount::new(&options.build().unwrap());
        fs::write(root.path().join("a"), b"bytes").unwrap();
        fs::write(root.path().join("b"), b"other").unwrap();
        fs::create_dir(root.path().join("directory")).unwrap();
        std::os::unix::fs::symlink("a", root.path().join("link")).unwrap();
        mkfifo(&root.path().join("fifo"), Mode::S_IRWXU).unwrap();

        // Nothing is known of the root.
        assert!(mount.open_nowait(&id("a"), AHEAD).is_none());
        mount.open(&id("a"), false, AHEAD).unwrap();
        for (name, bytes) in [("a", b"bytes"), ("b", b"other")] {
            let opened = mount.open_nowait(&id(name), AHEAD).unwrap();
            assert_eq!(opened.content.unwrap(), bytes);
        }
        for other in ["directory", "link", "fifo", "missing", "directory/missing"] {
            assert!(mount.open_nowait(&id(other), AHEAD).is_none(), "{other}");
        }
        // Another file system in its place: it is looked at anew.
        mount.local_device.0.store(u64::MAX, Ordering::Relaxed);
        assert!(mount.open_nowait(&id("a"), AHEAD).is_none());
        mount.open(&id("a"), false, AHEAD).unwrap();
        assert!(mount.open_nowait(&id("a"), AHEAD).is_some());
    }
}
