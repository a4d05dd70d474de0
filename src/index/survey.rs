//! What is asked about the table as a whole, and about its like in the same
//! database.

use std::collections::HashSet;

use sqlx::Row as _;

use super::sql::Sql;
use super::tables::{Names, Table};
use super::{BATCH, Index, Keyed, bind_keys, fault, found_key, keyed};
use crate::error::{Error, ErrorKind, Result};
use crate::name::FileName;
use crate::random;

/// Where the keys are cut to be counted where each name has to be converted:
/// a part at a time stays within the time that one query may take.
const CUTS: &str = "123456789abcdef";

impl Index {
    /// How many rows, live or not, have names that begin so; all if it is empty.
    pub(crate) async fn count(&self, beneath: &str) -> Result<u64> {
        let mut count = 0;
        for table in self.tables_beneath(beneath) {
            count += self.count_in(table, beneath).await?;
        }
        Ok(count)
    }

    async fn count_in(&self, table: &Table, beneath: &str) -> Result<u64> {
        let mut count = 0;
        let mut from = None;
        let asks_names = !beneath.is_empty() || table.names != Names::All;
        let is_slow = self.pool.database().counts_slowly() && asks_names;
        let cuts = if is_slow { CUTS } else { "" };
        for at in 0..=cuts.len() {
            let to = cuts.get(at..=at);
            let part = |sql: &Sql| sql.count(beneath, from, to);
            let rows = self.fetch(table, "count", beneath, part).await?;
            let part: Option<i64> = match rows.first() {
                Some(row) => {
                    row.try_get(0).map_err(|error| fault::convert(error, "count", beneath))?
                }
                None => None,
            };
            count += part.unwrap_or_default().unsigned_abs();
            from = to;
        }
        Ok(count)
    }

    /// The largest `mtime` of all rows; none where there are no rows.
    pub(crate) async fn newest(&self) -> Result<Option<i64>> {
        let mut newest = None;
        for table in self.tables() {
            let rows = self.fetch(table, "find", &table.name, Sql::newest).await?;
            let found: Result<Option<i64>, _> = rows.first().map_or(Ok(None), |row| row.try_get(0));
            let found = found.map_err(|error| fault::convert(error, "find", &table.name))?;
            newest = newest.max(found);
        }
        Ok(newest)
    }

    /// Live rows whose names begin so, `limit` of them or all if they are fewer:
    /// those that follow a random key, which come from all over the tree.
    pub(crate) async fn live_sample(&self, beneath: &str, limit: usize) -> Result<Vec<Keyed>> {
        let mut start = [0; 16];
        random::fill(&mut start).map_err(|error| {
            Error::new(ErrorKind::Internal, "sample", beneath, "no random numbers")
                .with_source(error)
        })?;
        let start = format!("{:032x}", u128::from_be_bytes(start));
        let mut sample = Vec::new();
        for (table, operator) in
            self.tables_beneath(beneath).flat_map(|table| [(table, ">="), (table, "<")])
        {
            let left = limit - sample.len();
            if left > 0 {
                let live = |sql: &Sql| sql.live(beneath, operator, &start, left);
                sample.extend(keyed(&self.fetch(table, "list", beneath, live).await?, beneath)?);
            }
        }
        Ok(sample)
    }

    /// Those of these keys, which are digests in lower case, that a live row of
    /// these tables has.
    pub(crate) async fn live_among(&self, keys: &[String]) -> Result<HashSet<String>> {
        let mut live = HashSet::new();
        for table in self.tables() {
            self.add_live(table, None, keys, &mut live).await?;
        }
        Ok(live)
    }

    /// The keys of those of these names that have a live row in the table of others: nobody finds
    /// it, but the options may be wrong, and it be right.
    pub(crate) async fn live_out_of_place(&self, names: &[FileName]) -> Result<HashSet<String>> {
        let mut live = HashSet::new();
        for (table, names) in self.by_table(names) {
            let keys: Vec<_> = names.iter().map(FileName::hash).collect();
            for other in self.tables().filter(|other| !std::ptr::eq(*other, table)) {
                self.add_live(other, None, &keys, &mut live).await?;
            }
        }
        Ok(live)
    }

    /// Those that a live row of another table of the kind has.
    pub(crate) async fn live_in_siblings(&self, keys: &[String]) -> Result<HashSet<String>> {
        match self.live_in_known_siblings(keys).await {
            Err(error) if error.kind() == ErrorKind::Schema => {
                self.forget_siblings().await;
                self.live_in_known_siblings(keys).await
            }
            live => live,
        }
    }

    async fn live_in_known_siblings(&self, keys: &[String]) -> Result<HashSet<String>> {
        let mut live = HashSet::new();
        for sibling in &self.look_for_siblings().await?.statements {
            self.add_live(&self.main, Some(sibling), keys, &mut live).await?;
        }
        Ok(live)
    }

    async fn add_live(
        &self,
        own: &Table,
        sibling: Option<&Sql>,
        keys: &[String],
        live: &mut HashSet<String>,
    ) -> Result<()> {
        let table = sibling.map_or(&*own.name, Sql::table);
        for keys in keys.chunks(BATCH) {
            let ask = |sql: &Sql| {
                bind_keys(sibling.unwrap_or(sql).live_keys(keys.len()), keys.iter().cloned())
            };
            for row in self.fetch(own, "find", table, ask).await? {
                let key = found_key(&row, 0);
                live.insert(key.map_err(|error| fault::convert(error, "find", table))?);
            }
        }
        Ok(())
    }
}
