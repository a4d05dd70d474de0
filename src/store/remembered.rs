//! What the stores of one process remember. Several may be on one table, with other
//! options: what is written through one is news to all.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::SharedFile;
use super::shared::CachedFile;
use crate::cache::{Cache, Flights, Key};
use crate::runtime::PerProcess;

/// What one store remembers.
#[derive(Debug)]
struct Memory {
    cache: Weak<Cache<Arc<CachedFile>>>,
    flights: Weak<Flights<SharedFile>>,
}

static MEMORIES: PerProcess<Mutex<Vec<Memory>>> = PerProcess::new();

/// Has a store told of what the others write.
pub(super) fn share(cache: &Arc<Cache<Arc<CachedFile>>>, flights: &Arc<Flights<SharedFile>>) {
    let memories = MEMORIES.get_or_init(Mutex::default);
    let mut memories = memories.lock().unwrap_or_else(PoisonError::into_inner);
    memories.retain(|memory| memory.cache.strong_count() > 0);
    memories.push(Memory { cache: Arc::downgrade(cache), flights: Arc::downgrade(flights) });
}

/// Has all stores of this process ask again for a name that is being written. One on
/// another table, which finds what it knew, may go on with it while its database is away.
pub(super) fn doubt(key: &Key) {
    let memories = MEMORIES.get_or_init(Mutex::default);
    for memory in memories.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(flights) = memory.flights.upgrade() {
            flights.forget(key);
        }
        if let Some(cache) = memory.cache.upgrade() {
            cache.doubt(key);
        }
    }
}
