//! What readers see of a replica, whatever becomes of its writer and its files.
//!
//! Writers and readers are this program in other processes (see [`helper`]).
//! EZDFS_TEST_ROUNDS sets how many writers are killed: by default 1,000 in CI and a few on a
//! person's machine.

mod damage;
mod helper;
mod size;

use std::path::Path;
use std::time::Duration;

use super::batch::Done;
use super::{
    Answer, Buckets, Identity, Part, Replica, State, Unusable, Writer, guessed_rows, now, place,
    request_rebuild,
};
use crate::metadata::Row;
use crate::name::Key;
use helper::Helper;

const LAG: Duration = Duration::from_secs(3600);

fn identity() -> Identity {
    Identity { database: "db:3306 ezdfs".to_owned(), table: "ezdfsfile".to_owned() }
}

/// In memory, where that can be had, as in production.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn replica(path: &Path) -> Replica {
    Replica::new(path, identity(), LAG)
}

fn writer(path: &Path) -> Writer {
    Writer::open(path, &identity()).unwrap()
}

/// Any key, for each number another one.
fn key(number: u64) -> Key {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = Key::default();
    key[..8].copy_from_slice(&mixed.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

fn row(size: u64) -> Row {
    Row {
        name: String::new(),
        datatype: "image/png".to_owned(),
        scope: "image".to_owned(),
        size,
        mtime: 1_500_000_000,
        expired: false,
    }
}

/// Has these rows, and says that they are all.
fn complete(writer: &mut Writer, rows: &[(Key, Row)]) {
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|(key, _)| *key);
    let mut state = State { is_complete: true, ..writer.state().unwrap() };
    let mut batch = writer.begin().unwrap();
    batch.put_part(&Part::default(), &sorted).unwrap();
    batch.commit(&mut state, Some(now())).unwrap();
}

/// Of its file.
fn bytes(path: &Path) -> u64 {
    std::fs::metadata(place::directory(path).unwrap().join(place::DATA)).unwrap().len()
}

fn size(answer: Answer) -> u64 {
    match answer {
        Answer::Known(known) => known.facts.size,
        other => panic!("{other:?}"),
    }
}

fn number(answer: Answer) -> u64 {
    match answer {
        Answer::Known(known) => known.version.number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_written_is_read() {
    let directory = directory();
    let replica = replica(directory.path());
    assert_eq!(replica.look_up(&key(1)), Answer::Unusable(Unusable::Absent));
    let mut writer = writer(directory.path());
    let other = Row { datatype: "misc".to_owned(), ..row(2) };
    let dead = Row { mtime: -1, ..row(3) };
    complete(&mut writer, &[(key(1), row(1)), (key(2), other), (key(3), dead)]);
    let replica = self::replica(directory.path());
    let Answer::Known(known) = replica.look_up(&key(2)) else { panic!() };
    let info = known.facts.info(crate::FileId::parse("images/a").unwrap());
    assert_eq!(
        (info.size, info.mtime, &*info.mime_type, &*info.scope),
        (2, 1_500_000_000, "misc", "image")
    );
    assert_eq!(replica.look_up(&key(3)), Answer::Unknown);
    assert_eq!(replica.look_up(&key(4)), Answer::Unknown);
    assert_eq!(writer.state().unwrap().rows, 2);
}

#[test]
fn a_row_that_is_the_same_keeps_its_number_but_in_a_change() {
    let directory = directory();
    let mut writer = writer(directory.path());
    let rows: Vec<_> = (0..1000).map(|it| (key(it), row(it))).collect();
    complete(&mut writer, &rows);
    let replica = replica(directory.path());
    let made = number(replica.look_up(&key(5)));
    let mut state = writer.state().unwrap();
    let mut batch = writer.begin().unwrap();
    assert_eq!(batch.put(&key(5), Some(&row(5))).unwrap(), Done::Same, "and a change all the same");
    assert_eq!(batch.put(&key(6), None).unwrap(), Done::Changed);
    assert_eq!(batch.put(&key(6), None).unwrap(), Done::Same);
    batch.commit(&mut state, Some(now())).unwrap();
    assert_eq!((state.rows, writer.state().unwrap()), (999, state.clone()));
    let changed_to = number(replica.look_up(&key(5)));
    assert!(changed_to > made);

    let mut rows: Vec<_> = (7..1200).map(|it| (key(it), row(it + it / 1000))).collect();
    rows.sort_by_key(|(key, _)| *key);
    let (first, second) = rows.split_at(500);
    let middle = first[499].0;
    let mut batch = writer.begin().unwrap();
    let parts = [
        (Part { after: None, to: Some(middle) }, first),
        (Part { after: Some(middle), to: None }, second),
    ];
    let changed: u64 = parts.iter().map(|(part, rows)| batch.put_part(part, rows).unwrap()).sum();
    batch.commit(&mut state, Some(now())).unwrap();
    assert_eq!(changed, 200 + 6, "200 are new, 6 are no more");
    assert_eq!(state.rows, 1193);
    assert_eq!(number(replica.look_up(&key(7))), made);
    assert!(number(replica.look_up(&key(1100))) > changed_to);
    assert_eq!(replica.look_up(&key(5)), Answer::Unknown);
}

#[test]
fn a_batch_that_is_given_up_leaves_nothing() {
    let directory = directory();
    let mut writer = writer(directory.path());
    complete(&mut writer, &[(key(1), row(1))]);
    let mut batch = writer.begin().unwrap();
    let other = Row { datatype: "text/plain".to_owned(), ..row(2) };
    batch.put(&key(1), Some(&other)).unwrap();
    drop(batch);
    let mut state = writer.state().unwrap();
    let mut batch = writer.begin().unwrap();
    batch.put(&key(2), Some(&other)).unwrap();
    batch.commit(&mut state, Some(now())).unwrap();
    let replica = replica(directory.path());
    assert_eq!(size(replica.look_up(&key(1))), 1);
    assert!(matches!(replica.look_up(&key(2)), Answer::Known(_)), "with its kind");
}

#[test]
fn it_counts_only_while_it_is_fresh_and_complete() {
    let directory = directory();
    let mut writer = writer(directory.path());
    complete(&mut writer, &[(key(1), row(1))]);
    let replica = Replica::new(directory.path(), identity(), Duration::from_secs(60));
    assert_eq!(size(replica.look_up(&key(1))), 1);
    let heard = |writer: &mut Writer, at: u64, is_complete: bool| {
        let mut state = State { is_complete, ..writer.state().unwrap() };
        writer.begin().unwrap().commit(&mut state, Some(at)).unwrap();
    };
    heard(&mut writer, now() - 61_000_000_000, true);
    assert!(matches!(replica.look_up(&key(1)), Answer::Unusable(Unusable::Old(_))));
    heard(&mut writer, now() + 1_000_000_000_000, true);
    assert!(matches!(replica.look_up(&key(1)), Answer::Unusable(Unusable::Old(_))), "to come");
    heard(&mut writer, now(), false);
    assert_eq!(replica.look_up(&key(1)), Answer::Unusable(Unusable::Incomplete));
    heard(&mut writer, now(), true);
    assert_eq!(size(replica.look_up(&key(1))), 1);
}

#[test]
fn one_agent_writes() {
    let directory = directory();
    let first = writer(directory.path());
    let error = Writer::open(directory.path(), &identity()).map(drop).unwrap_err();
    let whose = format!("another agent has it, process {}", std::process::id());
    assert!(error.to_string().contains(&whose), "{error}");
    drop(first);
    writer(directory.path());
}

#[test]
fn it_is_gone_on_with_where_it_is_of_the_same_table() {
    let directory = directory();
    let mut first = writer(directory.path());
    complete(&mut first, &[(key(1), row(1))]);
    let mut state = first.state().unwrap();
    let mut batch = first.begin().unwrap();
    batch.set_position(&("any", 5)).unwrap();
    batch.commit(&mut state, None).unwrap();
    drop(first);
    let second = writer(directory.path());
    assert_eq!(second.state().unwrap(), state);
    assert_eq!(second.position::<(String, u64)>().unwrap(), Some(("any".to_owned(), 5)));
    drop(second);
    let other = Identity { table: "other".to_owned(), ..identity() };
    let third = Writer::open(directory.path(), &other).unwrap();
    assert_eq!(third.state().unwrap(), State::default());
    let replica = replica(directory.path());
    assert!(matches!(replica.look_up(&key(1)), Answer::Unusable(Unusable::Another(_))));
}

#[test]
fn one_that_is_made_anew_is_found() {
    let directory = directory();
    let mut first = writer(directory.path());
    complete(&mut first, &[(key(1), row(1))]);
    let reader = Helper::start("follow", directory.path());
    let old = place::examine(&place::directory(directory.path()).unwrap()).unwrap().0;
    request_rebuild(directory.path()).unwrap();
    first.give_up().unwrap();
    let mut second = writer(directory.path());
    assert!(!second.is_to_be_made_anew());
    let new = place::examine(&place::directory(directory.path()).unwrap()).unwrap().0;
    assert_ne!(old, new);
    assert_eq!(second.state().unwrap(), State::default());
    complete(&mut second, &[(key(1), row(helper::LAST))]);
    reader.ends_well();
}

#[test]
fn a_reader_follows_as_it_grows() {
    let directory = directory();
    let mut writer = writer(directory.path());
    complete(&mut writer, &[(key(1), row(1))]);
    let reader = Helper::start("follow", directory.path());
    // More than what it mapped when it was opened.
    let many: Vec<_> = (10..500_000).map(|it| (key(it), row(it))).collect();
    complete(&mut writer, &many);
    complete(&mut writer, &[(key(1), row(helper::LAST))]);
    assert!(bytes(directory.path()) > 20 << 20);
    reader.ends_well();
}

/// Of all that a version has, at every moment at which its writer may be killed.
#[test]
fn a_killed_writer_leaves_one_version_or_the_other() {
    let directory = directory();
    let path = directory.path();
    drop(writer(path));
    let readers: Vec<_> = (0..2).map(|_| Helper::start("watch", path)).collect();
    let mut random = helper::Random::new();
    let mut last = 0;
    let mut advances = 0;
    for _ in 0..helper::rounds() {
        let writer = Helper::start("write", path);
        std::thread::sleep(Duration::from_micros(random.below(80_000)));
        writer.kill();
        let version = helper::check(path);
        advances += u64::from(version > last);
        last = version;
    }
    std::fs::write(path.join(helper::ENOUGH), "").unwrap();
    for reader in readers {
        reader.ends_well();
    }
    assert!(advances > helper::rounds() / 10, "no more than {advances} writers wrote");
}

#[test]
fn a_killed_reader_holds_nothing_back() {
    let directory = directory();
    let mut writer = writer(directory.path());
    let mut versions = 0;
    let mut write = |writer: &mut Writer| {
        for _ in 0..100 {
            versions += 1;
            let rows: Vec<_> = (0..2000).map(|it| (key(it), row(versions))).collect();
            complete(writer, &rows);
        }
        bytes(directory.path())
    };
    write(&mut writer);
    let reader = Helper::start("hold", directory.path());
    let held = write(&mut writer);
    assert!(write(&mut writer) > held, "the reader holds the pages of its version");
    reader.kill();
    let held = bytes(directory.path());
    assert_eq!(writer.forget_the_dead().unwrap(), 1);
    assert_eq!(write(&mut writer), held);
}
