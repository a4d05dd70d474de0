//! The write protocol on one name: what is in the table and on the mount, what each process has
//! yet to do, and what may happen next. `docs/consistency.md` says it in words.

use super::flaws::Flaw;

/// Which write some bytes come from: 0 was there before, the process `of` writes `of + 1`. All have
/// one size, so that nobody can tell them apart but by time and inode.
pub(super) type Version = u8;

/// As many versions as a model has at most.
pub(super) const VERSIONS: usize = 5;

/// What the table says of the name. The version is for the properties: processes see the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Row {
    Absent,
    Live {
        version: Version,
        time: u8,
    },
    /// Soft-deleted, at the time that it had.
    Deleted(u8),
}

impl Row {
    pub(super) fn live(self) -> Option<u8> {
        match self {
            Row::Live { time, .. } => Some(time),
            _ => None,
        }
    }

    pub(super) fn time(self) -> Option<u8> {
        match self {
            Row::Live { time, .. } | Row::Deleted(time) => Some(time),
            Row::Absent => None,
        }
    }
}

/// Bytes never change once they are whole, but times are set and numbers used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Inode {
    pub(super) number: u8,
    pub(super) time: u8,
    pub(super) whole: bool,
}

/// A file under its `.ezdfs-old-*` name, which says what the row was, and what replaced the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Aside {
    pub(super) version: Version,
    pub(super) row: Option<u8>,
    pub(super) replaced_by: u8,
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

/// What a process does next. Those with [`fault_points`] are what the code calls by these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// The whole staged file: nobody else sees it.
    Stage,
    /// Write the row in a transaction, which takes its lock.
    Upsert,
    SetAside,
    Publish,
    Commit,
    DropAside,
    /// After a commit that failed: read the row.
    Ask,
    Relock,
    /// Look at row and files under the lock; put back what the row speaks of.
    Undo,
    CommitUndo,
    FindRow,
    SoftDelete,
    LockDeleted,
    RemoveFile,
    CommitDelete,
    // What only flawed protocols do.
    PlainDelete,
    Truncate,
    Fill,
    LetGo,
}

/// The names of the step in `src/store`, taken once it is done.
#[cfg(feature = "failpoints")]
pub(super) fn fault_points(step: Step) -> &'static [&'static str] {
    match step {
        Step::Stage => &["staged", "written", "finished"],
        Step::Upsert => &["upserted"],
        Step::SetAside => &["set-aside"],
        Step::Publish => &["published"],
        Step::Commit => &["committed"],
        Step::Ask => &["asked"],
        Step::Relock => &["relocked"],
        Step::CommitUndo => &["undone"],
        Step::SoftDelete => &["soft-deleted"],
        Step::LockDeleted => &["locked"],
        Step::RemoveFile => &["files-removed"],
        Step::CommitDelete => &["rows-deleted"],
        _ => &[],
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// The index of the next step of its program.
    Program(usize),
    /// The index of the next step of settling what failed.
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) at: At,
    /// Whether its file has its staging name.
    pub(super) staged: bool,
    pub(super) aside: Option<Aside>,
    /// The row that it found under its lock.
    pub(super) old: Row,
    /// What it takes its file for: number and time, while it is at work.
    pub(super) mine: Option<Inode>,
    /// Whether the server has committed its transaction.
    pub(super) committed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// As committed.
    pub(super) row: Row,
    pub(super) transaction: Option<Transaction>,
    /// Under the file's own name.
    pub(super) place: Option<Version>,
    pub(super) inodes: [Inode; VERSIONS],
    pub(super) processes: Vec<Process>,
    /// The versions, one bit each, that were there to be read under the row as it is.
    pub(super) served: u8,
    /// The row's time was set back.
    pub(super) set_back: bool,
    /// The row before `fsck`, which comes at the end.
    pub(super) checked: Option<Row>,
}

pub(super) const WRITE: &[Step] =
    &[Step::Stage, Step::Upsert, Step::SetAside, Step::Publish, Step::Commit, Step::DropAside];
pub(super) const SETTLE: &[Step] = &[Step::Ask, Step::Relock, Step::Undo, Step::CommitUndo];
pub(super) const DELETE: &[Step] =
    &[Step::FindRow, Step::SoftDelete, Step::LockDeleted, Step::RemoveFile, Step::CommitDelete];

/// What there may be before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    File,
    /// The file of a PHP kernel: its time is not the row's.
    KernelsFile,
}

impl State {
    pub(super) fn new(before: Before, processes: usize) -> Self {
        let process = Process {
            at: At::Program(0),
            staged: false,
            aside: None,
            old: Row::Absent,
            mine: None,
            committed: false,
        };
        let there = before != Before::Nothing;
        let mut inodes = [Inode { number: 0, time: 0, whole: false }; VERSIONS];
        let time = if before == Before::KernelsFile { 0 } else { 1 };
        inodes[0] = Inode { number: 0, time, whole: true };
        State {
            row: if there { Row::Live { version: 0, time: 1 } } else { Row::Absent },
            transaction: None,
            place: there.then_some(0),
            inodes,
            processes: vec![process; processes],
            served: u8::from(there),
            set_back: false,
            checked: None,
        }
    }

    pub(super) fn inode(&self, version: Version) -> Inode {
        self.inodes[usize::from(version)]
    }

    /// Whether the process would wait for the row's lock.
    pub(super) fn must_wait(&self, step: Step) -> bool {
        let takes_lock = matches!(
            step,
            Step::Upsert | Step::Relock | Step::SoftDelete | Step::LockDeleted | Step::PlainDelete
        );
        takes_lock && self.transaction.is_some()
    }

    pub(super) fn begin(&mut self, of: usize, row: Row) {
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
        let process = &mut self.processes[of];
        (process.at, process.old, process.mine) = (At::Ended(end), Row::Absent, None);
    }

    /// Takes a step without any fault.
    pub(super) fn take(&mut self, of: usize, step: Step, clock: u8, flaw: Option<Flaw>) {
        let version = of as Version + 1;
        match step {
            Step::Stage => self.stage(of),
            Step::Upsert => self.upsert(of, clock, flaw),
            Step::SetAside => self.set_aside(of),
            Step::Publish => {
                self.place = Some(version);
                self.processes[of].staged = false;
            }
            Step::Commit | Step::CommitDelete if !self.holds_lock(of) => {
                // The server had ended the transaction.
                return self.commit_failed(of, step);
            }
            Step::Commit | Step::CommitDelete => self.server_commits(),
            Step::DropAside => {
                self.processes[of].aside = None;
                return self.end(of, End::Succeeded);
            }
            Step::Ask if self.is_my_row(of) => return self.succeed(of),
            Step::Ask => {}
            Step::Relock => self.begin(of, self.row),
            Step::Undo => return self.undo(of, flaw),
            Step::CommitUndo => {
                self.server_commits();
                return self.end(of, End::Failed);
            }
            Step::FindRow | Step::SoftDelete if self.row == Row::Absent => {
                return self.end(of, End::Succeeded);
            }
            Step::FindRow => {}
            Step::SoftDelete => self.set_row(Row::Deleted(self.row.time().unwrap_or(0))),
            // Locks what is soft-deleted still, and has nothing to do where that is nothing.
            Step::LockDeleted if !matches!(self.row, Row::Deleted(_)) => {
                return self.end(of, End::Succeeded);
            }
            Step::LockDeleted => self.begin(of, Row::Absent),
            Step::RemoveFile => self.place = None,
            Step::PlainDelete => self.set_row(Row::Absent),
            Step::Truncate | Step::Fill => {
                self.inodes[usize::from(version)].whole = step == Step::Fill;
                self.place = Some(version);
            }
            Step::LetGo => self.disconnect(of, Client::Gone),
        }
        self.advance(of);
    }

    pub(super) fn advance(&mut self, of: usize) {
        match &mut self.processes[of].at {
            At::Program(index) | At::Settling(index) => *index += 1,
            At::Ended(_) => {}
        }
    }

    /// The number is the first that nobody links, as file systems give it.
    fn stage(&mut self, of: usize) {
        let linked = |version: Version| {
            self.place == Some(version)
                || self
                    .processes
                    .iter()
                    .any(|process| process.aside.is_some_and(|aside| aside.version == version))
                || version.checked_sub(1).is_some_and(|of| self.processes[usize::from(of)].staged)
        };
        let is_free = |number: &u8| {
            (0..=self.processes.len() as Version)
                .all(|version| !linked(version) || self.inode(version).number != *number)
        };
        let number = (0..).find(is_free).expect("more numbers than files");
        let inode = Inode { number, time: 0, whole: true };
        self.inodes[of + 1] = inode;
        self.processes[of].mine = Some(inode);
        self.processes[of].staged = true;
    }

    /// `clock` is what the file server gave the staged file; it may be behind the row.
    fn upsert(&mut self, of: usize, clock: u8, flaw: Option<Flaw>) {
        let after_old = self.row.time().map_or(0, |old| old + 1);
        let time = if flaw == Some(Flaw::SameSecond) { clock } else { clock.max(after_old) };
        self.inodes[of + 1].time = time;
        self.processes[of].old = self.row;
        self.processes[of].mine = Some(self.inodes[of + 1]);
        self.begin(of, Row::Live { version: of as Version + 1, time });
    }

    fn set_aside(&mut self, of: usize) {
        let process = &mut self.processes[of];
        let replaced_by = self.inodes[of + 1].number;
        process.aside =
            self.place.map(|version| Aside { version, row: process.old.live(), replaced_by });
    }

    /// The row has the process's identity. Should it be another's that took the same time after
    /// this one was rolled back, then that is as if the other had overwritten this one.
    pub(super) fn succeed(&mut self, of: usize) {
        if let Row::Live { version, .. } = self.row {
            self.processes[of].committed |=
                version.checked_sub(1).is_some_and(|by| self.processes[usize::from(by)].committed);
        }
        self.processes[of].aside = None;
        self.end(of, End::Succeeded);
    }

    pub(super) fn is_my_row(&self, of: usize) -> bool {
        self.processes[of].mine.is_some_and(|mine| self.row.live() == Some(mine.time))
    }

    pub(super) fn set_row(&mut self, row: Row) {
        if let (Some(old), Some(new)) = (self.row.live(), row.live()) {
            self.set_back |= new < old;
        }
        if self.row.live() != row.live() {
            self.served = 0;
        }
        self.row = row;
    }

    pub(super) fn server_commits(&mut self) {
        if let Some(held) = self.transaction.take() {
            let writes =
                Row::Live { version: held.of as Version + 1, time: held.row.time().unwrap_or(0) };
            self.processes[held.of].committed |= held.row == writes;
            self.set_row(held.row);
        }
    }

    /// A writer settles; a deleter reports that the row is soft-deleted still.
    pub(super) fn commit_failed(&mut self, of: usize, commit: Step) {
        match commit {
            Step::Commit => self.processes[of].at = At::Settling(0),
            Step::CommitUndo => self.end(of, End::Unknown),
            _ => self.end(of, End::Failed),
        }
    }

    /// What is there to be read is read.
    pub(super) fn read(&mut self) {
        if let (Row::Live { .. }, Some(version)) = (self.row, self.place) {
            self.served |= 1 << version;
        }
    }
}
