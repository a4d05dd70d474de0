//! What the library tells of what it goes on after, such as a replica that cannot be used.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::result::guard_or;

/// How much it matters what is told.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ezdfs_log_level {
    /// Something is lost, or somebody has to look after it.
    Error = 1,
    /// It goes on, but not as it should.
    Warn = 2,
    /// It is as it should be again.
    Info = 3,
}

/// Takes what is told: one line, NUL-terminated UTF-8 without control characters,
/// borrowed for the call. It begins with `ezdfs: ` and never holds a password.
///
/// Called on any thread, on several at a time, and while locks are held: it must not
/// call the library, nor wait.
pub type ezdfs_log_handler =
    Option<unsafe extern "C" fn(level: ezdfs_log_level, message: *const c_char)>;

/// The address of what is set. No lock: a thread may hold it that a child does not have.
static HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

struct Handled;

impl Log for Handled {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ezdfs")
    }

    fn log(&self, record: &Record<'_>) {
        let address = HANDLER.load(Ordering::Acquire);
        if address.is_null() || !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => ezdfs_log_level::Error,
            Level::Warn => ezdfs_log_level::Warn,
            _ => ezdfs_log_level::Info,
        };
        let text = record.args().to_string().replace(|c: char| c.is_control(), " ");
        let Ok(text) = CString::new(text) else { return };
        // SAFETY: what is not null was a handler when it was stored, and stays one.
        let handler = unsafe { std::mem::transmute::<*mut (), ezdfs_log_handler>(address) };
        if let Some(handler) = handler {
            // SAFETY: the text outlives the call, and the host has promised the rest.
            unsafe { handler(level, text.as_ptr()) };
        }
    }

    fn flush(&self) {}
}

/// Has the library tell of what no call returns: a replica that is not used, and used
/// again; a file that could not be removed. Of the whole process; NULL, the default, for
/// nobody.
///
/// # Safety
///
/// `handler` may be called as its type says until the process ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_set_log_handler(handler: ezdfs_log_handler) {
    guard_or((), || {
        let address = handler.map_or(ptr::null_mut(), |handler| handler as *mut ());
        HANDLER.store(address, Ordering::Release);
        // A Rust host may have a logger of its own.
        if log::set_logger(&Handled).is_ok() {
            log::set_max_level(LevelFilter::Info);
        }
    });
}
