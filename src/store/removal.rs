//! The one guarded removal, which delete, purge, fsck and sweeping share: the row
//! is locked under its key, or where there is none its place is kept free (in
//! [`super::rowless`]); a file that another row speaks of stays (in
//! [`super::claims`]); then the file goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::held::Held;
use super::trash::{Disposal, Planned};
use super::withdrawal::Withdrawn;
use super::{Process, Pulse};
use crate::error::{Error, Result};
use crate::files::{Mount, Remover, Taken};
use crate::index::{BATCH, PendingWrite, Record};
use crate::name::{DirId, FileName};
use crate::runtime;

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

/// A row whose file is to go.
struct Doomed {
    name: FileName,
    /// The path of its file, unless that is another's.
    path: Option<String>,
    record: Option<Record>,
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
        let counts = Arc::new(Counts::default());
        let outcome = runtime::block_on(async {
            let remove = || self.remove_deleted_once(names, prune, disposal, &counts);
            self.index.attempts().repeat(remove).await
        });
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (Files { removed: count(&counts.removed), claimed: count(&counts.claimed) }, outcome)
    }

    async fn remove_deleted_once(
        self: &Arc<Self>,
        names: &[FileName],
        prune: Option<&DirId>,
        disposal: &Disposal,
        counts: &Arc<Counts>,
    ) -> Result<()> {
        // Before the lock: who holds a connection must not wait for another.
        let everywhere = !matches!(disposal, Disposal::Unlink);
        let claimed = self.claimed_files(names, everywhere).await?;
        let (mut pending, names) = self.index.begin_purge(names).await?;
        step!("locked");
        let mut records = HashMap::new();
        if matches!(disposal, Disposal::Trash(_)) {
            let keys: Vec<_> = names.iter().map(FileName::hash).collect();
            for record in pending.records(&self.index, &keys).await? {
                records.insert(record.name_hash.to_ascii_lowercase(), record);
            }
        }
        let mut doomed = Vec::with_capacity(names.len());
        for name in names {
            let path = self.path_of(&name);
            let is_claimed = path.as_ref().is_some_and(|path| claimed.contains(path));
            if is_claimed {
                log::warn!("ezdfs: another row speaks of the file of {name:?}: it stays");
                counts.claimed.fetch_add(1, Ordering::Relaxed);
            }
            let record = records.remove(&name.hash().to_ascii_lowercase());
            doomed.push(Doomed { name, path: path.filter(|_| !is_claimed), record });
        }
        let how = How {
            prune: prune.cloned(),
            disposal: disposal.clone(),
            is_certified: pending.is_certified(),
        };
        let mut held = Held::new("delete", &subject(&doomed), pending);
        while !doomed.is_empty() {
            let share = doomed.drain(..doomed.len().min(FILES_PER_THREAD)).collect();
            if !held.start(self, remove_files(share, how.clone(), Arc::clone(counts))).await {
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
            let end =
                self.end_withdrawal(removed.withdrawn, outcome.is_ok(), disposal, prune).await;
            outcome.and(end)?;
        } else {
            outcome?;
        }
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

/// Where a file cannot be removed its row stays soft-deleted; the first such
/// error is told of at the end.
fn remove_files(
    doomed: Vec<Doomed>,
    How { prune, disposal, is_certified }: How,
    counts: Arc<Counts>,
) -> impl FnOnce(&Mount, &Pulse) -> Result<Removed> + Send + 'static {
    move |mount, pulse| {
        let mut removed = Removed::default();
        let mut remover = Remover::new(mount, prune)?;
        let planned = plan(mount, &mut remover, doomed, &disposal, pulse, &mut removed)?;
        for (name, step) in planned {
            pulse.beat();
            let taken = match is_certified {
                true => removed.withdraw(&mut remover, &name, step),
                false => step.carry_out(mount, &mut remover, &disposal),
            };
            match taken {
                Ok(taken) => {
                    let count = u64::from(taken == Taken::Yes);
                    counts.removed.fetch_add(count, Ordering::Relaxed);
                    removed.names.push(name);
                }
                Err(error) => {
                    removed.failure.get_or_insert(error);
                }
            }
        }
        Ok(removed)
    }
}

/// How the files of one batch go.
#[derive(Clone)]
struct How {
    prune: Option<DirId>,
    disposal: Disposal,
    /// Others write on other servers meanwhile, see [`super::withdrawal`].
    is_certified: bool,
}

/// What is done for one row.
#[derive(Debug)]
pub(super) enum Step {
    /// There is no file, or it is not this row's.
    Nothing,
    Unlink(String),
    Trash(Planned),
}

impl Step {
    pub(super) fn carry_out(
        &self,
        mount: &Mount,
        remover: &mut Remover,
        how: &Disposal,
    ) -> Result<Taken> {
        match (self, how) {
            (Step::Unlink(path), _) => remover.unlink(path),
            (Step::Trash(planned), Disposal::Trash(trash)) => trash.take(mount, remover, planned),
            (Step::Trash(_), _) | (Step::Nothing, _) => Ok(Taken::NoFile),
        }
    }

    fn path(&self) -> Option<&str> {
        match self {
            Step::Nothing => None,
            Step::Unlink(path) => Some(path),
            Step::Trash(planned) => Some(planned.path()),
        }
    }

    /// The same for a file that has been moved meanwhile.
    pub(super) fn moved_to(self, path: String) -> Self {
        match self {
            Step::Nothing => Step::Nothing,
            Step::Unlink(_) => Step::Unlink(path),
            Step::Trash(planned) => Step::Trash(planned.moved_to(path)),
        }
    }
}

/// Notes in the journal what is going, and makes sure of that before it goes.
fn plan(
    mount: &Mount,
    remover: &mut Remover,
    doomed: Vec<Doomed>,
    disposal: &Disposal,
    pulse: &Pulse,
    removed: &mut Removed,
) -> Result<Vec<(FileName, Step)>> {
    let Disposal::Trash(trash) = disposal else {
        let step = |path: Option<String>| path.map_or(Step::Nothing, Step::Unlink);
        return Ok(doomed.into_iter().map(|one| (one.name, step(one.path))).collect());
    };
    let mut steps = Vec::with_capacity(doomed.len());
    for Doomed { name, path, record } in doomed {
        pulse.beat();
        match trash.plan(mount, remover, "soft-deleted", path.as_deref(), record) {
            Ok(planned) => steps.push((name, planned.map_or(Step::Nothing, Step::Trash))),
            // It does not keep the others.
            Err(error) => drop(removed.failure.get_or_insert(error)),
        }
    }
    trash.sync()?;
    Ok(steps)
}

/// What came of removing the files of some rows.
#[derive(Debug, Default)]
struct Removed {
    /// Of the rows whose files are gone.
    names: Vec<FileName>,
    /// Files that are set aside until the commit.
    withdrawn: Vec<Withdrawn>,
    failure: Option<Error>,
}

impl Removed {
    fn withdraw(&mut self, remover: &mut Remover, name: &FileName, step: Step) -> Result<Taken> {
        let Some(path) = step.path() else { return Ok(Taken::NoFile) };
        let Some(aside) = remover.set_aside(path)? else { return Ok(Taken::NoFile) };
        self.withdrawn.push(Withdrawn { name: name.clone(), aside, step });
        Ok(Taken::Yes)
    }

    fn all(outcomes: Vec<Result<Removed>>) -> Self {
        let mut all = Removed::default();
        for outcome in outcomes {
            match outcome {
                Ok(removed) => {
                    all.names.extend(removed.names);
                    all.withdrawn.extend(removed.withdrawn);
                    all.failure = all.failure.or(removed.failure);
                }
                Err(failure) => drop(all.failure.get_or_insert(failure)),
            }
        }
        all
    }
}
