//! An amount of memory, and those who have a part of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// So many bytes, for so many, and no more.
#[derive(Debug)]
pub(crate) struct Budget {
    most_bytes: u64,
    most_grants: usize,
    bytes: AtomicU64,
    grants: AtomicUsize,
}

/// Some bytes of a budget; dropped, it gives them back.
#[derive(Debug)]
pub(crate) struct Grant {
    bytes: u64,
    from: Arc<Budget>,
}

impl Budget {
    pub(crate) fn new(most_bytes: u64, most_grants: usize) -> Self {
        let (bytes, grants) = (AtomicU64::new(0), AtomicUsize::new(0));
        Budget { most_bytes, most_grants, bytes, grants }
    }

    /// So many bytes of it, if there are as many left and not too many have some.
    pub(crate) fn grant(self: &Arc<Self>, bytes: u64) -> Option<Grant> {
        let spent = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let others = self.grants.fetch_add(1, Ordering::Relaxed);
        let grant = Grant { bytes, from: Arc::clone(self) };
        (spent <= self.most_bytes && others < self.most_grants).then_some(grant)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.from.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.from.grants.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_granted_than_there_is() {
        let budget = Arc::new(Budget::new(10, 2));
        let six = budget.grant(6).expect("six of ten");
        assert!(budget.grant(5).is_none());
        assert!(budget.grant(4).is_some(), "what was refused is not spent");
        drop(six);
        assert!(budget.grant(10).is_some());
        assert!(Arc::new(Budget::new(0, 1)).grant(1).is_none());
    }

    #[test]
    fn no_more_have_a_part_than_may() {
        let budget = Arc::new(Budget::new(10, 2));
        let both = [1, 1].map(|bytes| budget.grant(bytes).expect("two may"));
        assert!(budget.grant(1).is_none());
        drop(both);
        assert!(budget.grant(1).is_some());
    }
}
