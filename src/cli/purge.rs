//! `ezdfs purge`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;

use super::arguments::{exclude, flag, flag_value, max_remove, note};
use super::commands::Arguments;
use super::diagnostics::complain;
use super::printer::Printer;
use super::{output, progress};
use crate::error::{ErrorKind, Result};
use crate::maintenance::last::{self, LastPurge};
use crate::maintenance::{EmptyOptions, PurgeOptions, PurgeReport, empty_trash, purge};
use crate::name::FileId;
use crate::store::Store;

const ABOUT: &str = "\
Legacy marks what it deletes (mtime below 0) and leaves the file. The mark does not say when that
was, so purge remembers in the state file when it first saw each: run it daily, with the same file
for the same store. Files go to the trash, rows to its journal; --trash empties that.";

pub(super) fn command() -> Command {
    Command::new("purge")
        .about("Take away files and rows of what was soft-deleted long enough ago")
        .after_help(ABOUT)
        .arg(
            Arg::new("state")
                .long("state")
                .required_unless_present("trash")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Where to remember what was seen"),
        )
        .arg(flag("trash", "Remove for good what lies in the trash for longer than --grace"))
        .arg(
            flag_value("grace", "TIME", "30d", "Keep what was first seen so recently")
                .value_parser(|text: &str| humantime::parse_duration(text)),
        )
        .arg(flag("dry-run", "Only look, and list what would go").short('n'))
        .arg(
            flag_value(
                "max-missing",
                "PERCENT",
                "50",
                "Stop where more of the rows that are due have no file",
            )
            .value_parser(value_parser!(u8).range(0..=100)),
        )
        .arg(exclude())
        .arg(max_remove())
        .arg(note().conflicts_with_all(["trash", "dry-run"]))
}

fn grace(matches: &ArgMatches) -> Duration {
    matches.get_one::<Duration>("grace").copied().unwrap_or_default()
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let matches = arguments.matches;
    if arguments.flag("trash") {
        return empty(store, arguments);
    }
    let state = matches.get_one::<PathBuf>("state").cloned().unwrap_or_default();
    let mut options = PurgeOptions::new(state);
    options.grace = grace(matches);
    options.dry_run = arguments.flag("dry-run");
    options.max_remove = arguments.max_remove();
    options.exclude = arguments.exclude()?;
    options.max_missing = matches.get_one::<u8>("max-missing").copied().unwrap_or(50);
    let mut printer = Printer::new(arguments.flag("json"), options.dry_run);
    let purged = purge(store, &options, &mut printer);
    printer.progress.finish();
    let purged = purged?;
    if arguments.flag("note") && !purged.is_interrupted {
        let noted = last::note(store, LastPurge::from(&purged));
        noted.unwrap_or_else(|error| printer.tell_failure(&error));
    }
    if printer.json {
        output::json(&json!({
            "kept": purged.kept,
            "due": purged.due,
            "files": purged.files,
            "foreign": purged.foreign,
            "dry_run": options.dry_run,
            "journal": purged.journal,
            "interrupted": purged.is_interrupted,
        }))?;
    } else {
        let (due, files, kept) = (purged.due, purged.files, purged.kept);
        output::line(&format!("{due} rows due, {files} files removed, {kept} rows kept"))?;
        if let Some(journal) = &purged.journal {
            output::line(&format!("what was taken away is in .ezdfs-trash/{journal}"))?;
        }
    }
    if let Some(failure) = &purged.failure {
        complain(ErrorKind::Storage, "purge", failure);
        return Ok(ExitCode::from(ErrorKind::Storage.exit_code()));
    }
    Ok(printer.exit_code(purged.is_interrupted, ExitCode::SUCCESS))
}

fn empty(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let dry_run = arguments.flag("dry-run");
    let options = EmptyOptions {
        grace: grace(arguments.matches),
        dry_run,
        max_remove: arguments.max_remove(),
    };
    let mut progress = progress::Progress::new();
    let emptied = empty_trash(store, options, &mut progress);
    progress.finish();
    let emptied = emptied?;
    if arguments.flag("json") {
        output::json(&json!({
            "files": emptied.files,
            "journals": emptied.journals,
            "needed": emptied.needed,
            "dry_run": dry_run,
            "interrupted": emptied.is_interrupted,
        }))?;
    } else {
        let would = if dry_run { "would be " } else { "" };
        output::line(&format!("{} files {would}removed from the trash", emptied.files))?;
        if emptied.needed > 0 {
            output::line(&format!(
                "{} files stay: live rows speak of them that have none; see `ezdfs restore`",
                emptied.needed
            ))?;
        }
    }
    Ok(if emptied.is_interrupted { output::interrupted() } else { ExitCode::SUCCESS })
}

impl PurgeReport for Printer {
    fn due(&mut self, id: &FileId, has_file: bool) -> Result<()> {
        if !self.lists {
            return Ok(());
        }
        self.progress.suspend(|| {
            if self.json {
                return output::json(&json!({ "due": id.as_str(), "file": has_file }));
            }
            let end = if has_file { "" } else { " (no file)" };
            output::line(&format!("{}{end}", output::printable(id.as_str())))
        })
    }
}
