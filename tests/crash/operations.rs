//! The operations, and what is right after each of their ends.

use super::{Fault, Operation, Run, Stage};

const OLD: &[u8] = b"the old bytes";
const NEW: &[u8] = b"the new bytes, of another length";
const SAME_LENGTH: &[u8] = b"new, as many!";

const WRITE: &[&str] =
    &["staged", "written", "finished", "upserted", "set-aside", "published", "committed"];
const SETTLE: &[&str] = &["asked", "relocked", "undone"];
const DELETE: &[&str] = &["soft-deleted", "locked", "files-removed", "rows-deleted"];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "create",
        steps: WRITE,
        besides: "",
        faults: [
            ("step of a create fails", "no row, no file; or created"),
            ("process dies at a step of a create", "nothing to be seen; fsck removes the rest"),
        ],
        prepare: |_| {},
        arguments: |run| put(run, "new", NEW),
        succeeds: error_is_settled,
        check: create,
        repeat: |run| put(run, "new", NEW),
    },
    Operation {
        name: "overwrite",
        steps: WRITE,
        besides: "",
        faults: [
            ("step of an overwrite fails", "old file; or overwritten"),
            ("process dies at a step of an overwrite", "whole file; fsck restores the old"),
        ],
        prepare: |run| run.create("file", OLD),
        arguments: |run| put(run, "file", overwriting(run)),
        succeeds: error_is_settled,
        check: overwrite,
        repeat: |run| put(run, "file", overwriting(run)),
    },
    Operation {
        name: "overwrite_whose_commit_fails",
        steps: SETTLE,
        besides: "published=return(error)",
        faults: [
            ("step of settling a failed commit fails", "old file, or outcome reported as unknown"),
            ("process dies while it settles a failed commit", "whole file; fsck restores the old"),
        ],
        prepare: |run| run.create("file", OLD),
        arguments: |run| put(run, "file", NEW),
        succeeds: |_| false,
        check: settle,
        repeat: |run| put(run, "file", NEW),
    },
    Operation {
        name: "delete",
        steps: DELETE,
        besides: "",
        faults: [
            ("step of a delete fails", "file is gone for readers; purge ends it"),
            ("process dies at a step of a delete", "file is gone for readers; purge ends it"),
        ],
        prepare: |run| run.create("file", OLD),
        arguments: |run| words("rm", &[run.id("file").as_str()]),
        succeeds: |_| false,
        check: |run, stage| match stage {
            // The row was soft-deleted and committed before the first step of these.
            Stage::Faulty => assert_eq!(run.seen("file"), None),
            _ => run.settled(&[]),
        },
        repeat: |run| words("rm", &[run.id("file").as_str()]),
    },
    Operation {
        name: "rename",
        steps: &[
            "staged",
            "written",
            "finished",
            "upserted",
            "set-aside",
            "published",
            "committed",
            "locked",
            "files-removed",
            "rows-deleted",
        ],
        besides: "",
        faults: [
            ("step of a rename fails", "bytes are under one of the two names"),
            ("process dies at a step of a rename", "bytes are under one of the two names"),
        ],
        prepare: |run| {
            run.create("from", NEW);
            run.create("to", OLD);
        },
        arguments: |run| words("mv", &[run.id("from").as_str(), run.id("to").as_str()]),
        succeeds: has_moved,
        check: rename,
        repeat: |run| match has_moved(run.step) {
            // Finishes what is left of the old name.
            true => words("rm -f", &[run.id("from").as_str()]),
            false => words("mv", &[run.id("from").as_str(), run.id("to").as_str()]),
        },
    },
    Operation {
        name: "delete_directory",
        steps: DELETE,
        besides: "",
        faults: [
            ("step of delete_directory fails", "files are gone for readers; purge ends it"),
            ("process dies in delete_directory", "files are gone for readers; purge ends it"),
        ],
        prepare: directory,
        arguments: |run| words("rm -r", &[run.id("dir").as_str()]),
        succeeds: |_| false,
        check: |run, stage| match stage {
            Stage::Faulty => nobody_sees_the_directory(run),
            _ => run.settled(&[]),
        },
        repeat: |run| words("rm -r", &[run.id("dir").as_str()]),
    },
    Operation {
        name: "purge",
        steps: &["locked", "files-removed", "rows-deleted", "purged"],
        besides: "",
        faults: [
            ("step of purge fails", "nothing comes back; the next purge ends it"),
            ("process dies in purge", "nothing comes back; the next purge ends it"),
        ],
        prepare: |run| {
            directory(run);
            soft_delete(run, "dir/%");
        },
        arguments: purge,
        succeeds: |_| false,
        check: |run, stage| match stage {
            Stage::Faulty => nobody_sees_the_directory(run),
            _ => run.settled(&[]),
        },
        repeat: purge,
    },
    Operation {
        name: "undelete",
        steps: &["revived"],
        besides: "",
        faults: [
            ("step of undelete fails", "it stays soft-deleted"),
            ("process dies in undelete", "it stays soft-deleted"),
        ],
        prepare: |run| {
            run.create("file", OLD);
            soft_delete(run, "file");
        },
        arguments: |run| words("undelete", &[run.id("file").as_str()]),
        succeeds: |_| false,
        check: |run, stage| match stage {
            Stage::Faulty => assert_eq!(run.seen("file"), None),
            Stage::Repeated => run.settled(&[("file", OLD)]),
            Stage::Checked => run.settled(&[]),
        },
        repeat: |run| words("undelete", &[run.id("file").as_str()]),
    },
    Operation {
        name: "import",
        steps: &["looked", "reserved", "registered"],
        besides: "",
        faults: [
            ("step of import fails", "files of committed batches are stored; repeated, all"),
            ("process dies in import", "files of committed batches are stored; repeated, all"),
        ],
        // Beside the bystander: of directories without any row fsck says nothing.
        prepare: |run| run.site.foreign_file(run.id("file").as_str(), OLD),
        arguments: import,
        succeeds: |_| false,
        check: |run, stage| match (run.step, stage) {
            ("registered", _) | (_, Stage::Repeated) => run.settled(&[("file", OLD)]),
            (_, Stage::Faulty) => assert_eq!(run.seen("file"), None),
            // A file without a row, for fsck.
            (_, Stage::Checked) => run.settled(&[]),
        },
        repeat: import,
    },
];

/// An error after the commit is settled by asking for the row.
fn error_is_settled(step: &str) -> bool {
    step == "committed"
}

fn words(command: &str, arguments: &[&str]) -> Vec<String> {
    command.split(' ').chain(arguments.iter().copied()).map(str::to_owned).collect()
}

/// With another time than the file before, and so with another row.
fn put(run: &Run<'_>, name: &str, bytes: &[u8]) -> Vec<String> {
    words("put --mtime 1500000000", &[run.id(name).as_str(), &run.source(bytes)])
}

fn purge(run: &Run<'_>) -> Vec<String> {
    let state = run.site.root().with_extension("purge");
    words("purge --grace 0s --state", &[state.to_str().unwrap()])
}

/// As legacy does: the files stay. `names` may be a pattern.
fn soft_delete(run: &Run<'_>, names: &str) {
    let name = format!("{}/{}/{names}", crate::store::PREFIX, run.dir);
    run.site.db.sql(&format!(
        "UPDATE ezdfsfile SET expired = TRUE, mtime = -mtime WHERE name LIKE '{name}'"
    ));
}

fn import(run: &Run<'_>) -> Vec<String> {
    words("import", &[run.site.path(&run.dir).to_str().unwrap()])
}

fn directory(run: &Run<'_>) {
    for number in 0..5 {
        run.create(&format!("dir/{number}"), OLD);
    }
}

fn nobody_sees_the_directory(run: &Run<'_>) {
    for number in 0..5 {
        assert_eq!(run.seen(&format!("dir/{number}")), None);
    }
}

fn create(run: &Run<'_>, stage: Stage) {
    let committed = run.step == "committed" || stage == Stage::Repeated;
    assert_eq!(run.seen("new").as_deref(), committed.then_some(NEW), "{}", run.what());
    // What a process that died has left is cleared away by `fsck` alone.
    match (committed, run.fault, stage) {
        (_, Fault::Crash, Stage::Faulty | Stage::Repeated) => {}
        (true, ..) => run.settled(&[("new", NEW)]),
        (false, ..) => run.settled(&[]),
    }
}

/// `fsck` is to tell the files apart by more than their sizes.
fn overwriting(run: &Run<'_>) -> &'static [u8] {
    if run.then == Stage::Checked { SAME_LENGTH } else { NEW }
}

fn overwrite(run: &Run<'_>, stage: Stage) {
    let new = overwriting(run);
    let committed = run.step == "committed" || stage == Stage::Repeated;
    let expected = if committed { new } else { OLD };
    match (run.fault, stage) {
        // Died between rename and commit: the new bytes, whole, under the old row.
        (Fault::Crash, Stage::Faulty) if run.step == "published" => {
            assert_eq!(run.seen("file").as_deref(), Some(new));
        }
        (Fault::Crash, Stage::Faulty | Stage::Repeated) => {
            assert_eq!(run.seen("file").as_deref(), Some(expected), "{}", run.what());
        }
        _ => run.settled(&[("file", expected)]),
    }
}

fn settle(run: &Run<'_>, stage: Stage) {
    let seen = run.seen("file").expect("a file that was there");
    match stage {
        Stage::Checked => run.settled(&[("file", OLD)]),
        Stage::Repeated => assert_eq!(seen, NEW),
        Stage::Faulty if run.step == "undone" => {
            assert_eq!(seen, OLD);
            // Beside it what was staged, if nobody was left to remove it.
            run.holds(if run.fault == Fault::Crash { 2 } else { 1 });
        }
        // Nobody could say: both files stay.
        Stage::Faulty => {
            assert_eq!(seen, NEW);
            run.holds(2);
        }
    }
}

/// What is then left of the old name is not an error of the rename.
fn has_moved(step: &str) -> bool {
    matches!(step, "committed" | "locked" | "files-removed" | "rows-deleted")
}

fn rename(run: &Run<'_>, stage: Stage) {
    let moved = has_moved(run.step) || stage == Stage::Repeated;
    let seen = run.seen("to").expect("a file that was there");
    assert_eq!(run.seen("from").is_none(), moved, "{}", run.what());
    match stage {
        Stage::Checked if moved => run.settled(&[("to", NEW)]),
        Stage::Checked => run.settled(&[("to", OLD), ("from", NEW)]),
        _ if moved => assert_eq!(seen, NEW, "{}", run.what()),
        _ if run.fault == Fault::Crash && run.step == "published" => assert_eq!(seen, NEW),
        _ => assert_eq!(seen, OLD, "{}", run.what()),
    }
    if stage == Stage::Repeated {
        assert!(run.site.row("size", run.id("from").as_str()).is_empty());
    }
}
