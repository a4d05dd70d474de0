//! What goes wrong, and the exception that PHP code sees of it.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::zend::ClassEntry;
use ezdfs::ErrorKind;

use crate::shim::{self, Text, Thrown};

/// Why a method does not return.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The core says no.
    Store(ezdfs::Error),
    /// What was handed in cannot be translated for the core.
    Refused(Refusal),
    /// PHP code that was called has thrown; its exception goes on.
    Thrown,
    /// PHP has reported a fatal error and ends the request.
    Bailout,
}

/// A failure of the binding's own, in the terms of the core.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) subject: String,
    pub(crate) message: String,
}

impl From<ezdfs::Error> for Failure {
    fn from(error: ezdfs::Error) -> Self {
        Failure::Store(error)
    }
}

impl Failure {
    /// `what` begins the message, as the core's operation begins its own.
    pub(crate) fn refused(kind: ErrorKind, what: &str, subject: &str, reason: &str) -> Self {
        let message = format!("{what} {subject:?}: {reason}");
        Failure::Refused(Refusal { kind, subject: subject.to_owned(), message })
    }

    fn panic(method: &str, payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Failure::refused(ErrorKind::Internal, method, "ezdfs", &format!("panic: {text}"))
    }

    /// Makes an exception of it; says what C has to know.
    fn throw(self, method: &str) -> c_int {
        match self {
            Failure::Store(error) => {
                throw(error.kind(), &format!("{error:#}"), method, error.subject())
            }
            Failure::Refused(Refusal { kind, subject, message }) => {
                throw(kind, &message, method, &subject)
            }
            Failure::Thrown => shim::THROWN,
            Failure::Bailout => shim::BAILOUT,
        }
    }
}

/// Runs the body of a method, and hands what it makes to C: the one place where
/// panics end and where a failure becomes an exception.
///
/// The exception names the method that PHP code has called; what the core was
/// at begins its message.
pub(crate) fn answer<T>(
    method: &str,
    out: &mut T,
    body: impl FnOnce() -> Result<T, Failure>,
) -> c_int {
    let outcome = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(Failure::panic(method, payload.as_ref())));
    match outcome {
        Ok(made) => {
            *out = made;
            shim::OK
        }
        Err(failure) => failure.throw(method),
    }
}

/// Frees what an object owned, if it owned one.
///
/// # Safety
///
/// The pointer is null or was a `Box`, and nobody uses it any more.
pub(crate) unsafe fn free<T>(value: *mut T) {
    if !value.is_null() {
        // SAFETY: as the caller promises.
        let owned = unsafe { Box::from_raw(value) };
        // PHP can be told of nothing here.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(owned)));
    }
}

fn throw(kind: ErrorKind, message: &str, operation: &str, subject: &str) -> c_int {
    let thrown = Thrown {
        message: Text::new(message),
        operation: Text::new(operation),
        subject: Text::new(subject),
        code: kind.code().into(),
    };
    // SAFETY: the class is registered for the life of the process, and the
    // texts live until the call returns.
    unsafe { shim::ezdfs_php_throw(class(kind), &raw const thrown) }
}

static CLASSES: [AtomicPtr<ClassEntry>; ErrorKind::ALL.len()] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; ErrorKind::ALL.len()];

/// Registers the exceptions. Called once in each start of the module.
pub(crate) fn register_classes() {
    let base = Text::new("Ezdfs\\Exception\\EzdfsException");
    // SAFETY: called from the module's startup, where classes are registered.
    let base = unsafe { shim::ezdfs_php_register_exception(base, std::ptr::null_mut()) };
    for (kind, slot) in ErrorKind::ALL.into_iter().zip(&CLASSES) {
        let name = format!("Ezdfs\\Exception\\{}", class_name(kind));
        // SAFETY: as above; PHP copies the name.
        let class = unsafe { shim::ezdfs_php_register_exception(Text::new(&name), base) };
        slot.store(class, Ordering::Relaxed);
    }
}

fn class(kind: ErrorKind) -> *mut ClassEntry {
    let slot = ErrorKind::ALL.into_iter().position(|known| known == kind);
    CLASSES[slot.unwrap_or_default()].load(Ordering::Relaxed)
}

/// The one table of kinds and classes.
const fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "NotFoundException",
        ErrorKind::InvalidName => "InvalidNameException",
        ErrorKind::Unavailable => "UnavailableException",
        ErrorKind::InvalidConfig => "InvalidConfigException",
        ErrorKind::InvalidInput => "InvalidInputException",
        ErrorKind::Schema => "SchemaException",
        ErrorKind::Storage => "StorageException",
        ErrorKind::Denied => "DeniedException",
        ErrorKind::NoSpace => "NoSpaceException",
        ErrorKind::Internal => "InternalException",
    }
}
