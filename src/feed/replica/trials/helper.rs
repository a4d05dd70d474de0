//! This program in another process.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{State, complete, key, now, replica, row, writer};
use crate::error::ErrorKind;
use crate::feed::replica::{Answer, Buckets, Part, bucket, environment, place};

/// The version with which a reader that follows is content.
pub(super) const LAST: u64 = 1_000_000_007;

/// Which of its parts a helper plays, and with which replica.
const PART: &str = "EZDFS_TEST_REPLICA_PART";
const PATH: &str = "EZDFS_TEST_REPLICA_PATH";

/// A file that tells readers to end.
pub(super) const ENOUGH: &str = "enough";

/// Rows of a version, in as many buckets.
const ROWS: u64 = 300;

const PAUSE: Duration = Duration::from_millis(1);

pub(super) struct Helper(Child);

impl Helper {
    /// Starts one, and waits until it has begun, if it is a reader.
    pub(super) fn start(part: &str, path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Helper::spawn(&mut command, part, path)
    }

    pub(super) fn spawn(command: &mut Command, part: &str, path: &Path) -> Self {
        let here = concat!(module_path!(), "::plays_a_part");
        let here = here.split_once("::").map_or(here, |(_, name)| name);
        command.args([here, "--exact", "--test-threads=1", "--nocapture"]).env(PART, part);
        let mut child = command.env(PATH, path).stdout(Stdio::null()).spawn().unwrap();
        if !matches!(part, "write" | "open" | "fill") {
            let begun = path.join(format!("begun-{}", child.id()));
            while !begun.exists() {
                assert_eq!(child.try_wait().unwrap(), None, "{part} has ended before it began");
                std::thread::sleep(PAUSE);
            }
        }
        Helper(child)
    }

    pub(super) fn kill(self) {}

    pub(super) fn ends_well(mut self) {
        assert!(self.0.wait().unwrap().success());
    }

    /// The signal that has ended it, if one has.
    pub(super) fn signal(mut self) -> Option<i32> {
        self.0.wait().unwrap().signal()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In a process of its own, what it is told to; else it sees to it that it is found there.
#[test]
fn plays_a_part() {
    let Some(path) = std::env::var_os(PATH) else {
        let directory = super::directory();
        Helper::start("open", directory.path()).ends_well();
        assert!(place::directory(directory.path()).unwrap().exists());
        return;
    };
    let path = Path::new(&path);
    match std::env::var(PART).unwrap().as_str() {
        "write" => write(path),
        "watch" => watch(path),
        "follow" => follow(path),
        "hold" => hold(path),
        "open" => drop(writer(path)),
        "look" => look(path),
        "fill" => fill(path),
        part => panic!("{part}"),
    }
}

fn has_begun(path: &Path) {
    fs::write(path.join(format!("begun-{}", std::process::id())), "").unwrap();
}

/// Writes one version after the other.
fn write(path: &Path) {
    let mut writer = writer(path);
    let mut state = State { is_complete: true, ..writer.state().unwrap() };
    loop {
        state.changes += 1;
        let mut rows: Vec<_> = (0..ROWS).map(|it| (key(it), row(state.changes))).collect();
        rows.sort_by_key(|(key, _)| *key);
        let mut batch = writer.begin().unwrap();
        batch.put_part(&Part::default(), &rows).unwrap();
        batch.commit(&mut state, Some(now())).unwrap();
    }
}

fn watch(path: &Path) {
    has_begun(path);
    while !path.join(ENOUGH).exists() {
        check(path);
    }
}

/// All rows are of one version; at first there are none. Says which.
pub(super) fn check(path: &Path) -> u64 {
    let environment = environment::open(&place::directory(path).unwrap()).unwrap();
    let mut environment = environment.lock().unwrap();
    let snapshot = environment.snapshot().unwrap();
    let rows = snapshot.environment().rows;
    let version = |number| {
        let bucket =
            snapshot.get(rows, &Buckets::name(Buckets::default().of(&key(number)))).unwrap();
        let entry = bucket.and_then(|bucket| bucket::find(bucket, &key(number)));
        entry.map_or((0, 0), |entry| (entry.size, entry.number))
    };
    let first = version(0);
    assert!((1..ROWS).all(|number| version(number) == first), "a mixture");
    first.0
}

/// Looks up a row until it is of the last version.
fn follow(path: &Path) {
    let replica = replica(path);
    has_begun(path);
    loop {
        match replica.look_up(&key(1)) {
            Answer::Known(known) if known.facts.size == LAST => return,
            Answer::Known(_) | Answer::Unknown | Answer::Unusable(_) => {}
            Answer::AskDatabase => panic!("asks the database"),
        }
    }
}

/// Holds what is there now.
fn hold(path: &Path) {
    let environment = environment::open(&place::directory(path).unwrap()).unwrap();
    let mut environment = environment.lock().unwrap();
    let _snapshot = environment.snapshot().unwrap();
    has_begun(path);
    std::thread::sleep(Duration::from_secs(600));
}

/// Looks up rows of all buckets, whatever becomes of it.
fn look(path: &Path) {
    has_begun(path);
    let replica = replica(path);
    for number in 0..200_000 {
        replica.look_up(&key(number));
    }
}

/// Writes until there is no room, and then as much as there is.
fn fill(path: &Path) {
    let mut writer = writer(path);
    complete(&mut writer, &[(key(0), row(1))]);
    let mut state = writer.state().unwrap();
    let mut written = 1;
    let error = loop {
        let mut batch = writer.begin().unwrap();
        for number in 0..5000 {
            batch.put(&key(written + number), Some(&row(1))).unwrap();
        }
        match batch.commit(&mut state, Some(now())) {
            Ok(()) => written += 5000,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:#}");
    assert_eq!((writer.state().unwrap().rows, state.rows), (written, written));
    let replica = replica(path);
    assert!((0..written).all(|it| matches!(replica.look_up(&key(it)), Answer::Known(_))));
    assert_eq!(replica.look_up(&key(written)), Answer::Unknown);
    // What makes room is written.
    complete(&mut writer, &[]);
    assert_eq!(writer.state().unwrap().rows, 0);
    complete(&mut writer, &[(key(0), row(2))]);
    has_begun(path);
}

pub(super) fn rounds() -> u64 {
    let default = if std::env::var_os("CI").is_some_and(|ci| ci == "true") { 1000 } else { 60 };
    let given = std::env::var("EZDFS_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    given.unwrap_or(default)
}

/// Random enough for moments.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Self {
        Random(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
