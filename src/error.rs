//! What can go wrong, in the form in which every door reports it.

mod kind;
mod system;

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::stats::Source;

pub use kind::ErrorKind;
pub(crate) use system::{CallError, in_call, is_of_no_file};

/// The result of an ezdfs operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

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
    fn the_alternate_form_names_the_cause() {
        let error = Error::new(ErrorKind::Storage, "open", "a.jpg", "cannot open the file")
            .with_source(std::io::Error::from_raw_os_error(13));
        assert_eq!(error.to_string(), r#"open "a.jpg": cannot open the file"#);
        assert!(format!("{error:#}").contains("Permission denied"));
    }
}
