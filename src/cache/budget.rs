//! An amount of memory, and those who have a part of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many bytes and no more.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    spent: AtomicU64,
}

/// Some bytes of a budget; dropped, it gives them back.
#[derive(Debug)]
pub(crate) struct Grant {
    bytes: u64,
    from: Arc<Budget>,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Budget { limit, spent: AtomicU64::new(0) }
    }

    /// So many bytes of it, if there are as many left.
    pub(crate) fn grant(self: &Arc<Self>, bytes: u64) -> Option<Grant> {
        let spent = self.spent.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let grant = Grant { bytes, from: Arc::clone(self) };
        (spent <= self.limit).then_some(grant)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.from.spent.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_granted_than_there_is() {
        let budget = Arc::new(Budget::new(10));
        let six = budget.grant(6).expect("six of ten");
        assert!(budget.grant(5).is_none());
        assert!(budget.grant(4).is_some(), "what was refused is not spent");
        drop(six);
        assert!(budget.grant(10).is_some());
        assert!(Arc::new(Budget::new(0)).grant(1).is_none());
    }
}
