//! Server processes that cannot outlive the test process, their scratch directories and ports.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getuid};
use tempfile::TempDir;

use super::Result;
use super::nfs_client::unmount_beneath;

/// How long a server may take to start, to stop or to reload before a trial gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the tests run as root, whom some servers refuse to serve.
pub fn is_root() -> bool {
    getuid().is_root()
}

/// Finds a program: the newest PostgreSQL that Debian keeps off PATH, then PATH, then where servers
/// lie that a plain user's PATH leaves out.
pub fn program(name: &str) -> Option<PathBuf> {
    let postgres = Path::new("/usr/lib/postgresql");
    let entries = fs::read_dir(postgres).into_iter().flatten().flatten();
    let versions = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max().map(|version| postgres.join(format!("{version}/bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let fixed = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    newest
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(fixed)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Waits until `ready` says so; fails with `what` after [`PATIENCE`].
pub fn wait_for(what: &str, mut ready: impl FnMut() -> bool) -> Result {
    let start = Instant::now();
    while !ready() {
        if start.elapsed() > PATIENCE {
            return Err(format!("waited {PATIENCE:?} in vain for {what}").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Waits until `try_it` goes well; fails with `what` and the last error after [`PATIENCE`].
pub fn wait_for_success(what: &str, mut try_it: impl FnMut() -> Result) -> Result {
    let mut last = String::new();
    let waited = wait_for(what, || try_it().map_err(|error| last = error.to_string()).is_ok());
    waited.map_err(|e| format!("{e}: {last}").into())
}

/// A loopback port that nothing listens on, never handed out twice by this process.
///
/// Below the range from which the kernel takes the ports of outgoing connections: a client cannot
/// take the port between this call and the server's `bind`, nor while a server restarts.
pub fn free_port() -> u16 {
    static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    let mut taken = TAKEN.lock().unwrap();
    let first = std::process::id() * 61 % 10_000;
    (0..10_000)
        .map(|step| 20_000 + ((first + step) % 10_000) as u16)
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok() && taken.insert(port))
        .expect("no free loopback port between 20000 and 29999")
}

/// A new empty directory, removed with the value.
pub fn scratch() -> TempDir {
    TempDir::new_in(&*RUN_DIR).expect("create a scratch directory")
}

/// Everything that this run writes; its name tells the next run whether we are still alive.
static RUN_DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("{RUN_PREFIX}{}", std::process::id()));
    DirBuilder::new().mode(0o755).recursive(true).create(&dir).expect("create the run's directory");
    dir
});
const RUN_PREFIX: &str = "ezdfs-tests-";

/// Removes the run's directory.
pub fn remove_run_dir() {
    let _ = fs::remove_dir_all(&*RUN_DIR);
}

/// Removes the directories of runs that were killed before they could do it.
pub fn remove_dead_run_dirs() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(RUN_PREFIX));
        let pid = pid.and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // A tree that is still mounted would be emptied along with the directory.
            unmount_beneath(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The processes that a process has started.
pub fn children_of(pid: u32) -> Vec<u32> {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Whether nothing of a process runs any more, though nobody may have waited for it yet.
pub fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| stat.rsplit_once(") ").is_some_and(|rest| rest.1.starts_with('Z')))
}

/// The arguments that let `setpriv` become `user`.
pub fn become_user(user: &str) -> [&str; 5] {
    ["--reuid", user, "--regid", user, "--init-groups"]
}

/// A program, started by a wrapper with its arguments, if there is one.
pub fn started_by(wrapper: &[String], program: &Path) -> Command {
    match wrapper {
        [] => Command::new(program),
        [wrapper, arguments @ ..] => {
            let mut command = Command::new(wrapper);
            command.args(arguments).arg(program);
            command
        }
    }
}

/// Runs a command to its end; fails with its output unless it succeeds.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{command:?}: {}\n{text}", output.status).into())
    }
}

/// A server process. It stops with the value, and the kernel stops it when this process dies.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    stop: Signal,
    log: PathBuf,
}

impl Daemon {
    /// Starts a server, as another user if need be. `stop` is the signal that makes it end at once
    /// and take its children along.
    pub fn start(command: &Command, user: Option<&str>, stop: Signal, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::options().create(true).append(true).open(log)?;
        let mut wrapped = Command::new("setpriv");
        wrapped
            .args(["--pdeathsig", stop.as_str().trim_start_matches("SIG")])
            // One call for both: a later change of user would clear the death signal.
            .args(user.map(become_user).into_iter().flatten())
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A Ctrl-C is for this process, which ends its servers in an order of its own. And
            // httpd, when it ends, signals all of its group.
            .process_group(0);
        let child = spawn(wrapped).map_err(|e| format!("start {name}: {e}"))?;
        Ok(Self { name, child, stop, log: log.to_owned() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so; fails at once, with the server's log, when the server ends.
    pub fn wait_until_ready(&mut self, mut ready: impl FnMut() -> bool) -> Result {
        self.wait_until_well(|| if ready() { Ok(()) } else { Err("it is not ready".into()) })
    }

    /// Waits until `try_it` goes well; fails with its last error.
    pub fn wait_until_well(&mut self, mut try_it: impl FnMut() -> Result) -> Result {
        let mut ended = None;
        let waited = wait_for_success(&self.name, || {
            ended = self.child.try_wait().ok().flatten();
            if ended.is_some() { Ok(()) } else { try_it() }
        });
        match ended {
            Some(status) => Err(format!("{} ended: {status}\n{}", self.name, self.log()).into()),
            None => waited.map_err(|e| format!("{e}\n{}", self.log()).into()),
        }
    }

    /// What the server has said so far.
    pub fn log(&self) -> String {
        log_of(&self.log)
    }

    pub fn signal(&self, signal: Signal) -> Result {
        // Nobody else waits for this child, so the pid is its own until `stop` has reaped it.
        Ok(kill(Pid::from_raw(self.child.id() as i32), signal)?)
    }

    /// Waits until the server has ended by itself.
    pub fn wait_for_end(&mut self) -> Result {
        let child = &mut self.child;
        wait_for("a server's end", || !matches!(child.try_wait(), Ok(None)))
    }

    fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = self.signal(Signal::SIGCONT);
        let _ = self.signal(self.stop);
        if self.wait_for_end().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What stands in a log, however it is spelled; nothing where there is none.
pub fn log_of(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}

/// Spawns from a thread that lives as long as the process.
///
/// The kernel sends the death signal when the *thread* that spawned the child ends, and the threads
/// that run trials come and go.
fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<Sender<Request>> = LazyLock::new(|| {
        let (sender, requests) = channel::<Request>();
        thread::spawn(move || {
            for (mut command, reply) in requests {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, child) = channel();
    SPAWNER.send((command, reply)).expect("the spawner lives as long as the process");
    child.recv().expect("the spawner answers every request")
}

/// The library of `clock.c`, to be preloaded.
pub fn clock_library() -> PathBuf {
    preloaded("clock")
}

/// A library of the tests' own, to be preloaded; compiled once in a run.
pub fn preloaded(name: &str) -> PathBuf {
    compile(name, &format!("{name}.so"), &["-shared", "-fPIC"])
}

/// A program of the tests' own; compiled once in a run.
pub fn compiled(name: &str) -> PathBuf {
    compile(name, name, &[])
}

fn compile(name: &str, into: &str, flags: &[&str]) -> PathBuf {
    static BUILT: LazyLock<TempDir> = LazyLock::new(scratch);
    static COMPILING: Mutex<()> = Mutex::new(());
    let result = BUILT.path().join(into);
    let _alone = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    if !result.exists() {
        let source = format!("{}/tests/support/{name}.c", env!("CARGO_MANIFEST_DIR"));
        let mut cc = Command::new("cc");
        cc.args(flags).args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
        run(cc.arg(&result).arg(source).arg("-ldl")).expect("compile what tests use");
    }
    result
}
