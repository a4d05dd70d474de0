//! A TCP proxy in front of a database server, which can be told to misbehave.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use super::Result;
use super::process::free_port;

/// How long a link's thread waits for one of its two ends at a time.
const TURN: Duration = Duration::from_millis(1);

/// What the proxy does with traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Each piece, in both directions, comes so much later.
    Delay(Duration),
    /// New connections are accepted; nothing goes on, here or there, until the mode changes.
    Freeze,
    /// New connections are refused; those that are there go on.
    Refuse,
}

/// What happens to the link that next sends a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// It is cut; the server never sees the COMMIT.
    CutBefore,
    /// It is cut when the server has answered, before the client hears of it.
    CutAfter,
    /// The client is cut off; the server gets the COMMIT so much later.
    Late(Duration),
    /// Everything freezes, the COMMIT not having reached the server.
    Freeze,
}

/// How a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Close,
    Reset,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    mode: Mutex<Mode>,
    trap: Mutex<Option<Trap>>,
    /// All links that began before this count end so.
    doom: Mutex<(usize, End)>,
    accepted: AtomicUsize,
    ended: AtomicUsize,
    most: AtomicUsize,
    listens: AtomicBool,
    stopped: AtomicBool,
}

/// A running proxy; dropped, it closes all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub fn start(target: u16) -> Result<Self> {
        let port = free_port();
        let listener = listen(port)?;
        let shared = Arc::new(Shared {
            target,
            mode: Mutex::new(Mode::Pass),
            trap: Mutex::new(None),
            doom: Mutex::new((0, End::Close)),
            accepted: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            listens: AtomicBool::new(true),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&accepting, port, listener));
        Ok(Self { port, shared })
    }

    /// The same DSN through the proxy. Without TLS, for the proxy must see what is said.
    pub fn through(&self, dsn: &str) -> String {
        let target = format!("127.0.0.1:{}", self.shared.target);
        assert!(dsn.contains(&target), "{dsn} is not the server behind the proxy");
        let tls = if dsn.starts_with("mysql:") { "ssl-mode" } else { "sslmode" };
        let off = if dsn.starts_with("mysql:") { "disabled" } else { "disable" };
        format!("{}?{tls}={off}", dsn.replace(&target, &self.address()))
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
        let listens = mode != Mode::Refuse;
        super::process::wait_for("the proxy", || {
            self.shared.listens.load(Ordering::SeqCst) == listens
        })
        .expect("the proxy follows");
    }

    /// Sets the trap for the next COMMIT.
    pub fn trap(&self, trap: Trap) {
        *self.shared.trap.lock().unwrap() = Some(trap);
    }

    /// Whether the trap has caught a COMMIT.
    pub fn has_sprung(&self) -> bool {
        self.shared.trap.lock().unwrap().is_none()
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.end_all(End::Close);
    }

    /// Resets all connections.
    pub fn reset(&self) {
        self.end_all(End::Reset);
    }

    fn end_all(&self, end: End) {
        let before = self.accepted();
        *self.shared.doom.lock().unwrap() = (before, end);
        // Clients may have come back meanwhile.
        super::process::wait_for("the end of the connections", || {
            self.shared.ended.load(Ordering::SeqCst) >= before
        })
        .expect("connections end");
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.accepted() - self.shared.ended.load(Ordering::SeqCst)
    }

    /// The largest number that was open at a time.
    pub fn most(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn accept(shared: &Arc<Shared>, port: u16, first: TcpListener) {
    let mut listener = Some(first);
    while !shared.stopped.load(Ordering::SeqCst) {
        let refuses = *shared.mode.lock().unwrap() == Mode::Refuse;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            listener = listen(port).ok();
        }
        shared.listens.store(listener.is_some(), Ordering::SeqCst);
        match listener.as_ref().map(TcpListener::accept) {
            Some(Ok((client, _))) => {
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                let open = number + 1 - shared.ended.load(Ordering::SeqCst);
                shared.most.fetch_max(open, Ordering::SeqCst);
                let shared = Arc::clone(shared);
                thread::spawn(move || {
                    let _ = Link::run(&shared, number, client);
                    shared.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
            _ => thread::sleep(TURN),
        }
    }
}

/// One client's connection and the server's that belongs to it.
struct Link<'s> {
    shared: &'s Shared,
    number: usize,
    client: TcpStream,
    server: TcpStream,
}

impl<'s> Link<'s> {
    fn run(shared: &'s Shared, number: usize, client: TcpStream) -> std::io::Result<()> {
        if !shared.thawed(number) {
            return Ok(());
        }
        let server = TcpStream::connect(("127.0.0.1", shared.target))?;
        client.set_nonblocking(false)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TURN))?;
        }
        Link { shared, number, client, server }.pass()
    }

    fn pass(mut self) -> std::io::Result<()> {
        let mut piece = vec![0; 64 << 10];
        while !self.is_doomed()? {
            let count = match self.client.read(&mut piece) {
                Ok(0) => return Ok(()),
                outcome => read_so_far(outcome)?,
            };
            if count > 0 {
                let trap = self.sprung(&piece[..count]);
                match trap {
                    Some(Trap::CutBefore) => return Ok(()),
                    Some(Trap::CutAfter) => {
                        self.server.write_all(&piece[..count])?;
                        self.server.set_read_timeout(Some(super::process::PATIENCE))?;
                        return self.server.read(&mut piece).map(drop);
                    }
                    Some(Trap::Late(delay)) => {
                        self.client.shutdown(std::net::Shutdown::Both)?;
                        thread::sleep(delay);
                        self.server.write_all(&piece[..count])?;
                        self.server.set_read_timeout(Some(super::process::PATIENCE))?;
                        return self.server.read(&mut piece).map(drop);
                    }
                    Some(Trap::Freeze) => *self.shared.mode.lock().unwrap() = Mode::Freeze,
                    None => {}
                }
                if !self.held_up()? {
                    return Ok(());
                }
                self.server.write_all(&piece[..count])?;
            }
            let count = match self.server.read(&mut piece) {
                Ok(0) => return Ok(()),
                outcome => read_so_far(outcome)?,
            };
            if count > 0 {
                if !self.held_up()? {
                    return Ok(());
                }
                self.client.write_all(&piece[..count])?;
            }
        }
        Ok(())
    }

    /// Takes the trap if this is what it waits for.
    fn sprung(&self, piece: &[u8]) -> Option<Trap> {
        let mut trap = self.shared.trap.lock().unwrap();
        trap.take_if(|_| has_commit(piece))
    }

    /// Waits as the mode says; false where the link ended meanwhile.
    fn held_up(&self) -> std::io::Result<bool> {
        if let Mode::Delay(delay) = *self.shared.mode.lock().unwrap() {
            thread::sleep(delay);
        }
        Ok(self.shared.thawed(self.number) || !self.is_doomed()?)
    }

    fn is_doomed(&self) -> std::io::Result<bool> {
        let end = self.shared.doom_of(self.number);
        if end == Some(End::Reset) {
            for stream in [&self.client, &self.server] {
                setsockopt(stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
            }
        }
        Ok(end.is_some())
    }
}

impl Shared {
    /// Waits while everything is frozen; false where the link ended meanwhile.
    fn thawed(&self, number: usize) -> bool {
        while *self.mode.lock().unwrap() == Mode::Freeze {
            if self.doom_of(number).is_some() {
                return false;
            }
            thread::sleep(TURN);
        }
        true
    }

    /// How this link has to end, if it has to.
    fn doom_of(&self, number: usize) -> Option<End> {
        let (before, end) = *self.doom.lock().unwrap();
        if self.stopped.load(Ordering::SeqCst) {
            return Some(End::Close);
        }
        (number < before).then_some(end)
    }
}

fn read_so_far(outcome: std::io::Result<usize>) -> std::io::Result<usize> {
    match outcome {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(0),
        outcome => outcome,
    }
}

/// Whether a client says COMMIT, and not READ COMMITTED.
fn has_commit(piece: &[u8]) -> bool {
    let begins = |at: usize, text: &[u8]| piece[at..].starts_with(text);
    (0..piece.len()).any(|at| begins(at, b"COMMIT") && !begins(at, b"COMMITT"))
}
