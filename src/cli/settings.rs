//! Where the command's options come from: flags, environment, file.

use std::path::{Path, PathBuf};

use clap::ArgMatches;

use crate::config::{Options, OptionsBuilder, VOCABULARY};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;

/// Files that are read where `--config` names none: the first that exists.
const DEFAULT_FILES: [&str; 2] = ["ezdfs.toml", "/etc/ezdfs/ezdfs.toml"];

pub(super) fn store(matches: &ArgMatches) -> Result<Store> {
    let mut options = Options::builder();
    let (_, matches) = matches.subcommand().unwrap_or(("", matches));
    if let Some(path) = config_file(matches) {
        read_file(&path, &mut options)?;
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
    Ok(Store::new(options.build()?))
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

fn config_file(matches: &ArgMatches) -> Option<PathBuf> {
    matches
        .get_one::<PathBuf>("config")
        .cloned()
        .or_else(|| std::env::var_os("EZDFS_CONFIG").map(PathBuf::from))
        .or_else(|| DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists()))
}

fn read_file(path: &Path, options: &mut OptionsBuilder) -> Result<()> {
    let shown = path.to_string_lossy();
    let text = std::fs::read_to_string(path).map_err(|error| {
        config_error(&shown, "cannot read the configuration").with_source(error)
    })?;
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| config_error(&shown, "is not TOML").with_source(error))?;
    for (key, value) in table {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            _ => return Err(config_error(&shown, "values are strings or whole numbers")),
        };
        options.set(&key, &text).map_err(|error| {
            config_error(&shown, "has an option that cannot be used").with_source(error)
        })?;
    }
    Ok(())
}

fn config_error(subject: &str, reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, "configure", subject, reason)
}
