//! The `ezdfs` command: options, output, exit codes.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::db::{self, TestDb};
use crate::support::process::scratch;
use crate::support::{Need, Trials, built, copy_tree, fixtures};

mod completion;
mod config;
mod diagnostics;
mod doctor;
mod info;
mod manual;
mod mounts;
mod progress;
mod status;
mod streams;
mod usage;

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("command", &[Need::COMMAND]);
    group.per_database("put_get_stat_ls_rm", put_get_stat_ls_rm);
    group.per_database("import_is_complete_and_idempotent", import_is_complete_and_idempotent);
    group.per_database("import_does_not_revive_the_deleted", import_does_not_revive_the_deleted);
    group.add("import_skips_and_counts_what_is_no_file", |_| import_skips());
    group.add("exit_codes_tell_what_to_do", |_| exit_codes());
    config::register(&mut group);
    diagnostics::register(&mut group);
    doctor::register(&mut group);
    info::register(&mut group);
    mounts::register(&mut group);
    progress::register(&mut group);
    status::register(&mut group);
    streams::register(&mut group);
    usage::register(&mut group);
    completion::register(trials);
    manual::register(trials);
}

/// A command line on a store of its own.
pub(crate) struct Cli {
    pub(crate) dir: TempDir,
    pub(crate) dsn: String,
    _db: Option<TestDb>,
}

impl Cli {
    pub(crate) fn new(db: Option<TestDb>) -> Self {
        let dir = scratch();
        fs::create_dir(dir.path().join("root")).unwrap();
        let dsn = match &db {
            Some(db) => db.dsn.clone(),
            None => format!("sqlite:{}/db.sqlite", dir.path().display()),
        };
        let cli = Cli { dir, dsn, _db: db };
        assert_eq!(cli.code(&["schema", "--create"]), 0);
        cli
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(built("ezdfs"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.with_store(arguments).output().unwrap()
    }

    pub(crate) fn with_store(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.env("EZDFS_DSN", &self.dsn).env("EZDFS_ROOT", self.root());
        command
    }

    pub(crate) fn sql(&self, statements: &str) {
        db::sql(&self.dsn, statements).unwrap();
    }

    pub(crate) fn code(&self, arguments: &[&str]) -> i32 {
        self.run(arguments).status.code().unwrap()
    }

    #[track_caller]
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.text(arguments);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn put_get_stat_ls_rm(db: TestDb) {
    let cli = Cli::new(Some(db));
    let source = cli.dir.path().join("source file");
    fs::write(&source, b"\x89PNG\r\n\x1a\n picture").unwrap();
    let source = source.to_str().unwrap();
    let put = cli.json(&["put", "images/é b.png", source, "--json", "--mtime", "1500000000"]);
    let expected = json!({
        "id": "images/é b.png", "size": 16, "mtime": 1_500_000_000,
        "mime_type": "image/png", "scope": "image",
    });
    assert_eq!(put, std::slice::from_ref(&expected));
    assert_eq!(cli.json(&["stat", "images/é b.png", "--json"]), std::slice::from_ref(&expected));
    assert_eq!(cli.json(&["ls", "--json"]), [expected]);
    assert_eq!(cli.text(&["ls", "images"]), "images/é b.png\n");
    assert!(cli.text(&["ls", "-l"]).contains("image/png"));
    let got = cli.run(&["get", "images/é b.png"]);
    assert_eq!(got.stdout, b"\x89PNG\r\n\x1a\n picture");
    let target = cli.dir.path().join("target");
    cli.text(&["get", "images/é b.png", target.to_str().unwrap()]);
    assert_eq!(fs::read(target).unwrap(), got.stdout);

    cli.text(&["put", "images/d/1", source]);
    assert_eq!(cli.code(&["rm", "images/é b.png", "images/missing"]), 1);
    assert_eq!(cli.code(&["rm", "-f", "images/missing"]), 0);
    let removed = cli.json(&["rm", "-r", "images/d", "--json"]);
    assert_eq!(removed[0]["rows"], 1);
    assert_eq!(cli.text(&["ls"]), "");
}

fn import_is_complete_and_idempotent(db: TestDb) {
    let cli = Cli::new(Some(db));
    copy_tree(&fixtures(), &cli.root()).unwrap();
    let root = cli.root();
    let root = root.to_str().unwrap();
    let dry = cli.json(&["import", root, "--dry-run", "--json"]);
    let (dry, listed) = dry.split_last().unwrap();
    assert_eq!((&dry["dry_run"], cli.text(&["ls"]).as_str()), (&json!(true), ""));
    let first = cli.json(&["import", root, "--json"]);
    let added = first[0]["added"].as_u64().unwrap();
    assert_eq!((&dry["added"], &first[0]["failed"]), (&first[0]["added"], &json!(0)));
    assert_eq!(listed.len() as u64, added);
    let files = cli.json(&["ls", "--json"]);
    assert_eq!(files.len() as u64, added);
    for file in files {
        let path = cli.root().join(file["id"].as_str().unwrap());
        assert_eq!(file["size"], fs::metadata(&path).unwrap().len(), "{file}");
        let image = ["jpg", "png", "gif", "webp", "svg"]
            .contains(&path.extension().unwrap().to_str().unwrap());
        assert_eq!(file["mime_type"].as_str().unwrap().starts_with("image/"), image, "{file}");
    }
    let again = cli.json(&["import", root, "--json"]);
    assert_eq!((&again[0]["added"], &again[0]["unchanged"]), (&json!(0), &json!(added)));
    let changed = cli.text(&["ls"]).lines().next().unwrap().to_owned();
    fs::write(cli.root().join(&changed), b"now of another size").unwrap();
    assert_eq!(cli.json(&["import", root, "--json"])[0]["updated"], 1);
    assert_eq!(cli.json(&["stat", &changed, "--json"])[0]["size"], 19);
}

/// Legacy leaves the files of soft-deleted rows on the mount until a purge.
fn import_does_not_revive_the_deleted(db: TestDb) {
    let cli = Cli::new(Some(db));
    cli.text(&["put", "images/a", "/dev/null"]);
    let db = cli._db.as_ref().unwrap();
    db.sql("UPDATE ezdfsfile SET mtime = -mtime");
    // Also where the row does not say its name any more: its key is what counts.
    let mut damages = vec!["SELECT 1", "UPDATE ezdfsfile SET name = 'images/?'"];
    if db.backend == db::Backend::MariaDb {
        damages.push(
            "ALTER TABLE ezdfsfile MODIFY name_hash varchar(34) COLLATE utf8mb4_general_ci;
             UPDATE ezdfsfile SET name_hash = UPPER(name_hash)",
        );
    }
    for damage in damages {
        db.sql(damage);
        let imported = cli.json(&["import", cli.root().to_str().unwrap(), "--json"]);
        assert_eq!(
            (&imported[0]["soft_deleted"], &imported[0]["added"]),
            (&json!(1), &json!(0)),
            "{damage}"
        );
        assert_eq!(cli.code(&["stat", "images/a"]), 1);
    }
}

fn import_skips() {
    let cli = Cli::new(None);
    let images = cli.root().join("images");
    fs::create_dir_all(&images).unwrap();
    fs::write(images.join("a.txt"), b"text").unwrap();
    for temporary in [".ezdfs-stage-0123", ".nfs0001", "ezfile-tmp.0123"] {
        fs::write(images.join(temporary), b"x").unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", images.join("link")).unwrap();
    let _socket = UnixListener::bind(images.join("socket")).unwrap();
    let bad_name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff.jpg");
    fs::write(images.join(bad_name), b"x").unwrap();
    let output = cli.run(&["import", cli.root().to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(2), "a file that cannot be registered");
    assert!(stderr(&output).contains("not UTF-8"), "{}", stderr(&output));
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&counts["added"], &counts["skipped"], &counts["failed"]),
        (&json!(1), &json!(5), &json!(1))
    );
    let elsewhere = cli.run(&["import", "/etc"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(stderr(&elsewhere).contains("lies outside the root"), "{}", stderr(&elsewhere));
}

fn exit_codes() {
    let cli = Cli::new(None);
    for (arguments, code) in [
        (&["ls"][..], 0),
        (&["--version"], 0),
        (&["get", "images/missing"], 1),
        (&["stat", "a/../b"], 2),
        (&["put", "images/x", "/nonexistent"], 2),
        (&["rm", "-r", "/"], 2),
        (&["frobnicate"], 2),
        (&["ls", "--cache-ttl", "soon"], 2),
        (&["ls", "--dsn", "mysql://u:p@127.0.0.1:1/db"], 3),
        (&["put", "images/x", "--root", "/nonexistent"], 3),
        (&["ls", "--table", "no_such_table"], 4),
        (&["import", "/nonexistent"], 5),
    ] {
        let output = cli.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert_eq!(code == 0, output.stderr.is_empty(), "{arguments:?}: {}", stderr(&output));
    }
}
