//! The subcommands.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use clap::ArgMatches;
use serde_json::json;

use super::diagnostics::tell;
use super::{
    agent, doctor, fsck, get, import, info, output, purge, remove, rename_prefix, rename_table,
    replica, restore, schema, status, undelete, usage,
};
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::{Exclude, require_own_file, soft_mounts};
use crate::name::{DirId, FileId};
use crate::store::{CreateOptions, Disposal, Store};

pub(super) fn run(store: &Store, options: &ArgMatches) -> Result<ExitCode> {
    let Some((name, matches)) = options.subcommand() else {
        return Ok(ExitCode::from(2));
    };
    if matches!(name, "rm" | "fsck" | "purge" | "restore" | "import" | "usage" | "rename-prefix") {
        output::catch_interrupts()?;
    }
    if name == "agent" {
        return agent::run(store, options, matches);
    }
    let command = match name {
        "schema" => schema::run,
        "put" => put,
        "get" => get::run,
        "stat" => stat,
        "info" => info::run,
        "ls" => ls,
        "mv" => mv,
        "rm" => remove::run,
        "rename-prefix" => rename_prefix::run,
        "rename-table" => rename_table::run,
        "status" => status::run,
        "doctor" => doctor::run,
        "undelete" => undelete::run,
        "usage" => usage::run,
        "fsck" => fsck::run,
        "purge" => purge::run,
        "restore" => restore::run,
        "replica" => replica::run,
        _ => import::run,
    };
    command(store, &Arguments { matches })
}

/// The arguments of one subcommand.
pub(super) struct Arguments<'a> {
    pub(super) matches: &'a ArgMatches,
}

impl<'a> Arguments<'a> {
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.matches.get_one::<String>(name).map(String::as_str)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.matches.get_flag(name)
    }

    pub(super) fn max_remove(&self) -> Option<u64> {
        self.matches.get_one("max-remove").copied()
    }

    pub(super) fn exclude(&self) -> Result<Exclude> {
        let globs = self.matches.get_many::<String>("exclude").into_iter().flatten();
        Exclude::parse(globs.map(String::as_str))
    }

    pub(super) fn id(&self) -> Result<FileId> {
        FileId::parse(self.text("id").unwrap_or_default())
    }

    /// The file argument, unless it is `-`.
    pub(super) fn path(&self) -> Option<&'a Path> {
        self.text("file").filter(|path| *path != "-").map(Path::new)
    }
}

/// What a share is mounted with shows nowhere else before it goes wrong.
pub(super) fn warn_of_soft_mounts(store: &Store) {
    // Who needs the mount tells that it is dead.
    for mount in soft_mounts(store).unwrap_or_default() {
        tell(&format!(
            "{} is mounted \"soft\": what NFS gives up there may be carried out later, when its row is \
             not locked any more; mount it \"hard\"",
            mount.display()
        ));
    }
}

fn put(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let id = arguments.id()?;
    let options = CreateOptions {
        size: arguments.matches.get_one("size").copied(),
        mime_type: arguments.text("mime-type"),
        mtime: arguments.matches.get_one("mtime").copied(),
    };
    let mut source: Box<dyn Read> = match arguments.path() {
        None => Box::new(output::stdin()?),
        Some(path) => Box::new(open_source(path)?),
    };
    require_own_file(store, "put", &id)?;
    let info = store.create(&id, &mut source, &options)?;
    if arguments.flag("json") {
        output::json(&output::File::from(&info))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open_source(path: &Path) -> Result<File> {
    let unreadable = |error: io::Error| {
        let subject = path.to_string_lossy();
        Error::new(ErrorKind::InvalidInput, "read", subject, "cannot read").with_source(error)
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}

fn stat(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let info = store.stat(&arguments.id()?)?;
    if arguments.flag("json") {
        output::json(&output::File::from(&info))?;
    } else {
        for (label, value) in [
            ("id", info.id.as_str()),
            ("name", store.name(&info.id)?.as_str()),
            ("size", &info.size.to_string()),
            ("mtime", &info.mtime.to_string()),
            ("type", &info.mime_type),
            ("scope", &info.scope),
            ("uri", &store.uri(&info.id)),
        ] {
            output::labelled(6, label, value)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ls(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let dir = arguments.text("dir").map(DirId::parse).transpose()?;
    let files = match arguments.flag("deleted") {
        true => store.list_deleted(dir.as_ref())?,
        false => store.list(dir.as_ref())?,
    };
    for info in files {
        let info = info?;
        let id = output::printable(info.id.as_str());
        if arguments.flag("json") {
            output::json(&output::File::from(&info))?;
        } else if arguments.flag("long") {
            let mime_type = output::printable(&info.mime_type);
            output::line(&format!("{:>12} {:>10} {mime_type:<16} {id}", info.size, info.mtime))?;
        } else {
            output::line(&id)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn mv(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let to = FileId::parse(arguments.text("to").unwrap_or_default())?;
    require_own_file(store, "mv", &to)?;
    if arguments.flag("dry-run") {
        return would_move(store, &arguments.id()?, &to, arguments.flag("json"));
    }
    let info = store.rename_by(&arguments.id()?, &to, &Disposal::UnlinkOwn)?;
    if arguments.flag("json") {
        output::json(&output::File::from(&info))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn would_move(store: &Store, from: &FileId, to: &FileId, json: bool) -> Result<ExitCode> {
    let size = store.open(from)?.size;
    let replaced = match store.stat(to) {
        Ok(replaced) => Some(replaced.size),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if json {
        let (from, to) = (from.as_str(), to.as_str());
        output::json(&json!({ "from": from, "to": to, "size": size, "replaces": replaced }))?;
    } else {
        let replaced =
            replaced.map_or(String::new(), |size| format!(", replacing a file of {size} bytes"));
        let (from, to) = (output::printable(from.as_str()), output::printable(to.as_str()));
        output::line(&format!("{from} ({size} bytes) would become {to}{replaced}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
