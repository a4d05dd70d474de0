//! `ezdfs undelete`

use std::process::ExitCode;

use clap::{Arg, Command};
use serde_json::json;

use super::arguments::flag;
use super::commands::Arguments;
use super::diagnostics::report;
use super::output;
use crate::error::Result;
use crate::maintenance::require_own_file;
use crate::name::FileId;
use crate::store::Store;

const ABOUT: &str = "\
For what legacy soft-deleted, whose files lie there until a purge; `ezdfs ls --deleted` lists it.
Refused unless the file is there with as many bytes as the row says. What fsck, purge and rm took
away comes back by `ezdfs restore`, where it does.";

pub(super) fn command() -> Command {
    Command::new("undelete")
        .about("Make soft-deleted files live again")
        .after_help(ABOUT)
        .arg(Arg::new("id").required(true).num_args(1..).value_name("ID").help("Which"))
        .arg(flag("dry-run", "Only look, and say what would be live again").short('n'))
}

/// Goes on after a file that cannot be; the exit code is the first error's.
pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let mut code = None;
    for id in arguments.matches.get_many::<String>("id").into_iter().flatten() {
        if let Err(error) = one(store, id, arguments) {
            report(&error);
            code.get_or_insert(error.kind().exit_code());
        }
    }
    Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
}

fn one(store: &Store, id: &str, arguments: &Arguments<'_>) -> Result<()> {
    let (id, dry_run) = (FileId::parse(id)?, arguments.flag("dry-run"));
    require_own_file(store, "undelete", &id)?;
    let info = store.undelete(&id, dry_run)?;
    let shown = id.as_str();
    if arguments.flag("json") {
        return output::json(&json!({
            "id": shown, "size": info.size, "mtime": info.mtime, "dry_run": dry_run,
        }));
    }
    if dry_run {
        let (shown, size) = (output::printable(shown), info.size);
        output::line(&format!("{shown} ({size} bytes) would be live again"))?;
    }
    Ok(())
}
