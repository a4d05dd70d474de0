//! Maps of a bounded size that let go of what is asked for least.

use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::name::Key;
use crate::stats::{Counter, Stats};

pub(crate) type Evicting<V> = Cache<Key, V, Weight<V>, DefaultHashBuilder, Counted<V>>;

/// What one item takes of the size.
#[derive(Debug)]
pub(crate) struct Weight<V>(fn(&V) -> u64);

impl<V> Clone for Weight<V> {
    fn clone(&self) -> Self {
        Weight(self.0)
    }
}

impl<V> Weighter<Key, V> for Weight<V> {
    fn weight(&self, _: &Key, value: &V) -> u64 {
        (self.0)(value)
    }
}

/// Counts what is let go of.
#[derive(Debug, Clone)]
pub(crate) struct Counted<V> {
    stats: Arc<Stats>,
    counter: Counter,
    /// Drops it after the lock.
    inner: DefaultLifecycle<Key, V>,
}

impl<V> Lifecycle<Key, V> for Counted<V> {
    type RequestState = <DefaultLifecycle<Key, V> as Lifecycle<Key, V>>::RequestState;

    /// Not called for what is replaced or removed.
    fn before_evict(&self, _: &mut Self::RequestState, _: &Key, _: &mut V) {
        self.stats.count(self.counter);
    }

    fn on_evict(&self, state: &mut Self::RequestState, key: Key, value: V) {
        self.inner.on_evict(state, key, value);
    }
}

/// One of so many items; `None` for none.
pub(crate) fn evicting<V: Clone>(
    items: usize,
    stats: &Arc<Stats>,
    counter: Counter,
) -> Option<Evicting<V>> {
    evicting_by(|_| 1, items as u64, items, stats, counter)
}

/// One of items that have so much weight together, of which so many are expected; `None` for
/// none. What is let go of is counted.
pub(crate) fn evicting_by<V: Clone>(
    weight: fn(&V) -> u64,
    most: u64,
    items: usize,
    stats: &Arc<Stats>,
    counter: Counter,
) -> Option<Evicting<V>> {
    // Shards are for threads that meet, which they do not here: one caller at a
    // time asks, in a web server's event loop or in PHP.
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(items)
        .weight_capacity(most)
        .build()
        .ok()?;
    let stats = Arc::clone(stats);
    let counted = Counted { stats, counter, inner: DefaultLifecycle::default() };
    (most > 0).then(|| Cache::with_options(options, Weight(weight), Default::default(), counted))
}
