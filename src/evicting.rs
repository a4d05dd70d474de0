//! Maps of a bounded size that let go of what is asked for least.

use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, UnitWeighter};

use crate::name::Key;

pub(crate) type Evicting<V> = Cache<Key, V>;

/// One of so many items; `None` for none.
pub(crate) fn evicting<V: Clone>(items: usize) -> Option<Evicting<V>> {
    // Shards are for threads that meet, which they do not here: one caller at a
    // time asks, in a web server's event loop or in PHP.
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(items)
        .weight_capacity(items as u64)
        .build()
        .ok()?;
    (items > 0)
        .then(|| Cache::with_options(options, UnitWeighter, Default::default(), Default::default()))
}
