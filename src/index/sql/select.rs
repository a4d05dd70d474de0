//! The statements that read many rows.

use super::{Sql, hash_parameter, parameter, prepared, types};
use crate::config::Dialect;
use crate::index::connect::Query;

impl Sql {
    /// Rows below a prefix (which ends in a slash, or is empty for all) and after
    /// a name, the first `limit` of them: in the byte order of their names, which
    /// takes an index that has it, else a sort of all that match; or in any.
    ///
    /// Compared byte for byte whatever the column's collation: a
    /// case-insensitive `LIKE` for `large/%` also meets `Large/`. MySQL gets a
    /// range of names besides, because only that can use the index on `name`. No
    /// `LIKE`: its range ends at U+FFFF where `utf8mb4_bin` goes on, and begins
    /// at a blank where it does not. Nor does a range begin with the slash, which
    /// is followed by blanks for who compares it, and a tab comes before these.
    /// So it lies between characters that have one order in every collation but
    /// `latin2_czech_cs`, which ignores them at first.
    pub(in crate::index) fn list(
        &self,
        beneath: &str,
        after: Option<&str>,
        limit: usize,
        in_order: bool,
    ) -> Query<'static> {
        let order = in_order.then(|| self.exact_name());
        self.select(self.beneath(beneath, after), order, limit)
    }

    /// The same rows in the order of the primary key, after a key.
    pub(in crate::index) fn list_by_key(
        &self,
        beneath: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Query<'static> {
        let mut filter = self.beneath(beneath, None);
        if let Some(after) = after {
            filter.add_key(">", after);
        }
        self.select(filter, Some("name_hash"), limit)
    }

    /// Soft-deleted rows in the order of the primary key.
    pub(in crate::index) fn soft_deleted(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Query<'static> {
        let mut filter = Filter::new(self.dialect, self.padded_hash);
        filter.add_plain("mtime < 0".to_owned());
        if let Some(after) = after {
            filter.add_key(">", after);
        }
        self.select(filter, Some("name_hash"), limit)
    }

    /// Hashes and names in the order of the primary key.
    pub(in crate::index) fn names_by_hash(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Query<'static> {
        let Sql { dialect, table, .. } = self;
        let (text, _) = types(*dialect);
        let filter = match after {
            Some(_) => {
                format!(" WHERE name_hash > {}", hash_parameter(*dialect, self.padded_hash, 1))
            }
            None => String::new(),
        };
        let query = prepared(format!(
            "SELECT CAST(name_hash AS {text}), CAST(name AS {text}) FROM {table}{filter} \
             ORDER BY name_hash LIMIT {limit}"
        ));
        after.into_iter().fold(query, |query, after| query.bind(after.to_owned()))
    }

    pub(super) fn beneath(&self, beneath: &str, after: Option<&str>) -> Filter {
        let exact = self.exact_name();
        let mut filter = Filter::new(self.dialect, self.padded_hash);
        if !beneath.is_empty() {
            let directory = beneath.trim_end_matches('/');
            let pattern = || format!("{}%", escape_like(beneath));
            // The dot comes before the slash, and the digits after it.
            let (before, end) = (format!("{directory}."), format!("{directory}0"));
            match self.dialect {
                Dialect::MySql => {
                    filter.add("name", ">", before, "");
                    filter.add("name", "<", end, "");
                    filter.add(exact, "LIKE", pattern(), " ESCAPE '|'");
                }
                Dialect::Postgres => filter.add(exact, "LIKE", pattern(), " ESCAPE '|'"),
                // Its LIKE ignores the case of ASCII.
                Dialect::Sqlite => {
                    // Of two lower bounds it would use one with the index.
                    if after.is_none() {
                        filter.add(exact, ">=", beneath.to_owned(), "");
                    }
                    filter.add(exact, "<", end, "");
                }
            }
        }
        if let Some(after) = after {
            filter.add(exact, ">", after.to_owned(), "");
        }
        filter
    }

    pub(super) fn select(
        &self,
        filter: Filter,
        order: Option<&str>,
        limit: usize,
    ) -> Query<'static> {
        let Sql { columns, table, .. } = self;
        let text = filter.text();
        let order = order.map(|order| format!(" ORDER BY {order}")).unwrap_or_default();
        filter.bind(prepared(format!("SELECT {columns} FROM {table}{text}{order} LIMIT {limit}")))
    }

    /// The name as something that compares by bytes.
    fn exact_name(&self) -> &'static str {
        match self.dialect {
            // As bytes: utf8mb4_bin takes `a` and `a ` for one name.
            Dialect::MySql => "CAST(CONVERT(name USING utf8mb4) AS BINARY)",
            Dialect::Postgres => "name COLLATE \"C\"",
            Dialect::Sqlite => "name COLLATE BINARY",
        }
    }
}

/// Conditions that rows meet, and their arguments.
pub(super) struct Filter {
    dialect: Dialect,
    padded_hash: bool,
    conditions: Vec<String>,
    arguments: Vec<String>,
}

impl Filter {
    fn new(dialect: Dialect, padded_hash: bool) -> Self {
        Filter { dialect, padded_hash, conditions: Vec::new(), arguments: Vec::new() }
    }

    fn add(&mut self, left: &str, operator: &str, argument: String, right: &str) {
        self.arguments.push(argument);
        let parameter = parameter(self.dialect, self.arguments.len());
        self.conditions.push(format!("{left} {operator} {parameter}{right}"));
    }

    pub(super) fn add_key(&mut self, operator: &str, key: &str) {
        self.arguments.push(key.to_owned());
        let hash = hash_parameter(self.dialect, self.padded_hash, self.arguments.len());
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

    pub(super) fn bind(self, query: Query<'static>) -> Query<'static> {
        self.arguments.into_iter().fold(query, |query, argument| query.bind(argument))
    }
}

/// Escapes by `|`, which no server setting turns into something else.
fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '|' | '%' | '_') {
            escaped.push('|');
        }
        escaped.push(character);
    }
    escaped
}
