//! How far a command has come.

/// What a command is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Rows are read from the table.
    ReadingRows,
    /// Rows and files are compared.
    Comparing,
    /// What looks wrong is looked at again, and repaired.
    LookingAgain,
    /// It is judged whether root, prefix and table fit.
    Judging,
    /// Files and rows are removed.
    Removing,
    /// Files are looked into and registered.
    Registering,
    /// Checksums are computed.
    Hashing,
    /// What was taken away is put back.
    Restoring,
    /// Files are copied: what is done, and its total, are bytes.
    Copying,
    /// What changes at the source is waited for, and copied.
    Following,
    /// Rows and files get other names.
    Renaming,
}

impl Phase {
    /// A few words for it.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::ReadingRows => "reading rows",
            Phase::Comparing => "comparing rows and files",
            Phase::LookingAgain => "looking again",
            Phase::Judging => "judging",
            Phase::Removing => "removing",
            Phase::Registering => "registering",
            Phase::Hashing => "hashing",
            Phase::Restoring => "restoring",
            Phase::Copying => "copying",
            Phase::Following => "following",
            Phase::Renaming => "renaming",
        }
    }
}

impl Phase {
    /// Whether what is done, and its total, are bytes.
    pub const fn is_of_bytes(self) -> bool {
        matches!(self, Phase::Copying)
    }
}

/// Where a command tells how far it has come, and asks whether to go on.
pub trait Progress {
    /// Called now and then. `total` is 0 where it is not known.
    fn progress(&mut self, phase: Phase, done: u64, total: u64);

    /// Whether to stop at the next place where nothing is half done.
    fn is_interrupted(&self) -> bool {
        false
    }
}
