//! Checking until nothing is left to be said: accepted faults, single classes, reports, checksums.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use serde_json::{Value, json};

use super::{FSCK, found, summary};
use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::TestDb;
use crate::support::process::run;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("a_messy_site_can_be_got_clean", messy);
    group.per_database("what_is_accepted_is_said_no_more", accepted);
    group.per_database("one_class_alone", only);
    group.per_database("a_report_goes_to_a_file", report);
    group.add("each_class_has_its_place_among_the_repairs", |_| documented());
    let mut group =
        trials.group("hands", &[Need::COMMAND, Need::Programs(&["md5sum", "sha256sum"])]);
    group.per_database("bytes_are_checked_against_a_list", checksums);
}

fn site(db: TestDb) -> Cli {
    let cli = Cli::new(Some(db));
    for number in 0..10 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    cli
}

/// Something of nearly every class.
fn spoil(cli: &Cli) {
    let update = |assignment: &str, path: &str| {
        cli.sql(&format!("UPDATE ezdfsfile SET {assignment} WHERE name = '{path}'"));
    };
    cli.add_row("images/1/missing.jpg", 1);
    cli.lay("images/1/orphan.jpg", b"orphan");
    cli.lay("images/1/1.jpg", b"of another size");
    cli.add_row("images/1/e\u{301}.jpg", 4);
    cli.lay("images/1/\u{e9}.jpg", b"form");
    fs::write(cli.path(std::ffi::OsStr::from_bytes(b"images/1/\xff.jpg")), b"bytes").unwrap();
    update("expired = TRUE", "images/1/2.jpg");
    update(&format!("name_hash = '{}'", "f".repeat(32)), "images/1/3.jpg");
    update("datatype = 'what is this'", "images/1/4.jpg");
    cli.add_row("images//1/5.jpg", 4);
    cli.lay("images/1/.ezdfs-stage-0123456789abcdef", b"left behind");
    // Nothing is wrong with these.
    update("datatype = 'misc'", "images/1/6.jpg");
    cli.store("images/1/deleted.jpg", b"deleted");
    cli.delete_as_legacy("images/1/deleted.jpg");
    cli.add_row("images/1/purged.jpg", 1);
    cli.delete_as_legacy("images/1/purged.jpg");
}

fn messy(db: TestDb) {
    let cli = site(db);
    assert_eq!(found(&cli.check(&[], 0)), []);
    let before = cli.files();
    spoil(&cli);
    let dry = cli.check(&[], 7);
    let mut classes: Vec<_> = found(&dry).iter().map(|(class, _)| *class).collect();
    classes.sort_unstable();
    let expected = [
        "alias",
        "bad-datatype",
        "bad-hash",
        "hidden-row",
        "missing-file",
        "name-form",
        "not-utf8",
        "orphan-file",
        "size-mismatch",
        "stale-staging",
    ];
    assert_eq!(classes, expected);
    assert_eq!(summary(&dry)["legacy_types"], 1);
    let objects = cli.check(&["all"], 7);
    let left: Vec<_> = objects.iter().filter(|one| one["left"].is_string()).collect();
    assert_eq!((left.len(), &left[0]["class"]), (1, &json!("not-utf8")));
    let list = cli.dir.path().join("accepted");
    fs::write(&list, "# looked at on Thursday\nnot-utf8  images/1/\\xff.jpg\n").unwrap();
    let accept = [&FSCK[..], &["--accept", list.to_str().unwrap()]].concat();
    let objects = cli.ends(&accept, 0);
    assert_eq!((found(&objects), &summary(&objects)["remaining"]), (vec![], &json!(0)));
    for (path, bytes) in &before {
        let expected = if path == "images/1/1.jpg" { b"of another size" } else { &bytes[..] };
        assert_eq!(cli.read(path), expected, "{path}");
    }
    let text = cli.text(&["fsck", "--grace", "0s", "--accept", list.to_str().unwrap()]);
    assert!(text.contains("0 faults, 0 repaired, 1 accepted"), "{text}");
    assert!(text.contains("1 live rows with one of legacy's words"), "{text}");
}

fn accepted(db: TestDb) {
    let cli = site(db);
    for number in [1, 2] {
        fs::remove_file(cli.path(format!("images/1/{number}.jpg"))).unwrap();
    }
    let list = cli.dir.path().join("accepted");
    let accept = [&FSCK[..], &["--accept", list.to_str().unwrap()]].concat();
    let run = |text: &str, code| {
        fs::write(&list, text).unwrap();
        cli.ends(&accept, code)
    };
    let objects = run("\n# lost in 2019\nmissing-file  images/1/1.jpg\n", 7);
    assert_eq!(found(&objects), [("missing-file", "images/1/2.jpg")]);
    assert_eq!(summary(&objects)["accepted"], 1);
    // Of another class it says nothing, and what is repaired is told all the same.
    let objects = run("orphan-file images/1/1.jpg\nmissing-file images/1/2.jpg\n", 7);
    assert_eq!(found(&objects), [("missing-file", "images/1/1.jpg")]);
    let repair = [&accept[..], &["--repair", "missing-file"]].concat();
    assert_eq!(summary(&cli.ends(&repair, 0))["repaired"]["missing-file"], 2);
    run("missing-file images/1/1.jpg\n", 0);
    fs::write(&list, "no-such-class images/1/1.jpg\n").unwrap();
    cli.refuses_only(&accept, 2, &["line 1", "no class"]);
    cli.refuses_only(&["fsck", "--accept", "/nonexistent"], 2, &["/nonexistent"]);
}

impl Cli {
    /// Where something was taken away before.
    #[track_caller]
    pub(super) fn refuses_only(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let output = self.run(arguments);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(words.iter().all(|word| told.contains(word)), "{arguments:?}: {told}");
    }
}

fn only(db: TestDb) {
    let cli = site(db);
    spoil(&cli);
    let before = cli.state();
    for (class, code) in [("orphan-file", 7), ("hidden-row", 7), ("name-form", 7), ("key-case", 0)]
    {
        let objects = cli.ends(&[&FSCK[..], &["--only", class]].concat(), code);
        let classes: Vec<_> = found(&objects).iter().map(|(class, _)| *class).collect();
        assert_eq!(classes.len(), usize::from(code == 7), "{class}: {objects:?}");
        assert!(classes.iter().all(|it| *it == class), "{class}: {objects:?}");
    }
    assert_eq!(cli.state(), before);
    let two = ["--only", "orphan-file", "--only", "hidden-row", "--repair", "all"];
    cli.ends(&[&FSCK[..], &two].concat(), 0);
    assert_eq!(cli.trashed(), ["images/1/orphan.jpg"]);
    assert_eq!(cli.rows().len(), before.0.len());
}

fn report(db: TestDb) {
    let cli = site(db);
    spoil(&cli);
    let path = cli.dir.path().join("report.jsonl");
    let arguments = ["fsck", "--grace", "0s", "--report", path.to_str().unwrap()];
    let output = cli.run(&arguments);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(printed.contains("10 faults") && !printed.contains("orphan.jpg"), "{printed}");
    let text = fs::read_to_string(&path).unwrap();
    let reported: Vec<Value> = text.lines().map(super::parse).collect();
    assert_eq!(reported.len(), 10, "{reported:?}");
    assert!(reported.iter().any(|one| one["path"] == "images/1/orphan.jpg"));
    // A row that was deleted is in it, whole.
    let repair = [&arguments[..], &["--repair", "missing-file"]].concat();
    cli.run(&repair);
    let text = fs::read_to_string(&path).unwrap();
    let deleted = text.lines().map(super::parse).find(|one| one["repaired"] == true).unwrap();
    let row = &deleted["row"];
    assert_eq!((&row["name"], &row["size"]), (&json!("images/1/missing.jpg"), &json!(1)));
    assert_eq!(row["name_hash"], json!(md5("images/1/missing.jpg")));
    for column in ["name_trunk", "datatype", "scope", "mtime", "expired", "status"] {
        assert!(row.get(column).is_some(), "{column}: {row}");
    }
}

fn checksums(db: TestDb) {
    let cli = site(db);
    cli.store("images/1/deleted.jpg", b"deleted");
    let sum = |program: &str| {
        let list = cli.dir.path().join(program);
        let mut command = Command::new("sh");
        let line = format!("cd \"$0\" && find . -type f -exec {program} {{}} + > \"$1\"");
        command.args(["-c", &line]).arg(cli.root()).arg(&list);
        run(&mut command).unwrap();
        list.to_str().unwrap().to_owned()
    };
    for program in ["md5sum", "sha256sum"] {
        let list = sum(program);
        let check = [&FSCK[..], &["--checksum", &list]].concat();
        assert_eq!(found(&cli.ends(&check, 0)), [], "{program}");
        // Of the same size and time as before: nothing else shows that.
        cli.lay("images/1/5.jpg", b"LIVE");
        let objects = cli.ends(&[&check[..], &["--repair", "all"]].concat(), 7);
        assert_eq!(found(&objects), [("checksum", "images/1/5.jpg")], "{program}");
        assert!(objects[0]["left"].as_str().unwrap().contains("backup"), "{objects:?}");
        cli.lay("images/1/5.jpg", b"live");
    }
    // What was deleted since the list was made is no fault.
    let list = sum("md5sum");
    cli.text(&["rm", "images/1/deleted.jpg"]);
    cli.ends(&[&FSCK[..], &["--checksum", &list]].concat(), 0);
    fs::write(&list, "this is no list\n").unwrap();
    cli.refuses(&[&FSCK[..], &["--checksum", &list]].concat(), 2, &["line 1", "md5sum"]);
}

/// In docs/operations.md, with what the command says that repairing it does.
fn documented() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let text = fs::read_to_string(file).unwrap();
    let repairs = text.split("## 6. Repairs").nth(1).unwrap();
    let table: String = repairs.lines().filter(|line| line.starts_with('|')).collect();
    for fault in ezdfs::maintenance::Fault::ALL {
        assert!(table.contains(&format!("`{}`", fault.name())), "{fault:?}");
    }
}
