//! Protocols that are nearly right. Each must break an invariant: else the model proves nothing.

use super::protocol::{DELETE, SETTLE, Step, WRITE};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// As PHP kernels do it.
    WriteInPlace,
    RenameBeforeLock,
    CommitBeforeRename,
    /// The row is deleted at once, so nothing can be locked while the file goes.
    PlainDelete,
    UnlinkBeforeSoftDelete,
    DeleteWithoutLock,
    /// The old file is not set aside: nothing can be put back.
    SetNothingAside,
    UndoWithoutLock,
    /// The row is asked for before its lock is taken, but not after it.
    UndoWithoutLookingAgain,
    /// A writer that finds another's file in place drops the old one, although
    /// the other may put back what it found.
    UndoBeneathAnother,
    /// A deadline ends the transaction while the rename is still to come.
    GiveUpBeforeRename,
    FsckForgetsAside,
    /// A call that was answered with an error is taken for one that was not carried out.
    BelieveErrors,
    /// The time is the clock's, although the row may have it already, or a later one.
    SameSecond,
    /// The file in place is taken for the own one by its inode number, which may be used again.
    UndoByNumberAlone,
    /// Files have no identity, and labels say nothing but what number the new file has.
    LabelOfNumberAlone,
    /// Files set aside have no labels: two writers in turn may take one time.
    IdentityAlone,
    /// What was put back has the validator under which other bytes were served.
    KeepOldTime,
    /// So has what was put back while the transaction was open.
    RollBackAfterRename,
}

impl Flaw {
    pub(super) const ALL: [Flaw; 19] = [
        Flaw::WriteInPlace,
        Flaw::RenameBeforeLock,
        Flaw::CommitBeforeRename,
        Flaw::PlainDelete,
        Flaw::UnlinkBeforeSoftDelete,
        Flaw::DeleteWithoutLock,
        Flaw::SetNothingAside,
        Flaw::UndoWithoutLock,
        Flaw::UndoWithoutLookingAgain,
        Flaw::UndoBeneathAnother,
        Flaw::GiveUpBeforeRename,
        Flaw::FsckForgetsAside,
        Flaw::BelieveErrors,
        Flaw::SameSecond,
        Flaw::UndoByNumberAlone,
        Flaw::LabelOfNumberAlone,
        Flaw::IdentityAlone,
        Flaw::KeepOldTime,
        Flaw::RollBackAfterRename,
    ];

    pub(super) fn write(flaw: Option<Self>) -> &'static [Step] {
        use Step::{Commit, DropAside, Fill, LetGo, Publish, SetAside, Stage, Truncate, Upsert};
        match flaw {
            Some(Flaw::WriteInPlace) => &[Upsert, Truncate, Fill, Commit],
            Some(Flaw::RenameBeforeLock) => &[Stage, SetAside, Publish, Upsert, Commit, DropAside],
            Some(Flaw::CommitBeforeRename) => {
                &[Stage, Upsert, Commit, SetAside, Publish, DropAside]
            }
            Some(Flaw::SetNothingAside) => &[Stage, Upsert, Publish, Commit],
            Some(Flaw::GiveUpBeforeRename) => {
                &[Stage, Upsert, SetAside, LetGo, Publish, Commit, DropAside]
            }
            _ => WRITE,
        }
    }

    pub(super) fn settle(flaw: Option<Self>) -> &'static [Step] {
        match flaw {
            Some(Flaw::UndoWithoutLock) => &[Step::Ask, Step::Undo, Step::CommitUndo],
            _ => SETTLE,
        }
    }

    pub(super) fn delete(flaw: Option<Self>) -> &'static [Step] {
        use Step::{CommitDelete, FindRow, LockDeleted, PlainDelete, RemoveFile, SoftDelete};
        match flaw {
            Some(Flaw::PlainDelete) => &[FindRow, PlainDelete, RemoveFile],
            Some(Flaw::UnlinkBeforeSoftDelete) => {
                &[FindRow, RemoveFile, SoftDelete, LockDeleted, CommitDelete]
            }
            Some(Flaw::DeleteWithoutLock) => &[FindRow, SoftDelete, RemoveFile, PlainDelete],
            _ => DELETE,
        }
    }
}
