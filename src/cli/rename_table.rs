//! `ezdfs rename-table`

use std::process::ExitCode;

use clap::{Arg, Command};
use serde_json::json;

use super::arguments::flag;
use super::commands::Arguments;
use super::output;
use crate::error::Result;
use crate::maintenance::{RenamedTable, drop_old_view, rename_table};
use crate::store::Store;

const ABOUT: &str = "\
For an upgrade to Ibexa 5: `ezdfs rename-table ezdfsfile ibexa_dfs_file`. Kernels and nodes of ezdfs
go on reading and writing under either name, before, during and after. The way back is the same with
the names exchanged. Names are those given here, not that of --table. Not on SQLite.";

pub(super) fn command() -> Command {
    Command::new("rename-table")
        .about("Give the metadata table another name, and leave a view under the old one")
        .after_help(ABOUT)
        .arg(Arg::new("old").required(true).value_name("OLD").help("Its name"))
        .arg(Arg::new("new").required(true).value_name("NEW").help("Its new name"))
        .arg(flag("drop-view", "Remove the view OLD instead, when nobody asks for it any more"))
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let name = |which| arguments.text(which).unwrap_or_default();
    let (old, new) = (name("old"), name("new"));
    let renamed = match arguments.flag("drop-view") {
        true => drop_old_view(store, old, new)?,
        false => rename_table(store, old, new)?,
    };
    let (word, text) = match renamed {
        RenamedTable::Renamed => ("renamed", format!("{new} is the table, {old} a view of it")),
        RenamedTable::AlreadyRenamed => {
            ("unchanged", format!("{new} is the table already, {old} a view of it"))
        }
        RenamedTable::ViewMade => ("view-made", format!("{old} is a view of {new} now")),
        RenamedTable::ViewDropped => ("view-dropped", format!("there is no view {old}")),
    };
    match arguments.flag("json") {
        true => output::json(&json!({ "old": old, "new": new, "outcome": word }))?,
        false => output::line(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}
