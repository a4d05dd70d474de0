//! `ezdfs rm`

use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};
use serde_json::json;

use super::arguments::{flag, max_remove};
use super::commands::Arguments;
use super::diagnostics::{report, tell};
use super::output;
use super::printer::Printer;
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::{Remove, RemoveOptions, RemoveReport, Target};
use crate::name::{DirId, FileId};
use crate::store::{Deleted, Store};

pub(super) fn command() -> Command {
    Command::new("rm")
        .about("Delete files: row first, then bytes")
        .after_help(
            "A file that the row of another name speaks of as well stays. Files without a row that \
             lie below a directory, and rows that go alone, can be brought back by `ezdfs restore`; \
             the files of rows cannot.",
        )
        .arg(
            Arg::new("id")
                .value_name("ID")
                .num_args(1..)
                .required_unless_present("key")
                .help("Files, or with -r directories"),
        )
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("KEY")
                .action(ArgAction::Append)
                .help("Delete the row with this name_hash, for rows that no id leads to"),
        )
        .arg(flag("recursive", "Delete everything below these directories").short('r'))
        .arg(flag("force", "Say nothing of files that do not exist").short('f'))
        .arg(flag("row-only", "Delete rows, leave all bytes: undoes a wrong import"))
        .arg(flag("dry-run", "Only look, and list what would go").short('n'))
        .arg(max_remove())
}

/// Goes on after a file that cannot be deleted; the exit code is the first
/// error's.
pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let options = RemoveOptions {
        dry_run: arguments.flag("dry-run"),
        row_only: arguments.flag("row-only"),
        max_remove: arguments.max_remove(),
    };
    let remove = Remove::new(store, options)?;
    let values = |name| arguments.matches.get_many::<String>(name).into_iter().flatten();
    let mut code = None;
    let ids = values("id").map(|text| match arguments.flag("recursive") {
        true => DirId::parse(text).map(Target::Directory),
        false => FileId::parse(text).map(Target::File),
    });
    let targets = values("key").map(|key| Ok(Target::Key(key.clone()))).chain(ids);
    let targets: Vec<Result<Target>> = targets.collect();
    if !options.dry_run {
        let known: Vec<_> = targets.iter().flatten().cloned().collect();
        remove.require_few(&known)?;
    }
    for target in targets {
        match target.and_then(|target| one(&remove, &target, arguments)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound && arguments.flag("force") => {}
            Err(error) => {
                report(&error);
                code.get_or_insert(error.kind().exit_code());
            }
        }
        if output::is_interrupted() {
            return Ok(output::interrupted());
        }
    }
    Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
}

fn one(remove: &Remove<'_>, target: &Target, arguments: &Arguments<'_>) -> Result<()> {
    let mut printer = Printer::new(arguments.flag("json"), true);
    let deleted = remove.run(target, &mut printer);
    printer.progress.finish();
    let Deleted { rows, files, left } = deleted?;
    if arguments.flag("json") {
        let (what, name) = match target {
            Target::File(id) => ("id", id.as_str()),
            Target::Key(key) => ("key", key.as_str()),
            Target::Directory(dir) => ("dir", dir.as_str()),
        };
        let mut object = json!({ what: name, "rows": rows, "dry_run": arguments.flag("dry-run") });
        if let Target::Directory(_) = target {
            object["files"] = json!(files);
            object["left"] = json!(left);
        }
        return output::json(&object);
    }
    if left > 0 {
        tell(&format!("rm {target}: {left} files or directories are left"));
    }
    if output::is_interrupted() {
        tell(&format!("rm {target}: interrupted after {rows} rows"));
    }
    Ok(())
}

impl RemoveReport for Printer {
    fn would_remove(&mut self, name: &str, key: Option<&str>) -> Result<(), Error> {
        self.progress.suspend(|| match (self.json, key) {
            (true, _) => output::json(&json!({ "name": name, "key": key })),
            (false, Some(key)) => output::line(&format!("{key}  {}", output::printable(name))),
            (false, None) => {
                output::line(&format!("{:32}  {}", "(no row)", output::printable(name)))
            }
        })
    }
}
