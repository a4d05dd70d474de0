//! The first pass: rows and tree, merged.

use super::aliases::Aliases;
use super::candidates::Candidates;
use super::{Checked, FsckOptions, Report, count_error};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Walked, is_kept};
use crate::index::Keyed;
use crate::name::{FileName, RESERVED_PREFIX};
use crate::store::{Checking, Fault, Store, has_bad_datatype, is_hidden};

/// From so many live rows on their share without a file is looked at.
const PLAUSIBLE_FROM: u64 = 1000;

/// Steps between two looks at the mount.
const STEPS: u64 = 1000;

pub(super) struct Scan<'a> {
    store: &'a Store,
    options: &'a FsckOptions,
    checking: Checking,
    /// What names have before the path.
    prefix: usize,
    scanned: Scanned,
    live: u64,
    missing: u64,
}

/// What the first pass found.
pub(super) struct Scanned {
    pub(super) checked: Checked,
    pub(super) candidates: Candidates,
    /// Old files that writes have kept: to be looked at first, because what is
    /// wrong with their rows may be that they lie here.
    pub(super) kept: Candidates,
    pub(super) aliases: Aliases,
    /// Candidates that are files without rows.
    pub(super) orphans: u64,
}

/// What lies at a row's path.
#[derive(Clone, Copy)]
enum Found {
    Nothing,
    File(u64),
    /// It lies below a directory that cannot be read.
    Unknown,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        store: &'a Store,
        options: &'a FsckOptions,
        checking: Checking,
    ) -> Result<Self> {
        let prefix = store.names_beneath(None)?;
        let scanned = Scanned {
            checked: Checked::default(),
            candidates: Candidates::new()?,
            kept: Candidates::new()?,
            orphans: 0,
            aliases: Aliases::new(&prefix),
        };
        let prefix = prefix.len();
        Ok(Scan { store, options, checking, prefix, scanned, live: 0, missing: 0 })
    }

    pub(super) fn run(mut self, report: &mut dyn Report) -> Result<Scanned> {
        let dir = self.options.dir.as_ref();
        let mut rows = self.store.sorted_rows(&self.store.names_beneath(dir)?)?;
        let mut files = self.store.walk(dir)?;
        let mut row = rows.next()?;
        let mut file = files.next();
        let mut has_row = false;
        let mut steps = 0;
        loop {
            match (row.take(), file.take()) {
                (None, None) => break,
                (None, Some(walked)) => {
                    self.file(walked, has_row, report)?;
                    (file, has_row) = (files.next(), false);
                }
                (Some(keyed), None) => {
                    self.row(keyed, Found::Nothing)?;
                    row = rows.next()?;
                }
                (Some(keyed), Some(walked)) => {
                    let path = &keyed.row.name.as_bytes()[self.prefix..];
                    if let Some(found) = what_is_there(&walked, path) {
                        has_row |= matches!(found, Found::File(_) | Found::Unknown);
                        self.row(keyed, found)?;
                        (row, file) = (rows.next()?, Some(walked));
                    } else {
                        self.file(walked, has_row, report)?;
                        (row, file, has_row) = (Some(keyed), files.next(), false);
                    }
                }
            }
            steps += 1;
            if steps % STEPS == 0 {
                self.store.require_same_mount(&self.checking)?;
                report.progress(&self.scanned.checked);
            }
        }
        self.require_plausible_missing()?;
        Ok(self.scanned)
    }

    fn row(&mut self, keyed: Keyed, found: Found) -> Result<()> {
        let Keyed { key, row } = keyed;
        self.scanned.checked.rows += 1;
        let mut faults = Vec::new();
        if self.store.id_of(&row.name).is_none() {
            self.scanned.aliases.add(&row.name);
            faults.push(Fault::Alias);
        } else if key != FileName::stored(&row.name).hash() {
            // Found under the hash of another name, or of none: whether it has
            // a file is nothing that readers could be told.
            faults.push(Fault::BadHash);
        } else {
            faults.extend(is_hidden(&row).then_some(Fault::HiddenRow));
            faults.extend(has_bad_datatype(&row).then_some(Fault::BadDatatype));
            if row.is_live() {
                faults.extend(self.live_row(row.size, found));
            }
        }
        for fault in faults {
            let path = &row.name.as_bytes()[self.prefix..];
            self.scanned.candidates.add(fault, &key, path)?;
        }
        if self.live >= PLAUSIBLE_FROM { self.require_plausible_missing() } else { Ok(()) }
    }

    fn live_row(&mut self, size: u64, found: Found) -> Option<Fault> {
        let fault = match found {
            Found::Unknown => {
                self.scanned.checked.unchecked += 1;
                return None;
            }
            Found::Nothing => {
                self.missing += 1;
                Some(Fault::MissingFile)
            }
            Found::File(actual) => (actual != size).then_some(Fault::SizeMismatch),
        };
        self.live += 1;
        fault
    }

    fn file(&mut self, walked: Walked, has_row: bool, report: &mut dyn Report) -> Result<()> {
        let Scanned { checked, candidates, kept, orphans, .. } = &mut self.scanned;
        let (path, changed) = match walked {
            Walked::Unreadable { error, .. } => {
                return count_error(checked, self.options, error, report);
            }
            Walked::File { path, changed, .. } => (path, changed),
        };
        checked.files += 1;
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(&path);
        // A file that is deleted, but still open on an NFS client.
        if has_row || name.starts_with(b".nfs") {
            return Ok(());
        }
        if changed > self.checking.cutoff {
            checked.young += 1;
            return Ok(());
        }
        if is_kept(name) {
            kept.add(Fault::InterruptedOverwrite, "", &path)?;
        }
        if name.starts_with(RESERVED_PREFIX.as_bytes()) || name.starts_with(b"ezfile-tmp.") {
            return candidates.add(Fault::StaleStaging, "", &path);
        }
        *orphans += 1;
        candidates.add(Fault::OrphanFile, "", &path)
    }

    fn require_plausible_missing(&self) -> Result<()> {
        let limit = u64::from(self.options.max_missing);
        if self.missing * 100 <= self.live * limit {
            return Ok(());
        }
        let reason = format!(
            "{} of {} live rows have no file, which is more than {limit} %: \
             is the right share mounted? Nothing was changed",
            self.missing, self.live
        );
        let root = self.store.root().to_string_lossy();
        Err(Error::new(ErrorKind::Unavailable, "check", root, reason))
    }
}

/// What the walk knows of a path that has a row; `None` where it has not come
/// so far.
fn what_is_there(walked: &Walked, path: &[u8]) -> Option<Found> {
    match walked {
        Walked::Unreadable { path: unread, .. }
            if unread == path || (unread.ends_with(b"/") && path.starts_with(unread)) =>
        {
            Some(Found::Unknown)
        }
        Walked::File { path: there, size, .. } if there == path => Some(Found::File(*size)),
        _ => (path < walked.path()).then_some(Found::Nothing),
    }
}
