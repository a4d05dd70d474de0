//! Editors and visitors of a site, for as long as they are wanted, and what came of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::Client;
use super::history::{Content, Finding, History, State};

const EDITORS: usize = 3;
const VISITORS: usize = 4;

/// An editor writes a picture so often, in the last but one step deletes it, and takes another.
const STEPS: usize = 12;

/// What most visitors look at.
const RECENT: usize = 12;

const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub(super) stored: usize,
    pub(super) not_stored: usize,
    pub(super) read: usize,
    /// Of these: 304, which says that what the visitor has is current.
    pub(super) revalidated: usize,
    pub(super) not_read: usize,
    /// Since when what was read, or its absence, had been out of date.
    pub(super) stalest: Duration,
    /// 404 for what had been stored, and how long before.
    pub(super) missed: Vec<Duration>,
    /// What must never be.
    pub(super) violations: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    ends: AtomicBool,
    phase: Mutex<String>,
    tallies: Mutex<BTreeMap<String, Tally>>,
    histories: Mutex<Vec<Arc<History>>>,
}

/// Load that goes on until it is ended.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What it has left.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) tallies: BTreeMap<String, Tally>,
    pub(super) histories: Vec<Arc<History>>,
}

impl Load {
    pub(super) fn start(port: u16) -> Self {
        let shared = Arc::<Shared>::default();
        let editors = (0..EDITORS).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || edit(&shared, number, Client::new(port)))
        });
        let visitors = (0..VISITORS).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || visit(&shared, number, &Client::new(port)))
        });
        let threads = editors.collect::<Vec<_>>().into_iter().chain(visitors).collect();
        Load { shared, threads }
    }

    /// What happens from now on is counted under this name.
    pub(super) fn enter(&self, phase: &str) {
        phase.clone_into(&mut lock(&self.shared.phase));
    }

    pub(super) fn tally(&self, phase: &str) -> Tally {
        lock(&self.shared.tallies).get(phase).cloned().unwrap_or_default()
    }

    pub(super) fn end(self) -> Outcome {
        self.shared.ends.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("an editor or visitor");
        }
        let tallies = lock(&self.shared.tallies).clone();
        let histories = lock(&self.shared.histories).clone();
        Outcome { tallies, histories }
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.ends.load(Ordering::Relaxed)
    }

    fn phase(&self) -> String {
        lock(&self.phase).clone()
    }

    fn count(&self, phase: &str, change: impl FnOnce(&mut Tally)) {
        change(lock(&self.tallies).entry(phase.to_owned()).or_default());
    }

    fn choose(&self, turn: usize) -> Option<Arc<History>> {
        let histories = lock(&self.histories);
        // Now and then an old one.
        let among =
            if turn.is_multiple_of(5) { histories.len() } else { histories.len().min(RECENT) };
        let back = turn * 7_919 % among.max(1) + 1;
        histories.get(histories.len().checked_sub(back)?).cloned()
    }
}

fn edit(shared: &Shared, editor: usize, mut client: Client) {
    for number in 0.. {
        let history = Arc::new(History::new(format!("{editor}-{number}.gif")));
        lock(&shared.histories).push(Arc::clone(&history));
        for step in 1..=STEPS {
            if !shared.goes_on() {
                return;
            }
            let state = (step != STEPS - 1).then_some(step);
            let phase = shared.phase();
            if write(&history, state, &mut client) {
                shared.count(&phase, |tally| tally.stored += 1);
                thread::sleep(PAUSE);
            } else {
                shared.count(&phase, |tally| tally.not_stored += 1);
                thread::sleep(PAUSE * 5);
                break;
            }
        }
    }
}

/// Whether it was acknowledged.
fn write(history: &History, state: State, client: &mut Client) -> bool {
    history.begin(state);
    let name = &history.name;
    let answer = match state {
        Some(version) => client.store(name, &Content { name: name.clone(), version }),
        None => client.delete(name),
    };
    let is_done = matches!(answer, Ok(200 | 201));
    if is_done {
        history.acknowledge();
    }
    is_done
}

fn visit(shared: &Shared, visitor: usize, client: &Client) {
    // What this one's browser has kept.
    let mut kept = HashMap::<String, (String, usize)>::new();
    for turn in (visitor..).step_by(VISITORS) {
        if !shared.goes_on() {
            return;
        }
        thread::sleep(PAUSE / 4);
        let Some(history) = shared.choose(turn) else { continue };
        look(shared, &history, client, &mut kept);
    }
}

fn look(
    shared: &Shared,
    history: &History,
    client: &Client,
    kept: &mut HashMap<String, (String, usize)>,
) {
    let (phase, asked, name) = (shared.phase(), Instant::now(), &history.name);
    let etag = kept.get(name).map(|(etag, _)| etag.as_str());
    let answer = match client.picture(name, etag) {
        Ok(answer) => answer,
        Err(_) => return shared.count(&phase, |tally| tally.not_read += 1),
    };
    let state = match answer.status {
        200 => match Content::of(&answer.body) {
            Some(content) if content.name == *name => {
                let etag = answer.header("ETag").unwrap_or_default().to_owned();
                kept.insert(name.clone(), (etag, content.version));
                Some(content.version)
            }
            other => {
                let what = format!("{name} was {other:?}, {} bytes", answer.body.len());
                return shared.count(&phase, |tally| tally.violations.push(what));
            }
        },
        304 => kept.get(name).map(|(_, version)| *version),
        404 => None,
        _ => return shared.count(&phase, |tally| tally.not_read += 1),
    };
    let finding = history.judge(state, asked);
    shared.count(&phase, |tally| {
        tally.read += 1;
        tally.revalidated += usize::from(answer.status == 304);
        match finding {
            Finding::Current => {}
            Finding::Stale(age) if state.is_none() => tally.missed.push(age),
            Finding::Stale(age) => tally.stalest = tally.stalest.max(age),
            Finding::Impossible => {
                tally.violations.push(format!("{name} was {state:?}, which nobody wrote"));
            }
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
