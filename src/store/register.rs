//! Registering files that lie on the mount already.

use super::{Process, Store};
use crate::error::{ErrorKind, Result};
use crate::files::Mount;
use crate::index::Registration;
use crate::metadata::Row;
use crate::mount::Pulse;
use crate::name::{FileId, FileName, NamePrefix};
use crate::runtime;

/// Seconds by which a file may seem newer than its row: writers put the file in
/// place before or after they read the clock.
pub(super) const SKEW: i64 = 2;

/// A file on the mount, as it was found.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) id: FileId,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    pub(crate) mime_type: &'static str,
}

/// What registering a file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    /// There was no row.
    Added,
    /// The row had another size, or is older than the file.
    Updated,
    /// A live row of this size was there, no older than the file.
    Unchanged,
    /// The row speaks of an old file that is kept beside this one.
    Interrupted,
    /// The row says that the file was deleted: legacy leaves such files on the
    /// mount, and they must not come back.
    SoftDeleted,
}

impl Store {
    /// Registers at most [`BATCH`](crate::index::BATCH) files in one
    /// transaction; answers in their order.
    ///
    /// A live row of the right size is left as it is, whatever it says of the type:
    /// it was written by somebody who knew. If the file is newer by more than
    /// clocks differ, somebody has replaced it, and the row gets its time, so that
    /// caches ask for the new bytes.
    pub(crate) fn register(&self, files: &[Candidate], dry_run: bool) -> Result<Vec<Registered>> {
        let names =
            files.iter().map(|file| self.name(&file.id)).collect::<Result<Vec<FileName>>>()?;
        let process = self.process()?;
        runtime::block_on(async {
            process.index.attempts().repeat(|| process.register(files, &names, dry_run)).await
        })
    }
}

impl Process {
    async fn register(
        &self,
        files: &[Candidate],
        names: &[FileName],
        dry_run: bool,
    ) -> Result<Vec<Registered>> {
        let mut known = self.index.find_many(names).await?;
        let mut outcomes = Vec::with_capacity(files.len());
        let mut wanted = Vec::new();
        for (file, name) in files.iter().zip(names) {
            let before = known.remove(&name.hash()).transpose()?;
            let outcome = match &before {
                None => Registered::Added,
                Some(row) if !row.is_live() => Registered::SoftDeleted,
                Some(row) if row.size == file.size && file.mtime <= row.mtime + SKEW => {
                    Registered::Unchanged
                }
                Some(row) if self.is_interrupted(&file.id, row).await? => Registered::Interrupted,
                Some(_) => Registered::Updated,
            };
            if matches!(outcome, Registered::Added | Registered::Updated) {
                let prefix = &self.name_prefix;
                let mut row = Row::new(name, prefix, file.size, file.mtime, file.mime_type);
                if let Some(before) = before.as_ref().filter(|before| before.size == row.size) {
                    row = Row { mtime: row.mtime, ..before.clone() };
                }
                wanted.push(Registration { name: name.clone(), row, before });
            }
            outcomes.push(outcome);
        }
        if !dry_run && !wanted.is_empty() {
            let outcome = self.write_rows(&wanted).await;
            self.forget(wanted.iter().map(|one| &one.name));
            outcome?;
            step!("registered");
        }
        Ok(outcomes)
    }

    /// To register what an interrupted overwrite has put in place would make it
    /// final, and the bytes of the row that was acknowledged would be lost.
    async fn is_interrupted(&self, id: &FileId, row: &Row) -> Result<bool> {
        let id = id.clone();
        let aside = self.gate.run("import", move |mount| mount.set_aside(&id)).await?;
        Ok(aside.of_row(row).is_some())
    }

    /// Looks at each file once more while nobody else can write its row: it was
    /// looked into some time ago, and may have been deleted or overwritten since.
    /// Such a one is as its writer says.
    async fn write_rows(&self, wanted: &[Registration]) -> Result<()> {
        let (mut pending, locked) = self.index.begin_register(wanted).await?;
        step!("reserved");
        let prefix = self.name_prefix.clone();
        let look = move |mount: &Mount, pulse: &Pulse| {
            let (mut right, mut wrong) = (Vec::new(), Vec::new());
            for one in locked {
                pulse.beat();
                match is_there(mount, &prefix, &one)? {
                    true => right.push(one),
                    false => wrong.push(one),
                }
            }
            Ok((right, wrong))
        };
        let (right, wrong) = self.gate.run_long("import", look).await?;
        let reserved: Vec<_> =
            wrong.into_iter().filter(|one| one.before.is_none()).map(|one| one.name).collect();
        pending.delete(&self.index, &reserved).await?;
        for one in &right {
            pending.register(&self.index, one).await?;
        }
        pending.commit().await
    }
}

fn is_there(mount: &Mount, prefix: &NamePrefix, one: &Registration) -> Result<bool> {
    let Some(id) = prefix.id(one.name.as_str()) else { return Ok(false) };
    match mount.examine(&id, 0) {
        Ok(file) => Ok(file.size == one.row.size),
        Err(error) if error.kind() == ErrorKind::NotFound || error.is_of_no_file() => Ok(false),
        Err(error) => Err(error),
    }
}
