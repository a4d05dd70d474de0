//! `ezdfs schema`: what can be done with the table, and what is in the way of the rest.

use std::process::ExitCode;

use serde_json::json;

use super::commands::{Arguments, warn_of_soft_mounts};
use super::diagnostics::tell;
use super::output;
use crate::error::{ErrorKind, Result};
use crate::maintenance::{Abilities, Ability, FeedState, abilities, create_feed, drop_feed};
use crate::store::Store;

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    if arguments.flag("create") {
        store.create_schema()?;
    }
    if arguments.flag("create-feed") {
        create_feed(store)?;
    }
    if arguments.flag("drop-feed") {
        drop_feed(store)?;
    }
    let Abilities { tasks, advice, feed } = abilities(store)?;
    warn_of_soft_mounts(store);
    let dsn = store.dsn().to_string();
    let (state, faults) = said_of(&feed);
    let can_read = tasks.iter().any(|it| it.task == "read" && it.lacks.is_empty());
    if arguments.flag("json") {
        let lacking: serde_json::Map<_, _> =
            tasks.iter().map(|it| (it.task.to_owned(), json!(it.lacks))).collect();
        output::json(&json!({
            "dsn": dsn, "usable": can_read, "lacking": lacking, "advice": advice,
            "feed": { "state": state, "faults": faults },
        }))?;
    } else {
        tell_all(&dsn, &tasks)?;
        let colon = if faults.is_empty() { "" } else { ": " };
        output::line(&format!("change log: {state}{colon}{}", faults.join("; ")))?;
        advice.iter().for_each(|it| tell(it));
    }
    // Whoever makes the table may have no root yet.
    let is_done = can_read || arguments.flag("create");
    Ok(if is_done { ExitCode::SUCCESS } else { ErrorKind::Schema.exit_code().into() })
}

pub(super) fn said_of(feed: &FeedState) -> (&'static str, &[String]) {
    match feed {
        FeedState::Absent => ("none", &[]),
        FeedState::There => ("there", &[]),
        FeedState::Broken(faults) => ("broken", faults),
    }
}

fn tell_all(dsn: &str, tasks: &[Ability]) -> Result<()> {
    if tasks.iter().all(|it| it.lacks.is_empty()) {
        return output::line(&format!("the metadata table in {dsn} can be used"));
    }
    output::line(&format!("the metadata table in {dsn}:"))?;
    for Ability { task, lacks } in tasks {
        match &lacks[..] {
            [] => output::line(&format!("  {task}: yes"))?,
            lacks => output::line(&format!("  {task}: no: {}", lacks.join("; ")))?,
        }
    }
    Ok(())
}
