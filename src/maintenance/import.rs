//! Registering a tree of files that is on the mount already.
//!
//! In two passes. The first only reads names, and judges whether root, prefix and
//! table fit them: rows under wrong names would make two rows of one file.

mod survey;

use std::fs::{File, Metadata};
use std::io::Read;
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use walkdir::{DirEntry, WalkDir};

use super::{Exclude, Phase, Progress, fit};
use crate::debris;
use crate::error::{Error, ErrorKind, Result};
use crate::files::real_path;
use crate::index::BATCH;
use crate::metadata::check_mtime;
use crate::mime;
use crate::name::FileId;
use crate::runtime;
use crate::store::{Candidate, Process, Registered, Store};
use crate::territory::storage_of;

use survey::Survey;

/// Threads that look into files: an NFS server answers several at a time.
const READERS: usize = 8;

/// How to import.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Only look and tell.
    pub dry_run: bool,
    /// Register files of a storage directory that the table does not know, even
    /// where its path does not show that it is the one that the prefix says.
    pub new_storage: bool,
    /// Paths that get no row.
    pub exclude: Exclude,
}

/// What an import came to: numbers of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Files that had no row and got one.
    pub added: u64,
    /// Files whose row had another size, or was older than the file, and was
    /// rewritten.
    pub updated: u64,
    /// Files whose row was right.
    pub unchanged: u64,
    /// Files whose row says that they were deleted; left as they are.
    pub soft_deleted: u64,
    /// Temporary files, links and the like, and what lies outside the areas of a
    /// storage directory: no stored files.
    pub skipped: u64,
    /// Files that could not be read or cannot have a row.
    pub failed: u64,
    /// It was ended before its end.
    pub is_interrupted: bool,
}

impl Imported {
    /// All files seen.
    pub fn total(&self) -> u64 {
        self.added + self.updated + self.unchanged + self.soft_deleted + self.skipped + self.failed
    }
}

/// A file that got a row, or would get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedFile {
    /// Its id.
    pub id: FileId,
    /// Bytes.
    pub size: u64,
    /// Whether it had none before.
    pub is_new: bool,
}

/// Where an import tells what it does.
pub trait ImportReport: Progress {
    /// Called for each file that got a row, or a new one; or would get it.
    ///
    /// # Errors
    ///
    /// Any, which ends the import.
    fn registered(&mut self, file: &ImportedFile) -> Result<()>;

    /// Called for each file that cannot be registered, which does not end the
    /// import.
    fn failure(&mut self, error: Error);
}

/// An import under way.
#[derive(Debug)]
pub struct Import<'s> {
    store: &'s Store,
    options: ImportOptions,
    directory: PathBuf,
    /// The root as the file system spells it.
    root: PathBuf,
}

impl<'s> Import<'s> {
    /// Prepares to import the files below a directory, which must lie in the
    /// store's root: an id is a path relative to that.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidInput`]: the directory lies elsewhere.
    /// - [`ErrorKind::Storage`]: it cannot be read.
    pub fn new(store: &'s Store, directory: &Path, options: ImportOptions) -> Result<Self> {
        let real = |path: &Path| {
            real_path(path).map_err(|error| {
                Error::io("import", path.to_string_lossy(), "cannot read the directory", error)
            })
        };
        let root = real(store.root())?;
        let directory = real(directory)?;
        if !directory.starts_with(&root) {
            let reason = format!("lies outside the root {}", root.display());
            let subject = directory.to_string_lossy();
            return Err(Error::new(ErrorKind::InvalidInput, "import", subject, reason));
        }
        Ok(Import { store, options, directory, root })
    }

    /// Registers each file: id from its path, size and mtime from the file,
    /// MIME type from its first bytes. Repeating it changes nothing.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidConfig`]: root, prefix and table do not fit the files;
    ///   nothing was registered.
    /// - Those of the database, after which the import can be started again; and
    ///   a bare root where the table has rows: nothing is mounted there.
    pub fn run(&self, report: &mut dyn ImportReport) -> Result<Imported> {
        let process = self.store.process()?;
        runtime::block_on(async {
            match process.has_no_rows().await? {
                true => Ok(()),
                false => process.gate().run("import", |mount| mount.require_alive()).await,
            }
        })?;
        let total =
            Survey::new(&process, self.options.new_storage).run(self.walk(), self, report)?;
        // Rows that have another size take that of the file: it had better be theirs.
        fit::require(&process, "import")?;
        let mut imported = Imported::default();
        let mut batch = Vec::with_capacity(BATCH);
        for entry in self.walk() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => batch.push(entry),
                Err(error) => {
                    imported.failed += 1;
                    report.failure(unreadable(&error));
                }
            }
            if batch.len() == BATCH {
                self.register(&process, &mut batch, &mut imported, report)?;
                report.progress(Phase::Registering, imported.total(), total);
                if report.is_interrupted() {
                    imported.is_interrupted = true;
                    return Ok(imported);
                }
            }
        }
        self.register(&process, &mut batch, &mut imported, report)?;
        report.progress(Phase::Registering, imported.total(), total);
        Ok(imported)
    }

    fn walk(&self) -> impl Iterator<Item = walkdir::Result<DirEntry>> + use<> {
        let is_ours = |entry: &DirEntry| {
            let name = entry.file_name().as_encoded_bytes();
            entry.depth() == 0
                || !(entry.file_type().is_dir() && debris::is_foreign_directory(name))
        };
        WalkDir::new(&self.directory).sort_by_file_name().into_iter().filter_entry(is_ours)
    }

    /// The path beneath the root.
    fn path<'e>(&self, entry: &'e DirEntry) -> &'e [u8] {
        let path = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
        path.as_os_str().as_encoded_bytes()
    }

    fn register(
        &self,
        process: &Process,
        batch: &mut Vec<DirEntry>,
        imported: &mut Imported,
        report: &mut dyn ImportReport,
    ) -> Result<()> {
        let mut candidates = Vec::with_capacity(batch.len());
        for outcome in self.candidates(process, batch) {
            match outcome {
                Ok(candidate) => candidates.push(candidate),
                Err(Skip::Silently) => imported.skipped += 1,
                Err(Skip::Failed(error)) => {
                    imported.failed += 1;
                    report.failure(error);
                }
            }
        }
        step!("looked");
        let outcomes = self.register_or_tell(candidates, imported, report)?;
        for (candidate, outcome) in outcomes {
            let is_new = outcome == Registered::Added;
            *match outcome {
                Registered::Added => &mut imported.added,
                Registered::Updated => &mut imported.updated,
                Registered::Unchanged => &mut imported.unchanged,
                Registered::SoftDeleted => &mut imported.soft_deleted,
                Registered::Interrupted => &mut imported.failed,
            } += 1;
            match outcome {
                Registered::Added | Registered::Updated => {
                    let Candidate { id, size, .. } = candidate;
                    report.registered(&ImportedFile { id, size, is_new })?;
                }
                Registered::Interrupted => {
                    let reason = "an overwrite of it was interrupted: \
                                  run `ezdfs fsck --repair interrupted-overwrite` first";
                    let id = candidate.id.as_str();
                    report.failure(Error::new(ErrorKind::Storage, "import", id, reason));
                }
                Registered::Unchanged | Registered::SoftDeleted => {}
            }
        }
        batch.clear();
        Ok(())
    }

    /// Registers all in one go; where the table cannot hold one of them, such as a name
    /// in characters that it lacks, each by itself.
    fn register_or_tell(
        &self,
        candidates: Vec<Candidate>,
        imported: &mut Imported,
        report: &mut dyn ImportReport,
    ) -> Result<Vec<(Candidate, Registered)>> {
        let register = |some: &[Candidate]| self.store.register(some, self.options.dry_run);
        match register(&candidates) {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            outcomes => return Ok(candidates.into_iter().zip(outcomes?).collect()),
        }
        let mut registered = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            match register(std::slice::from_ref(&candidate)) {
                Err(error) if error.kind() == ErrorKind::InvalidInput => {
                    imported.failed += 1;
                    report.failure(error);
                }
                outcomes => registered.extend(iter::once(candidate).zip(outcomes?)),
            }
        }
        Ok(registered)
    }

    /// What there is to register, in the order of the entries.
    fn candidates(&self, process: &Process, entries: &[DirEntry]) -> Vec<Result<Candidate, Skip>> {
        let share = entries.len().div_ceil(READERS).max(1);
        thread::scope(|scope| {
            let look = |entries: &[DirEntry]| -> Vec<_> {
                entries.iter().map(|entry| self.candidate(process, entry)).collect()
            };
            let readers: Vec<_> =
                entries.chunks(share).map(|share| scope.spawn(move || look(share))).collect();
            let ended = readers.into_iter().map(|reader| reader.join());
            ended.flat_map(|looked| looked.unwrap_or_else(|panic| resume_unwind(panic))).collect()
        })
    }

    fn candidate(&self, process: &Process, entry: &DirEntry) -> Result<Candidate, Skip> {
        let name = entry.file_name().as_encoded_bytes();
        if !entry.file_type().is_file() || debris::of_file(name).is_some() {
            return Err(Skip::Silently);
        }
        let id = FileId::from_bytes(self.path(entry)).map_err(Skip::Failed)?;
        let row = process.name_prefix().name(&id).map_err(Skip::Failed)?;
        let is_ours = storage_of(row.as_str(), process.name_prefix()).is_some();
        if !is_ours || self.options.exclude.has(id.as_str()) {
            return Err(Skip::Silently);
        }
        let (metadata, head) = look_into(entry.path()).map_err(|error| {
            Skip::Failed(Error::io("import", id.as_str(), "cannot read", error))
        })?;
        let mtime = check_mtime(&id, metadata.mtime()).map_err(Skip::Failed)?;
        Ok(Candidate { id, size: metadata.len(), mtime, mime_type: mime::sniff(&head) })
    }
}

/// Why a file is not registered.
enum Skip {
    Silently,
    Failed(Error),
}

fn unreadable(error: &walkdir::Error) -> Error {
    let subject = error.path().map_or(String::new(), |path| path.to_string_lossy().into_owned());
    Error::new(ErrorKind::Storage, "import", subject, error.to_string())
}

fn look_into(path: &Path) -> std::io::Result<(Metadata, Vec<u8>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut head = Vec::new();
    file.take(mime::SNIFF_LEN as u64).read_to_end(&mut head)?;
    Ok((metadata, head))
}
