//! Putting back: everything, a part, and nothing over what somebody stored since.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::{TRASH, summary};
use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::TestDb;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("all_that_went_comes_back_whole", whole);
    group.per_database("ids_keys_and_times_choose_what_comes_back", chosen);
    group.per_database("what_was_stored_since_then_stays", conflicts);
    group.per_database("what_is_back_does_not_come_again", once);
    group.per_database("a_journal_that_breaks_off_is_read_to_its_end", torn);
    group.per_database("rows_of_another_table_are_not_put_into_this_one", other_table);
    group.per_database("after_the_table_was_restored_nothing_is_lost", older_table);
}

const KEPT: &str = "images/1/kept.jpg";

/// Files and rows of each kind that maintenance takes away.
fn site(db: TestDb) -> Cli {
    let cli = Cli::new(Some(db));
    for number in 0..5 {
        cli.store(&format!("images/1/{number}.jpg"), format!("live {number}").as_bytes());
    }
    cli.store(KEPT, b"kept");
    cli.lay("images/1/orphan.jpg", b"orphan");
    cli.add_row("images/1/missing.jpg", 7);
    // What only legacy writes has to come back as it was, too.
    for (path, trunk) in [("images/1/due.jpg", "images/1"), ("images/1/it's due \u{e9}.jpg", "")] {
        cli.store(path, b"deleted");
        cli.sql(&format!(
            "UPDATE ezdfsfile SET name_trunk = '{trunk}', datatype = 'misc', scope = 'mediafile'
             WHERE name_hash = '{}'",
            md5(path)
        ));
        cli.delete_as_legacy(path);
    }
    cli
}

fn purge(cli: &Cli) {
    let state = cli.dir.path().join("state");
    cli.ends(&["purge", "--grace", "0s", "--state", state.to_str().unwrap(), "--json"], 0);
}

fn take_all(cli: &Cli) {
    cli.check(&["all"], 0);
    purge(cli);
}

fn whole(db: TestDb) {
    let cli = site(db);
    let before = cli.state();
    take_all(&cli);
    cli.text(&["rm", "-r", "--row-only", "images"]);
    assert_eq!(cli.rows(), [""; 0]);
    let dry = cli.ends(&["restore", "-n", "--json"], 0);
    let counts = summary(&dry);
    assert_eq!((&counts["rows"], &counts["files"], dry.len()), (&json!(9), &json!(3), 11));
    assert_eq!((cli.rows().len(), cli.trashed().len()), (0, 3));
    let restored = cli.ends(&["restore", "--json"], 0);
    let counts = summary(&restored);
    assert_eq!((&counts["rows"], &counts["files"]), (&json!(9), &json!(3)));
    assert_eq!((cli.state(), cli.trashed()), (before, vec![]));
}

fn chosen(db: TestDb) {
    let cli = site(db);
    take_all(&cli);
    let restore = |arguments: &[&str]| {
        let restored = cli.ends(&[&["restore", "--json"], arguments].concat(), 0);
        let counts = summary(&restored).clone();
        (counts["rows"].as_u64().unwrap(), counts["files"].as_u64().unwrap())
    };
    cli.ends(&["restore", "--json", "images/1/no-such.jpg"], 1);
    assert_eq!(restore(&["--since", "2999-01-01"]), (0, 0));
    cli.ends(&["restore", "--since", "2999-01-01T00:00:00Z", "images/1/orphan.jpg"], 1);
    assert_eq!(restore(&["images/1/orphan.jpg"]), (0, 1));
    assert_eq!(restore(&["images/1/due.jpg", &md5("images/1/missing.jpg")]), (2, 1));
    assert_eq!(restore(&["--since", "1h"]), (1, 1));
    cli.refuses_only(&["restore", "--since", "yesterday"], 2, &["yesterday"]);
    assert_eq!(cli.trashed(), [""; 0]);
}

fn conflicts(db: TestDb) {
    let cli = site(db);
    take_all(&cli);
    let source = cli.dir.path().join("source");
    fs::write(&source, b"stored since").unwrap();
    for path in ["images/1/due.jpg", "images/1/orphan.jpg", "images/1/missing.jpg"] {
        cli.text(&["put", path, source.to_str().unwrap()]);
    }
    let output = cli.run(&["restore", "--json"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    for path in ["images/1/due.jpg", "images/1/orphan.jpg", "images/1/missing.jpg"] {
        assert_eq!(cli.read(path), b"stored since");
        assert!(stderr(&output).contains(path), "{}", stderr(&output));
    }
    let counts = super::lines(&output);
    assert_eq!((&counts[0]["rows"], &counts[0]["failed"]), (&json!(1), &json!(3)));
    // What could not be put back is there still.
    assert_eq!(cli.trashed(), ["images/1/due.jpg", "images/1/orphan.jpg"]);
    cli.text(&["rm", "images/1/due.jpg"]);
    cli.ends(&["restore", "images/1/due.jpg", "--json"], 0);
    assert_eq!(fs::read(cli.path("images/1/due.jpg")).unwrap(), b"deleted");
    assert_eq!(cli.code(&["get", "images/1/due.jpg"]), 1, "legacy had deleted it");
}

/// Taken away, put back and taken away again: each time anew.
fn once(db: TestDb) {
    let cli = site(db);
    let before = cli.state();
    for _ in 0..3 {
        take_all(&cli);
        assert_ne!(cli.state(), before);
        cli.ends(&["restore", "--json"], 0);
        assert_eq!(cli.state(), before);
        let again = cli.ends(&["restore", "--json"], 0);
        assert_eq!((&again[0]["rows"], &again[0]["files"]), (&json!(0), &json!(0)));
    }
    // Of several files of one path each has its own place.
    cli.lay("images/1/orphan.jpg", b"first");
    cli.check(&["orphan-file"], 7);
    cli.lay("images/1/orphan.jpg", b"second");
    cli.check(&["orphan-file"], 7);
    assert_eq!(cli.trashed(), ["images/1/orphan.jpg", "images/1/orphan.jpg"]);
    let output = cli.run(&["restore", "images/1/orphan.jpg", "--json"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(fs::read(cli.path("images/1/orphan.jpg")).unwrap(), b"second", "the newest first");
    assert_eq!(cli.trashed(), ["images/1/orphan.jpg"]);
}

/// The last line of a run that was killed.
fn torn(db: TestDb) {
    let cli = site(db);
    let before = cli.state();
    take_all(&cli);
    for entry in fs::read_dir(cli.path(TRASH)).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            let mut text = fs::read_to_string(entry.path()).unwrap();
            text.push_str("{\"time\":\"2026-01-01T00:0");
            fs::write(entry.path(), text).unwrap();
        }
    }
    cli.ends(&["restore", "--json"], 0);
    assert_eq!(cli.state(), before);
}

fn other_table(db: TestDb) {
    let cli = site(db);
    cli.text(&["schema", "--create", "--table", "other"]);
    let before = cli.state();
    take_all(&cli);
    let taken = cli.rows();
    // Files without a row are nobody's: they come back whoever asks.
    let dsn = format!("sqlite:{}/other.sqlite", cli.dir.path().display());
    cli.text(&["schema", "--create", "--dsn", &dsn]);
    for other in [["--table", "other"], ["--dsn", &dsn]] {
        let restored = cli.ends(&[&["restore", "--json"][..], &other].concat(), 0);
        assert_eq!((&restored[0]["rows"], &restored[0]["elsewhere"]), (&json!(0), &json!(3)));
        let text = cli.text(&[&["restore", "-n"][..], &other].concat());
        assert!(text.contains("3 rows of other tables or databases"), "{text}");
    }
    assert_eq!((cli.rows_of("other"), cli.rows()), (vec![], taken));
    assert_eq!(cli.text(&["ls", "--dsn", &dsn]), "");
    cli.ends(&["restore", "--json"], 0);
    assert_eq!(cli.state(), before);
}

/// An older copy of the table, as docs/operations.md says what to do.
fn older_table(db: TestDb) {
    let cli = Cli::new(Some(db));
    let hours_ago = super::now() - 7200;
    let old = |path: &str, bytes: &[u8]| {
        cli.lay(path, bytes);
        let file = fs::File::options().append(true).open(cli.path(path)).unwrap();
        let time = Duration::from_secs(hours_ago.unsigned_abs());
        file.set_modified(UNIX_EPOCH + time).unwrap();
        cli.add_row_to("ezdfsfile", path, bytes.len(), hours_ago);
    };
    for number in 0..12 {
        old(&format!("images/1/{number}.jpg"), b"old");
    }
    let backup = cli.rows();
    // Since then: stored, overwritten, deleted by ezdfs, deleted by legacy and purged.
    let source = cli.dir.path().join("source");
    fs::write(&source, b"stored since").unwrap();
    cli.text(&["put", "images/1/new.jpg", source.to_str().unwrap()]);
    cli.text(&["put", "images/1/1.jpg", source.to_str().unwrap()]);
    cli.text(&["rm", "images/1/2.jpg"]);
    cli.delete_as_legacy("images/1/3.jpg");
    purge(&cli);
    let files = cli.files();
    cli.sql("DELETE FROM ezdfsfile");
    for number in 0..12 {
        cli.add_row_to("ezdfsfile", &format!("images/1/{number}.jpg"), 3, hours_ago);
    }
    assert_eq!(cli.rows(), backup);

    let objects = cli.check(&["orphan-file"], 7);
    let orphan = objects.iter().find(|one| one["class"] == "orphan-file").unwrap();
    assert!(orphan["left"].as_str().unwrap().contains("newer than any row"), "{orphan}");
    assert_eq!(cli.files(), files);
    let imported = cli.ends(&["import", cli.root().to_str().unwrap(), "--json"], 0);
    assert_eq!((&imported[0]["added"], &imported[0]["updated"]), (&json!(1), &json!(1)));
    // What was purged since lives again in this table, and its file is to be had.
    let restored = cli.ends(&["restore", "--json"], 0);
    assert_eq!((&restored[0]["rows"], &restored[0]["files"]), (&json!(0), &json!(1)));
    assert_eq!(cli.read("images/1/3.jpg"), b"old");
    for path in ["images/1/new.jpg", "images/1/1.jpg"] {
        assert_eq!(cli.read(path), b"stored since");
    }
    let objects = cli.check(&["missing-file"], 0);
    assert_eq!(super::found(&objects), [("missing-file", "images/1/2.jpg")]);
    assert_eq!(super::found(&cli.check(&[], 0)), []);
}
