//! What is swept when a directory goes: nothing that has a live row, whatever that is called.

use std::fs::{self, File};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::clock::at_another_time;
#[cfg(feature = "failpoints")]
use super::held::{Held, stepping};
use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Result, Servers, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND, Need::Programs(&["cc"])]);
    group.per_database("a_sweep_asks_the_table", asks_the_table);
    group.per_database("a_sweep_takes_old_orphans_to_the_trash", old_orphans);
    #[cfg(feature = "failpoints")]
    group.per_database("what_is_stored_while_a_directory_goes_stays", stored_meanwhile);
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("names_of_four_byte_characters_go_with_their_directory", four_bytes);
    let mut group = trials.group("hands", &[Need::COMMAND, Need::MARIADB]);
    group.add("names_of_four_byte_characters_go_in_a_binary_collation", four_bytes_in_binary);
}

/// Longer than anybody's grace.
const OLD: i64 = 86_400;

/// A row that speaks of the file of this path, and does not say so.
fn add_spoilt_row(cli: &Cli, path: &str, said: &str, size: usize) {
    let key = md5(path);
    cli.sql(&format!(
        "INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime)
         VALUES ('{said}', '{said}', '{key}', 'image/png', 'image', {size}, 1500000000)"
    ));
}

fn asks_the_table(db: TestDb) {
    let cli = Cli::new(Some(db));
    cli.store("images/kept/1.jpg", b"elsewhere");
    cli.store("images/gone/1.jpg", b"to be deleted");
    // The character set of a connection made another directory of this one.
    let spoilt = "images/gone/d\u{e9}j\u{e0} vu.jpg";
    cli.lay(spoilt, b"spoilt");
    add_spoilt_row(&cli, spoilt, "images/g?ne/d?j? vu.jpg", 6);
    // Another spelling leads to it.
    cli.lay("images/gone/alias.jpg", b"alias");
    cli.add_row("images//gone/alias.jpg", 5);
    assert_eq!(cli.read(spoilt), b"spoilt");

    let output = at_another_time(cli.with_store(&["rm", "-r", "images/gone", "--json"]), 0, OLD);
    let output = { output }.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(cli.read(spoilt), b"spoilt");
    assert!(!cli.path("images/gone/1.jpg").exists());
}

fn old_orphans(db: TestDb) {
    let cli = Cli::new(Some(db));
    cli.store("images/kept/1.jpg", b"elsewhere");
    cli.store("images/gone/1.jpg", b"to be deleted");
    cli.lay("images/gone/deep/orphan.jpg", b"orphan");
    cli.lay("images/gone/.nfs0001", b"open somewhere");
    cli.lay("images/gone/.DS_Store", b"nobody's");
    // By its time it is old, by its change it is not.
    cli.lay("images/gone/copied.jpg", b"copied with its old time");
    let old = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let copied = cli.path("images/gone/copied.jpg");
    File::options().append(true).open(&copied).unwrap().set_modified(old).unwrap();

    let listed = cli.ends(&["rm", "-r", "images/gone", "--dry-run", "--json"], 0);
    let names: Vec<_> = listed.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(
        names,
        ["images/gone/1.jpg", "images/gone/copied.jpg", "images/gone/deep/orphan.jpg"]
    );
    assert!(cli.path("images/gone/1.jpg").exists());
    cli.ends(&["rm", "-r", "images/gone", "--json"], 0);
    assert_eq!(fs::read(&copied).unwrap(), b"copied with its old time", "it changed just now");

    let command = cli.with_store(&["rm", "-r", "images/gone", "--json"]);
    let output = { at_another_time(command, 0, OLD) }.output().unwrap();
    let outcome = super::lines(&output);
    assert_eq!((&outcome[0]["rows"], &outcome[0]["files"]), (&json!(0), &json!(2)));
    assert_eq!(cli.trashed(), ["images/gone/copied.jpg", "images/gone/deep/orphan.jpg"]);
    for debris in [".nfs0001", ".DS_Store"] {
        assert!(cli.path("images/gone").join(debris).exists(), "{debris}");
    }
    cli.ends(&["restore", "images/gone/deep/orphan.jpg", "--json"], 0);
    assert_eq!(fs::read(cli.path("images/gone/deep/orphan.jpg")).unwrap(), b"orphan");
    assert!(!copied.exists());
}

/// Rows are read in the order of their keys: what comes before is not read again.
#[cfg(feature = "failpoints")]
fn stored_meanwhile(db: TestDb) -> Result {
    let cli = Cli::new(Some(db));
    cli.store("images/kept/1.jpg", b"elsewhere");
    let mut paths: Vec<_> = (0..20).map(|number| format!("images/gone/{number}.jpg")).collect();
    paths.sort_by_key(|path| md5(path));
    let (last, meanwhile) = (paths.pop().ok_or("a path")?, &paths[..3]);
    cli.store(&last, b"to be deleted");

    let command = stepping(&cli, &["rm", "-r", "images/gone", "--json"]);
    let held = Held::at(&cli, "soft-deleted", at_another_time(command, 0, OLD))?;
    let source = cli.dir.path().join("source");
    fs::write(&source, b"stored anew")?;
    cli.text(&["put", &meanwhile[0], source.to_str().ok_or("UTF-8")?]);
    // An import gives rows the files' times, which may be old.
    cli.store(&meanwhile[1], b"imported");
    cli.lay(&meanwhile[2], b"without a row");
    let output = held.release()?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(cli.read(&meanwhile[0]), b"stored anew");
    assert_eq!(cli.read(&meanwhile[1]), b"imported");
    assert_eq!(cli.trashed(), std::slice::from_ref(&meanwhile[2]));
    assert!(!cli.path(&last).exists());
    Ok(())
}

const NAMES: [&str; 4] =
    ["images/1.jpg", "images/\u{1f600}.jpg", "images/\u{1f600}/a.jpg", "images/\u{10ffff}/b.jpg"];

fn assert_all_go(cli: &Cli) {
    let source = cli.dir.path().join("source");
    fs::write(&source, b"bytes").unwrap();
    for name in NAMES {
        cli.text(&["put", name, source.to_str().unwrap()]);
    }
    cli.store("other/1.jpg", b"elsewhere");
    let listed = cli.text(&["ls", "images"]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), NAMES);
    let removed = cli.ends(&["rm", "-r", "images", "--json"], 0);
    assert_eq!(
        (&removed[0]["rows"], &removed[0]["files"], &removed[0]["left"]),
        (&json!(4), &json!(4), &json!(0))
    );
    assert_eq!((cli.rows().len(), cli.files().len()), (1, 1));
}

fn four_bytes(db: TestDb) {
    assert_all_go(&Cli::new(Some(db)));
}

fn four_bytes_in_binary(servers: &Servers) -> Result {
    let db = TestDb::mariadb(servers, "utf8mb4", "utf8mb4_bin")?;
    assert_eq!(db.backend, Backend::MariaDb);
    assert_all_go(&Cli::new(Some(db)));
    Ok(())
}
