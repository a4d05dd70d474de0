//! Whether the new names are nobody's, before anything is changed.

use super::batches::{Batch, Batches};
use super::{RenamePrefix, RenamePrefixReport};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Linkless, Mount, Twins};
use crate::maintenance::Phase;
use crate::mount::Pulse;
use crate::name::FileId;
use crate::runtime;
use crate::store::{Process, Said};

impl RenamePrefix {
    /// Refuses new names that are something else's.
    pub(super) fn require_free(&self, report: &mut dyn RenamePrefixReport) -> Result<()> {
        let has_files = self.has_new_directory()?;
        let mut taken = Vec::new();
        let mut batches = Batches::new(&self.process, &self.names)?;
        while let Some(batch) = batches.next()? {
            let mut files = Vec::new();
            taken_rows(&batch, &mut taken, &mut files);
            if has_files {
                taken.extend(other_files(&self.process, files)?);
            }
            report.progress(Phase::Judging, batches.done, batches.total);
        }
        let Some(first) = taken.first() else { return Ok(()) };
        let reason = format!(
            "{} of the new names are those of something else already, this is the first; nothing \
             was changed",
            taken.len()
        );
        Err(Error::new(ErrorKind::InvalidInput, "rename", first, reason))
    }

    /// Most often there is none, and no file needs to be looked for.
    fn has_new_directory(&self) -> Result<bool> {
        let Some((_, new)) = &self.names.directories else { return Ok(false) };
        let path = new.as_str().to_owned();
        let look = move |mount: &Mount| mount.has_entry(&path);
        runtime::block_on(self.process.gate().run("rename", look))
    }
}

/// The new names whose rows are others, and where the files of the rest are.
fn taken_rows(batch: &Batch, taken: &mut Vec<String>, files: &mut Vec<(FileId, FileId)>) {
    for (pair, row, _) in batch.verdicts() {
        match batch.new_row(pair) {
            Some(new) if Said::from(new) != Said::from(row) => {
                taken.push(pair.new.as_str().to_owned());
            }
            _ => files.extend(pair.paths.clone()),
        }
    }
}

/// Those of the new paths at which another file is.
fn other_files(process: &Process, files: Vec<(FileId, FileId)>) -> Result<Vec<String>> {
    let look = move |mount: &Mount, pulse: &Pulse| {
        let twinning = mount.twinning(Linkless::Refuse)?;
        let mut others = Vec::new();
        for (old, new) in files {
            pulse.beat();
            match twinning.look(&old, &new)? {
                Twins::Differ { .. } | Twins::OnlyNew => others.push(new.as_str().to_owned()),
                Twins::Nothing | Twins::OnlyOld | Twins::Same => {}
            }
        }
        Ok(others)
    };
    runtime::block_on(process.gate().run_long("rename", look))
}
