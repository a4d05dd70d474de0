//! Whether root, prefix and table fit the files that are to be registered.

use std::collections::BTreeSet;

use walkdir::DirEntry;

use super::Import;
use crate::debris;
use crate::error::{Error, ErrorKind, Result};
use crate::index::BATCH;
use crate::maintenance::{Phase, Progress, fit};
use crate::name::FileId;
use crate::runtime;
use crate::store::Process;
use crate::territory::storage_of;

/// What is learnt from names alone.
pub(super) struct Survey<'p> {
    process: &'p Process,
    new_storage: bool,
    /// Files that may get a row.
    fitting: u64,
    /// The first file outside the areas of a storage directory.
    foreign: Option<String>,
    storages: BTreeSet<String>,
}

impl<'p> Survey<'p> {
    pub(super) fn new(process: &'p Process, new_storage: bool) -> Self {
        let storages = BTreeSet::new();
        Survey { process, new_storage, fitting: 0, foreign: None, storages }
    }

    /// Says how many files there are.
    pub(super) fn run(
        mut self,
        entries: impl Iterator<Item = walkdir::Result<DirEntry>>,
        import: &Import<'_>,
        report: &mut (impl Progress + ?Sized),
    ) -> Result<u64> {
        let mut total = 0;
        let mut batch = Vec::with_capacity(BATCH);
        for entry in entries.flatten().filter(|entry| entry.file_type().is_file()) {
            total += 1;
            batch.extend(self.path(&entry, import));
            if batch.len() == BATCH {
                self.require_unclaimed(&batch)?;
                report.progress(Phase::Judging, total, 0);
                batch.clear();
            }
        }
        self.require_unclaimed(&batch)?;
        if self.fitting == 0
            && let Some(found) = &self.foreign
        {
            let reason = format!(
                "no file lies in images/, images-versioned/ or original/ of a storage directory, so \
                 none is registered: is the root one level off, or the name_prefix wrong? Expected \
                 were ids such as {:?}, found was {found:?}",
                match self.process.name_prefix().as_str() {
                    "" => "var/site/storage/images/...",
                    _ => "images/...",
                }
            );
            return Err(self.refused(reason));
        }
        for storage in self.storages.iter().filter(|_| !self.new_storage) {
            fit::require_known_storage(self.process, "import", storage)?;
        }
        Ok(total)
    }

    /// The path of a file that may get a row.
    fn path(&mut self, entry: &DirEntry, import: &Import<'_>) -> Option<String> {
        if debris::of_file(entry.file_name().as_encoded_bytes()).is_some() {
            return None;
        }
        let id = FileId::from_bytes(import.path(entry)).ok()?;
        if import.options.exclude.has(id.as_str()) {
            return None;
        }
        let name = self.process.name_prefix().name(&id).ok()?;
        let Some(storage) = storage_of(name.as_str(), self.process.name_prefix()) else {
            self.foreign.get_or_insert_with(|| id.as_str().to_owned());
            return None;
        };
        self.fitting += 1;
        if !self.storages.contains(storage) {
            self.storages.insert(storage.to_owned());
        }
        Some(id.as_str().to_owned())
    }

    /// Refuses files that have rows already, under other names.
    fn require_unclaimed(&self, paths: &[String]) -> Result<()> {
        let claimed = runtime::block_on(async {
            self.process.claimed_among(paths, !self.new_storage).await
        })?;
        let Some(path) = claimed.iter().min() else { return Ok(()) };
        Err(self.refused(format!(
            "the file {path:?} is that of a live row already, which has another name or is in another \
             table: do root, name_prefix and table fit?"
        )))
    }

    fn refused(&self, reason: String) -> Error {
        let reason = format!("{reason}; nothing was registered");
        Error::new(ErrorKind::InvalidConfig, "import", self.process.root_shown(), reason)
    }
}
