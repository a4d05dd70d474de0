//! LMDB as readers need it.
//!
//! A new read transaction takes a lock that all processes share, and a
//! place in a table of theirs: each reader has one, and uses it again. A process
//! may open an environment only once, because closing it drops the locks of both;
//! a child that was forked leaves alone what it inherited.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lmdb_master_sys as lmdb;
use nix::errno::Errno;

use super::place::{self, FileId};
use super::{HEADER, KINDS, ROWS, Unusable};
use crate::runtime::PerProcess;

/// Address space for what the file may grow by until it is opened again.
const ROOM: u64 = 16 << 20;

/// An LMDB error, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure(c_int);

impl From<Failure> for Unusable {
    fn from(failure: Failure) -> Self {
        // SAFETY: it returns a string that stays, for any number.
        let text = unsafe { CStr::from_ptr(lmdb::mdb_strerror(failure.0)) };
        Unusable::Broken(text.to_string_lossy().into_owned())
    }
}

fn check(code: c_int) -> Result<(), Failure> {
    if code == lmdb::MDB_SUCCESS as c_int { Ok(()) } else { Err(Failure(code)) }
}

/// Which database of an environment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Database(lmdb::MDB_dbi);

/// An environment of this process, opened for reading.
pub(super) struct Environment {
    raw: NonNull<lmdb::MDB_env>,
    /// Between two snapshots it is reset and keeps its place.
    transaction: *mut lmdb::MDB_txn,
    pub(super) header: Database,
    pub(super) rows: Database,
    pub(super) kinds: Database,
    directory: PathBuf,
    pub(super) file: FileId,
    /// What has been unmapped could not be mapped again.
    is_lost: bool,
    /// One that could not be opened as a whole is not.
    is_registered: bool,
    owner: u32,
}

// SAFETY: the environment is opened with MDB_NOTLS, so what belongs to a transaction is tied to
// no thread; `&mut self` has one thread use it at a time.
unsafe impl Send for Environment {}

type Registry = Mutex<HashMap<FileId, Weak<Mutex<Environment>>>>;

/// What this process has open.
static OPEN: PerProcess<Registry> = PerProcess::new();

/// The environment in this directory, which the whole process shares.
pub(super) fn open(directory: &Path) -> Result<Arc<Mutex<Environment>>, Unusable> {
    let registry = OPEN.get_or_init(Registry::default);
    let mut registry = lock(&registry);
    let (file, bytes) = place::examine(directory)?;
    if let Some(known) = registry.get(&file) {
        // Else it is being closed, and would take the locks of a new one with it.
        return known.upgrade().ok_or(Unusable::Absent);
    }
    let mut environment = Environment::open(directory, file, bytes)?;
    environment.is_registered = true;
    let environment = Arc::new(Mutex::new(environment));
    registry.insert(file, Arc::downgrade(&environment));
    Ok(environment)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Environment {
    fn open(directory: &Path, file: FileId, bytes: u64) -> Result<Self, Unusable> {
        let path = CString::new(directory.as_os_str().as_bytes())
            .map_err(|_| Unusable::Broken("its path has a NUL".to_owned()))?;
        let mut raw = ptr::null_mut();
        // SAFETY: `raw` is where it puts what it makes.
        check(unsafe { lmdb::mdb_env_create(&mut raw) })?;
        let raw = NonNull::new(raw).ok_or(Failure(Errno::ENOMEM as c_int))?;
        let none = Database(0);
        let mut environment = Environment {
            raw,
            transaction: ptr::null_mut(),
            header: none,
            rows: none,
            kinds: none,
            directory: directory.to_owned(),
            file,
            is_lost: false,
            is_registered: false,
            owner: std::process::id(),
        };
        let room = room(bytes);
        let flags = lmdb::MDB_RDONLY | lmdb::MDB_NOTLS | lmdb::MDB_NORDAHEAD;
        // SAFETY: `raw` is an environment that is not open yet, `path` ends in a NUL. What is
        // mapped is written by LMDB alone, as far as `place::examine` and permissions tell.
        unsafe {
            check(lmdb::mdb_env_set_mapsize(raw.as_ptr(), room as usize))?;
            check(lmdb::mdb_env_set_maxdbs(raw.as_ptr(), 3))?;
            check(lmdb::mdb_env_open(raw.as_ptr(), path.as_ptr(), flags, 0))?;
        }
        environment.require_whole()?;
        environment.begin()?;
        Ok(environment)
    }

    /// The file has to reach as far as it says: LMDB would read on, and the system
    /// end the process.
    fn require_whole(&self) -> Result<(), Unusable> {
        let mut info = std::mem::MaybeUninit::uninit();
        let mut stat = std::mem::MaybeUninit::uninit();
        // SAFETY: the environment is open; both are filled where the calls succeed, which
        // read nothing but the first two pages.
        let (info, stat) = unsafe {
            check(lmdb::mdb_env_info(self.raw.as_ptr(), info.as_mut_ptr()))?;
            check(lmdb::mdb_env_stat(self.raw.as_ptr(), stat.as_mut_ptr()))?;
            (info.assume_init(), stat.assume_init())
        };
        let needed = (info.me_last_pgno as u64).saturating_add(1).checked_mul(stat.ms_psize.into());
        // Asked for after what it says: it grows before it says so.
        let (_, bytes) = place::examine(&self.directory)?;
        if needed.is_some_and(|needed| needed <= bytes) {
            return Ok(());
        }
        Err(Unusable::Broken("its data file has been cut short".to_owned()))
    }

    /// Finds the databases, and gets the transaction that is used again and again.
    fn begin(&mut self) -> Result<(), Failure> {
        let mut transaction = ptr::null_mut();
        // SAFETY: the environment is open and has no transaction; a handle of a database is kept
        // for later transactions where the one that found it commits.
        unsafe {
            let raw = self.raw.as_ptr();
            check(lmdb::mdb_txn_begin(raw, ptr::null_mut(), lmdb::MDB_RDONLY, &mut transaction))?;
            let find = |name: &CStr| {
                let mut found = 0;
                let code = lmdb::mdb_dbi_open(transaction, name.as_ptr(), 0, &mut found);
                check(code).map(|()| Database(found))
            };
            let found = find(HEADER).and_then(|it| Ok((it, find(ROWS)?, find(KINDS)?)));
            match found {
                Ok(found) => (self.header, self.rows, self.kinds) = found,
                Err(failure) => {
                    lmdb::mdb_txn_abort(transaction);
                    return Err(failure);
                }
            }
            check(lmdb::mdb_txn_commit(transaction))?;
            check(lmdb::mdb_txn_begin(raw, ptr::null_mut(), lmdb::MDB_RDONLY, &mut transaction))?;
            lmdb::mdb_txn_reset(transaction);
        }
        self.transaction = transaction;
        Ok(())
    }

    /// What it holds now, as long as the snapshot is held: not for long, because the agent
    /// cannot use again what it has replaced since.
    pub(super) fn snapshot(&mut self) -> Result<Snapshot<'_>, Unusable> {
        match self.renew() {
            Err(Failure(lmdb::MDB_MAP_RESIZED)) => {
                self.grow()?;
                self.renew()?;
            }
            // The agent took this process for dead.
            Err(Failure(lmdb::MDB_BAD_RSLOT)) => {
                self.open_again()?;
                self.renew()?;
            }
            done => done?,
        }
        Ok(Snapshot { environment: self })
    }

    fn renew(&mut self) -> Result<(), Failure> {
        if self.is_lost {
            return Err(Failure(Errno::ENOMEM as c_int));
        }
        // SAFETY: the transaction is reset, since the last snapshot was dropped.
        check(unsafe { lmdb::mdb_txn_renew(self.transaction) })
    }

    /// The file has grown out of what is mapped.
    fn grow(&mut self) -> Result<(), Unusable> {
        let (file, bytes) = place::examine(&self.directory)?;
        if file != self.file {
            return Err(Unusable::Absent);
        }
        // SAFETY: no transaction is active, and nothing of what is mapped is borrowed.
        let grown = unsafe { lmdb::mdb_env_set_mapsize(self.raw.as_ptr(), room(bytes) as usize) };
        check(grown).inspect_err(|_| self.is_lost = true)?;
        self.require_whole()
    }

    /// Takes another place among the readers. The old one may be somebody else's by now,
    /// and to close the environment would take the locks of the new one.
    fn open_again(&mut self) -> Result<(), Unusable> {
        let (file, bytes) = place::examine(&self.directory)?;
        if file != self.file {
            return Err(Unusable::Absent);
        }
        let directory = self.directory.clone();
        let mut new = Environment::open(&directory, file, bytes)?;
        new.is_registered = self.is_registered;
        std::mem::forget(std::mem::replace(self, new));
        Ok(())
    }
}

/// Address space for a file of this length, which may grow. Pages that nobody reads cost
/// nothing.
fn room(bytes: u64) -> u64 {
    (2 * bytes + ROOM).next_multiple_of(ROOM)
}

impl Drop for Environment {
    fn drop(&mut self) {
        // A child's is its parent's: the places of both are known by their process.
        if self.owner != std::process::id() {
            return;
        }
        let registry = OPEN.get_or_init(Registry::default);
        let mut registry = self.is_registered.then(|| lock(&registry));
        // SAFETY: there is no snapshot, which would borrow the environment, and nothing
        // else of it is open; neither is used again.
        unsafe {
            if !self.transaction.is_null() {
                lmdb::mdb_txn_abort(self.transaction);
            }
            lmdb::mdb_env_close(self.raw.as_ptr());
        }
        if let Some(registry) = &mut registry {
            registry.remove(&self.file);
        }
    }
}

/// One version of what the environment holds.
pub(super) struct Snapshot<'e> {
    environment: &'e Environment,
}

impl<'e> Snapshot<'e> {
    /// The number of the write that made it.
    pub(super) fn id(&self) -> usize {
        // SAFETY: the transaction is active as long as the snapshot lives.
        unsafe { lmdb::mdb_txn_id(self.environment.transaction) }
    }

    pub(super) fn get(&self, database: Database, key: &[u8]) -> Result<Option<&[u8]>, Failure> {
        let mut key = value(key);
        let mut found = value(&[]);
        // SAFETY: transaction and database belong together, the key is only read.
        let code = unsafe {
            lmdb::mdb_get(self.environment.transaction, database.0, &mut key, &mut found)
        };
        match check(code) {
            // SAFETY: what is found stays where it is until the transaction is reset, for
            // which the snapshot has to be dropped.
            Ok(()) => Ok(Some(unsafe { bytes(&found) })),
            Err(Failure(lmdb::MDB_NOTFOUND)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    pub(super) fn environment(&self) -> &'e Environment {
        self.environment
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // SAFETY: the transaction is active, and nothing that it has lent outlives the snapshot.
        unsafe { lmdb::mdb_txn_reset(self.environment.transaction) };
    }
}

fn value(bytes: &[u8]) -> lmdb::MDB_val {
    lmdb::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr().cast_mut().cast() }
}

/// # Safety
///
/// It is one that LMDB has filled, of a transaction that outlives `'a`.
unsafe fn bytes<'a>(value: &lmdb::MDB_val) -> &'a [u8] {
    if value.mv_size == 0 {
        return &[];
    }
    // SAFETY: so says the caller.
    unsafe { std::slice::from_raw_parts(value.mv_data.cast(), value.mv_size) }
}
