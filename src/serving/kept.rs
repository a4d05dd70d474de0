//! Files that are kept, open or in memory.
//!
//! One is trusted as long as the row under which it was opened, and dropped soon
//! after; where that row is the table's, which may have changed, no longer than `cache_ttl`
//! from when it was opened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::evicting::Evicting;
use crate::lookup::Stamp;
use crate::name::Key;
use crate::stats::{Gauge, Stats};

/// A file that is kept.
#[derive(Debug, Clone)]
pub(super) struct Entry<F> {
    pub(super) file: F,
    /// The reading of the row under which it was opened.
    stamp: Stamp,
    opened_at: Instant,
}

/// The files of one process; `F` is one.
pub(super) struct Kept<F> {
    /// `None` where none is to be kept.
    files: Option<Evicting<Entry<F>>>,
    ttl: Duration,
    stats: Arc<Stats>,
    count: Gauge,
}

impl<F: Clone> Kept<F> {
    /// Keeps what this has room for, `ttl` at most where the table has said that it is there.
    /// The gauge is how many there are.
    pub(super) fn new(
        files: Option<Evicting<Entry<F>>>,
        ttl: Duration,
        stats: &Arc<Stats>,
        count: Gauge,
    ) -> Self {
        Kept { files, ttl, stats: Arc::clone(stats), count }
    }

    /// Whether it would not have to let go of all others for one of this weight.
    pub(super) fn has_room_for(&self, weight: u64) -> bool {
        self.files.as_ref().is_some_and(|files| weight <= files.capacity() / 2)
    }

    /// The file that was opened under this reading of its row, recently enough:
    /// a row that is read again ahead of time says nothing of a file that could
    /// not be opened again.
    pub(super) fn get(&self, key: &Key, stamp: Stamp) -> Option<F> {
        let kept = self.files.as_ref()?.get(key)?;
        (kept.stamp == stamp && self.is_young(&kept)).then_some(kept.file)
    }

    /// Whether any file of this name is kept.
    pub(super) fn holds(&self, key: &Key) -> bool {
        self.files.as_ref().is_some_and(|files| files.contains_key(key))
    }

    /// Keeps a file; `opened_at` is when somebody set about opening it.
    pub(super) fn keep(&self, key: Key, stamp: Stamp, opened_at: Instant, file: F) {
        if let Some(files) = &self.files {
            files.insert(key, Entry { file, stamp, opened_at });
            self.tell(files);
        }
    }

    /// When the file was opened, if it is this one that is kept.
    pub(super) fn opened_at(&self, key: &Key, is_this: impl FnOnce(&F) -> bool) -> Option<Instant> {
        let kept = self.files.as_ref()?.peek(key)?;
        is_this(&kept.file).then_some(kept.opened_at)
    }

    pub(super) fn drop(&self, key: &Key) {
        if let Some(files) = &self.files {
            files.remove(key);
            self.tell(files);
        }
    }

    /// Drops what was opened under another reading of the row than this.
    pub(super) fn keep_only(&self, key: &Key, stamp: Stamp) {
        let files = self.files.as_ref();
        if files.and_then(|files| files.peek(key)).is_some_and(|kept| kept.stamp != stamp) {
            self.drop(key);
        }
    }

    /// Drops the files that are not trusted any more; says whether any are left.
    pub(super) fn drop_idle(&self, is_current: impl Fn(&Key, Stamp) -> bool) -> bool {
        let Some(files) = &self.files else { return false };
        // One by one: who asks for a file meanwhile does not wait until all have been looked at.
        for (key, kept) in files.iter() {
            if !(is_current(&key, kept.stamp) && self.is_young(&kept)) {
                files.remove_if(&key, |now| now.stamp == kept.stamp);
            }
        }
        self.tell(files);
        !files.is_empty()
    }

    /// Bytes that all together take, where they are weighed by that.
    pub(super) fn weight(&self) -> u64 {
        self.files.as_ref().map_or(0, Evicting::weight)
    }

    fn tell(&self, files: &Evicting<Entry<F>>) {
        self.stats.set(self.count, files.len() as u64);
    }

    fn is_young(&self, kept: &Entry<F>) -> bool {
        matches!(kept.stamp, Stamp::Replicated(_)) || kept.opened_at.elapsed() < self.ttl
    }

    /// How long one is trusted.
    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }
}

impl<F> std::fmt::Debug for Kept<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evicting::evicting;
    use crate::lookup::{Asked, Version};
    use crate::stats::Counter;

    const LONG: Duration = Duration::from_secs(5);
    const SHORT: Duration = Duration::from_millis(1);
    const KEY: Key = [2; 16];
    const FIRST: Stamp = Stamp::Asked(Asked::at(1));
    const SECOND: Stamp = Stamp::Asked(Asked::at(2));

    fn kept(ttl: Duration) -> (Kept<Arc<str>>, Arc<str>) {
        let stats = Stats::new(None);
        let files = evicting(100, &stats, Counter::FilesEvicted);
        let kept = Kept::new(files, ttl, &stats, Gauge::FilesKept);
        let file = Arc::<str>::from("open");
        kept.keep(KEY, FIRST, Instant::now(), Arc::clone(&file));
        (kept, file)
    }

    #[test]
    fn a_file_goes_with_its_row() {
        let (kept, file) = kept(LONG);
        kept.keep_only(&KEY, FIRST);
        assert!(kept.get(&KEY, FIRST).is_some());
        assert!(kept.get(&KEY, SECOND).is_none());
        kept.keep_only(&KEY, SECOND);
        assert_eq!(Arc::strong_count(&file), 1);
        kept.keep(KEY, SECOND, Instant::now(), Arc::clone(&file));
        kept.drop(&KEY);
        assert_eq!(Arc::strong_count(&file), 1);
    }

    #[test]
    fn files_that_nobody_asks_for_are_closed() {
        for (ttl, pause, is_current) in [(SHORT, 10, true), (LONG, 0, false)] {
            let (kept, file) = kept(ttl);
            std::thread::sleep(Duration::from_millis(pause));
            assert!(!kept.drop_idle(|_, _| is_current));
            assert_eq!(Arc::strong_count(&file), 1);
        }
        let (kept, _) = kept(LONG);
        assert!(kept.drop_idle(|_, stamp| stamp == FIRST));
    }

    #[test]
    fn a_file_that_cannot_be_opened_again_has_its_time_and_no_more() {
        let (kept, _) = kept(SHORT);
        std::thread::sleep(Duration::from_millis(10));
        // Its row is the same as ever.
        assert!(kept.get(&KEY, FIRST).is_none());
    }

    #[test]
    fn what_the_replica_vouches_for_stays_open() {
        let (kept, file) = kept(SHORT);
        let stamp = |number| Stamp::Replicated(Version { scan: 1, number });
        kept.keep(KEY, stamp(1), Instant::now(), file);
        std::thread::sleep(Duration::from_millis(10));
        assert!(kept.get(&KEY, stamp(1)).is_some());
        assert!(kept.get(&KEY, stamp(2)).is_none());
    }
}
