//! Ages go by the file server's clock: this machine's may be wrong.

use std::process::Command;

use serde_json::json;

use super::{found, lines};
use crate::command::{Cli, stderr};
use crate::support::db::TestDb;
use crate::support::process::clock_library;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND, Need::Programs(&["cc"])]);
    group.per_database("a_wrong_clock_makes_no_upload_old", uploads);
    group.per_database("a_wrong_clock_makes_no_old_file_young", old_files);
}

/// Runs the command at another time: seconds that its clock is ahead, and that files are older.
pub(super) fn at_another_time(mut command: Command, clock: i64, age: i64) -> Command {
    command.env("LD_PRELOAD", clock_library());
    command.env("EZDFS_TEST_CLOCK", clock.to_string());
    command.env("EZDFS_TEST_FILE_AGE", age.to_string());
    command
}

const AHEAD: i64 = 7200;
const SHIFTS: [i64; 3] = [AHEAD, -AHEAD, 0];

fn fill(cli: &Cli) {
    cli.sql("DELETE FROM ezdfsfile");
    for number in 0..5 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    // PHP kernels write the file first.
    cli.lay("images/1/upload.jpg", b"its row comes next");
    cli.lay("images/1/.ezdfs-stage-0123456789abcdef", b"being written");
}

/// Of a second ago, on a node whose clock is two hours off.
fn uploads(db: TestDb) {
    let cli = Cli::new(Some(db));
    fill(&cli);
    let before = cli.state();
    for shift in SHIFTS {
        let command = cli.with_store(&["fsck", "--repair", "all", "--json"]);
        let output = at_another_time(command, shift, 0).output().unwrap();
        let objects = lines(&output);
        assert_eq!(output.status.code(), Some(0), "{shift}: {} {objects:?}", stderr(&output));
        assert_eq!(objects[0]["young"], 2, "{shift}");
        assert_eq!((cli.state(), cli.trashed()), (before.clone(), vec![]), "{shift}");
    }
    // The same of what is left below a directory that is deleted.
    let command = cli.with_store(&["rm", "-r", "images/1"]);
    let output = at_another_time(command, AHEAD, 0).output().unwrap();
    assert!(stderr(&output).contains("left"), "{}", stderr(&output));
    assert!(cli.path("images/1/upload.jpg").exists());
}

fn old_files(db: TestDb) {
    let cli = Cli::new(Some(db));
    for shift in SHIFTS {
        fill(&cli);
        let command = cli.with_store(&["fsck", "--repair", "all", "--json"]);
        let output = at_another_time(command, shift, AHEAD).output().unwrap();
        let objects = lines(&output);
        assert_eq!(output.status.code(), Some(0), "{shift}: {} {objects:?}", stderr(&output));
        let expected = [
            ("stale-staging", "images/1/.ezdfs-stage-0123456789abcdef"),
            ("orphan-file", "images/1/upload.jpg"),
        ];
        let mut classes = found(&objects);
        classes.sort_by_key(|(_, path)| *path);
        assert_eq!(classes, expected, "{shift}");
        // The journal has the server's time, too.
        let restored = cli.ends(&["restore", "--since", "10m ago", "--json"], 0);
        assert_eq!(restored[0]["files"], json!(2), "{shift}");
    }
}
