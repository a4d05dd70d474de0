//! Emptying the trash: what lay there long enough goes for good.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use super::purge::GRACE;
use super::{Phase, Progress, fit, limit};
use crate::debris::TRASH;
use crate::error::Result;
use crate::files::{Mount, Walked};
use crate::index::BATCH;
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::store::{Process, Store};

/// How to empty the trash.
#[derive(Debug, Clone, Copy)]
pub struct EmptyOptions {
    /// How long what was taken away is kept, by the date of its folder.
    pub grace: Duration,
    /// Only look and count.
    pub dry_run: bool,
    /// So many files may go; as many as there are, if it is `None`: they were judged
    /// when they were taken away.
    pub max_remove: Option<u64>,
}

impl Default for EmptyOptions {
    /// With the defaults of the command.
    fn default() -> Self {
        EmptyOptions { grace: GRACE, dry_run: false, max_remove: None }
    }
}

/// What emptying it came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Emptied {
    /// Files that went for good.
    pub files: u64,
    /// Journals that went with them.
    pub journals: u64,
    /// Files that a live row speaks of that has none: they should be restored.
    pub needed: u64,
    /// It was ended before its end.
    pub is_interrupted: bool,
}

/// Removes for good what is in the trash for longer than the grace period.
///
/// # Errors
///
/// - [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): more files than
///   `max_remove`.
/// - Those of the mount and the database.
pub fn empty_trash(
    store: &Store,
    options: EmptyOptions,
    report: &mut dyn Progress,
) -> Result<Emptied> {
    let process = store.process()?;
    let mount = process.mount();
    fit::require_mounted(&process, "purge")?;
    let now = mount.server_time([])?;
    let before = now.checked_sub(options.grace).unwrap_or(SystemTime::UNIX_EPOCH);
    // A folder has all that went on its date: the whole day must be over.
    let before = humantime::format_rfc3339_seconds(before).to_string()[..10].to_owned();
    let is_due = |name: &String| name.as_str() < before.as_str();
    let folders: Vec<_> = mount.trash_folders()?.into_iter().filter(is_due).collect();
    let mut planned = 0;
    for folder in &folders {
        planned += mount.walk(&format!("{TRASH}/{folder}"))?.filter(is_file).count() as u64;
        report.progress(Phase::Judging, planned, 0);
    }
    let mut run = Run { process: &process, report, planned, emptied: Emptied::default() };
    if options.dry_run {
        run.emptied.files = planned;
        return Ok(run.emptied);
    }
    if let Some(most) = options.max_remove {
        limit::require("purge", TRASH, planned, most)?;
    }
    for folder in &folders {
        run.folder(folder)?;
        if run.emptied.is_interrupted {
            return Ok(run.emptied);
        }
    }
    // A journal is of use as long as anything that it speaks of is there.
    if run.emptied.needed == 0 {
        for journal in mount.journals()?.into_iter().filter(is_due) {
            mount.empty(&format!("{TRASH}/{journal}"))?;
            run.emptied.journals += 1;
        }
    }
    Ok(run.emptied)
}

fn is_file(walked: &Walked) -> bool {
    matches!(walked, Walked::File(_) | Walked::Other { .. })
}

struct Run<'r> {
    process: &'r Process,
    report: &'r mut dyn Progress,
    planned: u64,
    emptied: Emptied,
}

impl Run<'_> {
    fn folder(&mut self, folder: &str) -> Result<()> {
        let folder = format!("{TRASH}/{folder}");
        let mut batch = Vec::with_capacity(BATCH);
        for walked in self.process.mount().walk(&folder)?.filter(is_file) {
            batch.extend(String::from_utf8(walked.path().to_vec()).ok());
            if batch.len() == BATCH {
                self.files(&folder, &batch)?;
                batch.clear();
            }
            if self.report.is_interrupted() {
                self.emptied.is_interrupted = true;
                return Ok(());
            }
        }
        self.files(&folder, &batch)?;
        self.process.mount().remove_empty_directories(&folder, &|| {}).map(drop)
    }

    fn files(&mut self, folder: &str, places: &[String]) -> Result<()> {
        let id_of = |place: &String| FileId::parse(&place[folder.len() + 1..]).ok();
        let ids: Vec<_> = places.iter().map(id_of).collect();
        let needed = self.spoken_of(ids.iter().flatten())?;
        for (place, id) in places.iter().zip(ids) {
            let mount: &Mount = self.process.mount();
            let is_needed = match id.filter(|id| needed.contains(id.as_str())) {
                Some(id) => !mount.has_entry(id.as_str())?,
                None => false,
            };
            if is_needed {
                log::warn!("ezdfs: {place:?} stays: a live row speaks of it and has no file");
                self.emptied.needed += 1;
            } else {
                mount.empty(place)?;
                self.emptied.files += 1;
            }
            self.report.progress(Phase::Removing, self.emptied.files, self.planned);
        }
        Ok(())
    }

    /// Those of these paths of which live rows speak, whatever root, prefix or table
    /// these are of.
    fn spoken_of<'i>(&self, ids: impl Iterator<Item = &'i FileId>) -> Result<HashSet<String>> {
        let (mut paths, mut names) = (Vec::new(), Vec::new());
        for id in ids {
            paths.push(id.as_str().to_owned());
            names.push(self.process.name_prefix().name(id)?);
        }
        runtime::block_on(async {
            let mut spoken_of = self.process.claimed_among(&paths, true).await?;
            let rows = self.process.index().find_many(&names).await?;
            let is_live =
                |name: &FileName| matches!(rows.get(&name.hash()), Some(Ok(row)) if row.is_live());
            let own = paths.into_iter().zip(&names).filter(|(_, name)| is_live(name));
            spoken_of.extend(own.map(|(path, _)| path));
            Ok(spoken_of)
        })
    }
}
