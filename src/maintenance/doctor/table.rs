//! The table: whether it is there, has the shape that is needed, and may be used.

use super::{Examination, Finding, feed, grants};
use crate::error::{Error, ErrorKind, Result};
use crate::index::{Advice, Ahead, Keyed, Topic};

/// So many live rows are looked at.
const SAMPLE: usize = 64;

/// What the table says that other checks need.
#[derive(Default)]
pub(super) struct Rows {
    /// Live rows beneath the prefix, from all over the tree.
    pub(super) sample: Vec<Keyed>,
    /// Whether the table was asked for them.
    pub(super) are_known: bool,
    pub(super) clock: Option<Ahead>,
}

/// `None` where there is no table that can be asked.
pub(super) async fn check(examination: &Examination<'_>) -> Option<Rows> {
    let index = examination.process.index();
    if let Err(error) = index.server_in_use().await {
        examination.found(unreachable(&error));
        return None;
    }
    examination.passed("database");
    let advice = match index.advice().await {
        Ok(advice) => advice,
        Err(error) if error.kind() == ErrorKind::Schema => {
            examination.found(unusable(examination, &error));
            return None;
        }
        Err(error) => {
            examination.found(unreachable(&error));
            return None;
        }
    };
    examination.passed("table");
    shape(examination, &advice).await;
    feed::check(examination).await;
    grants::check(examination).await;
    let mut rows = sample(examination).await;
    match index.clock().await {
        Ok(clock) => rows.clock = clock,
        Err(error) => examination.failed("clock-database", &error),
    }
    Some(rows)
}

fn unreachable(error: &Error) -> Finding {
    let remedy = match error.kind() {
        ErrorKind::InvalidConfig => {
            "user, password and database of the option dsn, or the account on the server"
        }
        _ => {
            "host and port of the option dsn; on the server bind-address or listen_addresses, \
             and whatever filters packets in between"
        }
    };
    Finding::error("database", format!("{error:#}"))
        .costs("nothing works: nginx answers 503, PHP throws, commands end with exit code 3")
        .change(remedy)
}

fn unusable(examination: &Examination<'_>, error: &Error) -> Finding {
    let table = examination.process.index().table();
    Finding::error("table", format!("{table}: {}", error.detail()))
        .costs("nothing works: nginx answers 503, PHP throws, commands end with exit code 4")
        .change(format!(
            "the option table (Ibexa 5: table = ibexa_dfs_file), the user's SELECT on {table}, or the \
             table; `ezdfs schema --create` makes one where there is none"
        ))
}

async fn shape(examination: &Examination<'_>, advice: &[Advice]) {
    let index = examination.process.index();
    for check in ["charset", "index", "column-width"] {
        examination.passed(check);
    }
    for Advice { topic, what, cost } in advice {
        let (check, remedy) = match topic {
            Topic::Index(column) => ("index", index.index_statement(column)),
            Topic::Width(column) => ("column-width", index.column_statement(column)),
            Topic::Charset => ("charset", charset_remedy(index.table())),
        };
        examination.found(Finding::warning(check, what).costs(*cost).change(remedy));
    }
    examination
        .judge("engine", index.check_schema().await.map(|_| None).or_else(|error| engine(&error)));
    narrow(examination).await;
    let is_out_of_order = index.is_indexed_out_of_order().await;
    examination.judge("collation", is_out_of_order.map(|it| it.then(|| collation(examination))));
    journal(examination).await;
}

fn charset_remedy(table: &str) -> String {
    format!("ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
}

fn engine(error: &Error) -> Result<Option<Finding>> {
    if error.kind() != ErrorKind::Schema {
        return Err(error.clone());
    }
    let table = error.subject();
    let finding = Finding::error("engine", format!("{table}: {}", error.detail()))
        .costs("nothing can be stored, moved, deleted, repaired or purged")
        .change(format!("ALTER TABLE {table} ENGINE=InnoDB, at an hour with few writers"));
    Ok(Some(finding))
}

async fn narrow(examination: &Examination<'_>) {
    let index = examination.process.index();
    match index.narrow_columns().await {
        Ok(columns) => columns.into_iter().for_each(|(column, length)| {
            let finding =
                Finding::warning("column-width", format!("{column} holds {length} characters"))
                    .costs("what is longer cannot be stored")
                    .change(index.column_statement(column));
            examination.found(finding);
        }),
        Err(error) => examination.failed("column-width", &error),
    }
}

/// Names are compared as bytes: a directory is read by an index that has them in that order.
fn collation(examination: &Examination<'_>) -> Finding {
    Finding::warning("collation", "the index that begins with name is not in the order of bytes")
        .costs(
            "every listing, `rm -r` and `fsck` of a directory reads the whole table, and sorts it",
        )
        .change(examination.process.index().index_statement("name"))
}

async fn journal(examination: &Examination<'_>) {
    match examination.process.index().journal().await {
        Ok(Some(journal)) if !journal.eq_ignore_ascii_case("wal") => {
            let finding = Finding::warning("journal", format!("the journal's mode is {journal}"))
                .costs("readers wait for each writer, and writers for all readers")
                .change("PRAGMA journal_mode = WAL");
            examination.found(finding);
        }
        Ok(Some(_)) => examination.passed("journal"),
        Ok(None) => examination.skipped("journal", "the database is no file"),
        Err(error) => examination.failed("journal", &error),
    }
}

/// Also whether the prefix is that of the rows.
async fn sample(examination: &Examination<'_>) -> Rows {
    let prefix = examination.process.name_prefix();
    let index = examination.process.index();
    let sampled = async {
        let beneath = prefix.beneath(None)?;
        let sample = index.live_sample(&beneath, SAMPLE).await?;
        let is_elsewhere =
            sample.is_empty() && !beneath.is_empty() && !index.live_sample("", 1).await?.is_empty();
        Ok((sample, is_elsewhere))
    };
    match sampled.await {
        Ok((sample, is_elsewhere)) => {
            let foreign = || {
                let prefix = prefix.as_str();
                Finding::warning(
                    "name-prefix",
                    format!("the table has live rows, and no name begins with {prefix:?}"),
                )
                .costs("everything that is asked for is \"not found\"")
                .change("the option name_prefix, or the option table")
            };
            examination.judge("name-prefix", Ok(is_elsewhere.then(foreign)));
            Rows { sample, are_known: true, clock: None }
        }
        Err(error) => {
            examination.failed("name-prefix", &error);
            Rows::default()
        }
    }
}
