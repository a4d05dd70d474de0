//! Faults that somebody has looked at and knows why they stay: a line for each,
//! class and path as `fsck` prints them, comments after `#`.

use std::collections::HashSet;
use std::path::Path;

use super::Fault;
use crate::error::{Error, ErrorKind, Result};

/// What is not reported any more.
#[derive(Debug, Clone, Default)]
pub struct Accepted(HashSet<(&'static str, String)>);

impl Accepted {
    /// Reads a list of accepted faults.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] where it cannot be read or a line begins with no
    /// class.
    pub fn read(path: &Path) -> Result<Self> {
        let subject = path.to_string_lossy();
        let bad = |reason| Error::new(ErrorKind::InvalidInput, "read", &*subject, reason);
        let text = std::fs::read_to_string(path)
            .map_err(|error| bad("cannot read the list".to_owned()).with_source(error))?;
        let mut accepted = HashSet::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (class, path) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let fault = Fault::from_name(class)
                .ok_or_else(|| bad(format!("line {} begins with no class of fsck", number + 1)))?;
            accepted.insert((fault.name(), path.trim().to_owned()));
        }
        Ok(Accepted(accepted))
    }

    pub(super) fn has(&self, fault: Fault, path: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&(fault.name(), path.to_owned()))
    }
}
