//! What somebody ordered outright, in the wrong place: `rm` with a copy of the table, more than was said,
//! rows on a root that is not mounted, results written into the tree; and what stands in the way of others.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::TestDb;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("rm_with_a_copy_of_the_table_leaves_the_files", copied_table);
    group.per_database("the_limit_holds_for_all_that_is_named", limit);
    group.per_database("rows_alone_do_not_go_from_a_root_that_is_not_mounted", unmounted);
    group.add("nothing_is_written_into_the_tree", |_| outputs());
    group.per_database("a_file_without_a_row_does_not_come_back_under_another_row", other_row);
    group.per_database("a_path_too_long_for_the_trash_goes_and_comes_back", long_path);
    group.per_database("an_interrupted_overwrite_leaves_what_it_replaces", replaced);
}

fn site(db: TestDb) -> Cli {
    let cli = Cli::new(Some(db));
    for number in 0..8 {
        cli.store(&format!("images/{}/{number}.jpg", number % 2), b"a picture");
    }
    cli
}

/// As an administrator copies a table, before a change.
fn copied_table(db: TestDb) {
    let cli = site(db);
    cli.sql("CREATE TABLE copy_of_dfs AS SELECT * FROM ezdfsfile");
    cli.sql("CREATE UNIQUE INDEX copy_key ON copy_of_dfs (name_hash)");
    let files = cli.files();
    cli.ends(&["rm", "images/0/0.jpg", "--table", "copy_of_dfs"], 0);
    cli.ends(&["rm", "-r", "images/1", "--table", "copy_of_dfs"], 0);
    assert_eq!(cli.files(), files);
    assert_eq!(cli.read("images/0/0.jpg"), b"a picture");
    // The right one: the copy's rows of these are gone by now.
    cli.ends(&["rm", "images/0/0.jpg"], 0);
    assert!(!cli.path("images/0/0.jpg").exists());
}

fn limit(db: TestDb) {
    let cli = site(db);
    let files = cli.files();
    for arguments in [
        &["rm", "images/0/0.jpg", "--max-remove", "0"][..],
        &["rm", "images/0/0.jpg", "images/0/2.jpg", "--max-remove", "1"],
        &["rm", "-r", "images/0", "images/1", "--max-remove", "7"],
    ] {
        let output = cli.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("--max-remove"), "{}", stderr(&output));
    }
    // Those that a sweep would take count as well.
    cli.lay("images/1/rowless.jpg", b"x");
    assert_eq!(cli.code(&["rm", "-r", "images/0", "images/1", "--max-remove", "8"]), 2);
    fs::remove_file(cli.path("images/1/rowless.jpg")).unwrap();
    assert_eq!(cli.files(), files);
    cli.ends(&["rm", "-r", "images/0", "images/1", "--max-remove", "8"], 0);
}

fn unmounted(db: TestDb) {
    let cli = site(db);
    let away = cli.dir.path().join("away");
    fs::rename(cli.root(), &away).unwrap();
    fs::create_dir(cli.root()).unwrap();
    cli.ends(&["rm", "-r", "--row-only", "images"], 3);
    cli.ends(&["rm", "--row-only", "images/0/0.jpg"], 3);
    cli.ends(&["restore", "--json"], 3);
    cli.ends(&["purge", "--trash", "--json"], 3);
    fs::remove_dir(cli.root()).unwrap();
    fs::rename(&away, cli.root()).unwrap();
    assert_eq!(cli.read("images/0/0.jpg"), b"a picture");
}

fn outputs() {
    let cli = Cli::new(None);
    cli.store("images/1/a.jpg", b"a picture");
    cli.store("images/1/b.jpg", b"another");
    let files = cli.files();
    let target = cli.path("images/1/b.jpg");
    let target = target.to_str().unwrap();
    cli.ends(&["get", "images/1/a.jpg", target], 2);
    cli.ends(&["get", "images/1/b.jpg", target], 2);
    cli.ends(&["fsck", "--report", target], 2);
    cli.ends(&["purge", "--state", target], 2);
    assert_eq!(cli.files(), files);
    cli.ends(&["restore", "images/1/nothing.jpg"], 1);
}

fn other_row(db: TestDb) {
    let cli = site(db);
    cli.lay("images/0/orphan.jpg", b"of nobody");
    cli.check(&["orphan-file"], 0);
    cli.add_row("images/0/orphan.jpg", 999);
    cli.ends(&["restore", "--json"], 2);
    assert!(!cli.path("images/0/orphan.jpg").exists());
    cli.sql(&format!("DELETE FROM ezdfsfile WHERE name_hash = '{}'", md5("images/0/orphan.jpg")));
    cli.ends(&["restore", "--json"], 0);
    assert_eq!(fs::read(cli.path("images/0/orphan.jpg")).unwrap(), b"of nobody");
}

/// Beneath the trash it has a name of its own.
fn long_path(db: TestDb) {
    let cli = site(db);
    let orphan = |deep: usize| {
        let directories = format!("{}/", "d".repeat(200)).repeat(deep);
        let rest = 4080 - "images/0/".len() - directories.len();
        format!("images/0/{directories}{}", "f".repeat(rest))
    };
    let path = orphan(19);
    assert_eq!(path.len(), 4080);
    // Too long for one call from outside the root.
    let mut at = std::process::Command::new("sh");
    let script = "set -e; path=$1; while [ \"${path#*/}\" != \"$path\" ]; do
        mkdir -p \"${path%%/*}\"; cd -P \"${path%%/*}\"; path=${path#*/}; done; printf long > \"$path\"";
    let made = at.args(["-c", script, "sh", &path]).current_dir(cli.root()).status().unwrap();
    assert!(made.success());
    let sibling = format!("{}/known.jpg", path.rsplit_once('/').unwrap().0);
    cli.add_row(&sibling, 1);
    let found = cli.check(&["orphan-file"], 7);
    assert!(found.iter().any(|one| one["repaired"] == true), "{found:?}");
    cli.ends(&["restore", "--json"], 0);
    let again = cli.ends(&super::FSCK, 7);
    assert!(again.iter().any(|one| one["class"] == "orphan-file"), "{again:?}");
}

/// Nobody acknowledged it; but who knows.
fn replaced(db: TestDb) {
    let cli = site(db);
    let (id, name) = ("images/0/0.jpg", "0.jpg");
    let staged = cli.path("images/0/staged");
    fs::write(&staged, b"a puzzle!").unwrap();
    // A version of its own.
    let later = UNIX_EPOCH + Duration::from_secs(super::now() as u64 + 1);
    fs::File::options().write(true).open(&staged).unwrap().set_modified(later).unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&staged).unwrap());
    let row = fs::metadata(cli.path(id)).unwrap();
    let (size, mtime) = (row.len(), std::os::unix::fs::MetadataExt::mtime(&row));
    let label = format!(".ezdfs-old-{}-{size:x}-{mtime:x}-{inode:x}-0123456789abcdef", md5(name));
    fs::hard_link(cli.path(id), cli.path("images/0").join(label)).unwrap();
    fs::rename(staged, cli.path(id)).unwrap();
    cli.check(&["interrupted-overwrite"], 0);
    assert_eq!(cli.read(id), b"a picture");
    assert_eq!(cli.trashed(), [id]);
}
