//! Looking up rows by their names, and whether one that is not there is missing.

use std::collections::HashMap;

use sqlx::any::AnyRow;

use super::connect::Purpose;
use super::guard::Authority;
use super::query::Query;
use super::sql::Sql;
use super::tables::Table;
use super::{BATCH, Index, bind_all, decode, fault, found_key};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Row;
use crate::name::FileName;

impl Index {
    /// The row of this name, live or not.
    ///
    /// # Errors
    ///
    /// Besides those of the database, [`ErrorKind::Unavailable`] where no live row
    /// is found on a server that may not have it yet.
    pub(crate) async fn find(&self, name: &FileName) -> Result<Option<Row>> {
        let hash = name.hash();
        let find = |sql: &Sql| sql.find().bind(hash.clone());
        let one = |rows: &[AnyRow]| rows.first().map(|row| decode(row, name.as_str())).transpose();
        let is_live = |row: &Option<Row>| row.as_ref().is_some_and(Row::is_live);
        let table = self.table_of(name);
        let (row, knows_all) = self.look_up(table, name.as_str(), find, one, is_live).await?;
        if knows_all || is_live(&row) { Ok(row) } else { Err(may_lag(name)) }
    }

    /// The rows of these names that exist, live or not, by their keys: what a row
    /// says of its name is not asked, here as little as for one, and one that
    /// cannot be read is no trouble of the others. Nor is one that
    /// [`Index::find`] would have an error for.
    pub(crate) async fn find_many(
        &self,
        names: &[FileName],
    ) -> Result<HashMap<String, Result<Row>>> {
        debug_assert!(names.len() <= BATCH);
        let groups = self.by_table(names);
        let is_one = groups.len() == 1;
        let mut rows = HashMap::new();
        for (table, names) in groups {
            match self.find_many_in(table, &names).await {
                // A table that cannot be read is no trouble of the other's rows.
                Err(error) if !is_one => {
                    rows.extend(names.iter().map(|name| (name.hash(), Err(error.clone()))));
                }
                found => rows.extend(found?),
            }
        }
        Ok(rows)
    }

    async fn find_many_in(
        &self,
        table: &Table,
        names: &[FileName],
    ) -> Result<HashMap<String, Result<Row>>> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let find = |sql: &Sql| bind_all(sql.find_many(names.len()), names);
        let one = |row: &AnyRow| Ok((found_key(row, 6)?, decode(row, &table.name)));
        let all = |rows: &[AnyRow]| {
            let rows: Result<HashMap<_, _>, sqlx::Error> = rows.iter().map(one).collect();
            rows.map_err(|error| fault::convert(error, "find", &table.name))
        };
        let is_missing = |rows: &HashMap<String, Result<Row>>, name: &FileName| {
            rows.get(&name.hash()).is_none_or(|row| row.as_ref().is_ok_and(|row| !row.is_live()))
        };
        let is_whole = |rows: &_| !names.iter().any(|name| is_missing(rows, name));
        let (mut rows, knows_all) = self.look_up(table, &table.name, find, all, is_whole).await?;
        if !knows_all {
            for name in names.iter().filter(|name| is_missing(&rows, name)).collect::<Vec<_>>() {
                rows.insert(name.hash(), Err(may_lag(name)));
            }
        }
        Ok(rows)
    }

    /// Looks for rows that should be there. Where some are not, says whether the
    /// server knows of all that was acknowledged; asks another one, if it takes no
    /// writes any more.
    async fn look_up<T: Send>(
        &self,
        table: &Table,
        subject: &str,
        query: impl Fn(&Sql) -> Query + Sync,
        decode: impl Fn(&[AnyRow]) -> Result<T> + Sync,
        is_whole: impl Fn(&T) -> bool + Sync,
    ) -> Result<(T, bool)> {
        let ask = || async {
            let sql = self.sql(table).await?;
            loop {
                let mut connection = self.pool.get(Purpose::Read).await?;
                let rows = connection.fetch_all("find", subject, query(&sql)).await?;
                let found = decode(&rows)?;
                if connection.is_of_one_server() || is_whole(&found) {
                    return Ok((found, true));
                }
                match connection.authority().await? {
                    Authority::Lost => {}
                    authority => return Ok((found, authority == Authority::Whole)),
                }
            }
        };
        self.attempts().repeat(ask).await
    }
}

/// Missing on a server that takes no writes, and so may not have it yet.
fn may_lag(name: &FileName) -> Error {
    let reason = "the server that answers takes no writes and may not have it yet";
    Error::new(ErrorKind::Unavailable, "find", name.as_str(), reason)
}
