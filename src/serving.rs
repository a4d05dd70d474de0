//! What a web server may hand out: files that are open, or small ones in memory, kept as long
//! as their rows are trusted, shared by those who ask for them.

mod description;
mod flights;
mod kept;
mod memory;
mod open;
mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::config::Options;
use crate::error::Result;
use crate::evicting::{evicting, evicting_by};
use crate::files;
use crate::lookup::Stamp;
use crate::name::Key;
use crate::stats::{Counter, Gauge, Stats};

pub use description::Description;
pub(crate) use flights::Flight;
use flights::Flights;
use kept::{Entry, Kept};
use memory::MemoryFile;
pub use open::OpenFile;
pub use shared::SharedFile;
pub(crate) use shared::{CachedFile, READ_AHEAD};

/// The files of one process.
#[derive(Debug)]
pub(crate) struct Serving {
    open: Kept<Arc<CachedFile>>,
    /// All bytes of small ones that are asked for often.
    memory: Kept<Arc<MemoryFile>>,
    /// Files being opened for those who share them.
    flights: Arc<Flights<SharedFile>>,
    closes_idle: AtomicBool,
    stats: Arc<Stats>,
}

impl Serving {
    /// `keeps`: whether any rows are trusted under which files could be kept.
    pub(crate) fn new(options: &Options, keeps: bool, stats: &Arc<Stats>) -> Self {
        let most_open = options.cache_files.min(files::most_kept_open());
        let (most_open, most_bytes) =
            if keeps { (most_open, options.cache_content) } else { (0, 0) };
        let weight = |it: &Entry<Arc<MemoryFile>>| it.file.weight();
        let open = evicting(most_open, stats, Counter::FilesEvicted);
        let memory = evicting_by(weight, most_bytes, most_open, stats, Counter::MemoryEvicted);
        Serving {
            open: Kept::new(open, options.cache_ttl, stats, Gauge::FilesKept),
            memory: Kept::new(memory, options.cache_ttl, stats, Gauge::MemoryFiles),
            flights: Arc::new(Flights::new(stats)),
            closes_idle: AtomicBool::new(false),
            stats: Arc::clone(stats),
        }
    }

    /// The file as it was opened under this reading of its row, where its bytes are in memory.
    pub(crate) fn in_memory(&self, key: &Key, stamp: Stamp) -> Option<SharedFile> {
        self.memory.get(key, stamp).filter(|file| file.is_good()).map(SharedFile::from)
    }

    /// The file that was opened under this reading of its row, if it can be handed out
    /// once more, as far as can be told without reading it.
    pub(crate) fn kept_open(&self, key: &Key, stamp: Stamp) -> Option<Arc<CachedFile>> {
        self.open.get(key, stamp).filter(|file| file.is_good())
    }

    /// Whether any file of this name is kept open.
    pub(crate) fn holds_open(&self, key: &Key) -> bool {
        self.open.holds(key)
    }

    /// Keeps an open file; `opened_at` is when somebody set about opening it.
    pub(crate) fn keep(&self, key: Key, stamp: Stamp, opened_at: Instant, file: &SharedFile) {
        if let Some(open) = file.kept() {
            self.open.keep(key, stamp, opened_at, Arc::clone(open));
        }
    }

    /// Keeps a file that is kept open in memory, if its bytes were read and there is room. It
    /// stays open where only a look at it tells in time that another program has replaced it.
    pub(crate) fn keep_in_memory(&self, key: Key, stamp: Stamp, file: &SharedFile) {
        let Some((open, bytes)) = file.kept_and_read() else { return };
        let stays_open = matches!(stamp, Stamp::Asked(_));
        let copy = Arc::new(MemoryFile::new(open, bytes, stays_open));
        if self.memory.has_room_for(copy.weight())
            && let Some(opened_at) = self.open.opened_at(&key, |it| Arc::ptr_eq(it, open))
        {
            self.memory.keep(key, stamp, opened_at, copy);
            self.weigh();
            if !stays_open {
                self.open.drop(&key);
            }
        }
    }

    /// Drops what was opened under another reading of the row than this.
    pub(crate) fn keep_only(&self, key: &Key, stamp: Stamp) {
        self.open.keep_only(key, stamp);
        self.memory.keep_only(key, stamp);
        self.weigh();
    }

    /// Tells how much memory is taken.
    fn weigh(&self) {
        self.stats.set(Gauge::MemoryBytes, self.memory.weight());
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

    /// Has a file opened anew, because it is being written.
    pub(crate) fn forget(&self, key: &Key) {
        self.flights.forget(key);
        self.open.drop(key);
        self.memory.drop(key);
        self.weigh();
    }

    /// Whether the caller is to close what nobody asks for, from now on: nobody else does.
    pub(crate) fn begins_closing(&self) -> bool {
        !self.closes_idle.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn ends_closing(&self) {
        self.closes_idle.store(false, Ordering::SeqCst);
    }

    /// Drops files that are not trusted any more; says whether any are left.
    pub(crate) fn close_idle(&self, is_current: impl Fn(&Key, Stamp) -> bool) -> bool {
        let any_open = self.open.drop_idle(&is_current);
        let any_in_memory = self.memory.drop_idle(&is_current);
        self.weigh();
        any_in_memory || any_open
    }

    /// How long one is trusted.
    pub(crate) fn ttl(&self) -> Duration {
        self.open.ttl()
    }
}
