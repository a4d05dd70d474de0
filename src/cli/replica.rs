//! `ezdfs replica`

use std::process::ExitCode;

use clap::Command;
use serde_json::json;

use super::commands::Arguments;
use super::output;
use crate::error::{ErrorKind, Result};
use crate::maintenance::{
    ReplicaReport, ReplicaStatus, rebuild_replica, replica_status, verify_replica,
};
use crate::store::Store;

const ABOUT: &str = "\
Exit code 3: the replica cannot be used now (status) or read (verify); 7: verify found rows that
are other than in the table.";

pub(super) fn command() -> Command {
    Command::new("replica")
        .about("Look after this node's replica of the metadata table")
        .after_help(ABOUT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("status").about("Whether it can be used, and how old its news is"))
        .subcommand(Command::new("verify").about("Compare it with the table, row by row"))
        .subcommand(
            Command::new("rebuild")
                .about("Have the agent read the whole table anew; until then, nobody uses it"),
        )
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let json = arguments.flag("json");
    match arguments.matches.subcommand_name() {
        Some("status") => status(&replica_status(store)?, json),
        Some("verify") => verify(&verify_replica(store)?, json),
        _ => rebuild(rebuild_replica(store)?, json),
    }
}

fn status(status: &ReplicaStatus, json: bool) -> Result<ExitCode> {
    let ReplicaStatus { path, unusable, rows, age, changes, repaired, agent } = status;
    let age = age.map(|age| age.as_millis() as u64);
    if json {
        output::json(&json!({
            "path": path, "usable": unusable.is_none(), "reason": unusable, "rows": rows,
            "age_ms": age, "changes": changes, "repaired": repaired, "agent": agent,
        }))?;
    } else {
        let shown = |number: Option<u64>| number.map_or("-".to_owned(), |it| it.to_string());
        for (label, value) in [
            ("path", path.to_string_lossy().into_owned()),
            ("usable", unusable.as_ref().map_or("yes".to_owned(), |why| format!("no: {why}"))),
            ("rows", shown(*rows)),
            ("age", age.map_or("-".to_owned(), |age| format!("{age} ms"))),
            ("changes", changes.to_string()),
            ("repaired", repaired.to_string()),
            ("agent", shown(agent.map(u64::from))),
        ] {
            output::labelled(8, label, &value)?;
        }
    }
    Ok(match unusable {
        None => ExitCode::SUCCESS,
        Some(_) => ErrorKind::Unavailable.exit_code().into(),
    })
}

fn verify(report: &ReplicaReport, json: bool) -> Result<ExitCode> {
    let ReplicaReport { rows, different } = report;
    if json {
        output::json(&json!({ "rows": rows, "different": different }))?;
    } else {
        different.iter().try_for_each(|key| output::line(&format!("differs  {key}")))?;
        output::line(&format!("{rows} rows compared, {} differ", different.len()))?;
    }
    Ok(if different.is_empty() { ExitCode::SUCCESS } else { output::FOUND.into() })
}

fn rebuild(agent: Option<u32>, json: bool) -> Result<ExitCode> {
    if json {
        output::json(&json!({ "agent": agent }))?;
    } else {
        output::line(&match agent {
            Some(agent) => format!("the agent, process {agent}, reads the table anew"),
            None => "no agent runs; the next one reads the table anew".to_owned(),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
