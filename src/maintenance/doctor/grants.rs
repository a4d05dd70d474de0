//! What the database's user may do, by doing it in transactions that are rolled back.

use super::{Examination, Finding, Task};
use crate::error::{Error, ErrorKind};
use crate::index::takes_no_writes;

const READING: [&str; 1] = ["SELECT"];
const WRITING: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

pub(super) async fn check(examination: &Examination<'_>) {
    let index = examination.process.index();
    if examination.has_found("engine") {
        // What was tried would stay.
        return examination.skipped("grants", "nothing that was tried could be rolled back");
    }
    let only_reads = examination.options.task == Some(Task::Nginx);
    match index.refusals(only_reads).await {
        Ok(refused) => judge(examination, &refused).await,
        Err(error) => examination.failed("grants", &error),
    }
}

async fn judge(examination: &Examination<'_>, refused: &[(&'static str, Error)]) {
    let index = examination.process.index();
    let lacking: Vec<&str> = refused.iter().filter(is_privilege).map(|(verb, _)| *verb).collect();
    let may_write = WRITING.iter().any(|verb| !lacking.contains(verb));
    if examination.options.task.is_none() && !may_write {
        examination.is_reader.set(true);
    }
    let needed: &[&str] = match examination.writes() {
        true => &["SELECT", "INSERT", "UPDATE", "DELETE"],
        false => &READING,
    };
    let missing: Vec<&str> = needed.iter().copied().filter(|verb| lacking.contains(verb)).collect();
    let account = index.account().await.ok().flatten().unwrap_or_else(|| "the user".to_owned());
    let finding = (!missing.is_empty()).then(|| lacks(index.table(), &account, &missing));
    examination.judge("grants", Ok(finding));
    check_writes(examination, refused).await;
}

fn is_privilege((_, error): &&(&'static str, Error)) -> bool {
    error.kind() == ErrorKind::InvalidConfig
}

fn lacks(table: &str, account: &str, missing: &[&str]) -> Finding {
    let verbs = missing.join(", ");
    let cost = match missing.contains(&"SELECT") {
        true => "nothing works: nginx answers 503, PHP throws",
        false => {
            "what needs it fails half-way through the day: storing (INSERT, UPDATE), \
                  deleting and purging (UPDATE, DELETE)"
        }
    };
    Finding::error("grants", format!("{account} may not {verbs} on {table}"))
        .costs(cost)
        .change(format!("GRANT {verbs} ON {table} TO {account}"))
}

/// What keeps a user from writing who may.
async fn check_writes(examination: &Examination<'_>, refused: &[(&'static str, Error)]) {
    let others = || refused.iter().filter(|it| !is_privilege(it));
    let is_refusal = |(_, error): &&(&str, Error)| takes_no_writes(error);
    let found = match (examination.process.index().takes_writes().await, others().find(is_refusal))
    {
        (Ok(_), Some((_, error))) => Ok(Some(read_only(Some(error)))),
        (Ok(takes), None) => Ok((!takes).then(|| read_only(None))),
        (Err(error), _) => Err(error),
    };
    examination.judge("read-only", found);
    // What is told of by itself need not be told of once more.
    let is_known =
        ["column-width", "feed", "read-only"].into_iter().any(|it| examination.has_found(it));
    let unfit = others().find(|_| !is_known).map(|(verb, error)| unfit_row(verb, error));
    examination.judge("row", Ok(unfit));
}

fn read_only(error: Option<&Error>) -> Finding {
    let what = match error {
        Some(error) => format!("writing is refused: {error:#}"),
        None => "no server of the dsn that answers takes writes".to_owned(),
    };
    Finding::error("read-only", what)
        .costs("nothing can be stored, moved or deleted; readers are served")
        .change(
            "the dsn, which has to name the server that takes writes; read_only or \
             default_transaction_read_only there; the rights on SQLite's file and its directory",
        )
}

fn unfit_row(verb: &str, error: &Error) -> Finding {
    Finding::error("row", format!("{verb} of a usual row fails: {error:#}"))
        .costs("nothing, or hardly anything, can be stored")
        .change("the column, constraint or trigger that the message names")
}
