//! Requests of the kernel, taken apart and answered.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::fcntl::OFlag;

use super::files::{Changes, Files};

/// The kernel asks each time.
const UNTRUSTED: Duration = Duration::ZERO;

/// Reads ahead and the like that may be under way: so many may hang without stopping the others.
const BACKGROUND: u16 = 1024;

#[derive(Debug)]
pub(super) struct Session(pub(super) Arc<Files>);

impl Session {
    /// Answers at once, or on a thread of its own where that may hang.
    fn answer(&self, work: impl FnOnce(&Files) + Send + 'static) {
        if self.0.client.may_hang() {
            let files = Arc::clone(&self.0);
            thread::spawn(move || work(&files));
        } else {
            work(&self.0);
        }
    }
}

fn entry(reply: ReplyEntry, outcome: io::Result<FileAttr>) {
    match outcome {
        Ok(attributes) => reply.entry(&UNTRUSTED, &attributes, Generation(0)),
        Err(error) => reply.error(error.into()),
    }
}

fn attributes(reply: ReplyAttr, outcome: io::Result<FileAttr>) {
    match outcome {
        Ok(attributes) => reply.attr(&UNTRUSTED, &attributes),
        Err(error) => reply.error(error.into()),
    }
}

fn empty(reply: ReplyEmpty, outcome: io::Result<()>) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error.into()),
    }
}

fn opened(reply: ReplyOpen, files: &Files, outcome: io::Result<(u64, bool)>) {
    match outcome {
        // The kernel fills its pages with zeros where a read is short.
        Ok((handle, _)) if files.client.state().behaviour.short_reads.is_some() => {
            reply.opened(FileHandle(handle), FopenFlags::FOPEN_DIRECT_IO);
        }
        Ok((handle, true)) => reply.opened(FileHandle(handle), FopenFlags::empty()),
        // close(2) of what was only read asks nobody.
        Ok((handle, false)) => reply.opened(FileHandle(handle), FopenFlags::FOPEN_NOFLUSH),
        Err(error) => reply.error(error.into()),
    }
}

impl Filesystem for Session {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Refused by no kernel that is younger than 4.7.
        let _ = config.set_max_background(BACKGROUND);
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (thread, name) = (request.pid(), name.to_owned());
        self.answer(move |files| entry(reply, files.client.lookup(parent.0, &name, thread)));
    }

    fn forget(&self, _: &Request, node: INodeNo, lookups: u64) {
        self.0.client.state().forget(node.0, lookups);
    }

    fn getattr(
        &self,
        request: &Request,
        node: INodeNo,
        handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        let (thread, reads) = (request.pid(), handle.is_some());
        self.answer(move |files| attributes(reply, files.client.attributes(node.0, thread, reads)));
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let time = |time| match time {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => SystemTime::now(),
        };
        let (accessed, modified) = (accessed.map(time), modified.map(time));
        let changes = Changes { mode, owner: (uid, gid), size, accessed, modified };
        self.answer(move |files| attributes(reply, files.change(node.0, &changes)));
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let name = name.to_owned();
        self.answer(move |files| entry(reply, files.make_directory(parent.0, &name, mode)));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.answer(move |files| empty(reply, files.unlink(parent.0, &name)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.answer(move |files| empty(reply, files.remove_directory(parent.0, &name)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(fuser::Errno::EINVAL);
        }
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        self.answer(move |files| {
            empty(reply, files.rename((parent.0, &name), (new_parent.0, &new_name)));
        });
    }

    fn link(&self, _: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.answer(move |files| entry(reply, files.link(node.0, parent.0, &name)));
    }

    fn open(&self, request: &Request, node: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (thread, flags) = (request.pid(), OFlag::from_bits_truncate(flags.0));
        self.answer(move |files| opened(reply, files, files.open(node.0, thread, flags)));
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (name, flags) = (name.to_owned(), OFlag::from_bits_truncate(flags));
        self.answer(move |files| match files.create(parent.0, &name, mode, flags) {
            Ok((handle, attributes)) => {
                let handle = FileHandle(handle);
                let flags = FopenFlags::empty();
                reply.created(&UNTRUSTED, &attributes, Generation(0), handle, flags);
            }
            Err(error) => reply.error(error.into()),
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.answer(move |files| match files.read(handle.0, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error.into()),
        });
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let bytes = bytes.to_vec();
        self.answer(move |files| match files.write(handle.0, offset, &bytes) {
            Ok(count) => reply.written(count),
            Err(error) => reply.error(error.into()),
        });
    }

    fn flush(&self, _: &Request, _: INodeNo, handle: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.answer(move |files| empty(reply, files.flush(handle.0)));
    }

    fn fsync(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        self.answer(move |files| empty(reply, files.fsync(handle.0)));
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        empty(reply, self.0.release(handle.0));
    }

    fn opendir(&self, _: &Request, node: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.answer(move |files| {
            let opening = files.open_directory(node.0).map(|handle| (handle, false));
            opened(reply, files, opening);
        });
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.0.entries(handle.0, |(index, (node, kind, name))| {
            let next = index as u64 + 1;
            next > offset && reply.add(INodeNo(*node), next, *kind, name)
        });
        reply.ok();
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        empty(reply, self.0.release(handle.0));
    }

    fn fsyncdir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        self.answer(move |files| empty(reply, files.fsync(handle.0)));
    }
}
