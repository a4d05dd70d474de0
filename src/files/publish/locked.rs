//! Where the row's lock keeps all other writers away: the old file gets a second name,
//! and rename(2) replaces it. Readers see one or the other at any moment.

use nix::errno::Errno;

use super::super::Staged;
use super::super::aside::{SetAside, stamp_if_possible};
use super::super::calls::{self, Failure, inode_of};
use super::super::granted::has_no_links;
use super::super::stage::reserved_name;
use super::{Published, Settled, Version};
use crate::error::CallError;
use crate::metadata::{Identity, Row, time_when_back};

impl Published {
    /// Links the old file to a name of its own. None where there is no file, and where the
    /// file system or the file's owner forbids hard links: then a write goes on, but
    /// cannot be undone.
    pub(super) fn set_aside(&mut self, seems_there: bool) -> Result<(), CallError> {
        // What has no row is nobody's; where nothing is there the server need not be asked twice.
        if self.old == Identity::default() && !seems_there {
            return Ok(());
        }
        let reserved = self.aside_name()?;
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        match calls::link(&staged.parent, staged.id.file_name(), &staged.parent, &reserved) {
            Ok(()) => self.aside.push(reserved),
            Err(Failure::NotDone(errno)) if errno == Errno::ENOENT || has_no_links(errno) => {}
            Err(Failure::NotDone(Errno::EIO)) if links_fail(staged) => {}
            Err(failure @ Failure::NotDone(_)) => return Err(failure.in_call("link")),
            Err(failure @ Failure::Unknown(_)) => {
                // It may be there all the same.
                self.aside.push(reserved);
                return Err(failure.in_call("link"));
            }
        }
        Ok(())
    }

    pub(super) fn rename(&mut self) -> Result<(), CallError> {
        let staged = self.staged.as_mut().ok_or(Errno::EBADF)?;
        let Staged { parent, staging_name, id, .. } = staged;
        calls::rename(parent, staging_name, parent, id.file_name(), Some(self.version.inode))
            .map_err(|failure| failure.in_call("rename"))?;
        self.has_staging_name = false;
        staged.directories.stay();
        Ok(())
    }

    pub(super) fn settle_locked(&mut self, row: Option<&Row>) -> nix::Result<Settled> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let (parent, name) = (&staged.parent, staged.id.file_name());
        let (there, found) = (self.there()?, SetAside::of(parent, name)?);
        let other = row.filter(|row| row.identity() != self.version.identity);
        if other.is_some_and(|row| found.is_of_row(row, self.version.inode)) {
            // It was committed after all, and has been put back as an old file since.
            return Ok(Settled::NotUndone);
        }
        if let Some(there) = there.filter(|there| Version::of(there) != self.version) {
            // It has not been replaced, or by a writer that came later. That one needs what
            // was set aside, unless somebody has committed since; of this write's own bytes,
            // which it may have set aside, nobody needs anything.
            for dead in found.labelled_of(self.old, self.version.inode) {
                calls::discard(parent, dead);
            }
            let is_old = row.map_or(Identity::default(), Row::identity) == self.old;
            self.remove_aside(is_old.then_some(&there));
            return Ok(Settled::Done);
        }
        let is_live = row.is_some_and(Row::is_live);
        let back = match row.and_then(|row| found.of_row(row)) {
            Some(reserved) => Some(reserved.to_owned()),
            None if is_live && there.is_some() => return Ok(Settled::NotUndone),
            None if is_live => None,
            // Else whoever deleted the row may have ended.
            None if row.map_or(Identity::default(), Row::identity) == self.old => {
                let is_there = |aside: &&String| calls::seems_there(parent, aside);
                self.aside.first().filter(is_there).cloned()
            }
            None => None,
        };
        if there.is_some() {
            self.keep_staged()?;
        }
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let (parent, name) = (&staged.parent, staged.id.file_name());
        let Some(back) = back else {
            if there.is_some() {
                calls::unlink(parent, name).map_err(Failure::errno)?;
            }
            self.remove_aside(None);
            return Ok(Settled::Done);
        };
        let old = calls::status(parent, &back)?.ok_or(Errno::ENOENT)?;
        calls::rename(parent, &back, parent, name, Some(inode_of(&old))).map_err(Failure::errno)?;
        self.aside.retain(|aside| *aside != back);
        let settled = match row.filter(|row| row.is_live() && there.is_some()) {
            Some(row) => {
                let mtime = time_when_back(row.mtime, self.version.identity.mtime);
                stamp_if_possible(parent, name, mtime);
                Settled::PutBack(mtime)
            }
            None => Settled::Done,
        };
        self.remove_aside(None);
        Ok(settled)
    }

    /// Gives the file its staging name again, for another attempt.
    fn keep_staged(&mut self) -> nix::Result<()> {
        if self.has_staging_name {
            return Ok(());
        }
        let staged = self.staged.as_mut().ok_or(Errno::EBADF)?;
        let again = reserved_name("stage").map_err(|_| Errno::EAGAIN)?;
        // Without hard links there is no other attempt.
        if calls::link(&staged.parent, staged.id.file_name(), &staged.parent, &again).is_ok() {
            staged.staging_name = again;
            self.has_staging_name = true;
        }
        Ok(())
    }
}

/// Some gateways say EIO where they have no hard links: then no file of one's own gets one either.
fn links_fail(staged: &Staged) -> bool {
    let Ok(second) = reserved_name("stage") else { return false };
    let linked = calls::link(&staged.parent, &staged.staging_name, &staged.parent, &second);
    if linked.is_ok() {
        calls::discard(&staged.parent, &second);
    }
    linked == Err(Failure::NotDone(Errno::EIO))
}
