//! The shape of the table.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::database::Database;
use super::fault;
use super::fitness::{Advice, Topic};
use super::guard::Guard;
use super::query::Query;
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
    /// `name_hash` has this collation, where those of columns matter.
    #[cfg(feature = "cli")]
    pub(super) key_collation: String,
    /// Names have this character set, if that is a property of columns.
    pub(super) charset: String,
    /// The columns that are missing.
    missing: Vec<&'static str>,
    /// How many characters `name_hash` has room for, where that is limited.
    hash_length: Option<i64>,
    /// The same of `datatype`.
    type_length: Option<i64>,
    /// `size` is an integer of four bytes, or fewer.
    size_is_small: bool,
    exists: bool,
    /// Whether `name_hash` is unique; taken on trust of a view.
    unique: bool,
    /// The table's engine, where that has no transactions; a view is trusted.
    without_transactions: Option<String>,
}

/// That of a document of Word.
const LONGEST_TYPE: i64 = 71;

/// Of an MD5 in hexadecimal digits.
const DIGEST_LENGTH: i64 = 32;

const REQUIRED: [&str; 8] =
    ["name", "name_trunk", "name_hash", "datatype", "scope", "size", "mtime", "expired"];

impl Shape {
    /// Refuses a table that ezdfs cannot use, naming what is wrong.
    pub(super) fn check(self, table: &str) -> Result<Self> {
        let reason = if !self.exists {
            "there is no such table, or the user may not see it (SELECT); \
             `ezdfs schema --create` makes one"
                .to_owned()
        } else if !self.missing.is_empty() {
            format!("wrong shape: no column {}", self.missing.join(", "))
        } else if !self.unique {
            "wrong shape: name_hash is neither the primary key nor unique by itself".to_owned()
        } else if let Some(length) = self.hash_length.filter(|length| *length < DIGEST_LENGTH) {
            format!("wrong shape: name_hash holds {length} characters, a key has {DIGEST_LENGTH}")
        } else {
            return Ok(self);
        };
        Err(Error::new(ErrorKind::Schema, "table", table, reason))
    }

    /// What is not as it should be in a table that can be used all the same; `indexed`
    /// are the columns with which indexes begin.
    pub(super) fn advice(&self, indexed: &[String]) -> Vec<Advice> {
        let slow = [
            ("name", "every listing, `rm -r` and `fsck` of a directory reads the whole table"),
            ("mtime", "every `purge` reads the whole table"),
        ];
        // Of a view nothing is known: every table that is checked has one.
        let missing = slow
            .into_iter()
            .filter(|_| !indexed.is_empty())
            .filter(|(column, _)| !indexed.iter().any(|it| it == column));
        let no_index = |(column, cost)| Advice {
            topic: Topic::Index(column),
            what: format!("no index begins with {column}"),
            cost,
        };
        let mut advice: Vec<_> = missing.map(no_index).collect();
        if let Some(length) = self.type_length.filter(|length| *length < LONGEST_TYPE) {
            advice.push(Advice {
                topic: Topic::Width("datatype"),
                what: format!("datatype holds {length} characters"),
                cost: "Office documents do not fit",
            });
        }
        if self.size_is_small {
            advice.push(Advice {
                topic: Topic::Width("size"),
                what: "size has four bytes".to_owned(),
                cost: "files of 2 GiB or more (4 without a sign) do not fit",
            });
        }
        if !matches!(&*self.charset, "" | "utf8mb4") {
            advice.push(Advice {
                topic: Topic::Charset,
                what: format!("names are {}", self.charset),
                cost: "files whose names it lacks cannot be stored",
            });
        }
        advice
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
    database: &dyn Database,
    table: &str,
) -> Result<Shape> {
    let columns = columns(connection, database, table).await?;
    let column = |wanted: &str| columns.iter().find(|column| column.name == wanted);
    let type_of = |wanted: &str| column(wanted).map(|column| column.kind.as_str());
    let is_boolean = |column_type: &str| database.is_boolean(column_type);
    let unique = connection.fetch_all("inspect", table, about(database.unique(), table)).await?;
    Ok(Shape {
        expired_is_boolean: type_of("expired").is_some_and(is_boolean),
        status_is_boolean: type_of("status").map(is_boolean),
        hash_is_padded: type_of("name_hash") == Some("character"),
        #[cfg(feature = "cli")]
        key_collation: column("name_hash").map(|it| it.collation.clone()).unwrap_or_default(),
        charset: column("name").map(|column| column.charset.clone()).unwrap_or_default(),
        type_length: column("datatype").and_then(|column| column.length),
        hash_length: column("name_hash").and_then(|column| column.length),
        size_is_small: type_of("size")
            .is_some_and(|kind| matches!(kind, "int" | "integer" | "mediumint" | "smallint"))
            && !database.is_embedded(),
        missing: REQUIRED.into_iter().filter(|name| type_of(name).is_none()).collect(),
        exists: !columns.is_empty(),
        unique: !unique.is_empty(),
        without_transactions: without_transactions(connection, database, table).await?,
    })
}

/// A column of a table, in lower case.
pub(super) struct Column {
    pub(super) name: String,
    kind: String,
    /// In characters; `None` where it is not limited.
    pub(super) length: Option<i64>,
    charset: String,
    #[cfg(feature = "cli")]
    collation: String,
}

/// The names of a table's columns; none where there is no table.
pub(super) async fn column_names(
    connection: &mut Guard,
    database: &dyn Database,
    table: &str,
) -> Result<Vec<String>> {
    let columns = columns(connection, database, table).await?;
    Ok(columns.into_iter().map(|column| column.name).collect())
}

/// None where there is no table.
pub(super) async fn columns(
    connection: &mut Guard,
    database: &dyn Database,
    table: &str,
) -> Result<Vec<Column>> {
    let query = about(database.columns(), table);
    let rows = connection.fetch_all("inspect", table, query).await?;
    let column = |row: &AnyRow| {
        let (name, kind) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Column {
            name,
            kind,
            charset: row.try_get(2)?,
            length: row.try_get(3)?,
            #[cfg(feature = "cli")]
            collation: row.try_get(4)?,
        })
    };
    let columns: Result<_, sqlx::Error> = rows.iter().map(column).collect();
    columns.map_err(|error| fault::convert(error, "inspect", table))
}

async fn without_transactions(
    connection: &mut Guard,
    database: &dyn Database,
    table: &str,
) -> Result<Option<String>> {
    let Some(text) = database.engine() else { return Ok(None) };
    let rows = connection.fetch_all("inspect", table, about(text, table)).await?;
    let engine = rows.first().map(|row| row.try_get(0)).transpose();
    engine.map_err(|error| fault::convert(error, "inspect", table))
}

/// Binds the schema, if one is named, and the table.
pub(super) fn about(text: &'static str, table: &str) -> Query {
    let (schema, table) = match table.split_once('.') {
        Some((schema, table)) => (Some(schema.to_owned()), table),
        None => (None, table),
    };
    Query::new(text).bind(schema).bind(table.to_owned())
}
