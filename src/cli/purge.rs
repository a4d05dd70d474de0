//! `ezdfs purge`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, Command, value_parser};
use serde_json::json;

use super::arguments::{flag, flag_value};
use super::commands::Arguments;
use super::output;
use crate::error::Result;
use crate::maintenance::{PurgeOptions, purge};
use crate::store::Store;

const ABOUT: &str = "\
Legacy marks what it deletes (mtime below 0) and leaves the file. The mark does not say when that
was, so purge remembers in the state file when it first saw each: run it daily, with the same file
for the same store.";

pub(super) fn command() -> Command {
    Command::new("purge")
        .about("Remove files and rows of what was soft-deleted long enough ago")
        .after_help(ABOUT)
        .arg(
            Arg::new("state")
                .long("state")
                .required(true)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Where to remember what was seen"),
        )
        .arg(
            flag_value("grace", "TIME", "30d", "Keep what was first seen so recently")
                .value_parser(|text: &str| humantime::parse_duration(text)),
        )
        .arg(flag("dry-run", "Only look and count").short('n'))
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let matches = arguments.matches;
    let options = PurgeOptions {
        grace: matches.get_one::<Duration>("grace").copied().unwrap_or_default(),
        state: matches.get_one::<PathBuf>("state").cloned().unwrap_or_default(),
        dry_run: arguments.flag("dry-run"),
    };
    let purged = purge(store, &options)?;
    if arguments.flag("json") {
        output::json(&json!({
            "kept": purged.kept,
            "due": purged.due,
            "files": purged.files,
            "dry_run": options.dry_run,
        }))?;
    } else {
        let (due, files, kept) = (purged.due, purged.files, purged.kept);
        output::line(&format!("{due} rows due, {files} files removed, {kept} rows kept"))?;
    }
    Ok(ExitCode::SUCCESS)
}
