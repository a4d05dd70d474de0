//! Bringing one file's bytes beside its place on the other side.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use twox_hash::XxHash3_128;

use super::side::{Listed, Side};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Ahead, Bare, Staged};
use crate::metadata::{Row, check_mtime};
use crate::mime;
use crate::name::FileId;

/// How much is read at a time.
const CHUNK: usize = 128 << 10;

/// How often a file is read again that somebody writes meanwhile, and how much later.
const RETRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// What is looked at again once a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// Its size.
    Size,
    /// Its bytes, by a hash of what was read at the source.
    #[default]
    Hash,
}

/// Keeps all who read together below so many bytes a second.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<u64>,
    /// When the next may be read.
    due: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Pace { rate, due: Mutex::new(Instant::now()) }
    }

    fn wait(&self, bytes: usize) {
        let Some(rate) = self.rate else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        let wait = {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let start = now.max(*due);
            *due = start + cost;
            start - now
        };
        thread::sleep(wait);
    }
}

/// A file of the source, complete beside its place, and the row that it is to have.
pub(super) struct Brought {
    pub(super) row: Row,
    pub(super) staged: Staged,
}

/// `None` where the source has it no more.
pub(super) fn bring(
    from: &Side,
    to: &Side,
    id: &FileId,
    verify: Verify,
    pace: &Pace,
) -> Result<Option<Brought>> {
    let mut unsteady = None;
    for attempt in 0..RETRIES {
        if attempt > 0 {
            thread::sleep(PAUSE);
        }
        // As it is now: since it was listed it may have been written again.
        let Some(source) = from.find(id)?.filter(Listed::is_live) else { return Ok(None) };
        match bring_once(from, to, &source, verify, pace) {
            Err(Failed::Unsteady(error)) => unsteady = Some(error),
            Err(Failed::For(error)) => return Err(error),
            Ok(brought) => return Ok(Some(brought)),
        }
    }
    Err(unsteady.unwrap_or_else(|| changing(id)))
}

/// The same of a file whose row says nothing of its bytes.
pub(super) fn bring_as_it_is(
    from: &Side,
    to: &Side,
    source: &Listed,
    verify: Verify,
    pace: &Pace,
) -> Result<Brought> {
    bring_once(from, to, source, verify, pace).map_err(|failed| match failed {
        Failed::Unsteady(error) | Failed::For(error) => error,
    })
}

enum Failed {
    /// Somebody may be writing it.
    Unsteady(Error),
    For(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::For(error)
    }
}

fn bring_once(
    from: &Side,
    to: &Side,
    source: &Listed,
    verify: Verify,
    pace: &Pace,
) -> Result<Brought, Failed> {
    let id = &source.id;
    let opened = from.mount().open(id, false, Ahead { bytes: 0, whole: 0 });
    let mut file = match opened {
        Ok(opened) => opened.file,
        // Its row comes first, or its file.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failed::Unsteady(error.but(ErrorKind::Storage)));
        }
        Err(error) => return Err(error.into()),
    };
    let before = Look::at(&file, id)?;
    if let Some(row) = &source.row
        && row.size != before.size
    {
        return Err(Failed::Unsteady(mismatch(id, row.size, before.size)));
    }
    let mut staged = to.mount().stage(id, |bare| lacks_share(to, bare))?;
    let mut hash = XxHash3_128::new();
    let mut head = Vec::new();
    let mut chunk = chunk_for(before.size);
    loop {
        let length = file.read(&mut chunk).map_err(|error| unreadable(id, error))?;
        if length == 0 {
            break;
        }
        pace.wait(length);
        let bytes = &chunk[..length];
        if head.is_empty() {
            head.extend_from_slice(&bytes[..length.min(mime::SNIFF_LEN)]);
        }
        if verify == Verify::Hash {
            hash.write(bytes);
        }
        staged.append(bytes)?;
    }
    if staged.written() != before.size || Look::at(&file, id)? != before {
        return Err(Failed::Unsteady(changing(id)));
    }
    staged.finish()?;
    if verify == Verify::Hash && hash_of(&staged, id)? != hash.finish_128() {
        let reason = "what was written reads back otherwise than it was read";
        return Err(Error::new(ErrorKind::Storage, "copy", id.as_str(), reason).into());
    }
    let row = match &source.row {
        Some(row) => to.own_row(row, id)?,
        None => {
            let name = to.prefix().name(id)?;
            let mtime = check_mtime(id, before.changed.0)?;
            Row::new(&name, to.prefix(), before.size, mtime, mime::sniff(&head))
        }
    };
    Ok(Brought { row, staged })
}

/// A small file needs little memory; its end is seen by one byte more.
fn chunk_for(size: u64) -> Vec<u8> {
    vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK).saturating_add(1))]
}

/// What tells that a file was written meanwhile.
#[derive(PartialEq, Eq)]
struct Look {
    size: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
    since: (i64, i64),
}

impl Look {
    fn at(file: &File, id: &FileId) -> Result<Self> {
        let found = file.metadata().map_err(|error| unreadable(id, error))?;
        Ok(Look {
            size: found.len(),
            changed: (found.mtime(), found.mtime_nsec()),
            since: (found.ctime(), found.ctime_nsec()),
        })
    }
}

fn lacks_share(side: &Side, bare: &Bare) -> Result<bool> {
    match side.process() {
        Some(process) => process.lacks_share(bare),
        None => Ok(false),
    }
}

fn hash_of(staged: &Staged, id: &FileId) -> Result<u128> {
    let mut file = staged.read_back_stored()?;
    let mut hash = XxHash3_128::new();
    let mut chunk = chunk_for(staged.written());
    loop {
        match file.read(&mut chunk).map_err(|error| unreadable(id, error))? {
            0 => return Ok(hash.finish_128()),
            length => hash.write(&chunk[..length]),
        }
    }
}

fn unreadable(id: &FileId, error: std::io::Error) -> Error {
    Error::io("copy", id.as_str(), "cannot read the file", error)
}

fn changing(id: &FileId) -> Error {
    let reason = "changes while it is read, again and again";
    Error::new(ErrorKind::Storage, "copy", id.as_str(), reason)
}

fn mismatch(id: &FileId, row: u64, file: u64) -> Error {
    let reason = format!(
        "the source's row says {row} bytes, its file has {file}: see `ezdfs fsck` there; not copied"
    );
    Error::new(ErrorKind::Storage, "copy", id.as_str(), reason)
}
