//! `ezdfs fsck`

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, value_parser};
use serde_json::{Map, Value, json};

use super::arguments::{exclude, flag_value, max_remove, note};
use super::commands::{self, Arguments};
use super::output;
use super::printer::Printer;
use crate::error::{Error, Result};
use crate::maintenance::last::{self, LastFsck};
use crate::maintenance::{
    Accepted, Checked, Fault, Finding, Fsck, FsckOptions, Phase, Progress, Report, require_outside,
};
use crate::name::DirId;
use crate::store::Store;

pub(super) fn command() -> Command {
    let percent = |name, default, help| {
        flag_value(name, "PERCENT", default, help).value_parser(value_parser!(u8).range(0..=100))
    };
    let class = |name: &'static str, with_all, help| {
        let all = if with_all { Some("all") } else { None };
        let classes = Fault::ALL.into_iter().map(Fault::name).chain(all);
        Arg::new(name)
            .long(name)
            .value_name("CLASS")
            .action(ArgAction::Append)
            .hide_possible_values(true)
            .value_parser(PossibleValuesParser::new(classes))
            .help(help)
    };
    let file = |name: &'static str, help| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
    };
    Command::new("fsck")
        .about("Check rows and files against each other; exit code 7 where faults remain")
        .after_help(classes())
        .arg(Arg::new("dir").value_name("DIR").help("Only below this directory"))
        .arg(class("repair", true, "Repair faults of this class, or all; may be given again"))
        .arg(class("only", false, "Look for faults of this class only; may be given again"))
        .arg(file("accept", "Do not report the faults of this list: a class and a path a line"))
        .arg(file("report", "Write each fault there, as JSON lines, instead of printing it"))
        .arg(file(
            "checksum",
            "Check bytes against a list of md5sum or sha256sum, made in the root",
        ))
        .arg(
            flag_value("grace", "TIME", "1h", "Leave alone files that changed so recently")
                .value_parser(|text: &str| humantime::parse_duration(text)),
        )
        .arg(
            flag_value("max-errors", "NUMBER", "10", "Stop after more than so many I/O errors")
                .value_parser(value_parser!(u64)),
        )
        .arg(percent(
            "max-missing",
            "50",
            "Repair nothing in a directory where more of the live rows do not fit the files",
        ))
        .arg(percent(
            "max-orphans",
            "50",
            "Remove no orphan-file where more of the files have no row",
        ))
        .arg(exclude())
        .arg(max_remove())
        .arg(note().conflicts_with_all(["dir", "only"]))
}

fn classes() -> String {
    let mut text = "Classes, and what --repair does about them after looking again:\n".to_owned();
    for fault in Fault::ALL {
        let remedy = fault.remedy().unwrap_or("nothing: look at it");
        text.push_str(&format!("  {:<21}  {remedy}\n", fault.name()));
    }
    text + "Soft-deleted rows and their files are nothing wrong. Without --repair nothing of the site \
            is changed; what is taken away can be brought back by `ezdfs restore`."
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let options = options(arguments)?;
    let repairs = options.repair.clone();
    let path = arguments.matches.get_one::<PathBuf>("report");
    path.map(|path| require_outside(store, path)).transpose()?;
    let mut printer = Findings {
        printer: Printer::new(arguments.flag("json"), true),
        file: path.map(|path| open_report(path)).transpose()?,
    };
    commands::warn_of_soft_mounts(store);
    let checked = Fsck::new(store, options).run(&mut printer);
    printer.printer.progress.finish();
    let checked = checked?;
    if let (Some(file), Some(path)) = (&mut printer.file, path) {
        file.flush().map_err(|error| output::cannot_write(error, &path.to_string_lossy()))?;
    }
    if arguments.flag("note") && !checked.is_interrupted {
        let noted = last::note(store, LastFsck::from(&checked));
        noted.unwrap_or_else(|error| printer.printer.tell_failure(&error));
    }
    if printer.printer.json {
        output::json(&summary(&checked, &repairs))?;
    } else {
        print_summary(&checked)?;
    }
    let remain = checked.remaining() > 0;
    let code = if remain { ExitCode::from(output::FOUND) } else { ExitCode::SUCCESS };
    Ok(printer.printer.exit_code(checked.is_interrupted, code))
}

fn open_report(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path);
    file.map(BufWriter::new).map_err(|error| output::cannot_write(error, &path.to_string_lossy()))
}

fn options(arguments: &Arguments<'_>) -> Result<FsckOptions> {
    let matches = arguments.matches;
    let faults = |name: &str| -> Vec<Fault> {
        let classes: Vec<&String> = matches.get_many(name).into_iter().flatten().collect();
        match classes.iter().any(|class| *class == "all") {
            true => Fault::ALL.to_vec(),
            false => classes.iter().filter_map(|class| Fault::from_name(class)).collect(),
        }
    };
    let default = FsckOptions::default();
    let number = |name| matches.get_one::<u8>(name).copied();
    let accepted = matches.get_one::<PathBuf>("accept").map(|path| Accepted::read(path));
    Ok(FsckOptions {
        dir: arguments.text("dir").map(DirId::parse).transpose()?,
        grace: matches.get_one::<Duration>("grace").copied().unwrap_or(default.grace),
        repair: faults("repair"),
        only: faults("only"),
        max_errors: matches.get_one("max-errors").copied().unwrap_or(default.max_errors),
        max_missing: number("max-missing").unwrap_or(default.max_missing),
        max_orphans: number("max-orphans").unwrap_or(default.max_orphans),
        max_remove: arguments.max_remove(),
        exclude: arguments.exclude()?,
        accepted: accepted.transpose()?.unwrap_or_default(),
        checksums: matches.get_one::<PathBuf>("checksum").cloned(),
    })
}

/// Faults, printed or written to a file.
struct Findings {
    printer: Printer,
    file: Option<BufWriter<File>>,
}

impl Progress for Findings {
    fn progress(&mut self, phase: Phase, done: u64, total: u64) {
        self.printer.progress(phase, done, total);
    }

    fn is_interrupted(&self) -> bool {
        self.printer.is_interrupted()
    }
}

impl Report for Findings {
    fn finding(&mut self, finding: &Finding) -> Result<()> {
        let Finding { fault, path, key, detail, repaired, left, row } = finding;
        let object = json!({
            "class": fault.name(),
            "path": path,
            "key": key,
            "detail": detail,
            "repaired": repaired,
            "left": left,
            "row": row,
        });
        if let Some(file) = &mut self.file {
            let written = writeln!(file, "{object}");
            return written.map_err(|error| output::cannot_write(error, "the report"));
        }
        self.printer.progress.suspend(|| {
            if self.printer.json {
                return output::json(&object);
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
        self.printer.tell_failure(&error);
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
        "unknown": checked.unknown,
        "foreign": checked.foreign,
        "foreign_rows": checked.foreign_rows,
        "legacy_types": checked.legacy_types,
        "errors": checked.errors,
        "found": per_class(&checked.found),
        "repaired": per_class(&checked.repaired),
        "accepted": checked.accepted,
        "remaining": checked.remaining(),
        "dry_run": repairs.is_empty(),
        "journal": checked.journal,
        "interrupted": checked.is_interrupted,
    })
}

fn print_summary(checked: &Checked) -> Result<()> {
    let Checked { rows, files, young, unchecked, errors, accepted, .. } = checked;
    output::line(&format!(
        "{rows} rows, {files} files: {} faults, {} repaired, {accepted} accepted; {young} files too \
         young, {unchecked} rows unchecked, {errors} errors",
        checked.found.iter().sum::<u64>(),
        checked.repaired.iter().sum::<u64>(),
    ))?;
    if !checked.foreign.is_empty() {
        let tops = checked.foreign.iter().map(|(top, count)| match top.as_str() {
            "" => format!("./ {count}"),
            top => format!("{top}/ {count}"),
        });
        let tops = output::printable(&tops.collect::<Vec<_>>().join(", "));
        output::line(&format!("foreign, not touched by any command: {tops}"))?;
    }
    for (count, what) in [
        (
            checked.unknown,
            "files in directories of which the table knows nothing (see `ezdfs rm -r`)",
        ),
        (
            checked.foreign_rows,
            "rows outside images/, images-versioned/ and original/, not checked",
        ),
        (checked.legacy_types, "live rows with one of legacy's words for a type (misc, php, ...)"),
    ] {
        if count > 0 {
            output::line(&format!("{count} {what}"))?;
        }
    }
    if let Some(journal) = &checked.journal {
        output::line(&format!("what was taken away is in .ezdfs-trash/{journal}"))?;
    }
    if checked.is_interrupted {
        output::line("interrupted: not everything was looked at")
    } else {
        Ok(())
    }
}
