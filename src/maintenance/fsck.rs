//! Checking the table against the mount, and repairing what disagrees.
//!
//! In two passes. The first merges the rows with the tree, both in the byte
//! order of names, and only notes what looks wrong. The second looks again at
//! each thing that was noted, which by then is no write that was just under way,
//! and repairs it if asked to. Nothing is changed before the first pass is over,
//! nothing in directories that do not fit what the table says of them, and
//! nothing is taken away but into the trash.

mod accept;
mod aliases;
mod candidates;
mod checksums;
mod fault;
mod files;
mod forms;
mod judge;
mod rows;
mod scan;
mod second;
mod tree;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::index::Record;
use crate::maintenance::fit::Fit;
use crate::maintenance::{Exclude, Phase, Progress, fit, limit};
use crate::name::DirId;
use crate::store::{Disposal, Process, Store, Trash};

pub use accept::Accepted;
use aliases::Aliases;
pub use fault::Fault;
use scan::{Checking, Scan, Scanned, require_same_mount};
use second::SecondPass;
use tree::{Suspect, Tree};

/// How to check.
#[derive(Debug, Clone)]
pub struct FsckOptions {
    /// Only rows and files below this directory.
    pub dir: Option<DirId>,
    /// Files that changed so recently, by the file server's clock, are not judged:
    /// their rows may be about to be written.
    pub grace: Duration,
    /// What to repair.
    pub repair: Vec<Fault>,
    /// What to look for; everything, if it is empty.
    pub only: Vec<Fault>,
    /// So many files or directories may be unreadable before the check stops.
    pub max_errors: u64,
    /// Where more per cent of a directory's live rows do not fit its files, nothing
    /// in it is repaired: something is not mounted, or not the right thing.
    pub max_missing: u8,
    /// So many per cent of the files may be without a row for these to be
    /// removed: more are where the table or the name prefix is the wrong one.
    pub max_orphans: u8,
    /// So many rows and files may be taken away; `None` for 1,000 or one per cent
    /// of the rows, whichever is more.
    pub max_remove: Option<u64>,
    /// Paths that are nobody's business here, whatever the table says.
    pub exclude: Exclude,
    /// Faults that are not reported any more.
    pub accepted: Accepted,
    /// A list that `md5sum` or `sha256sum` made, of paths beneath the root, against
    /// which bytes are checked.
    pub checksums: Option<PathBuf>,
}

impl Default for FsckOptions {
    fn default() -> Self {
        FsckOptions {
            dir: None,
            grace: Duration::from_secs(3600),
            repair: Vec::new(),
            only: Vec::new(),
            max_errors: 10,
            max_missing: 50,
            max_orphans: 50,
            max_remove: None,
            exclude: Exclude::default(),
            accepted: Accepted::default(),
            checksums: None,
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
    /// Why it was not repaired, or must not be.
    pub left: Option<String>,
    /// The row that was deleted.
    pub row: Option<Box<Record>>,
}

/// What a check came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows read.
    pub rows: u64,
    /// Files seen.
    pub files: u64,
    /// Files without a row that are too young to be judged.
    pub young: u64,
    /// Live rows below directories that could not be read or lie elsewhere.
    pub unchecked: u64,
    /// Files without a row in directories of which the table knows nothing.
    pub unknown: u64,
    /// Files that are nobody's business here, by the top of their path.
    pub foreign: BTreeMap<String, u64>,
    /// Rows outside the areas of any storage directory, or excluded.
    pub foreign_rows: u64,
    /// Live rows whose type is one of legacy's words (`misc`, `php`).
    pub legacy_types: u64,
    /// Things that could not be read or repaired.
    pub errors: u64,
    /// Faults that are on the list of accepted ones.
    pub accepted: u64,
    /// Faults found, repaired or not, in the order of [`Fault::ALL`].
    pub found: [u64; Fault::ALL.len()],
    /// Those of them that were repaired.
    pub repaired: [u64; Fault::ALL.len()],
    /// The journal of what was taken away, in the trash.
    pub journal: Option<String>,
    /// It was ended before its end.
    pub is_interrupted: bool,
}

impl Checked {
    /// How many faults there are still.
    pub fn remaining(&self) -> u64 {
        self.found.iter().sum::<u64>() - self.repaired.iter().sum::<u64>()
    }
}

/// Where a check tells what it does.
pub trait Report: Progress {
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

/// A fault that is there still.
#[derive(Debug)]
struct Verdict {
    detail: String,
    state: State,
    /// The row that was deleted.
    row: Option<Record>,
}

impl Verdict {
    fn new(detail: String, state: State) -> Self {
        Verdict { detail, state, row: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody asked to repair it.
    Found,
    Repaired,
    /// Not to be repaired, and why.
    Left(&'static str),
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
    /// - [`ErrorKind::NotFound`]: there is no such directory, in table or tree.
    /// - [`ErrorKind::Unavailable`]: the mount is dead or became another one; or the
    ///   database is gone.
    /// - [`ErrorKind::InvalidConfig`]: more files than `max_orphans` allows have
    ///   no row, and orphans were to be removed.
    /// - [`ErrorKind::InvalidInput`]: more would be taken away than `max_remove`.
    /// - [`ErrorKind::Storage`]: more than `max_errors` errors.
    pub fn run(&self, report: &mut dyn Report) -> Result<Checked> {
        let process = self.store.process()?;
        if !self.options.repair.is_empty() {
            fit::require_own_site(&process, "check")?;
        }
        let mut scanned = Scan::run(&process, &self.options, report)?;
        if self.options.dir.is_some()
            && !self.options.repair.is_empty()
            && let Some(whole) = self.suspect_whole(&process)?
        {
            scanned.tree.suspects = vec![whole];
        }
        self.settle(process, scanned, report)
    }

    /// The second pass.
    fn settle(
        &self,
        process: Arc<Process>,
        scanned: Scanned,
        report: &mut dyn Report,
    ) -> Result<Checked> {
        let Scanned { checking, mut checked, mut aliases, candidates, aside, forms, tree, .. } =
            scanned;
        checked.foreign = scanned.foreign;
        require_same_mount(&process, &checking)?;
        if checked.is_interrupted {
            return Ok(checked);
        }
        self.require_plausible_orphans(candidates.count(Fault::OrphanFile), &checked)?;
        self.require_few(&candidates, &checked)?;
        if candidates.count(Fault::OrphanFile) > 0 {
            aliases.complete(&process, self.options.dir.as_ref())?;
        }
        let trash = process.trash("fsck", checking.now);
        let looking = FsckOptions { repair: Vec::new(), ..self.options.clone() };
        let looking = Repairs {
            process: Arc::clone(&process),
            options: &looking,
            checking: &checking,
            trash: Arc::clone(&trash),
        };
        let repairs = Repairs { process, options: &self.options, checking: &checking, trash };
        let total = aside.total() + candidates.total();
        let mut second =
            SecondPass { repairs, looking, aliases, tree, checked, report, done: 0, total };
        second.suspects()?;
        let paired = second.forms(forms)?;
        let mut spared = HashSet::new();
        for candidate in aside.read()?.chain(candidates.read()?) {
            let candidate = candidate?;
            if !paired.contains(&candidate.path) {
                second.candidate(candidate, &mut spared)?;
            }
            if second.report.is_interrupted() {
                second.checked.is_interrupted = true;
                break;
            }
        }
        if !second.checked.is_interrupted {
            second.checksums()?;
        }
        second.report.progress(Phase::LookingAgain, second.done, total);
        second.checked.journal = second.repairs.trash.journal().map(str::to_owned);
        Ok(second.checked)
    }

    fn require_plausible_orphans(&self, orphans: u64, checked: &Checked) -> Result<()> {
        let limit = u64::from(self.options.max_orphans);
        let repair = self.options.repair.contains(&Fault::OrphanFile);
        // Of those that could have one: what is foreign says nothing of the table.
        let files = checked.files.saturating_sub(checked.foreign.values().sum());
        if !repair || orphans * 100 <= files * limit {
            return Ok(());
        }
        let reason = format!(
            "{orphans} of {files} files have no row, which is more than {limit} %: \
             is this the right table, and the right name_prefix? Nothing was changed"
        );
        Err(Error::new(ErrorKind::InvalidConfig, "check", self.subject(), reason))
    }

    fn require_few(&self, candidates: &candidates::Candidates, checked: &Checked) -> Result<()> {
        let removed = |fault: &&Fault| fault.removes() && self.options.repair.contains(fault);
        let planned = Fault::ALL.iter().filter(removed).map(|fault| candidates.count(*fault)).sum();
        let most = limit::most(self.options.max_remove, checked.rows);
        limit::require("check", self.subject(), planned, most)
    }

    /// Whether the store as a whole does not fit, of which a part by itself may not
    /// show enough.
    fn suspect_whole(&self, process: &Process) -> Result<Option<Suspect>> {
        let (Fit { looked, fitting }, _) = fit::look(process, "check")?;
        let is_plausible = (looked - fitting) * 100 <= looked * u64::from(self.options.max_missing);
        Ok((!is_plausible).then(|| Suspect {
            path: Vec::new(),
            why: format!(
                "of {looked} live rows of the whole store {fitting} have a file that fits"
            ),
        }))
    }

    fn subject(&self) -> String {
        self.store.root().to_string_lossy().into_owned()
    }
}

/// What looking again and repairing needs.
struct Repairs<'r> {
    process: Arc<Process>,
    options: &'r FsckOptions,
    checking: &'r Checking,
    trash: Arc<Trash>,
}

impl Repairs<'_> {
    /// What is not looked for is not repaired either, although it has to be known:
    /// no other repair may take the file that a row speaks of for debris.
    fn repairs(&self, fault: Fault) -> bool {
        let FsckOptions { only, repair, .. } = self.options;
        repair.contains(&fault) && (only.is_empty() || only.contains(&fault))
    }

    fn disposal(&self) -> Disposal {
        Disposal::Trash(Arc::clone(&self.trash))
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
