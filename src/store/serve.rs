//! Serving what a web request asks for: what is kept, or the row first, then the file.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::read::{may_be_later, missing_row};
use super::{Process, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::lookup::{Facts, Hit, Stamp};
use crate::name::{FileId, FileName, Key};
use crate::runtime;
use crate::serve::{self, Prefixes, Request};
use crate::serving::{CachedFile, OpenFile, READ_AHEAD, SharedFile};
use crate::stats::Timer;

/// How often it is looked what can be closed, at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How to find out that a kept file cannot be read any more, before anything
/// has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "capi"), expect(dead_code))]
pub(crate) enum Trial {
    /// Nothing will be read.
    None,
    /// By reading on the calling thread, which will read it anyway.
    Here,
    /// By reading where waiting is allowed.
    Elsewhere,
}

impl Store {
    /// Opens what a web request asks for, if it may have it.
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`] and of [`serve::candidates`].
    pub fn serve(&self, request: Request<'_>) -> Result<SharedFile> {
        let process = self.process()?;
        let ids = process.may_serve(self.prefixes(), request)?;
        match process.serve_known(&ids, Trial::Here, false) {
            Some(known) => known,
            None => runtime::block_on(async { process.serve(ids, false).await }),
        }
    }
}

impl Process {
    /// The ids that a request can mean, if it may have them.
    pub(crate) fn may_serve(
        &self,
        prefixes: Prefixes<'_>,
        request: Request<'_>,
    ) -> Result<Vec<FileId>> {
        let ids = serve::candidates(prefixes, request);
        ids.inspect_err(|refused| self.stats.count(refused.kind().into()))
    }

    /// What is known of these ids without waiting: an open file, or that none of
    /// them exists. `None` where it has to be looked up, as an open file has for one that is to
    /// be opened for the caller `alone`.
    pub(crate) fn serve_known(
        self: &Arc<Self>,
        ids: &[FileId],
        trial: Trial,
        alone: bool,
    ) -> Option<Result<SharedFile>> {
        let known = self.known(ids, trial).filter(|known| !alone || known.is_err())?;
        Some(self.looked_up(known, SharedFile::answered_by))
    }

    fn known(self: &Arc<Self>, ids: &[FileId], trial: Trial) -> Option<Result<SharedFile>> {
        if !self.lookup.knows_rows() {
            return None;
        }
        let mut absent = None;
        for id in ids {
            let key = self.name_prefix.key(id).ok()?;
            let hit = self.lookup.known_at_once(&key, self.is_logged(id))?;
            if hit.facts.is_none() {
                absent.get_or_insert_with(|| missing_row("open", id, hit.source));
                continue;
            }
            let file = match self.serving.in_memory(&key, hit.stamp) {
                Some(file) => file,
                None => {
                    let Some(kept) = self.serving.kept_open(&key, hit.stamp) else {
                        return self.open_at_once(id, key, hit).map(Ok);
                    };
                    self.tried(key, hit.stamp, kept, trial)?
                }
            };
            if hit.is_ageing {
                self.refresh(key, id);
            }
            return Some(Ok(file));
        }
        absent.map(Err)
    }

    /// A kept file, if it can be read, as far as that is to be tried here.
    fn tried(
        &self,
        key: Key,
        stamp: Stamp,
        kept: Arc<CachedFile>,
        trial: Trial,
    ) -> Option<SharedFile> {
        match trial {
            Trial::None => Some(kept.into()),
            Trial::Elsewhere => None,
            Trial::Here if kept.is_used_often() => {
                let file = kept.read()?;
                self.serving.keep_in_memory(key, stamp, &file);
                Some(file)
            }
            Trial::Here => kept.is_readable().then(|| kept.into()),
        }
    }

    /// Opens the file of a row that is known, where that waits for nothing.
    fn open_at_once(self: &Arc<Self>, id: &FileId, key: Key, hit: Hit) -> Option<SharedFile> {
        self.serving.keep_only(&key, hit.stamp);
        let opened_at = Instant::now();
        let opened = self.mount().open_nowait(id, READ_AHEAD)?;
        // One that was written meanwhile: its row may have to be read again.
        self.stats.took(Timer::MountOpen, opened_at);
        let is_of = |facts: &Facts| facts.size == opened.size && !may_be_later(&opened, facts);
        let facts = hit.facts.filter(is_of)?;
        let name = self.name_prefix.name(id).ok()?;
        let (info, prefix) = (facts.info(id.clone()), &self.name_prefix);
        let file = SharedFile::from(OpenFile::new(opened, info, name, prefix, hit.source));
        self.serving.keep(key, hit.stamp, opened_at, &file);
        self.close_idle_files();
        Some(file)
    }

    /// A kept file, read where waiting is allowed; `None` where there is none that
    /// can be read.
    async fn kept_and_read(self: &Arc<Self>, key: Key, id: &FileId) -> Result<Option<SharedFile>> {
        let Some(hit) = self.lookup.known(&key, self.is_logged(id)) else { return Ok(None) };
        let Some(kept) = self.serving.kept_open(&key, hit.stamp) else { return Ok(None) };
        let is_used_often = kept.is_used_often();
        let file = self.gate.run("read", move |_| Ok(kept.read())).await?;
        if let Some(file) = &file {
            if is_used_often {
                self.serving.keep_in_memory(key, hit.stamp, file);
            }
            if hit.is_ageing {
                self.refresh(key, id);
            }
        }
        Ok(file)
    }

    /// The first of these ids that exists; `alone`: with a descriptor of its own.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        ids: Vec<FileId>,
        alone: bool,
    ) -> Result<SharedFile> {
        let served = self.first(ids, alone).await;
        self.looked_up(served, SharedFile::answered_by)
    }

    async fn first(self: &Arc<Self>, ids: Vec<FileId>, alone: bool) -> Result<SharedFile> {
        let mut first_error = None;
        for id in ids {
            let served = match alone {
                true => Box::pin(self.open(&id)).await.map(SharedFile::from),
                false => self.serve_one(&id).await,
            };
            match served {
                Err(error) if is_missing_row(&error) => {
                    first_error.get_or_insert(error);
                }
                outcome => return outcome,
            }
        }
        Err(first_error.unwrap_or_else(|| Error::not_found("open", "")))
    }

    async fn serve_one(self: &Arc<Self>, id: &FileId) -> Result<SharedFile> {
        let name = self.name_prefix.name(id)?;
        let key = name.digest();
        if !self.lookup.knows_rows() {
            return self.open_shared(id, name, key, false).await;
        }
        if let Some(kept) = self.kept_and_read(key, id).await? {
            return Ok(kept);
        }
        let start = || {
            let (process, id) = (Arc::clone(self), id.clone());
            async move { process.open_shared(&id, name, key, false).await }
        };
        self.serving.join_or_start(key, start).await
    }

    /// Reads a row again and opens its file again, before their time is over, so
    /// that nobody has to wait when it is. Such a file is asked for again and
    /// again: if there is room it is kept in memory.
    fn refresh(self: &Arc<Self>, key: Key, id: &FileId) {
        let Ok(name) = self.name_prefix.name(id) else { return };
        let (process, id) = (Arc::clone(self), id.clone());
        let refresh = async move {
            let again = Arc::clone(&process);
            let start = || async move { again.open_shared(&id, name, key, true).await };
            // A failure shows when somebody waits.
            drop(process.serving.join_or_start(key, start).await);
        };
        if self.serving.is_idle(&key) {
            drop(runtime::in_background(refresh));
        }
    }

    async fn open_shared(
        self: &Arc<Self>,
        id: &FileId,
        name: FileName,
        key: Key,
        ahead: bool,
    ) -> Result<SharedFile> {
        let row = match ahead {
            true => self.lookup.find_again_in_batch(&name).await?,
            false => self.lookup.find_in_batch(&name).await?,
        };
        self.serving.keep_only(&key, row.stamp);
        let opened_at = Instant::now();
        let (file, stamp) = self.open_row(id, &name, row, READ_AHEAD).await?;
        let file = SharedFile::from(file);
        self.serving.keep(key, stamp, opened_at, &file);
        if ahead {
            self.serving.keep_in_memory(key, stamp, &file);
        }
        self.close_idle_files();
        Ok(file)
    }

    /// Closes what nobody asks for, until nothing is kept open: on NFS an open
    /// file keeps other programs of this machine from seeing what replaced it.
    fn close_idle_files(self: &Arc<Self>) {
        if !self.lookup.knows_rows() || !self.serving.begins_closing() {
            return;
        }
        let (process, pause) = (Arc::downgrade(self), self.serving.ttl().max(SHORTEST_PAUSE));
        let close = async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(process) = Weak::upgrade(&process) else { return };
                let Process { lookup, serving, .. } = &*process;
                let close = || serving.close_idle(|key, stamp| lookup.is_current(key, stamp));
                if close() {
                    continue;
                }
                serving.ends_closing();
                // One may have been kept just before that.
                let is_done = !close();
                if is_done || !serving.begins_closing() {
                    return;
                }
            }
        };
        drop(runtime::in_background(close));
    }
}

/// No live row, as opposed to a row whose file is missing.
fn is_missing_row(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.os_errno() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CreateOptions;
    use crate::mount::tests::store;

    #[test]
    fn what_nothing_waits_for_is_known_at_once() {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path(), "5s");
        let id = FileId::parse("images/a").unwrap();
        store.create(&id, &mut &b"bytes"[..], &CreateOptions::default()).unwrap();
        let process = store.process().unwrap();
        let known = || process.serve_known(std::slice::from_ref(&id), Trial::None, false);
        assert!(known().is_none(), "neither the row nor what the mount is");

        store.open(&id).unwrap();
        let is_local = process.mount().open_nowait(&id, READ_AHEAD).is_some();
        let content = known().map(|file| file.unwrap().content().map(<[u8]>::to_vec));
        assert_eq!(content, is_local.then(|| Some(b"bytes".to_vec())));
        assert_eq!(known().is_some(), is_local, "it stays open");

        // As long as its row says.
        std::fs::write(place.path().join("images/a"), b"more bytes").unwrap();
        assert!(known().is_none());
    }
}
