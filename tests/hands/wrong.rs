//! Roots, prefixes and tables that do not fit each other: refused before anything is done.

use std::fs;

use serde_json::json;

use super::{found, summary};
use crate::command::{Cli, stderr};
use crate::support::db::TestDb;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("purge_at_another_sites_root_is_refused", purge_elsewhere);
    group.per_database("purge_at_the_right_root_takes_what_is_due", purge_right);
    group.per_database("import_under_wrong_names_is_refused", import_wrong);
    group.per_database("the_first_import_of_a_table_is_judged_by_its_path", import_first);
    group.per_database("a_wrong_import_is_undone_without_bytes", undo);
    group.per_database("rows_under_wrong_names_take_no_live_file_along", wrong_names);
    group.per_database("fsck_with_the_wrong_table_takes_nothing", wrong_table);
    group.per_database("nothing_is_stored_over_another_rows_file", stored_over);
}

const ONE: &str = "var/one/storage";
const TWO: &str = "var/two/storage";

/// Two siteaccesses with the same ids, of which the first has deleted some files.
fn sites(db: TestDb) -> Cli {
    let cli = Cli::new(Some(db));
    for number in 0..30 {
        cli.store(&format!("{ONE}/images/{number}.jpg"), format!("one {number}").as_bytes());
        cli.store(&format!("{TWO}/images/{number}.jpg"), format!("two {number}").as_bytes());
    }
    for number in 0..25 {
        cli.delete_as_legacy(&format!("{ONE}/images/{number}.jpg"));
    }
    cli
}

/// Arguments with a root below the site's, a prefix, and for purge a state.
fn at(cli: &Cli, arguments: &[&str], root: &str, prefix: &str) -> Vec<String> {
    let (root, state) = (cli.path(root), cli.dir.path().join("state"));
    let mut all: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    if arguments[0] == "purge" {
        all.extend(["--grace", "0s", "--state"].map(str::to_owned));
        all.push(state.to_str().unwrap().to_owned());
    }
    all.extend(["--root".to_owned(), root.to_str().unwrap().to_owned()]);
    all.extend(["--name-prefix".to_owned(), prefix.to_owned()]);
    all
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn purge_elsewhere(db: TestDb) {
    let cli = sites(db);
    for (root, prefix, code, told) in [
        // The other site's pictures have the same ids.
        (TWO, ONE, 2, &["another site's", "var/one/storage"][..]),
        // One level off: rows would go, bytes stay for ever.
        ("var", "", 3, &["Expected was \"var/", "holds one, two"]),
        ("var/one", "", 3, &["Expected was \"var/"]),
        (ONE, "", 3, &["Expected was \"var/"]),
    ] {
        let arguments = at(&cli, &["purge"], root, prefix);
        cli.refuses(&words(&arguments), code, told);
        let arguments = at(&cli, &["rm", "-r", "images"], root, prefix);
        let expected = if prefix.is_empty() { 3 } else { code };
        cli.refuses(&words(&arguments), expected, told);
    }
    assert!(!cli.dir.path().join("state").exists(), "nothing was seen either");
}

fn purge_right(db: TestDb) {
    let cli = sites(db);
    let before = cli.state();
    let arguments = at(&cli, &["purge", "--json"], ONE, ONE);
    let purged = cli.ends(&words(&arguments), 0);
    assert_eq!((&purged[0]["due"], &purged[0]["files"]), (&json!(25), &json!(25)));
    let lives = |(path, _): &(String, Vec<u8>)| {
        path.starts_with(TWO) || ["25", "26", "27", "28", "29"].iter().any(|it| path.contains(it))
    };
    let left = before.1.iter().filter(|file| lives(file)).cloned().collect::<Vec<_>>();
    // With a root of its own, the site has a trash of its own.
    let outside = |(path, _): &(String, Vec<u8>)| !path.contains(super::TRASH);
    let files: Vec<_> = cli.files().into_iter().filter(outside).collect();
    assert_eq!((files, cli.rows().len()), (left, 35));
    // A later import brings nothing of it back; restore does, row and bytes.
    let root = cli.path(ONE);
    let arguments = at(&cli, &["import", root.to_str().unwrap(), "--json"], ONE, ONE);
    assert_eq!(cli.ends(&words(&arguments), 0)[0]["added"], 0);
    let arguments = at(&cli, &["restore", "--json"], ONE, ONE);
    let restored = cli.ends(&words(&arguments), 0);
    assert_eq!((&restored[0]["rows"], &restored[0]["files"]), (&json!(25), &json!(25)));
    let files: Vec<_> = cli.files().into_iter().filter(outside).collect();
    assert_eq!((cli.rows(), files), before);
    assert_eq!(cli.code(&["get", &format!("{ONE}/images/1.jpg")]), 1, "deleted as before");
}

fn import_wrong(db: TestDb) {
    let cli = sites(db);
    let var = cli.path("var");
    let storage = cli.path(ONE);
    let (var, storage) = (var.to_str().unwrap(), storage.to_str().unwrap());
    for (directory, root, prefix, told) in [
        // One level down: the ids lie in no storage directory.
        (
            var,
            "var",
            "",
            &["root one level off", "var/site/storage/images/...", "one/storage/"][..],
        ),
        // Three levels down: they do, and have rows already under their right names.
        (storage, ONE, "", &["live row already", "images/"]),
        (storage, ONE, "var/onw/storage", &["live row already", "images/"]),
        (storage, ONE, TWO, &["live row already"]),
    ] {
        let arguments = at(&cli, &["import", directory], root, prefix);
        cli.refuses(&words(&arguments), 2, told);
        let arguments = at(&cli, &["import", directory, "--dry-run"], root, prefix);
        cli.refuses(&words(&arguments), 2, told);
    }
    let arguments = at(&cli, &["import", storage, "--json"], ONE, ONE);
    let imported = cli.ends(&words(&arguments), 0);
    assert_eq!((&imported[0]["added"], &imported[0]["unchanged"]), (&json!(0), &json!(5)));
}

fn import_first(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..3 {
        cli.lay(&format!("{ONE}/images/{number}.jpg"), b"bytes");
    }
    let storage = cli.path(ONE);
    let storage = storage.to_str().unwrap();
    for (root, prefix, told) in [
        (ONE, "", &["\"images/...\"", "var/one/storage", "--new-storage"][..]),
        (ONE, "var/onw/storage", &["\"var/onw/storage/images/...\"", "--new-storage"]),
        ("var", "", &["root one level off"]),
    ] {
        let arguments = at(&cli, &["import", storage], root, prefix);
        cli.refuses(&words(&arguments), 2, told);
    }
    let arguments = at(&cli, &["import", storage, "--json"], ONE, ONE);
    assert_eq!(cli.ends(&words(&arguments), 0)[0]["added"], 3);
}

/// Who insists gets the rows, and rid of them again.
fn undo(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..3 {
        cli.lay(&format!("{ONE}/images/{number}.jpg"), b"bytes");
    }
    let storage = cli.path(ONE);
    let import = ["import", storage.to_str().unwrap(), "--new-storage", "--json"];
    let arguments = at(&cli, &import, ONE, "");
    assert_eq!(cli.ends(&words(&arguments), 0)[0]["added"], 3);
    let imported = cli.state();
    let arguments = at(&cli, &["rm", "-r", "--row-only", "--dry-run", "images", "--json"], ONE, "");
    let listed = cli.ends(&words(&arguments), 0);
    assert_eq!((listed.len(), &listed[3]["rows"]), (4, &json!(3)));
    assert_eq!(cli.state(), imported);
    let arguments = at(&cli, &["rm", "-r", "--row-only", "images", "--json"], ONE, "");
    assert_eq!(cli.ends(&words(&arguments), 0)[0]["rows"], 3);
    assert_eq!(cli.rows(), [""; 0]);
    for (path, bytes) in &imported.1 {
        assert_eq!(&fs::read(cli.path(path)).unwrap(), bytes, "{path}");
    }
    let arguments = at(&cli, &["restore", "--json"], ONE, "");
    assert_eq!(cli.ends(&words(&arguments), 0)[0]["rows"], 3);
    assert_eq!(cli.rows(), imported.0);
}

/// As an import with the wrong root left them before it was refused.
fn wrong_names(db: TestDb) {
    let cli = sites(db);
    for number in 0..30 {
        cli.add_row(&format!("images/{number}.jpg"), format!("one {number}").len());
    }
    let before = cli.files();
    // With this root and no prefix these rows do fit.
    let arguments = at(&cli, &["rm", "-r", "images"], ONE, "");
    let output = cli.run(&words(&arguments));
    let live: Vec<_> = before.iter().filter(|(path, _)| lives(path)).cloned().collect();
    let left: Vec<_> = cli.files().into_iter().filter(|(path, _)| lives(path)).collect();
    assert_eq!(left, live, "{}", stderr(&output));
}

/// Whether the right names' rows are live.
fn lives(path: &str) -> bool {
    let number = path.rsplit('/').next().and_then(|name| name.strip_suffix(".jpg"));
    path.starts_with(TWO)
        || number.and_then(|number| number.parse().ok()).is_some_and(|number: u32| number >= 25)
}

fn wrong_table(db: TestDb) {
    let cli = sites(db);
    cli.text(&["schema", "--create", "--table", "other"]);
    // A table of a site that has a few files in the same place.
    cli.lay(&format!("{ONE}/images/other.jpg"), b"other");
    cli.add_row_to("other", &format!("{ONE}/images/other.jpg"), 5, super::now());
    let before = cli.files();
    let fsck = ["fsck", "--grace", "0s", "--repair", "all", "--json", "--table", "other"];
    cli.refuses(&fsck, 2, &["have no row", "right table"]);
    let insists = [&fsck[..], &["--max-orphans", "100"]].concat();
    let objects = cli.ends(&insists, 7);
    // Of those that legacy deleted nobody claims the bytes: to the trash with them.
    for (path, bytes) in before.iter().filter(|(path, _)| lives(path)) {
        assert_eq!(&fs::read(cli.path(path)).unwrap(), bytes, "{path}");
    }
    assert!(found(&objects).len() >= 5, "{:?}", summary(&objects));
    cli.ends(&["restore", "--json"], 0);
    assert_eq!(cli.files(), before);
}

/// Whoever writes by hand.
fn stored_over(db: TestDb) {
    let cli = sites(db);
    let told = ["live row already", "do root and name_prefix fit?"];
    for (root, prefix) in [(TWO, ONE), (TWO, ""), (TWO, "var/onw/storage")] {
        let arguments = at(&cli, &["put", "images/29.jpg", "/dev/null"], root, prefix);
        cli.refuses(&words(&arguments), 2, &told);
        for dry in [&["-n"][..], &[]] {
            let mv = [&["mv", "images/28.jpg", "images/29.jpg"], dry].concat();
            let arguments = at(&cli, &mv, root, prefix);
            cli.refuses(&words(&arguments), 2, &told);
        }
    }
    // A table under two names has the same rows.
    cli.text(&["schema", "--create", "--table", "other"]);
    cli.add_row_to("other", &format!("{TWO}/images/29.jpg"), 1, super::now());
    let arguments = at(&cli, &["put", "images/29.jpg", "/dev/null"], TWO, TWO);
    cli.text(&words(&arguments));
}
