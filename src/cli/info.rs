//! `ezdfs info`

use std::process::ExitCode;

use clap::{Arg, Command};
use nix::sys::stat::FileStat;
use serde_json::{Value, json};

use super::commands::Arguments;
use super::diagnostics::{error_object, result_object};
use super::output;
use crate::error::{Error, ErrorKind, Result};
use crate::index::Record;
use crate::maintenance::info::{self, Info, Named, ReplicaAnswer, WebAnswer, WebFile};
use crate::store::Store;

const ABOUT: &str = "\
Exit code 1: there is no row. What else there is, is shown all the same.";

pub(super) fn command() -> Command {
    Command::new("info")
        .about(
            "Show all that is known of a file: row, liveness, bytes, what each door would answer",
        )
        .after_help(ABOUT)
        .arg(
            Arg::new("id")
                .required(true)
                .value_name("ID|KEY")
                .help("Which; a key is the 32 hex digits of name_hash"),
        )
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let info = info::info(store, arguments.text("id").unwrap_or_default())?;
    match arguments.flag("json") {
        true => output::json(&object(&info))?,
        false => print(&info)?,
    }
    Ok(match info.row {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(ErrorKind::NotFound.exit_code()),
    })
}

fn object(info: &Info) -> Value {
    let row = &info.row;
    let mut object = json!({
        "key": info.key, "name": info.name, "row": row,
        "live": row.as_ref().is_some_and(|row| row.why_not_live().is_none()),
        "why": why_not_live(row.as_ref()),
        "replica": info.replica.as_ref().map(replica_object),
    });
    if let Some(named) = &info.file {
        object["id"] = json!(named.id.as_str());
        object["path"] = json!(named.path);
        object["file"] =
            result_object(&named.found, |found| json!(found.as_ref().map(file_object)));
        object["nginx"] = nginx_object(&named.nginx);
        object["php"] = json!({
            "load": result_object(&named.load, |_| json!("ok")),
            "exists": result_object(&named.exists, |exists| json!(exists)),
            "open": result_object(&named.open, |size| json!({ "size": size })),
        });
    }
    object
}

fn why_not_live(row: Option<&Record>) -> Option<&'static str> {
    row.map_or(Some("there is no row"), Record::why_not_live)
}

fn file_object(status: &FileStat) -> Value {
    json!({
        "kind": info::kind_of(status), "size": status.st_size, "mtime": status.st_mtime,
        "mode": mode(status), "uid": status.st_uid, "gid": status.st_gid, "links": status.st_nlink,
    })
}

fn nginx_object(answer: &WebAnswer) -> Value {
    let mut object = web_object(&answer.plain);
    if let Some((what, outcome)) = &answer.switched {
        object["with"] = json!({ *what: web_object(outcome) });
    }
    object
}

fn web_object(outcome: &Result<WebFile>) -> Value {
    match outcome {
        Ok(file) => json!({
            "status": 200,
            "content_type": file.presentation.content_type.to_string_lossy(),
            "headers": headers(file).collect::<serde_json::Map<_, _>>(),
            "etag": file.etag,
            "size": file.size,
        }),
        Err(error) => {
            let mut object = error_object(error);
            object["status"] = json!(error.kind().http_status());
            object
        }
    }
}

fn headers(file: &WebFile) -> impl Iterator<Item = (String, Value)> {
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    file.presentation.headers.iter().map(move |(name, value)| (text(name), json!(text(value))))
}

fn replica_object(answer: &ReplicaAnswer) -> Value {
    match answer {
        ReplicaAnswer::Row { size, mtime } => json!({ "row": { "size": size, "mtime": mtime } }),
        ReplicaAnswer::NoRow => json!({ "row": null }),
        ReplicaAnswer::AskDatabase => json!({ "ask_database": true }),
        ReplicaAnswer::Unusable(why) => json!({ "unusable": why }),
    }
}

fn mode(status: &FileStat) -> String {
    format!("{:04o}", status.st_mode & 0o7777)
}

fn print(info: &Info) -> Result<()> {
    show("name", info.name.as_deref().unwrap_or("-"))?;
    show("key", &info.key)?;
    show("live", why_not_live(info.row.as_ref()).map_or("yes".to_owned(), no).as_str())?;
    if let Some(row) = &info.row {
        print_row(row)?;
    }
    match &info.file {
        Some(named) => print_named(named)?,
        None => show("file", "no id leads to this row, so no door has it")?,
    }
    match &info.replica {
        None => Ok(()),
        Some(answer) => show("replica", &replica_line(answer)),
    }
}

fn no(why: &str) -> String {
    format!("no: {why}")
}

fn print_row(row: &Record) -> Result<()> {
    let or_null = |text: &Option<String>| text.clone().unwrap_or_else(|| "NULL".to_owned());
    for (label, value) in [
        ("name_trunk", row.name_trunk.clone()),
        ("datatype", or_null(&row.datatype)),
        ("scope", or_null(&row.scope)),
        ("size", row.size.to_string()),
        ("mtime", row.mtime.to_string()),
        ("expired", u8::from(row.expired).to_string()),
        ("status", row.status.map_or("-".to_owned(), |status| u8::from(status).to_string())),
    ] {
        show(label, &value)?;
    }
    Ok(())
}

fn print_named(named: &Named) -> Result<()> {
    let file = match &named.found {
        Ok(None) => "nothing is there".to_owned(),
        Ok(Some(status)) => file_line(status),
        Err(error) => format!("{error:#}"),
    };
    for (label, value) in [
        ("id", named.id.as_str().to_owned()),
        ("path", named.path.to_string_lossy().into_owned()),
        ("file", file),
        ("nginx", nginx_line(&named.nginx)),
        ("php load", line(&named.load, |_| "ok".to_owned())),
        ("php exists", line(&named.exists, bool::to_string)),
        ("php open", line(&named.open, |size| format!("ok, {size} bytes"))),
    ] {
        show(label, &value)?;
    }
    Ok(())
}

fn file_line(status: &FileStat) -> String {
    format!(
        "{}, {} bytes, mtime {}, mode {}, uid {}, gid {}, links {}",
        info::kind_of(status),
        status.st_size,
        status.st_mtime,
        mode(status),
        status.st_uid,
        status.st_gid,
        status.st_nlink
    )
}

fn nginx_line(answer: &WebAnswer) -> String {
    let plain = web_line(&answer.plain);
    match &answer.switched {
        None => plain,
        Some((what, outcome)) => format!("{plain}; with {what}: {}", web_line(outcome)),
    }
}

fn web_line(outcome: &Result<WebFile>) -> String {
    match outcome {
        Ok(file) => {
            let content_type = file.presentation.content_type.to_string_lossy();
            let more: Vec<_> = headers(file)
                .map(|(name, value)| format!(", {name}: {}", value.as_str().unwrap_or_default()))
                .collect();
            format!("200 {content_type}, {} bytes, ETag {}{}", file.size, file.etag, more.concat())
        }
        Err(error) => format!("{} {}: {error:#}", error.kind().http_status(), error.kind().name()),
    }
}

fn line<T>(outcome: &Result<T>, show: impl FnOnce(&T) -> String) -> String {
    let told = |error: &Error| format!("{}: {error:#}", error.kind().name());
    outcome.as_ref().map_or_else(told, show)
}

fn replica_line(answer: &ReplicaAnswer) -> String {
    match answer {
        ReplicaAnswer::Row { size, mtime } => format!("a live row: {size} bytes, mtime {mtime}"),
        ReplicaAnswer::NoRow => "no live row".to_owned(),
        ReplicaAnswer::AskDatabase => "leaves it to the database".to_owned(),
        ReplicaAnswer::Unusable(why) => format!("cannot be used: {why}"),
    }
}

fn show(label: &str, value: &str) -> Result<()> {
    output::labelled(10, label, value)
}
