//! `ezdfs restore`

use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Arg, Command};
use serde_json::json;

use super::arguments::flag;
use super::commands::Arguments;
use super::output;
use super::printer::Printer;
use crate::error::{Error, Result};
use crate::maintenance::{RestoreOptions, RestoreReport, restore};
use crate::store::Store;

pub(super) fn command() -> Command {
    Command::new("restore")
        .about("Put back what fsck, purge, rm --row-only and rm -r took away: rows and files")
        .after_help(
            "What has been stored in their places since then stays. Without IDs everything that the \
             trash has, the newest first.",
        )
        .arg(
            Arg::new("id")
                .value_name("ID")
                .num_args(0..)
                .help("Only these: ids, names or keys of rows, paths of files"),
        )
        .arg(
            Arg::new("since")
                .long("since")
                .value_name("TIME")
                .value_parser(since)
                .help("Only what was taken away since then: 2026-11-26, 2026-11-26T10:00:00Z, or 2h ago"),
        )
        .arg(flag("dry-run", "Only look, and list what would be put back").short('n'))
}

/// A date, a time, or how long ago.
fn since(text: &str) -> std::result::Result<SystemTime, String> {
    let ago = text.strip_suffix("ago").unwrap_or(text).trim();
    if let Ok(ago) = humantime::parse_duration(ago) {
        return SystemTime::now().checked_sub(ago).ok_or_else(|| "too long ago".to_owned());
    }
    let time = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339_weak(&time).map_err(|error| error.to_string())
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let only = arguments.matches.get_many::<String>("id").into_iter().flatten().cloned();
    let options = RestoreOptions {
        since: arguments.matches.get_one::<SystemTime>("since").copied(),
        only: only.collect(),
        dry_run: arguments.flag("dry-run"),
    };
    let mut printer = Printer::new(arguments.flag("json"), options.dry_run);
    let restored = restore(store, &options, &mut printer);
    printer.progress.finish();
    let restored = restored?;
    if printer.json {
        output::json(&json!({
            "rows": restored.rows,
            "files": restored.files,
            "failed": restored.failed,
            "elsewhere": restored.elsewhere,
            "dry_run": options.dry_run,
            "interrupted": restored.is_interrupted,
        }))?;
    } else {
        let would = if options.dry_run { "would be " } else { "" };
        output::line(&format!(
            "{} rows, {} files {would}restored, {} failed",
            restored.rows, restored.files, restored.failed
        ))?;
        if restored.elsewhere > 0 {
            output::line(&format!(
                "{} rows of other tables or databases are left in the trash",
                restored.elsewhere
            ))?;
        }
    }
    Ok(printer.exit_code(restored.is_interrupted, ExitCode::SUCCESS))
}

impl RestoreReport for Printer {
    fn restored(&mut self, what: &str, row: bool, file: bool) -> Result<()> {
        if !self.lists {
            return Ok(());
        }
        self.progress.suspend(|| match self.json {
            true => output::json(&json!({ "what": what, "row": row, "file": file })),
            false => {
                let parts = match (row, file) {
                    (true, true) => "row and file",
                    (true, false) => "row",
                    _ => "file",
                };
                output::line(&format!("{} ({parts})", output::printable(what)))
            }
        })
    }

    fn failure(&mut self, error: Error) {
        self.tell_failure(&error);
    }
}
