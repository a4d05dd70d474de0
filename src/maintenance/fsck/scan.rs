//! The first pass: rows and tree, merged.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::aliases::Aliases;
use super::candidates::Candidates;
use super::forms::Forms;
use super::judge::{has_bad_datatype, is_hidden, is_legacy_token};
use super::tree::Tree;
use super::{Checked, Fault, FsckOptions, Report, count_error};
use crate::debris::{self, Debris};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, RootIdentity, Walked, WalkedFile, is_aside};
use crate::index::{Keyed, Sorted};
use crate::maintenance::Phase;
use crate::name::FileName;
use crate::runtime;
use crate::store::Process;
use crate::territory::{Territory, storage_of, top};

/// Steps between two looks at the mount.
const STEPS: u64 = 1000;

/// What does not change while a store is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checking {
    /// The time on the file server when the check began.
    pub(super) now: SystemTime,
    /// What changed after this is too young to be judged.
    pub(super) cutoff: SystemTime,
    /// A file without a row that changed later is newer than all that the table
    /// knows, which may be an old copy.
    pub(super) newest_known: SystemTime,
    pub(super) root: RootIdentity,
    pub(super) has_rows: bool,
}

/// What the first pass found.
pub(super) struct Scanned {
    pub(super) checking: Checking,
    pub(super) checked: Checked,
    pub(super) candidates: Candidates,
    /// Old files that writes have set aside: to be looked at first, because what is
    /// wrong with their rows may be that they lie here.
    pub(super) aside: Candidates,
    pub(super) aliases: Aliases,
    pub(super) forms: Forms,
    pub(super) tree: Tree,
    /// What is nobody's business, by the top of its path.
    pub(super) foreign: BTreeMap<String, u64>,
    pub(super) territory: Territory,
}

pub(super) struct Scan<'a> {
    process: &'a Process,
    options: &'a FsckOptions,
    /// What names have before the path.
    prefix: String,
    scanned: Scanned,
}

/// What lies at a row's path.
#[derive(Clone, Copy)]
enum Found {
    Nothing,
    File {
        size: u64,
        is_readable: bool,
    },
    /// It lies below a directory that cannot be read.
    Unknown,
    /// It lies on another mount.
    Elsewhere,
}

impl<'a> Scan<'a> {
    /// Reads all rows, then merges them with the tree.
    pub(super) fn run(
        process: &'a Process,
        options: &'a FsckOptions,
        report: &mut dyn Report,
    ) -> Result<Scanned> {
        let (has_rows, root) = begin(process)?;
        let mut territory = Territory::new(process.name_prefix());
        let rows = read_rows(process, options, report, &mut |keyed| {
            territory.add(&keyed.row.name, keyed.row.is_live());
        })?;
        let newest = runtime::block_on(async { process.index().newest().await })?;
        complete(&mut territory, process, options)?;
        let now = server_time(process, options, &territory)?;
        let cutoff = now.checked_sub(options.grace).unwrap_or(SystemTime::UNIX_EPOCH);
        let newest = Duration::from_secs(newest.unwrap_or_default().max(0).cast_unsigned())
            + SLACK
            + options.grace;
        let newest_known = SystemTime::UNIX_EPOCH.checked_add(newest).unwrap_or(now);
        let prefix = process.name_prefix().beneath(None)?;
        let scanned = Scanned {
            checking: Checking { now, cutoff, newest_known, root, has_rows },
            checked: Checked::default(),
            candidates: Candidates::new(&options.only),
            // Known in any case: see `Repairs::repairs`.
            aside: Candidates::new(&[]),
            aliases: Aliases::new(&prefix),
            forms: Forms::default(),
            tree: Tree::new(process.name_prefix(), options.max_missing, options.dir.is_none()),
            foreign: BTreeMap::new(),
            territory,
        };
        Scan { process, options, prefix, scanned }.merge(rows, report)
    }

    fn merge(mut self, mut rows: Sorted, report: &mut dyn Report) -> Result<Scanned> {
        let dir = self.options.dir.as_ref().map_or("", |dir| dir.as_str());
        let total = rows.count();
        let mut files = self.process.mount().walk(dir)?;
        let mut row = rows.next()?;
        let mut file = files.next();
        let mut has_row = false;
        let mut steps = 0;
        loop {
            match (row.take(), file.take()) {
                (None, None) => break,
                (None, Some(walked)) => {
                    self.walked(walked, has_row, report)?;
                    (file, has_row) = (files.next(), false);
                }
                (Some(keyed), None) => {
                    self.row(keyed, Found::Nothing)?;
                    row = rows.next()?;
                }
                (Some(keyed), Some(walked)) => {
                    let path = &keyed.row.name.as_bytes()[self.prefix.len()..];
                    if let Some(found) = what_is_there(&walked, path) {
                        has_row |= !matches!(found, Found::Nothing);
                        self.row(keyed, found)?;
                        (row, file) = (rows.next()?, Some(walked));
                    } else {
                        self.walked(walked, has_row, report)?;
                        (row, file, has_row) = (Some(keyed), files.next(), false);
                    }
                }
            }
            steps += 1;
            if steps % STEPS == 0 {
                require_same_mount(self.process, &self.scanned.checking)?;
                let Checked { rows, files, .. } = self.scanned.checked;
                report.progress(Phase::Comparing, rows.max(files), total);
                if report.is_interrupted() {
                    self.scanned.checked.is_interrupted = true;
                    break;
                }
            }
        }
        let Scanned { tree, candidates, .. } = &mut self.scanned;
        tree.end(candidates)?;
        self.scanned.checked.unknown = self.scanned.tree.unknown;
        Ok(self.scanned)
    }

    fn row(&mut self, keyed: Keyed, found: Found) -> Result<()> {
        let Keyed { key, row } = keyed;
        let Scanned { checked, candidates, aliases, tree, forms, .. } = &mut self.scanned;
        checked.rows += 1;
        let path = &row.name.as_bytes()[self.prefix.len()..];
        let name = FileName::stored(&row.name);
        if self.process.name_prefix().id(&row.name).is_none() {
            aliases.add(&row.name);
            return candidates.add(Fault::Alias, &key, path);
        }
        tree.go_to(path, candidates)?;
        tree.row();
        let is_excluded = self.options.exclude.has(&row.name[self.prefix.len()..]);
        if is_excluded || storage_of(&row.name, self.process.name_prefix()).is_none() {
            checked.foreign_rows += 1;
            return Ok(());
        }
        if key != name.hash() {
            // Found under the hash of another name, or of none: whether it has
            // a file is nothing that readers could be told.
            let is_case = key.eq_ignore_ascii_case(&name.hash());
            let fault = if is_case { Fault::KeyCase } else { Fault::BadHash };
            return candidates.add(fault, &key, path);
        }
        if is_hidden(&row) {
            candidates.add(Fault::HiddenRow, &key, path)?;
        }
        if has_bad_datatype(&row) {
            candidates.add(Fault::BadDatatype, &key, path)?;
        }
        checked.legacy_types += u64::from(row.is_live() && is_legacy_token(&row.datatype));
        if !row.is_live() {
            return Ok(());
        }
        match found {
            Found::Unknown => checked.unchecked += 1,
            Found::Elsewhere => {
                checked.unchecked += 1;
                tree.live_row(true);
            }
            Found::Nothing => {
                forms.missing(&key, path);
                tree.missing_row(&key, path, candidates)?;
            }
            Found::File { size, is_readable } => {
                tree.live_row(size == row.size);
                if size != row.size {
                    candidates.add(Fault::SizeMismatch, &key, path)?;
                }
                if !is_readable {
                    candidates.add(Fault::UnreadableFile, &key, path)?;
                }
            }
        }
        Ok(())
    }

    fn walked(&mut self, walked: Walked, has_row: bool, report: &mut dyn Report) -> Result<()> {
        let Scanned { candidates, tree, .. } = &mut self.scanned;
        tree.go_to(walked.path(), candidates)?;
        match walked {
            Walked::File(file) => self.file(file, has_row)?,
            Walked::Unreadable { path, error } if self.is_ours(&path) => {
                count_error(&mut self.scanned.checked, self.options, error, report)?;
            }
            // Of what is not ours nothing has to be known.
            Walked::Unreadable { path, .. } => self.foreign(&path),
            Walked::Bare { .. } => self.scanned.tree.is_bare(),
            Walked::Elsewhere { .. } => self.scanned.tree.is_elsewhere(),
            Walked::Other { .. } => {}
        }
        Ok(())
    }

    fn file(&mut self, file: WalkedFile, has_row: bool) -> Result<()> {
        let WalkedFile { path, changed, .. } = file;
        self.scanned.checked.files += 1;
        self.scanned.tree.file();
        if has_row {
            return Ok(());
        }
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(&path);
        let debris = debris::of_file(name);
        if debris == Some(Debris::Foreign) || !self.is_ours(&path) {
            self.foreign(&path);
            return Ok(());
        }
        let Scanned { checking, checked, candidates, aside, tree, forms, .. } = &mut self.scanned;
        if changed > checking.cutoff {
            checked.young += 1;
            return Ok(());
        }
        if is_aside(name) {
            aside.add(Fault::InterruptedOverwrite, "", &path)?;
        }
        if debris == Some(Debris::Staging) {
            return candidates.add(Fault::StaleStaging, "", &path);
        }
        if std::str::from_utf8(&path).is_err() {
            return candidates.add(Fault::NotUtf8, "", &path);
        }
        forms.rowless(&path);
        tree.rowless_file(path);
        Ok(())
    }

    /// Whether a path lies where the table lives. One that is not UTF-8 does if
    /// what is before that does.
    fn is_ours(&self, path: &[u8]) -> bool {
        let valid = String::from_utf8_lossy(path);
        self.scanned.territory.covers(&format!("{}{valid}", self.prefix))
            && !self.options.exclude.has(&valid)
    }

    fn foreign(&mut self, path: &[u8]) {
        let shown = String::from_utf8_lossy(path);
        *self.scanned.foreign.entry(top(&shown).to_owned()).or_default() += 1;
    }
}

/// Clocks of those who write rows and of the file server differ.
const SLACK: Duration = Duration::from_secs(60);

/// Refuses a root that is bare where the table has rows: nothing is mounted there.
fn begin(process: &Process) -> Result<(bool, RootIdentity)> {
    runtime::block_on(async {
        process.index().require_writes().await?;
        let has_rows = !process.has_no_rows().await?;
        let root = process.gate().run("check", move |mount| {
            if has_rows {
                mount.require_alive()?;
            }
            mount.identity()
        });
        Ok((has_rows, root.await?))
    })
}

/// Refuses to go on where the mount is not what it was at the beginning.
pub(super) fn require_same_mount(process: &Process, checking: &Checking) -> Result<()> {
    let Checking { root, has_rows, .. } = *checking;
    let look = move |mount: &Mount| match has_rows {
        true => mount.require_same(root),
        false => mount.identity().map(drop),
    };
    runtime::block_on(process.gate().run("check", look))
}

fn read_rows(
    process: &Process,
    options: &FsckOptions,
    report: &mut dyn Report,
    observe: &mut dyn FnMut(&Keyed),
) -> Result<Sorted> {
    let beneath = process.name_prefix().beneath(options.dir.as_ref())?;
    let total = runtime::block_on(async { process.index().count(&beneath).await })?;
    if let Some(dir) = &options.dir {
        let path = dir.as_str().to_owned();
        let look = move |mount: &Mount| mount.has_entry(&path);
        if total == 0 && !runtime::block_on(process.gate().run("check", look))? {
            let reason = "no such directory, and no row in the table whose name begins so";
            return Err(Error::new(ErrorKind::NotFound, "check", dir.as_str(), reason));
        }
    }
    let mut read = 0;
    let mut progress = |keyed: &Keyed| {
        observe(keyed);
        read += 1;
        if read % STEPS == 0 {
            report.progress(Phase::ReadingRows, read, total);
        }
    };
    runtime::block_on(async { process.index().sorted(&beneath, &mut progress).await })
}

/// A part of the store lies where the table lives if the whole has live rows.
fn complete(territory: &mut Territory, process: &Process, options: &FsckOptions) -> Result<()> {
    let Some(dir) = &options.dir else { return Ok(()) };
    let name = process.name_prefix().beneath(Some(dir))?;
    let Some(storage) = storage_of(&name, process.name_prefix()) else { return Ok(()) };
    let beneath = if storage.is_empty() { String::new() } else { format!("{storage}/") };
    for keyed in runtime::block_on(async { process.index().live_sample(&beneath, 1).await })? {
        territory.add(&keyed.row.name, true);
    }
    Ok(())
}

/// By the file server's clock. Who may not make a file there, and repairs
/// nothing, goes by the own.
fn server_time(
    process: &Process,
    options: &FsckOptions,
    territory: &Territory,
) -> Result<SystemTime> {
    let places: Vec<String> = territory.areas().collect();
    let ask = move |mount: &Mount| mount.server_time(places.iter().map(String::as_str));
    match runtime::block_on(process.gate().run("check", ask)) {
        Err(error) if options.repair.is_empty() && error.kind().is_of_storage() => {
            Ok(SystemTime::now())
        }
        outcome => outcome,
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
        Walked::Elsewhere { path: there } if path.starts_with(there) => Some(Found::Elsewhere),
        Walked::File(WalkedFile { path: there, size, is_readable, .. }) if there == path => {
            Some(Found::File { size: *size, is_readable: *is_readable })
        }
        _ => (path < walked.path()).then_some(Found::Nothing),
    }
}
