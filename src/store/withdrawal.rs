//! Deleting where a row's lock does not reach all writers (Galera). What is there may
//! be what somebody is about to commit on another server: so a file is set aside while
//! its row is locked, and taken away when the commit that deletes the row is
//! certified. If it is not, what a live row speaks of goes back.

use super::Process;
use super::removal::Step;
use super::trash::Disposal;
use crate::error::Result;
use crate::files::{Mount, Remover};
use crate::metadata::Row;
use crate::mount::Pulse;
use crate::name::{DirId, FileName};

/// A file that was set aside to be taken away.
#[derive(Debug)]
pub(super) struct Withdrawn {
    pub(super) name: FileName,
    /// Where it is set aside.
    pub(super) aside: String,
    pub(super) step: Step,
}

impl Process {
    /// Ends what was begun with these files, after a commit that was certified or not.
    pub(super) async fn end_withdrawal(
        &self,
        withdrawn: Vec<Withdrawn>,
        is_committed: bool,
        disposal: Disposal,
        prune: Option<DirId>,
    ) -> Result<()> {
        let mut unwanted = Vec::with_capacity(withdrawn.len());
        for one in withdrawn {
            if is_committed || !self.is_put_back(&one).await? {
                unwanted.push(one);
            }
        }
        let take_away = move |mount: &Mount, pulse: &Pulse| {
            let mut remover = Remover::new(mount, prune)?;
            for Withdrawn { aside, step, .. } in unwanted {
                pulse.beat();
                step.moved_to(aside).carry_out(mount, &mut remover, &disposal)?;
            }
            Ok(())
        };
        self.gate.run_long("delete", take_away).await
    }

    /// Whether a live row has the name again: then its file goes back, if it is this.
    async fn is_put_back(&self, one: &Withdrawn) -> Result<bool> {
        let row = self.index.find(&one.name).await?.filter(Row::is_live);
        let (Some(_), Some(id)) = (row, self.name_prefix.id(one.name.as_str())) else {
            return Ok(false);
        };
        let aside = one.aside.clone();
        let find = self.gate.run("delete", move |mount| mount.withdrawn(&id, &aside));
        let withdrawn = find.await?;
        let settled = self.settle_file(&one.name, None, withdrawn, None, None).await?;
        drop(settled.give_up());
        Ok(true)
    }
}
