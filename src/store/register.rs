//! Registering files that lie on the mount already.

use super::{Process, Store};
use crate::error::Result;
use crate::metadata::Row;
use crate::name::{FileId, FileName};
use crate::runtime;

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
    /// The row had another size.
    Updated,
    /// A live row of this size was there.
    Unchanged,
    /// The row says that the file was deleted: legacy leaves such files on the
    /// mount, and they must not come back.
    SoftDeleted,
}

impl Store {
    /// Registers at most [`BATCH`](crate::index::BATCH) files in one
    /// transaction; answers in their order.
    ///
    /// A live row of the right size is left as it is, whatever it says of type
    /// and time: it was written by somebody who knew.
    pub(crate) fn register(&self, files: &[Candidate], dry_run: bool) -> Result<Vec<Registered>> {
        let names =
            files.iter().map(|file| self.name(&file.id)).collect::<Result<Vec<FileName>>>()?;
        let process = self.process()?;
        runtime::block_on(async {
            let mut attempts = process.index.attempts();
            loop {
                match process.register(files, &names, dry_run).await {
                    Ok(outcomes) => return Ok(outcomes),
                    Err(error) => attempts.pause_or_fail(error).await?,
                }
            }
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
        let known = self.index.find_many(names).await?;
        let mut outcomes = Vec::with_capacity(files.len());
        let mut writes = Vec::new();
        for (file, name) in files.iter().zip(names) {
            let row = known.get(&name.hash()).map(Result::as_ref).transpose();
            let outcome = match row.map_err(Clone::clone)? {
                None => Registered::Added,
                Some(row) if !row.is_live() => Registered::SoftDeleted,
                Some(row) if row.size == file.size => Registered::Unchanged,
                Some(_) => Registered::Updated,
            };
            if matches!(outcome, Registered::Added | Registered::Updated) {
                let row = Row::new(name, &file.id, file.size, file.mtime, file.mime_type);
                writes.push((name.clone(), row));
            }
            outcomes.push(outcome);
        }
        if !dry_run && !writes.is_empty() {
            self.index.upsert_many(&writes).await?;
            step!("registered");
            for (name, _) in &writes {
                self.forget([name]);
            }
        }
        Ok(outcomes)
    }
}
