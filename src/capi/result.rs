//! Results, error detail, and the guard that every function runs under.

use std::ffi::c_char;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::sized::{Out, extensible};
use crate::error::{Error, ErrorKind, Result};

/// What a call came to: 0, or the code of a kind. C has an enum in its place, which `make header`
/// makes of the one table of kinds.
///
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ezdfs_result(u32);

/// It worked.
pub(super) const OK: ezdfs_result = ezdfs_result(0);

impl From<ErrorKind> for ezdfs_result {
    fn from(kind: ErrorKind) -> Self {
        ezdfs_result(kind.code())
    }
}

/// Filled in on failure. Owned by the caller; nothing in it needs freeing, and
/// it may be handed to another thread. Where its `struct_size` is refused nothing is
/// done and nothing is written here: the result tells, and whoever takes the log.
#[repr(C)]
pub struct ezdfs_error {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// What the call returned, or the look-up came to whose outcome it has given.
    pub code: ezdfs_result,
    /// errno of the failing system call, or 0.
    pub os_errno: i32,
    /// Operation, subject and cause. NUL-terminated UTF-8, cut to fit; no
    /// control characters.
    pub message: [c_char; 512],
}

extensible!(ezdfs_error, message: [c_char; 512]);

impl ezdfs_error {
    pub(super) fn from_error(error: &Error) -> Self {
        let mut filled = ezdfs_error {
            struct_size: size_of::<Self>(),
            code: error.kind().into(),
            os_errno: error.os_errno(),
            message: [0; 512],
        };
        // What does not fit is cut.
        let _ = write!(Message(Field::new(&mut filled.message)), "{error:#}");
        filled
    }
}

/// A text in a fixed field, cut between characters, NUL-terminated.
struct Field<'a> {
    field: &'a mut [c_char],
    len: usize,
}

impl<'a> Field<'a> {
    fn new(field: &'a mut [c_char]) -> Self {
        field[0] = 0;
        Field { field, len: 0 }
    }

    /// As much of a text as fits; an error where that is not all.
    fn push(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(self.field.len() - 1 - self.len);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        for (target, byte) in self.field[self.len..].iter_mut().zip(&text.as_bytes()[..end]) {
            *target = byte.cast_signed();
        }
        self.len += end;
        self.field[self.len] = 0;
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// One without control characters, written where it is to stand: a web server has one for each
/// 404.
struct Message<'a>(Field<'a>);

impl fmt::Write for Message<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let kept = part.trim_end_matches(char::is_control);
            self.0.push(kept)?;
            if kept.len() < part.len() {
                self.0.push(" ")?;
            }
        }
        Ok(())
    }
}

/// Copies text into a fixed field, cut between characters, NUL-terminated.
pub(super) fn fill(field: &mut [c_char], text: &str) {
    // What does not fit is cut.
    let _ = Field::new(field).push(text);
}

/// Runs the body of an extern function: no panic gets out, and the caller's
/// error is filled in.
///
/// # Safety
///
/// `err` is NULL or points to an `ezdfs_error` whose size is set.
pub(super) unsafe fn guard(
    err: *mut ezdfs_error,
    body: impl FnOnce() -> Result<()>,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    if let Err(error) = unsafe { Out::optional(err) } {
        log::error!("ezdfs: {error}");
        return error.kind().into();
    }
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return OK,
        Ok(Err(error)) => error,
        Err(panic) => Error::from_panic(&*panic),
    };
    // SAFETY: promised by the caller.
    unsafe { tell(err, &error) }
}

/// Fills in the caller's error.
///
/// # Safety
///
/// As of `guard`.
pub(super) unsafe fn tell(err: *mut ezdfs_error, error: &Error) -> ezdfs_result {
    // SAFETY: promised by the caller.
    if let Ok(Some(err)) = unsafe { Out::optional(err) } {
        err.give(&ezdfs_error::from_error(error));
    }
    error.kind().into()
}

/// Runs the body of an extern function that has no way to fail.
pub(super) fn guard_or<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// The stable word for a result, for logs: `ok`, `not_found`, ... Static;
/// `unknown` for a number that is no result.
#[unsafe(no_mangle)]
pub extern "C" fn ezdfs_result_name(result: u32) -> *const c_char {
    let name = match result {
        0 => c"ok",
        _ => ErrorKind::from_code(result).map_or(c"unknown", ErrorKind::c_name),
    };
    name.as_ptr()
}

/// The status with which a web server answers a result: 200, 404 where the
/// file is known not to be there, 503, ... 500 for a number that is no result.
#[unsafe(no_mangle)]
pub extern "C" fn ezdfs_result_http_status(result: u32) -> u32 {
    match result {
        0 => 200,
        _ => ErrorKind::from_code(result).map_or(500, |kind| kind.http_status().into()),
    }
}

/// Seconds after which a client may try again, for `Retry-After`; 0 where that
/// header does not belong.
#[unsafe(no_mangle)]
pub extern "C" fn ezdfs_result_retry_after(result: u32) -> u32 {
    const SECONDS: u32 = 5;
    if ezdfs_result_http_status(result) == 503 { SECONDS } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let mut error = ezdfs_error::from_error(&Error::not_found("stat", "a"));
        // SAFETY: the pointer is to a local.
        let result = unsafe { guard(&raw mut error, || panic!("boom")) };
        assert!(result == ErrorKind::Internal.into());
        // SAFETY: `fill` terminates the message.
        let message = unsafe { CStr::from_ptr(error.message.as_ptr()) };
        assert!(message.to_string_lossy().contains("boom"));
    }

    #[test]
    fn messages_are_cut_between_characters() {
        let mut field = [1; 8];
        fill(&mut field, "aaaaaaéé");
        assert_eq!(field[6], 0);

        let subject = format!("a\n{}é", "b".repeat(510 - "open \"a\\n\": ".len()));
        let error = ezdfs_error::from_error(&Error::new(ErrorKind::Storage, "open", "a", subject));
        // SAFETY: it is terminated, also when it is cut.
        let message = unsafe { CStr::from_ptr(error.message.as_ptr()) }.to_str();
        let message = message.expect("cut between characters");
        assert!(message.len() > 500 && message.contains("a b"), "{message}");
    }
}
