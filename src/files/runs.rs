//! Notes of what was done to a whole store, one small file each, beneath the root: all nodes
//! see it there.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use nix::errno::Errno;
use nix::fcntl::{OFlag, renameat};

use super::calls::{create_new, discard};
use super::directories::enter;
use super::stage::reserved_name;
use super::{Mount, READING, open_beneath};
use crate::debris::RUNS;
use crate::error::{Error, Result};

/// No note is so long.
const LONGEST: u64 = 64 * 1024;

const UNREADABLE: &str = "the note of the last run cannot be read";

impl Mount {
    /// Replaces a note, as a whole.
    pub(crate) fn note_run(&self, name: &str, note: &[u8]) -> Result<()> {
        let root = self.root()?;
        let path = format!("{RUNS}/{name}");
        let write = || -> io::Result<()> {
            let (folder, name) = enter(self, &root, &path)?;
            let staging_name = reserved_name("run").map_err(|_| Errno::EAGAIN)?;
            let file = create_new(&folder, &staging_name, OFlag::empty(), self.file_mode.mode)?;
            let mut file = File::from(file);
            file.write_all(note)
                // A server may tell of a full disk no earlier.
                .and_then(|()| file.sync_all())
                .and_then(|()| Ok(renameat(&folder, staging_name.as_str(), &folder, name)?))
                .inspect_err(|_| discard(&folder, &staging_name))
        };
        let noted = write();
        noted.map_err(|error| Error::io("note", &*path, "cannot be noted", error))
    }

    /// A note; `None` where there is none.
    pub(crate) fn run_noted(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = format!("{RUNS}/{name}");
        let read = |file| {
            let mut note = Vec::new();
            File::from(file).take(LONGEST).read_to_end(&mut note).map(|_| note)
        };
        match open_beneath(&self.root()?, &path, READING) {
            Ok(file) => {
                read(file).map(Some).map_err(|error| Error::io("look", path, UNREADABLE, error))
            }
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::system("look", path, UNREADABLE, errno)),
        }
    }
}
