//! `ezdfs import`

use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, Command};
use serde_json::json;

use super::arguments::{exclude, flag};
use super::commands::Arguments;
use super::output;
use super::printer::Printer;
use crate::error::{Error, Result};
use crate::maintenance::{Import, ImportOptions, ImportReport, Imported, ImportedFile};
use crate::store::Store;

pub(super) fn command() -> Command {
    Command::new("import")
        .about("Register the files of a tree that lies in the root already")
        .after_help(
            "Only what lies in images/, images-versioned/ or original/ of a storage directory is \
             registered. A wrong import is undone by `ezdfs rm -r --row-only`.",
        )
        .arg(Arg::new("dir").required(true).value_name("DIR").help("The tree"))
        .arg(flag("dry-run", "Only look, and list what would be registered").short('n'))
        .arg(flag("new-storage", "The table knows no row of this storage directory yet"))
        .arg(exclude())
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let directory = Path::new(arguments.text("dir").unwrap_or_default());
    let options = ImportOptions {
        dry_run: arguments.flag("dry-run"),
        new_storage: arguments.flag("new-storage"),
        exclude: arguments.exclude()?,
    };
    let dry_run = options.dry_run;
    let import = Import::new(store, directory, options)?;
    let mut printer = Printer::new(arguments.flag("json"), dry_run);
    let imported = import.run(&mut printer);
    printer.progress.finish();
    let imported = imported?;
    let Imported { added, updated, unchanged, soft_deleted, skipped, failed, is_interrupted } =
        imported;
    if printer.json {
        output::json(&json!({
            "added": added,
            "updated": updated,
            "unchanged": unchanged,
            "soft_deleted": soft_deleted,
            "skipped": skipped,
            "failed": failed,
            "dry_run": dry_run,
            "interrupted": is_interrupted,
        }))?;
    } else {
        let would = if dry_run { "would be " } else { "" };
        output::line(&format!(
            "{added} {would}added, {updated} {would}updated, {unchanged} unchanged, \
             {soft_deleted} soft-deleted, {skipped} skipped, {failed} failed"
        ))?;
    }
    Ok(printer.exit_code(is_interrupted, ExitCode::SUCCESS))
}

impl ImportReport for Printer {
    fn registered(&mut self, file: &ImportedFile) -> Result<()> {
        if !self.lists {
            return Ok(());
        }
        let ImportedFile { id, size, is_new } = file;
        self.progress.suspend(|| match self.json {
            true => output::json(&json!({ "id": id.as_str(), "size": size, "new": is_new })),
            false => {
                let what = if *is_new { "add" } else { "update" };
                output::line(&format!("{what:<6}  {}", output::printable(id.as_str())))
            }
        })
    }

    fn failure(&mut self, error: Error) {
        self.tell_failure(&error);
    }
}
