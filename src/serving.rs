//! What a web server may hand out: files that are open, and stay open as long as their
//! rows are trusted, shared by those who ask for them, with the bytes of some in memory.

mod budget;
mod flights;
mod kept;
mod open;
mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::config::Options;
use crate::error::Result;
use crate::files;
use crate::lookup::Stamp;
use crate::name::Key;

use budget::Budget;
pub(crate) use flights::Flight;
use flights::Flights;
use kept::Kept;
pub use open::OpenFile;
pub use shared::SharedFile;
pub(crate) use shared::{CachedFile, READ_AHEAD};

/// The open files of one process.
#[derive(Debug)]
pub(crate) struct Serving {
    kept: Kept<Arc<CachedFile>>,
    /// Files being opened for those who share them.
    flights: Arc<Flights<SharedFile>>,
    content_budget: Arc<Budget>,
    closes_idle: AtomicBool,
}

impl Serving {
    /// `keeps`: whether any rows are trusted under which files could stay open.
    pub(crate) fn new(options: &Options, keeps: bool) -> Self {
        let most = files::most_kept_open();
        Serving {
            kept: Kept::new(options, if keeps { most } else { 0 }),
            flights: Arc::new(Flights::new()),
            content_budget: Arc::new(Budget::new(options.cache_content, most)),
            closes_idle: AtomicBool::new(false),
        }
    }

    /// The file that was opened under this reading of its row, if it can be handed out
    /// once more, as far as can be told without reading it.
    pub(crate) fn kept(&self, key: &Key, stamp: Stamp) -> Option<Arc<CachedFile>> {
        self.kept.get(key, stamp).filter(|file| file.is_good())
    }

    /// Whether any file of this name is kept open.
    pub(crate) fn holds(&self, key: &Key) -> bool {
        self.kept.holds(key)
    }

    /// Keeps an open file; `opened_at` is when somebody set about opening it.
    pub(crate) fn keep(&self, key: Key, stamp: Stamp, opened_at: Instant, file: &SharedFile) {
        self.kept.keep(key, stamp, opened_at, file.kept());
    }

    /// Closes what was opened under another reading of the row than this.
    pub(crate) fn keep_only(&self, key: &Key, stamp: Stamp) {
        self.kept.keep_only(key, stamp);
    }

    /// Counts a use; what is used often is kept in memory, if there is room.
    pub(crate) fn note_use(&self, file: &SharedFile) {
        file.note_use(&self.content_budget);
    }

    /// Has the file's next users find it in memory, if there is room.
    pub(crate) fn copy_to_memory(&self, file: &SharedFile) {
        file.copy_to_memory(&self.content_budget);
    }

    /// Joins those for whom the file of this key is being opened, or starts that. To be
    /// called within the runtime.
    pub(crate) fn join_or_start<F>(&self, key: Key, start: impl FnOnce() -> F) -> Flight<SharedFile>
    where
        F: Future<Output = Result<SharedFile>> + Send + 'static,
    {
        self.flights.join_or_start(key, start)
    }

    /// Whether nobody is opening the file of this key.
    pub(crate) fn is_idle(&self, key: &Key) -> bool {
        self.flights.is_idle(key)
    }

    /// How many were turned away because too many were being opened.
    pub(crate) fn refused(&self) -> u64 {
        self.flights.refused()
    }

    /// Has a file opened anew, because it is being written.
    pub(crate) fn forget(&self, key: &Key) {
        self.flights.forget(key);
        self.kept.drop(key);
    }

    /// Whether the caller is to close what nobody asks for, from now on: nobody else does.
    pub(crate) fn begins_closing(&self) -> bool {
        !self.closes_idle.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn ends_closing(&self) {
        self.closes_idle.store(false, Ordering::SeqCst);
    }

    /// Closes files that are not trusted any more; says whether any are left.
    pub(crate) fn close_idle(&self, is_current: impl Fn(&Key, Stamp) -> bool) -> bool {
        self.kept.drop_idle(is_current)
    }

    /// How long one is trusted.
    pub(crate) fn ttl(&self) -> Duration {
        self.kept.ttl()
    }
}
