//! What a session is told before anything else, and what its server says of
//! itself then. No setting that the protocol stands on is left to the server's
//! configuration or to the DSN.

use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe, Executor, Row as _};

use crate::config::Dialect;
use crate::metadata::Turns;

/// What a server says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// It is a replica, or was told to take no writes. A user who may write all
    /// the same had better not.
    pub(super) read_only: bool,
    /// It is one of several that all take writes, and learns from the others
    /// only at COMMIT what they have locked (Galera): the times that it may give.
    pub(super) certified: Option<Turns>,
}

/// Settles the session. One exchange, on rare servers of MySQL's family two.
pub(super) async fn settle(
    connection: &mut AnyConnection,
    dialect: Dialect,
    query_timeout: Duration,
) -> Result<Facts, sqlx::Error> {
    match dialect {
        Dialect::MySql => settle_mysql(connection, query_timeout).await,
        Dialect::Postgres => {
            let settings = ask(connection, postgres(query_timeout)).await?;
            // On in a standby too.
            Ok(Facts { read_only: settings.iter().any(|(_, value)| is_on(value)), certified: None })
        }
        Dialect::Sqlite => {
            let timeout = for_locks(query_timeout);
            let statement = AssertSqlSafe(format!("PRAGMA busy_timeout = {}", timeout.as_millis()));
            connection.execute(statement).await.map(|_| Facts::default())
        }
    }
}

/// Whether the server takes no writes now.
pub(super) async fn is_read_only(
    connection: &mut AnyConnection,
    dialect: Dialect,
) -> Result<bool, sqlx::Error> {
    let question = match dialect {
        Dialect::MySql => show_variables(&READ_ONLY),
        Dialect::Postgres => "SHOW transaction_read_only".to_owned(),
        Dialect::Sqlite => return Ok(false),
    };
    Ok(ask(connection, question).await?.iter().any(|(_, value)| is_on(value)))
}

/// Locks are waited for a little less long than for an answer, to hear of it as
/// what it is.
fn for_locks(query_timeout: Duration) -> Duration {
    query_timeout * 4 / 5
}

async fn settle_mysql(
    connection: &mut AnyConnection,
    query_timeout: Duration,
) -> Result<Facts, sqlx::Error> {
    let settings = ask(connection, mysql(query_timeout)).await?;
    let is = |wanted: &str, expected: fn(&str) -> bool| {
        settings.iter().any(|(name, value)| name.eq_ignore_ascii_case(wanted) && expected(value))
    };
    let mut facts = Facts {
        read_only: READ_ONLY.iter().any(|name| is(name, is_on)),
        certified: is("wsrep_on", is_on).then(|| {
            // Each node has an offset of its own, unless somebody has switched that off.
            let number = |wanted: &str| {
                let found = settings.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.and_then(|(_, value)| value.parse().ok()).unwrap_or(1)
            };
            Turns::new(number("auto_increment_offset"), number("auto_increment_increment"))
        }),
    };
    // InnoDB's writes are refused there where the isolation is any lower.
    if is("log_bin", is_on) && is("binlog_format", |it| it.eq_ignore_ascii_case("STATEMENT")) {
        connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    }
    if facts.certified.is_some() {
        // Reads, and updates by themselves, wait for what the others have committed before.
        let text = "SET SESSION wsrep_sync_wait = 3; SHOW STATUS LIKE 'wsrep_ready'";
        let ready = ask(connection, text.to_owned()).await?;
        // A node that has lost the others refuses everything.
        facts.read_only |= ready.iter().any(|(_, value)| !is_on(value));
    }
    Ok(facts)
}

/// Variables of servers that take no writes; each server has some of them.
const READ_ONLY: [&str; 5] =
    ["read_only", "super_read_only", "innodb_read_only", "tx_read_only", "transaction_read_only"];

/// What else is asked when connecting.
const OTHERS: [&str; 5] =
    ["wsrep_on", "auto_increment_offset", "auto_increment_increment", "log_bin", "binlog_format"];

/// MariaDB alone reads the first comment, MySQL alone the second. There, what
/// changes rows may go on after its client has given it up: only its waiting for
/// locks ends by itself.
fn mysql(query_timeout: Duration) -> String {
    let lock_seconds = for_locks(query_timeout).as_secs().max(1);
    let (seconds, milliseconds) = (query_timeout.as_secs_f64(), query_timeout.as_millis());
    let asked = show_variables(&[&READ_ONLY[..], &OTHERS].concat());
    format!(
        "SET NAMES utf8mb4; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET SESSION autocommit = 1, completion_type = 0, time_zone = '+00:00', \
         sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', sql_safe_updates = 0, \
         sql_select_limit = 18446744073709551615, unique_checks = 1, \
         innodb_lock_wait_timeout = {lock_seconds}, lock_wait_timeout = {lock_seconds} \
         /*M! , max_statement_time = {seconds:.3}, \
         idle_transaction_timeout = 0, idle_write_transaction_timeout = 0 */ \
         /*!50708 , max_execution_time = {milliseconds} */; \
         {asked}"
    )
}

fn show_variables(names: &[&str]) -> String {
    format!("SHOW VARIABLES WHERE Variable_name IN ('{}')", names.join("', '"))
}

/// Leaves `default_transaction_read_only`, which tells of a server that is to
/// take no writes. What is asked last needs no snapshot, which a standby refuses
/// to a transaction that began as the server would have it.
fn postgres(query_timeout: Duration) -> String {
    let (milliseconds, for_locks) =
        (query_timeout.as_millis(), for_locks(query_timeout).as_millis());
    format!(
        "SET default_transaction_isolation = 'read committed'; SET client_encoding = 'UTF8'; \
         SET standard_conforming_strings = on; SET idle_in_transaction_session_timeout = 0; \
         SET statement_timeout = {milliseconds}; SET lock_timeout = {for_locks}; \
         SHOW transaction_read_only"
    )
}

/// Runs several statements in one exchange; gives the rows of all of them, first
/// column and last.
async fn ask(
    connection: &mut AnyConnection,
    statements: String,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let rows = connection.fetch_all(AssertSqlSafe(statements)).await?;
    let pair = |row: &sqlx::any::AnyRow| Ok((row.try_get(0)?, row.try_get(row.len() - 1)?));
    rows.iter().map(pair).collect()
}

fn is_on(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "off")
}
