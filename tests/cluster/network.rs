//! Hosts of their own network, on this machine: each is a network namespace that ends with its
//! processes. Nothing of the machine's own network is changed, or can be seen there.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::Result;
use crate::support::process::{Daemon, run, scratch, started_by, wait_for};

/// Where all of them are, with `/24`.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 0);

const TIMEOUT: Duration = Duration::from_secs(1);

/// The hosts' switch. It is a host itself, from which all others can be reached.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) switch: Arc<Host>,
    // After the hosts that write there.
    dir: TempDir,
}

impl Network {
    pub(super) fn new() -> Result<Self> {
        let dir = scratch();
        let switch = Arc::new(Host::start("switch", 1, dir.path())?);
        switch.ip("link add lan type bridge")?;
        switch.ip(&format!("address add {}/24 dev lan", switch.address))?;
        switch.ip("link set lan up")?;
        Ok(Network { switch, dir })
    }

    /// Another host, by the last number of its address.
    pub(super) fn host(&self, name: &str, number: u8) -> Result<Arc<Host>> {
        let host = Host::start(name, number, self.dir.path())?;
        let (switch, holder) = (&self.switch, host.holder.pid());
        switch.ip(&format!("link add {name} type veth peer name lan netns {holder}"))?;
        switch.ip(&format!("link set {name} master lan up"))?;
        host.ip(&format!("address add {}/24 dev lan", host.address))?;
        host.ip("link set lan up")?;
        Ok(Arc::new(host))
    }
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    /// A process that does nothing, as long as the host is there.
    holder: Daemon,
}

impl Host {
    fn start(name: &str, number: u8, dir: &Path) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sleep", "infinity"]);
        let log = dir.join(format!("{name}.log"));
        let mut holder = Daemon::start(&command, None, Signal::SIGKILL, &log)?;
        let own = fs::metadata("/proc/self/ns/net")?.ino();
        let namespace = format!("/proc/{}/ns/net", holder.pid());
        let is_apart = || fs::metadata(&namespace).is_ok_and(|its| its.ino() != own);
        holder.wait_until_ready(is_apart)?;
        let [a, b, c, _] = ADDRESS.octets();
        let address = Ipv4Addr::new(a, b, c, number);
        let host = Host { name: name.to_owned(), address, holder };
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// What lets a program, whose arguments follow, run there.
    pub(super) fn enter(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net={}", self.namespace().display()), "--".to_owned()]
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        started_by(&self.enter(), program)
    }

    /// Has `ip` of iproute2 do something there.
    pub(super) fn ip(&self, arguments: &str) -> Result {
        run(self.command(Path::new("ip")).args(arguments.split(' '))).map(drop)
    }

    /// No packet goes to the other host any more, which is not told: that waits.
    pub(super) fn cut_off(&self, other: &Host) -> Result {
        self.ip(&format!("route add blackhole {}", other.address))
    }

    pub(super) fn reach_again(&self, other: &Host) -> Result {
        self.ip(&format!("route del blackhole {}", other.address))
    }

    /// Kills all that runs there, as a power cut would.
    pub(super) fn kill_all(&self) -> Result {
        wait_for("the end of a host's processes", || {
            let processes = self.processes();
            for pid in &processes {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            processes.is_empty()
        })
    }

    fn processes(&self) -> Vec<i32> {
        let inode = |namespace: &Path| fs::metadata(namespace).map(|its| its.ino()).ok();
        let own = inode(&self.namespace());
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| *pid != self.holder.pid() as i32)
            .filter(|pid| inode(Path::new(&format!("/proc/{pid}/ns/net"))) == own)
            .collect()
    }

    fn namespace(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.holder.pid()).into()
    }

    /// Whether somebody listens there.
    pub(super) fn listens(&self, port: u16) -> bool {
        self.connect((self.address, port).into()).is_ok()
    }

    pub(super) fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.within(|| TcpStream::connect_timeout(&to, TIMEOUT))
    }

    /// A socket that this process listens on, there.
    pub(super) fn listen(&self, port: u16) -> io::Result<TcpListener> {
        self.within(|| TcpListener::bind((self.address, port)))
    }

    /// Makes a socket there: it stays there, whatever thread uses it.
    fn within<T: Send>(&self, make: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let namespace = File::open(self.namespace())?;
        let make = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            make()
        };
        thread::scope(|scope| scope.spawn(make).join().expect("a thread that makes a socket"))
    }
}

/// Lets who asks a port of this machine's loopback reach a server on the network.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) port: u16,
    ends: Arc<AtomicBool>,
}

impl Relay {
    pub(super) fn start(port: u16, from: &Arc<Host>, to: (Ipv4Addr, u16)) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .map_err(|e| format!("cannot listen on port {port}: {e}"))?;
        let (from, ends) = (Arc::clone(from), Arc::<AtomicBool>::default());
        let relay = Relay { port, ends: Arc::clone(&ends) };
        thread::spawn(move || {
            for visitor in listener.incoming().flatten() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let from = Arc::clone(&from);
                thread::spawn(move || {
                    if let Ok(server) = from.connect(to.into()) {
                        let _ = join(&visitor, &server);
                    }
                });
            }
        });
        Ok(relay)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Whom it waits for.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn join(visitor: &TcpStream, server: &TcpStream) -> io::Result<()> {
    thread::scope(|scope| {
        scope.spawn(|| pass_on(visitor, server));
        pass_on(server, visitor)
    })
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let passed = io::copy(&mut from, &mut to);
    // An end is passed on, too; after a failure neither way is of use.
    let _ = to.shutdown(if passed.is_ok() { Shutdown::Write } else { Shutdown::Both });
    passed.map(drop)
}
