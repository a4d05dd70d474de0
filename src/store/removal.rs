//! The one guarded removal, which delete, purge, fsck and sweeping share: the row
//! is locked under its key, or where there is none its place is kept free (in
//! [`super::rowless`]); a file that another row speaks of stays (in
//! [`super::claims`]); then the file goes (in [`work`]).

mod work;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Process;
use super::held::Held;
use super::trash::Disposal;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, Mounts};
use crate::index::{BATCH, PendingWrite};
use crate::mount::Pulse;
use crate::name::{DirId, FileName};
use crate::runtime;

pub(super) use work::Step;
use work::{Doomed, How, Removed, Work};

/// Rows that are locked at a time while their files are removed.
pub(crate) const REMOVAL_BATCH: usize = BATCH;

/// So many files are removed by one thread: a server answers several at a time.
const FILES_PER_THREAD: usize = 128;

/// How many files went, and how many stayed because other rows speak of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) removed: u64,
    pub(crate) claimed: u64,
}

#[derive(Debug, Default)]
struct Counts {
    removed: AtomicU64,
    claimed: AtomicU64,
}

impl Process {
    /// Removes the files of those of these names that are soft-deleted still,
    /// then their rows; says how many files, in any case. Begins again where the database
    /// asks for it, or was lost: what was done then is not done twice. Below
    /// `prune`, directories that become empty are removed as well.
    pub(crate) fn remove_deleted(
        self: &Arc<Self>,
        names: &[FileName],
        prune: Option<&DirId>,
        disposal: &Disposal,
    ) -> (Files, Result<()>) {
        match runtime::block_on(self.gate.run("delete", Mount::mounts)) {
            Ok(mounts) => self.remove_deleted_from(&mounts, names, prune, disposal),
            Err(error) => (Files::default(), Err(error)),
        }
    }

    /// The same; `mounts` are those on which the files were found to be, if they are
    /// anywhere. Where others have come or gone since, no file is taken for missing.
    pub(crate) fn remove_deleted_from(
        self: &Arc<Self>,
        mounts: &Mounts,
        names: &[FileName],
        prune: Option<&DirId>,
        disposal: &Disposal,
    ) -> (Files, Result<()>) {
        let (mounts, disposal) = (mounts.clone(), disposal.clone());
        let how = How { mounts, prune: prune.cloned(), disposal, is_certified: false };
        let counts = Arc::new(Counts::default());
        let outcome = runtime::block_on(async {
            let remove = || self.remove_deleted_once(names, how.clone(), &counts);
            self.index.attempts().repeat(remove).await
        });
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (Files { removed: count(&counts.removed), claimed: count(&counts.claimed) }, outcome)
    }

    async fn remove_deleted_once(
        self: &Arc<Self>,
        names: &[FileName],
        mut how: How,
        counts: &Arc<Counts>,
    ) -> Result<()> {
        // Before the lock: who holds a connection must not wait for another.
        let everywhere = !matches!(how.disposal, Disposal::Unlink);
        let claimed = self.claimed_files(names, everywhere).await?;
        let (mut pending, names) = self.index.begin_purge(names).await?;
        step!("locked");
        how.is_certified = pending.is_certified();
        let mut records = HashMap::new();
        if matches!(how.disposal, Disposal::Trash(_)) {
            for record in pending.records(&self.index, &names).await? {
                records.insert(record.name_hash.to_ascii_lowercase(), record);
            }
        }
        let mut doomed = Vec::with_capacity(names.len());
        for name in names {
            let path = self.path_of(&name);
            let is_claimed = path.as_ref().is_some_and(|path| claimed.contains(path));
            if is_claimed {
                log::warn!(
                    "ezdfs: another row speaks of the file of {:?}: it stays",
                    name.as_str()
                );
                counts.claimed.fetch_add(1, Ordering::Relaxed);
            }
            let record = records.remove(&name.hash().to_ascii_lowercase());
            doomed.push(Doomed { name, path: path.filter(|_| !is_claimed), record });
        }
        let mut held = Held::new("delete", &subject(&doomed), pending);
        while !doomed.is_empty() {
            let share = doomed.drain(..doomed.len().min(FILES_PER_THREAD)).collect();
            let work = Work { doomed: share, how: how.clone() };
            let counts = Arc::clone(counts);
            let remove =
                move |mount: &Mount, pulse: &Pulse| work.carry_out(mount, pulse, &counts.removed);
            if !held.start(self, remove).await {
                break;
            }
        }
        let process = Arc::clone(self);
        let finish = async move |pending, outcomes| {
            process.delete_rows(pending, Removed::all(outcomes), how).await
        };
        held.end(self, finish).await
    }

    /// The path of the file of a row. A name that is no id (`a//b`) leads to the
    /// file of another name, and so may one that does not fit its key.
    pub(super) fn path_of(&self, name: &FileName) -> Option<String> {
        let id = name.has_its_key().then(|| self.name_prefix.id(name.as_str()));
        id.flatten().map(|id| id.as_str().to_owned())
    }

    async fn delete_rows(
        &self,
        mut pending: PendingWrite,
        removed: Removed,
        how: How,
    ) -> Result<()> {
        step!("files-removed");
        let delete = async {
            pending.delete(&self.index, &removed.names).await?;
            step!("rows-deleted");
            pending.commit().await
        };
        let outcome = delete.await;
        self.forget(&removed.names);
        if !removed.withdrawn.is_empty() {
            let How { prune, disposal, .. } = how;
            self.end_withdrawal(removed.withdrawn, outcome.is_ok(), disposal, prune).await?;
        }
        outcome?;
        removed.failure.map_or(Ok(()), Err)
    }
}

/// A batch, as messages name it.
fn subject(doomed: &[Doomed]) -> String {
    match doomed {
        [] => String::new(),
        [one] => one.name.as_str().to_owned(),
        [first, others @ ..] => format!("{} and {} more", first.name.as_str(), others.len()),
    }
}

fn unmounted(name: &FileName) -> Error {
    let reason = "there is no file, but something was mounted or unmounted in the root meanwhile: \
                  its row stays, soft-deleted";
    Error::new(ErrorKind::Unavailable, "delete", name.as_str(), reason)
}
