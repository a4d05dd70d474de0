//! `ezdfs copy` and `ezdfs check`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;

use super::arguments::{flag, flag_value, max_remove};
use super::printer::Printer;
use super::sides::Stats;
use super::{output, sides};
use crate::error::{Error, Result};
use crate::maintenance::{
    Check, CheckOptions, CheckReport, Compared, Copied, Copy, CopyOptions, CopyReport, Difference,
    Follow,
};
use crate::name::FileId;

const FOLLOWING: &str = "
With --follow the source may go on being written: what changes is copied until it is over, and
then everything is gone through once more. Where the source has a change log (`ezdfs schema
--create-feed`) that is followed, else everything is gone through again and again.

Nothing is ever changed at the source. What only TO has stays there, unless --delete. Started
again, a copy goes on: what is there and the same is not copied again. Exit code 0: all that FROM
has, TO has.";

pub(super) fn command() -> Command {
    let duration = |text: &str| humantime::parse_duration(text);
    Command::new("copy")
        .about("Copy a site from one store, or plain tree, to another; writers may go on")
        .after_help(format!("{}\n{FOLLOWING}", sides::ABOUT))
        .args(sides::arguments())
        .arg(flag("dry-run", "Only look, and list what would be copied").short('n'))
        .arg(
            Arg::new("max-rate")
                .long("max-rate")
                .value_name("BYTES")
                .value_parser(|text: &str| crate::config::parse_size(text))
                .help("Read so many bytes a second at most, e.g. 50m"),
        )
        .arg(
            flag_value("verify", "WHAT", "hash", "What is looked at once a file is written")
                .value_parser(["size", "hash"]),
        )
        .arg(flag("checksum", "Compare bytes even where size, time and type are equal"))
        .arg(flag("deleted", "Copy soft-deleted rows too, and what is left of their files"))
        .arg(flag("delete", "Move what FROM has not, or not any more, into the trash of TO"))
        .arg(max_remove().requires("delete"))
        .arg(flag("new-storage", "TO knows no row of this storage directory yet"))
        .arg(
            Arg::new("state")
                .long("state")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Note there how far it has come, and go on from there"),
        )
        .arg(flag("follow", "Go on with what changes, until interrupted or told otherwise"))
        .arg(
            Arg::new("until-quiet")
                .long("until-quiet")
                .value_name("TIME")
                .requires("follow")
                .value_parser(duration)
                .help("End when nothing has changed for so long, e.g. 5s"),
        )
        .arg(
            Arg::new("until-file")
                .long("until-file")
                .value_name("FILE")
                .requires("follow")
                .value_parser(value_parser!(PathBuf))
                .help("End when this file is there: once nobody writes to FROM any more"),
        )
}

pub(super) fn check_command() -> Command {
    Command::new("check")
        .about("Compare two stores, or a store and a plain tree; exit code 7 where they differ")
        .after_help(format!("{}\n\n{}", sides::ABOUT, classes()))
        .args(sides::arguments())
        .arg(
            flag_value("verify", "WHAT", "size", "Compare sizes, or bytes as well")
                .value_parser(["size", "hash"]),
        )
}

fn classes() -> String {
    let class =
        |difference: Difference| format!("  {:<14}  {}\n", difference.name(), difference.meaning());
    let classes: String = Difference::ALL.into_iter().map(class).collect();
    format!("Classes:\n{classes}Rows that are live count; soft-deleted ones are none.")
}

pub(super) fn run(matches: &ArgMatches) -> Result<ExitCode> {
    output::catch_interrupts()?;
    let (from, to) = sides::both(matches, "copy")?;
    let options = options(matches)?;
    let dry_run = options.dry_run;
    let json = matches.get_flag("json");
    let lists = dry_run || json;
    let _stats = Stats::of([&from, &to], matches);
    let copy = Copy::new(from, to, options)?;
    let mut printer = Printer::new(json, lists);
    let copied = copy.run(&mut printer);
    printer.progress.finish();
    let copied = copied?;
    tell(&copied, json, dry_run)?;
    if copied.is_nothing() {
        return Err(nothing("copy"));
    }
    if copied.failed == 0 && !copied.is_interrupted {
        // What failed at first may have been copied later.
        return Ok(ExitCode::SUCCESS);
    }
    Ok(printer.exit_code(copied.is_interrupted, ExitCode::FAILURE))
}

fn options(matches: &ArgMatches) -> Result<CopyOptions> {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let follow = || Follow {
        until_quiet: matches.get_one::<Duration>("until-quiet").copied(),
        until_file: path("until-file"),
    };
    Ok(CopyOptions {
        selection: sides::selection(matches)?,
        dry_run: matches.get_flag("dry-run"),
        jobs: sides::jobs(matches),
        max_rate: matches.get_one("max-rate").copied(),
        verify: sides::verify(matches),
        checksum: matches.get_flag("checksum"),
        with_deleted: matches.get_flag("deleted"),
        delete: matches.get_flag("delete"),
        max_remove: matches.get_one("max-remove").copied(),
        new_storage: matches.get_flag("new-storage"),
        state: path("state"),
        follow: matches.get_flag("follow").then(follow),
    })
}

fn tell(copied: &Copied, json: bool, dry_run: bool) -> Result<()> {
    let Copied {
        copied,
        bytes,
        unchanged,
        removed,
        extra,
        failed,
        foreign,
        passes,
        is_interrupted,
    } = *copied;
    if json {
        return output::json(&json!({
            "copied": copied,
            "bytes": bytes,
            "unchanged": unchanged,
            "removed": removed,
            "extra": extra,
            "failed": failed,
            "foreign": foreign,
            "passes": passes,
            "dry_run": dry_run,
            "interrupted": is_interrupted,
        }));
    }
    let would = if dry_run { "would be " } else { "" };
    output::line(&format!(
        "{copied} files {would}copied ({bytes} bytes), {unchanged} the same, {failed} failed"
    ))?;
    if removed > 0 {
        output::line(&format!("{removed} files {would}moved into the trash of the target"))?;
    }
    if foreign > 0 {
        let what = "are nobody's stored files, or rows that no id leads to";
        output::line(&format!("{foreign} of the source {what}: not copied"))?;
    }
    let left = extra - removed.min(extra);
    if left > 0 {
        output::line(&format!("{left} files that only the target has stay there"))?;
    }
    Ok(())
}

pub(super) fn run_check(matches: &ArgMatches) -> Result<ExitCode> {
    output::catch_interrupts()?;
    let (from, to) = sides::both(matches, "check")?;
    let options = CheckOptions {
        selection: sides::selection(matches)?,
        verify: sides::verify(matches),
        jobs: sides::jobs(matches),
    };
    let json = matches.get_flag("json");
    let _stats = Stats::of([&from, &to], matches);
    let check = Check::new(from, to, options)?;
    let mut printer = Printer::new(json, true);
    let compared = check.run(&mut printer);
    printer.progress.finish();
    let Compared { files, differing, failed, is_interrupted } = compared?;
    if files + failed == 0 && !is_interrupted {
        return Err(nothing("check"));
    }
    let all: u64 = differing.values().sum();
    if json {
        output::json(&json!({
            "files": files,
            "differing": differing,
            "failed": failed,
            "interrupted": is_interrupted,
        }))?;
    } else {
        output::line(&format!("{files} files compared, {all} differ, {failed} cannot be read"))?;
        for (class, count) in differing {
            output::line(&format!("  {class:<14}  {count}"))?;
        }
    }
    let code = if all > 0 { ExitCode::from(output::FOUND) } else { ExitCode::SUCCESS };
    Ok(printer.exit_code(is_interrupted, code))
}

/// Who asks for what is not there has asked for something else, and nothing is the same.
fn nothing(operation: &'static str) -> Error {
    Error::not_found(operation, "any file on either side")
}

impl CopyReport for Printer {
    fn copied(&mut self, id: &FileId, size: u64, difference: Difference) -> Result<()> {
        if !self.lists {
            return Ok(());
        }
        self.progress.suspend(|| match self.json {
            true => output::json(&json!({
                "id": id.as_str(),
                "size": size,
                "why": difference.name(),
            })),
            false => line_of(difference, id),
        })
    }

    fn removed(&mut self, id: &FileId) -> Result<()> {
        if !self.lists {
            return Ok(());
        }
        self.progress.suspend(|| match self.json {
            true => output::json(&json!({ "removed": id.as_str() })),
            false => line_of(Difference::Extra, id),
        })
    }

    fn failure(&mut self, error: Error) {
        self.tell_failure(&error);
    }
}

impl CheckReport for Printer {
    fn differs(&mut self, id: &FileId, difference: Difference) -> Result<()> {
        self.progress.suspend(|| match self.json {
            true => output::json(&json!({ "id": id.as_str(), "class": difference.name() })),
            false => line_of(difference, id),
        })
    }

    fn failure(&mut self, error: Error) {
        self.tell_failure(&error);
    }
}

fn line_of(difference: Difference, id: &FileId) -> Result<()> {
    output::line(&format!("{:<14}  {}", difference.name(), output::printable(id.as_str())))
}
