//! `ezdfs status`

use std::process::ExitCode;

use clap::Command;
use indicatif::BinaryBytes;
use serde_json::{Value, json};

use super::commands::Arguments;
use super::diagnostics::result_object;
use super::output;
use super::schema::said_of;
use crate::error::Result;
use crate::maintenance::ReplicaStatus;
use crate::maintenance::last::{LastFsck, LastPurge, LastRun};
use crate::maintenance::status::{MountStatus, Status, status};
use crate::store::Store;

const ABOUT: &str = "\
Exit code 3: database or mount unavailable; 4: the table cannot be used. Of fsck and purge, on
whichever node, the last ones with --note are shown, as the timers have it.";

pub(super) fn command() -> Command {
    Command::new("status")
        .about("Show table, servers, mount, change log and replica on one screen")
        .after_help(ABOUT)
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let status = status(store)?;
    match arguments.flag("json") {
        true => output::json(&object(&status))?,
        false => print(&status)?,
    }
    Ok(status.trouble().map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind.exit_code())))
}

fn object(status: &Status) -> Value {
    json!({
        "table": status.table,
        "rows": result_object(&status.rows, |rows| json!(rows)),
        "servers": status.servers,
        "used": result_object(&status.used, |used| json!({
            "server": used.server, "takes_writes": used.takes_writes,
        })),
        "feed": result_object(&status.feed, |feed| {
            let (state, faults) = said_of(feed);
            json!({ "state": state, "faults": faults })
        }),
        "root": status.root,
        "mount": result_object(&status.mount, |mount| mount_object(status, mount)),
        "fsck": result_object(&status.fsck, |run| json!(run)),
        "purge": result_object(&status.purge, |run| json!(run)),
        "replica": status.replica.as_ref().map(|replica| json!({
            "path": replica.path, "usable": replica.unusable.is_none(),
            "reason": replica.unusable, "rows": replica.rows,
            "age_ms": replica.age.map(|age| age.as_millis() as u64), "agent": replica.agent,
        })),
    })
}

fn mount_object(status: &Status, mount: &MountStatus) -> Value {
    let MountStatus { place, space, dead } = mount;
    let dead = dead.as_ref().filter(|_| !status.is_new());
    json!({
        "mount_point": place.as_ref().map(|place| &place.mount_point),
        "source": place.as_ref().map(|place| &place.source),
        "file_system": place.as_ref().map(|place| &place.file_system),
        "options": place.as_ref().map(|place| &place.options),
        "bytes": space.bytes, "bytes_free": space.bytes_free,
        "inodes": space.inodes, "inodes_free": space.inodes_free,
        "usable": dead.is_none(),
        "reason": dead.map(|error| format!("{error:#}")),
    })
}

fn print(status: &Status) -> Result<()> {
    show("table", &status.table)?;
    show("rows", &shown(&status.rows, u64::to_string))?;
    for server in &status.servers {
        show("server", &format!("{server}{}", use_of(status, server)))?;
    }
    if let Err(error) = &status.used {
        show("", &format!("{error:#}"))?;
    }
    show(
        "feed",
        &shown(&status.feed, |feed| {
            let (state, faults) = said_of(feed);
            format!("{state}{}{}", if faults.is_empty() { "" } else { ": " }, faults.join("; "))
        }),
    )?;
    show("root", &status.root.to_string_lossy())?;
    match &status.mount {
        Ok(mount) => print_mount(status, mount)?,
        Err(error) => show("mount", &format!("{error:#}"))?,
    }
    show("fsck", &last_run(status, &status.fsck, fsck_line))?;
    show("purge", &last_run(status, &status.purge, purge_line))?;
    status.replica.as_ref().map_or(Ok(()), |replica| show("replica", &replica_line(replica)))
}

fn use_of(status: &Status, server: &str) -> &'static str {
    match &status.used {
        Ok(used) if used.server == server => match used.takes_writes {
            Some(false) => "  (in use, takes no writes)",
            _ => "  (in use)",
        },
        _ => "",
    }
}

fn print_mount(status: &Status, mount: &MountStatus) -> Result<()> {
    let MountStatus { place, space, dead } = mount;
    if let Some(place) = place {
        let mount_point = place.mount_point.display();
        let (source, kind, options) = (&place.source, &place.file_system, &place.options);
        show("mount", &format!("{source} on {mount_point}, {kind} ({options})"))?;
    }
    if let Some(error) = dead.as_ref().filter(|_| !status.is_new()) {
        show("", &format!("{error:#}"))?;
    }
    let (free, bytes) = (BinaryBytes(space.bytes_free), BinaryBytes(space.bytes));
    show("space", &format!("{free} of {bytes} free{}", percent(space.bytes_free, space.bytes)))?;
    let (free, inodes) = (space.inodes_free, space.inodes);
    // Some file systems make them as they are needed.
    match inodes {
        0 => show("inodes", "no limit"),
        _ => show("inodes", &format!("{free} of {inodes} free{}", percent(free, inodes))),
    }
}

fn last_run<R>(
    status: &Status,
    run: &Result<Option<LastRun<R>>>,
    line: impl FnOnce(&R) -> String,
) -> String {
    match run {
        Ok(Some(LastRun { ended, host, result })) => format!("{ended} on {host}: {}", line(result)),
        Ok(None) => "no run was noted".to_owned(),
        // Of the mount that is said already.
        Err(_) if status.trouble().is_some() => "-".to_owned(),
        Err(error) => format!("{error:#}"),
    }
}

fn fsck_line(fsck: &LastFsck) -> String {
    let LastFsck { rows, files, faults, repaired, errors } = fsck;
    let mut line = format!("{rows} rows, {files} files, {faults} faults");
    for (count, what) in [(repaired, "repaired"), (errors, "errors")] {
        if *count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    line
}

fn purge_line(purge: &LastPurge) -> String {
    let LastPurge { due, files, failed } = purge;
    let end = if *failed { ", and one could not be removed" } else { "" };
    format!("{due} rows due, {files} files removed{end}")
}

fn percent(free: u64, all: u64) -> String {
    let percent = u128::from(free) * 100;
    percent.checked_div(all.into()).map_or_else(String::new, |percent| format!(" ({percent} %)"))
}

fn replica_line(replica: &ReplicaStatus) -> String {
    let path = replica.path.display();
    match (&replica.unusable, replica.rows, replica.age) {
        (None, Some(rows), Some(age)) => {
            format!("{path}: {rows} rows, its news {} ms old", age.as_millis())
        }
        (Some(why), ..) => format!("{path}: not used: {why}"),
        _ => path.to_string(),
    }
}

/// Of what cannot be asked the server says why.
fn shown<T>(outcome: &Result<T>, show: impl FnOnce(&T) -> String) -> String {
    outcome.as_ref().map_or_else(|_| "-".to_owned(), show)
}

fn show(label: &str, value: &str) -> Result<()> {
    output::labelled(8, label, value)
}
