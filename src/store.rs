//! The operations. The order of index steps and file steps stands here and
//! nowhere else: reading in `read`, writing in `write`, deleting in `delete`.

mod alive;
mod claims;
#[cfg(feature = "cli")]
mod copied;
mod delete;
mod ending;
mod halves;
mod held;
mod list;
mod read;
mod register;
mod remembered;
mod removal;
mod rowless;
mod serve;
mod trash;
mod twins;
#[cfg(feature = "cli")]
mod undelete;
mod withdrawal;
mod write;
mod writing;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use crate::config::{Dsn, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::files::Mount;
use crate::forks;
use crate::index::Index;
use crate::lookup::Lookup;
use crate::mark;
use crate::mount::Gate;
use crate::name::{DirId, FileId, FileName, NamePrefix, UrlPrefix};
use crate::runtime::{self, PerProcess};
use crate::serve::Prefixes;
use crate::serving::Serving;
use crate::stats::{Counter, Snapshot, Source, Stats, Zone};

pub use crate::serving::{Description, OpenFile, SharedFile};
#[cfg(feature = "cli")]
pub(crate) use copied::{Incoming, is_of_all};
pub use delete::Deleted;
pub(crate) use delete::Removal;
#[cfg(feature = "cli")]
pub(crate) use halves::put_without_row;
pub use list::List;
pub(crate) use register::{Candidate, Registered};
pub(crate) use removal::REMOVAL_BATCH;
pub(crate) use rowless::Rowless;
#[cfg(feature = "cli")]
pub(crate) use rowless::take_rowless;
#[cfg(feature = "capi")]
pub(crate) use serve::Trial;
pub(crate) use trash::{Disposal, Line, Removed, Restored, Trash};
pub(crate) use twins::{Noted, PAIRS, Pair, Said, Stage, Verdict, decide};
pub use write::CreateOptions;
#[cfg(feature = "cli")]
pub(crate) use write::LATEST;
#[cfg(feature = "cli")]
pub(crate) use write::now as unix_time;

/// Files whose metadata is in a table and whose bytes are on a mount.
///
/// Making one does no I/O: connections and threads come with the first call
/// that needs them, in the process that makes it. A process forked after that
/// starts afresh; with SQLite, the fork waits for what is under way. Share one between threads; cloning is cheap.
///
/// All methods block on the database and the mount unless they say otherwise.
/// They must not be called from within a tokio runtime.
#[derive(Debug, Clone)]
pub struct Store {
    options: Arc<Options>,
    process: Arc<PerProcess<Process>>,
    zone: Arc<OnceLock<&'static Zone>>,
}

/// What a process has of a store.
#[derive(Debug)]
pub(crate) struct Process {
    index: Arc<Index>,
    lookup: Arc<Lookup>,
    serving: Arc<Serving>,
    gate: Gate,
    root: PathBuf,
    /// The same without symbolic links.
    real_root: OnceCell<String>,
    name_prefix: NamePrefix,
    stats: Arc<Stats>,
}

impl Store {
    /// Makes a store.
    pub fn new(options: Options) -> Self {
        mark::keep();
        // Where that fails, the first use says so.
        let _ = forks::notice();
        let process = Arc::new(PerProcess::new());
        Store { options: Arc::new(options), process, zone: Arc::default() }
    }

    /// The URI of a file. Does not block.
    pub fn uri(&self, id: &FileId) -> String {
        self.options.url_prefix.uri(id)
    }

    /// The id in a URI that [`Store::uri`] made. Does not block.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`]
    pub fn id_from_uri(&self, uri: &str) -> Result<FileId> {
        self.options.url_prefix.id_from_uri(uri)
    }

    /// The name under which the table knows a file. Does not block.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] where it is too long with the prefix.
    pub fn name(&self, id: &FileId) -> Result<FileName> {
        self.options.name_prefix.name(id)
    }

    /// Where names and URLs begin. Does not block.
    pub fn prefixes(&self) -> Prefixes<'_> {
        Prefixes { name: &self.options.name_prefix, url: &self.options.url_prefix }
    }

    /// The URL prefix. Does not block.
    pub fn url_prefix(&self) -> &UrlPrefix {
        &self.options.url_prefix
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Where the metadata is; without the password. Does not block.
    pub fn dsn(&self) -> &Dsn {
        &self.options.dsn
    }

    /// The directory that ids are relative to. Does not block.
    pub fn root(&self) -> &std::path::Path {
        &self.options.root
    }

    /// An id that somebody has given; one that is refused counts as an operation that failed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`].
    pub fn file_id(&self, bytes: &[u8]) -> Result<FileId> {
        self.given(FileId::from_bytes(bytes))
    }

    /// The same of a directory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`].
    pub fn dir_id(&self, bytes: &[u8]) -> Result<DirId> {
        self.given(DirId::from_bytes(bytes))
    }

    fn given<I>(&self, id: Result<I>) -> Result<I> {
        match (id, self.process()) {
            (Err(refused), Ok(process)) => process.ended(Err(refused)),
            (id, _) => id,
        }
    }

    /// Checks that the table is there and has a shape that ezdfs can use.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Schema`]: no table, or a column or unique key is missing.
    /// - [`ErrorKind::Unavailable`], [`ErrorKind::InvalidConfig`]: no connection.
    pub fn check_schema(&self) -> Result<()> {
        let process = self.process()?;
        runtime::block_on(async { process.index.check_schema().await })
    }

    /// Creates the table and its indexes where they are missing, and the
    /// database file of SQLite; then checks it.
    ///
    /// # Errors
    ///
    /// As [`Store::check_schema`].
    pub fn create_schema(&self) -> Result<()> {
        let process = self.process()?;
        runtime::block_on(async { process.index.create_schema().await })?;
        self.check_schema()
    }

    /// Has this and other processes count in memory that they share, instead of each for
    /// itself. To be called before the store is used. Does not block.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`]: another build counts there, or the store has been given other
    /// memory, or this process has used it and counts for itself.
    pub fn share_stats(&self, zone: &'static Zone) -> Result<()> {
        let refused = |reason| Error::new(ErrorKind::InvalidInput, "share", "stats", reason);
        if !zone.is_fit() {
            return Err(refused("the memory has another layout"));
        }
        if self.zone.get().is_none() && self.process.is_made() {
            return Err(refused("the store has been used, and counts for this process"));
        }
        let given = *self.zone.get_or_init(|| zone);
        match std::ptr::eq(given, zone) {
            true => Ok(()),
            false => Err(refused("the store has other memory already")),
        }
    }

    /// What was counted until now: by this process, or by all that share a [`Zone`]. Does not
    /// block.
    ///
    /// # Errors
    ///
    /// Those of a store that cannot be used at all.
    pub fn stats(&self) -> Result<Snapshot> {
        let process = self.process()?;
        let snapshot = match self.zone.get() {
            Some(zone) => Snapshot::of_zone(zone),
            None => Snapshot::of_sheet(&process.stats),
        };
        Ok(snapshot.with_replica(process.lookup.replica_age()))
    }

    pub(crate) fn process(&self) -> Result<Arc<Process>> {
        self.process.get_or_try_init(|| {
            let stats = Stats::new(self.zone.get().copied());
            let index = Arc::new(Index::new(&self.options, &stats)?);
            let lookup = Arc::new(Lookup::new(&self.options, Arc::clone(&index), &stats));
            let serving = Arc::new(Serving::new(&self.options, lookup.knows_rows(), &stats));
            remembered::share(&lookup, &serving);
            Ok(Process {
                index,
                lookup,
                serving,
                gate: Gate::new(&self.options, &stats),
                root: self.options.root.clone(),
                real_root: OnceCell::new(),
                name_prefix: self.options.name_prefix.clone(),
                stats,
            })
        })
    }
}

impl Process {
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    #[cfg(feature = "cli")]
    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn name_prefix(&self) -> &NamePrefix {
        &self.name_prefix
    }

    /// Whether the change log tells of a file, and so a replica may know it.
    pub(crate) fn is_logged(&self, id: &FileId) -> bool {
        let name = self.name_prefix.has_caches().then(|| self.name_prefix.join(id.as_str()));
        name.is_none_or(|name| name.is_ok_and(|name| self.index.is_logged(&name)))
    }

    /// The root, as messages name it.
    pub(crate) fn root_shown(&self) -> String {
        self.root.to_string_lossy().into_owned()
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Counts a look-up that has ended.
    pub(crate) fn looked_up<T>(
        &self,
        outcome: Result<T>,
        source: impl FnOnce(&T) -> Source,
    ) -> Result<T> {
        let answered_by = match &outcome {
            Ok(found) => Some(source(found)),
            Err(error) => error.answered_by(),
        };
        if let Some(source) = answered_by {
            self.stats.count(source.into());
        }
        self.ended(outcome)
    }

    /// Counts a change that has ended.
    fn changed<T>(&self, outcome: Result<T>, change: Counter) -> Result<T> {
        if outcome.is_ok() {
            self.stats.count(change);
        }
        self.ended(outcome)
    }

    fn ended<T>(&self, outcome: Result<T>) -> Result<T> {
        let counter = outcome.as_ref().map_or_else(|error| error.kind().into(), |_| Counter::Done);
        self.stats.count(counter);
        outcome
    }

    /// For what does not wait, and for a command's work that has no deadline.
    pub(crate) fn mount(&self) -> &Mount {
        self.gate.mount()
    }

    /// Drops what is remembered of names that are being written; all other stores of the
    /// process ask again.
    pub(crate) fn forget<'n>(&self, names: impl IntoIterator<Item = &'n FileName>) {
        for key in names.into_iter().map(FileName::digest) {
            remembered::doubt(&key);
            self.lookup.forget(&key);
        }
    }
}
