//! Deleting, in two steps. First the row is soft-deleted, as legacy does it, and
//! committed: from then on no node of any kind finds the name. Then, while the
//! row is locked, so that nobody can store the name again meanwhile, the file is
//! removed and the row with it. A crash between leaves a soft-deleted row and
//! its file, which nobody sees, and which deleting again or `purge` finishes.

use super::{Process, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::files::Swept;
use crate::index::{Attempts, Keyed, PAGE};
use crate::name::{DirId, FileId, FileName};
use crate::runtime;

/// Rows that are locked at a time while their files are removed.
const PURGE_BATCH: usize = 100;

/// What [`Store::delete_directory`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Rows deleted, live or not.
    pub rows: u64,
    /// Files removed, with or without a row.
    pub files: u64,
    /// Files and directories left on the mount: too young to be sure that
    /// nobody is about to write their row, or still open on this client.
    pub left: u64,
}

impl Store {
    /// Deletes a file: its row, live or not, then its bytes.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`]: no row; nothing was touched.
    /// - [`ErrorKind::Storage`]: the row is soft-deleted, so that nobody sees the
    ///   file any more, but the file could not be removed.
    /// - [`ErrorKind::Unavailable`]: database or mount gone. Either nothing was
    ///   touched, or the row is soft-deleted; deleting again goes on from there.
    pub fn delete(&self, id: &FileId) -> Result<()> {
        let name = [self.name(id)?];
        let process = self.process()?;
        runtime::block_on(async {
            let missing = || Error::not_found("delete", id.as_str());
            process.index.find(&name[0]).await?.ok_or_else(missing)?;
            process.on_mount("delete", |mount| mount.require_alive()).await?;
            match process.soft_delete(&name).await? {
                0 => Err(missing()),
                _ => Ok(()),
            }
        })?;
        step!("soft-deleted");
        process.purge(&name).map(drop)
    }

    /// Deletes all files below a directory, in batches, names compared byte
    /// for byte; then what is left of the directory itself.
    ///
    /// A directory without rows and files is no error.
    ///
    /// # Errors
    ///
    /// As [`Store::delete`]; what was deleted before the error stays deleted. A
    /// file that cannot be removed does not keep the others.
    pub fn delete_directory(&self, dir: &DirId) -> Result<Deleted> {
        let process = self.process()?;
        let beneath = process.name_prefix.beneath(Some(dir))?;
        let mut deleted = Deleted::default();
        let mut after = None;
        let mut removal = Removal::default();
        loop {
            let page = runtime::block_on(async {
                process.index.list(&beneath, after.as_deref(), PAGE).await
            })?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            let names: Vec<_> = page.iter().map(|row| FileName::stored(&row.name)).collect();
            for names in names.chunks(PURGE_BATCH) {
                deleted.rows += runtime::block_on(async {
                    process.on_mount("delete_directory", |mount| mount.require_alive()).await?;
                    process.soft_delete(names).await
                })?;
                removal.add(process.purge(names))?;
            }
        }
        let Swept { removed, left } = process.mount.sweep(dir)?;
        deleted.files = removal.end()? + removed;
        deleted.left = left;
        Ok(deleted)
    }
}

impl Store {
    /// The next soft-deleted rows of the whole table after a key.
    pub(crate) fn soft_deleted(&self, after: Option<&str>) -> Result<Vec<Keyed>> {
        let process = self.process()?;
        runtime::block_on(async { process.index.soft_deleted(after, PAGE).await })
    }

    /// Ends the deletion of what is soft-deleted still among these names; says
    /// how many files went.
    pub(crate) fn end_deletion(&self, names: &[FileName]) -> Result<u64> {
        let process = self.process()?;
        let mut removal = Removal::default();
        for names in names.chunks(PURGE_BATCH) {
            runtime::block_on(async {
                process.on_mount("purge", |mount| mount.require_alive()).await
            })?;
            removal.add(process.purge(names))?;
        }
        removal.end()
    }
}

/// Files removed batch by batch. One that cannot be removed does not keep the
/// others; the first such error comes at the end.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    files: u64,
    failure: Option<Error>,
}

impl Removal {
    /// Counts what a batch came to; only an error that the next batch would
    /// meet as well ends the whole.
    pub(crate) fn add(&mut self, batch: Result<u64>) -> Result<()> {
        match batch {
            Ok(files) => self.files += files,
            Err(error) if error.kind() == ErrorKind::Storage => {
                self.failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(crate) fn end(self) -> Result<u64> {
        self.failure.map_or(Ok(self.files), Err)
    }
}

impl Process {
    async fn soft_delete(&self, names: &[FileName]) -> Result<u64> {
        let outcome = self.index.soft_delete(names).await;
        self.forget(names);
        outcome
    }

    /// Removes the files of those of these names that are soft-deleted still,
    /// then their rows; says how many files. Where a file cannot be removed its
    /// row stays soft-deleted; the first such error is returned at the end.
    pub(super) fn purge(&self, names: &[FileName]) -> Result<u64> {
        let (mut pending, names) = runtime::block_on(async {
            let mut attempts = Attempts::default();
            loop {
                match self.index.begin_purge(names).await {
                    Ok(locked) => return Ok(locked),
                    Err(error) => attempts.pause_or_fail(error).await?,
                }
            }
        })?;
        step!("locked");
        let mut files = 0;
        let mut failure = None;
        let mut gone = Vec::with_capacity(names.len());
        for name in names {
            // A name that is no id (`a//b`) leads to the file of another name.
            match self.name_prefix.id(name.as_str()).map(|id| self.mount.remove(&id)) {
                Some(Err(error)) => {
                    failure.get_or_insert(error);
                    continue;
                }
                Some(Ok(removed)) => files += u64::from(removed),
                None => {}
            }
            gone.push(name);
        }
        step!("files-removed");
        let outcome = runtime::block_on(async {
            pending.delete(&self.index, &gone).await?;
            step!("rows-deleted");
            pending.commit().await
        });
        self.forget(&gone);
        outcome?;
        failure.map_or(Ok(files), Err)
    }
}
