//! What the command prints.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use once_cell::sync::Lazy;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::inherited;
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
    writeln!(stdout()?, "{text}").map_err(|error| cannot_write(error, STDOUT))
}

/// Prints the help that was asked for, or what is wrong with the command line.
pub(super) fn help(text: &clap::Error) -> Result<()> {
    if !text.use_stderr() {
        stdout()?;
    }
    text.print().map_err(|error| cannot_write(error, STDOUT))
}

const STDOUT: &str = "standard output";

/// Standard output, if it was open: else everything would go nowhere, and be a success.
pub(super) fn stdout() -> Result<io::Stdout> {
    match inherited::get().has_output {
        true => Ok(io::stdout()),
        false => Err(cannot_write(Errno::EBADF.into(), STDOUT)),
    }
}

/// Standard input, if it was open: else it would be an empty file.
pub(super) fn stdin() -> Result<io::Stdin> {
    if inherited::get().has_input {
        return Ok(io::stdin());
    }
    let closed = io::Error::from(Errno::EBADF);
    let subject = "standard input";
    Err(Error::new(ErrorKind::InvalidInput, "read", subject, "cannot read").with_source(closed))
}

/// Prints what a thing is, on a line of its own; labels end in this column.
pub(super) fn labelled(column: usize, label: &str, value: &str) -> Result<()> {
    line(&format!("{label:>column$}  {}", printable(value)))
}

/// A failed write to where the user wanted the output.
///
/// A reader that closes the pipe ends the command as it ends any filter; where whoever
/// started it has SIGPIPE ignored, it is told as an error.
pub(super) fn cannot_write(error: io::Error, target: &str) -> Error {
    const KILLED_BY_SIGPIPE: i32 = 128 + 13;
    if error.kind() == io::ErrorKind::BrokenPipe && !inherited::get().ignores_sigpipe {
        super::end_what_is_due();
        std::process::exit(KILLED_BY_SIGPIPE);
    }
    Error::io("write", target, "cannot write", error)
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

static INTERRUPTED: Lazy<Arc<AtomicBool>> = Lazy::new(Arc::default);

/// Has the first Ctrl-C, or SIGTERM, end a command where nothing is half done, with
/// what it came to so far; the second one ends the process.
pub(super) fn catch_interrupts() -> Result<()> {
    let caught = || {
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_default(signal, Arc::clone(&INTERRUPTED))?;
            flag::register(signal, Arc::clone(&INTERRUPTED))?;
        }
        Ok(())
    };
    caught().map_err(|error: io::Error| {
        Error::new(ErrorKind::Internal, "start", "signals", "cannot be caught").with_source(error)
    })
}

pub(super) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// The exit code of a check that has found something.
pub(super) const FOUND: u8 = 7;

/// The exit code of what Ctrl-C has ended.
pub(super) fn interrupted() -> ExitCode {
    const ENDED_BY_SIGINT: u8 = 128 + 2;
    ExitCode::from(ENDED_BY_SIGINT)
}
