//! The mounts that files lie on, as the kernel lists them.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Mount;
use crate::error::Result;

const LIST: &str = "/proc/self/mountinfo";

const NETWORK_FILE_SYSTEMS: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "9p",
    "virtiofs",
    "lustre",
    "glusterfs",
    "gfs2",
    "ocfs2",
    "beegfs",
    "gpfs",
    "afs",
];

/// The mount of the root, and those beneath it. Nothing where the kernel does not
/// tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mounts(Vec<MountEntry>);

/// A line of the kernel's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountEntry {
    id: String,
    pub(crate) mount_point: PathBuf,
    pub(crate) file_system: String,
    /// Such as `filer:/export`.
    pub(crate) source: String,
    /// Of the file system, not of this mount of it.
    pub(crate) options: String,
}

impl Mount {
    /// What is mounted at the root and beneath it now.
    pub(crate) fn mounts(&self) -> Result<Mounts> {
        let root = self.real_root()?;
        let all = list().unwrap_or_else(|_| Arc::new([]));
        Ok(Mounts::of(&all, Path::new(&root)))
    }

    /// What the root lies on; `None` where the kernel does not tell.
    #[cfg(feature = "cli")]
    pub(crate) fn place(&self) -> Result<Option<MountEntry>> {
        Ok(self.found()?.1)
    }

    /// Whether something is mounted at the root or above it that is a share, as far as the
    /// kernel's list tells. To be asked of a root that is empty.
    pub(crate) fn is_on_share(&self) -> Result<bool> {
        let (root, entry) = self.found()?;
        Ok(entry.is_some_and(|entry| entry.is_share_at(&root)))
    }

    fn found(&self) -> Result<(PathBuf, Option<MountEntry>)> {
        let root = PathBuf::from(self.real_root()?);
        let all = list().unwrap_or_else(|_| Arc::new([]));
        let entry = mount_of(&all, &root).cloned();
        Ok((root, entry))
    }
}

impl Mounts {
    fn of(all: &[MountEntry], root: &Path) -> Self {
        let own = mount_of(all, root).cloned();
        let is_beneath =
            |entry: &MountEntry| entry.mount_point != root && entry.mount_point.starts_with(root);
        Mounts(own.into_iter().chain(all.iter().filter(|it| is_beneath(it)).cloned()).collect())
    }

    /// Where NFS gives calls up: such a call may be carried out later.
    pub(crate) fn soft(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter(|entry| entry.is_soft()).map(|entry| &*entry.mount_point)
    }
}

/// What a path lies on.
fn mount_of<'e>(all: &'e [MountEntry], path: &Path) -> Option<&'e MountEntry> {
    let is_above = |entry: &&MountEntry| path.starts_with(&entry.mount_point);
    // Of several on one directory the last is seen.
    all.iter().filter(is_above).max_by_key(|entry| entry.depth())
}

#[cfg(feature = "cli")]
impl MountEntry {
    /// Whether an option was given.
    pub(crate) fn has_option(&self, wanted: &str) -> bool {
        self.options.split(',').any(|option| option == wanted)
    }

    /// The value of an option.
    pub(crate) fn option(&self, wanted: &str) -> Option<&str> {
        let values = self.options.split(',').filter_map(|option| option.split_once('='));
        values.filter(|(name, _)| *name == wanted).map(|(_, value)| value).next()
    }

    pub(crate) fn is_nfs(&self) -> bool {
        matches!(&*self.file_system, "nfs" | "nfs4")
    }

    /// Whether all is gone when the machine ends.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(&*self.file_system, "tmpfs" | "ramfs")
    }
}

impl MountEntry {
    /// `36 35 98:0 /in/it /mnt/nfs rw,noatime shared:1 - nfs4 server:/export rw,vers=4.2,hard`
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let id = text(words.next()?);
        let mount_point = PathBuf::from(OsString::from_vec(unescaped(words.nth(3)?)));
        // How many optional ones there are differs.
        words.find(|word| *word == b"-")?;
        let file_system = text(words.next()?);
        let source = text(&unescaped(words.next()?));
        let options = text(words.next()?);
        Some(MountEntry { id, mount_point, file_system, source, options })
    }

    fn depth(&self) -> usize {
        self.mount_point.components().count()
    }

    /// Whether a path on it lies on a share, even if it is empty: that of a share which is
    /// not mounted lies on the file system beneath.
    fn is_share_at(&self, path: &Path) -> bool {
        self.depth() > 1 && (self.is_network() || self.mount_point == path)
    }

    /// Whether other machines may write there, too.
    pub(crate) fn is_network(&self) -> bool {
        self.file_system.starts_with("fuse.") || NETWORK_FILE_SYSTEMS.contains(&&*self.file_system)
    }

    fn is_soft(&self) -> bool {
        let gives_up = |option| matches!(option, "soft" | "softerr");
        matches!(&*self.file_system, "nfs" | "nfs4") && self.options.split(',').any(gives_up)
    }
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..3).filter(|_| *first == b'\\');
        let byte =
            digits.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &others[3..] } else { others };
    }
    plain
}

/// The kernel's list, and the descriptor that tells when it is another.
struct Watched {
    file: File,
    entries: Arc<[MountEntry]>,
    /// A child would take the news from its parent, whose descriptor it has.
    process: u32,
}

impl Watched {
    /// What comes after the file was opened is news.
    fn read() -> std::io::Result<Self> {
        let mut file = File::open(LIST)?;
        // The kernel says of no list how long it is: it would be read in small pieces.
        let mut list = Vec::with_capacity(16 << 10);
        file.read_to_end(&mut list)?;
        Ok(Watched { file, entries: entries(&list).into(), process: std::process::id() })
    }

    /// proc(5): a change is an exceptional condition of the file.
    fn is_current(&self) -> bool {
        let mut news = [PollFd::new(self.file.as_fd(), PollFlags::POLLPRI)];
        self.process == std::process::id() && poll(&mut news, PollTimeout::ZERO) == Ok(0)
    }
}

fn entries(list: &[u8]) -> Vec<MountEntry> {
    list.split(|byte| *byte == b'\n').filter_map(MountEntry::parse).collect()
}

fn list() -> std::io::Result<Arc<[MountEntry]>> {
    static LAST: Mutex<Option<Watched>> = Mutex::new(None);
    // Tests can mount no NFS everywhere.
    #[cfg(feature = "failpoints")]
    if let Some(Some(path)) = fail::eval("mountinfo", |path| path) {
        return Ok(entries(&std::fs::read(path)?).into());
    }
    // Who held it when a process forked holds it for ever in the child.
    let Ok(mut last) = LAST.try_lock() else { return Ok(Watched::read()?.entries) };
    if let Some(watched) = last.as_ref().filter(|watched| watched.is_current()) {
        return Ok(Arc::clone(&watched.entries));
    }
    // A descriptor of this process's parent is closed here, and stays the parent's.
    *last = None;
    let watched = last.insert(Watched::read()?);
    Ok(Arc::clone(&watched.entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] = b"\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
40 22 0:30 / /mnt rw shared:7 master:2 - autofs systemd-1 rw
41 40 0:45 / /mnt/old rw - nfs filer:/old rw,vers=3,soft,proto=tcp
42 40 0:46 / /mnt/nfs rw - nfs4 filer:/a rw,vers=4.2,hard,proto=tcp
43 40 0:47 / /mnt/nfs rw - nfs4 filer:/b rw,vers=4.2,softerr,softreval,proto=tcp
44 43 0:48 / /mnt/nfs/with\\040blank rw - nfs4 filer:/c rw,soft
45 22 0:49 / /mnt/nfs2 rw - fuse x rw,soft
broken
";

    fn soft(root: &str) -> Vec<PathBuf> {
        Mounts::of(&entries(LINES), Path::new(root)).soft().map(Path::to_owned).collect()
    }

    #[test]
    fn soft_mounts_at_the_root_and_beneath_it() {
        let blank = PathBuf::from("/mnt/nfs/with blank");
        assert_eq!(soft("/mnt/nfs"), [PathBuf::from("/mnt/nfs"), blank.clone()]);
        assert_eq!(soft("/mnt/nfs/var/site"), [PathBuf::from("/mnt/nfs")]);
        assert_eq!(soft("/mnt/nfs/with blank/var"), [blank]);
        assert_eq!(soft("/mnt/old"), [PathBuf::from("/mnt/old")]);
        assert!(soft("/mnt/nfs2").is_empty() && soft("/srv").is_empty());
    }

    #[test]
    fn an_empty_directory_on_a_share_is_known() {
        let all = entries(LINES);
        let is_share = |path: &str| {
            let path = Path::new(path);
            mount_of(&all, path).is_some_and(|entry| entry.is_share_at(path))
        };
        assert!(is_share("/mnt/nfs") && is_share("/mnt/nfs/var/site"));
        assert!(is_share("/mnt/nfs2") && !is_share("/mnt/nfs2/var"), "a mount of its own");
        assert!(!is_share("/") && !is_share("/srv/nfs") && !is_share("/mnt/else"));
    }

    #[test]
    fn what_is_mounted_elsewhere_changes_nothing() {
        let root = Path::new("/mnt/nfs/var");
        let fewer: Vec<u8> =
            LINES.split_inclusive(|b| *b == b'\n').take(5).flatten().copied().collect();
        assert_eq!(Mounts::of(&entries(LINES), root), Mounts::of(&entries(&fewer), root));
        let unmounted: Vec<u8> =
            LINES.split_inclusive(|b| *b == b'\n').take(4).flatten().copied().collect();
        assert_ne!(Mounts::of(&entries(LINES), root), Mounts::of(&entries(&unmounted), root));
    }

    #[test]
    fn the_kernel_tells() {
        let mounts = Mounts::of(&list().unwrap(), Path::new("/"));
        assert_eq!(mounts.0[0].mount_point, Path::new("/"));
        assert_eq!(mounts, Mounts::of(&list().unwrap(), Path::new("/")));
        assert!(Watched::read().unwrap().is_current());
    }
}
