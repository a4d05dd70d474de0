//! A replica as those use it who look up rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "cli")]
use super::Part;
use super::bucket::{Buckets, Entry};
use super::environment::{self, Environment, Snapshot};
use super::header::{ABOUT, About, FORMAT, HEARD_AT, STATE, State};
use super::{Answer, Identity, Known, Unusable, Version, bucket, place};
use crate::config::Options;
use crate::lookup::{Facts, Kind};
use crate::name::Key;

/// How often it is looked whether one that cannot be used has been replaced.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The replica of one store, in the process that opened it.
#[derive(Debug)]
pub(crate) struct Replica {
    path: PathBuf,
    identity: Identity,
    max_lag: Duration,
    session: Mutex<Session>,
}

#[derive(Default)]
struct Session {
    opened: Option<Opened>,
    /// Why there is none, and when that was found.
    failure: Option<(Unusable, Instant)>,
    looked_at: Option<Instant>,
}

/// An environment, and what is known of it already.
struct Opened {
    environment: Arc<Mutex<Environment>>,
    file: place::FileId,
    header: Header,
    kinds: HashMap<u16, Arc<Kind>>,
}

/// What changes with each write.
#[derive(Debug, Clone, Default)]
pub(crate) struct Header {
    snapshot: usize,
    pub(crate) state: State,
    /// When the agent asked the database for the last time, by the machine's clock.
    pub(crate) heard_at: u64,
}

impl Replica {
    /// Opens nothing yet: what a child inherits it cannot use.
    pub(crate) fn new(path: &Path, identity: Identity, max_lag: Duration) -> Self {
        Replica { path: path.to_owned(), identity, max_lag, session: Mutex::default() }
    }

    /// As the option names it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// That of a store.
    pub(crate) fn of(path: &Path, options: &Options) -> Self {
        Replica::new(path, Identity::of(options), options.replica_max_lag)
    }

    /// What it says of the row with this key now. Waits for nobody.
    pub(crate) fn look_up(&self, key: &Key) -> Answer {
        self.look_up_if(key, |header| self.is_usable(header))
    }

    /// What it said last, however long ago its agent has heard of the database.
    pub(crate) fn look_up_whenever(&self, key: &Key) -> Answer {
        let is_complete = |header: &Header| match header.state.is_complete {
            true => Ok(()),
            false => Err(Unusable::Incomplete),
        };
        self.look_up_if(key, is_complete)
    }

    fn look_up_if(
        &self,
        key: &Key,
        counts: impl FnOnce(&Header) -> Result<(), Unusable>,
    ) -> Answer {
        let answer = self.with(|opened, environment| {
            let Opened { header, kinds, .. } = opened;
            let snapshot = environment.snapshot()?;
            refresh(header, &snapshot)?;
            counts(header)?;
            find(&snapshot, key, &header.state, kinds)
        });
        answer.unwrap_or_else(Answer::Unusable)
    }

    /// What it says of each key in a part, in their order, be it usable or not.
    #[cfg(feature = "cli")]
    pub(crate) fn part(&self, part: &Part) -> Result<Vec<(Key, Answer)>, Unusable> {
        self.with(|opened, environment| {
            let snapshot = environment.snapshot()?;
            refresh(&mut opened.header, &snapshot)?;
            let State { scan, buckets, .. } = opened.header.state;
            let (first, last) = part.reach(buckets);
            let mut all = Vec::new();
            for number in first..=last {
                let bucket = snapshot.get(snapshot.environment().rows, &Buckets::name(number))?;
                for (key, entry) in buckets.entries(number, bucket.unwrap_or_default()) {
                    if part.has(&key) {
                        all.push((key, answer(&snapshot, entry, scan, &mut opened.kinds)?));
                    }
                }
            }
            Ok(all)
        })
    }

    /// What it says of itself, be it usable or not.
    pub(crate) fn header(&self) -> Result<Header, Unusable> {
        self.with(|opened, environment| {
            refresh(&mut opened.header, &environment.snapshot()?)?;
            Ok(opened.header.clone())
        })
    }

    /// How long ago the agent asked the database; `None` where that is to come: a clock of
    /// another time namespace may be behind.
    pub(crate) fn age(&self, header: &Header) -> Option<Duration> {
        place::now().checked_sub(header.heard_at).map(Duration::from_nanos)
    }

    /// Whether what it says counts now.
    pub(crate) fn is_usable(&self, header: &Header) -> Result<(), Unusable> {
        if !header.state.is_complete {
            return Err(Unusable::Incomplete);
        }
        let age = self.age(header).unwrap_or(Duration::MAX);
        if age <= self.max_lag { Ok(()) } else { Err(Unusable::Old(age)) }
    }

    /// Does something with the environment, which is opened before where that is needed.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Opened, &mut Environment) -> Result<T, Unusable>,
    ) -> Result<T, Unusable> {
        let mut session = lock(&self.session);
        let opened = self.opened(&mut session)?;
        let environment = Arc::clone(&opened.environment);
        let done = work(opened, &mut lock(&environment));
        match &done {
            Ok(_) => {}
            Err(Unusable::Incomplete | Unusable::Old(_)) => {
                self.look_whether_replaced(&mut session)
            }
            Err(why) => session.close(why.clone()),
        }
        done
    }

    fn opened<'s>(&self, session: &'s mut Session) -> Result<&'s mut Opened, Unusable> {
        if session.opened.is_none() {
            if let Some((why, at)) = &session.failure
                && at.elapsed() < LOOK_AGAIN
            {
                return Err(why.clone());
            }
            match self.open() {
                Ok(opened) => *session = Session { opened: Some(opened), ..Session::default() },
                Err(why) => {
                    session.close(why.clone());
                    return Err(why);
                }
            }
        }
        session.opened.as_mut().ok_or(Unusable::Absent)
    }

    fn open(&self) -> Result<Opened, Unusable> {
        let directory = place::directory(&self.path)
            .map_err(|error| Unusable::Broken(format!("when the machine started: {error}")))?;
        let environment = environment::open(&directory)?;
        let mut held = lock(&environment);
        let file = held.file;
        let snapshot = held.snapshot()?;
        let about: About = part(&snapshot, ABOUT)?;
        if about.format != FORMAT {
            return Err(Unusable::Broken(format!("it has the format {}", about.format)));
        }
        if about.identity != self.identity {
            return Err(Unusable::Another(about.identity.to_string()));
        }
        drop(snapshot);
        drop(held);
        Ok(Opened { environment, file, header: Header::default(), kinds: HashMap::new() })
    }

    /// What an agent has made anew is not seen by who has the old one open.
    fn look_whether_replaced(&self, session: &mut Session) {
        if session.looked_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return;
        }
        session.looked_at = Some(Instant::now());
        let now = place::directory(&self.path).ok().and_then(|it| place::examine(&it).ok());
        let opened = session.opened.as_ref().map(|opened| opened.file);
        if now.map(|(file, _)| file) != opened {
            session.opened = None;
        }
    }
}

impl Session {
    fn close(&mut self, why: Unusable) {
        *self = Session { failure: Some((why, Instant::now())), ..Session::default() };
    }
}

/// What a replica is of that may be there; opens it for that.
#[cfg(feature = "cli")]
pub(super) fn about(directory: &Path) -> Result<About, Unusable> {
    let environment = environment::open(directory)?;
    let mut environment = lock(&environment);
    part(&environment.snapshot()?, ABOUT)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads what changes with each write, if there was one.
fn refresh(header: &mut Header, snapshot: &Snapshot<'_>) -> Result<(), Unusable> {
    let id = snapshot.id();
    if header.snapshot == id {
        return Ok(());
    }
    let state = part(snapshot, STATE)?;
    let heard_at = snapshot.get(snapshot.environment().header, HEARD_AT)?;
    let heard_at = heard_at.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    *header = Header { snapshot: id, state, heard_at };
    Ok(())
}

fn part<T: serde::de::DeserializeOwned>(
    snapshot: &Snapshot<'_>,
    key: &[u8],
) -> Result<T, Unusable> {
    let bytes = snapshot.get(snapshot.environment().header, key)?;
    let bytes = bytes.ok_or_else(|| Unusable::Broken("it has no header".to_owned()))?;
    serde_json::from_slice(bytes).map_err(|error| Unusable::Broken(format!("its header: {error}")))
}

fn find(
    snapshot: &Snapshot<'_>,
    key: &Key,
    state: &State,
    kinds: &mut HashMap<u16, Arc<Kind>>,
) -> Result<Answer, Unusable> {
    let name = Buckets::name(state.buckets.of(key));
    let bucket = snapshot.get(snapshot.environment().rows, &name)?;
    let Some(entry) = bucket.and_then(|bucket| bucket::find(bucket, key)) else {
        return Ok(Answer::Unknown);
    };
    answer(snapshot, entry, state.scan, kinds)
}

fn answer(
    snapshot: &Snapshot<'_>,
    entry: Entry,
    scan: u64,
    kinds: &mut HashMap<u16, Arc<Kind>>,
) -> Result<Answer, Unusable> {
    if entry.kind == bucket::UNTOLD {
        return Ok(Answer::AskDatabase);
    }
    let kind = match kinds.get(&entry.kind) {
        Some(kind) => Arc::clone(kind),
        None => {
            let kind = Arc::new(read_kind(snapshot, entry.kind)?);
            kinds.insert(entry.kind, Arc::clone(&kind));
            kind
        }
    };
    let facts = Facts::new(entry.size, entry.mtime.into(), kind);
    Ok(Answer::Known(Known { facts, version: Version { scan, number: entry.number } }))
}

fn read_kind(snapshot: &Snapshot<'_>, number: u16) -> Result<Kind, Unusable> {
    let bytes = snapshot.get(snapshot.environment().kinds, &number.to_be_bytes())?;
    let kind = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok());
    let (datatype, scope): (Box<str>, Box<str>) =
        kind.ok_or_else(|| Unusable::Broken(format!("it has no kind {number}")))?;
    Ok(Kind { datatype, scope })
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("failure", &self.failure).finish_non_exhaustive()
    }
}
