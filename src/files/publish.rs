//! Giving a file that was staged its name, while its row is written but not committed;
//! and taking that back. What had the name is set aside until the commit. How it is
//! done depends on whom the row's lock keeps away:
//!
//! - Everybody: the old file gets a second name, and rename(2) replaces it. Readers see
//!   one or the other at any moment.
//! - The clients of one server alone (Galera): nothing is ever renamed over, as it might
//!   be what another writer is about to commit. What is there is taken to another
//!   name, and the new file is linked, which replaces nothing; for a moment there is
//!   none. The file keeps a reserved name besides, so that it can be put in place again.

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use nix::unistd::fsync;

use super::aside::{SetAside, aside_name, identity, stamp, version_name};
use super::calls::{self, Failure, Inode, inode_of};
use super::stage::reserved_name;
use super::{Mount, Staged, failed};
use crate::config::Durability;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Identity, Row, time_when_back};
use crate::name::FileId;

/// How often what others put in place at the same moment is taken.
const TAKES: usize = 32;

/// Why a version must get another time.
pub(crate) const TIME_IS_TAKEN: &str =
    "another writer's version of the same size has the time that this one should have";

/// A time that no live row has.
const NO_VERSION: i64 = 0;

/// A file on its way to its name, while its row is not committed yet. Dropped, all files
/// stay, the old one under its reserved name: who cannot go on must not lose it.
#[derive(Debug)]
#[must_use = "confirm(), settle() or give_up()"]
pub(crate) struct Published {
    /// `None` once it has ended.
    staged: Option<Staged>,
    version: Version,
    /// What the row was.
    old: Identity,
    /// Reserved names of what this write has set aside.
    aside: Vec<String>,
    has_staging_name: bool,
    is_certified: bool,
    /// Other files that settling has put in place.
    linked: Vec<Inode>,
}

/// A file, whatever its name. An inode alone may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    inode: Inode,
    identity: Identity,
}

impl Version {
    fn of(status: &FileStat) -> Self {
        Version { inode: inode_of(status), identity: identity(status) }
    }
}

/// What settling a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The file in place is what the row speaks of, or is another writer's business.
    Done,
    /// The same, and it was put back: the row must get this time.
    PutBack(i64),
    /// Something has been moved: the row must be read again, and this be called again.
    Again,
    /// What the row speaks of is with another writer, who is about to put it back, and
    /// the new file is in place: call this again a little later.
    Later,
    /// Another's file is in place, who may yet need what this write has set aside: call
    /// this again a little later, if only to clear that away.
    Spared,
    /// The new file is in place, and the old one was not to be set aside (its file
    /// system has no hard links).
    NotUndone,
}

impl Staged {
    /// Gives the file its name. `old` is what the row was, `row` what it will be. Where
    /// this fails the row decides, see [`Published::settle`].
    pub(crate) fn publish(
        self,
        old: Identity,
        row: Identity,
        is_certified: bool,
    ) -> (Published, Result<()>) {
        let inode = self.finished.as_ref().map_or((0, 0), inode_of);
        let mut published = Published {
            version: Version { inode, identity: row },
            old,
            aside: Vec::new(),
            has_staging_name: true,
            is_certified,
            linked: Vec::new(),
            staged: Some(self),
        };
        let outcome = published.put_in_place();
        (published, outcome)
    }
}

impl Mount {
    /// A file that was taken from its place to be deleted, and is set aside at this path:
    /// to be settled as what a write has set aside.
    pub(crate) fn withdrawn(&self, id: &FileId, aside: &str) -> Result<Published> {
        let reserved = aside.rsplit('/').next().unwrap_or(aside);
        Ok(Published {
            staged: Some(self.nothing_staged(id)?),
            version: Version { inode: (0, 0), identity: Identity::default() },
            old: Identity::default(),
            aside: vec![reserved.to_owned()],
            has_staging_name: false,
            is_certified: true,
            linked: Vec::new(),
        })
    }
}

impl Published {
    fn staged(&self) -> Result<&Staged> {
        self.staged.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "store", "staging file", "has ended already")
        })
    }

    fn put_in_place(&mut self) -> Result<()> {
        let staged = self.staged()?;
        let Some(finished) = &staged.finished else {
            let reason = "was not finished before it was put in place";
            return Err(Error::new(ErrorKind::Internal, "store", staged.id.as_str(), reason));
        };
        let (wanted, has) = (self.version.identity.mtime, finished.st_mtime);
        // Of a file alone there is no row.
        self.version.identity = match wanted == 0 || wanted == has {
            true => Identity { mtime: has, ..identity(finished) },
            false => self.stamp(wanted).map_err(|errno| self.not_in_place(errno))?,
        };
        if self.is_certified {
            self.keep_findable()?;
            self.take_and_link()?;
        } else {
            self.set_aside().map_err(|errno| self.cannot("cannot keep the old file", errno))?;
            step!("set-aside");
            self.rename().map_err(|errno| self.not_in_place(errno))?;
        }
        self.sync().map_err(|errno| self.not_in_place(errno))
    }

    /// Gives the staged file the time of its row; says what it has then. Where that is
    /// refused, others tell by labels what it is, unless they write on other servers.
    fn stamp(&self, mtime: i64) -> nix::Result<Identity> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let stamped = stamp(&staged.parent, &staged.staging_name, mtime);
        if stamped.is_ok() {
            return Ok(Identity { mtime, ..self.version.identity });
        }
        let there = calls::status(&staged.parent, &staged.staging_name)?.ok_or(Errno::ENOENT)?;
        match identity(&there) {
            has if has.mtime != mtime && self.is_certified => stamped.map(|()| has),
            has => Ok(has),
        }
    }

    /// Links the old file to a name of its own. None where there is no file, and where the
    /// file system or the file's owner forbids hard links: then a write goes on, but
    /// cannot be undone.
    fn set_aside(&mut self) -> nix::Result<()> {
        let reserved = self.aside_name()?;
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        // What has no row is nobody's; where nothing is there the server need not be asked twice.
        if self.old == Identity::default()
            && !calls::seems_there(&staged.parent, staged.id.file_name())
        {
            return Ok(());
        }
        match calls::link(&staged.parent, staged.id.file_name(), &staged.parent, &reserved) {
            Ok(()) => self.aside.push(reserved),
            Err(Failure::NotDone(
                Errno::ENOENT | Errno::EPERM | Errno::EOPNOTSUPP | Errno::EMLINK,
            )) => {}
            Err(Failure::NotDone(errno)) => return Err(errno),
            Err(Failure::Unknown(errno)) => {
                // It may be there all the same.
                self.aside.push(reserved);
                return Err(errno);
            }
        }
        Ok(())
    }

    fn rename(&mut self) -> nix::Result<()> {
        let staged = self.staged.as_mut().ok_or(Errno::EBADF)?;
        let Staged { parent, staging_name, id, .. } = staged;
        calls::rename(parent, staging_name, parent, id.file_name(), Some(self.version.inode))
            .map_err(Failure::errno)?;
        self.has_staging_name = false;
        staged.directories.stay();
        Ok(())
    }

    /// Gives the staged file a name under which others and `fsck` find it by its size and
    /// time, and which no other living writer has: on one server, too, two may have read
    /// one row, where another server's commit has taken the first one's lock.
    fn keep_findable(&mut self) -> Result<()> {
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
            Err(failure) => return Err(self.not_in_place(failure.errno())),
        }
        if let Some(staged) = &mut self.staged {
            calls::discard(&staged.parent, &staged.staging_name);
            staged.staging_name = reserved;
        }
        Ok(())
    }

    /// Takes what is in place and links the file there, until nobody comes between.
    fn take_and_link(&mut self) -> Result<()> {
        for _ in 0..TAKES {
            self.take().map_err(|errno| self.cannot("cannot set the old file aside", errno))?;
            step!("set-aside");
            match self.link_in_place() {
                Err(Errno::EEXIST) => {}
                outcome => return outcome.map_err(|errno| self.not_in_place(errno)),
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

    fn aside_name(&self) -> nix::Result<String> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let reserved = aside_name(staged.id.file_name(), self.old, self.version.inode.1);
        reserved.map_err(|_| Errno::EAGAIN)
    }

    fn sync(&self) -> nix::Result<()> {
        match self.staged.as_ref() {
            Some(staged) if staged.durability == Durability::Full => fsync(&staged.parent),
            _ => Ok(()),
        }
    }

    /// The row is committed: what was set aside may go. False where that must wait,
    /// because another writer has taken the file from its place: settle then.
    pub(crate) fn confirm(&mut self) -> Result<bool> {
        if self.is_certified {
            let is_there = self.there().map_err(|errno| self.cannot("cannot look at it", errno))?;
            if is_there.is_none_or(|there| Version::of(&there) != self.version) {
                return Ok(false);
            }
        }
        self.remove_aside(None);
        if let Some(mut staged) = self.staged.take()
            && !self.has_staging_name
        {
            staged.staging_name.clear();
        }
        Ok(true)
    }

    /// Whether the row's lock keeps only the clients of one server away.
    pub(crate) fn is_certified(&self) -> bool {
        self.is_certified
    }

    /// Whether [`Published::confirm`] has anything to do on the mount.
    pub(crate) fn has_to_confirm(&self) -> bool {
        self.is_certified || !self.aside.is_empty()
    }

    /// Makes the file in place what the row speaks of, as far as that is this write's
    /// business; `is_own`: the row is this write's. To be called under the row's lock.
    pub(crate) fn settle(&mut self, row: Option<&Row>, is_own: bool) -> Result<Settled> {
        let settled = match self.is_certified {
            true => self.settle_certified(row, is_own),
            false => self.settle_locked(row),
        };
        let settled = settled.and_then(|settled| self.sync().map(|()| settled));
        settled.map_err(|errno| self.cannot("cannot put the old file back", errno))
    }

    fn settle_locked(&mut self, row: Option<&Row>) -> nix::Result<Settled> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let (parent, name) = (&staged.parent, staged.id.file_name());
        let there = self.there()?;
        if row.is_some_and(Row::is_live) && self.is_of(row)? {
            // It was committed after all, and has been put back as an old file since.
            return Ok(Settled::NotUndone);
        }
        if let Some(there) = there.filter(|there| Version::of(there) != self.version) {
            // It has not been replaced, or by a writer that came later. That one needs what
            // was set aside, unless somebody has committed since; of this write's own bytes,
            // which it may have set aside, nobody needs anything.
            for dead in SetAside::of(parent, name)?.labelled_of(self.old, self.version.inode) {
                calls::discard(parent, dead);
            }
            let is_old = row.map_or(Identity::default(), Row::identity) == self.old;
            self.remove_aside(is_old.then_some(&there));
            return Ok(Settled::Done);
        }
        let found = SetAside::of(parent, name)?;
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
            calls::unlink(parent, name).map_err(Failure::errno)?;
            self.remove_aside(None);
            return Ok(Settled::Done);
        };
        let old = calls::status(parent, &back)?.ok_or(Errno::ENOENT)?;
        calls::rename(parent, &back, parent, name, Some(inode_of(&old))).map_err(Failure::errno)?;
        self.aside.retain(|aside| *aside != back);
        let settled = match row.filter(|row| row.is_live() && there.is_some()) {
            Some(row) => Settled::PutBack(time_when_back(row.mtime, self.version.identity.mtime)),
            None => Settled::Done,
        };
        self.remove_aside(None);
        Ok(settled)
    }

    /// Whether the row, which is another than this write's, speaks of this write's file.
    fn is_of(&self, row: Option<&Row>) -> nix::Result<bool> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let Some(row) = row.filter(|row| row.identity() != self.version.identity) else {
            return Ok(false);
        };
        let found = SetAside::of(&staged.parent, staged.id.file_name())?;
        Ok(found.is_of_row(row, self.version.inode))
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

    fn settle_certified(&mut self, row: Option<&Row>, is_own: bool) -> nix::Result<Settled> {
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
            return Ok(if is_ours { Settled::Later } else { Settled::Done });
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

    /// What is in place.
    fn there(&self) -> nix::Result<Option<FileStat>> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        calls::status(&staged.parent, staged.id.file_name())
    }

    /// Removes what this write has set aside, but, where one is given, for what is not a
    /// second name of this file.
    fn remove_aside(&mut self, only_of: Option<&FileStat>) {
        let Some(staged) = &self.staged else { return };
        self.aside.retain(|reserved| {
            let is_of = |there: &FileStat| {
                let found = calls::status(&staged.parent, reserved).ok().flatten();
                found.is_some_and(|found| inode_of(&found) == inode_of(there))
            };
            if only_of.is_some_and(|there| !is_of(there)) {
                return true;
            }
            calls::discard(&staged.parent, reserved);
            false
        });
    }

    /// What was staged, for another attempt, where it has its staging name; else it is
    /// gone. After this nothing of the write is left.
    pub(crate) fn give_up(mut self) -> Option<Staged> {
        let mut staged = self.staged.take()?;
        if self.has_staging_name {
            return Some(staged);
        }
        staged.staging_name.clear();
        None
    }

    fn not_in_place(&self, errno: Errno) -> Error {
        self.cannot("cannot put the file in place", errno)
    }

    fn cannot(&self, reason: &'static str, errno: Errno) -> Error {
        match &self.staged {
            Some(staged) => failed(ErrorKind::Storage, "store", &staged.id, reason, errno),
            None => Error::new(ErrorKind::Storage, "store", "staging file", reason),
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        if let Some(staged) = &mut self.staged {
            staged.staging_name.clear();
            staged.directories.stay();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Options;

    #[test]
    fn what_cannot_go_on_loses_no_file() {
        let root = tempfile::tempdir().unwrap();
        let mut options = Options::builder();
        options.set("dsn", "sqlite:/x").unwrap();
        options.set("root", root.path().to_str().unwrap()).unwrap();
        let mount = Mount::new(&options.build().unwrap());
        fs::write(root.path().join("a"), b"old").unwrap();
        let mut staged = mount.stage(&FileId::parse("a").unwrap(), |_| Ok(false)).unwrap();
        staged.append(b"new").unwrap();
        staged.finish().unwrap();
        let row = Identity { size: 3, mtime: 2 };
        drop(staged.publish(Identity { size: 3, mtime: 1 }, row, false));
        let files = fs::read_dir(root.path()).unwrap();
        let mut files: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        files.sort();
        assert_eq!(files, [b"new", b"old"]);
    }
}
