//! Every operation, ended at every of its steps: by an error there, and by the
//! death of the process. The command is built with the feature `failpoints`.
//!
//! After each, what readers may see is checked; then the operation is repeated
//! without a fault, and must end as if nothing had happened.

use std::fs;
use std::process::{Command, Stdio};

use ezdfs::{ErrorKind, FileId};

use crate::store::{PREFIX, Site, id};
use crate::support::Trials;
use crate::support::db::TestDb;

/// Steps in the order in which they are taken.
const WRITE: &[&str] =
    &["staged", "written", "finished", "upserted", "old-kept", "published", "committed"];
const DELETE: &[&str] = &["soft-deleted", "locked", "files-removed", "rows-deleted"];
const RENAME: &[&str] =
    &["upserted", "old-kept", "published", "committed", "locked", "files-removed", "rows-deleted"];
const DELETE_DIRECTORY: &[&str] = &["locked", "files-removed", "rows-deleted"];

const OLD: &[u8] = b"the old bytes";
const NEW: &[u8] = b"the new bytes, of another length";

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("crash", &[]);
    group.per_database("create", |db| every_step(db, WRITE, create));
    group.per_database("overwrite", |db| every_step(db, WRITE, overwrite));
    group.per_database("delete", |db| every_step(db, DELETE, delete));
    group.per_database("rename", |db| every_step(db, RENAME, rename));
    group.per_database("delete_directory", |db| {
        every_step(db, DELETE_DIRECTORY, delete_directory);
    });
}

/// How an operation is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Error,
    Crash,
}

/// One run of the command on one file.
struct Run<'s> {
    site: &'s Site,
    step: &'s str,
    fault: Fault,
    /// Its own directory, so that runs do not meet.
    dir: String,
}

fn every_step(db: TestDb, steps: &[&str], operation: impl Fn(&Run<'_>)) {
    let site = Site::new(db);
    for (number, step) in steps.iter().enumerate() {
        for fault in [Fault::Error, Fault::Crash] {
            let dir = format!("images/{number}-{fault:?}");
            site.create(&format!("{dir}/bystander"), b"untouched").unwrap();
            operation(&Run { site: &site, step, fault, dir: dir.clone() });
            assert_eq!(site.read(&format!("{dir}/bystander")).unwrap(), b"untouched");
        }
    }
}

impl Run<'_> {
    fn id(&self, name: &str) -> FileId {
        id(&format!("{}/{name}", self.dir))
    }

    /// Runs the command with the fault.
    fn faulty(&self, arguments: &[&str]) {
        let how = if self.fault == Fault::Crash { "crash" } else { "error" };
        let output = self.command(arguments, &format!("{}=return({how})", self.step));
        // An error after the commit is settled by asking for the row.
        let succeeds = self.step == "committed" && self.fault == Fault::Error;
        assert_eq!(output.status.success(), succeeds, "{}: {output:?}", self.step);
        if self.fault == Fault::Crash {
            assert_eq!(output.status.code(), None, "{output:?}");
        }
    }

    fn repeat(&self, arguments: &[&str]) {
        let output = self.command(arguments, "");
        assert!(output.status.success(), "{} {:?}: {output:?}", self.step, self.fault);
    }

    fn command(&self, arguments: &[&str], failpoints: &str) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_ezdfs"))
            .args(arguments)
            .env_clear()
            .env("EZDFS_DSN", &self.site.db.dsn)
            .env("EZDFS_ROOT", self.site.root())
            .env("EZDFS_NAME_PREFIX", PREFIX)
            .env("FAILPOINTS", failpoints)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What a reader on another node gets; `None` where it is told that there
    /// is no such file. Any other error is a failure.
    fn seen(&self, name: &str) -> Option<Vec<u8>> {
        let reader = self.site.another_store(&[]);
        match reader.open(&self.id(name)) {
            Ok(mut opened) => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut opened.file, &mut bytes).unwrap();
                Some(bytes)
            }
            Err(error) => {
                let what = format!("{} {:?}: {error:#}", self.step, self.fault);
                assert_eq!(error.kind(), ErrorKind::NotFound, "{what}");
                assert_eq!(error.os_errno(), 0, "a live row without a file: {what}");
                None
            }
        }
    }

    /// Row and file agree, and nothing temporary is left by a failed operation.
    fn settled(&self, files: &[(&str, &[u8])]) {
        let here = |path: &String| path.starts_with(&format!("{}/", self.dir));
        for (name, bytes) in files {
            assert_eq!(self.seen(name).as_deref(), Some(*bytes), "{} {:?}", self.step, self.fault);
            let row = self.site.another_store(&[]).stat(&self.id(name)).unwrap();
            assert_eq!(row.size, bytes.len() as u64, "{} {:?}", self.step, self.fault);
        }
        if self.fault == Fault::Error {
            let left: Vec<_> = self.site.tree().into_iter().filter(here).collect();
            assert_eq!(left.len(), files.len() + 1, "{}: {left:?}", self.step);
        }
    }

    fn source(&self) -> String {
        let path = self.site.root().with_extension("source");
        fs::write(&path, NEW).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn create(run: &Run<'_>) {
    let file = run.id("new");
    let (file, source) = (file.as_str(), run.source());
    run.faulty(&["put", file, &source]);
    let committed = run.step == "committed";
    match run.seen("new") {
        None => assert!(!committed),
        Some(bytes) => assert!(committed && bytes == NEW, "{}", run.step),
    }
    if !committed {
        run.settled(&[]);
    }
    run.repeat(&["put", file, &source]);
    run.settled(&[("new", NEW)]);
}

fn overwrite(run: &Run<'_>) {
    let file = run.id("file");
    run.site.create(file.as_str(), OLD).unwrap();
    let (file, source) = (file.as_str(), run.source());
    run.faulty(&["put", file, &source]);
    let bytes = run.seen("file").expect("a file that was there");
    match run.step {
        "committed" => assert_eq!(bytes, NEW),
        // Died between rename and commit: the new bytes, whole, under the old row.
        "published" if run.fault == Fault::Crash => assert_eq!(bytes, NEW),
        _ => run.settled(&[("file", OLD)]),
    }
    run.repeat(&["put", file, &source]);
    run.settled(&[("file", NEW)]);
}

fn delete(run: &Run<'_>) {
    let file = run.id("file");
    run.site.create(file.as_str(), OLD).unwrap();
    run.faulty(&["rm", file.as_str()]);
    // The row was soft-deleted and committed before the first step of these.
    assert_eq!(run.seen("file"), None);
    run.repeat(&["rm", file.as_str()]);
    run.settled(&[]);
    assert!(!run.site.path(file.as_str()).exists());
    let rows = run.site.row("size", file.as_str());
    assert!(rows.is_empty(), "{}: the row is left", run.step);
}

fn rename(run: &Run<'_>) {
    let (from, to) = (run.id("from"), run.id("to"));
    run.site.create(from.as_str(), NEW).unwrap();
    run.site.create(to.as_str(), OLD).unwrap();
    run.faulty(&["mv", from.as_str(), to.as_str()]);
    // "committed" with an error is success, and leaves nothing to finish.
    let moved = !matches!(run.step, "upserted" | "old-kept" | "published");
    let seen = run.seen("to").expect("a file that was there");
    assert_eq!(run.seen("from").is_none(), moved, "{}", run.step);
    if moved {
        assert_eq!(seen, NEW);
        // Finishes what is left of the old name.
        run.repeat(&["rm", "-f", from.as_str()]);
    } else {
        assert!(seen == OLD || run.fault == Fault::Crash && run.step == "published");
        run.repeat(&["mv", from.as_str(), to.as_str()]);
    }
    run.settled(&[("to", NEW)]);
    assert!(!run.site.path(from.as_str()).exists());
    assert!(run.site.row("size", from.as_str()).is_empty());
}

fn delete_directory(run: &Run<'_>) {
    let dir = run.id("dir");
    for number in 0..5 {
        run.site.create(&format!("{dir}/{number}"), OLD).unwrap();
    }
    run.faulty(&["rm", "-r", dir.as_str()]);
    for number in 0..5 {
        assert_eq!(run.seen(&format!("dir/{number}")), None);
    }
    run.repeat(&["rm", "-r", dir.as_str()]);
    run.settled(&[]);
    let count = format!("SELECT COUNT(*) FROM ezdfsfile WHERE name LIKE '{PREFIX}/{dir}/%'");
    assert_eq!(run.site.db.sql(&count), crate::store::texts(["0"]));
}
