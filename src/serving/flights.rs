//! Look-ups under way, which others may join.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::task::AbortHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::lookup::MOST_WAITING as MOST;
use crate::name::Key;
use crate::stats::{Counter, Stats};

type Work<T> = BoxFuture<'static, Result<T>>;
pub(crate) type Flight<T> = Shared<Work<T>>;
type UnderWay<T> = HashMap<Key, (u64, WeakShared<Work<T>>)>;

/// By key, numbered, so that one that is forgotten does not take its successor
/// away when it lands.
#[derive(Debug)]
pub(crate) struct Flights<T> {
    under_way: Mutex<UnderWay<T>>,
    last: AtomicU64,
    stats: Arc<Stats>,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub(crate) fn new(stats: &Arc<Stats>) -> Self {
        let (last, stats) = (AtomicU64::new(0), Arc::clone(stats));
        Flights { under_way: Mutex::default(), last, stats }
    }

    /// Joins the look-up of this key, or starts one, unless there are too many. It goes
    /// on as long as anybody waits for it. To be called within the runtime.
    pub(crate) fn join_or_start<F>(
        self: &Arc<Self>,
        key: Key,
        start: impl FnOnce() -> F,
    ) -> Flight<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut under_way = self.under_way();
        if let Some(flight) = under_way.get(&key).and_then(|(_, flight)| flight.upgrade()) {
            self.stats.count(Counter::FlightsJoined);
            return flight;
        }
        if under_way.len() >= MOST {
            self.stats.count(Counter::FlightsRefused);
            return async { Err(too_many()) }.boxed().shared();
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let look_up = start();
        let task = tokio::spawn(async move {
            // Also where it panics: nobody is to join it then.
            let outcome = AssertUnwindSafe(look_up).catch_unwind().await;
            outcome.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)))
        });
        let landing = Landing { flights: Arc::clone(self), key, number, task: task.abort_handle() };
        let flight = async move {
            let outcome = task.await.unwrap_or_else(|gone| Err(bug(&gone)));
            drop(landing);
            outcome
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.insert(key, (number, weak));
        }
        flight
    }

    /// Whether no look-up of this key is under way.
    pub(crate) fn is_idle(&self, key: &Key) -> bool {
        !self.under_way().contains_key(key)
    }

    /// Lets nobody join the look-up of this key any more.
    pub(crate) fn forget(&self, key: &Key) {
        self.under_way().remove(key);
    }

    fn land(&self, key: &Key, number: u64) {
        let mut under_way = self.under_way();
        if under_way.get(key).is_some_and(|(current, _)| *current == number) {
            under_way.remove(key);
        }
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay<T>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a look-up for which nobody waits any more, and lets nobody join one that has
/// ended.
struct Landing<T: Clone + Send + Sync + 'static> {
    flights: Arc<Flights<T>>,
    key: Key,
    number: u64,
    task: AbortHandle,
}

impl<T: Clone + Send + Sync + 'static> Drop for Landing<T> {
    fn drop(&mut self) {
        self.task.abort();
        self.flights.land(&self.key, self.number);
    }
}

fn too_many() -> Error {
    let reason = format!("{MOST} look-ups are under way already");
    Error::new(ErrorKind::Unavailable, "find", "file", reason)
}

fn bug(gone: &tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "find", "file", gone.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::stats::Snapshot;

    #[tokio::test]
    async fn many_callers_share_one_look_up_and_its_failure() {
        let flights = Arc::new(Flights::<()>::new(&Stats::new(None)));
        let starts = AtomicUsize::new(0);
        let callers = (0..50).map(|_| {
            flights.join_or_start([1; 16], || {
                starts.fetch_add(1, Ordering::SeqCst);
                async { Err(Error::new(ErrorKind::Unavailable, "find", "a", "down")) }
            })
        });
        for outcome in futures_util::future::join_all(callers).await {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        assert_eq!(starts.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_look_up_starts_anew() {
        let flights = Arc::new(Flights::<u8>::new(&Stats::new(None)));
        let broken = flights.join_or_start([1; 16], || async { panic!("on purpose") });
        assert_eq!(broken.await.unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(flights.join_or_start([1; 16], || async { Ok(1) }).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_look_up_ends_when_nobody_waits_for_it_any_more() {
        let flights = Arc::new(Flights::<u8>::new(&Stats::new(None)));
        let held = Arc::new(());
        let start = || {
            let held = Arc::clone(&held);
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok(1)
            }
        };
        let first = flights.join_or_start([1; 16], start);
        let second = flights.join_or_start([1; 16], start);
        drop(first);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&held), 2, "the second caller waits still");
        drop(second);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(flights.is_idle(&[1; 16]));
    }

    #[tokio::test]
    async fn only_so_many_are_under_way() {
        let flights = Arc::new(Flights::<u8>::new(&Stats::new(None)));
        let key = |number: usize| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.to_le_bytes());
            key
        };
        let wait = || std::future::pending();
        let mut held: Vec<_> =
            (0..MOST).map(|number| flights.join_or_start(key(number), wait)).collect();
        let refused = flights.join_or_start(key(MOST), wait).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
        let refused = Snapshot::of_sheet(&flights.stats).counter(Counter::FlightsRefused);
        assert_eq!(refused, 1);
        held.pop();
        assert_eq!(flights.join_or_start(key(MOST), || async { Ok(1) }).await.unwrap(), 1);
    }
}
