//! Look-ups under way, which others may join.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::Key;
use crate::error::{Error, ErrorKind, Result};

type Flight<T> = Shared<BoxFuture<'static, Result<T>>>;

/// By key, numbered, so that one that is forgotten does not take its successor
/// away when it lands.
#[derive(Debug)]
pub(crate) struct Flights<T> {
    under_way: Mutex<HashMap<Key, (u64, Flight<T>)>>,
    last: AtomicU64,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub(crate) fn new() -> Self {
        Flights { under_way: Mutex::default(), last: AtomicU64::new(0) }
    }

    /// Joins the look-up of this key, or starts one. It goes on if its first
    /// caller goes away. To be called within the runtime.
    pub(crate) fn join_or_start<F>(
        self: &Arc<Self>,
        key: Key,
        start: impl FnOnce() -> F,
    ) -> Flight<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut under_way = self.under_way();
        if let Some((_, flight)) = under_way.get(&key) {
            return flight.clone();
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (flights, look_up) = (Arc::clone(self), start());
        let task = tokio::spawn(async move {
            // Also where it panics: nobody is to join it then.
            let outcome = AssertUnwindSafe(look_up).catch_unwind().await;
            flights.land(&key, number);
            outcome.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)))
        });
        let flight = async move { task.await.unwrap_or_else(|gone| Err(bug(&gone))) };
        let flight = flight.boxed().shared();
        under_way.insert(key, (number, flight.clone()));
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

    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, (u64, Flight<T>)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bug(gone: &tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "find", "file", gone.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn many_callers_share_one_look_up_and_its_failure() {
        let flights = Arc::new(Flights::<()>::new());
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
        let flights = Arc::new(Flights::<u8>::new());
        let broken = flights.join_or_start([1; 16], || async { panic!("on purpose") });
        assert_eq!(broken.await.unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(flights.join_or_start([1; 16], || async { Ok(1) }).await.unwrap(), 1);
    }
}
