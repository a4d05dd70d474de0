//! What the three say of themselves beside the table, and how what is wrong is put right there.

use super::mysql::MySql;
use super::postgres::Postgres;
use super::sqlite::Sqlite;

/// One of the databases, as `ezdfs doctor` asks it.
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only the command asks"))]
pub(in crate::index) trait Described {
    /// Asks for what bounds the connections of this user: names, and numbers of which those
    /// below 1 are no bound. `None` where nothing does.
    fn connection_limits(&self) -> Option<&'static str> {
        None
    }

    /// Asks for the account that is logged in, as GRANT takes it. `None` where there are none.
    fn account(&self) -> Option<&'static str> {
        None
    }

    /// Asks for the journal of a database that is a file.
    fn journal(&self) -> Option<&'static str> {
        None
    }

    /// What makes an index that begins with this column.
    fn add_index(&self, table: &str, column: &str) -> String {
        let local = table.rsplit('.').next().unwrap_or(table);
        format!("CREATE INDEX {local}_{column}_ezdfs ON {table} ({column})")
    }

    /// What gives a column the type that a table of ours has.
    fn change_column(&self, table: &str, column: &str) -> String {
        format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {}", column_type(column))
    }
}

impl Described for MySql {
    /// The session's value of the latter is that of the account.
    fn connection_limits(&self) -> Option<&'static str> {
        Some(
            "SELECT 'max_connections', CAST(@@max_connections AS SIGNED) UNION ALL \
             SELECT 'max_user_connections', CAST(@@max_user_connections AS SIGNED)",
        )
    }

    fn account(&self) -> Option<&'static str> {
        Some(
            "SELECT CAST(CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
             QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))) AS CHAR)",
        )
    }

    /// An index holds the beginnings of names.
    fn add_index(&self, table: &str, column: &str) -> String {
        let local = table.rsplit('.').next().unwrap_or(table);
        let length = if column == "mtime" { "" } else { "(191)" };
        format!("ALTER TABLE {table} ADD KEY {local}_{column}_ezdfs ({column}{length})")
    }

    fn change_column(&self, table: &str, column: &str) -> String {
        let unsigned = if column == "size" { " unsigned" } else { "" };
        format!("ALTER TABLE {table} MODIFY {column} {}{unsigned} NOT NULL", column_type(column))
    }
}

impl Described for Postgres {
    /// A superuser has all places, and no bound but that of the server.
    fn connection_limits(&self) -> Option<&'static str> {
        Some(
            "SELECT CAST('max_connections' AS text), CAST(current_setting('max_connections') AS bigint) \
               - CAST(current_setting('superuser_reserved_connections') AS bigint) UNION ALL \
             SELECT 'CONNECTION LIMIT of the role', CAST(rolconnlimit AS bigint) FROM pg_roles \
             WHERE rolname = current_user AND NOT rolsuper UNION ALL \
             SELECT 'CONNECTION LIMIT of the database', CAST(datconnlimit AS bigint) \
             FROM pg_database WHERE datname = current_database()",
        )
    }

    fn account(&self) -> Option<&'static str> {
        Some("SELECT quote_ident(current_user)")
    }

    /// In the byte order of names, in which directories are listed.
    fn add_index(&self, table: &str, column: &str) -> String {
        let local = table.rsplit('.').next().unwrap_or(table);
        let order = if column == "mtime" { "" } else { " COLLATE \"C\"" };
        format!("CREATE INDEX CONCURRENTLY {local}_{column}_ezdfs ON {table} ({column}{order})")
    }
}

impl Described for Sqlite {
    fn journal(&self) -> Option<&'static str> {
        Some("SELECT journal_mode FROM pragma_journal_mode")
    }

    /// An index is in its table's schema by its own name.
    fn add_index(&self, table: &str, column: &str) -> String {
        let local = table.rsplit('.').next().unwrap_or(table);
        let schema = table.strip_suffix(local).unwrap_or_default();
        let order = if column == "mtime" { "" } else { " COLLATE BINARY" };
        format!("CREATE INDEX {schema}{local}_{column}_ezdfs ON {local} ({column}{order})")
    }
}

/// Of those columns that may be too narrow.
fn column_type(column: &str) -> &'static str {
    match column {
        "name" | "name_trunk" => "text",
        "size" => "bigint",
        "scope" => "varchar(25)",
        "name_hash" => "varchar(34)",
        _ => "varchar(255)",
    }
}
