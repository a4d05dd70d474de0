//! Rows with all their columns.

#[cfg(feature = "cli")]
use super::hash_parameter;
use super::{Sql, flag, literal, prepared};
use crate::index::query::Query;
use crate::index::record::Record;

impl Sql {
    /// To bind: so many keys, and as many as [`places`](super::places) says. Gives
    /// the columns of a row, its key, `name_trunk` and, where the table has it,
    /// `status`, and locks them.
    pub(in crate::index) fn records(&self, count: usize) -> Query {
        let (columns, table) = (self.record_columns(), &self.table);
        let (hashes, lock) = (self.hash_parameters(count), self.database.lock());
        prepared(format!(
            "SELECT {columns} FROM {table} WHERE name_hash IN ({hashes}) ORDER BY name_hash{lock}"
        ))
    }

    /// To bind: a key. The same columns, locked by nobody.
    #[cfg(feature = "cli")]
    pub(in crate::index) fn record(&self) -> Query {
        let (columns, table) = (self.record_columns(), &self.table);
        let hash = hash_parameter(self.database, self.padded_hash, 1);
        prepared(format!("SELECT {columns} FROM {table} WHERE name_hash = {hash}"))
    }

    fn record_columns(&self) -> String {
        let Sql { database, columns, .. } = self;
        let text = database.text();
        let status = self.status_is_boolean.map(|boolean| flag(*database, boolean, "status"));
        let status = status.map(|status| format!(", {status}")).unwrap_or_default();
        format!("{columns}, CAST(name_trunk AS {text}){status}")
    }

    /// Affects no row where there is one of this key, or, on MySQL, fails.
    pub(in crate::index) fn insert_record(&self, record: &Record) -> Query {
        let Sql { database, table, .. } = self;
        let expired = literal(self.expired_is_boolean, record.expired);
        let status = self.status_is_boolean.map(|boolean| {
            let status = literal(boolean, record.status.unwrap_or_default());
            (", status", format!(", {status}"))
        });
        let (column, status) = status.unwrap_or_default();
        let values: Vec<_> = (1..=7).map(|number| database.parameter(number)).collect();
        let into = format!(
            "INTO {table} \
             (name, name_trunk, name_hash, datatype, scope, size, mtime, expired{column}) \
             VALUES ({}, {expired}{status})",
            values.join(", ")
        );
        prepared(database.insert(&into))
            .bind(record.name.clone())
            .bind(record.name_trunk.clone())
            .bind(record.name_hash.clone())
            .bind(record.datatype.clone())
            .bind(record.scope.clone())
            .bind(record.size)
            .bind(record.mtime)
    }

    /// Whether keys come with blanks behind them that they do not have.
    pub(in crate::index) fn pads_keys(&self) -> bool {
        self.padded_hash
    }

    pub(in crate::index) fn has_status(&self) -> bool {
        self.status_is_boolean.is_some()
    }
}
