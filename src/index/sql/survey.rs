//! The statements that ask about a table as a whole.

use super::{Sql, flag, prepared};
use crate::index::query::Query;
use crate::metadata::Row;
use crate::name::FileName;

impl Sql {
    /// The number of rows below a prefix whose keys are not below the one and below
    /// the other.
    pub(in crate::index) fn count(
        &self,
        beneath: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Query {
        let integer = self.database.integer();
        let mut filter = self.beneath(beneath, None);
        from.into_iter().for_each(|key| filter.add_key(">=", key));
        to.into_iter().for_each(|key| filter.add_key("<", key));
        let (table, text) = (&self.table, filter.text());
        filter.bind(prepared(format!("SELECT CAST(COUNT(*) AS {integer}) FROM {table}{text}")))
    }

    /// The largest `mtime`, or NULL.
    pub(in crate::index) fn newest(&self) -> Query {
        let integer = self.database.integer();
        prepared(format!("SELECT CAST(MAX(mtime) AS {integer}) FROM {}", self.table))
    }

    /// Live rows below a prefix in the order of their keys, those that compare so
    /// with a key.
    pub(in crate::index) fn live(
        &self,
        beneath: &str,
        operator: &str,
        key: &str,
        limit: usize,
    ) -> Query {
        let mut filter = self.beneath(beneath, None);
        filter.add_plain(self.is_live());
        filter.add_key(operator, key);
        self.select(filter, Some("name_hash"), limit)
    }

    /// To bind: so many keys, and as many as [`places`](super::places) says. Those
    /// of them that live rows have.
    pub(in crate::index) fn live_keys(&self, count: usize) -> Query {
        let text = self.database.text();
        let (hashes, is_live) = (self.hash_parameters(count), self.is_live());
        prepared(format!(
            "SELECT CAST(name_hash AS {text}) FROM {} WHERE name_hash IN ({hashes}) AND {is_live}",
            self.table
        ))
    }

    /// Fails where the table cannot be read.
    pub(in crate::index) fn probe(&self) -> Query {
        prepared(format!("SELECT 1 FROM {} LIMIT 1", self.table))
    }

    /// What shows whether each verb can be used, in a transaction that is rolled back.
    pub(in crate::index) fn trials(&self) -> [(&'static str, Query); 4] {
        let Sql { table, .. } = self;
        let own = |column: &&str| format!("{column} = {column}");
        let columns = ["name", "name_trunk", "datatype", "scope", "size", "mtime", "expired"];
        let all = columns.iter().map(own).collect::<Vec<_>>().join(", ");
        let none = "WHERE name_hash = ''";
        let (name, row) = usual_row();
        [
            ("SELECT", self.probe()),
            ("INSERT", self.insert(&name, &row)),
            ("UPDATE", prepared(format!("UPDATE {table} SET {all} {none}"))),
            ("DELETE", prepared(format!("DELETE FROM {table} {none}"))),
        ]
    }

    /// The INSERT among them, and the key of its row.
    #[cfg(feature = "cli")]
    pub(in crate::index) fn trial_row(&self) -> (Query, String) {
        let (name, row) = usual_row();
        (self.insert(&name, &row), name.hash())
    }

    /// On MySQL as nothing that an index on `expired` is good for: nearly all rows
    /// are live, and it would sort them by their keys then.
    fn is_live(&self) -> String {
        match self.expired_is_boolean {
            true => "mtime > 0 AND expired IS NOT TRUE".to_owned(),
            false => format!("mtime > 0 AND {} = 0", flag(self.database, false, "expired")),
        }
    }
}

/// Of no file, and as long as many a row is.
fn usual_row() -> (FileName, Row) {
    let name = format!("var/ezdfs/storage/images/{}/trial.odt", "of-the-table/".repeat(8));
    let row = Row {
        name: name.clone(),
        datatype: "application/vnd.oasis.opendocument.text".to_owned(),
        scope: "UNKNOWN_SCOPE".to_owned(),
        size: 100_000,
        mtime: 1_700_000_000,
        expired: false,
    };
    (FileName::stored(&name), row)
}
