//! The shape of the table: found out for tables that exist, created where
//! there is none.

use sqlx::{AssertSqlSafe, Row as _};

use super::connect::{Guard, Query};
use super::fault;
use crate::config::Dialect;
use crate::error::{Error, ErrorKind, Result};

/// What a table looks like, as far as ezdfs must know.
#[derive(Debug)]
pub(crate) struct Shape {
    /// `expired` is a boolean, not an integer.
    pub(super) expired_is_boolean: bool,
    /// The same of `status`; `None` where the column is absent.
    pub(super) status_is_boolean: Option<bool>,
    /// `name_hash` is a blank-padded `char`.
    pub(super) hash_is_padded: bool,
    /// The columns that are missing.
    missing: Vec<&'static str>,
    exists: bool,
    /// Whether `name_hash` is unique; taken on trust of a view.
    unique: bool,
    /// The table's engine, where that has no transactions; a view is trusted.
    without_transactions: Option<String>,
}

const REQUIRED: [&str; 8] =
    ["name", "name_trunk", "name_hash", "datatype", "scope", "size", "mtime", "expired"];

impl Shape {
    /// Refuses a table that ezdfs cannot use, naming what is wrong.
    pub(super) fn check(self, table: &str) -> Result<Self> {
        let reason = if !self.exists {
            "there is no such table; `ezdfs schema --create` makes one".to_owned()
        } else if !self.missing.is_empty() {
            format!("wrong shape: no column {}", self.missing.join(", "))
        } else if !self.unique {
            "wrong shape: name_hash is neither the primary key nor unique by itself".to_owned()
        } else {
            return Ok(self);
        };
        Err(Error::new(ErrorKind::Schema, "table", table, reason))
    }

    /// Whether it has what tells which files are there.
    pub(super) fn has_files(&self) -> bool {
        let needed = ["name", "name_hash", "size", "mtime", "expired"];
        self.exists && !needed.iter().any(|column| self.missing.contains(column))
    }

    pub(super) fn has_transactions(&self) -> bool {
        self.without_transactions.is_none()
    }

    /// Refuses a table in which nothing is rolled back: a row that is there while
    /// something is tried would stay, live, with a size that is none.
    pub(super) fn check_transactions(self, table: &str) -> Result<Self> {
        let Some(engine) = &self.without_transactions else { return Ok(self) };
        let reason = format!(
            "its engine {engine} has no transactions, so that it can be read only; \
             `ALTER TABLE {table} ENGINE=InnoDB` makes it fit for writing"
        );
        Err(Error::new(ErrorKind::Schema, "table", table, reason))
    }
}

/// Asks the catalogue. Three short queries, once in a process.
pub(super) async fn inspect(
    connection: &mut Guard,
    dialect: Dialect,
    table: &str,
) -> Result<Shape> {
    let columns = columns(connection, dialect, table).await?;
    let type_of = |wanted: &str| {
        columns.iter().find(|(name, _)| name == wanted).map(|(_, column_type)| column_type.as_str())
    };
    let is_boolean = |column_type: &str| column_type == "boolean" && dialect == Dialect::Postgres;
    Ok(Shape {
        expired_is_boolean: type_of("expired").is_some_and(is_boolean),
        status_is_boolean: type_of("status").map(is_boolean),
        hash_is_padded: type_of("name_hash") == Some("character"),
        missing: REQUIRED.into_iter().filter(|name| type_of(name).is_none()).collect(),
        exists: !columns.is_empty(),
        unique: is_unique(connection, dialect, table).await?,
        without_transactions: without_transactions(connection, dialect, table).await?,
    })
}

/// Names and types of the columns, in lower case; empty where there is no table.
async fn columns(
    connection: &mut Guard,
    dialect: Dialect,
    table: &str,
) -> Result<Vec<(String, String)>> {
    let text = match dialect {
        Dialect::MySql => {
            "SELECT CAST(LOWER(column_name) AS CHAR), CAST(LOWER(data_type) AS CHAR) \
             FROM information_schema.columns \
             WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?"
        }
        Dialect::Postgres => {
            "SELECT CAST(column_name AS text), CAST(data_type AS text) \
             FROM information_schema.columns \
             WHERE table_schema = COALESCE($1, current_schema()) AND table_name = lower($2)"
        }
        Dialect::Sqlite => {
            "SELECT LOWER(name), LOWER(type) FROM pragma_table_info(?2, COALESCE(?1, 'main'))"
        }
    };
    let rows = connection.fetch_all("inspect", table, about(text, table)).await?;
    let columns: Result<_, sqlx::Error> =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect();
    columns.map_err(|error| fault::convert(error, "inspect", table))
}

async fn is_unique(connection: &mut Guard, dialect: Dialect, table: &str) -> Result<bool> {
    // One row where the table is a view, or has a unique index on name_hash alone.
    let text = match dialect {
        Dialect::MySql => {
            "SELECT 1 FROM (SELECT COALESCE(?, DATABASE()) AS s, ? AS t) wanted \
             JOIN information_schema.tables i ON i.table_schema = s AND i.table_name = t \
             WHERE i.table_type <> 'BASE TABLE' OR EXISTS (\
               SELECT 1 FROM information_schema.statistics \
               WHERE table_schema = s AND table_name = t AND non_unique = 0 \
               GROUP BY index_name HAVING MIN(column_name) = 'name_hash' AND COUNT(*) = 1)"
        }
        Dialect::Postgres => {
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = COALESCE($1, current_schema()) AND c.relname = lower($2) \
             AND (c.relkind = 'v' OR EXISTS (\
               SELECT 1 FROM pg_index i JOIN pg_attribute a \
                 ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 \
               AND i.indpred IS NULL AND a.attname = 'name_hash'))"
        }
        Dialect::Sqlite => {
            "SELECT 1 FROM pragma_table_info(?2, COALESCE(?1, 'main')) \
             WHERE LOWER(name) = 'name_hash' AND pk = 1 \
             UNION SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = ?2 \
             UNION SELECT 1 FROM pragma_index_list(?2) l WHERE l.\"unique\" = 1 AND \
               (SELECT group_concat(LOWER(x.name)) FROM pragma_index_info(l.name) x) = 'name_hash'"
        }
    };
    Ok(!connection.fetch_all("inspect", table, about(text, table)).await?.is_empty())
}

async fn without_transactions(
    connection: &mut Guard,
    dialect: Dialect,
    table: &str,
) -> Result<Option<String>> {
    if dialect != Dialect::MySql {
        return Ok(None);
    }
    let text = "SELECT CAST(t.engine AS CHAR) FROM information_schema.tables t \
         LEFT JOIN information_schema.engines e ON e.engine = t.engine \
         WHERE t.table_schema = COALESCE(?, DATABASE()) AND t.table_name = ? \
         AND t.engine IS NOT NULL AND COALESCE(e.transactions, 'NO') <> 'YES'";
    let rows = connection.fetch_all("inspect", table, about(text, table)).await?;
    let engine = rows.first().map(|row| row.try_get(0)).transpose();
    engine.map_err(|error| fault::convert(error, "inspect", table))
}

/// Asks [`about`] the table: gives a row where an index has the rows in the byte
/// order of their names. `None` where none can: MySQL's hold the beginnings of
/// names.
pub(super) fn ordered_index(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::MySql => None,
        Dialect::Postgres => Some(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_index i ON i.indrelid = c.oid \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
             JOIN pg_collation o ON o.oid = i.indcollation[0] \
             JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam \
             WHERE n.nspname = COALESCE($1, current_schema()) AND c.relname = lower($2) \
             AND a.attname = 'name' AND o.collname = 'C' AND m.amname = 'btree' \
             AND i.indisvalid AND i.indpred IS NULL",
        ),
        Dialect::Sqlite => Some(
            "SELECT 1 FROM pragma_index_list(?2, COALESCE(?1, 'main')) l \
             JOIN pragma_index_xinfo(l.name, COALESCE(?1, 'main')) x \
             WHERE l.partial = 0 AND x.seqno = 0 AND LOWER(x.name) = 'name' AND x.coll = 'BINARY'",
        ),
    }
}

/// Asks [`about`] the table: gives the others of its database or schema that have
/// a column `name_hash`, or any.
pub(super) fn others(dialect: Dialect) -> &'static str {
    match dialect {
        // Compared by bytes, as the server does where names of tables have a case.
        Dialect::MySql => {
            "SELECT CAST(c.table_name AS CHAR) \
             FROM (SELECT COALESCE(?, DATABASE()) AS s, ? AS t) this \
             JOIN information_schema.columns c ON c.table_schema = s \
             WHERE LOWER(c.column_name) = 'name_hash' \
             AND CASE @@lower_case_table_names \
               WHEN 0 THEN CAST(c.table_name AS BINARY) <> CAST(t AS BINARY) \
               ELSE LOWER(c.table_name) <> LOWER(t) END ORDER BY 1"
        }
        Dialect::Postgres => {
            "SELECT CAST(table_name AS text) FROM information_schema.columns \
             WHERE table_schema = COALESCE($1, current_schema()) AND table_name <> lower($2) \
             AND column_name = 'name_hash' ORDER BY 1"
        }
        Dialect::Sqlite => {
            "SELECT name FROM pragma_table_list \
             WHERE schema = COALESCE(?1, 'main') AND LOWER(name) <> LOWER(?2) ORDER BY 1"
        }
    }
}

/// Binds the schema, if one is named, and the table.
pub(super) fn about(text: &'static str, table: &str) -> Query<'static> {
    let (schema, table) = match table.split_once('.') {
        Some((schema, table)) => (Some(schema.to_owned()), table),
        None => (None, table),
    };
    sqlx::query(text).bind(schema).bind(table.to_owned())
}

/// The statements that create the table and its indexes, with the column types
/// and index names of the kernels and names that compare by bytes.
pub(super) fn create(dialect: Dialect, table: &str) -> Vec<AssertSqlSafe<String>> {
    let local = table.rsplit('.').next().unwrap_or(table);
    let columns = |text: &str, boolean: &str, size: &str, falsehood: &str| {
        format!(
            "name {text} NOT NULL, name_trunk {text} NOT NULL, \
             name_hash varchar(34) NOT NULL PRIMARY KEY, \
             datatype varchar(255) NOT NULL DEFAULT 'application/octet-stream', \
             scope varchar(25) NOT NULL DEFAULT '', size {size} NOT NULL DEFAULT 0, \
             mtime integer NOT NULL DEFAULT 0, \
             expired {boolean} NOT NULL DEFAULT {falsehood}, \
             status {boolean} NOT NULL DEFAULT {falsehood}"
        )
    };
    let statements = match dialect {
        Dialect::MySql => {
            let columns = columns("text", "tinyint(1)", "bigint unsigned", "0");
            vec![format!(
                "CREATE TABLE IF NOT EXISTS {table} ({columns}, \
                 KEY {local}_name (name(191)), KEY {local}_name_trunk (name_trunk(191)), \
                 KEY {local}_mtime (mtime), KEY {local}_expired_name (expired, name(191))) \
                 ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
            )]
        }
        Dialect::Postgres | Dialect::Sqlite => {
            let (columns, journal) = match dialect {
                Dialect::Sqlite => (columns("text", "boolean", "bigint", "0"), true),
                _ => (columns("text COLLATE \"C\"", "boolean", "bigint", "FALSE"), false),
            };
            let index = |name: &str, on: &str| {
                format!("CREATE INDEX IF NOT EXISTS {local}_{name} ON {table} ({on})")
            };
            // Readers are not stopped by a writer in this mode.
            let wal = journal.then(|| "PRAGMA journal_mode = WAL".to_owned());
            wal.into_iter()
                .chain([
                    format!("CREATE TABLE IF NOT EXISTS {table} ({columns})"),
                    index("name", "name"),
                    index("name_trunk", "name_trunk"),
                    index("mtime", "mtime"),
                    index("expired_name", "expired, name"),
                ])
                .collect()
        }
    };
    statements.into_iter().map(AssertSqlSafe).collect()
}
