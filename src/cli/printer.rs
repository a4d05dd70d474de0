//! What the commands that look after a whole store have in common: they show how
//! far they are, list, and go on after a failure.

use std::process::ExitCode;

use super::diagnostics::report;
use super::{output, progress};
use crate::error::Error;
use crate::maintenance::{Phase, Progress};

/// Where such a command tells what it does.
pub(super) struct Printer {
    /// Objects, one a line.
    pub(super) json: bool,
    /// What is done, or would be, is listed.
    pub(super) lists: bool,
    pub(super) progress: progress::Progress,
    /// The first failure's exit code.
    failure: Option<u8>,
}

impl Printer {
    pub(super) fn new(json: bool, lists: bool) -> Self {
        Printer { json, lists, progress: progress::Progress::new(), failure: None }
    }

    /// Tells of a failure that does not end the command.
    pub(super) fn tell_failure(&mut self, error: &Error) {
        self.progress.suspend(|| report(error));
        self.failure.get_or_insert(error.kind().exit_code());
    }

    /// The first failure's exit code, or `otherwise`.
    pub(super) fn exit_code(&self, is_interrupted: bool, otherwise: ExitCode) -> ExitCode {
        match self.failure {
            _ if is_interrupted => output::interrupted(),
            Some(code) => ExitCode::from(code),
            None => otherwise,
        }
    }
}

impl Progress for Printer {
    fn progress(&mut self, phase: Phase, done: u64, total: u64) {
        self.progress.show(phase, done, total);
    }

    fn is_interrupted(&self) -> bool {
        output::is_interrupted()
    }
}
