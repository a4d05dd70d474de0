//! What can go wrong, in the form in which every door reports it.

mod system;

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::stats::Source;

pub(crate) use system::{CallError, in_call, is_of_no_file};

/// The result of an ezdfs operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a host needs to know it.
///
/// Each door maps every kind to its own form in one `match` without a wildcard
/// arm, so that a new kind does not compile until all of them know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No live row for the name, or its file is missing from a live mount.
    NotFound,
    /// The id, directory or path is not one that a file can have.
    InvalidName,
    /// The database or the mount did not answer, or refused for now.
    Unavailable,
    /// An option is unknown, missing, malformed, or rejected by the server.
    InvalidConfig,
    /// The bytes or the metadata handed in contradict themselves or the table.
    InvalidInput,
    /// The metadata table is missing or has the wrong shape.
    Schema,
    /// The file system failed: no permission, an I/O error, something that is no file.
    Storage,
    /// The file exists or not, but this request may not have it.
    Denied,
    /// The file system is full, or the quota is used up.
    NoSpace,
    /// A bug in ezdfs, caught at the boundary.
    Internal,
}

/// How the doors express one [`ErrorKind`].
struct Expression {
    code: u32,
    name: &'static str,
    http_status: u16,
    exit_code: u8,
}

impl ErrorKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [ErrorKind; 10] = [
        ErrorKind::NotFound,
        ErrorKind::InvalidName,
        ErrorKind::Unavailable,
        ErrorKind::InvalidConfig,
        ErrorKind::InvalidInput,
        ErrorKind::Schema,
        ErrorKind::Storage,
        ErrorKind::Denied,
        ErrorKind::NoSpace,
        ErrorKind::Internal,
    ];

    /// The one table of kinds. Codes are stable: never renumbered, never reused.
    ///
    /// A web server answers 404 only where the row or the file is known to be
    /// absent (or the path can name none): caches keep a 404, and PHP writes a
    /// placeholder over an original that it takes for missing.
    const fn expression(self) -> Expression {
        let (code, name, http_status, exit_code) = match self {
            ErrorKind::NotFound => (1, "not_found", 404, 1),
            ErrorKind::InvalidName => (2, "invalid_name", 404, 2),
            ErrorKind::Unavailable => (3, "unavailable", 503, 3),
            ErrorKind::InvalidConfig => (4, "invalid_config", 503, 2),
            ErrorKind::InvalidInput => (5, "invalid_input", 400, 2),
            ErrorKind::Schema => (6, "schema", 503, 4),
            ErrorKind::Storage => (7, "storage", 503, 5),
            ErrorKind::Denied => (8, "denied", 404, 6),
            ErrorKind::NoSpace => (9, "no_space", 507, 8),
            ErrorKind::Internal => (99, "internal", 500, 70),
        };
        Expression { code, name, http_status, exit_code }
    }

    /// The stable number of the C ABI.
    pub const fn code(self) -> u32 {
        self.expression().code
    }

    /// The stable word for logs, JSON and `$ezdfs_status`.
    pub const fn name(self) -> &'static str {
        self.expression().name
    }

    /// The status with which a web server answers.
    pub const fn http_status(self) -> u16 {
        self.expression().http_status
    }

    /// The exit code of the `ezdfs` command.
    pub const fn exit_code(self) -> u8 {
        self.expression().exit_code
    }

    /// The kind with this code of the C ABI.
    pub fn from_code(code: u32) -> Option<ErrorKind> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether the file system failed, in whichever way.
    pub(crate) const fn is_of_storage(self) -> bool {
        matches!(self, ErrorKind::Storage | ErrorKind::NoSpace)
    }

    /// Whether the same call may succeed later without any change.
    pub const fn is_temporary(self) -> bool {
        matches!(self, ErrorKind::Unavailable)
    }
}

/// An error: which operation failed, on what, and why.
///
/// `Display` gives `operation "subject": detail`; the alternate form (`{:#}`)
/// adds the chain of causes, which is what doors log.
#[derive(Debug, Clone)]
pub struct Error(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    subject: String,
    detail: Cow<'static, str>,
    os_errno: i32,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    answered_by: Option<Source>,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: impl Into<String>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Error(Arc::new(Inner {
            kind,
            operation,
            subject: subject.into(),
            detail: detail.into(),
            os_errno: 0,
            source: None,
            answered_by: None,
        }))
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.inner_mut().source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_errno(mut self, errno: i32) -> Self {
        self.inner_mut().os_errno = errno;
        self
    }

    pub(crate) fn with_answer_by(mut self, source: Source) -> Self {
        self.inner_mut().answered_by = Some(source);
        self
    }

    fn inner_mut(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// No live row, so the name does not exist whatever lies on the mount.
    pub(crate) fn not_found(operation: &'static str, subject: impl Into<String>) -> Self {
        Error::new(ErrorKind::NotFound, operation, subject, "not found")
    }

    /// A bug, caught as a panic.
    pub(crate) fn from_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic".to_owned());
        Error::new(ErrorKind::Internal, "call", "ezdfs", text)
    }

    /// What a caller can act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, such as `open`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The thing it failed on: an id, an option, a table, a host.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Why, without the subject.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What has said so, where it is about a row.
    pub fn answered_by(&self) -> Option<Source> {
        self.0.answered_by
    }

    /// The `errno` of the failing system call, or 0.
    ///
    /// `NotFound` with `ENOENT` is a row whose file is missing; `NotFound`
    /// with 0 is a missing row.
    pub fn os_errno(&self) -> i32 {
        self.0.os_errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, subject, detail, .. } = &*self.0;
        write!(f, "{operation} {subject:?}: {detail}")?;
        let mut last = String::new();
        let mut cause = self.source().filter(|_| f.alternate());
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat a cause in the text of what it caused.
            if !last.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_lead_back_to_their_kind() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(ErrorKind::from_code(0), None);
    }

    #[test]
    fn only_what_cannot_exist_is_answered_404() {
        for kind in ErrorKind::ALL {
            let absent =
                matches!(kind, ErrorKind::NotFound | ErrorKind::InvalidName | ErrorKind::Denied);
            assert_eq!(kind.http_status() == 404, absent, "{kind:?}");
        }
    }

    #[test]
    fn the_alternate_form_names_the_cause() {
        let error = Error::new(ErrorKind::Storage, "open", "a.jpg", "cannot open the file")
            .with_source(std::io::Error::from_raw_os_error(13));
        assert_eq!(error.to_string(), r#"open "a.jpg": cannot open the file"#);
        assert!(format!("{error:#}").contains("Permission denied"));
    }
}
