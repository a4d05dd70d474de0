//! The protocol for Galera, where every server takes writes: a row's lock is its own server's, and
//! a commit fails if somebody else has committed the row since its transaction began. Nothing is
//! renamed over anything, and who has committed, or has not, settles what is in place.

mod settle;
mod steps;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::protocol::Row;
use crate::support::Trials;
use steps::{At, End, State};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("model::certified", &[]);
    for (name, of) in SOUND {
        group.add(&format!("no_order_of_steps_breaks_it::{name}"), move |_| sound(&of(None)));
    }
    for flaw in Flaw::ALL {
        group.add(&format!("a_flaw_is_caught::{flaw:?}"), move |_| caught(flaw));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// As on one server.
    UnlinkBeforeCommit,
    /// LINK and RENAME, as on one server: what came in between is destroyed.
    RenameOver,
    NoWinnerCheck,
    NoCausalRead,
    /// What became of an unheard commit is asked while it may yet take effect.
    NoFence,
    /// Two that do not see each other's lock may take one time.
    TimesNotReserved,
    /// Each server has seconds of its own, which does not tell its own writers apart.
    TurnsOfServersAlone,
    /// The time of one that has lost may be taken again while its file is set aside.
    LoserKeepsItsTime,
    /// What was put in place by the row of then is left there when the row changes.
    ForgetsWhatItPut,
    /// What is set aside is left where its place is another's for the moment.
    DoesNotWait,
}

impl Flaw {
    const ALL: [Flaw; 10] = [
        Flaw::UnlinkBeforeCommit,
        Flaw::RenameOver,
        Flaw::NoWinnerCheck,
        Flaw::NoCausalRead,
        Flaw::NoFence,
        Flaw::TimesNotReserved,
        Flaw::TurnsOfServersAlone,
        Flaw::LoserKeepsItsTime,
        Flaw::ForgetsWhatItPut,
        Flaw::DoesNotWait,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Deleter,
}

#[derive(Debug, Clone)]
struct Certified {
    /// Each with its server.
    roles: &'static [(Role, u8)],
    /// Of all: the worst case.
    clock: u8,
    flaw: Option<Flaw>,
    refuses: bool,
    unheard: bool,
    crashes: bool,
    /// Whose steps have been taken at the beginning.
    taken: &'static [usize],
}

type Make = fn(Option<Flaw>) -> Certified;

const SOUND: [(&str, Make); 5] = [
    ("writers_deleter", Certified::new),
    ("commits_of_writers_fail", Certified::writers),
    ("commits_of_writer_and_deleter_fail", Certified::writer_deleter),
    ("two_writers_of_one_server", Certified::one_server),
    ("crashes_destroy_nothing", Certified::crashes),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Step(usize, At),
    Refuse(usize),
    HearNothing(usize),
    ReadFormer(usize),
    Crash(usize),
    ServerCommits(usize),
    ServerRollsBack(usize),
}

impl Certified {
    fn new(flaw: Option<Flaw>) -> Self {
        let roles = &[(Role::Writer, 0), (Role::Writer, 1), (Role::Deleter, 0)];
        let none = false;
        Certified { roles, clock: 2, flaw, refuses: none, unheard: none, crashes: none, taken: &[] }
    }

    fn writers(flaw: Option<Flaw>) -> Self {
        let roles = &[(Role::Writer, 0), (Role::Writer, 1)];
        Certified { roles, refuses: true, unheard: true, ..Self::new(flaw) }
    }

    fn writer_deleter(flaw: Option<Flaw>) -> Self {
        let roles = &[(Role::Writer, 0), (Role::Deleter, 1)];
        Certified { roles, ..Self::writers(flaw) }
    }

    fn crashes(flaw: Option<Flaw>) -> Self {
        Certified { crashes: true, ..Self::writers(flaw) }
    }

    /// The other server's writer has doomed the first one, whose file it has set aside.
    fn one_server(flaw: Option<Flaw>) -> Self {
        let roles = &[(Role::Writer, 0), (Role::Writer, 0), (Role::Writer, 1)];
        Certified { roles, clock: 3, taken: &[2, 0, 0, 0, 2, 2, 2], ..Self::new(flaw) }
    }

    fn is_locked(&self, state: &State, server: u8) -> bool {
        state.processes.iter().zip(self.roles).any(|(process, role)| {
            // After an unheard commit its client is connected to the other server.
            let moved = process.at == At::CommitFence;
            let at = |own: bool| if own { role.1 } else { 1 - role.1 };
            process.transaction.is_some_and(|it| !it.doomed && at(!moved) == server)
                || process.unheard.is_some_and(|it| !it.doomed && role.1 == server)
        })
    }

    /// Whether the process waits: for a lock, or for another to put things right.
    fn must_wait(&self, state: &State, of: usize) -> bool {
        let server = self.roles[of].1;
        match state.processes[of].at {
            At::Upsert | At::SoftDelete | At::LockDeleted => self.is_locked(state, server),
            At::Fence => self.is_locked(state, 1 - server),
            At::Wait => {
                let stands_still = |(of, process): (usize, &steps::Process)| match process.at {
                    At::Ended(_) => process.unheard.is_none(),
                    At::Wait => state.is_as_seen(of),
                    _ => false,
                };
                let all_stand_still = state.processes.iter().enumerate().all(stands_still);
                state.is_as_seen(of) && !all_stand_still
            }
            _ => false,
        }
    }
}

impl Model for Certified {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let begin = |there_before| {
            let mut state = State::new(there_before, self.roles);
            self.taken.iter().for_each(|of| self.step(&mut state, *of));
            state
        };
        [true, false].map(begin).into()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (of, process) in state.processes.iter().enumerate() {
            if let Some(unheard) = process.unheard {
                if !unheard.doomed {
                    actions.push(Action::ServerCommits(of));
                }
                actions.push(Action::ServerRollsBack(of));
            }
            if matches!(process.at, At::Ended(_)) {
                continue;
            }
            if !self.must_wait(state, of) {
                actions.push(Action::Step(of, process.at));
            }
            if self.crashes {
                actions.push(Action::Crash(of));
            }
            if process.at == At::Commit && process.transaction.is_some_and(|it| !it.doomed) {
                if self.refuses {
                    actions.push(Action::Refuse(of));
                }
                if self.unheard {
                    actions.push(Action::HearNothing(of));
                }
            }
            if process.at == At::ReadRow && self.flaw == Some(Flaw::NoCausalRead) {
                actions.push(Action::ReadFormer(of));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(of, _) => self.step(&mut state, of),
            Action::Refuse(of) => {
                state.lose(of);
            }
            Action::HearNothing(of) => {
                state.hear_nothing(of, self.flaw != Some(Flaw::NoFence));
            }
            Action::ReadFormer(of) => state.read_former(of),
            Action::Crash(of) => state.crash(of),
            Action::ServerCommits(of) => {
                if let Some(transaction) = state.processes[of].unheard.take() {
                    state.commit(of, transaction);
                }
            }
            Action::ServerRollsBack(of) => state.processes[of].unheard = None,
        }
        if self.flaw != Some(Flaw::NoCausalRead) {
            state.forget_former();
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the bytes of a live row are there", |_, state: &State| {
                let Row::Live { version, .. } = state.row else { return true };
                let staged =
                    version.checked_sub(1).map(|of| state.processes[usize::from(of)].staged);
                let aside = state.asides().any(|(_, aside)| aside == version);
                state.place == Some(version) || aside || staged == Some(true)
            }),
            Property::always("row and file agree at the end", |_, state: &State| {
                let agree = match state.row {
                    Row::Live { version, .. } => state.place == Some(version),
                    Row::Absent => state.place.is_none(),
                    Row::Deleted(_) => true,
                };
                agree || !state.has_ended() || state.somebody_crashed()
            }),
            Property::always("nothing is left aside", |_, state: &State| {
                let left = state.asides().next().is_some();
                !left || !state.has_ended() || state.somebody_crashed()
            }),
            Property::always("nobody says unknown", |_, state: &State| {
                state.somebody_crashed() || !state.somebody_ended(End::Unknown)
            }),
            Property::always(
                "an acknowledged write was committed",
                |model: &Self, state: &State| {
                    let is_so = |process: &steps::Process, role: Role| {
                        let acknowledged = process.at == At::Ended(End::Succeeded);
                        process.committed || !acknowledged || role == Role::Deleter
                    };
                    state.processes.iter().zip(model.roles).all(|(it, (role, _))| is_so(it, *role))
                },
            ),
            Property::always("the row's time never goes back", |_, state: &State| !state.set_back),
        ]
    }
}

impl State {
    fn has_ended(&self) -> bool {
        let has_ended = |it: &steps::Process| matches!(it.at, At::Ended(_)) && it.unheard.is_none();
        self.processes.iter().all(has_ended)
    }

    fn somebody_ended(&self, end: End) -> bool {
        self.processes.iter().any(|process| process.at == At::Ended(end))
    }

    fn somebody_crashed(&self) -> bool {
        self.somebody_ended(End::Crashed)
    }
}

fn sound(protocol: &Certified) {
    let checker = protocol.clone().checker().spawn_bfs().join();
    eprintln!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

fn caught(flaw: Flaw) {
    let protocol = match flaw {
        Flaw::NoFence | Flaw::TimesNotReserved => Certified::writers(Some(flaw)),
        Flaw::LoserKeepsItsTime => Certified::one_server(Some(flaw)),
        Flaw::TurnsOfServersAlone => {
            Certified { taken: &[0, 2, 2, 2, 2, 1], ..Certified::one_server(Some(flaw)) }
        }
        _ => Certified::new(Some(flaw)),
    };
    let checker = protocol.checker().finish_when(HasDiscoveries::Any).spawn_bfs().join();
    eprintln!("{} states", checker.unique_state_count());
    let discoveries = checker.discoveries();
    assert!(!discoveries.is_empty(), "{flaw:?} breaks nothing");
    for (property, path) in discoveries {
        eprintln!("{flaw:?}: not {property:?}: {:?}", path.into_actions());
    }
}
