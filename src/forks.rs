//! What must not be cut in two by a fork.
//!
//! A child has one thread, and of the others' work what stood in memory: locks
//! that nobody frees, and open databases of SQLite, which counts the locks of a
//! file for the whole process. The child would believe that it has those of its
//! parent, which the system did not give it: what it writes is lost when the
//! parent, alone as it seems, closes the file. So such work has a [`Place`], and
//! who forks waits until there is none: idle databases are closed, others when
//! their work is done; the parent opens them anew. Where that takes too long, it
//! forks all the same, and the child is refused SQLite.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

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

/// The places that are taken; above them the forks during which none may be. One
/// number, so that a fork finds none taken and forbids to take any at once.
static STATE: AtomicU64 = AtomicU64::new(0);
const ONE_PLACE: u64 = 1;
const ONE_FORK: u64 = 1 << 32;

/// The forks that wait for places to be left.
static WAITING: AtomicU32 = AtomicU32::new(0);

fn places(state: u64) -> u64 {
    state % ONE_FORK
}

/// Databases that can be closed because nobody uses them.
pub(crate) trait Idle: Send + Sync {
    fn close(&self);

    /// Whether there is nothing to be closed any more.
    fn is_gone(&self) -> bool;
}

/// What a process does about its forks.
struct Gate {
    /// This process was forked where a place was taken.
    is_shut: bool,
    idle: Mutex<Vec<Box<dyn Idle>>>,
    /// What comes to its end by itself; it has to be looked at to see that it has.
    ending: Mutex<VecDeque<BoxFuture<'static, ()>>>,
}

static GATE: PerProcess<Gate> = PerProcess::new();

fn gate() -> Arc<Gate> {
    GATE.get_or_init(|| Gate {
        // Made before a place is taken here.
        is_shut: places(STATE.load(Ordering::SeqCst)) > 0,
        idle: Mutex::default(),
        ending: Mutex::default(),
    })
}

/// From now on forks are noticed. To be called before threads begin to share what
/// has to do with them: a fork that has begun already is not.
pub(crate) fn notice() -> Result<()> {
    // Twice does no harm. A lock around it would be one that a fork may find held.
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if IS_DONE.load(Ordering::SeqCst) {
        return Ok(());
    }
    atfork::register(before_fork, after_fork, in_child).map_err(|errno| {
        Error::new(ErrorKind::Unavailable, "start", "process", "forks cannot be noticed")
            .with_errno(errno as i32)
    })?;
    IS_DONE.store(true, Ordering::SeqCst);
    Ok(())
}

/// Has what idles closed before each fork.
pub(crate) fn watch(idle: impl Idle + 'static) {
    let gate = gate();
    let mut watched = gate.idle();
    watched.retain(|idle| !idle.is_gone());
    watched.push(Box::new(idle));
}

/// Begins work that nobody waits for but a fork.
pub(crate) fn end(work: impl Future<Output = ()> + Send + 'static) {
    let mut work: BoxFuture<'static, ()> = Box::pin(work);
    let gate = gate();
    gate.look_at_what_ends();
    if !has_ended(&mut work) {
        gate.ending().push_back(work);
    }
}

/// Lets a fork that waits go first.
pub(crate) async fn give_way() {
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
    /// Waits until no place is taken. Where it comes to that, it says so, and none
    /// can be taken until after the fork.
    fn shut(&self) -> bool {
        let forbid = |state| (places(state) == 0).then_some(state + ONE_FORK);
        let since = Instant::now();
        while since.elapsed() < LONGEST_WAIT {
            self.idle().iter().for_each(|idle| idle.close());
            self.look_at_what_ends();
            if STATE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, forbid).is_ok() {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        false
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

    fn idle(&self) -> MutexGuard<'_, Vec<Box<dyn Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ending(&self) -> MutexGuard<'_, VecDeque<BoxFuture<'static, ()>>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_ended(work: &mut BoxFuture<'static, ()>) -> bool {
    work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// What a fork waits for, as long as it is there.
pub(crate) struct Place(());

impl Place {
    /// For short work.
    pub(crate) fn take() -> Self {
        // To be made first.
        gate();
        loop {
            match Place::try_take() {
                Some(place) => return place,
                None => std::thread::sleep(PAUSE),
            }
        }
    }

    /// For a database of SQLite, until it has been closed.
    ///
    /// # Errors
    ///
    /// Where this process was forked while a place was taken.
    pub(crate) async fn for_sqlite() -> Result<Self> {
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
        let count = |state| (state < ONE_FORK).then_some(state + ONE_PLACE);
        let taken = STATE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
        taken.is_ok().then(|| Place(()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        STATE.fetch_sub(ONE_PLACE, Ordering::SeqCst);
    }
}
