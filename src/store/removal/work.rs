//! What is done on the mount for a batch of locked rows.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::trash::{Disposal, Planned};
use super::super::withdrawal::Withdrawn;
use super::unmounted;
use crate::error::{Error, Result};
use crate::files::{Mount, Mounts, Remover, Taken};
use crate::index::Record;
use crate::mount::Pulse;
use crate::name::{DirId, FileName};

/// A row whose file is to go.
pub(super) struct Doomed {
    pub(super) name: FileName,
    /// The path of its file, unless that is another's.
    pub(super) path: Option<String>,
    pub(super) record: Option<Record>,
}

/// How the files of a batch go.
#[derive(Clone)]
pub(super) struct How {
    pub(super) mounts: Mounts,
    pub(super) prune: Option<DirId>,
    pub(super) disposal: Disposal,
    /// Others write on other servers meanwhile, see [`super::super::withdrawal`].
    pub(super) is_certified: bool,
}

/// What one thread does of a batch.
pub(super) struct Work {
    pub(super) doomed: Vec<Doomed>,
    pub(super) how: How,
}

impl Work {
    /// Where a file cannot be removed its row stays soft-deleted; the first such
    /// error is told of at the end.
    pub(super) fn carry_out(
        self,
        mount: &Mount,
        pulse: &Pulse,
        count: &AtomicU64,
    ) -> Result<Removed> {
        let Work { doomed, how: How { mounts, prune, disposal, is_certified } } = self;
        let (mut removed, mut missing) = (Removed::default(), Vec::new());
        let mut remover = Remover::new(mount, prune)?;
        let planned = plan(mount, &mut remover, doomed, &disposal, pulse, &mut removed)?;
        for (name, step) in planned {
            pulse.beat();
            let is_nothing = matches!(step, Step::Nothing);
            let taken = match is_certified {
                true => removed.withdraw(&mut remover, &name, step),
                false => step.carry_out(mount, &mut remover, &disposal),
            };
            match taken {
                Ok(Taken::Yes) => {
                    count.fetch_add(1, Ordering::Relaxed);
                    removed.names.push(name);
                }
                Ok(Taken::NoFile) if is_nothing => removed.names.push(name),
                Ok(Taken::NoFile) => missing.push(name),
                Err(error) => {
                    removed.failure.get_or_insert(error);
                }
            }
        }
        if let Some(first) = missing.first() {
            match mount.mounts() {
                Ok(now) if now == mounts => removed.names.append(&mut missing),
                now => {
                    let failure = now.err().unwrap_or_else(|| unmounted(first));
                    removed.failure.get_or_insert(failure);
                }
            }
        }
        Ok(removed)
    }
}

/// What is done for one row.
#[derive(Debug)]
pub(in crate::store) enum Step {
    /// The file is not this row's.
    Nothing,
    Missing,
    Unlink(String),
    Trash(Planned),
}

impl Step {
    pub(in crate::store) fn carry_out(
        &self,
        mount: &Mount,
        remover: &mut Remover,
        how: &Disposal,
    ) -> Result<Taken> {
        match (self, how) {
            (Step::Unlink(path), _) => remover.unlink(path),
            (Step::Trash(planned), Disposal::Trash(trash)) => trash.take(mount, remover, planned),
            (Step::Trash(_), _) | (Step::Nothing | Step::Missing, _) => Ok(Taken::NoFile),
        }
    }

    fn path(&self) -> Option<&str> {
        match self {
            Step::Nothing | Step::Missing => None,
            Step::Unlink(path) => Some(path),
            Step::Trash(planned) => Some(planned.path()),
        }
    }

    /// The same for a file that has been moved meanwhile.
    pub(in crate::store) fn moved_to(self, path: String) -> Self {
        match self {
            Step::Unlink(_) => Step::Unlink(path),
            Step::Trash(planned) => Step::Trash(planned.moved_to(path)),
            nothing => nothing,
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
            Ok(Some(planned)) => steps.push((name, Step::Trash(planned))),
            Ok(None) if path.is_some() => steps.push((name, Step::Missing)),
            Ok(None) => steps.push((name, Step::Nothing)),
            // It does not keep the others.
            Err(error) => drop(removed.failure.get_or_insert(error)),
        }
    }
    trash.sync()?;
    Ok(steps)
}

/// What came of removing the files of some rows.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// Of the rows whose files are gone.
    pub(super) names: Vec<FileName>,
    /// Files that are set aside until the commit.
    pub(super) withdrawn: Vec<Withdrawn>,
    pub(super) failure: Option<Error>,
}

impl Removed {
    fn withdraw(&mut self, remover: &mut Remover, name: &FileName, step: Step) -> Result<Taken> {
        let Some(path) = step.path() else { return Ok(Taken::NoFile) };
        let Some(aside) = remover.set_aside(path)? else { return Ok(Taken::NoFile) };
        self.withdrawn.push(Withdrawn { name: name.clone(), aside, step });
        Ok(Taken::Yes)
    }

    pub(super) fn all(outcomes: Vec<Result<Removed>>) -> Self {
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
