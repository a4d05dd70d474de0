//! Checking rows and files against each other, one at a time, and repairing
//! what disagrees.
//!
//! A repair looks again at everything while nobody else can write the row:
//! `ezdfs` writers and legacy take its lock before they touch the file. The
//! mount is asked under the lock, so it must answer in time.

use std::time::SystemTime;

use super::judge::{Judged, Remedy, judge, other_key};
use super::{Process, Store};
use crate::error::{ErrorKind, Result};
use crate::files::{Examined, Mount, RootIdentity, Unneeded, Walk};
use crate::index::{Locked, Sorted};
use crate::metadata::{DEFAULT_MIME, Row};
use crate::mime;
use crate::name::{DirId, FileId, FileName};
use crate::runtime;

/// In what way a row or a file is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A live row without a file.
    MissingFile,
    /// A file without a row.
    OrphanFile,
    /// A live row that says another size than the file has.
    SizeMismatch,
    /// A row that is expired although its time says that it lives: written by a
    /// kernel over one that legacy had deleted. Only legacy sees the file.
    HiddenRow,
    /// A row under a key that is not its name's.
    BadHash,
    /// A row whose type is no MIME type.
    BadDatatype,
    /// A row whose name is another spelling of a path, or none that a file can
    /// have.
    Alias,
    /// An overwrite that died before its commit: the file in place is not the
    /// row's, which is kept beside it.
    InterruptedOverwrite,
    /// What an interrupted write left behind besides.
    StaleStaging,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 9] = [
        Fault::MissingFile,
        Fault::OrphanFile,
        Fault::SizeMismatch,
        Fault::HiddenRow,
        Fault::BadHash,
        Fault::BadDatatype,
        Fault::Alias,
        Fault::InterruptedOverwrite,
        Fault::StaleStaging,
    ];

    /// The stable word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::MissingFile => "missing-file",
            Fault::OrphanFile => "orphan-file",
            Fault::SizeMismatch => "size-mismatch",
            Fault::HiddenRow => "hidden-row",
            Fault::BadHash => "bad-hash",
            Fault::BadDatatype => "bad-datatype",
            Fault::Alias => "alias",
            Fault::InterruptedOverwrite => "interrupted-overwrite",
            Fault::StaleStaging => "stale-staging",
        }
    }

    /// The fault with this name.
    pub fn from_name(name: &str) -> Option<Fault> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// A fault that is there still.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) detail: String,
    pub(crate) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody asked to repair it.
    Found,
    Repaired,
    /// Not repaired, and why.
    Left(&'static str),
}

/// What does not change while a store is checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checking {
    /// What changed after this is too young to be judged.
    pub(crate) cutoff: SystemTime,
    root: RootIdentity,
    has_rows: bool,
}

impl Store {
    /// Begins to check. A root without any entry is refused where the table has
    /// rows: nothing is mounted there.
    pub(crate) fn begin_check(&self, cutoff: SystemTime) -> Result<Checking> {
        let process = self.process()?;
        let (has_rows, root) = runtime::block_on(async {
            let has_rows = !process.has_no_rows().await?;
            Ok((has_rows, process.on_mount("check", Mount::identity).await?))
        })?;
        let checking = Checking { cutoff, root, has_rows };
        self.require_same_mount(&checking)?;
        Ok(checking)
    }

    /// Refuses a root without any entry where the table has rows.
    pub(crate) fn require_mount(&self) -> Result<()> {
        self.begin_check(SystemTime::UNIX_EPOCH).map(drop)
    }

    /// Refuses to go on where the mount is not what it was at the beginning.
    pub(crate) fn require_same_mount(&self, checking: &Checking) -> Result<()> {
        let process = self.process()?;
        runtime::block_on(async { process.require_same_mount(checking).await })
    }

    /// How the names begin that a check of this directory looks at.
    pub(crate) fn names_beneath(&self, dir: Option<&DirId>) -> Result<String> {
        self.process()?.name_prefix.beneath(dir)
    }

    /// The id behind a name of the table, if a file can have it.
    pub(crate) fn id_of(&self, name: &str) -> Option<FileId> {
        self.options.name_prefix.id(name)
    }

    /// All rows below a prefix, in the byte order of their names.
    pub(crate) fn sorted_rows(&self, beneath: &str) -> Result<Sorted> {
        let process = self.process()?;
        runtime::block_on(async { process.index.sorted(beneath).await })
    }

    /// The next keys and names of the whole table after a key, none at the end.
    pub(crate) fn names_by_key(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, String)>> {
        let process = self.process()?;
        runtime::block_on(async { process.index.names_by_key(after, limit).await })
    }

    /// The files, in the order of the names of their rows.
    pub(crate) fn walk(&self, dir: Option<&DirId>) -> Result<Walk> {
        self.process()?.mount.walk(dir)
    }

    /// Looks whether the row that has this key has this fault, and repairs it
    /// if `repair` says so. `None` where the row is right or gone.
    pub(crate) fn check_row(
        &self,
        fault: Fault,
        key: &str,
        repair: bool,
        checking: &Checking,
    ) -> Result<Option<Verdict>> {
        let process = self.process()?;
        runtime::block_on(async {
            if !repair {
                return process.look_at_row(fault, key, checking).await;
            }
            let mut attempts = process.index.attempts();
            loop {
                match process.repair_row(fault, key, checking).await {
                    Ok(verdict) => return Ok(verdict),
                    Err(error) => attempts.pause_or_fail(error).await?,
                }
            }
        })
    }

    /// Looks whether a file that had no row is there still and has none now,
    /// and removes it if `repair` says so.
    pub(crate) fn check_file(
        &self,
        path: &str,
        repair: bool,
        checking: &Checking,
    ) -> Result<Option<Verdict>> {
        let process = self.process()?;
        let remove = || {
            runtime::block_on(async { process.require_same_mount(checking).await })?;
            process.mount.unneeded(path, checking.cutoff, repair)
        };
        let outcome = match FileId::parse(path) {
            // A name that ezdfs keeps for itself has no row.
            Err(_) => remove()?,
            Ok(id) => {
                let name = process.name_prefix.name(&id)?;
                if runtime::block_on(async { process.index.find(&name).await })?.is_some() {
                    return Ok(None);
                }
                match repair {
                    false => remove()?,
                    true => process.while_rowless(&name, &id, remove)?,
                }
            }
        };
        let state = match outcome {
            Unneeded::Removed => State::Repaired,
            Unneeded::There => State::Found,
            Unneeded::Gone | Unneeded::Young => return Ok(None),
        };
        Ok(Some(Verdict { detail: "no row names it".to_owned(), state }))
    }
}

impl Process {
    pub(super) async fn require_same_mount(&self, checking: &Checking) -> Result<()> {
        let Checking { root, has_rows, .. } = *checking;
        self.on_mount("check", move |mount| match has_rows {
            true => mount.require_same(root),
            false => mount.identity().map(drop),
        })
        .await
    }

    async fn look_at_row(
        &self,
        fault: Fault,
        key: &str,
        checking: &Checking,
    ) -> Result<Option<Verdict>> {
        let Some(row) = self.index.find_key(key).await? else {
            return Ok(None);
        };
        let other = match other_key(fault, key, &row) {
            Some(other) => self.index.find_key(&other).await?,
            None => None,
        };
        let file = self.examine(fault, &row).await?;
        let judged = judge(fault, key, &row, other.as_ref(), file.as_ref(), checking.cutoff);
        Ok(judged.map(|Judged { detail, .. }| Verdict { detail, state: State::Found }))
    }

    async fn repair_row(
        &self,
        fault: Fault,
        key: &str,
        checking: &Checking,
    ) -> Result<Option<Verdict>> {
        let (mut locked, row) = self.index.lock(key).await?;
        let Some(row) = row else {
            locked.roll_back().await?;
            return Ok(None);
        };
        let other = match other_key(fault, key, &row) {
            Some(other) => locked.find_key(&other).await?,
            None => None,
        };
        let file = self.examine(fault, &row).await?;
        let judged = judge(fault, key, &row, other.as_ref(), file.as_ref(), checking.cutoff);
        let Some(Judged { detail, remedy }) = judged else {
            locked.roll_back().await?;
            return Ok(None);
        };
        let state = match remedy {
            Err(reason) => {
                locked.roll_back().await?;
                State::Left(reason)
            }
            Ok(remedy) => {
                self.require_same_mount(checking).await?;
                apply(&mut locked, &remedy).await?;
                locked.commit().await?;
                self.forget(&[FileName::stored(&row.name)]);
                State::Repaired
            }
        };
        Ok(Some(Verdict { detail, state }))
    }

    /// The row's file as readers find it; `None` where there is none, with what
    /// is there instead.
    async fn examine(&self, fault: Fault, row: &Row) -> Result<Option<Result<Examined>>> {
        let Some(id) = self.name_prefix.id(&row.name) else {
            return Ok(None);
        };
        let head = if fault == Fault::BadDatatype { mime::SNIFF_LEN } else { 0 };
        let examined = self.on_mount("check", move |mount| mount.examine(&id, head)).await;
        match examined {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            examined => Ok(Some(examined)),
        }
    }

    /// Does something while the name has no row and can get none: who stores it
    /// meanwhile waits, and finds what was done before its own file is put in
    /// place. Blocks without a deadline, because what was begun on the mount
    /// must have ended when others may write again.
    fn while_rowless(
        &self,
        name: &FileName,
        id: &FileId,
        work: impl FnOnce() -> Result<Unneeded>,
    ) -> Result<Unneeded> {
        let row = Row::new(name, id, 0, 1, DEFAULT_MIME);
        let reserved = runtime::block_on(async {
            let mut attempts = self.index.attempts();
            loop {
                match self.index.reserve(name, &row).await {
                    Ok(reserved) => return Ok(reserved),
                    Err(error) => attempts.pause_or_fail(error).await?,
                }
            }
        })?;
        let Some(reserved) = reserved else {
            return Ok(Unneeded::Gone);
        };
        let outcome = work();
        runtime::block_on(async { reserved.roll_back().await })?;
        outcome
    }
}

async fn apply(locked: &mut Locked<'_>, remedy: &Remedy) -> Result<()> {
    match remedy {
        Remedy::Delete => locked.delete().await,
        Remedy::Unexpire => locked.unexpire().await,
        Remedy::Size(size) => locked.set_size(*size).await,
        Remedy::Datatype(datatype) => locked.set_datatype(datatype).await,
        Remedy::Key(key) => locked.set_key(key).await,
    }
}
