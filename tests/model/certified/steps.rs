//! The steps of the protocol on a cluster whose servers all take writes: what each changes.

use super::super::protocol::{Row, Version};
use super::{Certified, Flaw, Role};

pub(super) const fn bit(version: Version) -> u8 {
    1 << version
}

/// It holds the row's lock on its server, until it is doomed: until somebody commits the row on
/// another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Transaction {
    /// What a commit makes of the row; `None` where the commit is to fence off another.
    pub(super) row: Option<Row>,
    pub(super) doomed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// Lock the own server's row, give the staged file its time, write the row.
    Upsert,
    /// Rename what is in place to a name of the own.
    Take,
    /// Link the staged file to its place, which must be free.
    Link,
    Commit,
    /// Is the file in place mine?
    Check,
    /// A transaction that changes nothing, so that a late commit of the former one fails.
    Fence,
    CommitFence,
    SoftDelete,
    CommitSoftDelete,
    LockDeleted,
    // Settling.
    ReadRow,
    Look,
    /// Find the file set aside that the row speaks of.
    List,
    TakeAgain,
    PutBack,
    Wait,
    /// What is set aside goes, and then the staged file.
    Unlink,
    Ended(End),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    Succeeded,
    Failed,
    Unknown,
    Crashed,
}

/// What a process knows of its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Open,
    Won,
    Lost,
    Unheard,
}

/// A name that a file has beside its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Staged,
    /// Set aside by this process.
    Aside(usize, Version),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) at: At,
    pub(super) transaction: Option<Transaction>,
    /// A transaction whose COMMIT was sent and not heard of.
    pub(super) unheard: Option<Transaction>,
    pub(super) staged: bool,
    /// The versions that it has set aside, one bit each.
    pub(super) aside: u8,
    /// The versions that it has put back.
    pub(super) put_back: u8,
    pub(super) outcome: Outcome,
    /// The time of the live row, as read last.
    pub(super) seen: Option<u8>,
    /// What was in place.
    pub(super) look: Option<Version>,
    pub(super) want: Option<Name>,
    pub(super) committed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// As committed, and as causal reads see it on every server.
    pub(super) row: Row,
    /// As it was before that, which reads that are not causal may see.
    former: Row,
    pub(super) place: Option<Version>,
    /// The times of the versions' files.
    pub(super) times: Vec<u8>,
    pub(super) processes: Vec<Process>,
    /// The row's time was set back.
    pub(super) set_back: bool,
}

impl State {
    pub(super) fn new(there_before: bool, roles: &[(Role, u8)]) -> Self {
        let process = |role: &(Role, u8)| Process {
            at: if role.0 == Role::Writer { At::Upsert } else { At::SoftDelete },
            transaction: None,
            unheard: None,
            staged: false,
            aside: 0,
            put_back: 0,
            outcome: Outcome::Open,
            seen: None,
            look: None,
            want: None,
            committed: false,
        };
        let row = if there_before { Row::Live { version: 0, time: 1 } } else { Row::Absent };
        let mut times = vec![0; roles.len() + 1];
        times[0] = 1;
        State {
            row,
            former: row,
            place: there_before.then_some(0),
            times,
            processes: roles.iter().map(process).collect(),
            set_back: false,
        }
    }

    pub(super) fn time(&self, version: Version) -> u8 {
        self.times[usize::from(version)]
    }

    pub(super) fn asides(&self) -> impl Iterator<Item = (usize, Version)> {
        self.processes.iter().enumerate().flat_map(|(of, process)| {
            let is_aside = move |version: &Version| process.aside & bit(*version) != 0;
            (0..8).filter(is_aside).map(move |version| (of, version))
        })
    }

    /// Whether a process that waits would see what it has seen.
    pub(super) fn is_as_seen(&self, of: usize) -> bool {
        let process = &self.processes[of];
        process.look == self.place && process.seen == self.row.live()
    }

    /// A commit of the row; it dooms every other transaction that has locked it.
    pub(super) fn commit(&mut self, of: usize, transaction: Transaction) {
        if let Some(row) = transaction.row {
            if let (Some(old), Some(new)) = (self.row.live(), row.live()) {
                self.set_back |= new <= old;
            }
            (self.former, self.row) = (self.row, row);
            self.processes[of].committed = true;
        }
        for process in &mut self.processes {
            for other in [&mut process.transaction, &mut process.unheard].into_iter().flatten() {
                other.doomed = true;
            }
        }
    }

    pub(super) fn take_aside(&mut self, of: usize) {
        if let Some(version) = self.place.take() {
            self.processes[of].aside |= bit(version);
        }
    }

    pub(super) fn begin(&mut self, of: usize, row: Option<Row>) {
        self.processes[of].transaction = Some(Transaction { row, doomed: false });
    }
}

impl Certified {
    pub(super) fn step(&self, state: &mut State, of: usize) {
        let mine = of as Version + 1;
        let is_writer = self.roles[of].0 == Role::Writer;
        let next = match state.processes[of].at {
            At::Upsert => {
                let time = self.new_time(state, of);
                state.times[usize::from(mine)] = time;
                state.processes[of].staged = true;
                state.begin(of, Some(Row::Live { version: mine, time }));
                At::Take
            }
            At::Take => {
                match self.flaw {
                    Some(Flaw::UnlinkBeforeCommit) if !is_writer => state.place = None,
                    Some(Flaw::RenameOver) if is_writer => {
                        state.processes[of].aside |= state.place.map_or(0, bit);
                    }
                    _ => state.take_aside(of),
                }
                if is_writer { At::Link } else { At::Commit }
            }
            At::Link if state.place.is_some() && self.flaw != Some(Flaw::RenameOver) => At::Take,
            At::Link => {
                state.place = Some(mine);
                At::Commit
            }
            At::Commit => self.commit_write(state, of),
            At::Check if state.place == Some(mine) => At::Unlink,
            At::Check => At::ReadRow,
            At::Fence => {
                state.begin(of, None);
                At::CommitFence
            }
            At::CommitFence => self.commit_other(state, of, At::Fence, At::ReadRow),
            At::SoftDelete => match state.row.time() {
                None => At::Ended(End::Succeeded),
                Some(time) => {
                    state.begin(of, Some(Row::Deleted(time)));
                    At::CommitSoftDelete
                }
            },
            At::CommitSoftDelete => self.commit_other(state, of, At::SoftDelete, At::LockDeleted),
            At::LockDeleted if !matches!(state.row, Row::Deleted(_)) => At::Ended(End::Succeeded),
            At::LockDeleted => {
                state.begin(of, Some(Row::Absent));
                At::Take
            }
            At::ReadRow => {
                state.processes[of].seen = state.row.live();
                At::Look
            }
            At::Look => self.look(state, of),
            At::List => self.list(state, of),
            At::TakeAgain => {
                state.take_aside(of);
                At::ReadRow
            }
            At::PutBack => {
                self.put_back(state, of);
                At::ReadRow
            }
            At::Wait if !state.is_as_seen(of) => At::ReadRow,
            At::Wait if state.place.is_some_and(|place| self.is_own(state, of, place)) => {
                At::Ended(End::Unknown)
            }
            At::Wait => self.finish(state, of),
            At::Unlink => self.unlink(state, of),
            ended @ At::Ended(_) => ended,
        };
        state.go_to(of, next);
    }

    /// No two that are at work have one time: the name of the staged file reserves it.
    fn new_time(&self, state: &State, of: usize) -> u8 {
        let after_old = state.row.time().map_or(0, |old| old + 1);
        let has_it = |(other, process): (usize, &Process), time: u8| {
            other != of && process.staged && state.times[other + 1] == time
        };
        let is_free = |time: &u8| match self.flaw {
            Some(Flaw::TimesNotReserved) => true,
            Some(Flaw::TurnsOfServersAlone) => time % 2 == self.roles[of].1,
            _ => !state.processes.iter().enumerate().any(|process| has_it(process, *time)),
        };
        (after_old.max(self.clock)..).find(is_free).unwrap_or(u8::MAX)
    }

    fn commit_write(&self, state: &mut State, of: usize) -> At {
        match state.processes[of].transaction.take() {
            Some(transaction) if !transaction.doomed => {
                state.processes[of].outcome = Outcome::Won;
                state.commit(of, transaction);
                let checks = self.roles[of].0 == Role::Writer;
                if checks && self.flaw != Some(Flaw::NoWinnerCheck) {
                    At::Check
                } else {
                    At::Unlink
                }
            }
            _ => state.lose(of),
        }
    }

    fn commit_other(&self, state: &mut State, of: usize, again: At, then: At) -> At {
        match state.processes[of].transaction.take() {
            Some(transaction) if !transaction.doomed => {
                state.commit(of, transaction);
                then
            }
            _ => again,
        }
    }
}

impl State {
    fn go_to(&mut self, of: usize, next: At) {
        let process = &mut self.processes[of];
        process.at = next;
        if next != At::PutBack {
            process.want = None;
        }
        let settles = matches!(
            next,
            At::Look | At::List | At::TakeAgain | At::PutBack | At::Wait | At::Unlink
        );
        if !settles {
            (process.seen, process.look) = (None, None);
        }
        if matches!(next, At::Ended(_)) {
            (process.put_back, process.outcome) = (0, Outcome::Open);
        }
    }

    /// The commit is known to have failed.
    pub(super) fn lose(&mut self, of: usize) -> At {
        let process = &mut self.processes[of];
        (process.transaction, process.outcome) = (None, Outcome::Lost);
        process.at = At::ReadRow;
        At::ReadRow
    }

    pub(super) fn hear_nothing(&mut self, of: usize, fences: bool) {
        let process = &mut self.processes[of];
        (process.unheard, process.outcome) = (process.transaction.take(), Outcome::Unheard);
        process.at = if fences { At::Fence } else { At::ReadRow };
    }

    /// A read that is not causal, on another server than the last commit's.
    pub(super) fn read_former(&mut self, of: usize) {
        self.processes[of].seen = self.former.live();
        self.go_to(of, At::Look);
    }

    pub(super) fn crash(&mut self, of: usize) {
        let process = &mut self.processes[of];
        process.unheard = process.transaction.take().filter(|it| it.row.is_some());
        self.go_to(of, At::Ended(End::Crashed));
    }

    /// Reads that are not causal aside, nobody needs to know what was.
    pub(super) fn forget_former(&mut self) {
        self.former = self.row;
    }
}
