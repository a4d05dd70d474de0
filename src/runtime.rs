//! The tokio runtime of this process, and state that must not cross a fork.

mod ends;

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::SigSet;
use once_cell::race::OnceBox;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::forks;

pub(crate) use ends::to_its_end;
#[cfg(feature = "cli")]
pub(crate) use ends::{ends_due, wait_for_ends};

/// Upper bound of threads that wait for a file system or a name server.
const MAX_BLOCKING_THREADS: usize = 64;

/// A value made at first use in the process that uses it.
///
/// A process that was forked since makes its own and leaves the inherited one
/// alone: dropping it would close sockets and join threads that belong to the
/// parent. It leaves alone the inherited lock, too, which a thread may hold that
/// the child does not have; so nothing but the pointers between slots is common
/// to both, and those are set at once or not at all.
pub(crate) struct PerProcess<T> {
    first: OnceBox<Slot<T>>,
}

/// What a process has; behind it that of its child, in the child's memory.
struct Slot<T> {
    owner: u32,
    value: Mutex<Option<Arc<T>>>,
    next: OnceBox<Slot<T>>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        PerProcess { first: OnceBox::new() }
    }

    pub(crate) fn get_or_try_init(&self, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let mut value = self.slot().lock();
        if let Some(value) = &*value {
            return Ok(Arc::clone(value));
        }
        // Libraries that are used the first time prepare what is theirs, each under a lock.
        let _place = forks::Place::take();
        Ok(Arc::clone(value.insert(Arc::new(make()?))))
    }

    /// For what is made without anybody's help: a fork does not wait for it.
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut value = self.slot().lock();
        Arc::clone(value.get_or_insert_with(|| Arc::new(make())))
    }

    /// Whether this process has made its own.
    pub(crate) fn is_made(&self) -> bool {
        self.slot().lock().is_some()
    }

    /// The last one, where that is this process's own.
    fn slot(&self) -> &Slot<T> {
        let owner = std::process::id();
        let mut slot = self.first.get_or_init(|| Slot::of(owner));
        loop {
            slot = match slot.next.get() {
                Some(next) => next,
                None if slot.owner == owner => return slot,
                None => slot.next.get_or_init(|| Slot::of(owner)),
            };
        }
    }
}

impl<T> Slot<T> {
    fn of(owner: u32) -> Box<Self> {
        Box::new(Slot { owner, value: Mutex::new(None), next: OnceBox::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            let value = self.value.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(value.take());
        }
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerProcess")
    }
}

static RUNTIME: PerProcess<Runtime> = PerProcess::new();
static DRIVER: PerProcess<()> = PerProcess::new();

/// The runtime of this process; made by the first call. Who waits in
/// [`block_on`] drives it with the own thread: no other thread has to be woken
/// for each answer of the database.
fn runtime() -> Result<Arc<Runtime>> {
    RUNTIME.get_or_try_init(|| {
        Builder::new_current_thread()
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .thread_name("ezdfs")
            .enable_all()
            .on_thread_start(leave_signals_to_the_host)
            .build()
            .map_err(cannot_start)
    })
}

/// Runs a future that nobody waits for, on a thread that the first one starts.
/// What must come to its end goes to [`to_its_end`] instead.
pub(crate) fn in_background<F>(future: F) -> Result<JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    Ok(driven()?.spawn(future))
}

/// The runtime, with a thread of its own that drives it.
fn driven() -> Result<Arc<Runtime>> {
    #[cfg(test)]
    if trials::NO_THREADS.get() {
        return Err(cannot_start(std::io::ErrorKind::WouldBlock.into()));
    }
    let runtime = runtime()?;
    DRIVER.get_or_try_init(|| {
        let driven = Arc::clone(&runtime);
        let drive = move || {
            leave_signals_to_the_host();
            driven.block_on(std::future::pending::<()>())
        };
        let thread = std::thread::Builder::new().name("ezdfs".to_owned());
        thread.spawn(drive).map(drop).map_err(cannot_start)
    })?;
    Ok(runtime)
}

/// Work that may block, on a thread of the runtime. Where no thread can be made
/// it is not done, neither now nor later. To be called within the runtime.
pub(crate) fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<Option<T>>> {
    // tokio panics then, and keeps what it was given for the next thread.
    let work = Arc::new(Mutex::new(Some(work)));
    let taken = Arc::clone(&work);
    let take = move || taken.lock().unwrap_or_else(PoisonError::into_inner).take();
    let given = take.clone();
    let spawn = move || tokio::task::spawn_blocking(move || given().map(|work| work()));
    std::panic::catch_unwind(AssertUnwindSafe(spawn)).map_err(|_| {
        drop(take());
        cannot_start(std::io::ErrorKind::WouldBlock.into())
    })
}

fn cannot_start(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "start", "runtime", "cannot start a thread")
        .with_source(error)
}

/// Signals must reach the host's own threads: nginx and PHP act on the `EINTR`
/// that a signal causes in their event loops.
pub(crate) fn leave_signals_to_the_host() {
    // Fails for no signal set that can be built.
    let _ = SigSet::all().thread_block();
}

/// Runs a future to its end on the calling thread.
///
/// # Errors
///
/// [`ErrorKind::Internal`] when called from within a tokio runtime, where
/// waiting would block that runtime's thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    if tokio::runtime::Handle::try_current().is_ok() {
        let reason = "a blocking call was made from an asynchronous task";
        return Err(Error::new(ErrorKind::Internal, "call", "runtime", reason));
    }
    runtime()?.block_on(future)
}

#[cfg(test)]
pub(crate) mod trials {
    use std::cell::Cell;

    thread_local! {
        /// As if no thread could be made by this one for what is done in the background.
        pub(crate) static NO_THREADS: Cell<bool> = const { Cell::new(false) };
    }
}
