//! What others want of the agent, who runs on until then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What others want of the agent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) reload: Arc<AtomicBool>,
}

/// Why the agent returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Reload,
    MakeAnew,
}

impl Wishes {
    pub(crate) fn end(&self) -> Option<End> {
        if self.is_to_stop() {
            return Some(End::Stop);
        }
        self.reload.swap(false, Ordering::Relaxed).then_some(End::Reload)
    }

    pub(crate) fn is_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps, but not long after there is a wish.
    pub(crate) fn sleep(&self, time: Duration) {
        const PIECE: Duration = Duration::from_millis(50);
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_to_stop() || self.reload.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(left.min(PIECE));
        }
    }
}
