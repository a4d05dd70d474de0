//! `ezdfs get`

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, Command};
use tempfile::NamedTempFile;

use super::commands::Arguments;
use super::output;
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::require_outside;
use crate::store::{OpenFile, Store};

/// How much is read at a time.
const CHUNK: usize = 128 * 1024;

/// What a new file may be used for, but for the umask.
const ALL: u32 = 0o666;

const ABOUT: &str = "\
FILE is there whole or not at all: what it was stays as it is where anything fails.";

pub(super) fn command() -> Command {
    Command::new("get")
        .about("Write a stored file's bytes")
        .after_help(ABOUT)
        .arg(Arg::new("id").required(true).value_name("ID").help("Which"))
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .default_value("-")
                .help("Where to write; - is standard output"),
        )
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let id = arguments.id()?;
    let target = arguments.path().map(|path| Target::of(store, path)).transpose()?;
    let opened = store.open(&id)?;
    let is_whole = match target {
        None => copy(&opened, &mut output::stdout()?.lock(), "-")?,
        Some(target) => {
            output::catch_interrupts()?;
            target.fill(&opened)?
        }
    };
    Ok(if is_whole { ExitCode::SUCCESS } else { output::interrupted() })
}

/// A file that is to have the bytes.
struct Target {
    /// Where links lead.
    path: PathBuf,
    /// What has the path: a file is replaced, a pipe or a device is written to.
    there: Option<fs::Metadata>,
}

impl Target {
    fn of(store: &Store, path: &Path) -> Result<Self> {
        let failed = |error| output::cannot_write(error, &path.to_string_lossy());
        let there = match fs::metadata(path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        // A link in /proc leads to what has no path.
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return Ok(Target { path: path.to_owned(), there });
        }
        Ok(Target { path: require_outside(store, path)?, there })
    }

    /// False where it was interrupted.
    fn fill(self, opened: &OpenFile) -> Result<bool> {
        let shown = self.path.to_string_lossy();
        let failed = |error| output::cannot_write(error, &shown);
        let mode = match &self.there {
            Some(there) if there.is_file() => Some(there.mode() & 0o777),
            Some(_) => {
                let mut file = File::options().write(true).open(&self.path).map_err(failed)?;
                return copy(opened, &mut file, &shown);
            }
            None => None,
        };
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut file = beside(folder, mode).map_err(failed)?;
        if !copy(opened, &mut file, &shown)? {
            return Ok(false);
        }
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        // Where a directory cannot be synced, a power cut may bring the old file back.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(true)
    }
}

/// A file that is removed unless it gets its name; it has the mode of what it is to replace.
fn beside(folder: &Path, mode: Option<u32>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ezdfs-get-").permissions(Permissions::from_mode(mode.unwrap_or(ALL)));
    let file = builder.tempfile_in(folder)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// False where it was interrupted.
fn copy(opened: &OpenFile, sink: &mut dyn Write, target: &str) -> Result<bool> {
    let failed = |error| output::cannot_write(error, target);
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        let count = read(opened, &mut buffer)?;
        if output::is_interrupted() {
            return Ok(false);
        }
        if count == 0 {
            break;
        }
        sink.write_all(&buffer[..count]).map_err(failed)?;
        copied += count as u64;
    }
    sink.flush().map_err(failed)?;
    if copied != opened.size {
        let reason = format!("read {copied} of {} bytes: the file changed", opened.size);
        return Err(Error::new(ErrorKind::Storage, "get", opened.info.id.as_str(), reason));
    }
    Ok(true)
}

fn read(opened: &OpenFile, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match (&opened.file).read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => {
                return outcome.map_err(|error| {
                    let id = opened.info.id.as_str();
                    Error::io("get", id, "cannot read the file", error)
                });
            }
        }
    }
}
