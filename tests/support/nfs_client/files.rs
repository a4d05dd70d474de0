//! The operations: each asks its [`Client`] for leave, then does the same on the directory beneath.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use fuser::{FileAttr, FileType};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::behaviour::{Call, Version};
use super::client::{Client, Node, State, kind, path_of, reopen};

/// An open file or directory of this mount.
#[derive(Debug)]
pub(super) struct Handle {
    node: u64,
    file: File,
    writes: bool,
    /// Of a directory, as it was when it was opened.
    entries: Vec<Entry>,
}

pub(super) type Entry = (u64, FileType, OsString);

/// What setattr may change.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) mode: Option<u32>,
    pub(super) owner: (Option<u32>, Option<u32>),
    pub(super) size: Option<u64>,
    pub(super) accessed: Option<SystemTime>,
    pub(super) modified: Option<SystemTime>,
}

#[derive(Debug)]
pub(super) struct Files {
    pub(super) client: Client,
    handles: Mutex<HashMap<u64, Arc<Handle>>>,
    next_handle: AtomicU64,
}

impl Files {
    pub(super) fn new(from: &Path) -> io::Result<Self> {
        let (handles, next_handle) = (Mutex::default(), AtomicU64::new(1));
        Ok(Files { client: Client::new(from)?, handles, next_handle })
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<u64, Arc<Handle>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, handle: Handle) -> u64 {
        let number = self.next_handle.fetch_add(1, Ordering::Relaxed);
        self.handles().insert(number, Arc::new(handle));
        number
    }

    fn handle(&self, number: u64) -> io::Result<Arc<Handle>> {
        self.handles().get(&number).cloned().ok_or_else(|| Errno::EBADF.into())
    }

    fn name_of(&self, node: u64) -> OsString {
        self.client.state().node(node).map_or_else(|_| OsString::new(), |node| node.name.clone())
    }

    /// Says the handle, and whether it writes.
    pub(super) fn open(&self, node: u64, thread: u32, flags: OFlag) -> io::Result<(u64, bool)> {
        let file = self.client.open(node, thread, flags)?;
        let writes = flags.intersects(OFlag::O_WRONLY | OFlag::O_RDWR);
        Ok((self.keep(Handle { node, file, writes, entries: Vec::new() }), writes))
    }

    pub(super) fn create(
        &self,
        parent: u64,
        name: &OsStr,
        mode: u32,
        flags: OFlag,
    ) -> io::Result<(u64, FileAttr)> {
        self.client.call(Call::Create, name, 0)?;
        let mut state = self.client.state();
        let flags = flags | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(mode);
        // What the server says of the name, EEXIST for one, is news.
        state.disbelieve(parent, name);
        let file = File::from(openat(state.node(parent)?.file.as_fd(), name, flags, mode)?);
        let (node, attributes) = own(&mut state, parent, name, file.metadata()?.ino())?;
        state.node(node)?.opens += 1;
        drop(state);
        let handle = self.keep(Handle { node, file, writes: true, entries: Vec::new() });
        Ok((handle, attributes))
    }

    pub(super) fn read(&self, handle: u64, offset: u64, size: u32) -> io::Result<Vec<u8>> {
        let handle = self.handle(handle)?;
        let end = offset + u64::from(size);
        self.client.call(Call::Read, &self.name_of(handle.node), end)?;
        let limit = {
            let mut state = self.client.state();
            if state.behaviour.version == Version::V3 && state.is_stale(handle.node)? {
                return Err(Errno::ESTALE.into());
            }
            state.behaviour.short_reads.unwrap_or(u64::MAX)
        };
        let mut bytes = vec![0; end.min(limit).saturating_sub(offset) as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match handle.file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    pub(super) fn write(&self, handle: u64, offset: u64, bytes: &[u8]) -> io::Result<u32> {
        let handle = self.handle(handle)?;
        let end = offset + bytes.len() as u64;
        self.client.call(Call::Write, &self.name_of(handle.node), end)?;
        handle.file.write_all_at(bytes, offset)?;
        self.client.state().node(handle.node)?.attributes = None;
        Ok(bytes.len() as u32)
    }

    pub(super) fn flush(&self, handle: u64) -> io::Result<()> {
        let handle = self.handle(handle)?;
        if handle.writes {
            self.client.call(Call::Flush, &self.name_of(handle.node), 0)?;
        }
        Ok(())
    }

    pub(super) fn fsync(&self, handle: u64) -> io::Result<()> {
        let handle = self.handle(handle)?;
        self.client.call(Call::Fsync, &self.name_of(handle.node), 0)?;
        handle.file.sync_all()
    }

    pub(super) fn release(&self, handle: u64) -> io::Result<()> {
        let Some(handle) = self.handles().remove(&handle) else { return Ok(()) };
        let mut state = self.client.state();
        let node = state.node(handle.node)?;
        node.opens -= 1;
        let silly = if node.opens == 0 { node.silly.take() } else { None };
        if let Some((parent, name)) = silly {
            let parent = &state.node(parent)?.file;
            unlinkat(parent.as_fd(), name.as_os_str(), UnlinkatFlags::NoRemoveDir)?;
        }
        state.forget(handle.node, 0);
        Ok(())
    }

    pub(super) fn make_directory(
        &self,
        parent: u64,
        name: &OsStr,
        mode: u32,
    ) -> io::Result<FileAttr> {
        self.client.call(Call::MakeDirectory, name, 0)?;
        let mut state = self.client.state();
        let mode = Mode::from_bits_truncate(mode);
        state.disbelieve(parent, name);
        mkdirat(state.node(parent)?.file.as_fd(), name, mode)?;
        let made = state.child(parent, name)?.1.ino();
        Ok(own(&mut state, parent, name, made)?.1)
    }

    pub(super) fn unlink(&self, parent: u64, name: &OsStr) -> io::Result<()> {
        self.client.call(Call::Unlink, name, 0)?;
        let mut state = self.client.state();
        state.disbelieve(parent, name);
        if keep_silly(&mut state, parent, name)? {
            return Ok(());
        }
        let parent = &state.node(parent)?.file;
        Ok(unlinkat(parent.as_fd(), name, UnlinkatFlags::NoRemoveDir)?)
    }

    pub(super) fn remove_directory(&self, parent: u64, name: &OsStr) -> io::Result<()> {
        self.client.call(Call::RemoveDirectory, name, 0)?;
        let mut state = self.client.state();
        state.disbelieve(parent, name);
        let parent = &state.node(parent)?.file;
        Ok(unlinkat(parent.as_fd(), name, UnlinkatFlags::RemoveDir)?)
    }

    pub(super) fn rename(&self, from: (u64, &OsStr), to: (u64, &OsStr)) -> io::Result<()> {
        self.client.call(Call::Rename, to.1, 0)?;
        let mut state = self.client.state();
        let moved = state.child(from.0, from.1)?.1.ino();
        keep_silly(&mut state, to.0, to.1)?;
        let (source, target) = (&state.nodes[&from.0].file, &state.nodes[&to.0].file);
        renameat(source.as_fd(), from.1, target.as_fd(), to.1)?;
        state.disbelieve(from.0, from.1);
        state.believe(to.0, to.1, Some(moved));
        if let Ok(node) = state.node(moved) {
            node.name = to.1.to_owned();
        }
        Ok(())
    }

    pub(super) fn link(&self, node: u64, parent: u64, name: &OsStr) -> io::Result<FileAttr> {
        self.client.call(Call::Link, name, 0)?;
        let mut state = self.client.state();
        let source = path_of(&state.node(node)?.file);
        let target = &state.node(parent)?.file;
        linkat(AT_FDCWD, source.as_str(), target.as_fd(), name, AtFlags::AT_SYMLINK_FOLLOW)?;
        state.disbelieve(parent, name);
        let name_before = state.node(node)?.name.clone();
        let attributes = state.learn(parent, name)?;
        state.node(node)?.name = name_before;
        Ok(attributes)
    }

    pub(super) fn change(&self, node: u64, changes: &Changes) -> io::Result<FileAttr> {
        let call = if changes.mode.is_some() { Call::ChangeMode } else { Call::SetAttributes };
        self.client.call(call, &self.name_of(node), 0)?;
        let mut state = self.client.state();
        let known = state.node(node)?;
        known.attributes = None;
        let path = path_of(&known.file);
        if let Some(mode) = changes.mode {
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        if let (Some(_), _) | (_, Some(_)) = changes.owner {
            chown(&path, changes.owner.0, changes.owner.1)?;
        }
        if let Some(size) = changes.size {
            reopen(&known.file, OFlag::O_WRONLY)?.set_len(size)?;
        }
        if changes.accessed.is_some() || changes.modified.is_some() {
            let times = FileTimes::new();
            let times = changes.accessed.map_or(times, |time| times.set_accessed(time));
            let times = changes.modified.map_or(times, |time| times.set_modified(time));
            reopen(&known.file, OFlag::O_RDONLY)?.set_times(times)?;
        }
        state.ask_attributes(node)
    }

    pub(super) fn open_directory(&self, node: u64) -> io::Result<u64> {
        self.client.call(Call::OpenDirectory, &self.name_of(node), 0)?;
        let mut state = self.client.state();
        state.revalidate(node);
        let file = reopen(&state.node(node)?.file, OFlag::O_RDONLY | OFlag::O_CLOEXEC)?;
        state.node(node)?.opens += 1;
        drop(state);
        let dots = [".", ".."].map(|dot| (node, FileType::Directory, OsString::from(dot)));
        let mut entries = Vec::from(dots);
        for entry in fs::read_dir(path_of(&file))? {
            let entry = entry?;
            let found = entry.metadata()?;
            entries.push((found.ino(), kind(found.file_type()), entry.file_name()));
        }
        Ok(self.keep(Handle { node, file, writes: false, entries }))
    }

    pub(super) fn entries(&self, handle: u64, take: impl FnMut((usize, &Entry)) -> bool) {
        if let Ok(handle) = self.handle(handle) {
            let _ = handle.entries.iter().enumerate().any({
                let mut take = take;
                move |entry| take(entry)
            });
        }
    }
}

/// Notes a file that this mount made.
fn own(state: &mut State, parent: u64, name: &OsStr, made: u64) -> io::Result<(u64, FileAttr)> {
    state.own.insert(made);
    Ok((made, state.learn(parent, name)?))
}

/// A file that is removed or replaced while this mount holds it open gets another name.
fn keep_silly(state: &mut State, parent: u64, name: &OsStr) -> io::Result<bool> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let Ok((_, found)) = state.child(parent, name) else { return Ok(false) };
    let held = |node: &&Node| node.opens > 0 && node.silly.is_none();
    let silly = state.behaviour.silly_rename && found.is_file();
    if !silly || state.nodes.get(&found.ino()).filter(held).is_none() {
        return Ok(false);
    }
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let kept = OsString::from(format!(".nfs{:016x}{number:08x}", found.ino()));
    let directory = &state.node(parent)?.file;
    renameat(directory.as_fd(), name, directory.as_fd(), kept.as_os_str())?;
    state.node(found.ino())?.silly = Some((parent, kept));
    Ok(true)
}
