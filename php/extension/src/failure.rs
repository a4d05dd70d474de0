//! What goes wrong, and the exception that PHP code sees of it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::exception::{PhpException, PhpResult};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::{self, ClassEntry, ce};
use ezdfs::ErrorKind;

use crate::shim::{self, Text, Thrown};

/// Why a method does not return.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The core says no.
    Store(ezdfs::Error),
    /// What was handed in cannot be translated for the core.
    Refused(Refusal),
    /// An argument of a type that its declaration cannot express.
    Argument(String),
    /// PHP code that was called has thrown; its exception goes on.
    Thrown,
    /// PHP has reported a fatal error and ends the request.
    Bailout,
}

/// A failure of the binding's own, in the terms of the core.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) operation: &'static str,
    pub(crate) subject: String,
    pub(crate) message: String,
}

impl From<ezdfs::Error> for Failure {
    fn from(error: ezdfs::Error) -> Self {
        Failure::Store(error)
    }
}

impl Failure {
    pub(crate) fn refused(
        kind: ErrorKind,
        operation: &'static str,
        subject: &str,
        reason: &str,
    ) -> Self {
        let message = format!("{operation} {subject:?}: {reason}");
        Failure::Refused(Refusal { kind, operation, subject: subject.to_owned(), message })
    }

    fn panic(operation: &'static str, payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Failure::refused(ErrorKind::Internal, operation, "ezdfs", &format!("panic: {text}"))
    }

    fn into_exception(self) -> PhpException {
        match self {
            Failure::Store(error) => {
                exception(error.kind(), &format!("{error:#}"), error.operation(), error.subject())
            }
            Failure::Refused(refusal) => {
                let Refusal { kind, operation, subject, message } = &refusal;
                exception(*kind, message, operation, subject)
            }
            Failure::Argument(message) => PhpException::new(message, 0, ce::type_error()),
            // Throwing does nothing while an exception is pending.
            Failure::Thrown => PhpException::from_message(String::new()),
            Failure::Bailout => end_request(),
        }
    }
}

/// Runs the body of a method: the one place where panics end and where a
/// failure becomes an exception.
pub(crate) fn guard<T>(
    operation: &'static str,
    body: impl FnOnce() -> Result<T, Failure>,
) -> PhpResult<T> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(Failure::panic(operation, payload.as_ref())))
        .map_err(Failure::into_exception)
}

/// Goes on with the bailout that the C part has caught.
fn end_request() -> ! {
    // SAFETY: the frames between here and the handler that catches bailouts
    // hold nothing that must be dropped: the method's body is gone.
    unsafe { zend::bailout() }
}

fn exception(kind: ErrorKind, message: &str, operation: &str, subject: &str) -> PhpException {
    let code = kind.code();
    let thrown = Thrown {
        message: Text::new(message),
        operation: Text::new(operation),
        subject: Text::new(subject),
        code: code.into(),
    };
    let mut object = Zval::new();
    // SAFETY: the class is registered for the life of the process, and the
    // texts live until the call returns.
    let outcome =
        unsafe { shim::ezdfs_php_new_exception(class(kind), &raw const thrown, &raw mut object) };
    if outcome == shim::BAILOUT {
        end_request();
    }
    PhpException::from_message(message.to_owned()).with_object(object)
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
