//! Where other servers take writes of the row meanwhile (Galera): nothing is ever renamed
//! over, as it might be what another writer is about to commit. What is there is taken
//! to another name, and the new file is linked, which replaces nothing; for a moment
//! there is none. The file keeps a reserved name besides, so that it can be put in
//! place again.

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::super::Staged;
use super::super::aside::{SetAside, identity, stamp, version_name};
use super::super::calls::{self, Failure, inode_of};
use super::{Published, Settled, TIME_IS_TAKEN, Version};
use crate::error::{Error, ErrorKind, Result, in_call};
use crate::metadata::Row;

/// How often what others put in place at the same moment is taken.
const TAKES: usize = 32;

/// A time that no live row has.
const NO_VERSION: i64 = 0;

impl Published {
    /// Gives the staged file a name under which others and `fsck` find it by its size and
    /// time, and which no other living writer has: on one server, too, two may have read
    /// one row, where another server's commit has taken the first one's lock.
    pub(super) fn keep_findable(&mut self) -> Result<()> {
        let staged = self.staged()?;
        let reserved = version_name(staged.id.file_name(), self.version.identity);
        if staged.staging_name == reserved {
            return Ok(());
        }
        match calls::link_exclusively(&staged.parent, &staged.staging_name, &reserved) {
            Ok(()) => {}
            Err(failure) if failure.errno() == Errno::EEXIST => {
                let id = staged.id.as_str();
                return Err(Error::new(ErrorKind::Unavailable, "store", id, TIME_IS_TAKEN));
            }
            Err(failure) => return Err(self.not_in_place(failure.in_call("link"))),
        }
        if let Some(staged) = &mut self.staged {
            calls::discard(&staged.parent, &staged.staging_name);
            staged.staging_name = reserved;
        }
        Ok(())
    }

    /// Takes what is in place and links the file there, until nobody comes between.
    pub(super) fn take_and_link(&mut self) -> Result<()> {
        for _ in 0..TAKES {
            self.take()
                .map_err(in_call("rename"))
                .map_err(|failed| self.cannot("cannot set the old file aside", failed))?;
            step!("set-aside");
            match self.link_in_place() {
                Err(Errno::EEXIST) => {}
                outcome => {
                    let outcome = outcome.map_err(in_call("link"));
                    return outcome.map_err(|failed| self.not_in_place(failed));
                }
            }
        }
        Err(self.not_in_place(Errno::EEXIST))
    }

    fn link_in_place(&mut self) -> nix::Result<()> {
        let staged = self.staged.as_mut().ok_or(Errno::EBADF)?;
        let Staged { parent, staging_name, id, .. } = staged;
        calls::link(parent, staging_name, parent, id.file_name()).map_err(Failure::errno)?;
        staged.directories.stay();
        Ok(())
    }

    /// Moves what is in place, whosever it is, to a reserved name.
    fn take(&mut self) -> nix::Result<()> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let (parent, name) = (&staged.parent, staged.id.file_name());
        let reserved = self.aside_name()?;
        match calls::rename(parent, name, parent, &reserved, None) {
            Err(Failure::NotDone(Errno::ENOENT)) => Ok(()),
            outcome => {
                self.aside.push(reserved);
                outcome.map_err(Failure::errno)
            }
        }
    }

    /// A file whose row will not be committed is no version, wherever others have put it
    /// aside meanwhile: another writer may get its time.
    fn disown(&mut self) {
        if let Some(staged) = &mut self.staged
            && let Some(finished) = &mut staged.finished
            && finished.st_mtime != NO_VERSION
            && stamp(&staged.parent, &staged.staging_name, NO_VERSION).is_ok()
        {
            finished.st_mtime = NO_VERSION;
            self.version.identity.mtime = NO_VERSION;
        }
    }

    pub(super) fn settle_certified(
        &mut self,
        row: Option<&Row>,
        is_own: bool,
    ) -> nix::Result<Settled> {
        if !is_own {
            self.disown();
        }
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let (parent, name) = (&staged.parent, staged.id.file_name());
        let there = self.there()?;
        let is_ours = there.is_some_and(|there| {
            Version::of(&there) == self.version || self.linked.contains(&inode_of(&there))
        });
        let live = row.filter(|row| row.is_live());
        let of_row = |there: FileStat| live.is_some_and(|row| identity(&there) == row.identity());
        if there.is_some_and(of_row) {
            self.remove_aside(None);
            return Ok(Settled::Done);
        }
        let Some(row) = live else {
            if is_ours {
                self.take()?;
                return Ok(Settled::Again);
            }
            self.remove_aside(None);
            return Ok(Settled::Done);
        };
        let wanted = match is_own {
            true => Some(staged.staging_name.clone()),
            false => SetAside::of(parent, name)?.of_row(row).map(str::to_owned),
        };
        let Some(wanted) = wanted else {
            if is_ours {
                return Ok(Settled::Later);
            }
            // Nothing that is set aside here is what the row speaks of.
            self.remove_aside(None);
            return Ok(Settled::Done);
        };
        if there.is_some() && !is_ours && !is_own {
            // Its owner has not ended yet, or came later. What the row speaks of stays, for
            // the case that it fails.
            let spared = self.aside.extract_if(.., |aside| *aside == wanted).collect::<Vec<_>>();
            self.remove_aside(None);
            self.aside = spared;
            return Ok(if self.aside.is_empty() { Settled::Done } else { Settled::Spared });
        }
        if there.is_some() {
            self.take()?;
        }
        self.put_in_place_again(&wanted)?;
        Ok(Settled::Again)
    }

    /// Links a file to its name, unless another has come or the file has gone.
    fn put_in_place_again(&mut self, reserved: &str) -> nix::Result<()> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let (parent, name) = (&staged.parent, staged.id.file_name());
        let Some(file) = calls::status(parent, reserved)? else { return Ok(()) };
        match calls::link(parent, reserved, parent, name) {
            Ok(()) => self.linked.push(inode_of(&file)),
            Err(failure) if matches!(failure.errno(), Errno::EEXIST | Errno::ENOENT) => {}
            Err(failure) => return Err(failure.errno()),
        }
        Ok(())
    }
}
