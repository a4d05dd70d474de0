//! `ezdfs doctor`: finds what is planted and nothing else, and says nothing on a sound site.
//!
//! The command is built with `failpoints`: each root is one that the kernel would list as a share.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use walkdir::WalkDir;

use super::{Cli, stderr};
use crate::support::Group;
use crate::support::db::TestDb;

mod places;
mod tables;

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("doctor_says_nothing_on_a_sound_site", sound);
    group.add("doctor_says_what_it_costs_and_what_to_change", |_| words());
    tables::register(group);
    places::register(group);
}

/// As it should be.
const MOUNTED: &str = "rw,vers=4.2,hard";

/// Files of all that live in one directory, a marker, a share.
struct Site {
    cli: Cli,
    options: &'static str,
    file_system: &'static str,
    root: PathBuf,
    dsn: String,
    /// What stands before the command.
    wrapper: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Site {
    fn new(db: Option<TestDb>) -> Self {
        let cli = Cli::new(db);
        let source = cli.dir.path().join("source");
        fs::write(&source, b"bytes of a picture").unwrap();
        for id in ["images/photos/1.png", "images/photos/2.png", "images/photos/3.png"] {
            cli.text(&["put", id, source.to_str().unwrap()]);
        }
        fs::write(cli.root().join(".mounted"), b"").unwrap();
        let (root, dsn) = (cli.root(), cli.dsn.clone());
        let (wrapper, variables) = (Vec::new(), Vec::new());
        let (options, file_system) = (MOUNTED, "nfs4");
        Site { cli, options, file_system, root, dsn, wrapper, variables }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let all = [&["doctor", "--processes", "1"], arguments].concat();
        let mounted = self.cli.mounted(&self.root, self.file_system, self.options, &all);
        let mut command = mounted;
        if let Some((program, rest)) = self.wrapper.split_first() {
            let mut wrapped = Command::new(program);
            wrapped.args(rest).arg(command.get_program()).args(command.get_args());
            wrapped.current_dir(self.cli.dir.path()).env_clear();
            for (name, value) in command.get_envs() {
                wrapped.env(name, value.unwrap_or_default());
            }
            command = wrapped;
        }
        command.env("EZDFS_DSN", &self.dsn).env("EZDFS_MOUNT_MARKER", ".mounted");
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }

    fn doctor(&self, arguments: &[&str]) -> Told {
        Told::new(&self.command(&[arguments, &["--json"]].concat()).output().unwrap())
    }

    /// Exactly this check speaks up.
    #[track_caller]
    fn finds(&self, planted: &str, arguments: &[&str], check: &str) -> Told {
        let told = self.doctor(arguments);
        assert_eq!(told.checks(), [check], "{planted} {arguments:?}: {}", told.object);
        assert_eq!(told.code, 7, "{planted}: {}", told.object);
        for finding in told.object["findings"].as_array().unwrap() {
            for part in ["what", "cost", "remedy"] {
                assert!(
                    finding[part].as_str().is_some_and(|it| !it.is_empty()),
                    "{planted}: {finding}"
                );
            }
        }
        told
    }

    #[track_caller]
    fn is_sound(&self, arguments: &[&str]) -> Told {
        let told = self.doctor(arguments);
        assert_eq!((told.checks(), told.code), (Vec::new(), 0), "{arguments:?}: {}", told.object);
        told
    }
}

/// What the doctor said.
struct Told {
    code: i32,
    object: Value,
}

impl Told {
    #[track_caller]
    fn new(output: &Output) -> Self {
        let object = serde_json::from_slice(&output.stdout);
        let object = object.unwrap_or_else(|_| panic!("{}", stderr(output)));
        Told { code: output.status.code().unwrap(), object }
    }

    /// Those that have found something.
    fn checks(&self) -> Vec<&str> {
        let findings = self.object["findings"].as_array().unwrap().iter();
        findings.map(|finding| finding["check"].as_str().unwrap()).collect()
    }

    fn has_checked(&self, check: &str) -> bool {
        self.object["checked"].as_array().unwrap().iter().any(|it| it == check)
    }
}

fn tree(root: &Path) -> BTreeSet<PathBuf> {
    WalkDir::new(root).into_iter().map(|entry| entry.unwrap().into_path()).collect()
}

fn sound(db: TestDb) {
    let site = Site::new(Some(db));
    let rows = || {
        crate::support::db::sql(&site.dsn, "SELECT name, mtime, size FROM ezdfsfile ORDER BY name")
            .unwrap()
    };
    let before = (tree(&site.root), rows());
    for (task, written) in
        [(None, true), (Some("nginx"), false), (Some("php"), true), (Some("maintenance"), true)]
    {
        let arguments: Vec<_> = task.into_iter().flat_map(|task| ["--for", task]).collect();
        let told = site.is_sound(&arguments);
        for check in [
            "database",
            "table",
            "grants",
            "root",
            "root-fits",
            "readable",
            "mount-soft",
            "openat2",
        ] {
            assert!(told.has_checked(check), "{task:?} {check}: {}", told.object);
        }
        for check in ["file-rename", "owner", "index", "clock-file-server"] {
            assert_eq!(told.has_checked(check), written, "{task:?} {check}: {}", told.object);
        }
        let output = site.command(&arguments).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{task:?}");
        assert_eq!(stderr(&output), "", "{task:?}");
    }
    // A new site, whose root has nothing but the marker.
    assert_eq!((tree(&site.root), rows()), before, "what was tried is gone");
    site.cli.text(&["rm", "-r", "images"]);
    site.is_sound(&[]);
}

fn words() {
    let site = Site::new(None);
    site.cli.sql("DROP INDEX ezdfsfile_mtime");
    let output = site.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], "warning  index: no index begins with mtime");
    assert!(lines[1].starts_with("  costs  every `purge` reads"), "{text}");
    let (_, statement) = lines[2].split_once("change ").unwrap();
    // What is to be changed is a line that can be used.
    site.cli.sql(statement);
    site.is_sound(&[]);
    let secret = Site { dsn: "mysql://u:hunter2@127.0.0.1:1/db".to_owned(), ..site };
    let told = secret.finds("no server", &[], "database");
    let output = secret.command(&["-v"]).output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    assert!(!told.object.to_string().contains("hunter2"), "{}", told.object);
    assert!(!String::from_utf8_lossy(&all).contains("hunter2"));
    for arguments in [&["--for", "apache"][..], &["--processes", "0"]] {
        assert_eq!(secret.command(arguments).output().unwrap().status.code(), Some(2));
    }
}
