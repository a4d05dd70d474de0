//! Lists of what a command has done that is run again until it is through, beneath the root: all
//! nodes see them there.

use std::fs::File;
use std::io::{self, BufReader, Write as _};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::calls::{create_new, discard, link};
use super::directories::enter;
use super::granted::has_no_links;
use super::stage::reserved_name;
use super::{Mount, READING, open_beneath};
use crate::debris::RUNS;
use crate::error::{Error, Result};

impl Mount {
    /// The lines of a list; `None` where there is none. The last may be half a one, in the midst of
    /// others, too.
    pub(crate) fn open_ledger(&self, name: &str) -> Result<Option<BufReader<File>>> {
        let path = format!("{RUNS}/{name}");
        match open_beneath(&self.root()?, &path, READING) {
            Ok(file) => Ok(Some(BufReader::new(File::from(file)))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::system("look", path, "the list cannot be read", errno)),
        }
    }

    /// Adds lines to a list, which is made where it is missing.
    pub(crate) fn add_to_ledger(&self, name: &str, lines: &str) -> Result<()> {
        let root = self.root()?;
        let path = format!("{RUNS}/{name}");
        let write = || -> io::Result<()> {
            let (folder, name) = enter(self, &root, &path)?;
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND;
            let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mut file = File::from(openat(&folder, name, flags, self.file_mode.mode)?);
            // What a failed write has left must not swallow the first line.
            file.write_all(format!("\n{lines}").as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| Error::io("note", &*path, "cannot be noted", error))
    }

    /// Whether a file of this process can have two names there.
    pub(crate) fn has_hard_links(&self) -> Result<bool> {
        let root = self.root()?;
        let cannot = |errno| Error::system("rename", RUNS, "cannot try out a hard link", errno);
        let [one, other] = [reserved_name("run")?, reserved_name("twin")?];
        let try_out = || {
            let (folder, _) = enter(self, &root, &format!("{RUNS}/{one}"))?;
            create_new(&folder, &one, OFlag::empty(), self.file_mode.mode)?;
            let linked = link(&folder, &one, &folder, &other);
            discard(&folder, &one);
            match linked {
                Ok(()) => {
                    discard(&folder, &other);
                    Ok(true)
                }
                Err(failure) if has_no_links(failure.errno()) => Ok(false),
                Err(failure) => Err(failure.errno()),
            }
        };
        try_out().map_err(cannot)
    }

    /// Removes a list that nobody needs any more.
    pub(crate) fn remove_ledger(&self, name: &str) -> Result<()> {
        let root = self.root()?;
        let path = format!("{RUNS}/{name}");
        let remove = || {
            let (folder, name) = enter(self, &root, &path)?;
            unlinkat(&folder, name, UnlinkatFlags::NoRemoveDir)
        };
        match remove() {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::system("note", path, "the list cannot be removed", errno)),
        }
    }
}
