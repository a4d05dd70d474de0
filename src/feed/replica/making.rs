//! How a replica is made, and who may go on with one.

use std::ffi::CStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithoutTls};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::header::{ABOUT, About, FORMAT, STATE, State};
use super::place::{self, DATA, LOCK};
use super::{HEADER, Identity, KINDS, MOST_READERS, ROWS, bucket, reader};
use crate::error::{Error, ErrorKind, Result};

/// Address space, and so the most that a replica can have: a thousand million rows.
const MAP_BYTES: usize = 64 << 30;

/// Readers are in the agent's group, and write their names into the lock file.
const DIRECTORY_MODE: u32 = 0o750;
const DATA_MODE: u32 = 0o640;
const LOCK_MODE: u32 = 0o660;

pub(super) type Table = Database<'static, Bytes, Bytes>;

/// Has the directory for this process alone.
pub(super) fn lock(path: &Path) -> Result<Flock<File>> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(|error| failed("create", path, error))?;
    let name = path.join(AGENT);
    let failed = |error| failed("open", &name, error);
    let mut options = File::options();
    options.create(true).read(true).write(true).truncate(false).mode(DATA_MODE);
    let file = options.open(&name).map_err(failed)?;
    match lock_file(file) {
        Ok(mut only) => {
            // Over what is there, for which a disk that is full has room.
            let own = std::process::id().to_string();
            only.write_all(own.as_bytes()).map_err(failed)?;
            only.set_len(own.len() as u64).map_err(failed)?;
            Ok(only)
        }
        Err((_, Errno::EWOULDBLOCK)) => {
            let whose = fs::read_to_string(&name).unwrap_or_default();
            let reason = format!("another agent has it, process {}", whose.trim());
            Err(Error::new(ErrorKind::InvalidConfig, "open", path.to_string_lossy(), reason))
        }
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

fn directory(path: &Path) -> Result<PathBuf> {
    place::directory(path).map_err(|error| failed("open", path, error))
}

/// Tries it again: who asks whether there is an agent has it for a moment.
fn lock_file(mut file: File) -> std::result::Result<Flock<File>, (File, Errno)> {
    for _ in 0..10 {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            locked => return locked,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
}

/// The process that has it, if one does.
pub(crate) fn agent_of(path: &Path) -> Option<u32> {
    let mut file = File::open(path.join(AGENT)).ok()?;
    let mut text = String::new();
    match Flock::lock(file.try_clone().ok()?, FlockArg::LockSharedNonblock) {
        Ok(_) => None,
        Err(_) => {
            file.read_to_string(&mut text).ok()?;
            text.trim().parse().ok()
        }
    }
}

/// Has the agent that has it, or the next one, read the table anew.
pub(crate) fn request_rebuild(path: &Path) -> Result<()> {
    let request = path.join(REBUILD);
    File::create(&request).map(drop).map_err(|error| failed("request", &request, error))
}

/// Whether that was asked for.
pub(super) fn is_requested(path: &Path) -> bool {
    path.join(REBUILD).exists()
}

/// Removes the one that is there. Who has it open keeps it, and the room that it takes, until it
/// looks whether there is another.
pub(crate) fn give_up(path: &Path) -> Result<()> {
    let _only = lock(path)?;
    remove(&directory(path)?).map_err(|error| failed("clear", path, error))
}

/// The one that is there, where that is of this table and of this start of the machine, and
/// nobody asks for another; else another.
pub(super) fn find_or_make(path: &Path, identity: &Identity) -> Result<PathBuf> {
    let directory = directory(path)?;
    remove_others(path, &directory).map_err(|error| failed("clear", path, error))?;
    if !is_requested(path) && is_usable(path, &directory, identity)? {
        return Ok(directory);
    }
    make(path, identity)
}

/// Makes an empty one, complete in itself before it gets its name.
fn make(path: &Path, identity: &Identity) -> Result<PathBuf> {
    let directory = directory(path)?;
    let new = path.join(NEW);
    let failed = |error: heed::Error| of_lmdb("create", path, error);
    let no_files = |error: io::Error| self::failed("create", path, error);
    remove(&new).map_err(no_files)?;
    fs::DirBuilder::new().mode(DIRECTORY_MODE).create(&new).map_err(no_files)?;
    {
        let env = open(&new).map_err(failed)?;
        let [header, ..] = tables(&env).map_err(failed)?;
        let about = About { format: FORMAT, identity: identity.clone() };
        let mut transaction = env.write_txn().map_err(failed)?;
        for (name, text) in
            [(ABOUT, serde_json::to_vec(&about)), (STATE, serde_json::to_vec(&State::default()))]
        {
            let text = text.map_err(|error| no_files(io::Error::other(error)))?;
            header.put(&mut transaction, name, &text).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        env.prepare_for_closing().wait();
    }
    for (name, mode) in [(DATA, DATA_MODE), (LOCK, LOCK_MODE)] {
        fs::set_permissions(new.join(name), Permissions::from_mode(mode)).map_err(no_files)?;
    }
    let old = path.join(OLD);
    remove(&old).map_err(no_files)?;
    if let Err(error) = fs::rename(&directory, &old)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(no_files(error));
    }
    fs::rename(&new, &directory).map_err(no_files)?;
    remove(&old).map_err(no_files)?;
    for done in [DOUBTED, REBUILD] {
        or_gone(fs::remove_file(path.join(done))).map_err(no_files)?;
    }
    Ok(directory)
}

/// What has these names is the agent's own.
const NEW: &str = "new";
const OLD: &str = "old";
const DOUBTED: &str = "doubted";
const AGENT: &str = "agent.lock";
const REBUILD: &str = "rebuild";

/// Agents that may end while they look at what is there; somebody may have killed them.
const MOST_ENDED: u64 = 3;

/// Letters of what the system calls its start by.
const BOOT_ID: usize = 36;

/// Removes what is left of other formats, starts of the machine and agents.
fn remove_others(path: &Path, directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_another = name
            .split_once('-')
            .is_some_and(|(format, boot)| format.parse::<u32>().is_ok() && boot.len() == BOOT_ID);
        if entry != *directory && (is_another || name == NEW || name == OLD) {
            remove(&entry)?;
        }
    }
    Ok(())
}

/// Only what LMDB makes: a wrong path has other files.
fn remove(directory: &Path) -> io::Result<()> {
    for name in [DATA, LOCK] {
        or_gone(fs::remove_file(directory.join(name)))?;
    }
    or_gone(fs::remove_dir(directory))
}

fn or_gone<T: Default>(outcome: io::Result<T>) -> io::Result<T> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        outcome => outcome,
    }
}

/// Whether what is there can be gone on with.
///
/// Reads all of it. Where it is damaged that may end the process: after some who have not
/// come through, the next makes another.
fn is_usable(path: &Path, directory: &Path, identity: &Identity) -> Result<bool> {
    let mark = path.join(DOUBTED);
    let failed = |error| failed("doubt", &mark, error);
    let mut options = File::options();
    let marked = options.create(true).write(true).truncate(false).mode(DATA_MODE).open(&mark);
    let marked = marked.map_err(failed)?;
    let ended = marked.metadata().map_err(failed)?.len();
    if ended >= MOST_ENDED {
        return Ok(false);
    }
    // Counts by its length, for which a disk that is full has room.
    marked.set_len(ended + 1).map_err(failed)?;
    let is_usable = reader::about(directory).is_ok_and(|it| it.is_of(identity))
        && walk(directory).is_ok_and(|rows| rows.is_some());
    if is_usable {
        or_gone(fs::remove_file(&mark)).map_err(failed)?;
    }
    Ok(is_usable)
}

/// Counts the rows, where they are as many as its state says.
fn walk(directory: &Path) -> heed::Result<Option<u64>> {
    let env = open(directory)?;
    let [header, rows, _] = tables(&env)?;
    let snapshot = env.read_txn()?;
    let mut count = 0;
    for bucket in rows.iter(&snapshot)? {
        count += bucket::count(bucket?.1);
    }
    let state = header.get(&snapshot, STATE)?.map(serde_json::from_slice::<State>);
    drop(snapshot);
    env.prepare_for_closing().wait();
    Ok(state.and_then(Result::ok).filter(|state| state.rows == count).map(|_| count))
}

pub(super) fn open(directory: &Path) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(MAP_BYTES).max_dbs(3).max_readers(MOST_READERS);
    // SAFETY: what is mapped was made since the machine started, so what the system keeps of it
    // is whole, and is as long as it says (`reader::about`); nobody but the agent, of
    // which there is one, has the right to write to it. Without a sync a commit is what other
    // processes see at once; only a crash of the machine would need one.
    #[allow(unsafe_code)]
    unsafe {
        options.flags(EnvFlags::NO_SYNC | EnvFlags::NO_READ_AHEAD);
        options.open(directory)
    }
}

/// Header, rows and kinds; made where they are missing.
pub(super) fn tables(env: &Env<WithoutTls>) -> heed::Result<[Table; 3]> {
    let transaction = env.write_txn()?;
    let made =
        env.create_databases_and_commit(transaction, |opener, transaction| -> heed::Result<_> {
            let mut make = |name: &CStr| {
                let name = name.to_str().unwrap_or_default();
                opener.create_database::<Bytes, Bytes>(transaction, Some(name))
            };
            Ok(CommitOrAbort::<_, ()>::Commit([make(HEADER)?, make(ROWS)?, make(KINDS)?]))
        })?;
    Ok(made.unwrap_commit())
}

pub(super) fn failed(operation: &'static str, path: &Path, error: io::Error) -> Error {
    Error::io(operation, path.to_string_lossy(), "the replica failed", error)
}

pub(super) fn of_lmdb(operation: &'static str, path: &Path, error: heed::Error) -> Error {
    match error {
        // What LMDB makes of a write that was carried out in part.
        heed::Error::Io(error)
            if error.raw_os_error() == Some(Errno::EIO as i32) && is_full(path) =>
        {
            failed(operation, path, Errno::ENOSPC.into())
        }
        heed::Error::Io(error) => failed(operation, path, error),
        error => failed(operation, path, io::Error::other(error)),
    }
}

fn is_full(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|system| system.f_bavail == 0)
}
