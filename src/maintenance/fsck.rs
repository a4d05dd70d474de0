//! Checking the table against the mount, and repairing what disagrees.
//!
//! In two passes. The first merges the rows with the tree, both in the byte
//! order of names, and only notes what looks wrong; it ends early where the
//! mount or the table cannot be the right one. The second looks again at each
//! thing that was noted, which by then is no write that was just under way, and
//! repairs it if asked to. Nothing is changed before the first pass is over.

mod aliases;
mod candidates;
mod scan;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::error::{Error, ErrorKind, Result};
use crate::files::kept_for;
use crate::files::shown;
use crate::name::DirId;
use crate::store::{Checking, Fault, State, Store, Verdict};

use aliases::Aliases;
use candidates::Candidate;
use scan::{Scan, Scanned};

/// How to check.
#[derive(Debug, Clone)]
pub struct FsckOptions {
    /// Only rows and files below this directory.
    pub dir: Option<DirId>,
    /// Files that changed so recently are not judged: their rows may be about
    /// to be written.
    pub grace: Duration,
    /// What to repair.
    pub repair: Vec<Fault>,
    /// So many files or directories may be unreadable before the check stops.
    pub max_errors: u64,
    /// So many per cent of the live rows may be without a file before the check
    /// stops: more are missing where the wrong share is mounted, or none.
    pub max_missing: u8,
    /// So many per cent of the files may be without a row for these to be
    /// removed: more are where the table or the name prefix is the wrong one.
    pub max_orphans: u8,
}

impl Default for FsckOptions {
    fn default() -> Self {
        FsckOptions {
            dir: None,
            grace: Duration::from_secs(3600),
            repair: Vec::new(),
            max_errors: 10,
            max_missing: 50,
            max_orphans: 50,
        }
    }
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In what way.
    pub fault: Fault,
    /// The file's path below the root, or what stands for it in the row's name;
    /// with escapes where it is not UTF-8.
    pub path: String,
    /// The row's key, where the row is what is wrong.
    pub key: Option<String>,
    /// What exactly.
    pub detail: String,
    /// Whether it is right now.
    pub repaired: bool,
    /// Why it was not repaired although it should have been.
    pub left: Option<&'static str>,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows read.
    pub rows: u64,
    /// Files seen.
    pub files: u64,
    /// Files without a row that are too young to be judged.
    pub young: u64,
    /// Live rows below directories that could not be read.
    pub unchecked: u64,
    /// Things that could not be read or repaired.
    pub errors: u64,
    /// Faults found, repaired or not, in the order of [`Fault::ALL`].
    pub found: [u64; Fault::ALL.len()],
    /// Those of them that were repaired.
    pub repaired: [u64; Fault::ALL.len()],
}

impl Checked {
    /// How many faults there are still.
    pub fn remaining(&self) -> u64 {
        self.found.iter().sum::<u64>() - self.repaired.iter().sum::<u64>()
    }
}

/// Where a check tells what it does.
pub trait Report {
    /// Called now and then.
    fn progress(&mut self, so_far: &Checked);

    /// Called for each fault, after the first pass.
    ///
    /// # Errors
    ///
    /// Any, which ends the check.
    fn finding(&mut self, finding: &Finding) -> Result<()>;

    /// Called for each thing that cannot be read or repaired, which does not end
    /// the check.
    fn failure(&mut self, error: Error);
}

/// A check of a store.
#[derive(Debug)]
pub struct Fsck<'s> {
    store: &'s Store,
    options: FsckOptions,
}

impl<'s> Fsck<'s> {
    /// Prepares to check.
    pub fn new(store: &'s Store, options: FsckOptions) -> Self {
        Fsck { store, options }
    }

    /// Checks, and repairs what the options say. Memory does not grow with the
    /// numbers of rows and files, but with the largest directory.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Unavailable`]: the mount is dead, became another one, or
    ///   lacks more files than `max_missing` allows; or the database is gone.
    /// - [`ErrorKind::InvalidConfig`]: more files than `max_orphans` allows have
    ///   no row, and orphans were to be removed.
    /// - [`ErrorKind::Storage`]: more than `max_errors` errors.
    pub fn run(&self, report: &mut dyn Report) -> Result<Checked> {
        let now = SystemTime::now();
        let cutoff = now.checked_sub(self.options.grace).unwrap_or(SystemTime::UNIX_EPOCH);
        let checking = self.store.begin_check(cutoff)?;
        let scanned = Scan::new(self.store, &self.options, checking)?.run(report)?;
        self.settle(scanned, &checking, report)
    }

    /// The second pass.
    fn settle(
        &self,
        scanned: Scanned,
        checking: &Checking,
        report: &mut dyn Report,
    ) -> Result<Checked> {
        let Scanned { mut checked, mut aliases, candidates, kept, orphans } = scanned;
        self.store.require_same_mount(checking)?;
        self.require_plausible_orphans(orphans, &checked)?;
        if orphans > 0 {
            aliases.complete(self.store, self.options.dir.as_ref())?;
        }
        let mut spared = HashSet::new();
        for candidate in kept.read()?.chain(candidates.read()?) {
            let candidate = candidate?;
            match self.check(&candidate, &aliases, &mut spared, checking) {
                Ok(None) => {}
                Ok(Some(verdict)) => report.finding(&count(&mut checked, candidate, verdict))?,
                Err(error) => {
                    // Of a dead mount nothing else can be said.
                    self.store.require_same_mount(checking)?;
                    count_error(&mut checked, &self.options, error, report)?;
                }
            }
            report.progress(&checked);
        }
        report.progress(&checked);
        Ok(checked)
    }

    /// `spared`: the kept files of names that are to be put back, but were not.
    /// The others of such a name tell which one it is: they stay as well.
    fn check(
        &self,
        candidate: &Candidate,
        aliases: &Aliases,
        spared: &mut HashSet<Vec<u8>>,
        checking: &Checking,
    ) -> Result<Option<Verdict>> {
        let path = std::str::from_utf8(&candidate.path);
        let repair = self.options.repair.contains(&candidate.fault);
        let of_file = [Fault::InterruptedOverwrite, Fault::OrphanFile, Fault::StaleStaging];
        if !of_file.contains(&candidate.fault) {
            return self.store.check_row(candidate.fault, &candidate.key, repair, checking);
        }
        if candidate.fault == Fault::InterruptedOverwrite {
            let Ok(path) = path else { return Ok(None) };
            let verdict = self.store.check_kept(path, repair, checking);
            if !matches!(&verdict, Ok(None | Some(Verdict { state: State::Repaired, .. }))) {
                spared.extend(kept_for(&candidate.path).map(<[u8]>::to_vec));
            }
            return verdict;
        }
        if kept_for(&candidate.path).is_some_and(|kept_for| spared.contains(kept_for)) {
            return Ok(None);
        }
        let left = |reason| {
            let state = if repair { State::Left(reason) } else { State::Found };
            Ok(Some(Verdict { detail: "no row names it".to_owned(), state }))
        };
        let Ok(path) = path else {
            return left("a name that is not UTF-8 may have a row that ezdfs cannot know");
        };
        if aliases.name(path) {
            return Ok(None);
        }
        if repair && aliases.are_too_many() {
            return left("too many rows have names that are aliases: repair those first");
        }
        self.store.check_file(path, repair, checking)
    }

    fn require_plausible_orphans(&self, orphans: u64, checked: &Checked) -> Result<()> {
        let limit = u64::from(self.options.max_orphans);
        let repair = self.options.repair.contains(&Fault::OrphanFile);
        if !repair || orphans * 100 <= checked.files * limit {
            return Ok(());
        }
        let reason = format!(
            "{orphans} of {} files have no row, which is more than {limit} %: \
             is this the right table, and the right name_prefix? Nothing was changed",
            checked.files
        );
        Err(Error::new(ErrorKind::InvalidConfig, "check", self.subject(), reason))
    }

    fn subject(&self) -> String {
        self.store.root().to_string_lossy().into_owned()
    }
}

fn count(checked: &mut Checked, candidate: Candidate, verdict: Verdict) -> Finding {
    let Verdict { detail, state } = verdict;
    let position = Fault::ALL.iter().position(|fault| *fault == candidate.fault);
    let position = position.unwrap_or_default();
    checked.found[position] += 1;
    checked.repaired[position] += u64::from(state == State::Repaired);
    Finding {
        fault: candidate.fault,
        path: shown(&candidate.path),
        key: (!candidate.key.is_empty()).then_some(candidate.key),
        detail,
        repaired: state == State::Repaired,
        left: match state {
            State::Left(reason) => Some(reason),
            State::Found | State::Repaired => None,
        },
    }
}

fn count_error(
    checked: &mut Checked,
    options: &FsckOptions,
    error: Error,
    report: &mut dyn Report,
) -> Result<()> {
    checked.errors += 1;
    if checked.errors <= options.max_errors {
        report.failure(error);
        return Ok(());
    }
    let reason = format!("stopped: more than {} errors", options.max_errors);
    let (kind, errno) = (error.kind(), error.os_errno());
    Err(Error::new(kind, "check", error.subject(), reason).with_errno(errno).with_source(error))
}
