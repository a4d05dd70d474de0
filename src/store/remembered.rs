//! What the stores of one process remember. Several may be on one table, with other
//! options: what is written through one is news to all.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::lookup::Lookup;
use crate::name::Key;
use crate::runtime::PerProcess;
use crate::serving::Serving;

/// What one store remembers.
#[derive(Debug)]
struct Memory {
    lookup: Weak<Lookup>,
    serving: Weak<Serving>,
}

static MEMORIES: PerProcess<Mutex<Vec<Memory>>> = PerProcess::new();

/// Has a store told of what the others write.
pub(super) fn share(lookup: &Arc<Lookup>, serving: &Arc<Serving>) {
    let memories = MEMORIES.get_or_init(Mutex::default);
    let mut memories = memories.lock().unwrap_or_else(PoisonError::into_inner);
    memories.retain(|memory| memory.lookup.strong_count() > 0);
    memories.push(Memory { lookup: Arc::downgrade(lookup), serving: Arc::downgrade(serving) });
}

/// Has all stores of this process ask again for a name that is being written. One on
/// another table, which finds what it knew, may go on with it while its database is away.
pub(super) fn doubt(key: &Key) {
    let memories = MEMORIES.get_or_init(Mutex::default);
    for memory in memories.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(serving) = memory.serving.upgrade() {
            serving.forget(key);
        }
        if let Some(lookup) = memory.lookup.upgrade() {
            lookup.doubt(key);
        }
    }
}
