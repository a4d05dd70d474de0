//! Work that must come to its end although its caller has been told already: a
//! row is locked until then.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use once_cell::sync::Lazy;

use super::{PerProcess, driven};

static DUE: Lazy<PerProcess<Due>> = Lazy::new(PerProcess::new);

/// What has yet to end in this process.
#[derive(Default)]
struct Due {
    works: Mutex<Works>,
    ended: Condvar,
}

#[derive(Default)]
struct Works {
    last: u64,
    by_number: BTreeMap<u64, String>,
}

impl Due {
    fn of_this_process() -> Arc<Due> {
        DUE.get_or_init(Due::default)
    }

    fn works(&self) -> MutexGuard<'_, Works> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped when the work has ended, in whatever way.
struct Mark {
    due: Arc<Due>,
    number: u64,
}

impl Mark {
    fn new(what: &dyn Display) -> Self {
        let due = Due::of_this_process();
        let number = {
            let mut works = due.works();
            works.last += 1;
            let number = works.last;
            works.by_number.insert(number, what.to_string());
            number
        };
        Mark { due, number }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.due.works().by_number.remove(&self.number);
        self.due.ended.notify_all();
    }
}

/// Has work come to its end in the background; `None` then. Where no thread can
/// be made for that, waits for the end right here, and says what it came to.
pub(crate) async fn to_its_end<F>(what: &dyn Display, work: F) -> Option<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mark = Mark::new(what);
    let work = async move {
        let outcome = work.await;
        drop(mark);
        outcome
    };
    match driven() {
        Ok(runtime) => {
            runtime.spawn(work);
            None
        }
        Err(_) => Some(work.await),
    }
}

/// What has yet to come to its end.
#[cfg(feature = "cli")]
pub(crate) fn ends_due() -> Vec<String> {
    Due::of_this_process().works().by_number.values().cloned().collect()
}

/// Waits until something ends, or for so long. Whether nothing is due any more.
#[cfg(feature = "cli")]
pub(crate) fn wait_for_ends(patience: std::time::Duration) -> bool {
    let due = Due::of_this_process();
    let works = due.works();
    let is_due = |works: &mut Works| !works.by_number.is_empty();
    let waited = due.ended.wait_timeout_while(works, patience, is_due);
    waited.unwrap_or_else(PoisonError::into_inner).0.by_number.is_empty()
}
