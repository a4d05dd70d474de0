//! Deleting, in two steps. First the row is soft-deleted, as legacy does it, and
//! committed: from then on no node of any kind finds the name. Then, while the
//! row is locked, so that nobody can store the name again meanwhile, the file is
//! removed and the row with it. A crash between leaves a soft-deleted row and
//! its file, which nobody sees, and which deleting again or `purge` finishes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::removal::{Files, REMOVAL_BATCH};
use super::rowless::Rowless;
use super::trash::Disposal;
use super::{Process, Store};
use crate::error::{Error, Result};
use crate::files::{Leftovers, Mount, Mounts};
use crate::index::{Keyed, PAGE};
use crate::mount::Pulse;
use crate::name::{DirId, FileId, FileName};
use crate::runtime;
use crate::stats::Counter;

/// A file without a row that is younger than this may be an upload whose row
/// comes next: PHP kernels write the file first.
pub(super) const GRACE: Duration = Duration::from_secs(600);

/// What [`Store::delete_directory`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Rows deleted, live or not.
    pub rows: u64,
    /// Files removed, with or without a row.
    pub files: u64,
    /// Files and directories left on the mount: too young to be sure that nobody is
    /// about to write their row, spoken of by other rows, nobody's stored files
    /// (`.nfsXXXX`, `.DS_Store`), or not removable.
    pub left: u64,
}

impl Store {
    /// Deletes a file: its row, live or not, then its bytes. A file that the row of
    /// another name speaks of as well stays.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound): no row; nothing was touched.
    /// - [`ErrorKind::Storage`](crate::ErrorKind::Storage): the row is soft-deleted, so that nobody sees the
    ///   file any more, but the file could not be removed.
    /// - [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable): database or mount gone, or the part of it that
    ///   the file is on. Either nothing was touched, or the row is soft-deleted;
    ///   deleting again goes on from there.
    pub fn delete(&self, id: &FileId) -> Result<()> {
        self.delete_by(id, &Disposal::Unlink)
    }

    pub(crate) fn delete_by(&self, id: &FileId, disposal: &Disposal) -> Result<()> {
        let process = self.process()?;
        process.changed(self.delete_on(&process, id, disposal), Counter::Deleted)
    }

    fn delete_on(&self, process: &Arc<Process>, id: &FileId, disposal: &Disposal) -> Result<()> {
        let name = [self.name(id)?];
        let mounts = runtime::block_on(async {
            let missing = || Error::not_found("delete", id.as_str());
            let mounts = match process.require_deletable(id).await {
                Ok(mounts) => mounts,
                Err(gone) => {
                    // An empty root says nothing where there is no row.
                    process.index.find(&name[0]).await?.ok_or_else(missing)?;
                    return Err(gone);
                }
            };
            match process.soft_delete(&name).await? {
                0 => Err(missing()),
                _ => Ok(mounts),
            }
        })?;
        step!("soft-deleted");
        process.remove_deleted_from(&mounts, &name, None, disposal).1
    }

    /// Deletes a row by its key, live or not, and its file, if that is the file of
    /// the name that the row has: for rows that no id leads to.
    ///
    /// # Errors
    ///
    /// As [`Store::delete`].
    pub fn delete_key(&self, key: &str) -> Result<()> {
        let process = self.process()?;
        process.changed(process.delete_key(key), Counter::Deleted)
    }

    /// Deletes all files below a directory, in batches, names compared byte
    /// for byte; then what is left of the directory itself: files without a row go
    /// to the trash.
    ///
    /// A directory without rows and files is no error.
    ///
    /// # Errors
    ///
    /// As [`Store::delete`]; what was deleted before the error stays deleted. A
    /// file that cannot be removed does not keep the others.
    pub fn delete_directory(&self, dir: &DirId) -> Result<Deleted> {
        self.delete_directory_by(dir, &Disposal::Unlink, &mut |_| false)
    }

    /// The same; ends between two batches where it is told to, by who hears how
    /// many rows are gone.
    pub(crate) fn delete_directory_by(
        &self,
        dir: &DirId,
        disposal: &Disposal,
        is_interrupted: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Deleted> {
        let process = self.process()?;
        let deleted = self.delete_directory_on(&process, dir, disposal, is_interrupted);
        process.changed(deleted, Counter::DirectoriesDeleted)
    }

    fn delete_directory_on(
        &self,
        process: &Arc<Process>,
        dir: &DirId,
        disposal: &Disposal,
        is_interrupted: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Deleted> {
        let beneath = process.name_prefix.beneath(Some(dir))?;
        let is_ours = process.is_territory(dir)?;
        let inside = format!("{dir}/");
        runtime::block_on(async { process.index.require_writes().await })?;
        // Before the rows are gone.
        let newest = runtime::block_on(async { process.index.newest().await })?;
        let mounts = runtime::block_on(process.gate.run("delete_directory", Mount::mounts))?;
        let mut deleted = Deleted::default();
        let mut after = None;
        let mut removal = Removal::default();
        loop {
            let page = runtime::block_on(async {
                process.index.list_by_key(&beneath, after.as_deref(), PAGE).await
            })?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let mut names: Vec<_> = page.iter().map(Keyed::name).collect();
            // Files of one directory after each other.
            names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
            for names in names.chunks(REMOVAL_BATCH) {
                if is_interrupted(deleted.rows) {
                    deleted.files = removal.end()?.removed;
                    return Ok(deleted);
                }
                deleted.rows += runtime::block_on(async {
                    match deleted.rows {
                        // Later what is gone is gone by this.
                        0 => process.require_mounted_at("delete_directory", &inside).await?,
                        _ => process.gate.run("delete_directory", Mount::require_alive).await?,
                    }
                    process.soft_delete(names).await
                })?;
                step!("soft-deleted");
                let batch = process.remove_deleted_from(&mounts, names, Some(dir), disposal);
                removal.add(batch)?;
            }
        }
        let mut files = removal.end()?;
        let swept = match is_ours {
            true => process.sweep(dir, newest.unwrap_or_default())?,
            // Whose files these are no row has said.
            false => Swept::default(),
        };
        files.removed += swept.removed;
        let left = files.claimed + swept.left + process.prune(dir)?;
        Ok(Deleted { files: files.removed, left, ..deleted })
    }
}

/// Files removed batch by batch. One that cannot be removed does not keep the
/// others; the first such error comes at the end.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    files: Files,
    failure: Option<Error>,
}

impl Removal {
    /// Counts what a batch came to; only an error that the next batch would
    /// meet as well ends the whole.
    pub(crate) fn add(&mut self, (files, outcome): (Files, Result<()>)) -> Result<()> {
        self.files.removed += files.removed;
        self.files.claimed += files.claimed;
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind().is_of_storage() => {
                self.failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What was removed so far.
    pub(crate) fn files(&self) -> Files {
        self.files
    }

    pub(crate) fn end(self) -> Result<Files> {
        self.failure.map_or(Ok(self.files), Err)
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default)]
struct Swept {
    removed: u64,
    left: u64,
}

/// Tests cannot make files that have not changed for so long.
fn grace() -> Duration {
    #[cfg(feature = "failpoints")]
    if fail::eval("no-grace", |_| ()).is_some() {
        return Duration::ZERO;
    }
    GRACE
}

impl Process {
    fn delete_key(self: &Arc<Self>, key: &str) -> Result<()> {
        let found = runtime::block_on(async { self.index.find_keyed(key).await })?;
        let keyed = found.ok_or_else(|| Error::not_found("delete", key))?;
        let name = [keyed.name()];
        runtime::block_on(async {
            if let Some(id) = self.name_prefix.id(&keyed.row.name) {
                self.require_deletable(&id).await?;
            }
            self.soft_delete(&name).await
        })?;
        self.remove_deleted(&name, None, &Disposal::UnlinkOwn).1
    }

    async fn soft_delete(&self, names: &[FileName]) -> Result<u64> {
        let outcome = self.index.soft_delete(names).await;
        self.forget(names);
        outcome
    }

    /// Refuses where the file is missing because its share is; says what is mounted.
    async fn require_deletable(&self, id: &FileId) -> Result<Mounts> {
        let asked = id.as_str().to_owned();
        let looked = self.gate.run("delete", move |mount| {
            let mounts = mount.mounts()?;
            mount.require_alive()?;
            Ok((mounts, mount.seems_to_have(&asked)? || mount.has_entry(&asked)?))
        });
        let (mounts, is_there) = looked.await?;
        if !is_there {
            self.require_mounted_at("delete", id.as_str()).await?;
        }
        Ok(mounts)
    }

    /// Whether files without a row below this directory are the store's: it lies in
    /// an area of a storage directory of which the table has rows.
    fn is_territory(&self, dir: &DirId) -> Result<bool> {
        // As a file below it would be called.
        let name = self.name_prefix.beneath(Some(dir))?;
        let Some(storage) = crate::territory::storage_of(&name, &self.name_prefix) else {
            return Ok(false);
        };
        let beneath = if storage.is_empty() { String::new() } else { format!("{storage}/") };
        let sample = runtime::block_on(async { self.index.live_sample(&beneath, 1).await })?;
        Ok(!sample.is_empty())
    }

    /// Takes away what is left below a directory, but for what has a row, is too
    /// young by the file server's clock, or is nobody's stored file. What is newer than
    /// the `newest` row stays, too: the table may be an old copy of the one that has
    /// the file's row.
    fn sweep(self: &Arc<Self>, dir: &DirId, newest: i64) -> Result<Swept> {
        let path = dir.as_str().to_owned();
        let look = move |mount: &Mount, pulse: &Pulse| mount.leftovers(&path, &|| pulse.beat());
        let look = self.gate.run_long("delete_directory", look);
        let Leftovers { files, foreign } = runtime::block_on(look)?;
        let mut swept = Swept { removed: 0, left: foreign };
        if files.is_empty() {
            return Ok(swept);
        }
        let path = dir.as_str().to_owned();
        let ask = move |mount: &Mount| mount.server_time([path.as_str()]);
        let now = runtime::block_on(self.gate.run("delete_directory", ask))?;
        let disposal = Disposal::Trash(self.trash("delete_directory", now));
        let known = Duration::from_secs(newest.max(0).cast_unsigned()) + GRACE;
        let cutoff = now.checked_sub(grace()).unwrap_or(SystemTime::UNIX_EPOCH);
        let cutoff = cutoff.min(SystemTime::UNIX_EPOCH + known);
        self.sweep_files(&files, cutoff, &disposal, &mut swept)?;
        Ok(swept)
    }

    /// Removes the directories below this one that are empty, and itself; says how
    /// many are not.
    pub(super) fn prune(&self, dir: &DirId) -> Result<u64> {
        let path = dir.as_str().to_owned();
        let prune = move |mount: &Mount, pulse: &Pulse| {
            mount.remove_empty_directories(&path, &|| pulse.beat())
        };
        runtime::block_on(self.gate.run_long("delete_directory", prune))
    }

    fn sweep_files(
        self: &Arc<Self>,
        files: &[String],
        cutoff: SystemTime,
        disposal: &Disposal,
        swept: &mut Swept,
    ) -> Result<()> {
        for path in files {
            match self.remove_rowless(path, cutoff, disposal, "leftover") {
                Ok(Rowless::Taken) => swept.removed += 1,
                Ok(Rowless::Gone) => {}
                Ok(Rowless::Young | Rowless::HasRow | Rowless::Claimed) => swept.left += 1,
                Err(error) if error.kind().is_of_storage() => {
                    log::warn!("ezdfs: {error:#}");
                    swept.left += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
