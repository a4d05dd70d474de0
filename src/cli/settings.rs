//! Where the command's options come from: flags, environment, file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use super::diagnostics::inform;
use super::output;
use crate::config::{Options, OptionsBuilder, VOCABULARY, shown_key, text_of_number};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;

/// Read where none is named, if it exists. Nothing of the current directory is:
/// that may be anybody's, and its files' options say what is deleted.
const DEFAULT_FILE: &str = "/etc/ezdfs/ezdfs.toml";

pub(super) fn store(matches: &ArgMatches) -> Result<Store> {
    let (_, matches) = matches.subcommand().unwrap_or(("", matches));
    Ok(Store::new(options(matches)?.build()?))
}

/// Those of a file alone.
pub(super) fn of_file(path: &Path) -> Result<OptionsBuilder> {
    let mut options = Options::builder();
    let file = open(path).map_err(|error| unreadable(path, error))?;
    check_writers(path, &file)?;
    read_file(path, file, &mut options)?;
    Ok(options)
}

/// Those of flags, environment and file.
pub(super) fn options(matches: &ArgMatches) -> Result<OptionsBuilder> {
    let mut options = Options::builder();
    let file = config_file(matches)?;
    match &file {
        Some((path, _)) => {
            inform(&format!("options from {}", output::printable(&path.to_string_lossy())));
        }
        None => inform("no configuration file"),
    }
    if let Some((path, file)) = file {
        read_file(&path, file, &mut options)?;
    }
    refuse_unknown_variables()?;
    for spec in VOCABULARY {
        match std::env::var(variable(spec.key)) {
            Ok(value) => options.set(spec.key, &value).map(drop)?,
            Err(std::env::VarError::NotPresent) => {}
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(config_error(&variable(spec.key), "is not UTF-8"));
            }
        }
        if let Some(value) = matches.get_one::<String>(spec.key) {
            options.set(spec.key, value)?;
        }
    }
    Ok(options)
}

fn variable(key: &str) -> String {
    format!("EZDFS_{}", key.to_uppercase())
}

/// A misspelt variable would otherwise be obeyed by nobody, silently.
fn refuse_unknown_variables() -> Result<()> {
    let known = |name: &str| {
        name == "EZDFS_CONFIG" || VOCABULARY.iter().any(|spec| variable(spec.key) == name)
    };
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        // EZDFS_TEST_ and EZDFS_NFS_ are read by the test suite.
        let reserved = name.starts_with("EZDFS_TEST_") || name.starts_with("EZDFS_NFS_");
        if name.starts_with("EZDFS_") && !reserved && !known(&name) {
            return Err(config_error(&name, "this environment variable is no option"));
        }
    }
    Ok(())
}

/// The file that is to be read, which nobody else may write.
fn config_file(matches: &ArgMatches) -> Result<Option<(PathBuf, File)>> {
    let named = matches.get_one::<PathBuf>("config").cloned();
    let named = named.or_else(|| std::env::var_os("EZDFS_CONFIG").map(PathBuf::from));
    let is_default = named.is_none();
    let path = named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match open(&path) {
        Ok(file) => {
            check_writers(&path, &file)?;
            Ok(Some((path, file)))
        }
        Err(error) if is_default && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path, error)),
    }
}

/// Opening a pipe would wait for its writer.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    File::options().read(true).custom_flags(flags).open(path)
}

/// Who can write the file decides what the command does with its user's rights.
/// Asks the opened file: the path may lead to another one by now.
fn check_writers(path: &Path, file: &File) -> Result<()> {
    let found = file.metadata().map_err(|error| unreadable(path, error))?;
    let user = geteuid().as_raw();
    let reason = if !found.is_file() {
        "is not a regular file".to_owned()
    } else if found.uid() != 0 && found.uid() != user {
        let owner = found.uid();
        format!("belongs to user {owner}, neither to root nor to you ({user}): chown it")
    } else if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o7777;
        format!("others than its owner can write it (mode {mode:04o}): chmod go-w it")
    } else {
        return Ok(());
    };
    Err(config_error(&path.to_string_lossy(), reason))
}

fn read_file(path: &Path, mut file: File, options: &mut OptionsBuilder) -> Result<()> {
    let shown = path.to_string_lossy();
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| unreadable(path, error))?;
    // Without its source, which quotes the line.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let place = error.span().map(|span| place(&text, span.start)).unwrap_or_default();
        let reason = format!("is not TOML{place}; strings stand in quotes, no key stands twice");
        config_error(&shown, reason)
    })?;
    let unusable =
        |error| config_error(&shown, "has an option that cannot be used").with_source(error);
    for (key, value) in table {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => text_of_number(&key, number).map_err(unusable)?,
            _ => {
                let key = shown_key(&key);
                let reason = format!("option {key:?} must be a string or a whole number");
                return Err(config_error(&shown, reason));
            }
        };
        options.set(&key, &text).map_err(unusable)?;
    }
    Ok(())
}

/// Where a byte of the file stands, as editors count.
fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(" at line {line}, column {column}")
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    config_error(&path.to_string_lossy(), "cannot read the configuration").with_source(error)
}

fn config_error(subject: &str, reason: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, "configure", subject, reason)
}
