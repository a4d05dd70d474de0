//! How much a command may take away without being told so.

use crate::error::{Error, ErrorKind, Result};

/// So much may always go.
pub(crate) const AT_LEAST: u64 = 1000;

/// So many per cent of the rows may.
const PERCENT: u64 = 1;

/// The limit that the user gave, or 1,000 or one per cent of the rows, whichever
/// is more.
pub(crate) fn most(given: Option<u64>, rows: u64) -> u64 {
    given.unwrap_or(AT_LEAST.max(rows * PERCENT / 100))
}

/// Refuses what goes beyond the limit, before anything is done.
pub(crate) fn require(
    operation: &'static str,
    subject: impl Into<String>,
    planned: u64,
    most: u64,
) -> Result<()> {
    if planned <= most {
        return Ok(());
    }
    let look = match operation {
        "check" => "without --repair",
        _ => "with --dry-run",
    };
    let reason = format!(
        "would remove {planned} rows or files, more than {most}: nothing was changed; \
         look first at what it is ({look}), then raise the limit with --max-remove {planned}"
    );
    Err(Error::new(ErrorKind::InvalidInput, operation, subject, reason))
}
