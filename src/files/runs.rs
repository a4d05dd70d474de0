//! Notes of what was done to a whole store, one small file each, beneath the root: all nodes
//! see it there.

use std::fs::File;
use std::io::{Read as _, Write as _};

use nix::errno::Errno;
use nix::fcntl::{OFlag, renameat};

use super::calls::{create_new, discard};
use super::directories::enter;
use super::stage::reserved_name;
use super::{Mount, READING, open_beneath};
use crate::debris::RUNS;
use crate::error::{CallError, Error, Result};

/// No note is so long.
const LONGEST: u64 = 64 * 1024;

impl Mount {
    /// Replaces a note, as a whole.
    pub(crate) fn note_run(&self, name: &str, note: &[u8]) -> Result<()> {
        let root = self.root()?;
        let path = format!("{RUNS}/{name}");
        let write = || {
            let (folder, name) = enter(self, &root, &path)?;
            let staging_name = reserved_name("run").map_err(|_| Errno::EAGAIN)?;
            let file = create_new(&folder, &staging_name, OFlag::empty(), self.file_mode.mode)?;
            let written = File::from(file).write_all(note);
            let written =
                written.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)));
            written
                .and_then(|()| renameat(&folder, staging_name.as_str(), &folder, name))
                .inspect_err(|_| discard(&folder, &staging_name))
        };
        write().map_err(|errno| cannot("cannot note that it was done", &path, errno))
    }

    /// A note; `None` where there is none.
    pub(crate) fn run_noted(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = format!("{RUNS}/{name}");
        let read = |file| {
            let mut note = Vec::new();
            File::from(file).take(LONGEST).read_to_end(&mut note).map(|_| note)
        };
        match open_beneath(&self.root()?, &path, READING) {
            Ok(file) => read(file)
                .map(Some)
                .map_err(|error| Error::io("look", path, "cannot read when it was done", error)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(cannot("cannot read when it was done", &path, errno)),
        }
    }
}

fn cannot(reason: &'static str, path: &str, cause: impl Into<CallError>) -> Error {
    Error::system("look", path, reason, cause)
}
