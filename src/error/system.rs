//! What the operating system refuses: the one place where an errno becomes a kind and words.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;

use nix::errno::Errno;

use super::{Error, ErrorKind};

/// A system call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallError {
    /// Empty where the message says it.
    call: &'static str,
    errno: Errno,
}

impl CallError {
    pub(crate) fn errno(self) -> Errno {
        self.errno
    }
}

impl From<Errno> for CallError {
    fn from(errno: Errno) -> Self {
        CallError { call: "", errno }
    }
}

/// Names the call whose errno it is given.
pub(crate) fn in_call(call: &'static str) -> impl Fn(Errno) -> CallError + Copy {
    move |errno| CallError { call, errno }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CallError { call, errno } = self;
        if !call.is_empty() {
            write!(f, "{call}: ")?;
        }
        match words(*errno) {
            Some(words) => write!(f, "{errno:?}: {words}"),
            None => write!(f, "{errno}"),
        }
    }
}

impl StdError for CallError {}

/// Which kind of error it is. That something is not there is nothing that an errno says: who
/// knows that the mount is alive says so.
fn kind(errno: Errno) -> ErrorKind {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => ErrorKind::NoSpace,
        _ => ErrorKind::Storage,
    }
}

/// Where the usual words mislead: links are not followed, however few there are.
fn words(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::ELOOP => Some("a symbolic link is on the way, and none is followed"),
        Errno::EXDEV => Some("it lies on another file system"),
        _ => None,
    }
}

/// Whether a path leads to something, or by something, that no door gives as a file: a symbolic
/// link, a directory, a socket. That is no absence.
pub(crate) fn is_of_no_file(errno: Errno) -> bool {
    matches!(errno, Errno::ELOOP | Errno::EXDEV | Errno::EISDIR | Errno::ENXIO)
}

impl Error {
    /// A system call failed; `reason` is what for.
    pub(crate) fn system(
        operation: &'static str,
        subject: impl Into<String>,
        reason: impl Into<Cow<'static, str>>,
        cause: impl Into<CallError>,
    ) -> Self {
        let cause = cause.into();
        Error::new(kind(cause.errno), operation, subject, reason)
            .with_errno(cause.errno as i32)
            .with_source(cause)
    }

    /// The same of the standard library.
    pub(crate) fn io(
        operation: &'static str,
        subject: impl Into<String>,
        reason: impl Into<Cow<'static, str>>,
        cause: io::Error,
    ) -> Self {
        match cause.raw_os_error() {
            Some(errno) => Error::system(operation, subject, reason, Errno::from_raw(errno)),
            None => Error::new(ErrorKind::Storage, operation, subject, reason).with_source(cause),
        }
    }

    /// The same error as one of another kind, by what is known besides.
    pub(crate) fn but(mut self, kind: ErrorKind) -> Self {
        self.inner_mut().kind = kind;
        self
    }

    /// Whether something that is no file has the place of one.
    pub(crate) fn is_of_no_file(&self) -> bool {
        self.kind() == ErrorKind::Storage && is_of_no_file(Errno::from_raw(self.os_errno()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_call() {
        let cause = in_call("fchmod")(Errno::EPERM);
        let error = Error::system("store", "a", "cannot create the file", cause);
        assert_eq!((error.kind(), error.os_errno()), (ErrorKind::Storage, 1));
        assert!(format!("{error:#}").contains("fchmod: EPERM: Operation not permitted"));
    }

    #[test]
    fn no_errno_says_that_a_file_is_not_there() {
        for number in 1..134 {
            let error = Error::system("open", "a", "cannot", Errno::from_raw(number));
            assert_ne!(error.kind().http_status(), 404, "{error:#}");
        }
    }

    #[test]
    fn a_full_disk_and_a_spent_quota_are_told_apart_from_other_failures() {
        for errno in [Errno::ENOSPC, Errno::EDQUOT] {
            let error = Error::io("store", "a", "cannot write", errno.into());
            assert_eq!(error.kind(), ErrorKind::NoSpace);
        }
    }
}
