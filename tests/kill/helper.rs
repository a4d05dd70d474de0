//! This program as another process: a writer, a reader or a deleter.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::thread;

use ezdfs::{CreateOptions, DirId, Error, ErrorKind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::OPTIONS;
use super::content::{self, version_of};
use crate::store::{Site, id, store};
use crate::support::Result;

/// Says what this process is; absent in the process that runs the trials.
const ROLE: &str = "EZDFS_TEST_HELPER";
const DSN: &str = "EZDFS_TEST_DSN";
const ROOT: &str = "EZDFS_TEST_ROOT";
const FIRST: &str = "EZDFS_TEST_FIRST";

/// The file that is to be written, if it is not the first.
pub(crate) const ID: &str = "EZDFS_TEST_ID";

/// The writers' files, in turn.
pub(super) const FILES: usize = 3;

pub(super) fn file(version: u64) -> usize {
    (version % FILES as u64) as usize
}

/// Another process. It ends when it is killed, dropped, or left by its parent.
pub(super) struct Helper {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Helper {
    pub(super) fn start(role: &str, site: &Site, first: u64) -> Result<Self> {
        let mut child = command(role, site, first)?.stdin(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no pipe")?;
        let stdin = child.stdin.take();
        Ok(Helper { child, stdin, stdout: BufReader::new(stdout).lines() })
    }

    /// The next number that it says; `None` at its end, which may have cut the last one.
    pub(super) fn line(&mut self) -> Result<Option<u64>> {
        let line = self.stdout.next().transpose()?;
        Ok(line.and_then(|line| line.strip_suffix('.')?.parse().ok()))
    }

    pub(super) fn kill(&mut self, signal: Signal) -> Result<ExitStatus> {
        // Not waited for yet, so the pid is its own.
        kill(Pid::from_raw(self.child.id() as i32), signal)?;
        Ok(self.child.wait()?)
    }

    /// Asks it to end, and waits.
    pub(super) fn end(&mut self) -> Result<ExitStatus> {
        drop(self.stdin.take());
        Ok(self.child.wait()?)
    }
}

/// This program in a role.
pub(crate) fn command(role: &str, site: &Site, first: u64) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped());
    command.env(ROLE, role).env(DSN, &site.db.dsn).env(ROOT, site.root());
    command.env(FIRST, first.to_string());
    Ok(command)
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs what the environment asks for instead of trials.
pub(crate) fn run() -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    Some(match act(&role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{role}: {error}");
            ExitCode::FAILURE
        }
    })
}

/// What the library warns of goes to standard error.
struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("ezdfs")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("{}", record.args());
        }
    }

    fn flush(&self) {}
}

fn act(role: &str) -> Result {
    log::set_logger(&Warnings)?;
    log::set_max_level(log::LevelFilter::Warn);
    let root = std::env::var(ROOT)?;
    let store = store(&std::env::var(DSN)?, root.as_ref(), OPTIONS);
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    match role {
        "put-data" => {
            let bytes = content::of(std::env::var(FIRST)?.parse()?);
            let file = std::env::var(ID).unwrap_or_else(|_| "images/0".to_owned());
            store.put_data(&id(&file), &mut &*bytes, None)?;
        }
        "write" => {
            die_with_parent();
            for version in std::env::var(FIRST)?.parse::<u64>()?.. {
                let file = id(&format!("images/{}", file(version)));
                let bytes = content::of(version);
                store.create(&file, &mut &*bytes, &CreateOptions::default())?;
                say(version)?;
            }
        }
        "delete" => {
            store.check_schema()?;
            say(0)?;
            store.delete_directory(&DirId::parse("images/many")?)?;
        }
        _ => read_until_asked(&store)?,
    }
    Ok(())
}

fn say(number: u64) -> Result {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{number}.")?;
    Ok(stdout.flush()?)
}

/// The parent holds the other end of standard input.
fn die_with_parent() {
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::abort();
    });
}

fn read_until_asked(store: &ezdfs::Store) -> Result {
    let asked = thread::spawn(|| std::io::stdin().read(&mut [0]));
    for turn in 0.. {
        if asked.is_finished() {
            break;
        }
        match store.open(&id(&format!("images/{}", turn % FILES))) {
            Ok(mut opened) => {
                let mut bytes = Vec::new();
                opened.file.read_to_end(&mut bytes)?;
                version_of(&bytes)?;
            }
            Err(error) => is_missing(error)?,
        }
        thread::sleep(std::time::Duration::from_millis(3));
    }
    Ok(())
}

fn is_missing(error: Error) -> Result {
    match error.kind() {
        ErrorKind::NotFound if error.os_errno() == 0 => Ok(()),
        _ => Err(error.into()),
    }
}
