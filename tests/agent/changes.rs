//! Pictures that change all the time, by plain SQL and plain file functions, while readers of
//! three kinds poll them: none gets a mixture of versions, none what is too old.
//!
//! EZDFS_TEST_CHANGES sets how many changes there are. How long it took until readers saw them
//! is told, not judged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::watched::{PREFIX, Version, Watched, url};
use super::{is_usable, php};
use crate::support::db::TestDb;
use crate::support::http::Connection;
use crate::support::{Need, Result, Trials};

const PICTURES: usize = 100;

/// `replica_max_lag`, for machines that are busy.
const MOST_LAG: Duration = Duration::from_secs(5);

/// Between two changes.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) fn register(trials: &mut Trials) {
    let needs = [&php::NEEDS[..], &[Need::NGINX, Need::MODULE]].concat();
    let mut group = trials.group("agent::changes", &needs);
    group.per_server("readers_follow_foreign_writers", follow);
}

fn count() -> usize {
    let count = std::env::var("EZDFS_TEST_CHANGES").ok().and_then(|text| text.parse().ok());
    count.unwrap_or(300)
}

/// What becomes of a name.
#[derive(Debug, Clone, Copy)]
struct Event {
    /// The number of the version; `None`: there is none any more.
    state: Option<usize>,
    begun: Instant,
    /// `None` while it is under way.
    committed: Option<Instant>,
}

/// What became of each name, in the order in which it did.
#[derive(Default)]
struct History(Mutex<HashMap<String, Vec<Event>>>);

/// What a reader is to see, and since when.
#[derive(Debug, Clone)]
struct Change {
    id: String,
    event: usize,
    committed: Instant,
}

/// What a reader has got.
struct Answer {
    asked: Instant,
    /// That of the bytes, or the row where there are none.
    state: Option<usize>,
    /// That of the validator, where there are bytes beside it.
    validator: Option<usize>,
}

impl History {
    fn events(&self) -> MutexGuard<'_, HashMap<String, Vec<Event>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, id: &str, state: Option<usize>) {
        let event = Event { state, begun: Instant::now(), committed: None };
        self.events().entry(id.to_owned()).or_default().push(event);
    }

    fn commit(&self, id: &str) -> Change {
        let mut events = self.events();
        let events = events.get_mut(id).expect("it was begun");
        let committed = Instant::now();
        events.last_mut().expect("it was begun").committed = Some(committed);
        Change { id: id.to_owned(), event: events.len() - 1, committed }
    }

    fn state(&self, id: &str) -> Option<usize> {
        self.events().get(id).and_then(|events| events.last()?.state)
    }

    /// Judges an answer that is complete now; says which event it knows.
    fn judge(&self, id: &str, answer: &Answer) -> Result<usize> {
        let Answer { asked, state, validator } = *answer;
        let now = Instant::now();
        let events = self.events();
        let events = events.get(id).ok_or("an unknown name")?;
        let followed = |event: usize| events.get(event + 1).and_then(|next| next.committed);
        // What exists is never missing; what was another a moment ago may be seen as that.
        let patience = if state.is_some() { MOST_LAG } else { Duration::ZERO };
        let might_be = |event: usize| {
            let is_over = followed(event).is_some_and(|at| at + patience < asked);
            events[event].state == state && events[event].begun <= now && !is_over
        };
        let known = (0..events.len()).rev().find(|event| might_be(*event));
        let told = || {
            let all: Vec<_> =
                events.iter().map(|it| (it.state, age(it.begun), it.committed.map(age))).collect();
            format!("{id}: {state:?} under {validator:?}, asked {:?} ago; {all:?}", age(asked))
        };
        let known = known.ok_or_else(|| format!("too old, or never there: {}", told()))?;
        // The file comes before the row: until that is committed, new bytes may have its old time.
        let is_early = events[known].committed.is_none_or(|at| asked < at);
        if validator.is_some() && validator != state && !is_early {
            return Err(format!("a mixture: {}", told()).into());
        }
        Ok(known)
    }
}

fn age(at: Instant) -> Duration {
    at.elapsed()
}

/// Who asks, through which door.
type Ask<'a> = Box<dyn FnMut(&str) -> Result<Answer> + Send + 'a>;

/// A kind of readers: each change is awaited by each kind, but by one that is slow not all.
struct Reader<'a> {
    door: &'static str,
    ask: Ask<'a>,
    changes: Receiver<Change>,
    /// So many at a time.
    most: usize,
    seen: Vec<Duration>,
    /// What the longest answer took.
    slowest: Duration,
}

impl<'a> Reader<'a> {
    fn new(door: &'static str, most: usize, ask: Ask<'a>) -> (Self, Sender<Change>) {
        let (sender, changes) = channel();
        let reader = Reader { door, ask, changes, most, seen: Vec::new(), slowest: Duration::ZERO };
        (reader, sender)
    }

    /// Asks for what has changed until that is seen, and ends with the changes.
    fn poll(&mut self, history: &History, is_over: &AtomicBool) -> Result {
        let mut awaited: Vec<Change> = Vec::new();
        loop {
            let news: Vec<_> = self.changes.try_iter().collect();
            awaited.extend(news.into_iter().rev().take(self.most - awaited.len().min(self.most)));
            if awaited.is_empty() {
                if is_over.load(Ordering::Acquire) {
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(1));
            }
            for change in std::mem::take(&mut awaited) {
                let answer = (self.ask)(&change.id)?;
                self.slowest = self.slowest.max(answer.asked.elapsed());
                match history.judge(&change.id, &answer)? >= change.event {
                    true => self.seen.push(change.committed.elapsed()),
                    false => awaited.push(change),
                }
            }
        }
    }

    fn report(&mut self) {
        self.seen.sort();
        let count = self.seen.len();
        assert!(count > 0, "{} saw nothing", self.door);
        let [half, most, last] = [count / 2, count * 99 / 100, count - 1].map(|at| self.seen[at]);
        eprintln!(
            "{}: {count} changes seen, p50 {half:?}, p99 {most:?}, the last after {last:?}; the \
             slowest answer took {:?}",
            self.door, self.slowest
        );
    }
}

fn name(picture: usize, is_moved: bool) -> String {
    format!("images/{picture}{}.png", if is_moved { "-moved" } else { "" })
}

fn follow(db: TestDb) -> Result {
    let mut watched = Watched::without_agent(db, PICTURES)?;
    watched.start_agent(&[]);
    is_usable(&watched.cli);
    let lag = format!("replica_max_lag {}s; replica_confirms 100000;", MOST_LAG.as_secs());
    let nginx = watched.nginx(&lag).workers(2).start()?;
    let mut settings = php::settings(&watched);
    settings.push(("ezdfs.replica_confirms", "100000".to_owned()));
    let mut php = php::Php::start(&settings)?;
    let history = History::default();
    for picture in 0..PICTURES {
        history.begin(&name(picture, false), Some(0));
        history.commit(&name(picture, false));
    }

    let by_nginx: Ask = Box::new(|id| ask_nginx(nginx.port(), id));
    let by_php: Ask = Box::new(|id| ask_php(&mut php, id));
    let by_command: Ask = Box::new(|id| ask_command(&watched, id));
    let (readers, senders): (Vec<_>, Vec<_>) =
        [("nginx", usize::MAX, by_nginx), ("PHP", usize::MAX, by_php), ("command", 2, by_command)]
            .into_iter()
            .map(|(door, most, ask)| Reader::new(door, most, ask))
            .unzip();
    let is_over = AtomicBool::new(false);
    let readers = thread::scope(|scope| -> Result<Vec<Reader<'_>>> {
        let polling: Vec<_> = readers
            .into_iter()
            .map(|mut reader| {
                let (history, is_over) = (&history, &is_over);
                scope.spawn(move || reader.poll(history, is_over).map(|()| reader))
            })
            .collect();
        let written = Writer { watched: &watched, history: &history, readers: senders }.write();
        is_over.store(true, Ordering::Release);
        let readers = polling.into_iter().map(|it| it.join().map_err(|_| "a reader panicked")?);
        let readers = readers.collect::<Result<_>>()?;
        written.map(|()| readers)
    })?;
    readers.into_iter().for_each(|mut reader| reader.report());
    Ok(())
}

fn ask_nginx(port: u16, id: &str) -> Result<Answer> {
    let asked = Instant::now();
    let close = [("Connection", "close")];
    let answer = Connection::open(port)?.request("GET", &url(id), &close)?;
    if answer.status == 404 {
        return Ok(Answer { asked, state: None, validator: None });
    }
    let version = Version::of_bytes(&answer.body).ok_or_else(|| format!("torn: {answer:?}"))?;
    let etag = answer.header("ETag").map(|etag| etag.trim_matches('"'));
    let (mtime, size) = etag.and_then(|etag| etag.split_once('-')).ok_or("no validator")?;
    // Those of the bytes, which the validator has to have as well.
    assert_eq!((answer.status, size.parse()), (200, Ok(answer.body.len())), "{answer:?}");
    let validator = Some(Version::number_of(mtime.parse()?));
    Ok(Answer { asked, state: Some(version.number), validator })
}

/// Row and bytes are asked for one after the other, so they are answers of their own.
fn ask_php(php: &mut php::Php, id: &str) -> Result<Answer> {
    let asked = Instant::now();
    let answer = php.ask(id)?;
    let Some(mtime) = answer["mtime"].as_i64() else {
        return Ok(Answer { asked, state: None, validator: None });
    };
    for bytes in ["bytes", "stream"] {
        let bytes = answer[bytes].as_str().ok_or("no bytes")?;
        Version::of_bytes(bytes.as_bytes()).ok_or_else(|| format!("torn: {answer}"))?;
    }
    row(asked, id, mtime, &answer["size"])
}

fn ask_command(watched: &Watched, id: &str) -> Result<Answer> {
    let asked = Instant::now();
    let mut command = super::command(&watched.cli, &["stat", id, "--json"]);
    command.env("EZDFS_NAME_PREFIX", PREFIX).env("EZDFS_REPLICA_CONFIRMS", "100000");
    let output = command.output()?;
    match output.status.code() {
        Some(0) => {
            let row_of: serde_json::Value = serde_json::from_slice(&output.stdout)?;
            row(asked, id, row_of["mtime"].as_i64().ok_or("no time")?, &row_of["size"])
        }
        Some(1) => Ok(Answer { asked, state: None, validator: None }),
        _ => Err(crate::command::stderr(&output).into()),
    }
}

/// Of a row time and size are of one version.
fn row(asked: Instant, id: &str, mtime: i64, size: &serde_json::Value) -> Result<Answer> {
    let number = Version::number_of(mtime);
    let picture = id.trim_start_matches(|c: char| !c.is_ascii_digit());
    let picture = picture.split(|c: char| !c.is_ascii_digit()).next().ok_or("no number")?;
    let bytes = Version { picture: picture.parse()?, number }.bytes();
    assert_eq!(size, &serde_json::Value::from(bytes.len()), "{id} of {mtime}");
    Ok(Answer { asked, state: Some(number), validator: None })
}

/// Whoever changes the pictures.
struct Writer<'a> {
    watched: &'a Watched,
    history: &'a History,
    readers: Vec<Sender<Change>>,
}

impl Writer<'_> {
    fn write(&self) -> Result {
        for turn in 1..=count() {
            // Neighbours in time are not neighbours in the tree, and each meets each way.
            let picture = turn * 37 % PICTURES;
            self.change(picture, turn, turn / PICTURES + picture)?;
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn change(&self, picture: usize, turn: usize, way: usize) -> Result {
        let state = |is_moved| self.history.state(&name(picture, is_moved));
        let is_moved = state(true).is_some();
        let (id, other) = (name(picture, is_moved), name(picture, !is_moved));
        let version = Version { picture, number: turn };
        match (state(is_moved), way % 5) {
            // Deleted, one way or the other: it comes again.
            (None, _) | (Some(_), 0 | 1) => {
                self.to(&[(&id, Some(turn))], || self.watched.put(&id, version))
            }
            (Some(_), 2) => self.to(&[(&id, None)], || self.watched.delete(&id)),
            (Some(_), 3) => self.to(&[(&id, None)], || {
                self.watched.soft_delete(&id);
                Ok(())
            }),
            (Some(number), _) => {
                self.to(&[(&other, Some(number)), (&id, None)], || self.watched.rename(&id, &other))
            }
        }
    }

    /// Has names become something else.
    fn to(&self, names: &[(&str, Option<usize>)], work: impl FnOnce() -> Result) -> Result {
        names.iter().for_each(|(id, state)| self.history.begin(id, *state));
        work()?;
        for (id, _) in names {
            let change = self.history.commit(id);
            // Readers that have failed are gone.
            self.readers.iter().for_each(|reader| drop(reader.send(change.clone())));
        }
        Ok(())
    }
}
