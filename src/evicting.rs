//! Maps of a bounded size that let go of what is asked for least.

use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

use crate::name::Key;

pub(crate) type Evicting<V> = Cache<Key, V, Weight<V>>;

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

/// One of so many items; `None` for none.
pub(crate) fn evicting<V: Clone>(items: usize) -> Option<Evicting<V>> {
    evicting_by(|_| 1, items as u64, items)
}

/// One of items that have so much weight together, of which so many are expected; `None` for
/// none.
pub(crate) fn evicting_by<V: Clone>(
    weight: fn(&V) -> u64,
    most: u64,
    items: usize,
) -> Option<Evicting<V>> {
    // Shards are for threads that meet, which they do not here: one caller at a
    // time asks, in a web server's event loop or in PHP.
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(items)
        .weight_capacity(most)
        .build()
        .ok()?;
    (most > 0).then(|| {
        Cache::with_options(options, Weight(weight), Default::default(), Default::default())
    })
}
