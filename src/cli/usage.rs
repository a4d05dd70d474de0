//! `ezdfs usage`

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use clap::{Arg, Command};
use serde_json::{Map, Value, json};

use super::commands::Arguments;
use super::output;
use super::printer::Printer;
use crate::error::Result;
use crate::maintenance::usage::{Amount, By, Group, Usage, usage};
use crate::metadata::MAX_MTIME;
use crate::store::Store;

const ABOUT: &str = "\
Counts what rows say, and looks at no file. siteaccess: the var directory that names begin with;
area: images, images-versioned, original and other; alias: the image variation, of what lies in
images/_aliases/; type: the datatype as it is stored. deleted: rows that no reader sees.";

const KINDS: [(&str, By); 4] =
    [("siteaccess", By::Siteaccess), ("area", By::Area), ("alias", By::Alias), ("type", By::Type)];

pub(super) fn command() -> Command {
    Command::new("usage").about("Count rows and bytes").after_help(ABOUT).arg(
        Arg::new("by")
            .long("by")
            .value_name("WHAT")
            .value_parser(KINDS.map(|(name, _)| name))
            .help("Also for each of these"),
    )
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let name = arguments.text("by");
    let by = KINDS.iter().find(|(kind, _)| Some(*kind) == name);
    let mut printer = Printer::new(arguments.flag("json"), true);
    let counted = usage(store, by.map(|(_, by)| *by), &mut printer);
    printer.progress.finish();
    let counted = counted?;
    match printer.json {
        true => print_objects(&counted, name)?,
        false => print_table(&counted, name)?,
    }
    Ok(printer.exit_code(counted.is_interrupted, ExitCode::SUCCESS))
}

fn print_objects(usage: &Usage, by: Option<&str>) -> Result<()> {
    for (group, amount) in &usage.groups {
        let mut object = object(amount);
        let name = match group {
            Group::Named(name) => json!(name),
            Group::None | Group::Others => Value::Null,
        };
        object.insert(by.unwrap_or_default().to_owned(), name);
        if *group == Group::Others {
            object.insert("others".to_owned(), json!(true));
        }
        output::json(&object)?;
    }
    let mut total = object(&usage.total);
    total.insert("total".to_owned(), json!(true));
    total.insert("interrupted".to_owned(), json!(usage.is_interrupted));
    output::json(&total)
}

fn object(amount: &Amount) -> Map<String, Value> {
    let Amount { rows, bytes, deleted, deleted_bytes, oldest } = amount;
    let columns = [
        ("rows", json!(rows)),
        ("bytes", json!(bytes)),
        ("deleted", json!(deleted)),
        ("deleted_bytes", json!(deleted_bytes)),
        ("oldest", json!(oldest)),
    ];
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn print_table(usage: &Usage, by: Option<&str>) -> Result<()> {
    output::line(&row(
        "rows",
        "bytes",
        "deleted",
        "deleted_bytes",
        "oldest",
        by.unwrap_or_default(),
    ))?;
    for (group, amount) in &usage.groups {
        let name = match group {
            Group::Named(name) => output::printable(name),
            Group::None => "-".to_owned(),
            Group::Others => "(others)".to_owned(),
        };
        output::line(&amount_row(amount, &name))?;
    }
    output::line(&amount_row(&usage.total, if by.is_some() { "total" } else { "" }))
}

fn amount_row(amount: &Amount, name: &str) -> String {
    let Amount { rows, bytes, deleted, deleted_bytes, oldest } = amount;
    row(
        &rows.to_string(),
        &bytes.to_string(),
        &deleted.to_string(),
        &deleted_bytes.to_string(),
        &oldest.map_or("-".to_owned(), date),
        name,
    )
}

fn row(rows: &str, bytes: &str, gone: &str, gone_bytes: &str, oldest: &str, name: &str) -> String {
    let row = format!("{rows:>10} {bytes:>16} {gone:>10} {gone_bytes:>16}  {oldest:<10}  {name}");
    row.trim_end().to_owned()
}

/// The day of a time that a row can have.
fn date(mtime: i64) -> String {
    if !(0..=MAX_MTIME).contains(&mtime) {
        return mtime.to_string();
    }
    let time = UNIX_EPOCH + Duration::from_secs(mtime.unsigned_abs());
    humantime::format_rfc3339_seconds(time).to_string().chars().take(10).collect()
}
