//! The trash: `.ezdfs-trash/<UTC date>/<path>` beneath the root, and beside each
//! date the journals of what was taken away on it, one for each run, so that no
//! two machines write to one file.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::calls::{Failure, Given, create_new, discard, give_free_name, inode, unlink};
use super::directories::enter;
use super::{Mount, listing, open_beneath, open_directory};
use crate::debris::TRASH;
use crate::error::{CallError, Error, Result};
use crate::name::{FileName, MAX_NAME_LEN};
use crate::random;

/// How journals' names end.
const JOURNAL: &str = ".jsonl";

/// More files of one path are not taken away on one day.
const MOST_OF_A_PATH: u32 = 10_000;

/// The trash of one run.
#[derive(Debug)]
pub(crate) struct TrashFolder {
    mount: Mount,
    root: OwnedFd,
    /// `2026-11-26`
    date: String,
    journal: Mutex<File>,
    journal_path: String,
    /// The last line may be half a one.
    is_torn: AtomicBool,
}

impl Mount {
    /// Opens the trash for a run that begins now, by the file server's clock.
    pub(crate) fn open_trash(&self, now: SystemTime) -> Result<TrashFolder> {
        let root = self.root()?;
        // So exact that the journals of two runs, one after the other, sort so.
        let time = humantime::format_rfc3339_nanos(now).to_string();
        let date = time[..10].to_owned();
        let random = random::number().unwrap_or_else(|_| u64::from(std::process::id()));
        let journal_path = format!("{TRASH}/{}-{random:016x}{JOURNAL}", time.replace(':', "-"));
        let open = || {
            let (folder, name) = enter(self, &root, &journal_path)?;
            create_new(&folder, name, OFlag::O_APPEND, self.file_mode.mode)
        };
        let journal =
            open().map_err(|errno| cannot("cannot make a journal", &journal_path, errno))?;
        let journal = Mutex::new(File::from(journal));
        Ok(TrashFolder {
            mount: self.clone(),
            root,
            date,
            journal,
            journal_path,
            is_torn: AtomicBool::new(false),
        })
    }

    /// Whether there is anything in the trash; with a marker only that tells whether
    /// the root is mounted.
    pub(crate) fn has_trash(&self) -> Result<bool> {
        Ok(self.marker.is_none() && !self.trash_entries()?.is_empty())
    }

    /// The journals, the newest first.
    pub(crate) fn journals(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.trash_entries()?;
        names.retain(|name| name.ends_with(JOURNAL));
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(names)
    }

    /// Opens a journal to be read.
    pub(crate) fn open_journal(&self, name: &str) -> Result<BufReader<File>> {
        let path = format!("{TRASH}/{name}");
        let file = self.root().map(|root| open_beneath(&root, &path, OFlag::O_RDONLY))?;
        let file = file.map_err(|errno| cannot("cannot open a journal", &path, errno))?;
        Ok(BufReader::new(File::from(file)))
    }

    /// The dates for which there are files, the oldest first: `2026-11-26`, or
    /// `2026-11-26.2` for the second file of a path.
    pub(crate) fn trash_folders(&self) -> Result<Vec<String>> {
        let mut names = self.trash_entries()?;
        names.retain(|name| !name.ends_with(JOURNAL));
        names.sort_unstable();
        Ok(names)
    }

    fn trash_entries(&self) -> Result<Vec<String>> {
        let read = || {
            let folder = match open_directory(&self.root()?, TRASH) {
                Err(Errno::ENOENT) => return Ok(Vec::new()),
                outcome => outcome,
            };
            let names = folder.and_then(|folder| {
                let mut names = Vec::new();
                for entry in listing(&folder)?.iter() {
                    let name = entry?.file_name().to_str().map(str::to_owned);
                    names.extend(name.ok().filter(|name| is_date(name)));
                }
                Ok(names)
            });
            names.map_err(|errno| cannot("cannot read the trash", TRASH, errno))
        };
        read()
    }

    /// Whether a file of this path is in the trash, of whichever day.
    pub(crate) fn is_in_trash(&self, path: &str, folders: &[String]) -> Result<bool> {
        let root = self.root()?;
        let is_there = |folder: &String| {
            open_beneath(&root, &format!("{TRASH}/{folder}/{path}"), OFlag::O_PATH).is_ok()
        };
        Ok(folders.iter().any(is_there))
    }

    /// Gives a file of the trash its path again, unless something has that.
    pub(crate) fn take_back(&self, place: &str, path: &str) -> Result<TakenBack> {
        let take_back = || {
            let root = self.root().map_err(|_| Failure::from(Errno::ESTALE))?;
            let (folder, name) = place.rsplit_once('/').ok_or(Errno::EINVAL)?;
            let folder = match open_directory(&root, folder) {
                Err(Errno::ENOENT) => return Ok(TakenBack::NotThere),
                outcome => outcome?,
            };
            let Some(file) = inode(&folder, name)? else { return Ok(TakenBack::NotThere) };
            let (parent, own_name) = enter(self, &root, path)?;
            match give_free_name(&folder, name, &parent, own_name, file)? {
                Given::Linked => leave_to_emptying(&folder, name, place),
                Given::Renamed => {}
                Given::Occupied => return Ok(TakenBack::Occupied),
            }
            Ok(TakenBack::Yes)
        };
        take_back()
            .map_err(|failure: Failure| failure.error("trash", path, "cannot put the file back"))
    }

    /// Removes for good a file of the trash, by its place.
    pub(crate) fn empty(&self, place: &str) -> Result<()> {
        let removed = self.root().map(|root| {
            let (folder, name) = place.rsplit_once('/').ok_or(Errno::EINVAL)?;
            match open_directory(&root, folder) {
                Err(Errno::ENOENT) => Ok(()),
                folder => unlink(&folder?, name).map(drop),
            }
        })?;
        removed.map_err(|failure: Failure| failure.error("trash", place, "cannot empty the trash"))
    }
}

/// What became of a file that was to be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakenBack {
    Yes,
    /// It is not in the trash: it never got there, or was put back before.
    NotThere,
    /// Something has its path by now.
    Occupied,
}

impl TrashFolder {
    /// Where a file of this path goes; nothing is there yet. To be asked and used
    /// while nobody else can take that file away.
    pub(crate) fn place(&self, path: &str) -> Result<String> {
        for number in 1..MOST_OF_A_PATH {
            let date = match number {
                1 => self.date.clone(),
                number => format!("{}.{number}", self.date),
            };
            let mut place = format!("{TRASH}/{date}/{path}");
            if place.len() > MAX_NAME_LEN {
                // The journal knows which file it is.
                let name = FileName::stored(path).hash();
                place = format!("{TRASH}/{date}/.ezdfs-long-names/{name}");
            }
            match open_beneath(&self.root, &place, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
                Ok(_) | Err(Errno::ELOOP) => {}
                Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(place),
                Err(errno) => return Err(cannot("cannot look into the trash", &place, errno)),
            }
        }
        Err(cannot("the trash has too many files of this path", path, Errno::EEXIST))
    }

    /// The folder of a place, made where it is missing, and the name in it.
    pub(super) fn enter<'p>(&self, place: &'p str) -> nix::Result<(OwnedFd, &'p str)> {
        enter(&self.mount, &self.root, place)
    }

    /// Adds a line to the journal.
    pub(crate) fn note(&self, line: &str) -> Result<()> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        // What a failed write has left must not swallow this line.
        let start = if self.is_torn.swap(true, Ordering::Relaxed) { "\n" } else { "" };
        let written = journal.write_all(format!("{start}{line}\n").as_bytes());
        written.map_err(|error| self.cannot_note(error))?;
        self.is_torn.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Makes sure that the server has the journal.
    pub(crate) fn sync(&self) -> Result<()> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.sync_data().map_err(|error| self.cannot_note(error))
    }

    /// The journal's name.
    pub(crate) fn journal(&self) -> &str {
        &self.journal_path[TRASH.len() + 1..]
    }

    fn cannot_note(&self, error: io::Error) -> Error {
        let reason = "cannot write to the journal; nothing more is removed";
        Error::io("trash", &*self.journal_path, reason, error)
    }
}

impl Drop for TrashFolder {
    /// A run that took nothing away leaves no journal.
    fn drop(&mut self) {
        let journal = self.journal.get_mut().unwrap_or_else(PoisonError::into_inner);
        if journal.metadata().is_ok_and(|journal| journal.len() == 0)
            && let Ok((folder, name)) = self.enter(&self.journal_path)
        {
            discard(&folder, name);
            let _ = unlinkat(&self.root, TRASH, UnlinkatFlags::RemoveDir);
        }
    }
}

/// Takes a file out of the trash that has its own name again. One that stays is removed with the
/// rest of its day.
fn leave_to_emptying(folder: &OwnedFd, name: &str, place: &str) {
    if let Err(failure) = unlink(folder, name) {
        log::warn!("ezdfs: cannot remove {place:?}: {}", failure.errno());
    }
}

/// Whether an entry of the trash is ours: begins with a date.
fn is_date(name: &str) -> bool {
    let shape = b"0000-00-00";
    let digits = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    name.len() >= shape.len() && name.as_bytes().iter().zip(shape).all(digits)
}

fn cannot(reason: &'static str, path: &str, cause: impl Into<CallError>) -> Error {
    Error::system("trash", path, reason, cause)
}
