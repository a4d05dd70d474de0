//! Giving a file that was staged its name, while its row is written but not committed;
//! and taking that back. What had the name is set aside until the commit. How it is
//! done depends on whom the row's lock keeps away: everybody ([`locked`]), or the clients
//! of one server alone ([`certified`]).

mod certified;
mod locked;

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::aside::{SetAside, aside_name, identity, stamp};
use super::calls::{self, Inode, inode_of};
use super::granted::sync_directory;
use super::{Mount, Staged, is_link};
use crate::config::Durability;
use crate::error::{CallError, Error, ErrorKind, Result, in_call};
use crate::metadata::{Identity, Row};
use crate::name::FileId;

/// Why a version must get another time.
pub(crate) const TIME_IS_TAKEN: &str =
    "another writer's version of the same size has the time that this one should have";

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
            false => {
                let stamped = self.stamp(wanted).map_err(in_call("utimensat"));
                stamped.map_err(|failed| self.not_in_place(failed))?
            }
        };
        let is = self.version.identity.mtime;
        if let Some(finished) = self.staged.as_mut().and_then(|staged| staged.finished.as_mut()) {
            // For another attempt.
            finished.st_mtime = is;
        }
        let is_there = self.look()?;
        if self.is_certified {
            self.keep_findable()?;
            self.take_and_link()?;
        } else {
            self.set_aside(is_there)
                .map_err(|failed| self.cannot("cannot set the old file aside", failed))?;
            step!("set-aside");
            self.rename().map_err(|failed| self.not_in_place(failed))?;
        }
        self.sync().map_err(|failed| self.not_in_place(failed))
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

    /// Whether anything seems to have the name. A symbolic link is no file of a store, and
    /// whoever made it knows what it is for. What it leads to is unknown here.
    fn look(&self) -> Result<bool> {
        let staged = self.staged()?;
        let seen = calls::seen(&staged.parent, staged.id.file_name());
        if seen.as_ref().is_ok_and(|seen| seen.as_ref().is_some_and(is_link)) {
            return Err(self.cannot("a symbolic link has the file's name", Errno::ELOOP));
        }
        Ok(!matches!(seen, Ok(None)))
    }

    fn aside_name(&self) -> nix::Result<String> {
        let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
        let reserved = aside_name(staged.id.file_name(), self.old, self.version.inode.1);
        reserved.map_err(|_| Errno::EAGAIN)
    }

    fn sync(&self) -> Result<(), CallError> {
        match self.staged.as_ref() {
            Some(staged) if staged.durability == Durability::Full => sync_directory(&staged.parent),
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

    /// Whether the row, which looks like this write's, is another writer's of the same size
    /// and time: then this write's file is neither in place nor set aside for a newer row.
    pub(crate) fn is_mistaken(&self) -> Result<bool> {
        let is_mine = || -> nix::Result<bool> {
            let staged = self.staged.as_ref().ok_or(Errno::EBADF)?;
            let there = self.there()?;
            let found = SetAside::of(&staged.parent, staged.id.file_name())?;
            let inode = self.version.inode;
            Ok(there.is_some_and(|there| Version::of(&there) == self.version)
                || found.labelled_of(self.version.identity, inode).next().is_some())
        };
        let is_mine = is_mine().map_err(|errno| self.cannot("cannot look at it", errno));
        Ok(!self.is_certified && !is_mine?)
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
        if let Err(failed) = self.sync() {
            // What a power cut undoes of this, fsck does again.
            log::warn!("ezdfs: cannot settle a file for good: {failed}");
        }
        settled.map_err(|errno| self.cannot("cannot put the old file back", errno))
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

    fn not_in_place(&self, failed: impl Into<CallError>) -> Error {
        self.cannot("cannot put the file in place", failed)
    }

    fn cannot(&self, reason: &'static str, failed: impl Into<CallError>) -> Error {
        let subject = self.staged.as_ref().map_or("staging file", |staged| staged.id.as_str());
        Error::system("store", subject, reason, failed)
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
