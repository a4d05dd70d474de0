//! The trash: no door leads into it, and it is emptied when its time has come.

use std::fs;

use serde_json::{Value, json};

use super::{TRASH, found};
use crate::command::{Cli, stderr};
use crate::store::{id, refused};
use crate::support::db::TestDb;
use crate::support::{Need, Trials};
use ezdfs::{ErrorKind, FileId};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("no_door_leads_into_the_trash", no_door);
    group.per_database("the_trash_is_emptied_when_its_time_has_come", emptied);
    group.per_database("what_a_live_row_needs_is_not_emptied", needed);
    group.per_database("what_lives_in_another_table_is_not_emptied", needed_elsewhere);
}

fn site(db: TestDb) -> Cli {
    let cli = Cli::new(Some(db));
    for number in 0..5 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    for number in 0..3 {
        cli.lay(&format!("images/1/orphan-{number}.jpg"), b"orphan");
    }
    cli.check(&["orphan-file"], 0);
    assert_eq!(cli.trashed().len(), 3);
    cli
}

fn no_door(db: TestDb) {
    let cli = site(db);
    let day = fs::read_dir(cli.path(TRASH)).unwrap().flatten();
    let day = day.map(|entry| entry.file_name().into_string().unwrap());
    let day = day.min_by_key(String::len).unwrap();
    let path = format!("{TRASH}/{day}/images/1/orphan-0.jpg");
    assert!(cli.path(&path).exists(), "{path}");
    // Not even with a row that names it.
    cli.add_row(&path, 6);
    let source = cli.dir.path().join("source");
    fs::write(&source, b"x").unwrap();
    for arguments in [
        &["get", path.as_str()][..],
        &["stat", &path],
        &["put", &path, source.to_str().unwrap()],
        &["rm", &path],
        &["mv", &path, "images/1/new.jpg"],
        &["mv", "images/1/1.jpg", &path],
        &["ls", TRASH],
        &["rm", "-r", TRASH],
        &["fsck", TRASH],
    ] {
        let output = cli.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(FileId::parse(&path).unwrap_err().kind(), ErrorKind::InvalidName);
    let listed = cli.text(&["ls"]);
    assert!(!listed.contains("orphan"), "{listed}");
    // A root of its own is no way in either: nothing there has a row.
    let inside = cli.path(TRASH).join(&day);
    let output = cli.run(&["get", "images/1/orphan-0.jpg", "--root", inside.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let before = cli.files();
    let trash = cli.trashed();
    let root = cli.root();
    let imported = cli.ends(&["import", root.to_str().unwrap(), "--json"], 0);
    assert_eq!((&imported[0]["added"], &imported[0]["unchanged"]), (&json!(0), &json!(5)));
    let objects = cli.check(&[], 7);
    assert_eq!(found(&objects), [("alias", path.as_str())], "{objects:?}");
    assert_eq!((cli.files(), cli.trashed()), (before, trash));
    refused(cli.library(&[]).open(&id("images/1/orphan-0.jpg")), ErrorKind::NotFound);
}

/// Gives all that is in the trash another date.
fn age(cli: &Cli, date: &str) {
    for entry in fs::read_dir(cli.path(TRASH)).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let aged = cli.path(TRASH).join(format!("{date}{}", &name[10..]));
        fs::rename(entry.path(), &aged).unwrap();
        if aged.is_file() {
            let text = fs::read_to_string(&aged).unwrap();
            fs::write(&aged, text.replace(&name[..10], date)).unwrap();
        }
    }
}

fn empty(cli: &Cli, arguments: &[&str]) -> Value {
    let all = [&["purge", "--trash", "--json"], arguments].concat();
    cli.ends(&all, 0)[0].clone()
}

fn emptied(db: TestDb) {
    let cli = site(db);
    // Of today nothing goes, whatever the grace: the day is not over.
    for grace in ["30d", "0s"] {
        assert_eq!(empty(&cli, &["--grace", grace])["files"], 0);
    }
    assert_eq!(cli.trashed().len(), 3);
    age(&cli, "2026-01-01");
    let dry = empty(&cli, &["-n"]);
    assert_eq!((&dry["files"], &dry["dry_run"], cli.trashed().len()), (&json!(3), &json!(true), 3));
    let before = cli.state();
    cli.refuses_only(&["purge", "--trash", "--max-remove", "2"], 2, &["--max-remove 3"]);
    assert_eq!((cli.state(), cli.trashed().len()), (before.clone(), 3));
    assert_eq!(empty(&cli, &["--grace", "10000d"])["files"], 0);
    let gone = empty(&cli, &[]);
    assert_eq!((&gone["files"], &gone["journals"]), (&json!(3), &json!(1)));
    assert_eq!((cli.state(), cli.trashed()), (before, vec![]));
    assert_eq!(cli.ends(&["restore", "--json"], 0)[0]["files"], 0);
}

/// Somebody has stored its row again, and has no bytes.
fn needed(db: TestDb) {
    let cli = site(db);
    age(&cli, "2026-01-01");
    cli.add_row("images/1/orphan-1.jpg", 6);
    let gone = empty(&cli, &[]);
    assert_eq!(
        (&gone["files"], &gone["needed"], &gone["journals"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(cli.trashed(), ["images/1/orphan-1.jpg"]);
    let output = cli.run(&["purge", "--trash"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("1 files stay") && text.contains("ezdfs restore"), "{text}");
    let restored = cli.run(&["restore", "images/1/orphan-1.jpg"]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert_eq!(cli.read("images/1/orphan-1.jpg"), b"orphan");
}

/// Nor by a command that is pointed at another table or prefix.
fn needed_elsewhere(db: TestDb) {
    let cli = site(db);
    age(&cli, "2026-01-01");
    cli.text(&["schema", "--create", "--table", "other"]);
    cli.add_row_to("other", "images/1/orphan-1.jpg", 6, super::now());
    cli.add_row("images/1/orphan-2.jpg", 6);
    for with in [&["--table", "other"][..], &["--name-prefix", "images"], &[]] {
        let emptied = empty(&cli, with);
        assert_eq!(emptied["needed"], 2, "{with:?}");
    }
    assert_eq!(cli.trashed(), ["images/1/orphan-1.jpg", "images/1/orphan-2.jpg"]);
}
