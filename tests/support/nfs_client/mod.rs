//! NFS clients that misbehave on purpose: each mount of a directory is a node of its own.
//!
//! A mount passes through to the directory, which plays the server. What it remembers, for how
//! long, and which calls fail, hang or take their time, can be changed while it is mounted.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::Result;
use super::process::{Daemon, scratch, wait_for};

mod behaviour;
mod client;
mod files;
pub mod program;
mod session;

use behaviour::Report;
pub use behaviour::{Behaviour, Call, Calls, Fault, Version};

/// The first argument that makes this program serve a mount instead of running trials.
pub const PROGRAM: &str = "nfs-client";

/// Why nothing can be mounted here.
pub fn unmet() -> Option<String> {
    const CAP_SYS_ADMIN: u32 = 21;
    if !Path::new("/dev/fuse").exists() {
        return Some("/dev/fuse is missing (modprobe fuse)".to_owned());
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = capabilities.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let may_mount = capabilities.unwrap_or(0) >> CAP_SYS_ADMIN & 1 == 1;
    (!may_mount).then(|| "only root may mount NFS clients of the tests' own".to_owned())
}

/// One node's mount of a directory. Dropped, it is unmounted, whoever still uses it.
#[derive(Debug)]
pub struct NfsClient {
    at: PathBuf,
    control: PathBuf,
    daemon: Option<Daemon>,
    dir: TempDir,
    pub behaviour: Behaviour,
}

impl NfsClient {
    pub fn mount(from: &Path) -> Result<Self> {
        let dir = scratch();
        let at = dir.path().join("mnt");
        fs::create_dir(&at)?;
        let control = dir.path().join("control");
        let mut client =
            NfsClient { at, control, daemon: None, dir, behaviour: Behaviour::default() };
        client.start(from)?;
        Ok(client)
    }

    fn start(&mut self, from: &Path) -> Result {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([PROGRAM, "mount", "--from"]).arg(from).arg("--at").arg(&self.at);
        command.arg("--control").arg(&self.control);
        let log = self.dir.path().join("log");
        // TERM: it unmounts, also when the tests are killed.
        let mut daemon = Daemon::start(&command, None, Signal::SIGTERM, &log)?;
        let control = &self.control;
        daemon.wait_until_ready(|| UnixStream::connect(control).is_ok())?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// The mount point.
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// The process that serves it, while it is mounted.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::pid)
    }

    /// Changes how it behaves. What it remembers stays.
    pub fn behave(&mut self, change: impl FnOnce(&mut Behaviour)) -> Result {
        change(&mut self.behaviour);
        self.tell(&behaviour::Command::Behave(self.behaviour.clone())).map(drop)
    }

    /// Lets these calls fail, and nothing else.
    pub fn fail(&mut self, faults: impl IntoIterator<Item = Fault>) -> Result {
        let faults = faults.into_iter().collect();
        self.behave(|behaviour| behaviour.faults = faults)
    }

    /// Lets these calls hang, as on a hard mount whose server is gone, and nothing else.
    pub fn hang(&mut self, calls: &[Call]) -> Result {
        let hang = calls.to_vec();
        self.behave(|behaviour| behaviour.hang = hang)
    }

    /// Behaves from now on.
    pub fn heal(&mut self) -> Result {
        self.behave(|behaviour| *behaviour = Behaviour::default())
    }

    /// How often the server was asked what.
    pub fn calls(&self) -> Result<Calls> {
        Ok(self.tell(&behaviour::Command::Count)?.calls)
    }

    /// Calls that hang now.
    pub fn hanging(&self) -> Result<usize> {
        Ok(self.tell(&behaviour::Command::Count)?.hanging)
    }

    /// Takes the mount away; an empty directory is left.
    pub fn unmount(&mut self) -> Result {
        umount2(&self.at, MntFlags::MNT_DETACH)?;
        self.daemon = None;
        Ok(fs::remove_file(&self.control)?)
    }

    pub fn mount_again(&mut self, from: &Path) -> Result {
        self.start(from)?;
        self.behave(|_| {})
    }

    fn tell(&self, command: &behaviour::Command) -> Result<Report> {
        let mut stream = UnixStream::connect(&self.control)?;
        writeln!(stream, "{}", serde_json::to_string(command)?)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for NfsClient {
    fn drop(&mut self) {
        // Ending, it unmounts; what hangs on it fails then.
        self.daemon = None;
        let mounted = || mount_points().iter().any(|mount| mount == &self.at);
        if mounted() {
            let _ = umount2(&self.at, MntFlags::MNT_DETACH);
        }
        let _ = wait_for("an unmount", || !mounted());
    }
}

/// Unmounts whatever a killed run has left mounted beneath a directory.
pub fn unmount_beneath(directory: &Path) {
    let left = mount_points().into_iter().filter(|mount| mount.starts_with(directory));
    for mount in left {
        let _ = umount2(&mount, MntFlags::MNT_DETACH);
    }
}

fn mount_points() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().filter_map(|line| line.split(' ').nth(1).map(PathBuf::from)).collect()
}
