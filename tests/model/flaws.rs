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
    /// The old file is not kept: nothing can be put back.
    KeepNothing,
    UndoWithoutLock,
    /// The row is asked for before its lock is taken, but not after it.
    UndoWithoutLookingAgain,
    /// A writer that finds another's file in place drops the old one, although
    /// the other may put back what it found.
    UndoBeneathAnother,
    /// A deadline ends the transaction while the rename is still to come.
    GiveUpBeforeRename,
    FsckForgetsOld,
}

impl Flaw {
    pub(super) const ALL: [Flaw; 12] = [
        Flaw::WriteInPlace,
        Flaw::RenameBeforeLock,
        Flaw::CommitBeforeRename,
        Flaw::PlainDelete,
        Flaw::UnlinkBeforeSoftDelete,
        Flaw::DeleteWithoutLock,
        Flaw::KeepNothing,
        Flaw::UndoWithoutLock,
        Flaw::UndoWithoutLookingAgain,
        Flaw::UndoBeneathAnother,
        Flaw::GiveUpBeforeRename,
        Flaw::FsckForgetsOld,
    ];

    pub(super) fn write(flaw: Option<Self>) -> &'static [Step] {
        use Step::{
            Commit, DropOld, Fill, Finish, KeepOld, LetGo, Publish, Stage, Truncate, Upsert, Write,
        };
        match flaw {
            Some(Flaw::WriteInPlace) => &[Upsert, Truncate, Fill, Commit],
            Some(Flaw::RenameBeforeLock) => {
                &[Stage, Write, Finish, KeepOld, Publish, Upsert, Commit, DropOld]
            }
            Some(Flaw::CommitBeforeRename) => {
                &[Stage, Write, Finish, Upsert, Commit, KeepOld, Publish, DropOld]
            }
            Some(Flaw::KeepNothing) => &[Stage, Write, Finish, Upsert, Publish, Commit],
            Some(Flaw::GiveUpBeforeRename) => {
                &[Stage, Write, Finish, Upsert, KeepOld, LetGo, Publish, Commit, DropOld]
            }
            _ => WRITE,
        }
    }

    pub(super) fn settle(flaw: Option<Self>) -> &'static [Step] {
        match flaw {
            Some(Flaw::UndoWithoutLock) => &[Step::Ask, Step::Undo],
            _ => SETTLE,
        }
    }

    pub(super) fn delete(flaw: Option<Self>) -> &'static [Step] {
        use Step::{
            CommitDelete, DeleteRow, FindRow, LockDeleted, PlainDelete, RemoveFile, SoftDelete,
        };
        match flaw {
            Some(Flaw::PlainDelete) => &[FindRow, PlainDelete, RemoveFile],
            Some(Flaw::UnlinkBeforeSoftDelete) => {
                &[FindRow, RemoveFile, SoftDelete, LockDeleted, DeleteRow, CommitDelete]
            }
            Some(Flaw::DeleteWithoutLock) => &[FindRow, SoftDelete, RemoveFile, PlainDelete],
            _ => DELETE,
        }
    }
}
