//! Commands that have told of a call that hangs: they stay until it has ended, because the row's
//! lock is theirs.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::store::Site;
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::{Group, Result};

use super::{OLD, Stopped, command, scratch};

const NEW: &[u8] = b"stored by another node";
/// Long enough for a writer who has nobody to wait for.
const UNHINDERED: Duration = Duration::from_millis(500);

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("a_delete_that_hangs_keeps_the_command", hung_delete);
    group.per_database("a_write_that_hangs_keeps_the_command", hung_write);
    group.per_database("ctrl_c_ends_the_wait_for_what_hangs", interrupted);
}

/// A command of which a call on the mount hangs, and which has told so.
struct Hung {
    stopped: Stopped,
    said: std::path::PathBuf,
}

impl Hung {
    fn start(site: &Site, arguments: &[&str], source: &Path, call: &str) -> Result<Self> {
        let (scratch, number) = scratch(site)?;
        let said = scratch.join(format!("{number}.said"));
        let mut command = command(site, arguments, source);
        command.env("EZDFS_MOUNT_TIMEOUT", "200ms").stderr(fs::File::create(&said)?);
        let stopped = Stopped::start(site, command, call)?;
        let mut hung = Hung { stopped, said };
        wait_for("a command to tell what it waits for", || hung.has_told() || hung.has_ended())?;
        assert!(!hung.has_ended(), "{}", hung.said());
        Ok(hung)
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    fn has_told(&self) -> bool {
        self.said().contains("waits until the mount has answered")
    }

    fn has_ended(&mut self) -> bool {
        has_ended(&mut self.stopped.child)
    }

    fn interrupt(&self) -> Result {
        Ok(kill(Pid::from_raw(self.stopped.child.id() as i32), Signal::SIGINT)?)
    }

    fn end(mut self) -> Result<ExitStatus> {
        Ok(self.stopped.child.wait()?)
    }
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

/// Another node's command that stores the file.
fn put(site: &Site, file: &str, bytes: &[u8]) -> Result<Command> {
    let (scratch, number) = scratch(site)?;
    let source = scratch.join(format!("{number}.new"));
    fs::write(&source, bytes)?;
    Ok(command(site, &["put", file], &source))
}

/// Lets what hangs go on when another node has had the time to store the file; that one's file
/// must be there at the end.
fn is_waited_for(site: &Site, hung: Hung) -> Result {
    let mut other = put(site, "images/file", NEW)?.spawn()?;
    thread::sleep(UNHINDERED);
    assert!(!has_ended(&mut other), "another node did not wait");
    hung.stopped.release()?;
    assert!(other.wait()?.success());
    assert_eq!(hung.end()?.code(), Some(3));
    assert_eq!(site.read("images/file")?, NEW);
    assert_eq!(site.tree(), ["images", "images/bystander", "images/file"]);
    Ok(())
}

fn site(db: TestDb) -> Result<Site> {
    let site = Site::new(db);
    site.create("images/file", OLD)?;
    site.create("images/bystander", OLD)?;
    Ok(site)
}

fn hung_delete(db: TestDb) -> Result {
    let site = site(db)?;
    let hung = Hung::start(&site, &["rm"], Path::new("images/file"), "unlink")?;
    is_waited_for(&site, hung)?;
    injected("an unlink hangs, and its command is done", "the command waits, its row stays locked");
    Ok(())
}

fn hung_write(db: TestDb) -> Result {
    let site = site(db)?;
    let source = site.root().with_extension("source");
    fs::write(&source, b"bytes")?;
    let hung = Hung::start(&site, &["put", "images/file"], &source, "set-aside")?;
    is_waited_for(&site, hung)?;
    fs::remove_file(source)?;
    injected("a rename hangs, and its command is done", "the command waits, its row stays locked");
    Ok(())
}

/// Whether the command catches the signal or not.
fn interrupted(db: TestDb) -> Result {
    let site = site(db)?;
    let hung = Hung::start(&site, &["rm"], Path::new("images/file"), "unlink")?;
    hung.interrupt()?;
    let status = hung.end()?;
    assert!(status.code() == Some(3) || status.signal() == Some(Signal::SIGINT as i32), "{status}");
    Ok(())
}
