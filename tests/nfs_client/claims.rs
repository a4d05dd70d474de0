//! What the real client of Linux does to two nodes, done by those of the tests.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::nfs_client::{Call, Fault, NfsClient, Version, unmount_beneath};
use crate::support::process::{scratch, wait_for};
use crate::support::{Group, Result};

/// Longer than any trial takes.
const LONG: Duration = Duration::from_secs(3600);

pub(super) fn register(group: &mut Group) {
    group.add("it_passes_through", |_| passes_through());
    group.add("names_looked_up_in_vain_stay_absent", |_| negative());
    group.add("attributes_are_trusted_until_open", |_| attributes());
    group.add("version_4_opens_the_old_file_while_it_is_held", |_| version_4());
    group.add("version_4_reads_what_is_removed_on", |_| version_4_removed());
    group.add("version_3_drops_what_is_held", |_| version_3());
    group.add("removed_files_that_are_open_are_renamed", |_| silly_rename());
    group.add("files_of_others_come_late", |_| delay());
    group.add("calls_fail_as_told", |_| faults());
    group.add("calls_hang_until_released", |_| hangs());
    group.add("calls_do_not_wait_for_each_other", |_| parallel());
    group.add("mounts_go", |_| mounts_go());
}

/// Two mounts of one tree.
struct Two {
    a: NfsClient,
    b: NfsClient,
    server: TempDir,
}

impl Two {
    fn mount() -> Result<Self> {
        let server = scratch();
        fs::create_dir(server.path().join("d"))?;
        let (a, b) = (NfsClient::mount(server.path())?, NfsClient::mount(server.path())?);
        Ok(Two { a, b, server })
    }

    fn on_a(&self) -> PathBuf {
        self.a.at().join("d/file")
    }

    fn on_b(&self) -> PathBuf {
        self.b.at().join("d/file")
    }

    /// A renames a new file over the old one.
    fn replace(&self, bytes: &[u8]) -> Result {
        let staged = self.a.at().join("d/staged");
        fs::write(&staged, bytes)?;
        Ok(fs::rename(staged, self.on_a())?)
    }
}

#[track_caller]
fn assert_errno<T: std::fmt::Debug>(outcome: std::io::Result<T>, errno: Errno) {
    let error = outcome.expect_err("should have failed");
    assert_eq!(error.raw_os_error(), Some(errno as i32), "{error}");
}

fn open_directory(of: &Path) -> Result {
    fs::read_dir(of.parent().ok_or("no parent")?)?;
    Ok(())
}

fn passes_through() -> Result {
    let two = Two::mount()?;
    let large: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    fs::write(two.on_a(), &large)?;
    assert!(fs::read(two.on_b())? == large);
    assert!(fs::read(two.server.path().join("d/file"))? == large);
    two.replace(b"short")?;
    assert_eq!(fs::read(two.on_b())?, b"short");
    let (second, sub) = (two.b.at().join("d/second"), two.a.at().join("d/sub"));
    fs::hard_link(two.on_b(), &second)?;
    fs::create_dir(&sub)?;
    let metadata = fs::metadata(two.a.at().join("d/second"))?;
    assert_eq!(std::os::unix::fs::MetadataExt::nlink(&metadata), 2);
    let mut names: Vec<_> = fs::read_dir(two.b.at().join("d"))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_>>()?;
    names.sort();
    assert_eq!(names, ["file", "second", "sub"]);
    File::options().write(true).open(&second)?.set_len(2)?;
    File::open(second.parent().ok_or("no parent")?)?.sync_all()?;
    assert_eq!(fs::read(two.on_a())?, b"sh");
    fs::remove_dir(two.b.at().join("d/sub"))?;
    fs::remove_file(&second)?;
    fs::remove_file(two.on_a())?;
    assert_errno(fs::metadata(two.on_b()), Errno::ENOENT);
    Ok(())
}

fn negative() -> Result {
    let mut two = Two::mount()?;
    two.b.behave(|behaviour| behaviour.negative = LONG)?;
    assert_errno(fs::metadata(two.on_b()), Errno::ENOENT);
    fs::write(two.on_a(), b"bytes")?;
    assert_errno(fs::metadata(two.on_b()), Errno::ENOENT);
    assert_errno(File::open(two.on_b()), Errno::ENOENT);
    open_directory(&two.on_b())?;
    assert_eq!(fs::read(two.on_b())?, b"bytes");

    let another = two.b.at().join("d/another");
    assert_errno(fs::metadata(&another), Errno::ENOENT);
    fs::write(two.a.at().join("d/another"), b"bytes")?;
    assert_errno(fs::metadata(&another), Errno::ENOENT);
    assert_errno(File::create_new(&another), Errno::EEXIST);
    assert_eq!(fs::read(&another)?, b"bytes");
    Ok(())
}

fn attributes() -> Result {
    let mut two = Two::mount()?;
    two.b.behave(|behaviour| behaviour.attributes = LONG)?;
    fs::write(two.on_a(), b"old")?;
    assert_eq!(fs::metadata(two.on_b())?.len(), 3);
    fs::write(two.on_a(), b"in place")?;
    assert_eq!(fs::metadata(two.on_b())?.len(), 3);
    assert_eq!(File::open(two.on_b())?.metadata()?.len(), 8);
    two.replace(b"renamed over")?;
    assert_eq!(fs::metadata(two.on_b())?.len(), 8);
    assert_eq!(fs::read(two.on_b())?, b"renamed over");
    Ok(())
}

fn version_4() -> Result {
    let mut two = Two::mount()?;
    two.b.behave(|behaviour| (behaviour.version, behaviour.names) = (Version::V4, LONG))?;
    fs::write(two.on_a(), b"old bytes")?;
    for heal in ["stat", "directory"] {
        let held = File::open(two.on_b())?;
        let before = fs::read(two.on_a())?;
        two.replace(heal.as_bytes())?;
        let mut again = File::open(two.on_b())?;
        let mut bytes = Vec::new();
        let stale = again.metadata();
        again.read_to_end(&mut bytes)?;
        assert_eq!(bytes, before, "{heal}");
        assert_errno(stale, Errno::ESTALE);
        if heal == "stat" {
            assert_eq!(fs::metadata(two.on_b())?.len(), 4);
        } else {
            open_directory(&two.on_b())?;
        }
        assert_eq!(fs::read(two.on_b())?, heal.as_bytes());
        assert_errno(held.metadata(), Errno::ESTALE);
    }
    Ok(())
}

fn version_4_removed() -> Result {
    let mut two = Two::mount()?;
    two.b.behave(|behaviour| (behaviour.version, behaviour.names) = (Version::V4, LONG))?;
    fs::write(two.on_a(), b"old bytes")?;
    let mut held = File::open(two.on_b())?;
    fs::remove_file(two.on_a())?;
    let mut text = String::new();
    held.read_to_string(&mut text)?;
    assert_eq!(text, "old bytes");
    assert_errno(File::open(two.on_b())?.metadata(), Errno::ESTALE);
    open_directory(&two.on_b())?;
    assert_errno(File::open(two.on_b()), Errno::ENOENT);
    Ok(())
}

fn version_3() -> Result {
    let mut two = Two::mount()?;
    two.b.behave(|behaviour| behaviour.version = Version::V3)?;
    fs::write(two.on_a(), vec![b'o'; 1 << 20])?;
    let mut held = File::open(two.on_b())?;
    let mut buffer = [0; 16];
    held.read_exact(&mut buffer)?;
    two.replace(b"new bytes")?;
    assert_eq!(fs::read(two.on_b())?, b"new bytes");
    assert_errno(held.metadata(), Errno::ESTALE);
    assert_errno(held.read_to_end(&mut Vec::new()), Errno::ESTALE);
    Ok(())
}

fn silly_rename() -> Result {
    let mut two = Two::mount()?;
    two.b.behave(|behaviour| behaviour.silly_rename = true)?;
    fs::write(two.on_a(), b"bytes")?;
    let mut held = File::open(two.on_b())?;
    fs::remove_file(two.on_b())?;
    let left = || -> Result<Vec<PathBuf>> {
        fs::read_dir(two.a.at().join("d"))?.map(|entry| Ok(entry?.path())).collect()
    };
    let names = left()?;
    assert!(names[0].to_string_lossy().contains("/.nfs"), "{names:?}");
    assert_errno(fs::remove_dir(two.b.at().join("d")), Errno::ENOTEMPTY);
    let mut text = String::new();
    held.read_to_string(&mut text)?;
    assert_eq!(text, "bytes");
    drop(held);
    wait_for("the file to go", || left().is_ok_and(|left| left.is_empty()))?;
    Ok(fs::remove_dir(two.b.at().join("d"))?)
}

fn delay() -> Result {
    let mut two = Two::mount()?;
    two.b.behave(|behaviour| behaviour.delay = LONG)?;
    fs::write(two.on_a(), b"bytes")?;
    open_directory(&two.on_b())?;
    assert_errno(fs::metadata(two.on_b()), Errno::ENOENT);
    let own = two.b.at().join("d/own");
    fs::write(&own, b"own")?;
    assert_eq!(fs::read(&own)?, b"own");
    two.b.behave(|behaviour| behaviour.delay = Duration::ZERO)?;
    assert_eq!(fs::read(two.on_b())?, b"bytes");
    Ok(())
}

fn faults() -> Result {
    let mut two = Two::mount()?;
    for (call, errno) in [
        (Call::Create, Errno::EDQUOT),
        (Call::Write, Errno::ENOSPC),
        (Call::Fsync, Errno::EIO),
        (Call::Flush, Errno::EDQUOT),
    ] {
        two.b.fail([Fault::new(call, errno).name("file")])?;
        let write = |path: PathBuf| -> std::io::Result<()> {
            let mut file = File::create(path)?;
            file.write_all(b"bytes")?;
            file.sync_all()?;
            nix::unistd::close(file).map_err(Into::into)
        };
        assert_errno(write(two.on_b()), errno);
        write(two.b.at().join("d/other"))?;
        write(two.on_a())?;
        fs::remove_file(two.on_a())?;
    }
    two.b.heal()?;
    fs::write(two.on_a(), vec![b'x'; 400_000])?;
    two.b.fail([Fault::new(Call::Open, Errno::ESTALE).until_revalidated()])?;
    assert_errno(File::open(two.on_b()), Errno::ESTALE);
    open_directory(&two.on_b())?;
    assert_eq!(fs::read(two.on_b())?.len(), 400_000);
    two.b.fail([Fault::new(Call::Read, Errno::EIO).beyond(200_000)])?;
    let mut bytes = Vec::new();
    assert_errno(File::open(two.on_b())?.read_to_end(&mut bytes), Errno::EIO);
    assert!(bytes.len() > 100_000, "{}", bytes.len());
    two.b.heal()?;
    two.b.behave(|behaviour| behaviour.short_reads = Some(5000))?;
    let file = File::open(two.on_b())?;
    assert_eq!(file.metadata()?.len(), 400_000);
    assert_eq!(fs::read(two.on_b())?.len(), 5000);
    Ok(())
}

fn hangs() -> Result {
    let mut two = Two::mount()?;
    fs::write(two.on_a(), b"bytes")?;
    two.b.hang(&[Call::Read])?;
    let path = two.on_b();
    let reader = thread::spawn(move || fs::read(path));
    wait_for("a call to hang", || two.b.hanging().is_ok_and(|hanging| hanging > 0))?;
    // Everything else goes on, on this node as on the other.
    assert_eq!(fs::metadata(two.on_b())?.len(), 5);
    assert_eq!(fs::read(two.on_a())?, b"bytes");
    assert!(!reader.is_finished());
    two.b.hang(&[])?;
    assert_eq!(reader.join().map_err(|_| "the reader panicked")??, b"bytes");
    Ok(())
}

/// Names in one directory, so that neither the kernel nor the server of the mount may look them up
/// one after the other.
fn parallel() -> Result {
    let mut two = Two::mount()?;
    let names = |mount: &NfsClient| (0..40).map(|i| mount.at().join(format!("d/{i}"))).collect();
    let paths: Vec<PathBuf> = names(&two.a);
    for path in &paths {
        fs::write(path, b"x")?;
    }
    two.b.behave(|behaviour| behaviour.attributes = LONG)?;
    fs::metadata(two.b.at().join("d"))?;
    two.b.hang(&[Call::Lookup])?;
    let paths: Vec<PathBuf> = names(&two.b);
    thread::scope(|scope| {
        for path in &paths {
            scope.spawn(move || fs::metadata(path).map(drop));
        }
        let waited =
            wait_for("all calls to hang", || two.b.hanging().is_ok_and(|hanging| hanging == 40));
        two.b.hang(&[]).and(waited)
    })
}

fn mounts_go() -> Result {
    let mut two = Two::mount()?;
    fs::write(two.on_a(), b"bytes")?;
    let held = File::open(two.on_b())?;
    two.b.unmount()?;
    assert_eq!(fs::read_dir(two.b.at())?.count(), 0);
    assert!(held.metadata().is_err());
    two.b.mount_again(two.server.path())?;
    assert_eq!(fs::read(two.on_b())?, b"bytes");

    // A panic, with a call that hangs.
    two.b.hang(&[Call::Open])?;
    let (at, path) = (two.b.at().to_owned(), two.on_b());
    let reader = thread::spawn(move || fs::read(path));
    wait_for("a call to hang", || two.b.hanging().is_ok_and(|hanging| hanging > 0))?;
    let client = std::panic::AssertUnwindSafe(two.b);
    let unwound = std::panic::catch_unwind(move || {
        let _client = client;
        std::panic::resume_unwind(Box::new("a trial fails"));
    });
    assert!(unwound.is_err());
    assert!(reader.join().map_err(|_| "the reader panicked")?.is_err());
    assert!(!at.exists(), "the mount and its directory are gone");

    // What a run leaves that is killed together with its mounts.
    kill(Pid::from_raw(two.a.pid().ok_or("no process")?.cast_signed()), Signal::SIGKILL)?;
    wait_for("a dead mount", || fs::read_dir(two.a.at()).is_err())?;
    unmount_beneath(two.a.at().parent().ok_or("no parent")?);
    assert_eq!(fs::read_dir(two.a.at())?.count(), 0);
    Ok(())
}
