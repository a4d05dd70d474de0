//! When purge first saw each soft-deleted row: a file of lines in the order of the
//! keys, read beside the rows and written anew by each run.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Lines, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::beside;

/// The year 2025, in which there was no purge yet. An earlier first sight is that of a
/// clock that was never set, and would make all rows due that it saw.
pub(super) const SANE_TIME: u64 = 1_735_689_600;

/// What the last run remembered: lines of first sight, `mtime` and key, in the
/// order of the keys, read beside the rows.
pub(super) struct Seen {
    path: PathBuf,
    lines: Option<Lines<BufReader<File>>>,
    /// The line after the last that was asked for.
    line: Option<(u64, i64, String)>,
}

impl Seen {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let lines = match File::open(path) {
            Ok(file) => Some(BufReader::new(file).lines()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, "cannot be read", error)),
        };
        let mut seen = Seen { path: path.to_owned(), lines, line: None };
        seen.advance()?;
        Ok(seen)
    }

    /// Since when this row is known. Keys are asked for in their order. A row
    /// that was stored and deleted again has another `mtime`. What was seen before
    /// [`SANE_TIME`] has not been seen.
    pub(super) fn since(&mut self, key: &str, mtime: i64) -> Result<Option<u64>> {
        while self.line.as_ref().is_some_and(|(_, _, line)| line.as_str() < key) {
            self.advance()?;
        }
        let known = self.line.as_ref().filter(|(_, time, line)| line == key && *time == mtime);
        Ok(known.map(|(since, _, _)| *since).filter(|since| *since >= SANE_TIME))
    }

    fn advance(&mut self) -> Result<()> {
        let Some(line) = self.lines.as_mut().and_then(Iterator::next) else {
            self.line = None;
            return Ok(());
        };
        let line = line.map_err(|error| failed(&self.path, "cannot be read", error))?;
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let parsed = (word().parse(), word().parse(), word().to_owned());
        let (Ok(since), Ok(mtime), key) = parsed else {
            let subject = self.path.to_string_lossy();
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "purge",
                subject,
                "is no state of purge",
            ));
        };
        self.line = Some((since, mtime, key));
        Ok(())
    }
}

/// What this run remembers, written beside the old state.
pub(super) struct Remembered {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Remembered {
    pub(super) fn beside(path: &Path) -> Result<Self> {
        let file = beside::new(path).map_err(|error| failed(path, "cannot be written", error))?;
        Ok(Remembered { file: BufWriter::new(file), path: path.to_owned() })
    }

    pub(super) fn add(&mut self, since: u64, mtime: i64, key: &str) -> Result<()> {
        writeln!(self.file, "{since} {mtime} {key}")
            .map_err(|error| failed(&self.path, "cannot be written", error))
    }

    pub(super) fn replace(self, path: &Path) -> Result<()> {
        let written = self.file.into_inner().map_err(|error| error.into_error());
        let replaced = written.and_then(|file| beside::replace(file, path));
        replaced.map_err(|error| failed(path, "cannot be written", error))
    }
}

fn failed(path: &Path, reason: &'static str, error: std::io::Error) -> Error {
    Error::io("purge", path.to_string_lossy(), reason, error)
}
