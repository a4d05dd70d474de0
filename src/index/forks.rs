//! No open database of SQLite crosses a fork.
//!
//! SQLite counts the locks of a file for the whole process. A child would believe
//! that it has those of its parent, which the system did not give it: what it
//! writes is lost when the parent, alone as it seems, closes the file. And where
//! a thread of the parent is just in SQLite, it holds locks in memory that nobody
//! frees in the child. So whoever forks first waits until nothing is under way,
//! and closes what idles; the parent opens it anew when it is needed. Where that
//! takes too long, it forks all the same, and the child is refused SQLite.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use deadpool::managed::WeakPool;
use futures_util::future::BoxFuture;
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection};

use super::connect::Opener;
use crate::atfork;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::PerProcess;

/// How long a fork waits for what is under way.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long work that would begin lets a fork go first. Not for good: it may be
/// part of other work, for whose end the fork waits.
const COURTESY: Duration = Duration::from_millis(100);

/// Between two looks at each other.
const PAUSE: Duration = Duration::from_micros(500);

/// The databases that are open, opening or closing; above them the forks during
/// which nothing may be opened. One number, so that a fork finds none open and
/// forbids to open any at once.
static STATE: AtomicU64 = AtomicU64::new(0);
const ONE_OPEN: u64 = 1;
const ONE_FORK: u64 = 1 << 32;

/// The forks that wait for databases to be closed.
static WAITING: AtomicU32 = AtomicU32::new(0);

fn count_open(state: u64) -> u64 {
    state % ONE_FORK
}

/// What a process has open.
struct Gate {
    /// Databases were open when this process was forked.
    is_shut: bool,
    pools: Mutex<Vec<WeakPool<Opener>>>,
    /// What comes to its end by itself; it has to be looked at to see that it has.
    ending: Mutex<VecDeque<BoxFuture<'static, ()>>>,
}

static GATE: PerProcess<Gate> = PerProcess::new();

fn gate() -> Arc<Gate> {
    GATE.get_or_init(|| Gate {
        // Made before anything is opened here.
        is_shut: count_open(STATE.load(Ordering::SeqCst)) > 0,
        pools: Mutex::default(),
        ending: Mutex::default(),
    })
}

/// To be called before anything is opened: from now on forks are noticed.
pub(super) fn prepare() -> Result<()> {
    // Twice does no harm. A lock around it would be one that a fork may find held.
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if IS_DONE.load(Ordering::SeqCst) {
        return Ok(());
    }
    gate();
    atfork::register(before_fork, after_fork, in_child).map_err(|errno| {
        Error::new(ErrorKind::Unavailable, "start", "database", "forks cannot be noticed")
            .with_errno(errno as i32)
    })?;
    // This has such a lock: a fork waits for it as for a database.
    let place = loop {
        match Place::try_take() {
            Some(place) => break place,
            None => std::thread::sleep(PAUSE),
        }
    };
    sqlx::any::install_default_drivers();
    drop(place);
    IS_DONE.store(true, Ordering::SeqCst);
    Ok(())
}

/// Has the idle connections of a pool closed before each fork.
pub(super) fn watch(pool: WeakPool<Opener>) {
    let gate = gate();
    let mut pools = gate.pools();
    pools.retain(|pool| pool.upgrade().is_some());
    pools.push(pool);
}

/// Lets a fork that waits go first.
pub(super) async fn give_way() {
    let since = Instant::now();
    while WAITING.load(Ordering::SeqCst) > 0 && since.elapsed() < COURTESY {
        tokio::time::sleep(PAUSE).await;
    }
}

extern "C" fn before_fork() {
    WAITING.fetch_add(1, Ordering::SeqCst);
    // Nobody could hear of a panic.
    if !catch_unwind(|| gate().shut()).unwrap_or(false) {
        STATE.fetch_add(ONE_FORK, Ordering::SeqCst);
    }
}

extern "C" fn after_fork() {
    STATE.fetch_sub(ONE_FORK, Ordering::SeqCst);
    WAITING.fetch_sub(1, Ordering::SeqCst);
}

/// The forks that others were about to make are none of the child's.
extern "C" fn in_child() {
    STATE.fetch_and(ONE_FORK - 1, Ordering::SeqCst);
    WAITING.store(0, Ordering::SeqCst);
}

impl Gate {
    /// Closes what is open. Where it can, it says so, and nothing can be opened
    /// until after the fork.
    fn shut(&self) -> bool {
        let forbid = |state| (count_open(state) == 0).then_some(state + ONE_FORK);
        let since = Instant::now();
        while since.elapsed() < LONGEST_WAIT {
            for pool in self.pools().iter().filter_map(WeakPool::upgrade) {
                drop(pool.retain(|_, _| false));
            }
            self.look_at_what_ends();
            if STATE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, forbid).is_ok() {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        false
    }

    /// Begins work that nobody waits for but a fork.
    fn end(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut work: BoxFuture<'static, ()> = Box::pin(work);
        self.look_at_what_ends();
        if !has_ended(&mut work) {
            self.ending().push_back(work);
        }
    }

    /// Takes one after the other: to end one may begin another.
    fn look_at_what_ends(&self) {
        let count = self.ending().len();
        for _ in 0..count {
            let Some(mut work) = self.ending().pop_front() else { return };
            if !has_ended(&mut work) {
                self.ending().push_back(work);
            }
        }
    }

    fn pools(&self) -> MutexGuard<'_, Vec<WeakPool<Opener>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ending(&self) -> MutexGuard<'_, VecDeque<BoxFuture<'static, ()>>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_ended(work: &mut BoxFuture<'static, ()>) -> bool {
    work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Counts a database among those that are open.
pub(super) struct Place(());

impl Place {
    /// # Errors
    ///
    /// Where this process was forked while a database was open.
    pub(super) async fn take() -> Result<Self> {
        if gate().is_shut {
            let reason = "this process was forked while its parent was using SQLite and did not \
                          stop: SQLite cannot be used in it, but in a program that it executes";
            return Err(Error::new(ErrorKind::Unavailable, "open", "database", reason));
        }
        loop {
            match Place::try_take() {
                Some(place) => return Ok(place),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// `None` in the middle of a fork.
    fn try_take() -> Option<Self> {
        let count = |state| (state < ONE_FORK).then_some(state + ONE_OPEN);
        let taken = STATE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
        taken.is_ok().then(|| Place(()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        STATE.fetch_sub(ONE_OPEN, Ordering::SeqCst);
    }
}

/// A connection. That to a database of SQLite has a place, until SQLite has
/// closed it, on a thread of its own.
pub(super) struct Opened {
    connection: Option<AnyConnection>,
    place: Option<Place>,
}

impl Opened {
    pub(super) async fn open(
        options: AnyConnectOptions,
        place: Option<Place>,
    ) -> Result<Self, sqlx::Error> {
        if place.is_none() {
            return Ok(Opened { connection: Some(options.connect().await?), place });
        }
        let opening = async move {
            let connection = Some(options.connect().await?);
            Ok(Opened { connection, place })
        };
        Opening(Some(Box::pin(opening))).end().await
    }

    pub(super) async fn close(mut self) -> Result<(), sqlx::Error> {
        match self.connection.take() {
            Some(connection) => connection.close().await,
            None => Ok(()),
        }
    }
}

impl Deref for Opened {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        self.connection.as_ref().expect("is there until it is closed")
    }
}

impl DerefMut for Opened {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().expect("is there until it is closed")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let (Some(connection), Some(place)) = (self.connection.take(), self.place.take()) {
            gate().end(async move {
                let _ = connection.close().await;
                drop(place);
            });
        }
    }
}

/// SQLite goes on opening a database for which nobody waits any more.
struct Opening(Option<BoxFuture<'static, Result<Opened, sqlx::Error>>>);

impl Opening {
    async fn end(mut self) -> Result<Opened, sqlx::Error> {
        let opened = self.0.as_mut().expect("is there until it ends").await;
        self.0 = None;
        opened
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(opening) = self.0.take() {
            gate().end(async move { drop(opening.await) });
        }
    }
}
