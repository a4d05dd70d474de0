//! The end of the old names.

use std::sync::Arc;

use super::batches::{Batches, find};
use super::{Failed, RenamePrefix, RenamePrefixReport, RenamedPrefix, twin};
use crate::error::Result;
use crate::files::Mount;
use crate::maintenance::{Phase, limit};
use crate::metadata::Row;
use crate::mount::Pulse;
use crate::name::FileName;
use crate::runtime;
use crate::store::{PAIRS, Pair, Said, Stage, Verdict, decide};

/// Which name goes, because what had both was deleted under the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    Old,
    New,
}

impl RenamePrefix {
    /// What was deleted goes under both names; then the old names go.
    pub(super) fn finish(
        &mut self,
        report: &mut dyn RenamePrefixReport,
        renamed: &mut RenamedPrefix,
    ) -> Result<()> {
        if !self.ledger.is_ending {
            self.follow_deletions(report, renamed)?;
            if renamed.is_interrupted {
                return Ok(());
            }
            // From here on a row that is not under the old name was taken away by this.
            self.ledger.begin(&self.process, &self.names, true)?;
        }
        self.end_old_names(report, renamed)?;
        if renamed.is_interrupted {
            return Ok(());
        }
        renamed.left = self.clear_directory()?;
        let beneath = self.names.beneath();
        if runtime::block_on(async { self.process.index().count(&beneath).await })? == 0 {
            self.ledger.remove(&self.process)?;
        }
        Ok(())
    }

    fn end_old_names(
        &self,
        report: &mut dyn RenamePrefixReport,
        renamed: &mut RenamedPrefix,
    ) -> Result<()> {
        let mut failed = Failed { report, count: 0, tells: true };
        let stage = Stage::End(Arc::clone(&self.trash));
        let mut batches = Batches::new(&self.process, &self.names)?;
        while let Some(mut batch) = batches.next()? {
            // Told of before.
            failed.count += batch.failures.len() as u64;
            self.ledger.fill(&mut batch.pairs, &self.names);
            batch.tell_later(&self.process)?;
            let is_deleted = |verdict| verdict == Verdict::DeletedUnderNew;
            let deleted = batch.verdicts().filter(|(_, _, verdict)| is_deleted(*verdict)).count();
            let done = twin(&self.process, &batch.pairs, &stage, &mut failed)?;
            renamed.deleted += deleted as u64;
            renamed.renamed += done.copied;
            renamed.again += done.copied;
            renamed.ended += done.ended;
            failed.report.progress(Phase::Removing, batches.done, batches.total);
            if failed.report.is_interrupted() {
                renamed.is_interrupted = true;
                break;
            }
        }
        renamed.failed = failed.count;
        Ok(())
    }

    /// What was deleted under the old name since both were alike goes under the new one, too.
    fn follow_deletions(
        &self,
        report: &mut dyn RenamePrefixReport,
        renamed: &mut RenamedPrefix,
    ) -> Result<()> {
        let (mut deleted, mut planned) = (Vec::new(), 0);
        self.each_deletion(report, renamed, &mut |_, pair, goes| {
            planned += 1;
            deleted.extend((goes == Goes::New).then_some(pair));
            Ok(())
        })?;
        if renamed.is_interrupted {
            return Ok(());
        }
        let all = runtime::block_on(async { self.process.index().count("").await })?;
        let most = limit::most(self.options.max_remove, all);
        limit::require("rename", &*self.names.new, planned, most)?;
        let stage = Stage::Follow(Arc::clone(&self.trash));
        let mut failed = Failed { report, count: 0, tells: true };
        for pairs in deleted.chunks(PAIRS) {
            renamed.deleted += twin(&self.process, pairs, &stage, &mut failed)?.ended;
        }
        Ok(())
    }

    /// Lists what would follow a deletion into the trash.
    pub(super) fn would_follow_deletions(
        &self,
        report: &mut dyn RenamePrefixReport,
        renamed: &mut RenamedPrefix,
    ) -> Result<()> {
        let mut deleted = 0;
        self.each_deletion(report, renamed, &mut |report, pair, goes| {
            deleted += 1;
            report.would_remove(match goes {
                Goes::Old => pair.old.as_str(),
                Goes::New => pair.new.as_str(),
            })
        })?;
        renamed.deleted = deleted;
        Ok(())
    }

    /// What was deleted under one of the names since both were alike, and which of them it still
    /// has.
    fn each_deletion(
        &self,
        report: &mut dyn RenamePrefixReport,
        renamed: &mut RenamedPrefix,
        hear: &mut dyn FnMut(&mut dyn RenamePrefixReport, Pair, Goes) -> Result<()>,
    ) -> Result<()> {
        self.ledger.each(&self.process, PAIRS, &mut |rests| {
            let pair = |rest: &String| {
                Ok(Pair { noted: self.ledger.noted(rest), ..self.names.pair(rest)? })
            };
            let pairs = rests.iter().map(pair).collect::<Result<Vec<_>>>()?;
            let names = |which: fn(&Pair) -> &FileName| -> Vec<FileName> {
                pairs.iter().map(|pair| which(pair).clone()).collect()
            };
            let olds = find(&self.process, &names(|pair| &pair.old))?;
            let news = find(&self.process, &names(|pair| &pair.new))?;
            let said = |row: Option<&Row>| row.map(Said::from);
            for pair in pairs {
                let old = said(olds.get(&pair.old.hash()));
                let new = said(news.get(&pair.new.hash()));
                match decide(old.as_ref(), new.as_ref(), pair.noted) {
                    Verdict::DeletedUnderOld => hear(report, pair, Goes::New)?,
                    Verdict::DeletedUnderNew => hear(report, pair, Goes::Old)?,
                    _ => {}
                }
            }
            Ok(!report.is_interrupted())
        })?;
        renamed.is_interrupted |= report.is_interrupted();
        Ok(())
    }

    /// Removes the old directory, as far as it is empty; says how many files it has.
    fn clear_directory(&self) -> Result<u64> {
        let Some((old, _)) = &self.names.directories else { return Ok(0) };
        let path = old.as_str().to_owned();
        let clear = move |mount: &Mount, pulse: &Pulse| {
            mount.remove_empty_directories(&path, &|| pulse.beat())?;
            let left = mount.leftovers(&path, &|| pulse.beat())?;
            Ok(left.files.len() as u64 + left.foreign)
        };
        runtime::block_on(self.process.gate().run_long("rename", clear))
    }
}
