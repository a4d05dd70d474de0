//! Deleting, in two steps. First the row is soft-deleted, as legacy does it, and
//! committed: from then on no node of any kind finds the name. Then, while the
//! row is locked, so that nobody can store the name again meanwhile, the file is
//! removed and the row with it. A crash between leaves a soft-deleted row and
//! its file, which nobody sees, and which deleting again or `purge` finishes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::mounted::{Started, silent};
use super::{Process, Pulse, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, Remover, Swept};
use crate::index::{BATCH, Keyed, PAGE, PendingWrite};
use crate::name::{DirId, FileId, FileName};
use crate::runtime;

/// Rows that are locked at a time while their files are removed.
const PURGE_BATCH: usize = BATCH;

/// So many files are removed by one thread: a server answers several at a time.
const FILES_PER_THREAD: usize = 128;

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
            let alive = process.on_mount("delete", |mount| mount.require_alive()).await;
            if let Err(gone) = alive {
                // An empty root says nothing where there is no row.
                process.index.find(&name[0]).await?.ok_or_else(missing)?;
                return Err(gone);
            }
            match process.soft_delete(&name).await? {
                0 => Err(missing()),
                _ => Ok(()),
            }
        })?;
        step!("soft-deleted");
        process.purge(&name, None).map(drop)
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
                process.index.list_by_key(&beneath, after.as_deref(), PAGE).await
            })?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let mut names: Vec<_> = page.iter().map(Keyed::name).collect();
            // Files of one directory after each other.
            names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
            for names in names.chunks(PURGE_BATCH) {
                deleted.rows += runtime::block_on(async {
                    process.on_mount("delete_directory", |mount| mount.require_alive()).await?;
                    process.soft_delete(names).await
                })?;
                step!("soft-deleted");
                removal.add(process.purge(names, Some(dir)))?;
            }
        }
        let Swept { removed, left } = process.sweep(dir)?;
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
            removal.add(process.purge(names, None))?;
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

    /// Removes what is left below a directory.
    pub(super) fn sweep(&self, dir: &DirId) -> Result<Swept> {
        let dir = dir.clone();
        let sweep = move |mount: &Mount, pulse: &Pulse| mount.sweep(&dir, &|| pulse.beat());
        runtime::block_on(self.on_mount_long("delete_directory", sweep))
    }

    /// Removes the files of those of these names that are soft-deleted still,
    /// then their rows; says how many files. Begins again where the database
    /// asks for it, or was lost: what was done then is not done twice. Below
    /// `prune`, directories that become empty are removed as well.
    pub(super) fn purge(
        self: &Arc<Self>,
        names: &[FileName],
        prune: Option<&DirId>,
    ) -> Result<u64> {
        runtime::block_on(async {
            let files = Arc::new(AtomicU64::new(0));
            let mut attempts = self.index.attempts();
            while let Err(error) = self.purge_once(names, prune, &files).await {
                attempts.pause_or_fail(error).await?;
            }
            Ok(files.load(Ordering::Relaxed))
        })
    }

    async fn purge_once(
        self: &Arc<Self>,
        names: &[FileName],
        prune: Option<&DirId>,
        files: &Arc<AtomicU64>,
    ) -> Result<()> {
        let (pending, names) = self.index.begin_purge(names).await?;
        step!("locked");
        let mut removing = Removing::default();
        for names in names.chunks(FILES_PER_THREAD) {
            let started = self.start_removing(names.to_vec(), prune.cloned(), Arc::clone(files));
            removing.started.push_back(started.await?);
        }
        self.end_purge(pending, removing).await
    }

    /// Where a file cannot be removed its row stays soft-deleted; the first such
    /// error is told of at the end.
    async fn start_removing(
        self: &Arc<Self>,
        names: Vec<FileName>,
        prune: Option<DirId>,
        files: Arc<AtomicU64>,
    ) -> Result<Started<Removed>> {
        let process = Arc::clone(self);
        let remove = move |mount: &Mount, pulse: &Pulse| {
            let mut removed = Removed::default();
            let mut remover = Remover::new(mount, prune)?;
            for name in names {
                pulse.beat();
                // A name that is no id (`a//b`) leads to the file of another name,
                // and so may one that does not fit its key.
                let id = name.has_its_key().then(|| process.name_prefix.id(name.as_str()));
                let outcome = id.flatten().map(|id| remover.remove(&id));
                match outcome.transpose() {
                    Ok(was_there) => {
                        files.fetch_add(was_there.unwrap_or(false).into(), Ordering::Relaxed);
                        removed.names.push(name);
                    }
                    Err(error) => {
                        removed.failure.get_or_insert(error);
                    }
                }
            }
            Ok(removed)
        };
        self.start_on_mount("delete", remove).await
    }

    /// An unlink that hangs cannot be called back: the caller is told, and the
    /// rows stay locked until it has ended, so that it meets no newer file.
    async fn end_purge(
        self: &Arc<Self>,
        pending: PendingWrite,
        mut removing: Removing,
    ) -> Result<()> {
        if let Some(removed) = removing.end_within(self.mount_timeout).await {
            return self.delete_rows(pending, removed).await;
        }
        let process = Arc::clone(self);
        runtime::in_background(async move {
            if let Err(error) = process.delete_rows(pending, removing.end().await).await {
                log::error!("ezdfs: {error:#}");
            }
        })?;
        Err(silent("delete", self.mount_timeout))
    }

    async fn delete_rows(&self, mut pending: PendingWrite, removed: Removed) -> Result<()> {
        step!("files-removed");
        let delete = async {
            pending.delete(&self.index, &removed.names).await?;
            step!("rows-deleted");
            pending.commit().await
        };
        let outcome = delete.await;
        self.forget(&removed.names);
        outcome?;
        removed.failure.map_or(Ok(()), Err)
    }
}

/// What came of removing the files of some rows.
#[derive(Debug, Default)]
struct Removed {
    /// Of the rows whose files are gone.
    names: Vec<FileName>,
    failure: Option<Error>,
}

impl Removed {
    fn add(&mut self, other: Result<Removed>) {
        let (names, failure) = match other {
            Ok(other) => (other.names, other.failure),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        self.names.extend(names);
        self.failure = self.failure.take().or(failure);
    }
}

/// The files of one batch, being removed by several threads.
#[derive(Default)]
struct Removing {
    started: VecDeque<Started<Removed>>,
    removed: Removed,
}

impl Removing {
    /// Waits for all; `None` where one of them hangs.
    async fn end_within(&mut self, patience: Duration) -> Option<Removed> {
        while let Some(first) = self.started.front_mut() {
            let ended = first.end_within(patience).await?;
            self.started.pop_front();
            self.removed.add(ended);
        }
        Some(std::mem::take(&mut self.removed))
    }

    async fn end(mut self) -> Removed {
        while let Some(mut first) = self.started.pop_front() {
            self.removed.add(first.end().await);
        }
        self.removed
    }
}
