//! Every operation, ended at every of its steps: by an error there, and by the death of the
//! process. The command is built with the feature `failpoints`.
//!
//! After each, what readers may see is checked; then the operation is repeated without a fault, and
//! must end as if nothing had happened; or `purge` and `fsck` come, after which row and file agree.

mod operations;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ezdfs::{ErrorKind, FileId, Store};

use crate::kill::{content, helper};
use crate::store::{PREFIX, Site, id};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::scratch;
use crate::support::{Result, Trials};
use operations::OPERATIONS;

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("crash", &[]);
    for operation in OPERATIONS {
        group.per_database(operation.name, |db| every_step(db, operation));
    }
    group.per_database("put_data_by_itself", put_data);
    group.per_database("no_operation_has_other_steps", no_other_steps);
    group.add("no_step_is_left_out", |_| no_step_left_out());
}

/// What can be ended at its steps.
struct Operation {
    name: &'static str,
    /// In the order in which they are taken.
    steps: &'static [&'static str],
    /// Faults that are needed to get to these steps.
    besides: &'static str,
    /// For the table of faults, of errors and of crashes.
    faults: [(&'static str, &'static str); 2],
    /// Puts the files there.
    prepare: fn(&Run<'_>),
    arguments: fn(&Run<'_>) -> Vec<String>,
    /// Whether the command succeeds although this step fails.
    succeeds: fn(&str) -> bool,
    /// What readers may see after the fault; then after `repeat`; after `fsck`.
    check: fn(&Run<'_>, Stage),
    /// What repeats it where it must not be repeated as it is.
    repeat: fn(&Run<'_>) -> Vec<String>,
}

const UNCACHED: &[(&str, &str)] = &[("cache_ttl", "0s"), ("cache_negative_ttl", "0s")];

/// How an operation is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Error,
    Crash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Faulty,
    Repeated,
    Checked,
}

/// One run of the command on some files.
struct Run<'s> {
    site: &'s Site,
    /// Another node's.
    reader: &'s Store,
    step: &'s str,
    fault: Fault,
    /// What comes after the fault.
    then: Stage,
    /// Its own directory, so that runs do not meet.
    dir: String,
}

fn every_step(db: TestDb, operation: &Operation) {
    let site = Site::new(db);
    let reader = site.another_store(UNCACHED);
    for (number, step) in operation.steps.iter().enumerate() {
        for fault in [Fault::Error, Fault::Crash] {
            for then in [Stage::Repeated, Stage::Checked] {
                let dir = format!("images/{number}-{fault:?}-{then:?}");
                let run = Run { site: &site, reader: &reader, step, fault, then, dir };
                run.create("bystander", b"untouched");
                (operation.prepare)(&run);
                run.faulty(operation);
                (operation.check)(&run, Stage::Faulty);
                match then {
                    Stage::Repeated => run.succeed(&(operation.repeat)(&run)),
                    _ => run.fsck(),
                }
                (operation.check)(&run, then);
                assert_eq!(run.seen("bystander").as_deref(), Some(&b"untouched"[..]));
                let (fault, outcome) = operation.faults[usize::from(fault == Fault::Crash)];
                injected(fault, outcome);
            }
        }
    }
}

/// The half that writes no row, which no command does: the row that is there speaks of the old file.
fn put_data(db: TestDb) -> Result {
    let site = Site::new(db);
    let (file, old) = (id("images/0"), content::of(1));
    for step in ["staged", "written", "finished", "set-aside"] {
        for how in ["error", "crash"] {
            site.create(file.as_str(), &old)?;
            let mut command = helper::command("put-data", &site, 2)?;
            let output = command.env("FAILPOINTS", format!("{step}=return({how})")).output()?;
            assert!(!output.status.success(), "{step}: {output:?}");
            assert_eq!(site.read(file.as_str())?, old, "{step} {how}");
            if how == "crash" {
                assert_eq!(output.status.code(), None, "{step}: {output:?}");
                let run = Run {
                    site: &site,
                    reader: &site.store,
                    step,
                    fault: Fault::Crash,
                    then: Stage::Checked,
                    dir: "images".to_owned(),
                };
                run.fsck();
            }
            assert_eq!(site.tree(), ["images", "images/0"], "{step} {how}");
            assert_eq!(site.read(file.as_str())?, old, "{step} {how}");
            injected("step of put_data fails, or the process dies there", "the old file stays");
        }
    }
    assert!(helper::command("put-data", &site, 2)?.status()?.success());
    assert_eq!(fs::read(site.path(file.as_str()))?, content::of(2));
    Ok(())
}

/// The lists of steps are those that the operations really take.
fn no_other_steps(db: TestDb) {
    let site = Site::new(db);
    for operation in OPERATIONS {
        let dir = format!("images/{}", operation.name);
        let (fault, then) = (Fault::Error, Stage::Repeated);
        let run = Run { site: &site, reader: &site.store, step: "", fault, then, dir };
        run.create("bystander", b"untouched");
        (operation.prepare)(&run);
        let log = site.root().with_extension("steps");
        fs::write(&log, "").unwrap();
        let arguments = (operation.arguments)(&run);
        let mut command = run.command(&arguments, operation.besides);
        let output = command.env("FAILPOINTS_LOG", &log).output().unwrap();
        assert_eq!(output.status.success(), operation.besides.is_empty(), "{output:?}");
        let taken = fs::read_to_string(log).unwrap();
        let mut taken: Vec<_> = taken.lines().collect();
        if let Some(settling) = operation.besides.strip_suffix("=return(error)") {
            let first = taken.iter().position(|step| *step == settling).expect("that step");
            taken.drain(..=first);
        }
        assert_eq!(taken, operation.steps, "{}", operation.name);
    }
}

/// Every step that the sources name is one of some operation.
fn no_step_left_out() -> Result {
    fn named(dir: &Path, found: &mut BTreeSet<String>) -> Result {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                named(&path, found)?;
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let names = text.split("step!(\"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
        Ok(())
    }
    let mut found = BTreeSet::new();
    named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found)?;
    let listed =
        OPERATIONS.iter().flat_map(|operation| operation.steps).chain(crate::moving::STEPS);
    assert_eq!(found, listed.map(|step| (*step).to_owned()).collect());
    Ok(())
}

impl Run<'_> {
    fn id(&self, name: &str) -> FileId {
        id(&format!("{}/{name}", self.dir))
    }

    fn create(&self, name: &str, bytes: &[u8]) {
        self.site.create(self.id(name).as_str(), bytes).unwrap();
    }

    /// Runs the command with the fault.
    fn faulty(&self, operation: &Operation) {
        let how = if self.fault == Fault::Crash { "crash" } else { "error" };
        let failpoints = format!("{}=return({how})", self.step);
        let failpoints = match operation.besides {
            "" => failpoints,
            besides => format!("{besides};{failpoints}"),
        };
        let output = self.command(&(operation.arguments)(self), &failpoints).output().unwrap();
        let succeeds = self.fault == Fault::Error && (operation.succeeds)(self.step);
        assert_eq!(output.status.success(), succeeds, "{}: {output:?}", self.step);
        if self.fault == Fault::Crash {
            assert_eq!(output.status.code(), None, "{}: {output:?}", self.step);
        }
    }

    fn succeed(&self, arguments: &[String]) {
        let output = self.output(arguments);
        assert!(output.status.success(), "{} {:?}: {output:?}", self.step, self.fault);
    }

    /// What an operator does, without waiting for the grace.
    fn fsck(&self) {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let state = scratch();
        let file = state.path().join("state").display().to_string();
        self.succeed(&[words("purge --grace 0s --state"), vec![file]].concat());
        let check = "fsck --repair all --grace 0s --max-missing 100 --max-orphans 100";
        self.succeed(&[words(check), vec![self.dir.clone()]].concat());
    }

    fn output(&self, arguments: &[String]) -> Output {
        self.command(arguments, "").output().unwrap()
    }

    fn command(&self, arguments: &[String], failpoints: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ezdfs"));
        command
            .args(arguments)
            .env_clear()
            .env("EZDFS_DSN", &self.site.db.dsn)
            .env("EZDFS_ROOT", self.site.root())
            .env("EZDFS_NAME_PREFIX", PREFIX)
            .env("FAILPOINTS", failpoints)
            .stdin(Stdio::null());
        command
    }

    fn what(&self) -> String {
        format!("{} {:?}", self.step, self.fault)
    }

    /// What a reader on another node gets; `None` where it is told that there
    /// is no such file. Any other error is a failure.
    fn seen(&self, name: &str) -> Option<Vec<u8>> {
        match self.reader.open(&self.id(name)) {
            Ok(mut opened) => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut opened.file, &mut bytes).unwrap();
                Some(bytes)
            }
            Err(error) => {
                let what = format!("{}: {error:#}", self.what());
                assert_eq!(error.kind(), ErrorKind::NotFound, "{what}");
                assert_eq!(error.os_errno(), 0, "a live row without a file: {what}");
                None
            }
        }
    }

    /// These files are all that there is, row and file agree, and nothing
    /// temporary is left. Of soft-deleted rows, none.
    fn settled(&self, files: &[(&str, &[u8])]) {
        for (name, bytes) in files {
            assert_eq!(self.seen(name).as_deref(), Some(*bytes), "{}", self.what());
            let row = self.reader.stat(&self.id(name)).unwrap();
            assert_eq!(row.size, bytes.len() as u64, "{}", self.what());
        }
        self.holds(files.len());
        let count =
            format!("SELECT COUNT(*) FROM ezdfsfile WHERE name LIKE '{PREFIX}/{}/%'", self.dir);
        let rows = (files.len() + 1).to_string();
        assert_eq!(self.site.db.sql(&count), crate::store::texts([&rows]), "{}", self.what());
    }

    /// So many files are on the mount, besides the bystander.
    fn holds(&self, files: usize) {
        let here = |path: &String| path.starts_with(&format!("{}/", self.dir));
        let is_file = |path: &String| self.site.path(path).is_file();
        let left: Vec<_> = self.site.tree().into_iter().filter(here).filter(is_file).collect();
        assert_eq!(left.len(), files + 1, "{}: {left:?}", self.what());
    }

    /// A file outside the store, to be put into it.
    fn source(&self, bytes: &[u8]) -> String {
        let path = self.site.root().with_extension("source");
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
