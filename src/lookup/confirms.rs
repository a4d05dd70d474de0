//! How often the table is asked whether what the replica does not know is there after all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// So many times a second, all of them at once if need be.
#[derive(Debug)]
pub(super) struct Confirms {
    rate: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: f64,
    set_aside: u64,
    at: Instant,
}

impl Confirms {
    pub(super) fn new(rate: u32) -> Self {
        let rate = rate.into();
        Confirms { rate, state: Mutex::new(State { left: rate, set_aside: 0, at: Instant::now() }) }
    }

    /// Sets one aside for who will take it elsewhere, if there is one left: many who come
    /// at a time must not all go there for the same one.
    pub(super) fn set_aside(&self) -> bool {
        let mut state = self.state();
        let has_one = state.take();
        state.set_aside += u64::from(has_one);
        has_one
    }

    /// Takes one that was set aside, or else one that is left.
    pub(super) fn take(&self) -> bool {
        let mut state = self.state();
        if state.set_aside > 0 {
            state.set_aside -= 1;
            return true;
        }
        state.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gained = now.duration_since(state.at).as_secs_f64() * self.rate;
        state.left = (state.left + gained).min(self.rate);
        state.at = now;
        state
    }
}

impl State {
    fn take(&mut self) -> bool {
        let has_one = self.left >= 1.0;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_taken() {
        let confirms = Confirms::new(3);
        assert_eq!((0..5).filter(|_| confirms.take()).count(), 3);
        confirms.state.lock().unwrap().at -= std::time::Duration::from_secs(1);
        assert!(confirms.take());
        assert!(!Confirms::new(0).take());
    }

    #[test]
    fn what_is_set_aside_is_taken_once() {
        let confirms = Confirms::new(2);
        assert_eq!((0..5).filter(|_| confirms.set_aside()).count(), 2);
        assert_eq!((0..5).filter(|_| confirms.take()).count(), 2);
    }
}
