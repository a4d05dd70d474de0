//! The file server's clock. The times of files are the server's: to say how old
//! a file is by this machine's clock is wrong by as much as that is.

use std::os::fd::OwnedFd;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{fsync, write};

use super::calls::{create_new, discard};
use super::stage::reserved_name;
use super::{Mount, at, open_directory};
use crate::error::{Error, Result};

impl Mount {
    /// What time it is there, learnt from a file that is made for it: in the
    /// root, or where that is not allowed, in one of these directories.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) where no file can be made in any of them.
    pub(crate) fn server_time<'d>(
        &self,
        directories: impl IntoIterator<Item = &'d str>,
    ) -> Result<SystemTime> {
        let root = self.root()?;
        let ask = |directory| open_directory(&root, directory).and_then(|it| ask(&it));
        // Where none can be made, the root's error tells the reason.
        let outcome = ask("").or_else(|errno| {
            directories.into_iter().find_map(|directory| ask(directory).ok()).ok_or(errno)
        });
        outcome.map_err(|errno| {
            let reason = "cannot make a file there, to learn what time it is on the server";
            Error::system("clock", self.root.to_string_lossy(), reason, errno)
        })
    }
}

/// The change time, which no client can choose, of a file that was written to.
fn ask(directory: &OwnedFd) -> nix::Result<SystemTime> {
    let name = reserved_name("clock").map_err(|_| Errno::EAGAIN)?;
    let file = create_new(directory, &name, OFlag::empty(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    let status = write(&file, b"t").and_then(|_| fsync(&file)).and_then(|()| fstat(&file));
    discard(directory, &name);
    status.map(|status| at(status.st_ctime, status.st_ctime_nsec))
}
