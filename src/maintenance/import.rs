//! Registering a tree of files that is on the mount already.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, ErrorKind, Result};
use crate::index::BATCH;
use crate::metadata::check_mtime;
use crate::mime;
use crate::name::{FileId, RESERVED_PREFIX};
use crate::store::{Candidate, Registered, Store};

/// Threads that look into files: an NFS server answers several at a time.
const READERS: usize = 8;

/// How to import.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Only look and count.
    pub dry_run: bool,
}

/// What an import came to: numbers of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Files that had no row and got one.
    pub added: u64,
    /// Files whose row had another size and was rewritten.
    pub updated: u64,
    /// Files whose row was right.
    pub unchanged: u64,
    /// Files whose row says that they were deleted; left as they are.
    pub soft_deleted: u64,
    /// Temporary files, links and the like, which are no stored files.
    pub skipped: u64,
    /// Files that could not be read or cannot have a row.
    pub failed: u64,
}

impl Imported {
    /// All files seen.
    pub fn total(&self) -> u64 {
        self.added + self.updated + self.unchanged + self.soft_deleted + self.skipped + self.failed
    }
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
            path.canonicalize().map_err(|error| {
                let subject = path.to_string_lossy();
                let errno = error.raw_os_error().unwrap_or_default();
                Error::new(ErrorKind::Storage, "import", subject, "cannot read the directory")
                    .with_errno(errno)
                    .with_source(error)
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
    /// `progress` is called after each batch; `failure` for each file that
    /// cannot be registered, which does not end the import.
    ///
    /// # Errors
    ///
    /// Those of the database, after which the import can be started again; and
    /// an empty root where the table has rows: nothing is mounted there.
    pub fn run(
        &self,
        mut progress: impl FnMut(&Imported),
        mut failure: impl FnMut(Error),
    ) -> Result<Imported> {
        self.store.require_mount()?;
        let mut imported = Imported::default();
        let mut batch = Vec::with_capacity(BATCH);
        for entry in WalkDir::new(&self.directory).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => batch.push(entry),
                Err(error) => {
                    imported.failed += 1;
                    failure(unreadable(&error));
                }
            }
            if batch.len() == BATCH {
                self.register(&mut batch, &mut imported, &mut failure)?;
                progress(&imported);
            }
        }
        self.register(&mut batch, &mut imported, &mut failure)?;
        progress(&imported);
        Ok(imported)
    }

    fn register(
        &self,
        batch: &mut Vec<DirEntry>,
        imported: &mut Imported,
        failure: &mut impl FnMut(Error),
    ) -> Result<()> {
        let mut candidates = Vec::with_capacity(batch.len());
        for outcome in self.candidates(batch) {
            match outcome {
                Ok(candidate) => candidates.push(candidate),
                Err(Skip::Silently) => imported.skipped += 1,
                Err(Skip::Failed(error)) => {
                    imported.failed += 1;
                    failure(error);
                }
            }
        }
        step!("looked");
        for outcome in self.store.register(&candidates, self.options.dry_run)? {
            *match outcome {
                Registered::Added => &mut imported.added,
                Registered::Updated => &mut imported.updated,
                Registered::Unchanged => &mut imported.unchanged,
                Registered::SoftDeleted => &mut imported.soft_deleted,
            } += 1;
        }
        batch.clear();
        Ok(())
    }

    /// What there is to register, in the order of the entries.
    fn candidates(&self, entries: &[DirEntry]) -> Vec<Result<Candidate, Skip>> {
        let share = entries.len().div_ceil(READERS).max(1);
        thread::scope(|scope| {
            let look = |entries: &[DirEntry]| -> Vec<_> {
                entries.iter().map(|entry| self.candidate(entry)).collect()
            };
            let readers: Vec<_> =
                entries.chunks(share).map(|share| scope.spawn(move || look(share))).collect();
            let ended = readers.into_iter().map(|reader| reader.join());
            ended.flat_map(|looked| looked.unwrap_or_else(|panic| resume_unwind(panic))).collect()
        })
    }

    fn candidate(&self, entry: &DirEntry) -> Result<Candidate, Skip> {
        if !entry.file_type().is_file() || is_temporary(entry) {
            return Err(Skip::Silently);
        }
        let path = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
        let id = FileId::from_bytes(path.as_os_str().as_encoded_bytes()).map_err(Skip::Failed)?;
        self.store.name(&id).map_err(Skip::Failed)?;
        let (metadata, head) = look_into(entry.path()).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or_default();
            let failed = Error::new(ErrorKind::Storage, "import", id.as_str(), "cannot read")
                .with_errno(errno)
                .with_source(error);
            Skip::Failed(failed)
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

/// Staging files of ezdfs, atomic writes of legacy, deleted files that some
/// NFS client holds open.
fn is_temporary(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    name.starts_with(RESERVED_PREFIX) || name.starts_with("ezfile-tmp.") || name.starts_with(".nfs")
}

fn look_into(path: &Path) -> std::io::Result<(Metadata, Vec<u8>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut head = Vec::new();
    file.take(mime::SNIFF_LEN as u64).read_to_end(&mut head)?;
    Ok((metadata, head))
}
