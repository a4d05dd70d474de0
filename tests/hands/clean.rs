//! Names that led nowhere: each has a class, and a way to be rid of it.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::json;

use super::{found, summary};
use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::TestDb;
use crate::support::{Need, Result, Servers, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("aliases_go_by_their_keys", aliases);
    group.per_database("a_row_on_a_directory_goes_alone", on_a_directory);
    group.per_database("names_that_are_not_utf8_are_told_and_left", not_utf8);
    group.per_database("a_name_in_another_form_is_one_picture", forms);
    let mut group = trials.group("hands", &[Need::COMMAND, Need::MARIADB]);
    group.add("keys_in_upper_case_are_repaired", key_case);
}

fn site(db: TestDb) -> Cli {
    let cli = Cli::new(Some(db));
    for number in 0..5 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    cli
}

fn aliases(db: TestDb) {
    let cli = site(db);
    // One whose path has no row of its own, one whose path has, and one that leads nowhere.
    cli.lay("images/1/alone.jpg", b"alone");
    cli.add_row("images//1/alone.jpg", 5);
    cli.add_row("images/./1/1.jpg", 4);
    cli.add_row("../outside.jpg", 1);
    let before = cli.state();
    let objects = cli.check(&[], 7);
    let mut names = found(&objects);
    names.sort_unstable();
    let alias = |path| ("alias", path);
    assert_eq!(names, ["../outside.jpg", "images/./1/1.jpg", "images//1/alone.jpg"].map(alias));
    cli.refuses(&["rm", "images//1/alone.jpg"], 2, &["images//1/alone.jpg"]);

    // The second row of a file that has one goes; its file stays.
    let objects = cli.check(&["all"], 7);
    let repaired: Vec<_> = objects.iter().filter(|one| one["repaired"] == true).collect();
    assert_eq!((repaired.len(), &repaired[0]["path"]), (1, &json!("images/./1/1.jpg")));
    assert_eq!(repaired[0]["row"]["name"], "images/./1/1.jpg");
    assert_eq!(cli.files(), before.1);
    // What fsck says of the others is what helps.
    for name in ["images//1/alone.jpg", "../outside.jpg"] {
        let one = objects.iter().find(|one| one["path"] == name).unwrap();
        assert!(one["left"].as_str().unwrap().contains("rm --key"), "{one}");
        let key = one["key"].as_str().unwrap();
        assert_eq!(key, md5(name));
        let listed = cli.ends(&["rm", "--key", key, "--dry-run", "--json"], 0);
        assert_eq!(listed[0], json!({ "name": name, "key": key }));
        cli.text(&["rm", "--key", key]);
        assert_eq!(cli.code(&["rm", "--key", key]), 1);
        assert_eq!(cli.code(&["rm", "-f", "--key", key]), 0);
    }
    assert_eq!(cli.files(), before.1, "no alias takes a file along");
    let objects = cli.check(&["orphan-file"], 0);
    assert_eq!(found(&objects), [("orphan-file", "images/1/alone.jpg")]);
    assert_eq!(found(&cli.check(&[], 0)), []);
}

fn on_a_directory(db: TestDb) {
    let cli = site(db);
    let before = cli.files();
    let state = cli.dir.path().join("state");
    let purge = ["purge", "--grace", "0s", "--json", "--state", state.to_str().unwrap()];
    // As a kernel leaves it that has stored a file's name as that of a directory.
    cli.add_row("images/1", 4096);
    // A directory is no file, and no proof that there is none.
    assert_eq!(cli.code(&["get", "images/1"]), 5);
    cli.text(&["rm", "images/1"]);
    assert_eq!((cli.files(), cli.rows().len()), (before.clone(), 5));

    cli.add_row("images/1", 4096);
    cli.delete_as_legacy("images/1");
    cli.store("images/1/due.jpg", b"due");
    cli.delete_as_legacy("images/1/due.jpg");
    let purged = cli.ends(&purge, 0);
    assert_eq!((&purged[0]["due"], &purged[0]["files"]), (&json!(2), &json!(1)));
    assert_eq!((cli.files(), cli.rows().len()), (before.clone(), 5));
    assert_eq!(cli.ends(&purge, 0)[0]["due"], 0);

    cli.add_row("images/1", 4096);
    let objects = cli.check(&["missing-file"], 0);
    assert_eq!(found(&objects), [("missing-file", "images/1")]);
    assert!(objects[0]["detail"].as_str().unwrap().contains("a directory has the name"));
    assert_eq!((cli.files(), cli.rows().len()), (before, 5));
    assert_eq!(found(&cli.check(&[], 0)), []);
}

fn not_utf8(db: TestDb) {
    let cli = site(db);
    let name = std::ffi::OsStr::from_bytes(b"images/1/caf\xe9.jpg");
    fs::write(cli.path(name), b"latin1").unwrap();
    for repair in [&[][..], &["all"]] {
        let objects = cli.check(repair, 7);
        assert_eq!(found(&objects), [("not-utf8", "images/1/caf\\xe9.jpg")]);
        assert!(objects[0]["left"].as_str().unwrap().contains("by hand"), "{objects:?}");
    }
    assert_eq!(fs::read(cli.path(name)).unwrap(), b"latin1");
    fs::rename(cli.path(name), cli.path("images/1/caf\u{e9}.jpg")).unwrap();
    let imported = cli.ends(&["import", cli.root().to_str().unwrap(), "--json"], 0);
    assert_eq!(imported[0]["added"], 1);
    assert_eq!(found(&cli.check(&[], 0)), []);
}

/// macOS and some file servers change one form into the other.
fn forms(db: TestDb) {
    let cli = site(db);
    let pairs = [
        ("images/1/d\u{e9}j\u{e0}.jpg", "images/1/de\u{301}ja\u{300}.jpg"),
        ("images/1/u\u{308}ber.jpg", "images/1/\u{fc}ber.jpg"),
    ];
    for (row, file) in pairs {
        cli.add_row(row, 7);
        cli.lay(file, b"picture");
        assert_eq!(cli.code(&["get", row]), 1);
    }
    let before = cli.state();
    let objects = cli.check(&[], 7);
    let mut names = found(&objects);
    names.sort_unstable();
    let mut expected = pairs.map(|(row, _)| ("name-form", row));
    expected.sort_unstable();
    assert_eq!(names, expected);
    // The halves are neither missing nor orphans.
    let objects = cli.check(&["missing-file", "orphan-file"], 7);
    assert_eq!((summary(&objects)["remaining"].as_u64(), cli.state()), (Some(2), before));
    cli.check(&["all"], 0);
    for (row, file) in pairs {
        assert_eq!(cli.read(row), b"picture");
        assert!(!cli.path(file).exists());
    }
    assert_eq!(cli.trashed(), [""; 0]);
    assert_eq!(found(&cli.check(&[], 0)), []);
}

/// In a table of the kernels, which takes one key for the other.
fn key_case(servers: &Servers) -> Result {
    let db = TestDb::mariadb(servers, "utf8mb4", "utf8mb4_general_ci")?;
    let cli = site(db);
    cli.sql(
        "ALTER TABLE ezdfsfile MODIFY name_hash varchar(34) COLLATE utf8mb4_general_ci NOT NULL;
         UPDATE ezdfsfile SET name_hash = UPPER(name_hash)",
    );
    let files = cli.files();
    let objects = cli.check(&[], 7);
    assert_eq!(objects.len(), 6, "{objects:?}");
    assert!(found(&objects).iter().all(|(class, _)| *class == "key-case"), "{objects:?}");
    let objects = cli.check(&["key-case"], 0);
    assert!(objects[..5].iter().all(|one| one["repaired"] == true), "{objects:?}");
    assert_eq!(found(&cli.check(&[], 0)), []);
    let output = cli.run(&["get", "images/1/1.jpg"]);
    assert_eq!((output.stdout.as_slice(), stderr(&output).as_str()), (&b"live"[..], ""));
    assert_eq!(cli.files(), files);
    Ok(())
}
