//! Following the change log, with writers who commit late, in another order or not at all, and
//! with logs that are not what they were.

use std::time::{Duration, SystemTime};

use super::support::db::{self, Backend, TestDb};
use super::support::mariadb;
use super::{OLD_POSTGRES, index, index_by, run};
use crate::error::ErrorKind;
use crate::feed::{Follower, Loss};
use crate::index::Index;
use crate::index::follow::{Change, MOST_GAPS, Polled};
use crate::name::FileName;
use crate::runtime;

pub(super) const NOW: Duration = Duration::from_secs(1000);

fn key(name: &str) -> String {
    FileName::stored(name).hash()
}

/// As a foreign writer sends it.
pub(super) fn insert(name: &str) -> String {
    let key = key(name);
    format!(
        "INSERT INTO ezdfsfile (name, name_trunk, name_hash, size, mtime) \
         VALUES ('{name}', '{name}', '{key}', 3, 1000)"
    )
}

pub(super) fn insert_all(names: &[String]) -> String {
    let row = |name: &String| format!("('{name}', '{name}', '{}', 3, 1000)", key(name));
    let rows: Vec<_> = names.iter().map(row).collect();
    format!(
        "INSERT INTO ezdfsfile (name, name_trunk, name_hash, size, mtime) VALUES {}",
        rows.join(", ")
    )
}

pub(super) fn followed(db: &TestDb) -> (Index, Follower) {
    let index = index(db, "ezdfsfile");
    run(index.create_schema());
    run(index.create_feed());
    let follower = run(index.begin_feed(NOW));
    (index, follower)
}

pub(super) fn poll(index: &Index, follower: &mut Follower) -> (Vec<Change>, bool) {
    match run(index.poll_feed(follower, NOW)) {
        Polled::Changes { changes, is_whole } => (changes, is_whole),
        Polled::Lost(loss) => panic!("{loss}"),
    }
}

/// What changed, of which all is known then.
#[track_caller]
pub(super) fn assert_changed(
    index: &Index,
    follower: &mut Follower,
    names: &[&str],
) -> Vec<Change> {
    let (changes, is_whole) = poll(index, follower);
    let found: Vec<_> = changes.iter().map(|change| change.key.clone()).collect();
    let expected: Vec<_> = names.iter().map(|name| key(name)).collect();
    assert_eq!((found, is_whole), (expected, true), "{names:?}");
    changes
}

#[track_caller]
fn assert_lost(index: &Index, follower: &mut Follower, expected: Loss) {
    match run(index.poll_feed(follower, NOW)) {
        Polled::Lost(loss) => assert_eq!(loss, expected),
        Polled::Changes { changes, .. } => panic!("{changes:?}"),
    }
}

/// In a process that begins where this one ended.
pub(super) fn restarted(follower: &Follower) -> Follower {
    let stored = serde_json::to_string(&follower.position()).unwrap();
    Follower::resume(serde_json::from_str(&stored).unwrap(), MOST_GAPS, NOW)
}

pub(super) fn changes_come_with_their_rows(db: &TestDb) {
    let (index, mut follower) = followed(db);
    assert_changed(&index, &mut follower, &[]);
    db.sql(&insert("a"));
    db.sql(&insert("b"));
    db.sql("UPDATE ezdfsfile SET size = 4 WHERE name = 'a'");
    let changes = assert_changed(&index, &mut follower, &["b", "a"]);
    let sizes: Vec<_> = changes.iter().map(|it| it.row.as_ref().map(|row| row.size)).collect();
    assert_eq!(sizes, [Some(3), Some(4)]);
    assert_changed(&index, &mut follower, &[]);

    db.sql("UPDATE ezdfsfile SET mtime = -mtime WHERE name = 'a'");
    let changes = assert_changed(&index, &mut follower, &["a"]);
    assert!(!changes[0].row.as_ref().unwrap().is_live());
    let renamed = format!("UPDATE ezdfsfile SET name_hash = '{}' WHERE name = 'b'", key("c"));
    db.sql(&renamed);
    let changes = assert_changed(&index, &mut follower, &["b", "c"]);
    assert!(changes[0].row.is_none() && changes[1].row.is_some());
    db.sql("DELETE FROM ezdfsfile");
    assert_eq!(poll(&index, &mut follower).0.len(), 2);

    if db.backend == Backend::Postgres {
        db.sql(OLD_POSTGRES);
        let old = super::index(db, "old");
        run(old.create_feed());
        let mut follower = run(old.begin_feed(NOW));
        db.sql(&insert("a").replace("ezdfsfile", "old"));
        let changes = assert_changed(&old, &mut follower, &["a"]);
        assert!(changes[0].row.is_some());
    }
}

pub(super) fn many_changes_come_page_by_page(db: &TestDb) {
    let (index, mut follower) = followed(db);
    let names: Vec<_> = (0..2500).map(|n| format!("images/{n}")).collect();
    db.sql(&insert_all(&names));
    let mut found = Vec::new();
    loop {
        follower = restarted(&follower);
        let (changes, is_whole) = match run(index.poll_feed(&mut follower, NOW)) {
            Polled::Changes { changes, is_whole } => (changes, is_whole),
            // In between, who begins anew cannot know whether it is the same server.
            Polled::Lost(loss) => {
                assert_eq!((loss, found.is_empty()), (Loss::ReadAhead, false));
                break;
            }
        };
        found.extend(changes);
        assert!(!is_whole);
    }
    // Without an end in between.
    let mut follower = run(index.begin_feed(NOW));
    db.sql("UPDATE ezdfsfile SET size = 4");
    let mut keys = Vec::new();
    loop {
        let (changes, is_whole) = poll(&index, &mut follower);
        keys.extend(changes.into_iter().map(|change| change.key));
        if is_whole {
            break;
        }
    }
    keys.sort_unstable();
    let mut expected: Vec<_> = names.iter().map(|name| key(name)).collect();
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

pub(super) fn no_late_commit_is_missed(db: &TestDb) {
    let (index, mut follower) = followed(db);
    let late = db.hold(&insert("late"));
    if db.backend == Backend::Sqlite {
        // It has one writer at a time.
        assert_changed(&index, &mut follower, &[]);
        late.commit();
        assert_changed(&index, &mut follower, &["late"]);
        return;
    }
    db.sql(&insert("a"));
    assert_changed(&index, &mut follower, &["a"]);
    let later = db.hold(&insert("later"));
    let never = db.hold(&insert("never"));
    db.sql(&insert("b"));
    assert_changed(&index, &mut follower, &["b"]);
    drop(never);
    // The agent ends, and begins where it was.
    let mut follower = restarted(&follower);
    assert_changed(&index, &mut follower, &[]);
    later.commit();
    assert_changed(&index, &mut follower, &["later"]);
    // Another one begins meanwhile.
    let mut other = run(index.begin_feed(NOW));
    db.sql(&insert("c"));
    late.commit();
    assert_changed(&index, &mut follower, &["late", "c"]);
    assert_changed(&index, &mut other, &["late", "c"]);
    assert_changed(&index, &mut follower, &[]);
}

/// As where several servers give numbers in turn.
pub(super) fn interleaved_numbers_hide_nothing(db: &TestDb) {
    let (index, mut follower) = followed(db);
    let interleave = match db.backend {
        Backend::Sqlite => return,
        Backend::MariaDb => "SET SESSION auto_increment_increment = 3, auto_increment_offset = 2; ",
        Backend::Postgres => {
            db.sql("ALTER TABLE ezdfsfile_changes ALTER number SET INCREMENT BY 3");
            ""
        }
    };
    let late = db.hold(&format!("{interleave}{}", insert("late")));
    let names: Vec<_> = (0..600).map(|n| format!("images/{n}")).collect();
    db.sql(&format!("{interleave}{}", insert_all(&names)));
    assert_eq!(poll(&index, &mut follower).0.len(), 600);
    assert!(follower.question().counted.is_some(), "too few gaps");
    assert_changed(&index, &mut follower, &[]);
    late.commit();
    // It is counted, and then it is found.
    let (changes, is_whole) = poll(&index, &mut follower);
    assert_eq!((changes, is_whole), (Vec::new(), false));
    assert_changed(&index, &mut follower, &["late"]);
    assert_changed(&index, &mut follower, &[]);
    // What is stored of many gaps is less, and brings more again than was missed.
    let mut follower = restarted(&follower);
    while !poll(&index, &mut follower).1 {}
    assert_changed(&index, &mut follower, &[]);
}

pub(super) fn a_log_that_is_another_is_noticed(db: &TestDb) {
    let (index, mut follower) = followed(db);
    db.sql(&insert("a"));
    assert_changed(&index, &mut follower, &["a"]);
    db.sql("CREATE TABLE backup AS SELECT * FROM ezdfsfile_changes");
    db.sql(&insert("b"));
    let at_backup = follower.clone();
    assert_changed(&index, &mut follower, &["b"]);
    let restore = "DELETE FROM ezdfsfile_changes; \
        INSERT INTO ezdfsfile_changes (number, name_hash, name, changed_at) \
        SELECT number, name_hash, name, changed_at FROM backup";
    db.sql(restore);
    assert_lost(&index, &mut follower.clone(), Loss::Position);
    // The number is given again.
    db.sql(
        "INSERT INTO ezdfsfile_changes (number, name_hash, name, changed_at) \
         SELECT MAX(number) + 1, 'c', 'c', 5 FROM backup",
    );
    assert_lost(&index, &mut follower, Loss::Position);
    // Who saw no more than the backup has goes on.
    let (changes, is_whole) = poll(&index, &mut at_backup.clone());
    assert_eq!((changes.len(), is_whole), (1, true));
    db.sql("DELETE FROM ezdfsfile_changes");
    assert_lost(&index, &mut at_backup.clone(), Loss::Position);
    let error = runtime::block_on(index.begin_feed(NOW)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema, "{error:#}");
    run(index.create_feed());
    run(index.begin_feed(NOW));
}

/// A server that has taken another's place is one to which there was no connection.
pub(super) fn another_server_without_the_last_commits(db: &TestDb) {
    if db.backend == Backend::Sqlite {
        return;
    }
    let (here, mut follower) = followed(db);
    let late = db.hold(&insert("late"));
    db.sql(&insert("a"));
    assert_changed(&here, &mut follower, &["a"]);
    late.commit();
    assert_changed(&here, &mut follower, &["late"]);
    assert_changed(&index(db, "ezdfsfile"), &mut follower.clone(), &[]);
    // The last commit does not have the highest number.
    let late = format!("WHERE name_hash = '{}'", key("late"));
    db.sql(&format!("UPDATE ezdfsfile_changes SET changed_at = changed_at + 1 {late}"));
    assert_lost(&index(db, "ezdfsfile"), &mut follower.clone(), Loss::LastBatch);
    db.sql(&format!("DELETE FROM ezdfsfile_changes {late}; DELETE FROM ezdfsfile {late}"));
    assert_lost(&index(db, "ezdfsfile"), &mut follower.clone(), Loss::LastBatch);
    assert_lost(&here, &mut restarted(&follower), Loss::LastBatch);

    let mut follower = run(here.begin_feed(NOW));
    follower.read_ahead();
    assert_lost(&index(db, "ezdfsfile"), &mut follower.clone(), Loss::ReadAhead);
    assert_changed(&here, &mut follower, &[]);
    assert_changed(&index(db, "ezdfsfile"), &mut follower, &[]);
}

/// A Galera cluster, followed by way of the second node.
pub(super) fn what_either_node_commits_is_seen_at_once(first: &TestDb, second: &str) {
    let (_, mut here) = followed(first);
    let index = index_by(second, "ezdfsfile");
    // Another server: what was seen last is there, too.
    assert_changed(&index, &mut here, &[]);
    let late = first.hold(&insert("late"));
    for n in 0..300 {
        let name = format!("images/{n}");
        let node = [&*first.dsn, second][n % 2];
        db::sql(node, &insert(&name)).unwrap();
        assert_changed(&index, &mut here, &[&name]);
    }
    late.commit();
    let mut found = Vec::new();
    while found.is_empty() {
        found = poll(&index, &mut here).0;
    }
    assert_eq!(found[0].key, key("late"));
    assert_changed(&index_by(&first.dsn, "ezdfsfile"), &mut here, &[]);
}

pub(super) fn read_only(db: &TestDb) {
    if db.backend != Backend::MariaDb {
        return;
    }
    let server = std::sync::Arc::new(mariadb::Server::start().unwrap());
    let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin").unwrap();
    let (index, mut follower) = followed(&db);
    assert_changed(&index, &mut follower, &[]);
    db.sql("SET GLOBAL read_only = 1");
    // On the connection that there is.
    let error = runtime::block_on(index.poll_feed(&mut follower, NOW)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}");
    assert!(error.to_string().contains("takes no writes"), "{error:#}");
    db.sql("SET GLOBAL read_only = 0");
    assert_changed(&index, &mut follower, &[]);
}

pub(super) fn old_entries_go_but_not_the_last(db: &TestDb) {
    let (index, mut follower) = followed(db);
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(run(index.trim_feed(day)), 0);
    let old = |count: usize| {
        let rows: Vec<_> = (0..count).map(|_| "('x', 'x', 1)").collect();
        db.sql(&format!(
            "INSERT INTO ezdfsfile_changes (name_hash, name, changed_at) VALUES {}",
            rows.join(", ")
        ));
    };
    old(9_000);
    assert_eq!(run(index.trim_feed(day)), 0);
    old(6_000);
    while !poll(&index, &mut follower).1 {}
    old(1);
    assert_eq!(poll(&index, &mut follower).0.len(), 1);
    let trimmed = run(index.trim_feed(day));
    assert!((4_000..=5_002).contains(&trimmed), "{trimmed}");
    assert_changed(&index, &mut follower, &[]);
    assert_changed(&super::index(db, "ezdfsfile"), &mut follower, &[]);
    // What is young stays, whatever lies behind it.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    db.sql(&format!("UPDATE ezdfsfile_changes SET changed_at = {now}"));
    old(15_000);
    assert_eq!(run(index.trim_feed(day)), 0);
    // Of days to come are those that were written while the clock was wrong.
    db.sql("UPDATE ezdfsfile_changes SET changed_at = 9000000000000000");
    assert!(run(index.trim_feed(day)) > 10_000);
}
