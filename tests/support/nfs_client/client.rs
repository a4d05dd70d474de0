//! What a mount knows of files, and what it believes of them without asking.
//!
//! The kernel is told to remember nothing, so that every answer is made here.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

use super::behaviour::{Behaviour, Call, Calls, Report, Version};

/// The inode number that FUSE gives the root.
pub(super) const ROOT: u64 = 1;

/// A directory's inode number and a name in it.
pub(super) type Name = (u64, OsString);

/// A file that the kernel knows. Its descriptor keeps the inode number from being given to another.
#[derive(Debug)]
pub(super) struct Node {
    /// Opened with O_PATH: nothing happens on it.
    pub(super) file: File,
    /// What the kernel will forget.
    pub(super) lookups: u64,
    /// Handles of this mount.
    pub(super) opens: u32,
    pub(super) name: OsString,
    pub(super) attributes: Option<(FileAttr, Instant)>,
    /// Where it lies since it was removed while it was open.
    pub(super) silly: Option<Name>,
}

#[derive(Debug)]
struct Believed {
    /// `None`: the name is not there.
    file: Option<u64>,
    since: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) behaviour: Behaviour,
    pub(super) nodes: HashMap<u64, Node>,
    names: HashMap<Name, Believed>,
    /// Files that this mount made.
    pub(super) own: HashSet<u64>,
    /// By thread: a name that was answered although the server has another file there by now.
    /// What the thread does next tells stat, which asks the server, from open.
    outdated: HashMap<u32, Name>,
    calls: Calls,
    hanging: usize,
}

#[derive(Debug)]
pub(super) struct Client {
    state: Mutex<State>,
    changed: Condvar,
}

impl Client {
    pub(super) fn new(from: &std::path::Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = File::from(openat(AT_FDCWD, from, flags, Mode::empty())?);
        let mut state = State {
            behaviour: Behaviour::default(),
            nodes: HashMap::new(),
            names: HashMap::new(),
            own: HashSet::new(),
            outdated: HashMap::new(),
            calls: Calls::new(),
            hanging: 0,
        };
        state.nodes.insert(ROOT, Node::new(root, OsStr::new("")));
        Ok(Client { state: Mutex::new(state), changed: Condvar::new() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.state().behaviour = behaviour;
        self.changed.notify_all();
    }

    pub(super) fn report(&self) -> Report {
        let state = self.state();
        Report { calls: state.calls.clone(), hanging: state.hanging }
    }

    pub(super) fn may_hang(&self) -> bool {
        !self.state().behaviour.hang.is_empty()
    }

    /// Asks the server: takes its time, hangs or fails as it is told.
    pub(super) fn call(&self, call: Call, name: &OsStr, end: u64) -> io::Result<()> {
        let mut state = self.state();
        *state.calls.entry(call).or_default() += 1;
        if state.behaviour.hang.contains(&call) {
            state.hanging += 1;
            let wait = |state: &mut State| state.behaviour.hang.contains(&call);
            state = self.changed.wait_while(state, wait).unwrap_or_else(PoisonError::into_inner);
            state.hanging -= 1;
        }
        let latency = state.behaviour.latency;
        let fault = state.fault(call, name, end);
        drop(state);
        if !latency.is_zero() {
            thread::sleep(latency);
        }
        fault.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }

    pub(super) fn lookup(&self, parent: u64, name: &OsStr, thread: u32) -> io::Result<FileAttr> {
        if let Some(believed) = self.state().believed(parent, name, thread) {
            return believed;
        }
        self.call(Call::Lookup, name, 0)?;
        self.state().learn(parent, name)
    }

    /// The kernel names the descriptor where it asks because of a read, not for fstat.
    pub(super) fn attributes(&self, node: u64, thread: u32, reads: bool) -> io::Result<FileAttr> {
        let name = {
            let mut state = self.state();
            let outdated = state.outdated.remove(&thread);
            if let Some(outdated) = outdated.filter(|_| state.is_held(node)) {
                // stat of a name: the kernel looks it up again.
                state.names.remove(&outdated);
                return Err(Errno::ESTALE.into());
            }
            if let Some(trusted) = state.trusted_attributes(node) {
                return Ok(trusted);
            }
            state.node(node)?.name.clone()
        };
        self.call(Call::GetAttributes, &name, 0)?;
        let mut state = self.state();
        let reads_on = reads && state.is_held(node);
        if state.is_stale(node)? && !reads_on {
            return Err(Errno::ESTALE.into());
        }
        state.ask_attributes(node)
    }

    /// Opens a file. What a thread has just looked up may be outdated: then NFS 4.2 opens the old
    /// file, if somebody holds it open here, and everything else asks for the name again.
    pub(super) fn open(&self, node: u64, thread: u32, flags: OFlag) -> io::Result<File> {
        let (name, outdated) = {
            let mut state = self.state();
            let outdated = state.outdated.remove(&thread);
            (state.node(node)?.name.clone(), outdated)
        };
        self.call(Call::Open, &name, 0)?;
        let mut state = self.state();
        let held = state.is_held(node);
        if (outdated.is_some() || state.is_stale(node)?) && !held {
            outdated.map(|name| state.names.remove(&name));
            return Err(Errno::ESTALE.into());
        }
        let known = state.node(node)?;
        known.attributes = None;
        let file = reopen(&known.file, flags)?;
        known.opens += 1;
        Ok(file)
    }
}

impl Node {
    fn new(file: File, name: &OsStr) -> Self {
        let name = name.to_owned();
        Node { file, lookups: 0, opens: 0, name, attributes: None, silly: None }
    }
}

impl State {
    pub(super) fn node(&mut self, node: u64) -> io::Result<&mut Node> {
        self.nodes.get_mut(&node).ok_or_else(|| Errno::ESTALE.into())
    }

    fn fault(&mut self, call: Call, name: &OsStr, end: u64) -> Option<i32> {
        let name = name.to_string_lossy();
        let faults = &mut self.behaviour.faults;
        let fault = faults.iter_mut().find(|fault| {
            let data = matches!(call, Call::Read | Call::Write);
            fault.call == call
                && name.contains(&fault.name)
                && (!data || end > fault.beyond)
                && fault.times != Some(0)
        })?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.errno)
    }

    /// The answer that needs no call, if there is one.
    fn believed(&mut self, parent: u64, name: &OsStr, thread: u32) -> Option<io::Result<FileAttr>> {
        self.outdated.remove(&thread);
        let key = (parent, name.to_owned());
        let Believed { file, since } = self.names.get(&key)?;
        let Some(file) = *file else {
            let missing = since.elapsed() < self.behaviour.negative;
            return missing.then(|| Err(Errno::ENOENT.into()));
        };
        let age = since.elapsed();
        let held = self.is_held(file);
        if age >= self.behaviour.attributes && !(held && age < self.behaviour.names) {
            return None;
        }
        if self.child(parent, name).ok().map(|(_, found)| found.ino()) != Some(file) {
            self.outdated.insert(thread, key);
        }
        self.nodes.get_mut(&file)?.lookups += 1;
        let trusted = self.trusted_attributes(file);
        Some(trusted.map_or_else(|| self.ask_attributes(file), Ok))
    }

    /// What the server has under a name; remembered.
    pub(super) fn learn(&mut self, parent: u64, name: &OsStr) -> io::Result<FileAttr> {
        let found = self.child(parent, name);
        let file = match &found {
            Ok((_, metadata)) if self.is_too_young(metadata) => return Err(Errno::ENOENT.into()),
            Ok((_, metadata)) => Some(metadata.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => return Err(found.err().unwrap_or_else(|| Errno::EIO.into())),
        };
        self.believe(parent, name, file);
        let (opened, metadata) = found?;
        let node = metadata.ino();
        let known = self.nodes.entry(node).or_insert_with(|| Node::new(opened, name));
        known.name = name.to_owned();
        known.lookups += 1;
        self.trusted_attributes(node).map_or_else(|| self.ask_attributes(node), Ok)
    }

    pub(super) fn believe(&mut self, parent: u64, name: &OsStr, file: Option<u64>) {
        let believed = Believed { file, since: Instant::now() };
        self.names.insert((parent, name.to_owned()), believed);
    }

    pub(super) fn disbelieve(&mut self, parent: u64, name: &OsStr) {
        self.names.remove(&(parent, name.to_owned()));
    }

    /// Somebody opened a directory: its names are asked for again.
    pub(super) fn revalidate(&mut self, directory: u64) {
        self.names.retain(|(parent, _), _| *parent != directory);
        self.behaviour.faults.retain(|fault| !fault.until_revalidated);
    }

    pub(super) fn child(&mut self, parent: u64, name: &OsStr) -> io::Result<(File, Metadata)> {
        let parent = &self.node(parent)?.file;
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(openat(parent.as_fd(), name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        Ok((file, metadata))
    }

    fn is_too_young(&self, metadata: &Metadata) -> bool {
        let changed = time(metadata.ctime(), metadata.ctime_nsec());
        let age = SystemTime::now().duration_since(changed).unwrap_or_default();
        metadata.is_file() && age < self.behaviour.delay && !self.own.contains(&metadata.ino())
    }

    /// Whether the server has forgotten a file that this mount still knows.
    pub(super) fn is_stale(&mut self, node: u64) -> io::Result<bool> {
        let local = self.behaviour.version == Version::Local;
        Ok(!local && self.node(node)?.file.metadata()?.nlink() == 0)
    }

    /// Whether NFS 4.2 sticks to a file because somebody holds it open here.
    fn is_held(&self, node: u64) -> bool {
        let opens = self.nodes.get(&node).map_or(0, |node| node.opens);
        self.behaviour.version == Version::V4 && opens > 0
    }

    fn trusted_attributes(&mut self, node: u64) -> Option<FileAttr> {
        let (attributes, since) = self.nodes.get(&node)?.attributes?;
        (since.elapsed() < self.behaviour.attributes).then_some(attributes)
    }

    pub(super) fn ask_attributes(&mut self, node: u64) -> io::Result<FileAttr> {
        let mode = self.behaviour.mode;
        let known = self.node(node)?;
        let mut attributes = attributes(node, &known.file.metadata()?);
        attributes.perm = mode.unwrap_or(attributes.perm);
        known.attributes = Some((attributes, Instant::now()));
        Ok(attributes)
    }

    pub(super) fn forget(&mut self, node: u64, lookups: u64) {
        let Some(known) = self.nodes.get_mut(&node) else { return };
        known.lookups = known.lookups.saturating_sub(lookups);
        if known.lookups == 0 && known.opens == 0 && node != ROOT {
            self.nodes.remove(&node);
            self.names.retain(|_, believed| believed.file != Some(node));
        }
    }
}

/// A descriptor to work with, of a file opened with O_PATH.
pub(super) fn reopen(file: &File, flags: OFlag) -> io::Result<File> {
    let unwanted = OFlag::O_NOFOLLOW | OFlag::O_CREAT | OFlag::O_EXCL;
    let opened = openat(AT_FDCWD, path_of(file).as_str(), flags - unwanted, Mode::empty())?;
    Ok(File::from(opened))
}

/// A path that leads to an open file.
pub(super) fn path_of(file: &File) -> String {
    format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file))
}

fn attributes(node: u64, metadata: &Metadata) -> FileAttr {
    FileAttr {
        ino: INodeNo(node),
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: kind(metadata.file_type()),
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: metadata.rdev() as u32,
        blksize: 4096,
        flags: 0,
    }
}

pub(super) fn kind(of: std::fs::FileType) -> FileType {
    match of {
        of if of.is_dir() => FileType::Directory,
        of if of.is_symlink() => FileType::Symlink,
        of if of.is_fifo() => FileType::NamedPipe,
        of if of.is_socket() => FileType::Socket,
        _ => FileType::RegularFile,
    }
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let since = Duration::new(seconds.unsigned_abs(), nanoseconds as u32);
    if seconds < 0 { UNIX_EPOCH - since } else { UNIX_EPOCH + since }
}
