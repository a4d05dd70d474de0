//! The operations that change something on the mount.

use std::process::Command;

use super::Content::{New, Old};
use super::State::{Dead, Gone, Live, Torn};
use super::run::{Checked, NEW, Run};
use super::{File, Operation, State};
use crate::kill::helper;

const NOTHING: State = Gone { has_file: false };
const HALF_DELETED: &[State] = &[Dead { has_file: true }, Dead { has_file: false }];

const fn file(name: &'static str, before: State, after: State) -> File {
    File { name, before, after, between: &[] }
}

/// One whose row is soft-deleted first.
const fn deleted(name: &'static str) -> File {
    File { name, before: Live(Old), after: NOTHING, between: HALF_DELETED }
}

/// The old name of what is renamed.
const MOVED: File = File { name: "from", before: Live(New), after: NOTHING, between: HALF_DELETED };

/// A file without a row, which may stay where that is told.
const ORPHAN: File = File {
    name: "dir/orphan",
    before: Gone { has_file: true },
    after: NOTHING,
    between: &[Gone { has_file: true }],
};

const fn purged(name: &'static str) -> File {
    let between = &[Dead { has_file: false }];
    File { name, before: Dead { has_file: true }, after: NOTHING, between }
}

/// An operation of which all is done or nothing, with nothing unusual.
const PLAIN: Operation = Operation {
    name: "",
    failpoints: "",
    files: &[],
    is_whole: true,
    is_undone: false,
    prepare: |_| {},
    command: |run| run.command("", &[]),
    finish: |_| Ok(()),
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "create",
        files: &[file("new/deep/file", NOTHING, Live(New))],
        command: |run| put(run, "new/deep/file"),
        ..PLAIN
    },
    Operation {
        name: "overwrite",
        files: &[file("file", Live(Old), Live(New))],
        prepare: |run| run.create("file", Old),
        command: |run| put(run, "file"),
        ..PLAIN
    },
    Operation {
        name: "overwrite_whose_commit_fails",
        failpoints: "published=return(error)",
        files: &[file("file", Live(Old), Live(Old))],
        is_undone: true,
        prepare: |run| run.create("file", Old),
        command: |run| put(run, "file"),
        ..PLAIN
    },
    Operation {
        name: "create_whose_commit_fails",
        failpoints: "published=return(error)",
        files: &[file("file", NOTHING, NOTHING)],
        is_undone: true,
        command: |run| put(run, "file"),
        ..PLAIN
    },
    Operation {
        name: "put_data",
        files: &[file("file", Live(Old), Torn)],
        prepare: |run| run.create("file", Old),
        command: put_data,
        ..PLAIN
    },
    Operation {
        name: "rename",
        files: &[MOVED, file("new/to", NOTHING, Live(New))],
        prepare: |run| run.create("from", New),
        command: |run| run.command("mv", &[&run.id("from"), &run.id("new/to")]),
        ..PLAIN
    },
    Operation {
        name: "rename_onto",
        files: &[MOVED, file("to", Live(Old), Live(New))],
        prepare: |run| {
            run.create("from", New);
            run.create("to", Old);
        },
        command: |run| run.command("mv", &[&run.id("from"), &run.id("to")]),
        ..PLAIN
    },
    Operation {
        name: "delete",
        files: &[deleted("file")],
        is_whole: false,
        prepare: |run| run.create("file", Old),
        command: |run| run.command("rm", &[&run.id("file")]),
        ..PLAIN
    },
    Operation {
        name: "delete_directory",
        failpoints: "no-grace=return",
        files: &[deleted("dir/one"), deleted("dir/deep/two"), ORPHAN],
        is_whole: false,
        prepare: |run| {
            run.create("dir/one", Old);
            run.create("dir/deep/two", Old);
            run.orphan("dir/orphan");
        },
        command: |run| run.command("rm -r", &[&run.id("dir")]),
        ..PLAIN
    },
    Operation {
        name: "purge",
        files: &[purged("one"), purged("deep/two")],
        is_whole: false,
        prepare: two_deleted,
        command: |run| {
            let state = run.beside("state").display().to_string();
            run.command("purge --grace 0s --max-missing 100 --state", &[&state])
        },
        finish: |run| {
            run.purge()?;
            both_come_back(run)
        },
        ..PLAIN
    },
    Operation {
        name: "restore",
        files: &[
            file("one", NOTHING, Dead { has_file: true }),
            file("deep/two", NOTHING, Dead { has_file: true }),
        ],
        is_whole: false,
        prepare: |run| {
            two_deleted(run);
            run.purge().unwrap();
        },
        command: |run| run.command("restore", &[]),
        finish: both_come_back,
        ..PLAIN
    },
    Operation {
        name: "repair",
        files: &[file("file", Torn, Live(Old))],
        is_whole: false,
        prepare: |run| {
            run.create("file", Old);
            let died = put(run, "file").env("FAILPOINTS", "published=return(crash)").output();
            assert_eq!(died.unwrap().status.code(), None);
        },
        command: |run| {
            let check = "fsck --repair all --grace 0s --max-missing 100 --max-orphans 100";
            run.command(check, &[&run.id("")[..run.id("").len() - 1]])
        },
        ..PLAIN
    },
];

fn put(run: &Run<'_>, name: &str) -> Command {
    run.command("put --mtime", &[&NEW.to_string(), &run.id(name), &run.source()])
}

/// The half that writes no row, which no command does.
fn put_data(run: &Run<'_>) -> Command {
    let mut command = helper::command("put-data", run.site, run.version(New)).unwrap();
    command.env(helper::ID, run.id("file"));
    command
}

fn two_deleted(run: &Run<'_>) {
    for name in ["one", "deep/two"] {
        run.create(name, Old);
        run.soft_delete(name);
    }
}

/// Nothing that was in the trash, or went there, is lost.
fn both_come_back(run: &Run<'_>) -> Checked {
    let output = run.command("restore", &[]).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("restore: {}", String::from_utf8_lossy(&output.stderr)));
    }
    for name in ["one", "deep/two"] {
        let state = run.state(name)?;
        if state != (Dead { has_file: true }) {
            return Err(format!("restored, and {name:?} is {state:?}"));
        }
    }
    Ok(())
}
