//! `ezdfs fsck`

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::arguments::flag_value;
use super::commands::Arguments;
use super::{output, report};
use crate::error::{Error, Result};
use crate::maintenance::{Checked, Fault, Finding, Fsck, FsckOptions, Report};
use crate::name::DirId;
use crate::store::Store;

/// The exit code where something is wrong and was not repaired.
const FAULTS_REMAIN: u8 = 7;

const CLASSES: &str = "\
Classes and what --repair does about them; every one is looked at again first:
  missing-file   a live row without a file: the row is deleted
  orphan-file    a file without a row: it is removed
  size-mismatch  the row takes the file's size
  hidden-row     expired although its mtime is positive: expired is reset
  bad-hash       the key is not the name's md5: it becomes that
  bad-datatype   no MIME type: found from the file's first bytes
  alias          another spelling of a path (a//b, x/../a): the row is deleted if
                 the path's own name has one; the file stays
  interrupted-overwrite
                 the file in place was not committed, the row's own is kept beside
                 it: that is put back
  stale-staging  what an interrupted write left behind besides: it is removed
Soft-deleted rows and their files are nothing wrong. Without --repair nothing is changed.";

pub(super) fn command() -> Command {
    let percent = |name, default, help| {
        flag_value(name, "PERCENT", default, help).value_parser(value_parser!(u8).range(0..=100))
    };
    let classes = Fault::ALL.into_iter().map(Fault::name).chain(["all"]);
    Command::new("fsck")
        .about("Check rows and files against each other; exit code 7 where faults remain")
        .after_help(CLASSES)
        .arg(Arg::new("dir").value_name("DIR").help("Only below this directory"))
        .arg(
            Arg::new("repair")
                .long("repair")
                .value_name("CLASS")
                .action(ArgAction::Append)
                .hide_possible_values(true)
                .value_parser(PossibleValuesParser::new(classes))
                .help("Repair faults of this class, or all; may be given again"),
        )
        .arg(
            flag_value("grace", "TIME", "1h", "Leave alone files that changed so recently")
                .value_parser(|text: &str| humantime::parse_duration(text)),
        )
        .arg(
            flag_value("max-errors", "NUMBER", "10", "Stop after more than so many I/O errors")
                .value_parser(value_parser!(u64)),
        )
        .arg(percent("max-missing", "50", "Stop where more of the live rows have no file"))
        .arg(percent(
            "max-orphans",
            "50",
            "Remove no orphan-file where more of the files have no row",
        ))
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let options = options(arguments)?;
    let repairs = options.repair.clone();
    let mut printer = Printer {
        json: arguments.flag("json"),
        counter: output::counter("checked"),
        failure: None,
    };
    let checked = Fsck::new(store, options).run(&mut printer);
    printer.counter.finish_and_clear();
    let checked = checked?;
    if printer.json {
        output::json(&summary(&checked, &repairs))?;
    } else {
        print_summary(&checked)?;
    }
    Ok(match printer.failure {
        Some(code) => ExitCode::from(code),
        None if checked.remaining() > 0 => ExitCode::from(FAULTS_REMAIN),
        None => ExitCode::SUCCESS,
    })
}

fn options(arguments: &Arguments<'_>) -> Result<FsckOptions> {
    let matches = arguments.matches;
    let classes: Vec<&String> = matches.get_many("repair").into_iter().flatten().collect();
    let repair = match classes.iter().any(|class| *class == "all") {
        true => Fault::ALL.to_vec(),
        false => classes.iter().filter_map(|class| Fault::from_name(class)).collect(),
    };
    let default = FsckOptions::default();
    let number = |name| matches.get_one::<u8>(name).copied();
    Ok(FsckOptions {
        dir: arguments.text("dir").map(DirId::parse).transpose()?,
        grace: matches.get_one::<Duration>("grace").copied().unwrap_or(default.grace),
        repair,
        max_errors: matches.get_one("max-errors").copied().unwrap_or(default.max_errors),
        max_missing: number("max-missing").unwrap_or(default.max_missing),
        max_orphans: number("max-orphans").unwrap_or(default.max_orphans),
    })
}

struct Printer {
    json: bool,
    counter: ProgressBar,
    /// The first failure's exit code.
    failure: Option<u8>,
}

impl Report for Printer {
    fn progress(&mut self, so_far: &Checked) {
        self.counter.set_position(so_far.rows + so_far.files);
    }

    fn finding(&mut self, finding: &Finding) -> Result<()> {
        let Finding { fault, path, key, detail, repaired, left } = finding;
        self.counter.suspend(|| {
            if self.json {
                return output::json(&json!({
                    "class": fault.name(),
                    "path": path,
                    "key": key,
                    "detail": detail,
                    "repaired": repaired,
                    "left": left,
                }));
            }
            let end = match (repaired, left) {
                (true, _) => " (repaired)".to_owned(),
                (false, Some(reason)) => format!(" (left: {reason})"),
                (false, None) => String::new(),
            };
            let line = format!("{:<13}  {path}: {detail}{end}", fault.name());
            output::line(&output::printable(&line))
        })
    }

    fn failure(&mut self, error: Error) {
        self.counter.suspend(|| report(&error));
        self.failure.get_or_insert(error.kind().exit_code());
    }
}

fn summary(checked: &Checked, repairs: &[Fault]) -> Value {
    let per_class = |counts: &[u64; Fault::ALL.len()]| {
        let counts = Fault::ALL.iter().zip(counts);
        counts.map(|(fault, count)| (fault.name().to_owned(), json!(count))).collect::<Map<_, _>>()
    };
    json!({
        "summary": true,
        "rows": checked.rows,
        "files": checked.files,
        "young": checked.young,
        "unchecked": checked.unchecked,
        "errors": checked.errors,
        "found": per_class(&checked.found),
        "repaired": per_class(&checked.repaired),
        "remaining": checked.remaining(),
        "dry_run": repairs.is_empty(),
    })
}

fn print_summary(checked: &Checked) -> Result<()> {
    let Checked { rows, files, young, unchecked, errors, .. } = checked;
    output::line(&format!(
        "{rows} rows, {files} files: {} faults, {} repaired; {young} files too young, \
         {unchecked} rows unchecked, {errors} errors",
        checked.found.iter().sum::<u64>(),
        checked.repaired.iter().sum::<u64>(),
    ))
}
