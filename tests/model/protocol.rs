//! The write protocol on one name: what is in the table and on the mount, what each process has
//! yet to do, and what may happen next. `docs/consistency.md` says it in words.

use super::flaws::Flaw;

/// Which write some bytes and a row come from: 0 was there before, writers have their own numbers.
/// In reality size and mtime tell them apart.
pub(super) type Version = usize;

/// What the table says of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Row {
    Absent,
    Live(Version),
    /// Soft-deleted.
    Deleted,
}

/// An inode: bytes never change once they are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct File {
    pub(super) version: Version,
    pub(super) whole: bool,
}

/// The transaction that holds the row's lock, on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Transaction {
    pub(super) of: usize,
    /// What a commit makes of the row.
    pub(super) row: Row,
    pub(super) client: Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Connected,
    /// Dead or disconnected: the server finds out sometime, and rolls back.
    Gone,
    /// Gone after it sent COMMIT, which the server may or may not get to.
    GoneCommitting,
}

/// What a process does next. Those with a [`fault_point`] are what the code calls by that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Stage,
    Write,
    Finish,
    /// Write the row in a transaction, which takes its lock.
    Upsert,
    KeepOld,
    Publish,
    Commit,
    DropOld,
    /// After a commit that failed: read the row.
    Ask,
    Relock,
    /// Look at the row under its lock; undo the file step if it is not ours.
    Undo,
    FindRow,
    SoftDelete,
    LockDeleted,
    RemoveFile,
    DeleteRow,
    CommitDelete,
    ReadRow,
    Open,
    ReadRowAgain,
    OpenAgain,
    // What only flawed protocols do.
    PlainDelete,
    Truncate,
    Fill,
    LetGo,
}

/// The name of the step in `src/store`, taken once it is done.
#[cfg(feature = "failpoints")]
pub(super) fn fault_point(step: Step) -> Option<&'static str> {
    Some(match step {
        Step::Stage => "staged",
        Step::Write => "written",
        Step::Finish => "finished",
        Step::Upsert => "upserted",
        Step::KeepOld => "set-aside",
        Step::Publish => "published",
        Step::Commit => "committed",
        Step::Ask => "asked",
        Step::Relock => "relocked",
        Step::Undo => "undone",
        Step::SoftDelete => "soft-deleted",
        Step::LockDeleted => "locked",
        Step::RemoveFile => "files-removed",
        Step::DeleteRow => "rows-deleted",
        _ => return None,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// The index of the next step of its program.
    Program(usize),
    /// The index of the next step of settling a commit that failed.
    Settling(usize),
    Ended(End),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    Succeeded,
    /// Reported, with a known outcome.
    Failed,
    /// Reported as unknown.
    Unknown,
    Crashed,
    /// A reader was told that there is no such file.
    NotFound,
    /// A reader found a live row and no file.
    MissingFile,
    /// A reader got this.
    Got(File),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) at: At,
    /// Under its staging name.
    pub(super) staged: Option<File>,
    /// Under its `.ezdfs-old-*` name.
    pub(super) old: Option<File>,
    /// What a reader was told by the row.
    pub(super) told: Option<Version>,
    /// Whether the server has committed its transaction.
    pub(super) committed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// As committed.
    pub(super) row: Row,
    pub(super) transaction: Option<Transaction>,
    /// Under the file's own name.
    pub(super) place: Option<File>,
    pub(super) processes: Vec<Process>,
    /// The row before `fsck`, which comes at the end.
    pub(super) checked: Option<Row>,
}

pub(super) const WRITE: &[Step] = &[
    Step::Stage,
    Step::Write,
    Step::Finish,
    Step::Upsert,
    Step::KeepOld,
    Step::Publish,
    Step::Commit,
    Step::DropOld,
];
pub(super) const SETTLE: &[Step] = &[Step::Ask, Step::Relock, Step::Undo];
pub(super) const DELETE: &[Step] = &[
    Step::FindRow,
    Step::SoftDelete,
    Step::LockDeleted,
    Step::RemoveFile,
    Step::DeleteRow,
    Step::CommitDelete,
];
pub(super) const READ: &[Step] = &[Step::ReadRow, Step::Open, Step::ReadRowAgain, Step::OpenAgain];

impl State {
    pub(super) fn new(there_before: bool, processes: usize) -> Self {
        let process =
            Process { at: At::Program(0), staged: None, old: None, told: None, committed: false };
        State {
            row: if there_before { Row::Live(0) } else { Row::Absent },
            transaction: None,
            place: there_before.then_some(File { version: 0, whole: true }),
            processes: vec![process; processes],
            checked: None,
        }
    }

    /// Whether the process would wait for the row's lock.
    pub(super) fn must_wait(&self, step: Step) -> bool {
        let takes_lock = matches!(
            step,
            Step::Upsert | Step::Relock | Step::SoftDelete | Step::LockDeleted | Step::PlainDelete
        );
        takes_lock && self.transaction.is_some()
    }

    fn begin(&mut self, of: usize, row: Row) {
        self.transaction = Some(Transaction { of, row, client: Client::Connected });
    }

    pub(super) fn holds_lock(&self, of: usize) -> bool {
        self.transaction.is_some_and(|held| held.of == of && held.client == Client::Connected)
    }

    /// Ends the connection of a process; the server takes its time to notice.
    pub(super) fn disconnect(&mut self, of: usize, client: Client) {
        if let Some(held) = self.transaction.as_mut().filter(|held| held.of == of) {
            held.client = client;
        }
    }

    pub(super) fn end(&mut self, of: usize, end: End) {
        self.disconnect(of, Client::Gone);
        self.processes[of].at = At::Ended(end);
    }

    /// Takes a step without any fault. `version` is what the process writes.
    pub(super) fn take(&mut self, of: usize, step: Step, flaw: Option<Flaw>) {
        let version = of + 1;
        match step {
            Step::Stage => self.processes[of].staged = Some(File { version, whole: false }),
            Step::Write => self.processes[of].staged = Some(File { version, whole: true }),
            Step::Finish => {}
            Step::Upsert => self.begin(of, Row::Live(version)),
            Step::KeepOld => self.processes[of].old = self.place,
            Step::Publish => self.place = self.processes[of].staged.take(),
            Step::Commit | Step::CommitDelete => {
                if !self.holds_lock(of) {
                    // The server had ended the transaction.
                    return self.commit_failed(of, step);
                }
                self.server_commits();
            }
            Step::DropOld => {
                self.processes[of].old = None;
                return self.end(of, End::Succeeded);
            }
            Step::Ask if self.row == Row::Live(version) => {
                self.processes[of].old = None;
                return self.end(of, End::Succeeded);
            }
            Step::Ask => {}
            Step::Relock => self.begin(of, self.row),
            Step::Undo => return self.undo(of, flaw),
            Step::FindRow if self.row == Row::Absent => return self.end(of, End::NotFound),
            Step::FindRow => {}
            Step::SoftDelete if self.row == Row::Absent => return self.end(of, End::NotFound),
            Step::SoftDelete => self.row = Row::Deleted,
            // Locks what is soft-deleted still, and has nothing to do where that is nothing.
            Step::LockDeleted if self.row != Row::Deleted => {
                return self.end(of, End::Succeeded);
            }
            Step::LockDeleted => self.begin(of, Row::Deleted),
            Step::RemoveFile => self.place = None,
            Step::DeleteRow => self.begin(of, Row::Absent),
            Step::ReadRow | Step::Open | Step::ReadRowAgain | Step::OpenAgain => {
                return self.read(of, step);
            }
            Step::PlainDelete => self.row = Row::Absent,
            Step::Truncate => self.place = Some(File { version, whole: false }),
            Step::Fill => self.place = Some(File { version, whole: true }),
            Step::LetGo => self.disconnect(of, Client::Gone),
        }
        self.advance(of);
    }

    fn advance(&mut self, of: usize) {
        match &mut self.processes[of].at {
            At::Program(index) | At::Settling(index) => *index += 1,
            At::Ended(_) => {}
        }
    }

    pub(super) fn server_commits(&mut self) {
        if let Some(held) = self.transaction.take() {
            self.row = held.row;
            self.processes[held.of].committed = true;
        }
    }

    /// A writer settles; a deleter reports that the row is soft-deleted still.
    pub(super) fn commit_failed(&mut self, of: usize, commit: Step) {
        self.processes[of].at = match commit {
            Step::Commit => At::Settling(0),
            _ => At::Ended(End::Failed),
        };
    }

    fn undo(&mut self, of: usize, flaw: Option<Flaw>) {
        let mine = Row::Live(of + 1);
        if self.row == mine && flaw != Some(Flaw::UndoWithoutLookingAgain) {
            self.processes[of].old = None;
            return self.end(of, End::Succeeded);
        }
        self.restore(of, flaw);
        self.end(of, End::Failed);
    }

    /// The file step, undone: under the row's lock.
    pub(super) fn restore(&mut self, of: usize, flaw: Option<Flaw>) {
        let is_mine = |file: &Option<File>| file.is_some_and(|file| file.version == of + 1);
        let old = self.processes[of].old.take();
        if is_mine(&self.place) {
            self.place = old;
        } else if flaw != Some(Flaw::UndoBeneathAnother) {
            // Another writer has kept our file to put it back: it had better put back ours.
            for other in self.processes.iter_mut().filter(|other| is_mine(&other.old)) {
                other.old = old;
            }
        }
    }

    fn read(&mut self, of: usize, step: Step) {
        let live = match self.row {
            Row::Live(version) => Some(version),
            _ => None,
        };
        let told = self.processes[of].told;
        let end = match step {
            Step::ReadRow => match live {
                None => End::NotFound,
                Some(_) => {
                    self.processes[of].told = live;
                    return self.advance(of);
                }
            },
            Step::Open => match self.place {
                Some(file) => End::Got(file),
                None => return self.advance(of),
            },
            Step::ReadRowAgain => match live {
                None => End::NotFound,
                Some(_) if live == told => End::MissingFile,
                Some(_) => return self.advance(of),
            },
            _ => self.place.map_or(End::MissingFile, End::Got),
        };
        self.end(of, end);
    }

    /// What `fsck --repair all` does with a grace of nothing, when nobody else is at work.
    pub(super) fn fsck(&mut self, flaw: Option<Flaw>) {
        self.checked = Some(self.row);
        if let Row::Live(version) = self.row
            && self.place.is_none_or(|file| file.version != version)
            && flaw != Some(Flaw::FsckForgetsOld)
        {
            let belongs = |file: &Option<File>| file.is_some_and(|file| file.version == version);
            if let Some(kept) = self.processes.iter_mut().find(|process| belongs(&process.old)) {
                self.place = kept.old.take();
            }
        }
        match (self.row, self.place) {
            (Row::Live(_), None) => self.row = Row::Absent,
            (Row::Live(_), Some(file)) => self.row = Row::Live(file.version),
            (Row::Absent, _) => self.place = None,
            (Row::Deleted, _) => {}
        }
        for process in &mut self.processes {
            (process.staged, process.old) = (None, None);
        }
    }
}
