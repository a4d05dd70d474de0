//! How often the table is asked whether what the replica does not know is there after all.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// So many times a second, all of them at once if need be.
#[derive(Debug)]
pub(super) struct Confirms {
    rate: f64,
    left: Mutex<(f64, Instant)>,
}

impl Confirms {
    pub(super) fn new(rate: u32) -> Self {
        let rate = rate.into();
        Confirms { rate, left: Mutex::new((rate, Instant::now())) }
    }

    /// Whether there is none left.
    pub(super) fn is_spent(&self) -> bool {
        self.with_left(|left| *left < 1.0)
    }

    /// Takes one, if there is one left.
    pub(super) fn take(&self) -> bool {
        self.with_left(|left| {
            let has_one = *left >= 1.0;
            if has_one {
                *left -= 1.0;
            }
            has_one
        })
    }

    fn with_left<T>(&self, work: impl FnOnce(&mut f64) -> T) -> T {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gained = now.duration_since(left.1).as_secs_f64() * self.rate;
        *left = ((left.0 + gained).min(self.rate), now);
        work(&mut left.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_taken() {
        let confirms = Confirms::new(3);
        assert!(!confirms.is_spent());
        assert_eq!((0..5).filter(|_| confirms.take()).count(), 3);
        assert!(confirms.is_spent());
        confirms.left.lock().unwrap().1 -= std::time::Duration::from_secs(1);
        assert!(!confirms.is_spent());
        assert!(Confirms::new(0).is_spent());
    }
}
