//! Look-ups that do not wait: their outcomes come through a queue that an event
//! loop can watch.

use std::collections::{HashMap, VecDeque};
use std::ffi::{c_char, c_void};
use std::os::fd::AsRawFd;
use std::panic::AssertUnwindSafe;
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::task::AbortHandle;

use super::bytes;
use super::file::ezdfs_file;
use super::result::{self, ezdfs_error, ezdfs_result, guard, guard_or};
use super::sized::{Out, extensible};
use super::store::{self, borrow, ezdfs_store};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::store::{OpenFile, SharedFile};

/// The outcome of a look-up.
#[repr(C)]
pub struct ezdfs_completion {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// What the starter of the look-up gave.
    pub data: *mut c_void,
    /// The look-up's ticket; 0 where there is none.
    pub ticket: u64,
    /// The opened file, now the receiver's; NULL unless it worked.
    pub file: *mut ezdfs_file,
    /// Where the answer was found: "memory", "kept" (the file was open), "cache", "replica"
    /// or "database". Static, NUL-terminated; NULL where nothing was looked up, or it failed.
    pub source: *const c_char,
    /// What the look-up came to. Of a failure `err` of the call that gives this says more.
    pub result: ezdfs_result,
    /// errno of the failing system call, or 0.
    pub os_errno: i32,
}

extensible!(ezdfs_completion, os_errno: i32);

/// Where the outcomes of look-ups wait. One for each event loop, used by that
/// thread only; never across fork().
pub struct ezdfs_queue(pub(super) Arc<Queue>);

pub(super) struct Queue {
    /// Readable as long as outcomes wait.
    signal: EventFd,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_ticket: u64,
    /// By ticket. `None` until the task is spawned.
    pending: HashMap<u64, Pending>,
    ready: VecDeque<Outcome>,
}

struct Pending {
    data: Data,
    task: Option<AbortHandle>,
}

struct Outcome {
    ticket: u64,
    data: Data,
    result: Result<SharedFile>,
}

/// The caller's pointer: carried, never looked into.
pub(super) struct Data(pub(super) *mut c_void);

// SAFETY: no thread but the queue's owner gets the pointer back.
unsafe impl Send for Data {}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self, ticket: u64, result: Result<SharedFile>) {
        let mut state = self.state();
        // Not there: cancelled meanwhile.
        let Some(Pending { data, .. }) = state.pending.remove(&ticket) else {
            return;
        };
        state.ready.push_back(Outcome { ticket, data, result });
        if state.ready.len() == 1 {
            // Cannot fail: the counter is 0 or 1.
            let _ = self.signal.write(1);
        }
    }

    fn next(&self) -> Option<Outcome> {
        let mut state = self.state();
        let outcome = state.ready.pop_front();
        if state.ready.is_empty() {
            // EAGAIN where nothing was signalled.
            let _ = self.signal.read();
        }
        outcome
    }

    fn cancel(&self, ticket: u64) {
        let mut state = self.state();
        if let Some(pending) = state.pending.remove(&ticket) {
            pending.task.inspect(AbortHandle::abort);
        } else if let Some(place) = state.ready.iter().position(|ready| ready.ticket == ticket) {
            state.ready.remove(place);
        }
    }

    /// Runs a look-up in the background. Its outcome comes through the queue,
    /// also when it panics.
    pub(super) fn start<F>(self: &Arc<Self>, data: Data, look_up: F) -> Result<u64>
    where
        F: Future<Output = Result<SharedFile>> + Send + 'static,
    {
        let ticket = {
            let mut state = self.state();
            state.last_ticket += 1;
            let ticket = state.last_ticket;
            let pending = Pending { data, task: None };
            state.pending.insert(ticket, pending);
            ticket
        };
        let queue = Arc::clone(self);
        let task = runtime::in_background(async move {
            let result = AssertUnwindSafe(look_up).catch_unwind().await;
            let result = result.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)));
            queue.complete(ticket, result);
        });
        let task = task.inspect_err(|_| drop(self.state().pending.remove(&ticket)))?;
        if let Some(pending) = self.state().pending.get_mut(&ticket) {
            pending.task = Some(task.abort_handle());
        }
        Ok(ticket)
    }
}

/// Makes a queue.
///
/// On success `*queue_out` is a new handle; release it with
/// `ezdfs_queue_free`.
///
/// # Safety
///
/// `queue_out` is valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_queue_new(
    queue_out: *mut *mut ezdfs_queue,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
            let signal = EventFd::from_value_and_flags(0, flags).map_err(|errno| {
                Error::new(ErrorKind::Unavailable, "start", "queue", "no descriptor")
                    .with_errno(errno as i32)
                    .with_source(errno)
            })?;
            let queue = Arc::new(Queue { signal, state: Mutex::default() });
            queue_out.write(Box::into_raw(Box::new(ezdfs_queue(queue))));
            Ok(())
        })
    }
}

/// A descriptor that is readable as long as outcomes wait; for epoll and the
/// like. It stays the queue's; nobody but `ezdfs_queue_next` reads it.
///
/// # Safety
///
/// `queue` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_queue_fd(queue: *const ezdfs_queue) -> i32 {
    // SAFETY: promised by the caller.
    unsafe { &*queue }.0.signal.as_raw_fd()
}

/// Releases a queue; NULL is a no-op. Look-ups under way are cancelled.
///
/// # Safety
///
/// `queue` is a live handle and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_queue_free(queue: *mut ezdfs_queue) {
    if queue.is_null() {
        return;
    }
    guard_or((), || {
        // SAFETY: promised by the caller.
        let queue = unsafe { Box::from_raw(queue) };
        let mut state = queue.0.state();
        for (_, pending) in state.pending.drain() {
            pending.task.inspect(AbortHandle::abort);
        }
        state.ready.clear();
    });
}

/// Takes the next outcome. Where none waits the completion's `ticket` is 0, and the descriptor is
/// not readable any more. Never blocks.
///
/// On success `completion_out->file` is the caller's; release it with `ezdfs_file_free`. Where
/// the look-up failed, which is a success of this call, `err` says why.
///
/// # Safety
///
/// `queue` is a live handle, `completion_out` valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_queue_next(
    queue: *mut ezdfs_queue,
    completion_out: *mut ezdfs_completion,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let completion_out = Out::new(completion_out, "completion_out")?;
            let queue = queue.as_ref().ok_or_else(|| store::null("queue"))?;
            match queue.0.next() {
                Some(Outcome { ticket, data, result }) => {
                    complete(completion_out, err, data.0, ticket, result);
                }
                None => completion_out.give(&ezdfs_completion::NONE),
            }
            Ok(())
        })
    }
}

/// Gives a look-up up. After this its outcome is not delivered; a file that was
/// opened is closed. A ticket that was delivered already is a no-op. Never
/// blocks on database or mount.
///
/// # Safety
///
/// `queue` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_queue_cancel(queue: *mut ezdfs_queue, ticket: u64) {
    // SAFETY: promised by the caller.
    guard_or((), || unsafe { (&*queue).0.cancel(ticket) });
}

/// Starts to open a file. Never blocks; the outcome comes through `queue`,
/// within the store's deadlines, with `data` as it was given.
///
/// On success `*ticket_out` is the look-up's ticket.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_open_start(
    store: *const ezdfs_store,
    queue: *mut ezdfs_queue,
    id: *const c_char,
    id_len: usize,
    data: *mut c_void,
    ticket_out: *mut u64,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            let queue = queue.as_ref().ok_or_else(|| store::null("queue"))?;
            let id = store.file_id(bytes(id, id_len))?;
            let process = store.process()?;
            let look_up = async move {
                let opened = process.open(&id).await;
                process.looked_up(opened, OpenFile::answered_by).map(SharedFile::from)
            };
            ticket_out.write(queue.0.start(Data(data), look_up)?);
            Ok(())
        })
    }
}

impl ezdfs_completion {
    const NONE: Self = ezdfs_completion {
        struct_size: size_of::<Self>(),
        data: null_mut(),
        ticket: 0,
        file: null_mut(),
        source: null(),
        result: result::OK,
        os_errno: 0,
    };
}

/// Writes an outcome.
///
/// # Safety
///
/// `err` is NULL or valid.
pub(super) unsafe fn complete(
    out: Out<ezdfs_completion>,
    err: *mut ezdfs_error,
    data: *mut c_void,
    ticket: u64,
    outcome: Result<SharedFile>,
) {
    let mut completion = ezdfs_completion { data, ticket, ..ezdfs_completion::NONE };
    let source = match &outcome {
        Ok(file) => Some(file.answered_by()),
        Err(error) => error.answered_by(),
    };
    completion.source = source.map_or(null(), |source| source.name().as_ptr());
    match outcome {
        Ok(file) => completion.file = ezdfs_file::into_raw(file),
        Err(error) => {
            // SAFETY: promised by the caller.
            completion.result = unsafe { result::tell(err, &error) };
            completion.os_errno = error.os_errno();
        }
    }
    out.give(&completion);
}
