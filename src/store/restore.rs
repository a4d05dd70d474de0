//! Undoing what an overwrite has left that died between its rename and its
//! commit: the row's own file lies beside the one that was put in its place.

use super::{Checking, Process, State, Store, Verdict};
use crate::error::Result;
use crate::name::FileName;
use crate::runtime;

impl Store {
    /// Looks whether this path is the file that a live row speaks of, set aside
    /// for one that was not committed; puts it back if `repair` says so.
    pub(crate) fn check_kept(
        &self,
        path: &str,
        repair: bool,
        checking: &Checking,
    ) -> Result<Option<Verdict>> {
        let process = self.process()?;
        let path_owned = path.to_owned();
        let found = runtime::block_on(async {
            process.on_mount("check", move |mount| mount.replaced(&path_owned)).await
        })?;
        let Some(found) = found else {
            return Ok(None);
        };
        let name = process.name_prefix.name(&found.id)?;
        let row = runtime::block_on(async { process.index.find(&name).await })?;
        if !row.is_some_and(|row| found.is_of(&row)) {
            return Ok(None);
        }
        let detail = format!("kept for {:?}, whose row speaks of it", found.id.as_str());
        let state = match repair {
            false => State::Found,
            true if process.put_back(path, &name, checking)? => State::Repaired,
            true => return Ok(None),
        };
        Ok(Some(Verdict { detail, state }))
    }
}

impl Process {
    /// Looks once more under the row's lock, then renames. Blocks without a
    /// deadline, because the rename must have ended when others may write again.
    fn put_back(&self, path: &str, name: &FileName, checking: &Checking) -> Result<bool> {
        let (locked, row) = runtime::block_on(async {
            let mut attempts = self.index.attempts();
            loop {
                match self.index.lock(&name.hash()).await {
                    Ok(locked) => return Ok(locked),
                    Err(error) => attempts.pause_or_fail(error).await?,
                }
            }
        })?;
        let put_back = || {
            runtime::block_on(async { self.require_same_mount(checking).await })?;
            match (self.mount.replaced(path)?, row) {
                (Some(found), Some(row)) if found.is_of(&row) => {
                    self.mount.put_back(path, &found.id).map(|()| true)
                }
                _ => Ok(false),
            }
        };
        let outcome = put_back();
        runtime::block_on(async { locked.roll_back().await })?;
        outcome
    }
}
