//! The statements that read many rows.

use super::{Sql, hash_parameter, prepared};
use crate::index::database::Database;
use crate::index::query::Query;

impl Sql {
    /// Rows below a prefix (which ends in a slash, or is empty for all) and after
    /// a name, the first `limit` of them: in the byte order of their names, which
    /// takes an index that has it, else a sort of all that match; or in any.
    /// Compared byte for byte whatever the column's collation: a
    /// case-insensitive `LIKE` for `large/%` also meets `Large/`.
    pub(in crate::index) fn list(
        &self,
        beneath: &str,
        after: Option<&str>,
        limit: usize,
        in_order: bool,
    ) -> Query {
        let order = in_order.then(|| self.database.exact_name());
        self.select(self.beneath(beneath, after), order, limit)
    }

    /// The same rows in the order of the primary key, after a key.
    pub(in crate::index) fn list_by_key(
        &self,
        beneath: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Query {
        let mut filter = self.beneath(beneath, None);
        if let Some(after) = after {
            filter.add_key(">", after);
        }
        self.select(filter, Some("name_hash"), limit)
    }

    /// The same, whatever their names.
    #[cfg(feature = "cli")]
    pub(in crate::index) fn list_all_by_key(&self, after: Option<&str>, limit: usize) -> Query {
        let mut filter = Filter::new(self.database, self.padded_hash);
        if let Some(after) = after {
            filter.add_key(">", after);
        }
        self.select(filter, Some("name_hash"), limit)
    }

    /// Soft-deleted rows in the order of the primary key.
    pub(in crate::index) fn soft_deleted(&self, after: Option<&str>, limit: usize) -> Query {
        let mut filter = self.own_rows();
        filter.add_plain("mtime < 0".to_owned());
        if let Some(after) = after {
            filter.add_key(">", after);
        }
        self.select(filter, Some("name_hash"), limit)
    }

    /// Hashes and names in the order of the primary key.
    pub(in crate::index) fn names_by_hash(&self, after: Option<&str>, limit: usize) -> Query {
        let Sql { database, table, .. } = self;
        let text = database.text();
        let filter = match after {
            Some(_) => {
                format!(" WHERE name_hash > {}", hash_parameter(*database, self.padded_hash, 1))
            }
            None => String::new(),
        };
        let query = prepared(format!(
            "SELECT CAST(name_hash AS {text}), CAST(name AS {text}) FROM {table}{filter} \
             ORDER BY name_hash LIMIT {limit}"
        ));
        after.into_iter().fold(query, |query, after| query.bind(after.to_owned()))
    }

    /// All rows whose names the table has.
    fn own_rows(&self) -> Filter {
        let mut filter = Filter::new(self.database, self.padded_hash);
        self.own.iter().for_each(|own| filter.add_plain(own.clone()));
        filter
    }

    pub(super) fn beneath(&self, beneath: &str, after: Option<&str>) -> Filter {
        let mut filter = self.own_rows();
        if !beneath.is_empty() {
            self.database.add_beneath(&mut filter, beneath, after, &self.charset);
        }
        if let Some(after) = after {
            filter.add(self.database.exact_name(), ">", after.to_owned(), "");
        }
        filter
    }

    pub(super) fn select(&self, filter: Filter, order: Option<&str>, limit: usize) -> Query {
        let Sql { columns, table, .. } = self;
        let text = filter.text();
        let order = order.map(|order| format!(" ORDER BY {order}")).unwrap_or_default();
        filter.bind(prepared(format!("SELECT {columns} FROM {table}{text}{order} LIMIT {limit}")))
    }
}

/// Conditions that rows meet, and their arguments.
pub(in crate::index) struct Filter {
    database: &'static dyn Database,
    padded_hash: bool,
    conditions: Vec<String>,
    arguments: Vec<String>,
}

impl Filter {
    fn new(database: &'static dyn Database, padded_hash: bool) -> Self {
        Filter { database, padded_hash, conditions: Vec::new(), arguments: Vec::new() }
    }

    pub(in crate::index) fn add(
        &mut self,
        left: &str,
        operator: &str,
        argument: String,
        right: &str,
    ) {
        self.arguments.push(argument);
        let parameter = self.database.parameter(self.arguments.len());
        self.conditions.push(format!("{left} {operator} {parameter}{right}"));
    }

    pub(super) fn add_key(&mut self, operator: &str, key: &str) {
        self.arguments.push(key.to_owned());
        let hash = hash_parameter(self.database, self.padded_hash, self.arguments.len());
        self.conditions.push(format!("name_hash {operator} {hash}"));
    }

    pub(super) fn add_plain(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    pub(super) fn text(&self) -> String {
        match self.conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.conditions.join(" AND ")),
        }
    }

    pub(super) fn bind(self, query: Query) -> Query {
        self.arguments.into_iter().fold(query, |query, argument| query.bind(argument))
    }
}
