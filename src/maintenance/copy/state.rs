//! How far a copy has come, for one that goes on after it was ended: a small file that is there
//! whole at any moment.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::side::Side;
use crate::error::{Error, ErrorKind, Result};
use crate::feed::Position;
use crate::files::real_path;
use crate::maintenance::beside;

const VERSION: u32 = 1;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progressed {
    version: u32,
    from: String,
    to: String,
    /// The first pass is done up to this id; `None` at its beginning.
    pub(super) after: Option<String>,
    /// Everything was gone through once.
    pub(super) has_passed: bool,
    /// When the last pass that is done was begun, in seconds since the epoch.
    pub(super) passed_at: Option<i64>,
    /// Where the source's change log is followed from.
    pub(super) feed: Option<Position>,
}

/// The file, if one is kept.
#[derive(Debug)]
pub(super) struct State {
    path: Option<PathBuf>,
    pub(super) now: Progressed,
}

impl State {
    /// Reads it, if it is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] where it is of another copy, or is none.
    pub(super) fn open(path: Option<&Path>, from: &Side, to: &Side) -> Result<Self> {
        let new = Progressed {
            version: VERSION,
            from: from.shown().to_owned(),
            to: to.shown().to_owned(),
            after: None,
            has_passed: false,
            passed_at: None,
            feed: None,
        };
        let Some(path) = path else { return Ok(State { path: None, now: new }) };
        let folder = real_path(beside::folder(path))
            .map_err(|error| failed(path, "cannot be written", error))?;
        for side in [from, to] {
            if folder.starts_with(side.real_root()?) {
                let reason = "lies in a root, where stored files are".to_owned();
                return Err(refused(path, reason));
            }
        }
        let now = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => new,
            Err(error) => return Err(failed(path, "cannot be read", error)),
            Ok(text) => {
                let read: Progressed = serde_json::from_slice(&text).map_err(|error| {
                    refused(path, "is no state of a copy".to_owned()).with_source(error)
                })?;
                let is_of = |it: &Progressed| (it.version, it.from.clone(), it.to.clone());
                if is_of(&read) != is_of(&new) {
                    let reason = format!("is of another copy: {} to {}", read.from, read.to);
                    return Err(refused(path, reason));
                }
                read
            }
        };
        Ok(State { path: Some(path.to_owned()), now })
    }

    /// Writes it anew, beside itself first.
    pub(super) fn save(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let write = || {
            let mut file = beside::new(path)?;
            file.write_all(serde_json::to_string(&self.now)?.as_bytes())?;
            beside::replace(file, path)
        };
        write().map_err(|error| failed(path, "cannot be written", error))
    }
}

fn failed(path: &Path, reason: &'static str, error: std::io::Error) -> Error {
    Error::io("copy", path.to_string_lossy(), reason, error).but(ErrorKind::InvalidInput)
}

fn refused(path: &Path, reason: String) -> Error {
    Error::new(ErrorKind::InvalidInput, "copy", path.to_string_lossy(), reason)
}
