//! `ezdfs rename-prefix`

use std::process::ExitCode;

use clap::{Arg, Command};
use serde_json::json;

use super::arguments::{flag, max_remove};
use super::commands::Arguments;
use super::output;
use super::printer::Printer;
use crate::error::{Error, Result};
use crate::maintenance::{RenamePrefix, RenamePrefixOptions, RenamePrefixReport, RenamedPrefix};
use crate::store::Store;

const ABOUT: &str = "\
OLD and NEW are what names of the table begin with, such as var/old/storage and var/new/storage. At
first both names lead to each file: run it, tell all nodes of the new name, run it again with
--finish. The way back is the same with OLD and NEW exchanged, at any time. Files get second names
(hard links); no byte is copied. Where OLD is the store's own name_prefix or begins it, files stay
where they are.";

pub(super) fn command() -> Command {
    Command::new("rename-prefix")
        .about("Let names of files begin otherwise: another var_dir or name_prefix")
        .after_help(ABOUT)
        .arg(Arg::new("old").required(true).value_name("OLD").help("How names begin"))
        .arg(Arg::new("new").required(true).value_name("NEW").help("How they are to begin"))
        .arg(flag("finish", "Take the old names away, too"))
        .arg(flag("dry-run", "Only look, and list what would get a new name").short('n'))
        .arg(max_remove())
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let name = |which| arguments.text(which).unwrap_or_default();
    let options = RenamePrefixOptions {
        dry_run: arguments.flag("dry-run"),
        finish: arguments.flag("finish"),
        max_remove: arguments.max_remove(),
    };
    let mut rename = RenamePrefix::new(store, name("old"), name("new"), options)?;
    let mut printer = Printer::new(arguments.flag("json"), options.dry_run);
    let renamed = rename.run(&mut printer);
    printer.progress.finish();
    let renamed = renamed?;
    match printer.json {
        true => output::json(&json!({
            "renamed": renamed.renamed,
            "again": renamed.again,
            "ended": renamed.ended,
            "deleted": renamed.deleted,
            "failed": renamed.failed,
            "left": renamed.left,
            "dry_run": options.dry_run,
            "journal": rename.journal(),
            "interrupted": renamed.is_interrupted,
        }))?,
        false => say(&renamed, options, rename.journal())?,
    }
    Ok(printer.exit_code(renamed.is_interrupted, ExitCode::SUCCESS))
}

fn say(renamed: &RenamedPrefix, options: RenamePrefixOptions, journal: Option<&str>) -> Result<()> {
    let RenamedPrefix { renamed: rows, again, ended, deleted, failed, left, .. } = renamed;
    let would = if options.dry_run { "would get" } else { "got" };
    output::line(&format!(
        "{rows} rows {would} the new name, {again} of them written meanwhile, {failed} failed"
    ))?;
    if options.finish {
        let (gone, went) = match options.dry_run {
            true => ("would go", "would go"),
            false => ("are gone", "went"),
        };
        output::line(&format!(
            "{ended} old names {gone}, {deleted} files deleted under one name {went} under the other"
        ))?;
    }
    if *left > 0 {
        output::line(&format!("{left} files that no row leads to are left in the old directory"))?;
    }
    match journal {
        Some(journal) => output::line(&format!("what was taken away is in .ezdfs-trash/{journal}")),
        None => Ok(()),
    }
}

impl RenamePrefixReport for Printer {
    fn would_rename(&mut self, old: &str, new: &str) -> Result<()> {
        if !self.lists {
            return Ok(());
        }
        self.progress.suspend(|| match self.json {
            true => output::json(&json!({ "old": old, "new": new })),
            false => {
                output::line(&format!("{} -> {}", output::printable(old), output::printable(new)))
            }
        })
    }

    fn would_remove(&mut self, name: &str) -> Result<()> {
        if !self.lists {
            return Ok(());
        }
        self.progress.suspend(|| match self.json {
            true => output::json(&json!({ "trash": name })),
            false => output::line(&format!("{} -> trash", output::printable(name))),
        })
    }

    fn failure(&mut self, error: Error) {
        self.tell_failure(&error);
    }
}
