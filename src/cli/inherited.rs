//! What the process was started with. The runtime of Rust puts /dev/null in the place of a
//! stream that is closed, and ignores SIGPIPE: this has to be looked at before.

use std::sync::OnceLock;

/// What a process has from whoever started it.
#[derive(Debug, Clone, Copy)]
pub struct Inherited {
    /// Standard input is open, for reading.
    pub has_input: bool,
    /// Standard output is open, for writing.
    pub has_output: bool,
    /// SIGPIPE is ignored.
    pub ignores_sigpipe: bool,
}

static INHERITED: OnceLock<Inherited> = OnceLock::new();

impl Inherited {
    pub(super) fn note(self) {
        INHERITED.get_or_init(|| self);
    }
}

pub(super) fn get() -> Inherited {
    const USUAL: Inherited =
        Inherited { has_input: true, has_output: true, ignores_sigpipe: false };
    *INHERITED.get().unwrap_or(&USUAL)
}
