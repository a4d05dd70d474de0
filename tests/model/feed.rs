//! A node's replica of the table, as a model: writers whose transactions commit late, in another
//! order or not at all; an agent that dies anywhere and begins again; a server that takes
//! another's place and lacks its last commits, whose numbers it gives again; readers with open
//! files and writes of their own. What follows the change log is the code itself.

mod flaws;
#[allow(dead_code, reason = "the model has no use for all of it, nor for its tests")]
#[path = "../../src/feed/follower.rs"]
mod follower;
#[allow(dead_code, reason = "as above")]
#[path = "../../src/feed/gaps.rs"]
mod gaps;
mod node;
mod server;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::support::Trials;
use flaws::{FLAWED, Flaw};
use node::{Agent, Replica};
use server::{Server, Version};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("model::feed", &[]);
    for (name, of) in SOUND {
        group.add(&format!("no_row_is_trusted_for_too_long::{name}"), move |_| sound(&of(None)));
    }
    for (flaw, of) in FLAWED {
        group.add(&format!("a_flaw_is_caught::{flaw:?}"), move |_| caught(*flaw, *of));
    }
}

type Make = fn(Option<Flaw>) -> Feed;

const SOUND: &[(&str, Make)] = &[
    ("crashes", Feed::crashes),
    ("three_writers", Feed::three),
    ("gaps_that_are_counted", Feed::counted),
    ("a_server_that_lacks_commits", Feed::failover),
    ("a_server_that_goes_on_answering", Feed::former),
    ("few_entries_at_a_time", Feed::pages),
    ("few_entries_of_two_rows_at_a_time", Feed::pages_of_two),
    ("own_writes_and_open_files", Feed::readers),
    ("numbers_that_are_given_again", Feed::reused),
];

/// `replica_max_lag`, in ticks.
const LAG: u8 = 1;

#[derive(Debug, Clone)]
struct Feed {
    flaw: Option<Flaw>,
    /// The key of each writer's row. The first writer is a process of the node.
    writers: &'static [usize],
    /// So many of them have committed when it begins.
    done: usize,
    ticks: u8,
    crashes: u8,
    failovers: u8,
    /// The server goes on answering after another has taken its place.
    former: bool,
    /// So many entries are read at a time.
    page: usize,
    /// Somebody keeps a file open.
    keeps: bool,
    /// Of gaps that are asked for by themselves.
    most_gaps: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// It has a number and the row's lock.
    Written(u64),
    Ended,
}

/// What a process of the node wrote, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Own {
    version: Version,
    at: u8,
}

/// A file that was opened with the row that the replica had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kept {
    key: usize,
    mark: u64,
    version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    server: Server,
    /// The one whose place it has taken.
    former: Option<Server>,
    writers: Vec<Phase>,
    agent: Agent,
    replica: Replica,
    own: Option<Own>,
    kept: Option<Kept>,
    crashes: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Tick,
    Write(usize),
    Commit(usize),
    RollBack(usize),
    /// The successor lacks so many of the last commits.
    FailOver(usize),
    Agent,
    /// The statement is answered by the server whose place was taken.
    AnsweredByFormer,
    Crash,
    Keep(usize),
}

impl Feed {
    fn crashes(flaw: Option<Flaw>) -> Self {
        Feed {
            flaw,
            writers: &[0, 1],
            done: 0,
            ticks: 3,
            crashes: 1,
            failovers: 0,
            former: false,
            page: usize::MAX,
            keeps: false,
            most_gaps: 9,
        }
    }

    fn three(flaw: Option<Flaw>) -> Self {
        Feed { writers: &[0, 1, 0], crashes: 0, ticks: 2, ..Self::crashes(flaw) }
    }

    fn counted(flaw: Option<Flaw>) -> Self {
        Feed { most_gaps: 0, ..Self::crashes(flaw) }
    }

    fn failover(flaw: Option<Flaw>) -> Self {
        Feed { failovers: 1, ticks: 2, ..Self::crashes(flaw) }
    }

    /// Two writers of one row.
    fn rewritten(flaw: Option<Flaw>) -> Self {
        Feed { writers: &[0, 0], crashes: 0, ..Self::failover(flaw) }
    }

    fn former(flaw: Option<Flaw>) -> Self {
        Feed { failovers: 1, crashes: 0, ticks: 2, former: true, ..Self::crashes(flaw) }
    }

    fn pages(flaw: Option<Flaw>) -> Self {
        Feed { writers: &[1, 0, 0], done: 1, page: 1, ..Self::rewritten(flaw) }
    }

    fn pages_of_two(flaw: Option<Flaw>) -> Self {
        Feed { writers: &[1, 0, 1], ..Self::pages(flaw) }
    }

    fn readers(flaw: Option<Flaw>) -> Self {
        Feed { crashes: 0, ticks: 2, keeps: true, ..Self::crashes(flaw) }
    }

    fn reused(flaw: Option<Flaw>) -> Self {
        Feed { keeps: true, ..Self::rewritten(flaw) }
    }

    fn is_flawed(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn is_locked(&self, state: &State, key: usize) -> bool {
        let holds =
            |(phase, of): (&Phase, &usize)| matches!(phase, Phase::Written(_)) && *of == key;
        state.writers.iter().zip(self.writers).any(holds)
    }

    fn commit(&self, state: &mut State, of: usize) {
        let Phase::Written(number) = state.writers[of] else { return };
        let version = state.server.commit(of, self.writers[of], number, state.now);
        state.writers[of] = Phase::Ended;
        if of == 0 {
            let at = match state.own {
                Some(begun) if self.is_flawed(Flaw::OwnTimeBeforeCommit) => begun.at,
                _ => state.now,
            };
            state.own = Some(Own { version, at });
        }
    }

    fn fail_over(&self, state: &mut State, lost: usize) {
        if self.former {
            state.former = Some(state.server.clone());
        }
        state.server.lose(lost, state.now);
        for phase in &mut state.writers {
            if matches!(phase, Phase::Written(_)) {
                *phase = Phase::Ended;
            }
        }
        state.own = state.own.filter(|own| state.server.has(own.version));
    }

    /// Whether the file is still opened by who keeps it.
    fn is_kept(&self, state: &State, kept: Kept) -> bool {
        match self.flaw {
            // All have one size and time.
            Some(Flaw::FileKept | Flaw::FileKeptByFacts) => true,
            _ => state.replica.rows[kept.key].mark == kept.mark,
        }
    }

    /// Whether a process of the node asks the database for the row that it has written.
    fn asks(&self, state: &State, own: Own) -> bool {
        let is_known = state.replica.heard.is_some_and(|heard| heard > own.at);
        !is_known && !self.is_flawed(Flaw::OwnWritesNotAsked)
    }
}

impl State {
    /// Whether a version is what the table has, or had until a short while ago.
    fn is_good(&self, version: Version) -> bool {
        self.server.gone(version).is_none_or(|gone| self.now <= gone + LAG)
    }

    fn is_fresh(&self) -> bool {
        self.replica.is_fresh(self.now)
    }
}

impl Model for Feed {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            now: 0,
            server: Server::new(),
            former: None,
            writers: vec![Phase::Idle; self.writers.len()],
            agent: Agent::Down,
            replica: Replica::default(),
            own: None,
            kept: None,
            crashes: 0,
        };
        for (of, key) in self.writers.iter().enumerate().take(self.done) {
            let number = state.server.take_number();
            state.server.commit(of, *key, number, 0);
            state.writers[of] = Phase::Ended;
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < self.ticks {
            actions.push(Action::Tick);
        }
        for (of, phase) in state.writers.iter().enumerate() {
            match phase {
                Phase::Idle if !self.is_locked(state, self.writers[of]) => {
                    actions.push(Action::Write(of));
                }
                Phase::Written(_) => actions.extend([Action::Commit(of), Action::RollBack(of)]),
                _ => {}
            }
        }
        if state.server.number < self.failovers {
            actions.extend((0..=state.server.commits()).map(Action::FailOver));
        }
        actions.push(Action::Agent);
        if state.former.is_some() && matches!(state.agent, Agent::Asked { .. }) {
            actions.push(Action::AnsweredByFormer);
        }
        if state.crashes < self.crashes && state.agent != Agent::Down {
            actions.push(Action::Crash);
        }
        if self.keeps && state.kept.is_none() && state.is_fresh() {
            actions.extend([0, 1].map(Action::Keep));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.now += 1,
            Action::Write(of) => {
                state.writers[of] = Phase::Written(state.server.take_number());
                if of == 0 && self.is_flawed(Flaw::OwnTimeBeforeCommit) {
                    state.own = Some(Own { version: 0, at: state.now });
                }
            }
            Action::Commit(of) => self.commit(&mut state, of),
            Action::RollBack(of) => state.writers[of] = Phase::Ended,
            Action::FailOver(lost) => self.fail_over(&mut state, lost),
            Action::Agent => state.agent_goes_on(self),
            Action::AnsweredByFormer => state.former_answers(self),
            Action::Crash => {
                state.agent = Agent::Down;
                state.crashes += 1;
            }
            Action::Keep(key) => {
                let row = state.replica.rows[key];
                state.kept = Some(Kept { key, mark: row.mark, version: row.version });
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no row is trusted for too long", |_, state: &State| {
                let is_good = |row: &node::Copied| state.is_good(row.version);
                !state.is_fresh() || state.replica.rows.iter().all(is_good)
            }),
            Property::always("no open file is used for too long", |model: &Self, state: &State| {
                let Some(kept) = state.kept.filter(|_| state.is_fresh()) else { return true };
                !model.is_kept(state, kept) || state.is_good(kept.version)
            }),
            Property::always("a process sees what it wrote", |model: &Self, state: &State| {
                let Some(own) = state.own.filter(|own| own.version > 0) else { return true };
                let row = state.replica.rows[model.writers[0]];
                !state.is_fresh()
                    || model.asks(state, own)
                    || state.server.is_not_before(row.version, own.version)
            }),
            Property::sometimes(
                "the replica is fresh and knows the last change",
                |_, state: &State| {
                    let is_last = |(key, row): (usize, &node::Copied)| {
                        row.version == state.server.rows[key] && state.server.rows[key] > 1
                    };
                    state.is_fresh() && state.replica.rows.iter().enumerate().any(is_last)
                },
            ),
        ]
    }
}

fn sound(feed: &Feed) {
    let checker = feed.clone().checker().threads(2).spawn_bfs().join();
    eprintln!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

fn caught(flaw: Flaw, of: Make) {
    let checker =
        of(Some(flaw)).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    eprintln!("{} states", checker.unique_state_count());
    let mut discoveries = checker.discoveries();
    discoveries.retain(|property, _| !property.starts_with("the replica is fresh"));
    assert!(!discoveries.is_empty(), "{flaw:?} breaks nothing");
    for (property, path) in discoveries {
        eprintln!("{flaw:?}: not {property:?}: {:?}", path.into_actions());
    }
}
