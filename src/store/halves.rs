//! The two halves by themselves, for kernels that pair one of them with another
//! handler: rows here and bytes on S3, or the reverse. Nothing keeps row and
//! file together then but the order in which the kernel calls.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use super::delete::GRACE;
use super::ending::outcome_unknown;
use super::read::FIRST_BYTE;
use super::write::now;
use super::writing::{EmptyRoot, Source};
use super::{Process, Store};
use crate::debris::{self, Debris};
use crate::error::{Error, Result};
use crate::files::{Mount, Remover, Staged, modified};
use crate::index::{BATCH, Keyed, Locks};
use crate::metadata::{DEFAULT_MIME, FileInfo, Identity, Mtime, Row, check_mtime};
use crate::mime;
use crate::mount::Pulse;
use crate::name::{DirId, FileId};
use crate::runtime;
use crate::stats::Counter;

impl Store {
    /// Writes a row, live, replacing what the id had before. Does not touch the
    /// mount. `mime_type` need not be one, as that of many a legacy row is not.
    ///
    /// # Errors
    ///
    /// Those of [`Store::create`] that speak of metadata and database.
    pub fn put_metadata(
        &self,
        id: &FileId,
        size: u64,
        mtime: Option<i64>,
        mime_type: Option<&str>,
    ) -> Result<FileInfo> {
        let process = self.process()?;
        let put = process.put_metadata(id, size, mtime, mime_type);
        process.changed(put, Counter::MetadataPut)
    }

    /// Deletes a row, live or not. Does not touch the mount.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) where there is none.
    pub fn delete_metadata(&self, id: &FileId) -> Result<()> {
        let process = self.process()?;
        process.changed(process.delete_metadata(id), Counter::MetadataDeleted)
    }

    /// Deletes all rows below a directory, names compared byte for byte; says
    /// how many. Does not touch the mount.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn delete_metadata_directory(&self, dir: &DirId) -> Result<u64> {
        let process = self.process()?;
        let deleted = process.delete_metadata_directory(dir);
        process.changed(deleted, Counter::MetadataDirectoriesDeleted)
    }

    /// Writes a file, staged and renamed, without a row; says how many bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Store::create`] that speak of bytes and mount.
    pub fn put_data(
        &self,
        id: &FileId,
        source: &mut dyn Read,
        declared: Option<u64>,
    ) -> Result<u64> {
        let process = self.process()?;
        let put = process.put_data(id, source, declared);
        let written = process.changed(put, Counter::DataPut)?;
        process.stats.add(Counter::WrittenBytes, written);
        Ok(written)
    }

    /// Opens a file whatever the table says of it; gives its length too.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) only where it is
    /// missing from a live mount.
    pub fn open_data(&self, id: &FileId) -> Result<(File, u64)> {
        let process = self.process()?;
        process.ended(process.open_data(id))
    }

    /// Removes a file whatever the table says of it; nothing where it is gone.
    ///
    /// # Errors
    ///
    /// Those of the mount.
    pub fn delete_data(&self, id: &FileId) -> Result<()> {
        let process = self.process()?;
        process.changed(process.delete_data(id), Counter::DataDeleted)
    }

    /// Removes what lies below a directory whatever the table says of it, but for
    /// what ezdfs has lately begun to write there: its writer may be alive.
    ///
    /// # Errors
    ///
    /// Those of the mount.
    pub fn delete_data_directory(&self, dir: &DirId) -> Result<()> {
        let process = self.process()?;
        process.changed(process.delete_data_directory(dir), Counter::DataDirectoriesDeleted)
    }
}

impl Process {
    fn put_metadata(
        &self,
        id: &FileId,
        size: u64,
        mtime: Option<i64>,
        mime_type: Option<&str>,
    ) -> Result<FileInfo> {
        let name = self.name_prefix.name(id)?;
        let mime_type = mime_type.map(mime::check_datatype).transpose()?;
        let mime_type = mime_type.unwrap_or(DEFAULT_MIME);
        let given = mtime.map(|mtime| check_mtime(id, mtime)).transpose()?;
        let mtime = given.map_or_else(|| Mtime::Written(now()), Mtime::Given);
        let row = |locks: &Locks| {
            let mtime = mtime.after(locks.get(&name), false, locks.turns);
            Row::new(&name, &self.name_prefix, size, mtime, mime_type)
        };
        let row = runtime::block_on(async { self.index.write(&name, row).await });
        self.forget([&name]);
        Ok(FileInfo::new(id.clone(), &row?))
    }

    fn delete_metadata(&self, id: &FileId) -> Result<()> {
        let name = self.name_prefix.name(id)?;
        let deleted = runtime::block_on(async { self.index.delete(&name).await });
        self.forget([&name]);
        if deleted? { Ok(()) } else { Err(Error::not_found("delete", id.as_str())) }
    }

    fn delete_metadata_directory(&self, dir: &DirId) -> Result<u64> {
        let beneath = self.name_prefix.beneath(Some(dir))?;
        let mut deleted = 0;
        let mut after = None;
        loop {
            let list = async { self.index.list_by_key(&beneath, after.as_deref(), BATCH).await };
            let rows = runtime::block_on(list)?;
            let Some(last) = rows.last() else { return Ok(deleted) };
            after = Some(last.key.clone());
            let names: Vec<_> = rows.iter().map(Keyed::name).collect();
            let outcome = runtime::block_on(async { self.index.delete_many(&names).await });
            self.forget(&names);
            deleted += outcome?;
        }
    }

    fn put_data(
        self: &Arc<Self>,
        id: &FileId,
        source: &mut dyn Read,
        declared: Option<u64>,
    ) -> Result<u64> {
        let source = Source::Reader(source);
        let mut written = self.write(id, source, declared, EmptyRoot::AskTableOrMount)?;
        let staged = written.take()?;
        let path = id.clone();
        let publish = move |_: &Mount| put_without_row(&path, staged, Identity::default());
        runtime::block_on(self.gate.run("store", publish))?;
        Ok(written.size)
    }

    fn open_data(&self, id: &FileId) -> Result<(File, u64)> {
        runtime::block_on(async {
            let is_bare = |mount: &Mount| mount.is_bare();
            match self.open_file(id, false, FIRST_BYTE).await {
                Ok(opened) => Ok((opened.file, opened.size)),
                Err(_) if self.gate.run("open", is_bare).await.is_ok_and(|is| is) => {
                    self.require_new_store("open").await?;
                    Err(Error::not_found("open", id.as_str()))
                }
                Err(error) => Err(error),
            }
        })
    }

    fn delete_data(&self, id: &FileId) -> Result<()> {
        runtime::block_on(async {
            let path = id.as_str().to_owned();
            let remove = move |mount: &Mount| match mount.is_bare()? {
                true => Ok(false),
                false => Remover::new(mount, None)?.unlink(&path).map(|_| true),
            };
            match self.gate.run("delete", remove).await? {
                true => Ok(()),
                false => self.require_new_store("delete").await,
            }
        })
    }

    fn delete_data_directory(&self, dir: &DirId) -> Result<()> {
        let is_bare = |mount: &Mount| mount.is_bare();
        runtime::block_on(async {
            match self.gate.run("delete_directory", is_bare).await? {
                true => self.require_new_store("delete_directory").await,
                false => Ok(()),
            }
        })?;
        let path = dir.as_str().to_owned();
        let remove = move |mount: &Mount, pulse: &Pulse| {
            let files = mount.leftovers(&path, &|| pulse.beat())?.files;
            let (staged, files): (Vec<_>, Vec<_>) =
                files.into_iter().partition(|file| is_staged(file));
            let mut remover = Remover::new(mount, None)?;
            for file in files {
                pulse.beat();
                remover.unlink(&file)?;
            }
            if staged.is_empty() {
                return Ok(());
            }
            let now = mount.server_time([path.as_str()])?;
            let cutoff = now.checked_sub(GRACE).unwrap_or(SystemTime::UNIX_EPOCH);
            for file in staged {
                pulse.beat();
                if remover.look(&file)?.is_some_and(|status| modified(&status) < cutoff) {
                    remover.unlink(&file)?;
                }
            }
            Ok(())
        };
        runtime::block_on(self.gate.run_long("delete_directory", remove))?;
        self.prune_data(dir)
    }
}

/// Gives a file that was staged its name, and the time of a version that somebody knows of;
/// no row is known, so none is this write's.
pub(crate) fn put_without_row(id: &FileId, staged: Staged, version: Identity) -> Result<()> {
    let (mut published, placed) = staged.publish(Identity::default(), version, false);
    match placed {
        Ok(()) => published.confirm().map(drop),
        Err(error) => match published.settle(None, false) {
            Ok(_) => {
                drop(published.give_up());
                Err(error)
            }
            Err(_) => Err(outcome_unknown(id.as_str(), error.detail()).with_source(error)),
        },
    }
}

/// Whether ezdfs keeps this name for what it has not finished.
fn is_staged(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    debris::of_file(name.as_bytes()) == Some(Debris::Staging)
}

impl Process {
    /// Refuses an empty root, unless it is that of a new store: that of a share which is
    /// not there is as empty.
    async fn require_new_store(&self, operation: &'static str) -> Result<()> {
        match self.has_no_rows().await {
            Ok(true) => Ok(()),
            Ok(false) => self.gate.run(operation, Mount::require_alive).await,
            Err(_) => self.gate.run(operation, Mount::require_share).await,
        }
    }

    /// Removes the directories below this one that are empty, and itself; but nothing that
    /// lies in the root, which would look as if nothing were mounted.
    fn prune_data(&self, dir: &DirId) -> Result<()> {
        if dir.as_str().contains('/') {
            return self.prune(dir).map(drop);
        }
        let path = dir.as_str().to_owned();
        let prune = move |mount: &Mount, pulse: &Pulse| {
            mount.remove_empty_directories_below(&path, &|| pulse.beat())
        };
        runtime::block_on(self.gate.run_long("delete_directory", prune)).map(drop)
    }
}
