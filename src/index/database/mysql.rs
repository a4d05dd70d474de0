//! MySQL and MariaDB, Galera among them.

use futures_util::FutureExt as _;
use sqlx::ConnectOptions as _;

use super::{
    Connecting, Database, Facts, Feed, Meaning, Range, Session, Settling, Trigger, created_columns,
    is_on,
};
use crate::config::dsn::{Address, TlsMode};
use crate::index::connection::Connection;
use crate::index::options;
use crate::index::panics::contained;
use crate::index::sql::Filter;
use crate::metadata::Turns;

/// Numbers of the Server Error Reference.
pub(super) fn meaning(number: u16) -> Meaning {
    match number {
        1205 | 1213 | 1020 => Meaning::Repeat,
        // --read-only, a read-only transaction by default, InnoDB that may only be
        // read, a node without its cluster.
        1290 | 1836 | 1792 | 1036 | 1874 | 1047 | 3032 | 3100 => Meaning::Elsewhere,
        // No space, no memory.
        1021 | 1041 | 1114 => Meaning::Elsewhere,
        1040 | 1203 | 1226 => Meaning::Full,
        // Shutdown, killed, packets out of order.
        1053 | 1077 | 1079 | 1927 | 2006 | 2013 => Meaning::Lost,
        1044 | 1045 | 1049 | 1698 => Meaning::Login,
        1142 | 1143 | 1227 => Meaning::Privilege,
        1419 => Meaning::Untrusted,
        1264 | 1265 | 1292 | 1300 | 1366 | 1406 | 1048 | 3988 => Meaning::Input,
        1062 => Meaning::Duplicate,
        // A character set that is another by now; of views; a view instead of a table.
        1054 | 1146 | 1109 | 1267 | 1356 | 1449 | 1347 => Meaning::Schema,
        _ => Meaning::Unavailable,
    }
}

async fn open(address: &Address, tls: TlsMode) -> Result<Connection, sqlx::Error> {
    let options = options::mysql(address, tls)?
        .disable_statement_logging()
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false);
    Ok(Connection::new(contained(options.connect()).await?))
}

#[derive(Debug)]
pub(super) struct MySql;

impl Database for MySql {
    /// Poolers read only the plainest SET: what there is to say is said when the session
    /// is settled.
    fn connect(&self, address: Address, _: Session) -> Connecting {
        async move {
            match open(&address, address.tls.mode()).await {
                Err(error) => match options::other_way(&address, &error) {
                    // A server without TLS says no more than it did.
                    Some(tls) => open(&address, tls).await.map_err(|other| match other {
                        sqlx::Error::Tls(_) => error,
                        other => other,
                    }),
                    None => Err(error),
                },
                opened => opened,
            }
        }
        .boxed()
    }

    fn settle<'c>(&self, connection: &'c mut Connection, session: Session) -> Settling<'c> {
        let settings = settings(&session);
        async move { settle(connection, settings).await }.boxed()
    }

    fn is_read_only(&self) -> Option<String> {
        Some(show_variables(&READ_ONLY))
    }

    fn text(&self) -> &'static str {
        "CHAR"
    }

    fn integer(&self) -> &'static str {
        "SIGNED"
    }

    /// It would rather go through all of a small table, and wait for every lock that
    /// others have there; not where it may expect to be done earlier.
    fn by_key(&self, places: usize) -> String {
        match places {
            2.. => format!(" ORDER BY name_hash LIMIT {places}"),
            _ => String::new(),
        }
    }

    /// Fails where there is one: its IGNORE would also cut what does not fit.
    fn insert(&self, into: &str) -> String {
        format!("INSERT {into}")
    }

    fn reserve(&self, into: &str) -> String {
        format!("INSERT IGNORE {into}")
    }

    fn upsert(&self, into: &str, columns: &[&str]) -> String {
        let assign = |column: &&str| format!("{column} = VALUES({column})");
        let assignments = columns.iter().map(assign).collect::<Vec<_>>().join(", ");
        format!("INSERT {into} ON DUPLICATE KEY UPDATE {assignments}")
    }

    /// As bytes: utf8mb4_bin takes `a` and `a ` for one name.
    fn exact_name(&self) -> &'static str {
        "CAST(CONVERT(name USING utf8mb4) AS BINARY)"
    }

    /// A range of names besides, because only that can use the index on `name`. No
    /// `LIKE`: its range ends at U+FFFF where `utf8mb4_bin` goes on, and begins
    /// at a blank where it does not. Nor does a range begin with the slash, which
    /// is followed by blanks for who compares it, and a tab comes before these.
    /// So it lies between characters that have one order in every collation but
    /// `latin2_czech_cs`, which ignores them at first.
    fn add_beneath(&self, filter: &mut Filter, beneath: &str, _: Option<&str>, charset: &str) {
        let Range { before, end, pattern } = Range::beneath(beneath);
        // It would not compare what it cannot convert (1267).
        if can_hold(charset, beneath) {
            filter.add("name", ">", before, "");
            filter.add("name", "<", end, "");
        }
        filter.add(self.exact_name(), "LIKE", pattern, " ESCAPE '|'");
    }

    /// It has to convert each name.
    fn counts_slowly(&self) -> bool {
        true
    }

    fn columns(&self) -> &'static str {
        "SELECT CAST(LOWER(column_name) AS CHAR), CAST(LOWER(data_type) AS CHAR), \
         CAST(LOWER(COALESCE(character_set_name, '')) AS CHAR), \
         CAST(character_maximum_length AS SIGNED), CAST(COALESCE(collation_name, '') AS CHAR) \
         FROM information_schema.columns \
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?"
    }

    fn unique(&self) -> &'static str {
        "SELECT 1 FROM (SELECT COALESCE(?, DATABASE()) AS s, ? AS t) wanted \
         JOIN information_schema.tables i ON i.table_schema = s AND i.table_name = t \
         WHERE i.table_type <> 'BASE TABLE' OR EXISTS (\
           SELECT 1 FROM information_schema.statistics \
           WHERE table_schema = s AND table_name = t AND non_unique = 0 \
           GROUP BY index_name HAVING MIN(column_name) = 'name_hash' AND COUNT(*) = 1)"
    }

    fn engine(&self) -> Option<&'static str> {
        Some(
            "SELECT CAST(t.engine AS CHAR) FROM information_schema.tables t \
             LEFT JOIN information_schema.engines e ON e.engine = t.engine \
             WHERE t.table_schema = COALESCE(?, DATABASE()) AND t.table_name = ? \
             AND t.engine IS NOT NULL AND COALESCE(e.transactions, 'NO') <> 'YES'",
        )
    }

    fn indexed(&self) -> &'static str {
        "SELECT CAST(LOWER(column_name) AS CHAR) FROM information_schema.statistics \
         WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND seq_in_index = 1"
    }

    /// Its indexes hold the beginnings of names.
    fn ordered_index(&self) -> Option<&'static str> {
        None
    }

    /// Compared by bytes, as the server does where names of tables have a case.
    fn others(&self) -> &'static str {
        "SELECT CAST(c.table_name AS CHAR) \
         FROM (SELECT COALESCE(?, DATABASE()) AS s, ? AS t) this \
         JOIN information_schema.columns c ON c.table_schema = s \
         WHERE LOWER(c.column_name) = 'name_hash' \
         AND CASE @@lower_case_table_names \
           WHEN 0 THEN CAST(c.table_name AS BINARY) <> CAST(t AS BINARY) \
           ELSE LOWER(c.table_name) <> LOWER(t) END ORDER BY 1"
    }

    /// Definitions of others are empty for who may not see them (SHOW VIEW).
    fn relation(&self) -> &'static str {
        "SELECT CASE WHEN t.table_type = 'BASE TABLE' THEN 0 ELSE 1 END, \
         CAST(COALESCE(v.view_definition, '') AS CHAR) FROM information_schema.tables t \
         LEFT JOIN information_schema.views v \
         ON v.table_schema = t.table_schema AND v.table_name = t.table_name \
         WHERE t.table_schema = COALESCE(?, DATABASE()) AND t.table_name = ?"
    }

    /// RENAME TABLE is atomic and takes views along. A view of the new name has to be there before
    /// that is the table's, and so the new name is that of a view first.
    fn rename(&self, from: &str, to: &str, has_view: bool) -> Option<Vec<String>> {
        let [next, last] = passing(from);
        let view = |name: &str, of: &str| format!("CREATE VIEW {name} AS SELECT * FROM {of}");
        let mut statements = self.clear_rename(from);
        if !has_view {
            statements.push(view(to, from));
        }
        statements.extend([
            view(&next, to),
            // Whoever waits for a lock keeps all others waiting behind. MariaDB 10.11 crashes where a
            // statement that has a view's name and one that renames both wait for each other: there
            // it does not wait.
            "SET SESSION lock_wait_timeout = 1 /*M! - 1 */".to_owned(),
            format!("RENAME TABLE {to} TO {last}, {from} TO {to}, {next} TO {from}"),
            format!("DROP VIEW {last}"),
        ]);
        Some(statements)
    }

    fn clear_rename(&self, table: &str) -> Vec<String> {
        passing(table).map(|view| format!("DROP VIEW IF EXISTS {view}")).into()
    }

    fn create(&self, table: &str) -> Vec<String> {
        let local = table.rsplit('.').next().unwrap_or(table);
        let columns = created_columns("text", "tinyint(1)", "bigint unsigned", "0");
        vec![format!(
            "CREATE TABLE IF NOT EXISTS {table} ({columns}, \
             KEY {local}_name (name(191)), KEY {local}_name_trunk (name_trunk(191)), \
             KEY {local}_mtime (mtime), KEY {local}_expired_name (expired, name(191))) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        )]
    }

    /// Of all character sets this has all that the others have, and a column may get another one.
    fn create_log(&self, log: &str) -> String {
        format!(
            "CREATE TABLE {log} (number bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, \
             name_hash varchar(255) NOT NULL, name mediumtext, changed_at bigint NOT NULL) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        )
    }

    /// INSERT with VALUES each: what an INSERT with SELECT takes of the numbers is locked to the
    /// statement's end.
    fn triggers(&self, feed: &Feed) -> Vec<Trigger> {
        let Feed { table, log, schema, local } = feed;
        let now = self.microseconds();
        let insert = |row: &str| {
            format!(
                "INSERT INTO {log} (name_hash, name, changed_at) \
                 VALUES ({row}.name_hash, {row}.name, {now})"
            )
        };
        let (new, old) = (insert("NEW"), insert("OLD"));
        let update =
            format!("BEGIN IF NOT OLD.name_hash <=> NEW.name_hash THEN {old}; END IF; {new}; END");
        let trigger = |(event, definition): (&str, String)| {
            let name = format!("{local}_feed_{}", event.to_ascii_lowercase());
            let create = format!(
                "CREATE TRIGGER {schema}{name} AFTER {event} ON {table} FOR EACH ROW {definition}"
            );
            let drop = vec![format!("DROP TRIGGER IF EXISTS {schema}{name}")];
            Trigger { name, definition, create: vec![create], drop }
        };
        [("INSERT", new), ("UPDATE", update), ("DELETE", old)].map(trigger).into()
    }

    /// Who has other rights on the whole database sees names without definitions.
    fn found_triggers(&self) -> &'static str {
        "SELECT CAST(trigger_name AS CHAR), \
         CAST(CONCAT(COALESCE(created, ''), ' ', action_statement) AS CHAR) \
         FROM information_schema.triggers \
         WHERE event_object_schema = COALESCE(?, DATABASE()) AND event_object_table = ? \
         AND action_timing = 'AFTER' AND action_statement IS NOT NULL \
         AND trigger_name LIKE CONCAT('%', LOWER(event_manipulation))"
    }

    /// By no time zone: an hour in autumn comes twice.
    fn microseconds(&self) -> &'static str {
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))"
    }

    #[cfg(feature = "cli")]
    fn incarnation(&self) -> &'static str {
        "CONVERT(CONCAT(@@hostname, ':', @@port) USING utf8mb4) COLLATE utf8mb4_bin"
    }

    #[cfg(feature = "cli")]
    fn read_only_settings(&self) -> &'static str {
        "CONVERT(CONCAT(@@read_only, ' ', @@innodb_read_only) USING utf8mb4) COLLATE utf8mb4_bin"
    }

    /// Otherwise it would convert the table's.
    #[cfg(feature = "cli")]
    fn logged_key(&self, key: &str, collation: &str) -> String {
        let charset = collation.split('_').next().unwrap_or_default();
        match charset {
            "" => key.to_owned(),
            charset => format!("CONVERT({key} USING {charset}) COLLATE {collation}"),
        }
    }
}

/// A table's name without its schema.
fn local(table: &str) -> &str {
    table.rsplit('.').next().unwrap_or(table)
}

/// Names that views have in passing, in the schema of a table.
fn passing(table: &str) -> [String; 2] {
    let schema = &table[..table.len() - local(table).len()];
    ["next", "last"].map(|which| format!("{schema}ezdfs_rename_{which}"))
}

/// Whether a character set has all that is in a text, as far as is known here.
fn can_hold(charset: &str, text: &str) -> bool {
    match charset {
        "utf8" | "utf8mb3" | "ucs2" => text.chars().all(|character| character <= '\u{ffff}'),
        "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => true,
        _ => text.is_ascii(),
    }
}

/// Variables of servers that take no writes; each server has some of them.
const READ_ONLY: [&str; 5] =
    ["read_only", "super_read_only", "innodb_read_only", "tx_read_only", "transaction_read_only"];

/// What else is asked when connecting.
const OTHERS: [&str; 5] =
    ["wsrep_on", "auto_increment_offset", "auto_increment_increment", "log_bin", "binlog_format"];

async fn settle(connection: &mut Connection, settings: String) -> Result<Facts, sqlx::Error> {
    let settings = connection.ask(settings).await?;
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
        ..Facts::default()
    };
    // InnoDB's writes are refused there where the isolation is any lower.
    if is("log_bin", is_on) && is("binlog_format", |it| it.eq_ignore_ascii_case("STATEMENT")) {
        let text = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        connection.command(text).await?;
    }
    if facts.certified.is_some() {
        // Reads, and updates by themselves, wait for what the others have committed before.
        let text = "SET SESSION wsrep_sync_wait = 3; SHOW STATUS LIKE 'wsrep_ready'";
        let ready = connection.ask(text).await?;
        // A node that has lost the others refuses everything.
        facts.read_only |= ready.iter().any(|(_, value)| !is_on(value));
    }
    Ok(facts)
}

/// MariaDB alone reads the first comment, MySQL alone the last. There, what
/// changes rows may go on after its client has given it up: only its waiting for
/// locks ends by itself. From 11 on MariaDB would rather read all of a table, or of an
/// index, than some hundred rows by their keys, and lock what it reads.
fn settings(session: &Session) -> String {
    let lock_seconds = session.for_locks().as_secs().max(1);
    let timeout = session.query_timeout;
    let (seconds, milliseconds) = (timeout.as_secs_f64(), timeout.as_millis());
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
         /*M!110001 , optimizer_scan_setup_cost = 1000000 */ \
         /*!50708 , max_execution_time = {milliseconds} */; \
         {asked}"
    )
}

fn show_variables(names: &[&str]) -> String {
    format!("SHOW VARIABLES WHERE Variable_name IN ('{}')", names.join("', '"))
}
