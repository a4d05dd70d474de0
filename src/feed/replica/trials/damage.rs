//! Files that are not as the agent left them, and no room for more.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::helper::Helper;
use super::{Answer, Unusable, complete, directory, key, replica, row, writer};
use crate::feed::replica::place;

fn file(path: &Path, name: &str) -> PathBuf {
    place::directory(path).unwrap().join(name)
}

/// A replica of some rows, and nobody who has it open.
fn made() -> tempfile::TempDir {
    let directory = directory();
    let mut writer = writer(directory.path());
    let rows: Vec<_> = (0..20_000).map(|it| (key(it), row(it))).collect();
    complete(&mut writer, &rows);
    directory
}

fn is_broken(path: &Path) -> bool {
    matches!(replica(path).look_up(&key(1)), Answer::Unusable(Unusable::Broken(_)))
}

#[test]
fn what_is_cut_short_is_not_used() {
    let directory = made();
    let path = directory.path();
    let data = file(path, place::DATA);
    let whole = fs::metadata(&data).unwrap().len();
    for length in [0, 1, 4096, 8191, 8192, whole / 2, whole - 4096, whole - 1] {
        File::options().write(true).open(&data).unwrap().set_len(length).unwrap();
        assert!(is_broken(path), "{length} of {whole} bytes");
        let mut writer = writer(path);
        assert!(!writer.state().unwrap().is_complete, "{length}: it is made anew");
        let rows: Vec<_> = (0..20_000).map(|it| (key(it), row(it))).collect();
        complete(&mut writer, &rows);
    }
    assert!(matches!(replica(path).look_up(&key(1)), Answer::Known(_)));
    File::options().write(true).open(file(path, place::LOCK)).unwrap().set_len(100).unwrap();
    assert!(is_broken(path), "the lock file");
}

#[test]
fn what_is_no_replica_is_not_used() {
    let directory = made();
    let path = directory.path();
    let data = file(path, place::DATA);
    for (what, bytes) in [("zeros", vec![0; 1 << 20]), ("text", b"ezdfs\n".repeat(10_000))] {
        fs::write(&data, bytes).unwrap();
        assert!(is_broken(path), "{what}");
    }
    fs::remove_file(&data).unwrap();
    fs::create_dir(&data).unwrap();
    assert!(is_broken(path), "a directory");
    fs::remove_dir(&data).unwrap();
    assert!(is_broken(path), "nothing");
}

/// LMDB would read it without any lock.
#[test]
fn one_whose_lock_file_cannot_be_written_is_not_used() {
    let directory = made();
    let path = directory.path();
    fs::set_permissions(file(path, place::LOCK), fs::Permissions::from_mode(0o444)).unwrap();
    if nix::unistd::geteuid().is_root() {
        eprintln!("cannot run: root may write to everything");
        return;
    }
    assert!(is_broken(path));
}

/// One that was made before the machine started, or by another format, has another name.
#[test]
fn one_of_another_start_of_the_machine_is_not_used() {
    let directory = made();
    let path = directory.path();
    let old = path.join("1-00000000-0000-4000-8000-000000000000");
    fs::rename(place::directory(path).unwrap(), &old).unwrap();
    assert_eq!(replica(path).look_up(&key(1)), Answer::Unusable(Unusable::Absent));
    fs::write(path.join("somebody-elses"), "").unwrap();
    assert!(!writer(path).state().unwrap().is_complete);
    assert!(!old.exists() && path.join("somebody-elses").exists());
}

/// What is damaged in its middle may end who reads it; the agent makes another all the same.
#[test]
fn the_agent_gets_over_a_damaged_one() {
    let directory = made();
    let path = directory.path();
    let data = File::options().write(true).open(file(path, place::DATA)).unwrap();
    let length = data.metadata().unwrap().len();
    for page in (2..length / 4096).step_by(2) {
        data.write_all_at(&[0xff; 2048], page * 4096).unwrap();
    }
    let ended = (0..5).filter(|_| Helper::start("open", path).signal().is_some()).count();
    assert!(ended <= 3, "{ended} agents ended");
    assert!(!writer(path).state().unwrap().is_complete);
    let reader = Helper::start("look", path);
    reader.ends_well();
}

#[test]
fn a_full_disk_leaves_it_as_it_was() {
    let directory = directory();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg("mount -t tmpfs -o size=6m none \"$0\" && exec \"$@\"").arg(directory.path());
    command.arg(std::env::current_exe().unwrap());
    Helper::spawn(&mut command, "fill", directory.path()).ends_well();
}
