//! Taking away from the target what the source has not: into the trash, each under its row's lock.

use super::side::Removal;
use super::work::Done;
use super::{Copy, Pass, Run};
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::limit;
use crate::name::FileId;
use crate::store::is_of_all;

impl Copy {
    /// What a whole pass has found.
    pub(super) fn remove(&self, run: &mut Run<'_>, pass: &mut Pass) -> Result<()> {
        let rows = pass.unchanged + pass.copied + pass.extra;
        let most = limit::most(self.options.max_remove, rows);
        limit::require("copy", self.to.shown(), pass.extra, most)?;
        let refused = |reason: String| {
            Err(Error::new(ErrorKind::InvalidInput, "copy", self.from.shown(), reason))
        };
        let both = pass.unchanged + pass.copied;
        if pass.failed > 0 {
            // What could not be read may be what seems to be gone.
            log::warn!("ezdfs: nothing is removed from the target: not all of the source is known");
            return Ok(());
        }
        if both == 0 {
            let reason = "the source has no file at all: is it the right one? Nothing was removed";
            return refused(reason.to_owned());
        }
        if pass.extra > both && self.options.max_remove.is_none() {
            return refused(format!(
                "{} files would go from the target, more than stay: is the source the right one? \
                 If it is, say --max-remove {}; nothing was removed",
                pass.extra, pass.extra
            ));
        }
        self.from.require_alive()?;
        self.remove_each(&std::mem::take(&mut pass.extras), run)
    }

    pub(super) fn remove_each(&self, ids: &[FileId], run: &mut Run<'_>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let removal = self.to.begin_removal()?;
        for id in ids {
            if self.remove_one(id, &removal, run)? {
                run.outcome.removed += 1;
                run.report.removed(id)?;
                self.copy_deleted(id, run)?;
            }
        }
        Ok(())
    }

    /// What lived at the target may be soft-deleted at the source: there is room for that now.
    fn copy_deleted(&self, id: &FileId, run: &mut Run<'_>) -> Result<()> {
        let row = self.from.find(id)?.and_then(|source| source.row).filter(|row| !row.is_live());
        let Some(row) = row.filter(|_| self.options.with_deleted) else { return Ok(()) };
        match self.work().deleted(id, &row) {
            Ok(Done::Copied { id, size, difference }) => {
                run.outcome.copied += 1;
                run.report.copied(&id, size, difference)
            }
            Ok(_) => Ok(()),
            Err(error) => self.failed(error, run),
        }
    }

    /// Whether it went: the source may have it by now.
    fn remove_one(&self, id: &FileId, removal: &Removal, run: &mut Run<'_>) -> Result<bool> {
        if self.from.find(id)?.is_some_and(|source| source.is_live()) {
            return Ok(false);
        }
        if self.options.dry_run {
            return Ok(true);
        }
        match self.to.remove(id, removal) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => self.failed(error, run).map(|()| false),
        }
    }

    fn failed(&self, error: Error, run: &mut Run<'_>) -> Result<()> {
        if is_of_all(&error) {
            return Err(error);
        }
        run.outcome.failed += 1;
        run.report.failure(error);
        Ok(())
    }
}
