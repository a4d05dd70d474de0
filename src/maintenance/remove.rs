//! Removing what an operator names: files and whole directories, rows alone, rows
//! by their keys.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Phase, Progress, fit, limit};
use crate::error::{Error, Result};
use crate::files::Mount;
use crate::index::{BATCH, Keyed, PAGE};
use crate::mount::Pulse;
use crate::name::{DirId, FileId, FileName};
use crate::runtime;
use crate::store::{Deleted, Disposal, Process, Store, Trash};

/// What is to be removed.
#[derive(Debug, Clone)]
pub enum Target {
    /// A file.
    File(FileId),
    /// The row that has this key in the table, for rows that no id leads to.
    Key(String),
    /// All that is below a directory.
    Directory(DirId),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::File(id) => write!(f, "{:?}", id.as_str()),
            Target::Key(key) => write!(f, "--key {key:?}"),
            Target::Directory(dir) => write!(f, "{:?}", dir.as_str()),
        }
    }
}

/// How to remove it.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// Only look and tell.
    pub dry_run: bool,
    /// Rows go, into the trash's journal, and whatever bytes they have stay: that
    /// undoes a wrong import.
    pub row_only: bool,
    /// So many rows may go; `None` for 1,000 or one per cent of the rows, whichever
    /// is more.
    pub max_remove: Option<u64>,
}

/// Where removing tells what it does.
pub trait RemoveReport: Progress {
    /// Called for each row, and for each file without a row, that would go: its
    /// name or path, and the row's key.
    ///
    /// # Errors
    ///
    /// Any, which ends it.
    fn would_remove(&mut self, name: &str, key: Option<&str>) -> Result<()>;
}

/// Removes files, or rows alone.
#[derive(Debug)]
pub struct Remove<'s> {
    store: &'s Store,
    process: Arc<Process>,
    options: RemoveOptions,
}

impl<'s> Remove<'s> {
    /// Looks whether the files are the rows', unless only rows are to go.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`](crate::ErrorKind::InvalidConfig),
    /// [`Unavailable`](crate::ErrorKind::Unavailable): root, prefix and table do not
    /// fit each other, or the mount is dead.
    pub fn new(store: &'s Store, options: RemoveOptions) -> Result<Self> {
        let process = store.process()?;
        if options.row_only {
            // Its journal is to be found when the share is there.
            fit::require_mounted(&process, "rm")?;
        } else {
            fit::require(&process, "rm")?;
        }
        Ok(Remove { store, process, options })
    }

    /// Refuses more than `max_remove`, of all that is to be removed: rows, and files
    /// without one.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput)
    pub fn require_few(&self, targets: &[Target]) -> Result<()> {
        let Remove { process, options, .. } = self;
        let mut planned = 0;
        for target in targets {
            let Target::Directory(dir) = target else {
                planned += 1;
                continue;
            };
            let beneath = process.name_prefix().beneath(Some(dir))?;
            planned += runtime::block_on(async { process.index().count(&beneath).await })?;
            if !options.row_only {
                planned += rowless(process, dir)?.len() as u64;
            }
        }
        if options.max_remove.is_none() && planned <= limit::AT_LEAST {
            // No need to count a large table for one file.
            return Ok(());
        }
        let all = runtime::block_on(async { process.index().count("").await })?;
        let subject = targets.first().map_or_else(String::new, Target::to_string);
        limit::require("rm", subject, planned, limit::most(options.max_remove, all))
    }

    /// Removes what is named.
    ///
    /// # Errors
    ///
    /// - [`NotFound`](crate::ErrorKind::NotFound): no such row.
    /// - As [`Store::delete`] and [`Store::delete_directory`].
    pub fn run(&self, target: &Target, report: &mut dyn RemoveReport) -> Result<Deleted> {
        let RemoveOptions { dry_run, row_only, .. } = self.options;
        let (subject, key) = match target {
            Target::Directory(dir) => return self.directory(dir, report),
            Target::File(id) => (id.as_str(), self.store.name(id)?.hash()),
            Target::Key(key) => (key.as_str(), key.clone()),
        };
        match target {
            Target::File(id) if !dry_run && !row_only => {
                self.store.delete_by(id, &Disposal::UnlinkOwn)?
            }
            Target::Key(key) if !dry_run && !row_only => self.store.delete_key(key)?,
            _ => {
                let find = async { self.process.index().find_keyed(&key).await };
                let found = runtime::block_on(find)?;
                let keyed = found.ok_or_else(|| Error::not_found("rm", subject))?;
                if dry_run {
                    report.would_remove(&keyed.row.name, Some(&keyed.key))?;
                } else {
                    Rows::of(&self.process)?.remove(&[keyed])?;
                }
            }
        }
        Ok(Deleted { rows: 1, ..Deleted::default() })
    }

    fn directory(&self, dir: &DirId, report: &mut dyn RemoveReport) -> Result<Deleted> {
        let Remove { store, process, options } = self;
        let beneath = process.name_prefix().beneath(Some(dir))?;
        if options.dry_run {
            return would_remove(process, dir, &beneath, *options, report);
        }
        let planned = runtime::block_on(async { process.index().count(&beneath).await })?;
        report.progress(Phase::Removing, 0, planned);
        if !options.row_only {
            return store.delete_directory_by(dir, &Disposal::UnlinkOwn, &mut |done| {
                report.progress(Phase::Removing, done, planned);
                report.is_interrupted()
            });
        }
        let mut rows = Rows::of(process)?;
        let mut deleted = Deleted::default();
        each_row(process, &beneath, &mut |page| {
            rows.remove(page)?;
            deleted.rows += page.len() as u64;
            report.progress(Phase::Removing, deleted.rows, planned);
            Ok(!report.is_interrupted())
        })?;
        Ok(deleted)
    }
}

fn would_remove(
    process: &Process,
    dir: &DirId,
    beneath: &str,
    options: RemoveOptions,
    report: &mut dyn RemoveReport,
) -> Result<Deleted> {
    let mut deleted = Deleted::default();
    each_row(process, beneath, &mut |page| {
        for keyed in page {
            report.would_remove(&keyed.row.name, Some(&keyed.key))?;
        }
        deleted.rows += page.len() as u64;
        Ok(!report.is_interrupted())
    })?;
    if options.row_only {
        return Ok(deleted);
    }
    for path in rowless(process, dir)? {
        report.would_remove(&path, None)?;
        deleted.files += 1;
    }
    Ok(deleted)
}

/// Files below a directory that have no row.
fn rowless(process: &Process, dir: &DirId) -> Result<Vec<String>> {
    let path = dir.as_str().to_owned();
    let look = move |mount: &Mount, pulse: &Pulse| mount.leftovers(&path, &|| pulse.beat());
    let mut files = runtime::block_on(process.gate().run_long("rm", look))?.files;
    let name = |path: &String| process.name_prefix().name(&FileId::parse(path).ok()?).ok();
    let mut with_rows = HashSet::new();
    for paths in files.chunks(BATCH) {
        let names: Vec<_> = paths.iter().filter_map(name).collect();
        let rows = runtime::block_on(async { process.index().find_many(&names).await })?;
        with_rows.extend(rows.into_keys());
    }
    files.retain(|path| !name(path).is_some_and(|name| with_rows.contains(&name.hash())));
    Ok(files)
}

/// Goes through the rows below a prefix, batch by batch, until it is told to stop.
fn each_row(
    process: &Process,
    beneath: &str,
    work: &mut dyn FnMut(&[Keyed]) -> Result<bool>,
) -> Result<()> {
    let mut after = None;
    loop {
        let page = runtime::block_on(async {
            process.index().list_by_key(beneath, after.as_deref(), PAGE).await
        })?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for batch in page.chunks(BATCH) {
            if !work(batch)? {
                return Ok(());
            }
        }
    }
}

/// Rows that go without their bytes.
struct Rows<'p> {
    process: &'p Process,
    trash: Arc<Trash>,
}

impl<'p> Rows<'p> {
    fn of(process: &'p Process) -> Result<Self> {
        let now = runtime::block_on(process.gate().run("rm", |mount| mount.server_time([])))?;
        Ok(Rows { process, trash: process.trash("rm", now) })
    }

    /// Notes them in the journal, and deletes them.
    fn remove(&mut self, rows: &[Keyed]) -> Result<()> {
        let names: Vec<FileName> = rows.iter().map(Keyed::name).collect();
        runtime::block_on(async {
            self.process.index().attempts().repeat(|| self.remove_once(&names)).await
        })?;
        self.process.forget(&names);
        Ok(())
    }

    async fn remove_once(&self, names: &[FileName]) -> Result<()> {
        let index = self.process.index();
        let (mut pending, records) = index.begin_removal(names).await?;
        let trash = Arc::clone(&self.trash);
        let note = move |mount: &Mount| trash.note_rows(mount, "row-only", records);
        self.process.gate().run("rm", note).await?;
        pending.delete(index, names).await?;
        pending.commit().await
    }
}
