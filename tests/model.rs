//! The write protocol as a model: two writers, a deleter and a reader of one name, with crashes,
//! errors, and commits of unknown outcome at every step, in every order. The checker visits every
//! state; `fsck` ends every history.
//!
//! Flawed protocols must be caught, and the steps of the model are compared with those that the
//! code takes.

mod flaws;
mod protocol;
#[cfg(feature = "failpoints")]
mod tie;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::support::Trials;
use flaws::Flaw;
use protocol::{At, Client, End, Process, READ, Row, State, Step};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("model", &[]);
    let mut sound = |name, roles: &'static [Role]| {
        group
            .add(&format!("no_order_of_steps_and_faults_breaks_it::{name}"), move |_| sound(roles));
    };
    sound("writers_deleter_reader", EVERYBODY);
    sound("three_writers", &[Role::Writer, Role::Writer, Role::Writer]);
    // Without a reader: one that meets both may be told of a missing file where the file is deleted
    // again, which is "not found" either way.
    sound("two_deleters", &[Role::Writer, Role::Writer, Role::Deleter, Role::Deleter]);
    for flaw in Flaw::ALL {
        group.add(&format!("a_flaw_is_caught::{flaw:?}"), move |_| caught(flaw));
    }
    group.add("a_lock_lost_unnoticed_is_beyond_the_protocol", |_| lost_lock());
    #[cfg(feature = "failpoints")]
    tie::register(trials);
}

/// The writers come first: their numbers are those of their versions, less one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Deleter,
    Reader,
}

const EVERYBODY: &[Role] = &[Role::Writer, Role::Writer, Role::Deleter, Role::Reader];

#[derive(Debug, Clone)]
struct Protocol {
    roles: Vec<Role>,
    flaw: Option<Flaw>,
    /// The server may end a transaction while its client is at work.
    loses_locks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Step(usize, Step),
    /// The step fails, or its commit is refused; the caller learns of it.
    Fail(usize, Step),
    /// The rename was done, but syncing the directory fails.
    SyncFails(usize),
    /// The connection is lost during the commit.
    HearNothing(usize, Step),
    Crash(usize),
    CrashCommitting(usize),
    /// The server ends the transaction of a client that has gone, or another.
    ServerCommits,
    ServerRollsBack,
    Fsck,
}

impl Protocol {
    fn new(flaw: Option<Flaw>) -> Self {
        Protocol { roles: EVERYBODY.to_vec(), flaw, loses_locks: false }
    }

    fn program(&self, of: usize) -> &'static [Step] {
        match self.roles[of] {
            Role::Writer => Flaw::write(self.flaw),
            Role::Deleter => Flaw::delete(self.flaw),
            Role::Reader => READ,
        }
    }

    /// The next step of a process; `None` at its end.
    fn next(&self, state: &State, of: usize) -> Option<Step> {
        match state.processes[of].at {
            At::Program(index) => self.program(of).get(index).copied(),
            At::Settling(index) => Flaw::settle(self.flaw).get(index).copied(),
            At::Ended(_) => None,
        }
    }

    fn fail(&self, state: &mut State, of: usize, step: Step) {
        match step {
            Step::Commit | Step::CommitDelete => {
                // Refused, so rolled back.
                state.transaction = state.transaction.filter(|held| held.of != of);
                state.commit_failed(of, step);
            }
            // Nobody knows: the old file stays.
            Step::Ask | Step::Relock => state.end(of, End::Unknown),
            _ => {
                (state.processes[of].staged, state.processes[of].old) = (None, None);
                state.end(of, End::Failed);
            }
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        [true, false].map(|there| State::new(there, self.roles.len())).into()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.checked.is_some() {
            return;
        }
        for of in 0..self.roles.len() {
            let Some(step) = self.next(state, of) else { continue };
            if !state.must_wait(step) {
                actions.push(Action::Step(of, step));
            }
            if self.roles[of] == Role::Reader {
                continue;
            }
            actions.push(Action::Crash(of));
            match step {
                Step::Commit | Step::CommitDelete if state.holds_lock(of) => {
                    actions.push(Action::Fail(of, step));
                    actions.push(Action::HearNothing(of, step));
                    actions.push(Action::CrashCommitting(of));
                    if step == Step::Commit && self.flaw.is_none() {
                        actions.push(Action::SyncFails(of));
                    }
                }
                // What is reported of these changes nothing that others see.
                Step::DropOld | Step::Undo | Step::Commit | Step::CommitDelete => {}
                _ => actions.push(Action::Fail(of, step)),
            }
        }
        match state.transaction.map(|held| held.client) {
            Some(Client::GoneCommitting) => {
                actions.extend([Action::ServerCommits, Action::ServerRollsBack]);
            }
            Some(Client::Gone) => actions.push(Action::ServerRollsBack),
            Some(Client::Connected) if self.loses_locks => actions.push(Action::ServerRollsBack),
            Some(Client::Connected) => {}
            None if state.processes.iter().all(|process| matches!(process.at, At::Ended(_))) => {
                actions.push(Action::Fsck);
            }
            None => {}
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(of, step) => {
                state.take(of, step, self.flaw);
                if !matches!(state.processes[of].at, At::Ended(_))
                    && self.next(&state, of).is_none()
                {
                    state.end(of, End::Succeeded);
                }
            }
            Action::Fail(of, step) => self.fail(&mut state, of, step),
            Action::SyncFails(of) => {
                state.restore(of, self.flaw);
                state.end(of, End::Failed);
            }
            Action::HearNothing(of, step) => {
                state.disconnect(of, Client::GoneCommitting);
                state.commit_failed(of, step);
            }
            Action::Crash(of) => state.end(of, End::Crashed),
            Action::CrashCommitting(of) => {
                state.disconnect(of, Client::GoneCommitting);
                state.processes[of].at = At::Ended(End::Crashed);
            }
            Action::ServerCommits => state.server_commits(),
            Action::ServerRollsBack => state.transaction = None,
            Action::Fsck => state.fsck(self.flaw),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a reader gets a whole file or none", |_, state: &State| {
                state.ends().all(|end| !matches!(end, End::Got(file) if !file.whole))
            }),
            Property::always("a live row has its file", |_, state: &State| {
                let has_file = !matches!(state.row, Row::Live(_)) || state.place.is_some();
                has_file && state.ends().all(|end| end != End::MissingFile)
            }),
            Property::always("the bytes of a live row are in place or kept", |_, state: &State| {
                let Row::Live(version) = state.row else { return true };
                let olds = state.processes.iter().filter_map(|process| process.old);
                olds.chain(state.place).any(|file| file.version == version)
            }),
            Property::always("an acknowledged write was committed", |model: &Self, state| {
                model
                    .writers(state)
                    .all(|(_, writer)| writer.at != At::Ended(End::Succeeded) || writer.committed)
            }),
            Property::always("readers find the last commit or an open one", |_, state: &State| {
                let (Row::Live(version), Some(file)) = (state.row, state.place) else {
                    return true;
                };
                let decided = |of: usize| {
                    matches!(state.processes[of].at, At::Ended(End::Succeeded | End::Failed))
                };
                file.version == version
                    || file.version.checked_sub(1).is_some_and(|of| !decided(of))
            }),
            Property::always("a failed write leaves nothing changed", |model: &Self, state| {
                model.writers(state).all(|(of, writer)| {
                    let may_commit = state
                        .transaction
                        .is_some_and(|held| held.of == of && held.client == Client::GoneCommitting);
                    let changed = may_commit || state.row == Row::Live(of + 1);
                    writer.at != At::Ended(End::Failed) || !changed
                })
            }),
            Property::always("fsck makes row and file agree", |_, state: &State| {
                let agree = match (state.row, state.place) {
                    (Row::Live(version), file) => file.is_some_and(|file| file.version == version),
                    (Row::Absent, file) => file.is_none(),
                    (Row::Deleted, _) => true,
                };
                let reserved =
                    |process: &Process| process.staged.is_some() || process.old.is_some();
                state.checked.is_none() || agree && !state.processes.iter().any(reserved)
            }),
            Property::always("fsck keeps what was committed", |_, state: &State| {
                state.checked.is_none_or(|before| before == state.row)
            }),
        ]
    }
}

impl State {
    fn ends(&self) -> impl Iterator<Item = End> {
        self.processes.iter().filter_map(|process| match process.at {
            At::Ended(end) => Some(end),
            _ => None,
        })
    }
}

impl Protocol {
    fn writers<'s>(&self, state: &'s State) -> impl Iterator<Item = (usize, &'s Process)> {
        let is_writer = |of: &usize| self.roles[*of] == Role::Writer;
        let writers: Vec<_> = (0..self.roles.len()).filter(is_writer).collect();
        writers.into_iter().map(|of| (of, &state.processes[of]))
    }
}

fn sound(roles: &[Role]) {
    let protocol = Protocol { roles: roles.to_vec(), ..Protocol::new(None) };
    let checker = protocol.checker().spawn_bfs().join();
    eprintln!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

fn caught(flaw: Flaw) {
    let any = HasDiscoveries::Any;
    let checker = Protocol::new(Some(flaw)).checker().finish_when(any).spawn_bfs().join();
    let discoveries = checker.discoveries();
    assert!(!discoveries.is_empty(), "{flaw:?} breaks nothing");
    for (property, path) in discoveries {
        eprintln!("{flaw:?}: not {property:?}: {:?}", path.into_actions());
    }
}

/// Nothing on NFS can refuse the rename of a writer whose lock the server has given to another:
/// `docs/consistency.md` says so.
fn lost_lock() {
    let protocol = Protocol { loses_locks: true, ..Protocol::new(None) };
    let checker = protocol.checker().finish_when(HasDiscoveries::Any).spawn_bfs().join();
    assert!(!checker.discoveries().is_empty(), "the document promises too little");
    for (property, path) in checker.discoveries() {
        eprintln!("lost lock: not {property:?}: {:?}", path.into_actions());
    }
}
