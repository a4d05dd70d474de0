//! System calls that may not be there: the kernel is older, or a sandbox refuses what it does not
//! know. What is younger than Linux 3.10 is tried, and done without where that fails.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

/// A call that may be refused. Once it was, it is not tried any more.
#[derive(Debug)]
pub(super) struct Optional(AtomicBool);

impl Optional {
    pub(super) const fn new() -> Self {
        Optional(AtomicBool::new(false))
    }

    pub(super) fn is_refused(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn note_refusal(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether an error says that the call is refused, whatever it is about. `works` calls it in
    /// a way that nothing else can fail for.
    pub(super) fn refuses(&self, errno: Errno, works: impl FnOnce() -> bool) -> bool {
        let is_refused = self.is_refused() || may_be_refusal(errno) && !works();
        if is_refused {
            self.note_refusal();
        }
        is_refused
    }
}

/// What sandboxes and older kernels answer to a call that they do not know.
pub(super) fn may_be_refusal(errno: Errno) -> bool {
    matches!(errno, Errno::EPERM | Errno::ENOSYS)
}
