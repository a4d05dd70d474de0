//! `ezdfs fsck` as a process: output, exit codes, memory, and what a killed
//! writer leaves to it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::TestDb;
use crate::support::process::{is_root, wait_for};
use crate::support::{Need, Result, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("fsck", &[Need::COMMAND]);
    group.add("json_and_exit_codes", |_| json_and_exit_codes());
    group.add("unreadable_directories_are_no_missing_files", |_| unreadable_directories());
    group.per_database("memory_does_not_grow_with_the_rows", memory);
    group.per_database("a_killed_put_is_swept", killed_put);
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn json_and_exit_codes() {
    let cli = Cli::new(None);
    let clean = cli.run(&["fsck"]);
    assert_eq!(clean.status.code(), Some(0), "{}", stderr(&clean));
    let text = String::from_utf8(clean.stdout).unwrap();
    assert!(text.starts_with("0 rows, 0 files: 0 faults, 0 repaired"), "{text}");

    for id in ["images/a", "images/b"] {
        cli.text(&["put", id, "/dev/null"]);
    }
    fs::remove_file(cli.root().join("images/a")).unwrap();
    let name = "images/orphan\n";
    fs::write(cli.root().join(name), b"x").unwrap();
    let all = ["fsck", "--grace", "0s", "--json"];
    let dry = cli.run(&all);
    assert_eq!((dry.status.code(), stderr(&dry).as_str()), (Some(7), ""));
    let finding = |class: &str, path: &str, key: Option<String>, detail: &str| {
        json!({
            "class": class, "path": path, "key": key, "detail": detail,
            "repaired": false, "left": null, "row": null,
        })
    };
    let zeros = json!({
        "not-mounted": 0, "missing-file": 0, "orphan-file": 0, "size-mismatch": 0,
        "unreadable-file": 0, "name-form": 0, "not-utf8": 0, "hidden-row": 0, "bad-hash": 0,
        "key-case": 0, "bad-datatype": 0, "alias": 0, "checksum": 0, "interrupted-overwrite": 0,
        "stale-staging": 0,
    });
    let mut found = zeros.clone();
    (found["missing-file"], found["orphan-file"]) = (json!(1), json!(1));
    let expected = [
        finding(
            "missing-file",
            "images/a",
            Some(md5("images/a")),
            "the row is live, its file is missing",
        ),
        finding("orphan-file", "images/orphan\n", None, "no row names it"),
        json!({
            "summary": true, "rows": 2, "files": 2, "young": 0, "unchecked": 0, "unknown": 0,
            "foreign": {}, "foreign_rows": 0, "legacy_types": 0, "errors": 0,
            "found": found, "repaired": zeros, "accepted": 0, "remaining": 2, "dry_run": true,
            "journal": null, "interrupted": false,
        }),
    ];
    assert_eq!(lines(&dry), expected);

    let repaired =
        cli.run(&[&all[..], &["--repair", "missing-file", "--repair", "alias"]].concat());
    let objects = lines(&repaired);
    assert_eq!((repaired.status.code(), &objects[0]["repaired"]), (Some(7), &json!(true)));
    assert_eq!((&objects[2]["remaining"], &objects[2]["dry_run"]), (&json!(1), &json!(false)));
    assert_eq!(cli.code(&["stat", "images/a"]), 1);
    fs::remove_file(cli.root().join(name)).unwrap();
    assert_eq!(cli.code(&["fsck", "--repair", "all"]), 0);

    for (arguments, code) in [
        (&["fsck", "--repair", "everything"][..], 2),
        (&["fsck", "--grace", "soon"], 2),
        (&["fsck", "--max-missing", "101"], 2),
        (&["fsck", "../x"], 2),
        (&["fsck", "imagse"], 1),
        (&["fsck", "--root", "/nonexistent"], 3),
        (&["fsck", "--table", "no_such_table"], 4),
    ] {
        let output = cli.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    }
}

fn unreadable_directories() {
    let cli = Cli::new(None);
    for id in ["images/a", "images/closed/1", "images/closed/d/2", "images/closed-1", "images/z"] {
        cli.text(&["put", id, "/dev/null"]);
    }
    // The database is to be written by a user who is not root.
    let set = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(cli.dir.path(), 0o777);
    for entry in fs::read_dir(cli.dir.path()).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            set(&entry.path(), 0o666);
        }
    }
    let closed = cli.root().join("images/closed");
    set(&closed, 0);
    let run = |arguments: &[&str]| {
        let bare = cli.bare(&[&["fsck", "--json"], arguments].concat());
        let mut command = Command::new("setpriv");
        if is_root() {
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        command.arg("--").arg(bare.get_program()).args(bare.get_args());
        command.current_dir(cli.dir.path());
        command.env("EZDFS_DSN", &cli.dsn).env("EZDFS_ROOT", cli.root()).output().unwrap()
    };
    let output = run(&["--grace", "0s"]);
    let stopped = run(&["--max-errors", "0"]);
    set(&closed, 0o755);
    let objects = lines(&output);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("images/closed/"), "{}", stderr(&output));
    assert_eq!(objects.len(), 1, "no findings: {objects:?}");
    let counts = ["rows", "files", "unchecked", "errors"].map(|key| objects[0][key].as_u64());
    assert_eq!(counts, [5, 3, 2, 1].map(Some));
    assert_eq!((stopped.status.code(), stopped.stdout.is_empty()), (Some(5), true));
    assert!(stderr(&stopped).contains("more than 0 errors"), "{}", stderr(&stopped));
    assert_eq!(cli.code(&["fsck"]), 0);
}

/// A process that blocks on its output has its memory still, to be looked at.
fn memory(db: TestDb) {
    const FEW: usize = 22_000;
    const MANY: usize = 66_000;
    const ALLOWED_KIB: u64 = 12 << 10;
    let cli = Cli::new(Some(db));
    cli.text(&["put", "images/a", "/dev/null"]);
    for number in 0..2_000 {
        fs::write(cli.root().join(format!("images/orphan-{number}")), b"x").unwrap();
    }
    add_rows(&cli, 0..FEW);
    let few = peak_memory(&cli, FEW);
    add_rows(&cli, FEW..MANY);
    let many = peak_memory(&cli, MANY);
    assert!(many < few + ALLOWED_KIB, "{few} KiB for {FEW} rows, {many} KiB for {MANY}");
}

fn add_rows(cli: &Cli, numbers: std::ops::Range<usize>) {
    let numbers: Vec<_> = numbers.collect();
    for batch in numbers.chunks(2_000) {
        let columns = "name, name_trunk, name_hash, datatype, scope, size, mtime";
        let mut statement = format!("INSERT INTO ezdfsfile ({columns}) VALUES ");
        for number in batch {
            let name = format!("images/some/directory/{number:08}/a picture with a name.jpg");
            let comma = if number == &batch[0] { "" } else { ", " };
            let hash = md5(&name);
            let row =
                format!("('{name}', '{name}', '{hash}', 'image/jpeg', 'image', 1, -1500000000)");
            write!(statement, "{comma}{row}").unwrap();
        }
        cli.sql(&statement);
    }
}

fn peak_memory(cli: &Cli, rows: usize) -> u64 {
    let mut command = cli.with_store(&["fsck", "--json", "--grace", "0s", "--max-missing", "100"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    // All rows are read by now, and more than a pipe can hold is yet to come.
    for _ in 0..500 {
        output.next().unwrap().unwrap();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let summary: Value = serde_json::from_str(&output.last().unwrap().unwrap()).unwrap();
    let counts = ["rows", "remaining"].map(|key| summary[key].as_u64());
    assert_eq!(counts, [rows as u64 + 1, 2_000].map(Some));
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn killed_put(db: TestDb) -> Result {
    let cli = Cli::new(Some(db));
    cli.text(&["put", "images/a", "/dev/null"]);
    let staging = || -> Vec<String> {
        let names = fs::read_dir(cli.root().join("images")).unwrap().flatten();
        names
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".ezdfs-stage-"))
            .collect()
    };
    let mut child: Child =
        cli.with_store(&["put", "images/b"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than is read before there is a staging file.
    stdin.write_all(&[b'x'; 200_000]).unwrap();
    wait_for("the staging file", || !staging().is_empty()).unwrap();
    assert_eq!(cli.code(&["fsck", "--repair", "all"]), 0);
    assert_eq!(staging().len(), 1, "a young one belongs to somebody");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdin);
    assert_eq!(cli.code(&["fsck", "--repair", "all"]), 0);
    assert_eq!(staging().len(), 1);
    assert_eq!(cli.code(&["fsck", "--grace", "0s"]), 7);
    let repaired = cli.json(&["fsck", "--grace", "0s", "--repair", "stale-staging", "--json"]);
    assert_eq!(
        (&repaired[0]["class"], &repaired[0]["repaired"]),
        (&json!("stale-staging"), &json!(true))
    );
    assert!(staging().is_empty());
    assert_eq!(cli.code(&["fsck", "--grace", "0s"]), 0);
    Ok(())
}
