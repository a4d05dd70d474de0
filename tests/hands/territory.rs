//! What is nobody's business here stays: other tables' files, other sites' trees, backups, logs.

use serde_json::json;

use super::{FSCK, found, summary};
use crate::command::Cli;
use crate::support::db::TestDb;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("what_the_table_does_not_name_is_foreign", foreign);
    group.per_database("a_live_row_of_another_table_keeps_its_file", siblings);
    group.per_database("files_where_the_table_knows_nothing_are_no_orphans", unknown);
    group.per_database("what_is_excluded_is_left_alone", excluded);
}

const FOREIGN: [&str; 9] = [
    "a file of the root",
    "backup/2026/db.sql.gz",
    "backup/images/a.jpg",
    "lost+found/#12",
    "var/one/.snapshot/hourly/images/x.jpg",
    "var/one/cache/content/1.cache",
    "var/one/log/error.log",
    "var/one/storage/packages/p.ezpkg",
    "var/two/storage/images/1/of-another-database.jpg",
];

/// More foreign files than own ones must not look like a wrong table either.
fn foreign(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..3 {
        cli.store(&format!("var/one/storage/images/1/{number}.jpg"), b"live");
    }
    for path in FOREIGN {
        cli.lay(path, path.as_bytes());
    }
    // Beside others that the table knows, and of which none is about to come.
    cli.lay("var/one/storage/images/1/orphan.jpg", b"orphan");
    let before = cli.files();

    let dry = cli.check(&[], 7);
    assert_eq!(found(&dry), [("orphan-file", "var/one/storage/images/1/orphan.jpg")]);
    // Directories of file servers are not even entered.
    let foreign = json!({
        "": 1, "backup": 2, "var/one/cache": 1, "var/one/log": 1, "var/one/storage": 1,
        "var/two/storage": 1,
    });
    assert_eq!(summary(&dry)["foreign"], foreign);
    assert_eq!(cli.files(), before);

    cli.check(&["all"], 0);
    let mut left = before.clone();
    left.retain(|(path, _)| path != "var/one/storage/images/1/orphan.jpg");
    assert_eq!(cli.files(), left);
    assert_eq!(cli.trashed(), ["var/one/storage/images/1/orphan.jpg"]);

    // No other command takes them either.
    let state = cli.dir.path().join("state");
    cli.ends(&["purge", "--grace", "0s", "--state", state.to_str().unwrap(), "--json"], 0);
    let imported =
        cli.ends(&["import", cli.root().to_str().unwrap(), "--new-storage", "--json"], 0);
    assert_eq!((&imported[0]["added"], &imported[0]["skipped"]), (&json!(1), &json!(6)));
    for dir in ["backup", "var/one/log", "var/one/cache", "var/one/.snapshot"] {
        cli.run(&["rm", "-r", dir]);
    }
    assert_eq!(cli.files(), left);
    cli.ends(&["restore", "--json"], 0);
    assert_eq!(cli.files(), before);
}

/// Legacy's second table, and a table that is being renamed.
fn siblings(db: TestDb) {
    let cli = Cli::new(Some(db));
    cli.text(&["schema", "--create", "--table", "ezdfsfile_cache"]);
    for number in 0..3 {
        cli.store(&format!("var/one/storage/images/1/{number}.jpg"), b"live");
    }
    let theirs = ["var/one/storage/images/1/theirs.jpg", "var/one/cache/public/style.css"];
    for path in theirs {
        cli.lay(path, b"theirs");
        cli.add_row_to("ezdfsfile_cache", path, 6, super::now());
    }
    // Deleted here, and living there.
    cli.store("var/one/storage/images/1/moved.jpg", b"moved");
    cli.delete_as_legacy("var/one/storage/images/1/moved.jpg");
    cli.add_row_to("ezdfsfile_cache", "var/one/storage/images/1/moved.jpg", 5, super::now());
    let before = cli.files();

    let objects = cli.check(&["all"], 7);
    assert_eq!(found(&objects), [("orphan-file", theirs[0])]);
    assert!(objects[0]["left"].as_str().unwrap().contains("another name or table"), "{objects:?}");
    let state = cli.dir.path().join("state");
    let purge = ["purge", "--grace", "0s", "--state", state.to_str().unwrap()];
    cli.refuses(&purge, 2, &["moved.jpg", "in another table"]);
    assert_eq!((cli.files(), cli.trashed()), (before.clone(), vec![]));
    assert_eq!(cli.rows_of("ezdfsfile_cache").len(), 3);

    // The list of what is known to be right makes the check clean.
    let accepted = cli.dir.path().join("accepted");
    std::fs::write(&accepted, format!("# legacy's\norphan-file  {}\n", theirs[0])).unwrap();
    let accept = [&FSCK[..], &["--accept", accepted.to_str().unwrap()]].concat();
    let objects = cli.ends(&accept, 0);
    assert_eq!((found(&objects), &summary(&objects)["accepted"]), (vec![], &json!(1)));
}

fn unknown(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..3 {
        cli.store(&format!("var/one/storage/images/1/{number}.jpg"), b"live");
    }
    // A whole directory that the table does not speak of was not left by a deletion alone.
    for number in 0..50 {
        cli.lay(&format!("var/one/storage/images/2/{number}.jpg"), b"whose?");
    }
    let before = cli.state();
    let objects = cli.check(&["all"], 0);
    assert_eq!((found(&objects), &summary(&objects)["unknown"]), (vec![], &json!(50)));
    assert_eq!(cli.state(), before);
    let text = cli.text(&["fsck", "--grace", "0s"]);
    assert!(text.contains("50 files in directories of which the table knows nothing"), "{text}");
}

fn excluded(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..6 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    cli.add_row("images/1/lost.bak", 1);
    cli.lay("images/1/orphan.bak", b"orphan");
    cli.lay("images/1/tmp/deep/orphan.jpg", b"orphan");
    cli.lay("images/1/orphan.jpg", b"orphan");
    cli.store("images/1/due.bak", b"due");
    cli.delete_as_legacy("images/1/due.bak");
    let before = cli.state();
    let exclude =
        ["--exclude", "**/*.bak", "--exclude", "images/1/tmp", "--exclude", "*/1/orphan.*"];
    let objects = cli.ends(&[&FSCK[..], &["--repair", "all"], &exclude].concat(), 0);
    assert_eq!(found(&objects), []);
    let state = cli.dir.path().join("state");
    let purge = ["purge", "--grace", "0s", "--json", "--state", state.to_str().unwrap()];
    assert_eq!(cli.ends(&[&purge[..], &exclude].concat(), 0)[0]["foreign"], 1);
    let import = ["import", cli.root().to_str().unwrap(), "--json"].map(str::to_owned);
    let import: Vec<_> = import.iter().map(String::as_str).chain(exclude).collect();
    assert_eq!(cli.ends(&import, 0)[0]["added"], 0);
    assert_eq!((cli.state(), cli.trashed()), (before, vec![]));
    cli.refuses(&[&FSCK[..], &["--exclude", "["]].concat(), 2, &["is no glob"]);
}
