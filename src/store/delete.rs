//! Deleting. The row first, so that no reader finds the name any more; then
//! the file. A crash between leaves a file that nobody sees and `fsck` finds.

use super::{Process, Store};
use crate::error::{Error, Result};
use crate::index::BATCH;
use crate::metadata::Row;
use crate::name::{DirId, FileId, FileName};
use crate::runtime;

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
    /// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound): no row; nothing
    ///   was touched.
    /// - [`ErrorKind::Storage`](crate::ErrorKind::Storage): the row is deleted,
    ///   the file could not be removed.
    /// - [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable): database or
    ///   mount gone; nothing was touched.
    pub fn delete(&self, id: &FileId) -> Result<()> {
        let name = self.name(id)?;
        let process = self.process()?;
        runtime::block_on(async {
            let missing = || Error::not_found("delete", id.as_str());
            process.index.find(&name).await?.ok_or_else(missing)?;
            process.on_mount("delete", |mount| mount.require_alive()).await?;
            let deleted = process.index.delete(&name).await;
            process.cache.forget(&name.digest());
            if deleted? { Ok(()) } else { Err(missing()) }
        })?;
        process.mount.remove(id).map(drop)
    }

    /// Deletes all files below a directory, in batches, names compared byte
    /// for byte; then what is left of the directory itself.
    ///
    /// A directory without rows and files is no error.
    ///
    /// # Errors
    ///
    /// As [`Store::delete`]; what was deleted before the error stays deleted.
    pub fn delete_directory(&self, dir: &DirId) -> Result<Deleted> {
        let process = self.process()?;
        let beneath = process.name_prefix.beneath(Some(dir))?;
        let mut deleted = Deleted::default();
        loop {
            let rows =
                runtime::block_on(async { process.index.list(&beneath, None, BATCH).await })?;
            if rows.is_empty() {
                break;
            }
            process.delete_batch(&rows, &mut deleted)?;
        }
        let swept = process.mount.sweep(dir)?;
        deleted.files += swept.removed;
        deleted.left += swept.left;
        Ok(deleted)
    }
}

impl Process {
    fn delete_batch(&self, rows: &[Row], deleted: &mut Deleted) -> Result<()> {
        let names: Vec<FileName> = rows.iter().map(|row| FileName::stored(&row.name)).collect();
        runtime::block_on(async {
            self.on_mount("delete_directory", |mount| mount.require_alive()).await?;
            let outcome = self.index.delete_many(&names).await;
            for name in &names {
                self.cache.forget(&name.digest());
            }
            deleted.rows += outcome?;
            Ok(())
        })?;
        // A name that is no id (`a//b`) leads to a file of another name.
        for id in rows.iter().filter_map(|row| self.name_prefix.id(&row.name)) {
            match self.mount.remove(&id) {
                Ok(removed) => deleted.files += u64::from(removed),
                Err(error) => {
                    log::error!("ezdfs: {error:#}");
                    deleted.left += 1;
                }
            }
        }
        Ok(())
    }
}
