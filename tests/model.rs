//! The write protocols as models: writers and deleters of one name, with crashes, errors, lost
//! replies and commits of unknown outcome at every step, in every order. The checker visits every
//! state; `fsck` ends every history.
//!
//! Flawed protocols must be caught, and the steps of the model are compared with those that the
//! code takes.

mod certified;
mod feed;
mod flaws;
mod protocol;
#[cfg(feature = "failpoints")]
mod tie;
mod undo;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::support::Trials;
use flaws::Flaw;
use protocol::{At, Before, Client, End, Process, Row, State, Step, Version};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("model", &[]);
    let mut sound = |name, protocol: fn() -> Protocol| {
        group.add(&format!("no_order_of_steps_and_faults_breaks_it::{name}"), move |_| {
            sound(&protocol())
        });
    };
    sound("writers_deleter", || Protocol::new(None));
    sound("three_writers", || Protocol::of_writers(None));
    sound("two_deleters", || Protocol {
        roles: vec![Role::Writer, Role::Deleter, Role::Deleter],
        ..Protocol::new(None)
    });
    sound("nobody_says_unknown_while_all_calls_are_answered", || Protocol {
        answers: true,
        ..Protocol::new(None)
    });
    for flaw in Flaw::ALL {
        group.add(&format!("a_flaw_is_caught::{flaw:?}"), move |_| caught(flaw));
    }
    group.add("a_lock_lost_unnoticed_is_beyond_the_protocol", |_| lost_lock());
    certified::register(trials);
    feed::register(trials);
    #[cfg(feature = "failpoints")]
    tie::register(trials);
}

/// The writers come first: their numbers are those of their versions, less one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Deleter,
}

/// What the file server's clock says when each file is staged: the same second, or one before the
/// row's time.
const CLOCKS: [u8; 3] = [2, 2, 0];

#[derive(Debug, Clone)]
struct Protocol {
    roles: Vec<Role>,
    before: &'static [Before],
    flaw: Option<Flaw>,
    /// The server may end a transaction while its client is at work.
    loses_locks: bool,
    /// Steps fail, but every call is answered, and nobody dies.
    answers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Step(usize, Step),
    /// The call is carried out and answered with an error: a look shows that it was.
    LoseReply(usize, Step),
    /// The call is answered with an error, and so is the look: was it carried out?
    Unclear(usize, Step, bool),
    /// The step is not done, or its commit is refused; the caller learns of it.
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
        Protocol {
            roles: vec![Role::Writer, Role::Writer, Role::Deleter],
            before: &[Before::Nothing, Before::File, Before::KernelsFile],
            flaw,
            loses_locks: false,
            answers: false,
        }
    }

    fn of_writers(flaw: Option<Flaw>) -> Self {
        let before = if flaw == Some(Flaw::LabelOfNumberAlone) {
            &[Before::File]
        } else {
            &[Before::KernelsFile]
        };
        Protocol { roles: vec![Role::Writer; 3], before, ..Protocol::new(flaw) }
    }

    fn program(&self, of: usize) -> &'static [Step] {
        match self.roles[of] {
            Role::Writer => Flaw::write(self.flaw),
            Role::Deleter => Flaw::delete(self.flaw),
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

    fn step(&self, state: &mut State, of: usize, step: Step) {
        state.take(of, step, CLOCKS[of], self.flaw);
        if !matches!(state.processes[of].at, At::Ended(_)) && self.next(state, of).is_none() {
            state.end(of, End::Succeeded);
        }
    }

    fn fail(&self, state: &mut State, of: usize, step: Step) {
        match step {
            Step::Commit | Step::CommitDelete | Step::CommitUndo => {
                // Refused, so rolled back.
                state.transaction = state.transaction.filter(|held| held.of != of);
                state.commit_failed(of, step);
            }
            // Nobody knows: the files stay.
            Step::Ask | Step::Relock | Step::Undo => state.end(of, End::Unknown),
            _ => state.roll_back(of),
        }
    }

    fn faults(&self, state: &State, of: usize, step: Step, actions: &mut Vec<Action>) {
        match step {
            Step::Commit | Step::CommitDelete | Step::CommitUndo if state.holds_lock(of) => {
                if step != Step::CommitUndo || !self.answers {
                    actions.push(Action::Fail(of, step));
                }
                if !self.answers {
                    actions.push(Action::HearNothing(of, step));
                    actions.push(Action::CrashCommitting(of));
                }
                if step == Step::Commit
                    && matches!(self.flaw, None | Some(Flaw::RollBackAfterRename))
                {
                    actions.push(Action::SyncFails(of));
                }
            }
            Step::SetAside | Step::Publish | Step::RemoveFile => {
                actions.extend([Action::Fail(of, step), Action::LoseReply(of, step)]);
                if !self.answers {
                    actions.extend([false, true].map(|done| Action::Unclear(of, step, done)));
                }
            }
            Step::Ask | Step::Relock | Step::Undo if self.answers => {}
            // What is reported of these changes nothing that others see.
            Step::DropAside | Step::Commit | Step::CommitDelete | Step::CommitUndo => {}
            _ => actions.push(Action::Fail(of, step)),
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.before.iter().map(|before| State::new(*before, self.roles.len())).collect()
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
            if !self.answers {
                actions.push(Action::Crash(of));
            }
            self.faults(state, of, step, actions);
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
            Action::Step(of, step) => self.step(&mut state, of, step),
            Action::LoseReply(of, step) => {
                self.step(&mut state, of, step);
                if self.flaw == Some(Flaw::BelieveErrors) {
                    state.roll_back(of);
                }
            }
            Action::Unclear(of, step, done) => {
                if done {
                    self.step(&mut state, of, step);
                }
                state.end(of, End::Unknown);
            }
            Action::Fail(of, step) => self.fail(&mut state, of, step),
            Action::SyncFails(of) => {
                state.undo_published(of);
                if self.flaw == Some(Flaw::RollBackAfterRename) {
                    state.undo(of, Some(Flaw::KeepOldTime));
                }
            }
            Action::HearNothing(of, step) => {
                state.disconnect(of, Client::GoneCommitting);
                state.commit_failed(of, step);
            }
            Action::Crash(of) => state.end(of, End::Crashed),
            Action::CrashCommitting(of) => {
                state.disconnect(of, Client::GoneCommitting);
                state.end(of, End::Crashed);
            }
            Action::ServerCommits => state.server_commits(),
            Action::ServerRollsBack => state.transaction = None,
            Action::Fsck => state.fsck(self.flaw),
        }
        state.read();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a reader gets a whole file or none", |_, state: &State| {
                state.place.is_none_or(|version| state.inode(version).whole)
            }),
            Property::always("a live row has its file", |_, state: &State| {
                state.row.live().is_none() || state.place.is_some()
            }),
            Property::always(
                "the bytes of a live row are in place or aside",
                |_, state: &State| {
                    let Row::Live { version, .. } = state.row else { return true };
                    let aside = |process: &Process| process.aside.map(|aside| aside.version);
                    state
                        .processes
                        .iter()
                        .filter_map(aside)
                        .chain(state.place)
                        .any(|it| it == version)
                },
            ),
            Property::always("an acknowledged write was committed", |model: &Self, state| {
                model
                    .writers(state)
                    .all(|(_, writer)| writer.at != At::Ended(End::Succeeded) || writer.committed)
            }),
            Property::always("readers find the last commit or an open one", |_, state: &State| {
                let (Row::Live { version, .. }, Some(place)) = (state.row, state.place) else {
                    return true;
                };
                let decided = |of: Version| {
                    let at = state.processes[usize::from(of)].at;
                    matches!(at, At::Ended(End::Succeeded | End::Failed))
                };
                place == version || place.checked_sub(1).is_some_and(|of| !decided(of))
            }),
            Property::always("a failed write leaves nothing changed", |model: &Self, state| {
                model.writers(state).all(|(of, writer)| {
                    let may_commit = state.transaction.is_some_and(|held| {
                        held.client == Client::GoneCommitting && is_version_of(held.row, of)
                    });
                    let changed = may_commit || is_version_of(state.row, of);
                    writer.at != At::Ended(End::Failed) || !changed
                })
            }),
            Property::always("the row's time never goes back", |_, state: &State| !state.set_back),
            Property::always("a validator is of one version", |_, state: &State| {
                let Row::Live { version, .. } = state.row else { return true };
                state.checked.is_none() || state.served == 1 << version
            }),
            Property::always(
                "nobody says unknown where all is answered",
                |model: &Self, state: &State| {
                    let unknown = |process: &Process| process.at == At::Ended(End::Unknown);
                    !model.answers || !state.processes.iter().any(unknown)
                },
            ),
            Property::always("fsck makes row and file agree", |_, state: &State| {
                let agree = match (state.row, state.place) {
                    (Row::Live { version, .. }, file) => file == Some(version),
                    (Row::Absent, file) => file.is_none(),
                    (Row::Deleted(_), _) => true,
                };
                let reserved = |process: &Process| process.staged || process.aside.is_some();
                state.checked.is_none() || agree && !state.processes.iter().any(reserved)
            }),
            Property::always("fsck keeps what was committed", |_, state: &State| {
                match (state.checked, state.row) {
                    (Some(Row::Live { version: before, .. }), Row::Live { version, .. }) => {
                        before == version
                    }
                    (before, row) => before.is_none_or(|before| before == row),
                }
            }),
        ]
    }
}

fn is_version_of(row: Row, of: usize) -> bool {
    matches!(row, Row::Live { version, .. } if usize::from(version) == of + 1)
}

impl Protocol {
    fn writers<'s>(&self, state: &'s State) -> impl Iterator<Item = (usize, &'s Process)> {
        let writers = self.roles.iter().filter(|role| **role == Role::Writer).count();
        state.processes[..writers].iter().enumerate()
    }
}

fn sound(protocol: &Protocol) {
    let checker = protocol.clone().checker().spawn_bfs().join();
    eprintln!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

fn caught(flaw: Flaw) {
    let any = HasDiscoveries::Any;
    let protocol = match flaw {
        Flaw::LabelOfNumberAlone | Flaw::IdentityAlone => Protocol::of_writers(Some(flaw)),
        _ => Protocol::new(Some(flaw)),
    };
    let checker = protocol.checker().finish_when(any).spawn_bfs().join();
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
