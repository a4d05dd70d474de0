//! Rows remembered by this process, and the look-ups under way.
//!
//! A row is trusted for `cache_ttl`, its absence for `cache_negative_ttl`: so
//! long may a write of another node stay unseen. A write of this process is
//! seen by it at once.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::config::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Row;

/// The md5 of a name, which is the table's key too.
pub(crate) type Key = [u8; 16];

type Found = Option<Arc<Row>>;
type Flight = Shared<BoxFuture<'static, Result<Found>>>;

#[derive(Debug, Clone)]
struct Entry {
    row: Found,
    read_at: Instant,
}

/// What an entry costs besides the texts of its row.
const ENTRY_BYTES: u64 = 256;

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Entry> for Bytes {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        let texts = |row: &Arc<Row>| row.name.len() + row.datatype.len() + row.scope.len();
        ENTRY_BYTES + entry.row.as_ref().map_or(0, texts) as u64
    }
}

/// The cache of one process.
pub(crate) struct RowCache {
    /// `None` where the options switch it off.
    entries: Option<Cache<Key, Entry, Bytes>>,
    ttl: Duration,
    negative_ttl: Duration,
    stale_if_error: Duration,
    /// Look-ups that others may join, by key, numbered.
    flights: Mutex<HashMap<Key, (u64, Flight)>>,
    /// Counts writes, so that a row read before one is not remembered after it.
    generation: AtomicU64,
}

impl RowCache {
    pub(crate) fn new(options: &Options) -> Self {
        let off = options.cache_size == 0 || options.cache_ttl.is_zero();
        let likely = usize::try_from(options.cache_size / ENTRY_BYTES).unwrap_or(usize::MAX);
        RowCache {
            entries: (!off).then(|| Cache::with_weighter(likely.max(1), options.cache_size, Bytes)),
            ttl: options.cache_ttl,
            negative_ttl: options.cache_negative_ttl,
            stale_if_error: options.stale_if_error,
            flights: Mutex::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// The row, or its absence, if it was read recently enough.
    pub(crate) fn fresh(&self, key: &Key) -> Option<Found> {
        let entry = self.entries.as_ref()?.get(key)?;
        let ttl = if entry.row.is_some() { self.ttl } else { self.negative_ttl };
        (entry.read_at.elapsed() < ttl).then_some(entry.row)
    }

    /// A row to fall back on while the database is unavailable. Never an
    /// absence: that would be a guess.
    fn stale(&self, key: &Key) -> Option<Arc<Row>> {
        let entry = self.entries.as_ref()?.get(key)?;
        (entry.read_at.elapsed() < self.ttl + self.stale_if_error).then_some(entry.row).flatten()
    }

    /// Drops what is known of a key, because it is being written.
    pub(crate) fn forget(&self, key: &Key) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.flights().remove(key);
        if let Some(entries) = &self.entries {
            entries.remove(key);
        }
    }

    /// Finds a row: in the cache, by joining a look-up under way, or by `read`.
    ///
    /// To be called within the runtime: the look-up goes on if its first caller
    /// goes away.
    pub(crate) async fn find<F>(self: &Arc<Self>, key: Key, read: F) -> Result<Found>
    where
        F: Future<Output = Result<Option<Row>>> + Send + 'static,
    {
        if let Some(found) = self.fresh(&key) {
            return Ok(found);
        }
        match self.join_or_start(key, read).await {
            Err(error) if error.kind().is_temporary() => self.stale(&key).map(Some).ok_or(error),
            outcome => outcome,
        }
    }

    /// Finds a row, not trusting what is remembered.
    pub(crate) async fn find_again<F>(self: &Arc<Self>, key: Key, read: F) -> Result<Found>
    where
        F: Future<Output = Result<Option<Row>>> + Send + 'static,
    {
        self.join_or_start(key, read).await
    }

    fn join_or_start<F>(self: &Arc<Self>, key: Key, read: F) -> Flight
    where
        F: Future<Output = Result<Option<Row>>> + Send + 'static,
    {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let mut flights = self.flights();
        if let Some((_, flight)) = flights.get(&key) {
            return flight.clone();
        }
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let cache = Arc::clone(self);
        let generation = self.generation.load(Ordering::SeqCst);
        let task = tokio::spawn(async move {
            let outcome = read.await.map(|row| row.map(Arc::new));
            if let Ok(found) = &outcome {
                cache.remember(key, found.clone(), generation);
            }
            cache.land(&key, number);
            outcome
        });
        let flight = async move { task.await.unwrap_or_else(|panic| Err(bug(&panic))) };
        let flight = flight.boxed().shared();
        flights.insert(key, (number, flight.clone()));
        flight
    }

    fn remember(&self, key: Key, row: Found, generation: u64) {
        let Some(entries) = &self.entries else { return };
        entries.insert(key, Entry { row, read_at: Instant::now() });
        // Looked at after inserting, so that no write falls between.
        if self.generation.load(Ordering::SeqCst) != generation {
            entries.remove(&key);
        }
    }

    fn land(&self, key: &Key, number: u64) {
        let mut flights = self.flights();
        if flights.get(key).is_some_and(|(current, _)| *current == number) {
            flights.remove(key);
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, (u64, Flight)>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bug(panic: &tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "find", "row", panic.to_string())
}

impl std::fmt::Debug for RowCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowCache").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn cache(options: &[(&str, &str)]) -> Arc<RowCache> {
        let mut builder = Options::builder();
        builder.set("dsn", "sqlite:/x").unwrap().set("root", "/").unwrap();
        for (key, value) in options {
            builder.set(key, value).unwrap();
        }
        Arc::new(RowCache::new(&builder.build().unwrap()))
    }

    fn row(size: u64) -> Row {
        Row {
            name: "a".into(),
            datatype: "image/png".into(),
            scope: "image".into(),
            size,
            mtime: 1,
            expired: false,
        }
    }

    fn unavailable() -> Error {
        Error::new(ErrorKind::Unavailable, "find", "a", "down")
    }

    #[tokio::test]
    async fn many_callers_share_one_look_up_and_its_failure() {
        let cache = cache(&[]);
        let reads = Arc::new(AtomicUsize::new(0));
        let callers = (0..50).map(|_| {
            let reads = Arc::clone(&reads);
            cache.find([1; 16], async move {
                reads.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Err(unavailable())
            })
        });
        for outcome in futures_util::future::join_all(callers).await {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_row_read_before_a_write_is_not_remembered_after_it() {
        let cache = cache(&[]);
        let inner = Arc::clone(&cache);
        let read = async move {
            inner.forget(&[2; 16]);
            Ok(Some(row(1)))
        };
        cache.find([2; 16], read).await.unwrap();
        assert!(cache.fresh(&[2; 16]).is_none());
    }

    #[tokio::test]
    async fn stale_rows_serve_only_errors_and_only_within_their_limit() {
        let stale =
            cache(&[("cache_ttl", "1ms"), ("cache_negative_ttl", "1ms"), ("stale_if_error", "1h")]);
        let strict = cache(&[("cache_ttl", "1ms")]);
        for cache in [&stale, &strict] {
            cache.find([3; 16], async { Ok(Some(row(3))) }).await.unwrap();
            cache.find([4; 16], async { Ok(None) }).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        let served = stale.find([3; 16], async { Err(unavailable()) }).await.unwrap();
        assert_eq!(served.unwrap().size, 3);
        assert!(stale.find([4; 16], async { Err(unavailable()) }).await.is_err());
        assert!(strict.find([3; 16], async { Err(unavailable()) }).await.is_err());
        assert!(stale.find([3; 16], async { Ok(None) }).await.unwrap().is_none());
    }
}
