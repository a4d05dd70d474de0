//! What the command prints.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::FileInfo;

/// A stored file in JSON.
#[derive(Serialize)]
pub(super) struct File<'a> {
    id: &'a str,
    size: u64,
    mtime: i64,
    mime_type: &'a str,
    scope: &'a str,
}

impl<'a> From<&'a FileInfo> for File<'a> {
    fn from(info: &'a FileInfo) -> Self {
        File {
            id: info.id.as_str(),
            size: info.size,
            mtime: info.mtime,
            mime_type: &info.mime_type,
            scope: &info.scope,
        }
    }
}

/// Prints one JSON object on a line of its own.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::Internal, "print", "JSON", "cannot be made").with_source(error)
    })?;
    line(&text)
}

/// Prints a line.
pub(super) fn line(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").map_err(|error| cannot_write(error, "standard output"))
}

/// A failed write to where the user wanted the output.
///
/// A reader that closes the pipe ends the command as it ends any filter.
pub(super) fn cannot_write(error: io::Error, target: &str) -> Error {
    const KILLED_BY_SIGPIPE: i32 = 128 + 13;
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(KILLED_BY_SIGPIPE);
    }
    let errno = error.raw_os_error().unwrap_or_default();
    Error::new(ErrorKind::Storage, "write", target, "cannot write")
        .with_errno(errno)
        .with_source(error)
}

/// Control characters of a name, made visible, so that a line stays a line.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            escaped.into_iter().flatten().chain((!c.is_control()).then_some(c))
        })
        .collect()
}

/// A counter on standard error; nothing where that is no terminal.
pub(super) fn counter(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {pos} {msg} ({per_sec}, {elapsed})");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(what);
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}
