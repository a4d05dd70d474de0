//! Writers on both nodes that want the same few names, and readers beside them.
//!
//! EZDFS_TEST_ROUNDS sets the number of operations, by default 10,000 in CI and fewer on a
//! person's machine; EZDFS_TEST_SEED what decides who does what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ezdfs::{CreateOptions, DirId, Error, ErrorKind, Store};

use super::history::{Event, can_end_in};
use super::state;
use super::{Pair, read};
use crate::kill::content::{self, Random, version_of};
use crate::kill::{Finished, number, seed};
use crate::store::id;
use crate::support::faults::injected;
use crate::support::{Result, Servers};

const NAMES: usize = 20;
/// The names' directories. From the first nothing is ever taken away, so that it is always found.
const DIRECTORIES: [&str; 4] = ["images/stays", "images/a", "images/b", "images/c"];
const PER_DIRECTORY: usize = NAMES / DIRECTORIES.len();
const WRITERS: usize = 8;
const READERS: usize = 2;
/// Between two looks at whether all agree.
const PER_ROUND: u64 = 500;

fn name(number: usize) -> String {
    format!("{}/{}", DIRECTORIES[number / PER_DIRECTORY], number % PER_DIRECTORY)
}

/// Tells in the row who wrote it.
fn mime_type(version: u64) -> String {
    format!("image/x-{version}")
}

fn version_in(mime_type: &str) -> Option<u64> {
    mime_type.strip_prefix("image/x-")?.parse().ok()
}

/// See [`super::state`].
const LEFT: &str = "a file left behind";

pub(super) fn trial(servers: &Servers) -> Result {
    let crowd = Crowd {
        pair: Pair::new(servers)?,
        clock: Instant::now(),
        versions: AtomicU64::new(1),
        events: Mutex::default(),
        faults: Mutex::default(),
    };
    let mut before = crowd.first_files()?;
    let done = AtomicBool::new(false);
    let rounds = operations().div_ceil(PER_ROUND);
    thread::scope(|scope| {
        for reader in 0..READERS {
            let (crowd, done) = (&crowd, &done);
            scope.spawn(move || crowd.read_until(done, &crowd.pair.store(reader % 2)));
        }
        let _finished = Finished(&done);
        (0..rounds).try_for_each(|round| -> Result {
            crowd.collide(round);
            before = crowd.agreed(&before)?;
            Ok(())
        })
    })?;
    let mut faults = crowd.faults.into_inner()?;
    // Whoever spares a file for a writer that has yet to end does not wait for it for ever: fsck
    // removes what it leaves.
    if faults.get(LEFT).is_some_and(|(count, _)| *count as u64 <= rounds) {
        eprintln!("left for fsck: {:?}", faults.remove(LEFT));
    }
    assert!(faults.is_empty(), "seed {}, {rounds} rounds: {faults:#?}", seed());
    for _ in 0..rounds {
        injected(
            "500 writes of 20 files collide on two nodes of a Galera cluster",
            "every one succeeds; rows and files agree",
        );
    }
    Ok(())
}

fn operations() -> u64 {
    let in_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    number("EZDFS_TEST_ROUNDS").unwrap_or(if in_ci { 10_000 } else { 1_000 })
}

/// What is wrong: each kind with how often it was met and with its first examples.
type Faults = BTreeMap<&'static str, (usize, Vec<String>)>;

struct Crowd {
    pair: Pair,
    clock: Instant,
    /// The next one.
    versions: AtomicU64,
    /// Of this round.
    events: Mutex<Vec<Event>>,
    faults: Mutex<Faults>,
}

impl Crowd {
    fn fault(&self, kind: &'static str, example: String) {
        let mut faults = self.faults.lock().unwrap();
        let (count, examples) = faults.entry(kind).or_default();
        *count += 1;
        if examples.len() < 4 && !examples.contains(&example) {
            examples.push(example);
        }
    }

    /// Stores what is always there.
    fn first_files(&self) -> Result<Known> {
        let store = self.pair.store(0);
        for number in 0..PER_DIRECTORY {
            self.put(&store, number)?;
        }
        let mut before = Known::default();
        before.versions = self.agreed(&before)?.versions;
        Ok(before)
    }

    /// A round of all writers.
    fn collide(&self, round: u64) {
        let together = Barrier::new(WRITERS);
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let together = &together;
                scope.spawn(move || {
                    let store = self.pair.store(writer % 2);
                    let seed = seed() + 1000 * round + writer as u64;
                    let mut random = Random::new(seed);
                    together.wait();
                    for _ in 0..PER_ROUND.div_ceil(WRITERS as u64) {
                        self.act(&store, &mut random);
                    }
                });
            }
        });
    }

    /// One operation of one writer. That there is nothing to delete or to move is no fault.
    fn act(&self, store: &Store, random: &mut Random) {
        let mut any = |first: usize| first + random.below((NAMES - first) as u64) as usize;
        let (all, goes, to) = (any(0), any(PER_DIRECTORY), any(0));
        let (what, outcome) = match random.below(100) {
            0..55 => ("put", self.put(store, all)),
            55..75 => ("rm", self.delete(store, goes)),
            75..95 if goes != to => ("mv", self.rename(store, goes, to)),
            _ => ("rm -r", self.delete_directory(store, goes / PER_DIRECTORY)),
        };
        match outcome {
            Err(error) if what == "put" || error.kind() != ErrorKind::NotFound => {
                self.fault("an error", format!("{what}: {error:#}"));
            }
            _ => {}
        }
    }

    fn put(&self, store: &Store, number: usize) -> std::result::Result<(), Error> {
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let (bytes, mime_type) = (content::of(version), mime_type(version));
        // Every other one tells its time, as tools do that copy.
        let mtime = version.is_multiple_of(2).then(|| 1_000_000_000 + version.cast_signed());
        let options = CreateOptions { size: None, mime_type: Some(&mime_type), mtime };
        let began = self.clock.elapsed();
        store.create(&id(&name(number)), &mut &*bytes, &options)?;
        self.note(began, [(number, Some(version))]);
        Ok(())
    }

    fn delete(&self, store: &Store, number: usize) -> std::result::Result<(), Error> {
        let began = self.clock.elapsed();
        store.delete(&id(&name(number)))?;
        self.note(began, [(number, None)]);
        Ok(())
    }

    fn rename(&self, store: &Store, from: usize, to: usize) -> std::result::Result<(), Error> {
        let began = self.clock.elapsed();
        let info = store.rename(&id(&name(from)), &id(&name(to)))?;
        self.note(began, [(from, None), (to, version_in(&info.mime_type))]);
        Ok(())
    }

    fn delete_directory(&self, store: &Store, number: usize) -> std::result::Result<(), Error> {
        let began = self.clock.elapsed();
        store.delete_directory(&DirId::parse(DIRECTORIES[number])?)?;
        let first = number * PER_DIRECTORY;
        self.note(began, (first..first + PER_DIRECTORY).map(|name| (name, None)));
        Ok(())
    }

    fn note(&self, began: Duration, left: impl IntoIterator<Item = (usize, Option<u64>)>) {
        let ended = self.clock.elapsed();
        let events = left.into_iter().map(|(name, left)| Event { name, left, began, ended });
        self.events.lock().unwrap().extend(events);
    }

    fn read_until(&self, done: &AtomicBool, store: &Store) {
        for turn in 0.. {
            if done.load(Ordering::Relaxed) {
                return;
            }
            let (number, file) = (turn % NAMES, name(turn % NAMES));
            match read(store, &file).map(|bytes| version_of(&bytes)) {
                Ok(Ok(_)) => {}
                Ok(Err(torn)) => self.fault("a torn file is read", format!("{file}: {torn}")),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if number < PER_DIRECTORY {
                        self.fault("a file is not found that is there", format!("{error:#}"));
                    }
                }
                Err(error) => self.fault("an error", format!("read: {error:#}")),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Notes what does not agree at the end of a round, and was not so before.
    fn agreed(&self, before: &Known) -> Result<Known> {
        let (live, faults) = state::faults(&self.pair)?;
        let mut after = Known::default();
        for (kind, subject) in faults {
            after.faulty.insert(format!("{kind}: {subject}"));
            if before.is_news(kind, &subject) {
                self.fault(kind, subject);
            }
        }
        let mut events = std::mem::take(&mut *self.events.lock().unwrap());
        for number in 0..NAMES {
            let file = name(number);
            let row = live.get(&file);
            let left = row.and_then(|row| version_in(&row.datatype));
            let start = before.versions.get(&number).copied();
            let (began, ended) = (Duration::ZERO, Duration::ZERO);
            events.push(Event { name: number, left: start, began, ended });
            if !can_end_in(&events, number, left) {
                self.fault("what was acknowledged is not what there is", file.clone());
            }
            let kind = "a file with the bytes of another writer than its row's";
            if row.is_some_and(|_| self.stored(&file).is_some_and(|is| Some(is) != left)) {
                after.faulty.insert(format!("{kind}: {file}"));
                if before.is_news(kind, &file) {
                    self.fault(kind, file);
                }
            }
            after.versions.extend(left.map(|version| (number, version)));
        }
        Ok(after)
    }

    /// The version in a file that is there.
    fn stored(&self, file: &str) -> Option<u64> {
        let bytes = std::fs::read(self.pair.site.path(file)).ok()?;
        version_of(&bytes).map_err(|torn| self.fault("a torn file", torn)).ok()
    }
}

/// What one round leaves to the next.
#[derive(Default)]
struct Known {
    /// Of the names that there are.
    versions: BTreeMap<usize, u64>,
    faulty: BTreeSet<String>,
}

impl Known {
    fn is_news(&self, kind: &str, subject: &str) -> bool {
        !self.faulty.contains(&format!("{kind}: {subject}"))
    }
}
