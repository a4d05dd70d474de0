//! PostgreSQL, with or without a pooler before it.

use futures_util::FutureExt as _;
use sqlx::ConnectOptions as _;

use super::{
    Connecting, Database, Facts, Feed, Meaning, Range, Session, Settling, Trigger, created_columns,
    created_with_indexes, is_on,
};
use crate::config::dsn::{Address, TlsMode};
use crate::index::connection::Connection;
use crate::index::options;
use crate::index::panics::contained;
use crate::index::query::{Argument, Query};
use crate::index::sql::Filter;
use crate::random;

/// SQLSTATE codes and classes. What is fatal ends the connection, and says nothing of what
/// became of the statement; that nobody gets in is told in the same way.
pub(super) fn meaning(code: &str, is_fatal: bool) -> Meaning {
    match code {
        _ if code.starts_with("28") => Meaning::Login,
        "3D000" => Meaning::Login,
        "53300" => Meaning::Full,
        "42501" => Meaning::Privilege,
        _ if is_fatal || code.starts_with("08") || code.starts_with("57P") => Meaning::Lost,
        "40001" | "40P01" | "55P03" => Meaning::Repeat,
        // Read-only; no space, no memory.
        "25006" | "53100" | "53200" => Meaning::Elsewhere,
        // Prepared by somebody else, or on another connection.
        "42P05" | "26000" => Meaning::Unprepared,
        // No row has characters that the database's encoding lacks.
        "22P05" => Meaning::Untranslatable,
        // The b-tree cannot hold so long a name.
        "54000" => Meaning::Input,
        "23505" => Meaning::Duplicate,
        _ => match code.get(..2) {
            Some("22" | "23") => Meaning::Input,
            Some("42") => Meaning::Schema,
            _ => Meaning::Unavailable,
        },
    }
}

/// The schema of a table whose schema is not named: the first of `search_path` that has
/// it. Takes the place of a format, because texts that are asked stay as they are.
macro_rules! schema {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "COALESCE($1, (SELECT s.nspname FROM pg_class f JOIN pg_namespace s \
             ON s.oid = f.relnamespace WHERE f.oid = to_regclass(lower($2))), current_schema())",
            $after
        )
    };
}

async fn open(
    address: &Address,
    tls: TlsMode,
    settings: &[(&'static str, String)],
) -> Result<Connection, sqlx::Error> {
    // The first is refused by poolers, and good for nothing here.
    let plain =
        options::postgres(address, tls)?.disable_statement_logging().extra_float_digits(None);
    let settled = plain.clone().options(settings.iter().map(|(name, value)| (*name, value)));
    let marker = marker();
    let settled = settled.options([(MARKER, &marker)]);
    match contained(settled.connect()).await {
        Err(error) if is_refused_by_pooler(&error) => {
            Ok(Connection::new(contained(plain.connect()).await?))
        }
        connected => Ok(Connection::marked(connected?, marker)),
    }
}

/// A setting that nobody reads: a connection that has it as it was given is this one, and
/// not one that a pooler lends.
const MARKER: &str = "ezdfs.connection";

fn marker() -> String {
    let mut random = [0; 16];
    // Without, all of a process have the same, and a pooler never passes it on.
    let _ = random::fill(&mut random);
    format!("{:032x}", u128::from_be_bytes(random))
}

#[derive(Debug)]
pub(super) struct Postgres;

impl Database for Postgres {
    /// The settings come with the connection: told later, they would stay with a
    /// connection of a pooler, and meet other programs. A pooler refuses them here, or
    /// passes them over.
    fn connect(&self, address: Address, session: Session) -> Connecting {
        let settings = settings(&session);
        async move {
            match open(&address, address.tls.mode(), &settings).await {
                Err(error) => match options::other_way(&address, &error) {
                    Some(tls) => open(&address, tls, &settings).await,
                    None => Err(error),
                },
                opened => opened,
            }
        }
        .boxed()
    }

    /// A standby answers nothing in a transaction that began as `serializable`.
    fn settle<'c>(&self, connection: &'c mut Connection, _: Session) -> Settling<'c> {
        async move {
            let marker = connection.marker().unwrap_or_default();
            let asked = format!(
                "SET LOCAL transaction_isolation = 'read committed'; \
                 SHOW transaction_read_only; \
                 SELECT CASE current_setting('{MARKER}', true) WHEN '{marker}' THEN 'off' \
                   ELSE 'on' END"
            );
            let said = connection.ask(asked).await?;
            let is = |at: usize| said.get(at).is_some_and(|(_, value)| is_on(value));
            let is_pooled = marker.is_empty() || is(1);
            // On in a standby too.
            Ok(Facts { read_only: is(0), is_pooled, ..Facts::default() })
        }
        .boxed()
    }

    fn is_read_only(&self) -> Option<String> {
        Some("SHOW transaction_read_only".to_owned())
    }

    fn is_plain(&self, byte: u8) -> bool {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
    }

    fn text(&self) -> &'static str {
        "text"
    }

    fn integer(&self) -> &'static str {
        "bigint"
    }

    fn parameter(&self, number: usize) -> String {
        format!("${number}")
    }

    fn exact_name(&self) -> &'static str {
        "name COLLATE \"C\""
    }

    fn contains(&self, text: &str) -> String {
        format!("strpos({}, '{text}') > 0", self.exact_name())
    }

    fn add_beneath(&self, filter: &mut Filter, beneath: &str, _: Option<&str>, _: &str) {
        filter.add(self.exact_name(), "LIKE", Range::beneath(beneath).pattern, " ESCAPE '|'");
    }

    fn is_boolean(&self, column_type: &str) -> bool {
        column_type == "boolean"
    }

    fn columns(&self) -> &'static str {
        schema!(
            "SELECT CAST(column_name AS text), CAST(data_type AS text), '', \
         CAST(character_maximum_length AS bigint), '' \
         FROM information_schema.columns \
         WHERE table_schema = ",
            " AND table_name = lower($2)"
        )
    }

    fn unique(&self) -> &'static str {
        schema!(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = ",
            " AND c.relname = lower($2) \
         AND (c.relkind = 'v' OR EXISTS (\
           SELECT 1 FROM pg_index i JOIN pg_attribute a \
             ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
           WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 \
           AND i.indpred IS NULL AND a.attname = 'name_hash'))"
        )
    }

    fn indexed(&self) -> &'static str {
        schema!(
            "SELECT CAST(a.attname AS text) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_index i ON i.indrelid = c.oid \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
             WHERE i.indisvalid AND n.nspname = ",
            " AND c.relname = lower($2)"
        )
    }

    fn ordered_index(&self) -> Option<&'static str> {
        Some(schema!(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_index i ON i.indrelid = c.oid \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
             JOIN pg_collation o ON o.oid = i.indcollation[0] \
             JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam \
             WHERE n.nspname = ",
            " AND c.relname = lower($2) \
             AND a.attname = 'name' AND o.collname = 'C' AND m.amname = 'btree' \
             AND i.indisvalid AND i.indpred IS NULL"
        ))
    }

    fn others(&self) -> &'static str {
        schema!(
            "SELECT CAST(table_name AS text) FROM information_schema.columns \
         WHERE table_schema = ",
            " AND table_name <> lower($2) \
         AND column_name = 'name_hash' ORDER BY 1"
        )
    }

    fn relation(&self) -> &'static str {
        schema!(
            "SELECT CAST(CASE WHEN c.relkind IN ('r', 'p') THEN 0 ELSE 1 END AS bigint), \
             CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) ELSE '' END \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = ",
            " AND c.relname = lower($2)"
        )
    }

    /// A statement that waits for the lock looks up its names anew when it gets it. A view has no
    /// rights of its table: what others have there, they get; and its owner's are those by which
    /// the table is reached.
    fn rename(&self, from: &str, to: &str, has_view: bool) -> Option<Vec<String>> {
        let drop = if has_view { format!("DROP VIEW {to}; ") } else { String::new() };
        let bare = local(to);
        Some(vec![format!(
            // Whoever waits for a lock keeps all others waiting behind.
            "BEGIN; SET LOCAL lock_timeout = '1s'; {drop}ALTER TABLE {from} RENAME TO {bare}; \
             CREATE VIEW {from} AS SELECT * FROM {to}; \
             DO $ezdfs$ DECLARE it record; BEGIN \
             FOR it IN SELECT a.privilege_type AS verb, CASE WHEN a.grantee = 0 THEN 'PUBLIC' \
               ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee \
               FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = CAST('{to}' AS regclass) \
               AND a.grantee <> c.relowner \
               AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') \
             LOOP EXECUTE format('GRANT %s ON {from} TO %s', it.verb, it.grantee); END LOOP; \
             FOR it IN SELECT pg_get_userbyid(c.relowner) AS owner FROM pg_class c \
               WHERE c.oid = CAST('{to}' AS regclass) \
               AND pg_get_userbyid(c.relowner) <> current_user \
             LOOP EXECUTE format('ALTER VIEW {from} OWNER TO %I', it.owner); END LOOP; \
             END $ezdfs$; COMMIT"
        )])
    }

    fn create(&self, table: &str) -> Vec<String> {
        let columns = created_columns("text COLLATE \"C\"", "boolean", "bigint", "FALSE");
        let local = table.rsplit('.').next().unwrap_or(table);
        created_with_indexes(table, &columns, local, table)
    }

    fn schema_of(&self) -> Option<&'static str> {
        Some(schema!("SELECT quote_ident(", ")"))
    }

    fn create_log(&self, log: &str) -> String {
        format!(
            "CREATE TABLE {log} (number bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, \
             name_hash text NOT NULL, name text, changed_at bigint NOT NULL)"
        )
    }

    /// Their function has the rights of who made it, and looks at no schema of who calls it.
    fn triggers(&self, feed: &Feed) -> Vec<Trigger> {
        let Feed { table, log, schema, local } = feed;
        let (name, function) = (format!("{local}_feed"), format!("{schema}{local}_feed"));
        let now = self.microseconds();
        let insert = |row: &str| {
            format!(
                "INSERT INTO {log} (name_hash, name, changed_at) \
                 VALUES ({row}.name_hash, {row}.name, {now});"
            )
        };
        let (new, old) = (insert("NEW"), insert("OLD"));
        let definition = format!(
            "BEGIN IF TG_OP = 'DELETE' THEN {old} RETURN NULL; END IF; \
             IF TG_OP = 'UPDATE' AND OLD.name_hash IS DISTINCT FROM NEW.name_hash THEN {old} \
             END IF; {new} RETURN NULL; END"
        );
        let create = vec![
            format!(
                "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql \
                 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $ezdfs${definition}$ezdfs$"
            ),
            format!(
                "CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION {function}()"
            ),
        ];
        let drop = vec![
            format!("DROP TRIGGER IF EXISTS {name} ON {table}"),
            format!("DROP FUNCTION IF EXISTS {function}()"),
        ];
        vec![Trigger { name, definition, create, drop }]
    }

    fn found_triggers(&self) -> &'static str {
        schema!(
            "SELECT CAST(t.tgname AS text), concat(t.oid, ' ', t.xmin, ' ', p.oid, ' ', p.xmin, ' ', \
             CASE WHEN t.tgenabled IN ('O', 'A') AND t.tgtype = 29 AND p.prosecdef \
             THEN p.prosrc END) \
             FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
             JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE NOT t.tgisinternal AND n.nspname = ",
            " AND c.relname = lower($2)"
        )
    }

    fn microseconds(&self) -> &'static str {
        "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
    }

    #[cfg(feature = "cli")]
    fn incarnation(&self) -> &'static str {
        "CAST(pg_postmaster_start_time() AS text)"
    }

    #[cfg(feature = "cli")]
    fn read_only_settings(&self) -> &'static str {
        "current_setting('transaction_read_only')"
    }

    /// Key by key: while it has no statistics of the others, it would rather read the whole table.
    #[cfg(feature = "cli")]
    fn beside(&self, table: &str, key: &str) -> String {
        format!(
            "LEFT JOIN LATERAL (SELECT * FROM {table} WHERE name_hash = {key} OFFSET 0) found \
             ON TRUE"
        )
    }

    fn spell_out(&self, query: &Query) -> Option<String> {
        Some(spell_out(query))
    }

    fn for_this_transaction(&self, session: &Session) -> String {
        let timeout = session.query_timeout.as_millis();
        let for_locks = session.for_locks().as_millis();
        format!(
            "SET LOCAL transaction_isolation = 'read committed'; \
             SET LOCAL idle_in_transaction_session_timeout = 0; \
             SET LOCAL statement_timeout = {timeout}; SET LOCAL lock_timeout = {for_locks}; "
        )
    }
}

/// A table's name without its schema.
fn local(table: &str) -> &str {
    table.rsplit('.').next().unwrap_or(table)
}

/// Leaves `default_transaction_read_only`, which tells of a server that is to
/// take no writes.
fn settings(session: &Session) -> [(&'static str, String); 5] {
    let locks = session.for_locks().as_millis().to_string();
    [
        ("default_transaction_isolation", "read committed".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        ("idle_in_transaction_session_timeout", "0".to_owned()),
        ("statement_timeout", session.query_timeout.as_millis().to_string()),
        ("lock_timeout", locks),
    ]
}

/// Protocol violation, says pgbouncer of start-up parameters that it does not know.
fn is_refused_by_pooler(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().is_some_and(|code| code == "08P01") && error.message().contains("parameter")
}

/// The statement with its arguments in it.
fn spell_out(query: &Query) -> String {
    let mut spelled = String::new();
    let mut parts = query.text.split('$');
    spelled.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let argument = number.parse::<usize>().ok().and_then(|it| query.arguments.get(it - 1));
        match argument {
            Some(argument) => spelled.push_str(&literal(argument)),
            // No place.
            None => spelled.extend(["$", number]),
        }
        spelled.push_str(rest);
    }
    spelled
}

fn literal(argument: &Argument) -> String {
    match argument {
        Argument::Integer(number) => format!("({number})"),
        Argument::Null => "NULL::text".to_owned(),
        // Read in one way, whatever `standard_conforming_strings` is. No text has a NUL.
        Argument::Text(text) => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_where_their_places_were() {
        let text = "SELECT $2, $1 WHERE a = $10 AND b = '$' AND c = $1";
        let mut query = Query::new(text).bind(r"it's \ here".to_owned()).bind(-5);
        query = (3..10).fold(query, |query, number| query.bind(number)).bind(None::<String>);
        assert_eq!(
            spell_out(&query),
            r"SELECT (-5), E'it''s \\ here' WHERE a = NULL::text AND b = '$' AND c = E'it''s \\ here'"
        );
    }
}
