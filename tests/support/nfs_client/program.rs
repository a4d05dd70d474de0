//! The program that serves one mount until it is told to end.
//!
//! A process of its own: whoever hangs on the mount can be killed once it is gone.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use fuser::{Config, SessionACL};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};

use super::behaviour::{Behaviour, Command};
use super::files::Files;
use super::session::Session;

const USAGE: &str = "usage: mount --from DIR --at DIR [--latency 500us] [--attributes 3s] \
                     [--negative 30s] [--threads 64] [--control SOCKET]";

/// Shows the directory `from` at `at` until SIGTERM or SIGINT, and unmounts it then.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default)]
struct Arguments {
    from: PathBuf,
    at: PathBuf,
    behaviour: Behaviour,
    threads: usize,
    control: Option<PathBuf>,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut parsed = Arguments { threads: 64, ..Arguments::default() };
    if arguments.next().as_deref() != Some("mount") {
        return Err(USAGE.into());
    }
    while let Some(key) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match key.as_str() {
            "--from" => parsed.from = value.into(),
            "--at" => parsed.at = value.into(),
            "--latency" => parsed.behaviour.latency = humantime::parse_duration(&value)?,
            "--attributes" => parsed.behaviour.attributes = humantime::parse_duration(&value)?,
            "--negative" => parsed.behaviour.negative = humantime::parse_duration(&value)?,
            "--threads" => parsed.threads = value.parse()?,
            "--control" => parsed.control = Some(value.into()),
            _ => return Err(format!("{key:?} is unknown\n{USAGE}").into()),
        }
    }
    Ok(parsed)
}

fn run(arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let arguments = parse(arguments)?;
    let mut end = SigSet::empty();
    end.add(Signal::SIGTERM);
    end.add(Signal::SIGINT);
    // Before any thread: all of them leave these signals to this one.
    end.thread_block()?;
    // The kernel has taken the caller's mask off already.
    umask(Mode::empty());
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;

    let files = Arc::new(Files::new(&arguments.from)?);
    files.client.behave(arguments.behaviour);
    let device = File::options().read(true).write(true).open("/dev/fuse")?;
    let options =
        format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(Some("nfs-client"), &arguments.at, Some("fuse"), flags, Some(options.as_str()))?;
    let served = serve(&arguments.at, device, &files, arguments.threads, arguments.control)
        .and_then(|()| Ok(end.wait().map(drop)?));
    umount2(&arguments.at, MntFlags::MNT_DETACH)?;
    served
}

fn serve(
    at: &Path,
    device: File,
    files: &Arc<Files>,
    threads: usize,
    control: Option<PathBuf>,
) -> Result<(), Box<dyn Error>> {
    let mut config = Config::default();
    config.n_threads = Some(threads);
    config.clone_fd = true;
    let session = Session(Arc::clone(files));
    let session = fuser::Session::from_fd(session, OwnedFd::from(device), SessionACL::All, config)?;
    // Ends when somebody else unmounts it; the control socket goes on answering.
    thread::spawn(move || session.run());
    println!("mounted at {}", at.display());
    if let Some(control) = control {
        let listener = UnixListener::bind(control)?;
        let files = Arc::clone(files);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Err(error) = obey(&files, &stream) {
                    eprintln!("cannot obey: {error}");
                }
            }
        });
    }
    Ok(())
}

fn obey(files: &Files, mut stream: &UnixStream) -> Result<(), Box<dyn Error>> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    match serde_json::from_str(&line)? {
        Command::Behave(behaviour) => files.client.behave(behaviour),
        Command::Count => {}
    }
    let report = serde_json::to_string(&files.client.report())?;
    Ok(writeln!(stream, "{report}")?)
}
