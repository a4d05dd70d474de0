//! What readers may not read, and what those who check may not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use super::{found, lines, summary};
use crate::command::{Cli, stderr};
use crate::support::db::TestDb;
use crate::support::process::is_root;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.add("what_is_not_ours_need_not_be_readable", |_| not_ours());
    group.per_database("a_file_that_nobody_may_read_is_a_fault", unreadable_files);
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Runs the command as a user who is not root, on a database that everybody may write.
fn as_nobody(cli: &Cli, arguments: &[&str]) -> Output {
    set(cli.dir.path(), 0o777);
    for entry in fs::read_dir(cli.dir.path()).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            set(&entry.path(), 0o666);
        }
    }
    let bare = cli.bare(arguments);
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    command.arg("--").arg(bare.get_program()).args(bare.get_args());
    command.env("EZDFS_DSN", &cli.dsn).env("EZDFS_ROOT", cli.root());
    command.current_dir(cli.dir.path()).output().unwrap()
}

/// `lost+found` belongs to root; so may other trees on the share.
fn not_ours() {
    let cli = Cli::new(None);
    for number in 0..5 {
        cli.store(&format!("var/one/storage/images/{number}.jpg"), b"live");
    }
    let closed = ["lost+found", "backup/secret", "var/one/log", "var/one/storage/images/closed"];
    for path in closed {
        fs::create_dir_all(cli.path(path)).unwrap();
        set(&cli.path(path), 0);
    }
    let output = as_nobody(&cli, &super::FSCK);
    let objects = lines(&output);
    // Only of the last one anything has to be known.
    assert_eq!(output.status.code(), Some(5), "{objects:?}");
    assert_eq!(summary(&objects)["errors"], 1, "{}", stderr(&output));
    assert!(stderr(&output).contains(closed[3]), "{}", stderr(&output));
    fs::remove_dir(cli.path(closed[3])).unwrap();
    let output = as_nobody(&cli, &super::FSCK);
    let objects = lines(&output);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{objects:?}");
    for path in &closed[..3] {
        set(&cli.path(path), 0o755);
    }
}

fn unreadable_files(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..5 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    // Its row is not live: nobody asks for it.
    cli.store("images/1/deleted.jpg", b"deleted");
    cli.delete_as_legacy("images/1/deleted.jpg");
    let closed = cli.path("images/1/3.jpg");
    for path in [&closed, &cli.path("images/1/deleted.jpg")] {
        set(path, 0);
    }
    let objects = cli.check(&[], 7);
    assert_eq!(found(&objects), [("unreadable-file", "images/1/3.jpg")]);
    assert_eq!(mode(&closed), 0);
    let objects = cli.check(&["unreadable-file"], 0);
    assert_eq!(summary(&objects)["repaired"]["unreadable-file"], json!(1));
    assert_eq!((mode(&closed), cli.read("images/1/3.jpg")), (0o444, b"live".to_vec()));
    assert_eq!(found(&cli.check(&[], 0)), []);
}
