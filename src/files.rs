//! The bytes: a mounted directory, never left by any path.

mod alive;
mod aside;
mod beneath;
mod calls;
mod clock;
mod close;
mod directories;
mod examine;
mod granted;
mod ledger;
mod memory;
mod mounts;
mod nowait;
mod optional;
#[cfg(feature = "cli")]
mod probe;
mod publish;
mod remove;
#[cfg(feature = "cli")]
mod runs;
#[cfg(feature = "cli")]
mod sandbox;
#[cfg(feature = "cli")]
mod space;
mod stage;
mod sweep;
mod trash;
mod twin;
mod version;
mod walk;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use crate::config::{DEFAULT_MODES, Durability, Options};
use crate::error::{Error, ErrorKind, Result, is_of_no_file};
use crate::name::{FileId, NamePrefix};

use beneath::{BENEATH, open_beneath, open_directory};
use granted::NewMode;
use nowait::LocalDevice;

pub(crate) use alive::{Absence, Bare};
pub(crate) use aside::{aside_for, is_aside, is_aside_for};
pub(crate) use close::close_elsewhere;
pub(crate) use examine::{Examined, RootIdentity, real_path};
pub(crate) use memory::in_memory;
#[cfg(feature = "cli")]
pub(crate) use mounts::MountEntry;
pub(crate) use mounts::Mounts;
#[cfg(feature = "cli")]
pub(crate) use probe::{Surveyed, Trial, Tried};
pub(crate) use publish::{Published, Settled, TIME_IS_TAKEN};
pub(crate) use remove::{Remover, Taken, is_unchanged_since, modified};
#[cfg(feature = "cli")]
pub(crate) use sandbox::{Refused, is_filtered, refused};
#[cfg(feature = "cli")]
pub(crate) use space::Space;
pub(crate) use stage::Staged;
#[cfg(feature = "cli")]
pub(crate) use stage::have_same_bytes;
pub(crate) use sweep::Leftovers;
pub(crate) use trash::{TakenBack, TrashFolder};
pub(crate) use twin::{Linkless, Twinning, Twins};
pub(crate) use version::Version;
#[cfg(feature = "cli")]
pub(crate) use walk::Walk;
pub(crate) use walk::{Walked, WalkedFile, shown};

/// What is read of a file when it is opened: an NFS client may learn only then
/// that a handle is stale, and who reads it next need not wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead {
    /// So many of its first bytes.
    pub(crate) bytes: usize,
    /// All of it, to be kept, if it is no longer than this.
    pub(crate) whole: usize,
}

impl Ahead {
    /// How much that is of a file of this size, where it is all of it.
    pub(crate) fn all_of(self, size: u64) -> Option<usize> {
        usize::try_from(size).ok().filter(|size| (1..=self.whole).contains(size))
    }
}

/// How often a file is opened again that is replaced just then.
const STALE_RETRIES: usize = 4;

/// The mounted directory beneath which all files lie.
///
/// No descriptor of it is kept between calls, so that it can be unmounted and
/// mounted again at any time. All calls block on the mount.
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    root: PathBuf,
    /// Tells which directories are areas of a storage directory.
    name_prefix: NamePrefix,
    file_mode: NewMode,
    dir_mode: NewMode,
    durability: Durability,
    /// What must be there for the root to count as mounted.
    marker: Option<String>,
    local_device: LocalDevice,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    /// Its length when it was opened.
    pub(crate) size: u64,
    pub(crate) version: Version,
    /// All its bytes, where they were to be kept and nobody wrote meanwhile.
    pub(crate) content: Option<Vec<u8>>,
}

impl Mount {
    pub(crate) fn new(options: &Options) -> Self {
        Mount {
            root: options.root.clone(),
            name_prefix: options.name_prefix.clone(),
            file_mode: NewMode::new(options.file_mode, DEFAULT_MODES.0),
            dir_mode: NewMode::new(options.dir_mode, DEFAULT_MODES.1),
            durability: options.durability,
            marker: options.mount_marker.clone(),
            local_device: LocalDevice::default(),
        }
    }

    /// Opens a file whose row says that it exists, and reads of it what `ahead`
    /// says. `was_open` where this process may still hold open what had the name
    /// before.
    ///
    /// # Errors
    ///
    /// - `NotFound`: it is not there although the mount is alive.
    /// - `Unavailable`: the mount is gone, or the handle is stale again and again.
    /// - `Storage`: anything else, such as what is no regular file beneath the root.
    pub(crate) fn open(&self, id: &FileId, was_open: bool, ahead: Ahead) -> Result<Opened> {
        let root = self.root()?;
        if was_open {
            // While a process holds a file open, an NFS client goes on giving it
            // for its name; opening the directory makes it ask the server.
            drop(open_directory(&root, id.parent()));
        }
        let open = |root: &OwnedFd| {
            let mut opened = open_regular(root, id)?;
            read_ahead(&mut opened, ahead, read_at).map(|()| opened)
        };
        let mut outcome = open(&root);
        if let Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE) = outcome {
            for _ in 0..STALE_RETRIES {
                let root = self.root()?;
                revalidate(&root, id.parent());
                outcome = open(&root);
                if !matches!(outcome, Err(Errno::ESTALE)) {
                    break;
                }
            }
        }
        if outcome.is_ok() {
            self.local_device.note(&root);
        }
        outcome.map_err(|errno| self.open_error(id, errno))
    }

    fn open_error(&self, id: &FileId, errno: Errno) -> Error {
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => match self.require_alive() {
                Ok(()) => {
                    let reason = "the row is there, its file is missing from the mount";
                    let missing = Error::system("open", id.as_str(), reason, Errno::ENOENT);
                    missing.but(ErrorKind::NotFound)
                }
                Err(gone) => gone,
            },
            errno if is_of_no_file(errno) => {
                let reason = "what is there is not a regular file beneath the root";
                Error::system("open", id.as_str(), reason, errno)
            }
            Errno::ESTALE => {
                let reason = "the file changed on the server while it was opened";
                Error::system("open", id.as_str(), reason, errno).but(ErrorKind::Unavailable)
            }
            _ => Error::system("open", id.as_str(), "cannot open and read the file", errno),
        }
    }

    /// A descriptor that paths are resolved from; it reads nothing by itself.
    fn root(&self) -> Result<OwnedFd> {
        openat(AT_FDCWD, &self.root, ROOT, Mode::empty()).map_err(|errno| self.root_error(errno))
    }

    fn root_error(&self, errno: Errno) -> Error {
        match errno {
            Errno::ENOENT => self.unavailable("the root does not exist", errno),
            Errno::ENOTDIR => self.unavailable("the root is not a directory", errno),
            _ => self.unavailable("the root cannot be opened", errno),
        }
    }

    fn unavailable(&self, reason: impl Into<Cow<'static, str>>, errno: Errno) -> Error {
        let subject = self.root.to_string_lossy();
        Error::system("root", subject, reason, errno).but(ErrorKind::Unavailable)
    }
}

/// How many files may be kept open beside those in use: an eighth of what the
/// process may have.
pub(crate) fn most_kept_open() -> usize {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((0, 0));
    usize::try_from(soft / 8).unwrap_or(usize::MAX)
}

/// How often it is tried again where somebody prunes a directory meanwhile.
const PRUNED_RETRIES: usize = 5;

/// How files are opened for reading. O_NONBLOCK: a FIFO without a writer would
/// hang the open.
const READING: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// How the root is opened, to resolve paths from it; that reads nothing.
const ROOT: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// What is in a directory, opened afresh, so that an NFS client asks the server.
fn listing(directory: impl AsFd) -> nix::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Dir::openat(directory.as_fd(), ".", flags, Mode::empty())
}

/// Makes the NFS client ask the server again. It remembers for half a minute
/// that a name did not exist, or which file it was, and forgets that when the
/// name's directory is opened. The name may be that of a directory on the way.
fn revalidate(root: &OwnedFd, parent: &str) {
    let ends = parent.match_indices('/').map(|(slash, _)| slash).chain([parent.len()]);
    for end in [0].into_iter().chain(ends) {
        if open_directory(root, &parent[..end]).is_err() {
            break;
        }
    }
}

fn open_regular(root: &OwnedFd, id: &FileId) -> nix::Result<Opened> {
    regular(open_beneath(root, id.as_str(), READING)?)
}

fn regular(file: OwnedFd) -> nix::Result<Opened> {
    let status = fstat(file.as_fd())?;
    if !is_regular(&status) {
        return Err(Errno::EISDIR);
    }
    let size = status.st_size.cast_unsigned();
    let version = Version::of(&file, &status);
    Ok(Opened { file: File::from(file), size, version, content: None })
}

/// Reads into a buffer from an offset on.
type ReadAt = fn(&File, &mut [u8], u64) -> nix::Result<usize>;

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> nix::Result<usize> {
    file.read_at(buffer, offset).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

fn read_ahead(opened: &mut Opened, ahead: Ahead, read: ReadAt) -> nix::Result<()> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    if let Some(size) = ahead.all_of(opened.size) {
        let mut content = vec![0; size];
        let is_all = read_first(&opened.file, &mut content, read)? == size;
        if is_all && opened.version.is_state(&fstat(opened.file.as_fd())?) {
            opened.content = Some(content);
        }
        return Ok(());
    }
    let bytes = ahead.bytes.min(usize::try_from(opened.size).unwrap_or(usize::MAX));
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(buffer.len().max(bytes), 0);
        // Shorter than it was: whoever sends it will notice.
        read_first(&opened.file, &mut buffer[..bytes], read).map(drop)
    })
}

/// Reads the first bytes of a file; says how many there were.
fn read_first(file: &File, buffer: &mut [u8], read: ReadAt) -> nix::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match read(file, &mut buffer[done..], done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// A time of a file.
fn at(seconds: i64, nanoseconds: i64) -> SystemTime {
    let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
    let since = Duration::new(seconds.max(0).cast_unsigned(), nanoseconds);
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn is_regular(status: &FileStat) -> bool {
    kind(status) == SFlag::S_IFREG
}

fn is_link(status: &FileStat) -> bool {
    kind(status) == SFlag::S_IFLNK
}

fn kind(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits())
}
