//! The second pass over files: those without a row, what interrupted writes have
//! left, and names in another form.

use std::sync::Arc;

use super::scan::require_same_mount;
use super::{Fault, Repairs, State, Verdict};
use crate::error::Result;
use crate::files::{aside_for, is_aside_for};
use crate::index::PAGE;
use crate::name::{DirId, FileId, FileName};
use crate::runtime;
use crate::store::Rowless;

use super::forms::Pair;

impl Repairs<'_> {
    /// Looks whether a file that had no row is there still and has none now,
    /// and takes it away if it is to be.
    pub(super) fn check_file(&self, fault: Fault, path: &str) -> Result<Option<Verdict>> {
        let detail = "no row names it".to_owned();
        let looked = runtime::block_on(self.look_at_file(path))?;
        let state = match looked {
            Looked::Gone => return Ok(None),
            Looked::Left(reason) => State::Left(reason),
            Looked::There if !self.repairs(fault) => State::Found,
            Looked::There => {
                require_same_mount(&self.process, self.checking)?;
                let (cutoff, disposal) = (self.checking.cutoff, self.disposal());
                match self.process.remove_rowless(path, cutoff, &disposal, fault.name())? {
                    Rowless::Taken => State::Repaired,
                    Rowless::Gone | Rowless::Young | Rowless::HasRow => return Ok(None),
                    Rowless::Claimed => State::Left(CLAIMED),
                }
            }
        };
        Ok(Some(Verdict::new(detail, state)))
    }

    async fn look_at_file(&self, path: &str) -> Result<Looked> {
        let asked = path.to_owned();
        let changed =
            self.process.gate().run("check", move |mount| mount.last_change(&asked)).await?;
        let Some(changed) = changed.filter(|changed| *changed <= self.checking.cutoff) else {
            return Ok(Looked::Gone);
        };
        // A name that ezdfs keeps for itself has no row, but may be of one.
        let Ok(id) = FileId::parse(path) else {
            let is_aside = aside_for(path.as_bytes()).is_some();
            return Ok(match self.may_be_needed(path).await? {
                true => Looked::Left(NEEDED),
                false if is_aside && changed > self.checking.newest_known => Looked::Left(NEWER),
                false => Looked::There,
            });
        };
        let name = self.process.name_prefix().name(&id)?;
        if self.process.index().find(&name).await?.is_some() {
            return Ok(Looked::Gone);
        }
        if self.process.is_claimed(path).await? {
            return Ok(Looked::Left(CLAIMED));
        }
        if changed > self.checking.newest_known {
            return Ok(Looked::Left(NEWER));
        }
        Ok(Looked::There)
    }

    /// Whether this is an old file that was set aside for a live row that has none now.
    async fn may_be_needed(&self, path: &str) -> Result<bool> {
        let Some(name) = self.owner_of_aside(path).await? else { return Ok(false) };
        let row = self.process.index().find(&name).await?;
        let Some(id) = self.process.name_prefix().id(name.as_str()) else { return Ok(false) };
        // Whether it is needed is nothing that this table says.
        if self.process.is_claimed(id.as_str()).await? {
            return Ok(true);
        }
        let has_file = self.process.gate().run("check", move |mount| mount.has_entry(id.as_str()));
        // Of a file in place that has no row it is not known whose both are.
        let Some(row) = row else { return Ok(true) };
        Ok(row.is_live() && !has_file.await?)
    }

    /// Looks whether this path is the file that a live row speaks of, set aside for
    /// one that was not committed; puts it back if it is to be.
    pub(super) fn check_aside(&self, path: &str) -> Result<Option<Verdict>> {
        let Some(name) = runtime::block_on(self.owner_of_aside(path))? else { return Ok(None) };
        let Some(id) = self.process.name_prefix().id(name.as_str()) else { return Ok(None) };
        let row = runtime::block_on(async { self.process.index().find(&name).await })?;
        let aside = self.process.mount().set_aside(&id)?;
        let reserved = path.rsplit('/').next().unwrap_or(path);
        if row.and_then(|row| aside.of_row(&row).map(|aside| aside == reserved)) != Some(true) {
            return Ok(None);
        }
        let detail = format!("kept for {:?}, whose row speaks of it", id.as_str());
        let is_claimed = runtime::block_on(self.process.is_claimed(id.as_str()))?;
        let state = match self.repairs(Fault::InterruptedOverwrite) {
            _ if is_claimed => State::Left(CLAIMED),
            false => State::Found,
            true if self.put_back(path, reserved, &id, &name)? => State::Repaired,
            true => return Ok(None),
        };
        Ok(Some(Verdict::new(detail, state)))
    }

    /// The name that a file set aside is labelled with: that of the file in place, or
    /// where there is none, of a row of the directory.
    async fn owner_of_aside(&self, path: &str) -> Result<Option<FileName>> {
        let prefix = self.process.name_prefix();
        let asked = path.to_owned();
        let owner =
            self.process.gate().run("check", move |mount| mount.owner_of_aside(&asked)).await?;
        if let Some(id) = owner {
            return prefix.name(&id).map(Some);
        }
        if aside_for(path.as_bytes()).is_none() {
            return Ok(None);
        }
        let dir = path.rsplit_once('/').map(|(dir, _)| DirId::parse(dir)).transpose()?;
        let beneath = prefix.beneath(dir.as_ref())?;
        let mut after = None;
        loop {
            let page = self.process.index().list_by_key(&beneath, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            after = Some(last.key.clone());
            let is_owner = |name: &&str| {
                let file_name = &name[beneath.len()..];
                !file_name.contains('/') && is_aside_for(path, file_name)
            };
            if let Some(name) = page.iter().map(|keyed| keyed.row.name.as_str()).find(is_owner) {
                return Ok(Some(FileName::stored(name)));
            }
        }
    }

    /// Looks once more under the row's lock, then renames.
    fn put_back(&self, path: &str, reserved: &str, id: &FileId, name: &FileName) -> Result<bool> {
        require_same_mount(&self.process, self.checking)?;
        let (path, reserved, id) = (path.to_owned(), reserved.to_owned(), id.clone());
        let trash = Arc::clone(&self.trash);
        runtime::block_on(async {
            let (locked, row) = self.lock(name).await?;
            let Some(row) = row else { return locked.roll_back().await.map(|()| false) };
            let put_back = move |mount: &crate::files::Mount| {
                let found = mount.set_aside(&id)?;
                if found.of_row(&row) != Some(&reserved) {
                    return Ok(None);
                }
                let mtime = found.mtime_when_back(&row);
                // What was put in its place was not acknowledged, but who knows.
                trash.keep(mount, Fault::InterruptedOverwrite.name(), id.as_str())?;
                mount.put_back(&path, &id, mtime).map(|()| Some(mtime))
            };
            // What had its place may be remembered under the old time.
            self.process.advance_while_locked(name, locked, put_back).await
        })
    }

    /// Looks whether a row's file lies beside its place under another form of its
    /// name, and gives it the row's spelling if that is to be.
    pub(super) fn check_form(&self, pair: &Pair) -> Result<Option<Verdict>> {
        let Pair { row_path, file_path, .. } = pair;
        let (id, other) = (FileId::parse(row_path)?, FileId::parse(file_path)?);
        let prefix = self.process.name_prefix();
        let (name, other_name) = (prefix.name(&id)?, prefix.name(&other)?);
        let (row, other_row, is_there) = runtime::block_on(async {
            let index = self.process.index();
            let (row, other_row) = (index.find(&name).await?, index.find(&other_name).await?);
            let there = id.as_str().to_owned();
            let is_there = self.process.gate().run("check", move |mount| mount.has_entry(&there));
            Ok((row, other_row, is_there.await?))
        })?;
        if !row.is_some_and(|row| row.is_live()) || other_row.is_some() || is_there {
            return Ok(None);
        }
        let detail = format!("its file is called {file_path:?}, in another form");
        let is_claimed = runtime::block_on(self.process.is_claimed(file_path))?;
        let state = match self.repairs(Fault::NameForm) {
            _ if is_claimed => State::Left(CLAIMED),
            false => State::Found,
            true => {
                require_same_mount(&self.process, self.checking)?;
                let outcome = runtime::block_on(async {
                    let (locked, row) = self.lock(&name).await?;
                    let from = file_path.clone();
                    let give = move |mount: &crate::files::Mount| match row {
                        Some(row) if row.is_live() => mount.give_name(&from, &id),
                        _ => Ok(false),
                    };
                    self.process.while_locked("repair", row_path, Some(locked), give).await
                });
                match outcome {
                    Ok(true) => State::Repaired,
                    Ok(false) => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(Some(Verdict::new(detail, state)))
    }

    async fn lock(
        &self,
        name: &FileName,
    ) -> Result<(crate::index::PendingWrite, Option<crate::metadata::Row>)> {
        let index = self.process.index();
        let (locked, row) = index.attempts().repeat(|| index.lock(name)).await?;
        Ok((locked.into_pending(), row))
    }
}

const CLAIMED: &str =
    "a row of another name or table speaks of it: do root, name_prefix and table fit?";
const NEEDED: &str = "a live row that has no file may speak of it: look at its bytes and decide";
const NEWER: &str = "newer than any row: is this the table in use? If it is, import the file";

enum Looked {
    There,
    /// Gone, young, or with a row by now.
    Gone,
    Left(&'static str),
}
