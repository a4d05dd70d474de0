//! Overwrites that died before their commit: no repair and no import makes them final, and no clean-up
//! takes the bytes that were acknowledged.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::{FSCK, found};
use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::TestDb;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("a_size_is_not_taken_from_an_interrupted_overwrite", size_alone);
    group.per_database("kept_bytes_are_no_debris_of_their_row", staging_alone);
    group.per_database("an_interrupted_overwrite_is_not_registered", import);
    group.per_database("kept_bytes_come_back_where_nothing_is_in_place", nothing_in_place);
    group.per_database("all_at_once_puts_the_acknowledged_bytes_back", all);
}

const PATH: &str = "images/1/a.jpg";
const OLD: &[u8] = b"acknowledged";
const NEW: &[u8] = b"of a write that was never committed";

/// What such a write leaves; says under which name the old file is.
fn site(db: TestDb) -> (Cli, String) {
    let cli = Cli::new(Some(db));
    for number in 0..5 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    cli.store(PATH, OLD);
    cli.lay("images/1/staged", NEW);
    let inode = fs::metadata(cli.path("images/1/staged")).unwrap().ino();
    let row = fs::metadata(cli.path(PATH)).unwrap();
    let label = format!("{}-{:x}-{:x}-{inode:x}", md5("a.jpg"), row.len(), row.mtime());
    let kept = format!("images/1/.ezdfs-old-{label}-0123456789abcdef");
    fs::hard_link(cli.path(PATH), cli.path(&kept)).unwrap();
    fs::rename(cli.path("images/1/staged"), cli.path(PATH)).unwrap();
    (cli, kept)
}

#[track_caller]
fn finding<'o>(objects: &'o [Value], class: &str) -> &'o Value {
    objects.iter().find(|one| one["class"] == class).unwrap_or_else(|| panic!("{objects:?}"))
}

fn size_alone(db: TestDb) {
    let (cli, kept) = site(db);
    let before = cli.state();
    let objects = cli.check(&["size-mismatch"], 7);
    let mismatch = finding(&objects, "size-mismatch");
    assert_eq!((&mismatch["path"], &mismatch["repaired"]), (&json!(PATH), &json!(false)));
    let left = mismatch["left"].as_str().unwrap();
    assert!(left.contains("repair interrupted-overwrite first"), "{left}");
    assert_eq!(finding(&objects, "interrupted-overwrite")["path"], json!(kept));
    assert_eq!(cli.state(), before);
    assert_put_back(&cli);
}

fn staging_alone(db: TestDb) {
    let (cli, _) = site(db);
    let before = cli.state();
    cli.check(&["stale-staging"], 7);
    assert_eq!((cli.state(), cli.trashed()), (before, vec![]));
    let only = [&FSCK[..], &["--only", "stale-staging", "--repair", "stale-staging"]].concat();
    cli.run(&only);
    assert_put_back(&cli);
}

#[track_caller]
fn assert_put_back(cli: &Cli) {
    let objects = cli.check(&["interrupted-overwrite"], 0);
    assert_eq!(finding(&objects, "interrupted-overwrite")["repaired"], true);
    assert_eq!(cli.read(PATH), OLD);
    assert_eq!(found(&cli.check(&[], 0)), []);
}

fn import(db: TestDb) {
    let (cli, _) = site(db);
    let before = cli.state();
    for more in [&["--dry-run"][..], &[]] {
        let root = cli.root();
        let import = [&["import", root.to_str().unwrap(), "--json"], more].concat();
        let output = cli.run(&import);
        assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
        assert!(stderr(&output).contains("--repair interrupted-overwrite"), "{}", stderr(&output));
        let counts = super::lines(&output);
        let counts = super::summary(&counts);
        assert_eq!((&counts["updated"], &counts["failed"]), (&json!(0), &json!(1)));
        assert_eq!(cli.state(), before);
    }
    assert_put_back(&cli);
}

fn nothing_in_place(db: TestDb) {
    let (cli, _) = site(db);
    fs::remove_file(cli.path(PATH)).unwrap();
    let before = cli.state();
    let objects = cli.check(&["missing-file"], 7);
    let left = finding(&objects, "missing-file")["left"].as_str().unwrap();
    assert!(left.contains("repair interrupted-overwrite first"), "{left}");
    assert_eq!(cli.state(), before);
    cli.check(&["all"], 0);
    assert_eq!((cli.read(PATH), cli.trashed()), (OLD.to_vec(), vec![]));
    assert_eq!(found(&cli.check(&[], 0)), []);
}

fn all(db: TestDb) {
    let (cli, _) = site(db);
    cli.check(&["all"], 0);
    assert_eq!((cli.read(PATH), cli.trashed()), (OLD.to_vec(), vec![PATH.to_owned()]));
    assert_eq!(found(&cli.check(&[], 0)), []);
}
