//! Rows in the byte order of their names, page by page.

use super::sql::Sql;
use super::tables::Table;
use super::{Index, decode, schema};
use crate::error::Result;
use crate::metadata::Row;

/// Some rows of a listing, in the byte order of their names.
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// No row comes after these.
    pub(crate) is_last: bool,
}

impl Index {
    /// The first `limit` rows in byte order, live or not, whose names begin with
    /// these bytes and come after another. `None` where there are more and no
    /// index has that order: the database would sort them all for each page, and
    /// take longer than a query may. Then there is [`Index::sorted`].
    pub(crate) async fn list(
        &self,
        beneath: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Page>> {
        let (mut rows, mut is_last) = (Vec::new(), true);
        for table in self.tables_beneath(beneath) {
            let in_order = self.is_ordered_in(table).await?;
            let list = |sql: &Sql| sql.list(beneath, after, limit + 1, in_order);
            let found = self.fetch(table, "list", beneath, list).await?;
            is_last &= found.len() <= limit;
            if !in_order && found.len() > limit {
                return Ok(None);
            }
            for row in found.iter().take(limit) {
                rows.push(decode(row, beneath)?);
            }
        }
        rows.sort_unstable_by(|one: &Row, other| one.name.cmp(&other.name));
        is_last &= rows.len() <= limit;
        rows.truncate(limit);
        Ok(Some(Page { rows, is_last }))
    }

    #[cfg(any(feature = "cli", test))]
    pub(super) async fn is_ordered(&self) -> Result<bool> {
        self.is_ordered_in(&self.main).await
    }

    async fn is_ordered_in(&self, table: &Table) -> Result<bool> {
        let ask = async || {
            let Some(text) = self.pool.database().ordered_index() else { return Ok(false) };
            let query = |_: &Sql| schema::about(text, &table.name);
            Ok(!self.fetch(table, "inspect", &table.name, query).await?.is_empty())
        };
        table.is_ordered.get_or_try_init(ask).await.copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use crate::index::connect::Purpose;
    use crate::runtime;

    #[test]
    fn an_index_in_byte_order_is_recognised() {
        for (collation, expected) in [("", true), ("COLLATE NOCASE", false)] {
            let directory = tempfile::tempdir().unwrap();
            let dsn = format!("sqlite:{}/db", directory.path().display());
            let mut options = Options::builder();
            options.set("dsn", &dsn).unwrap().set("root", "/nowhere").unwrap();
            let index =
                Index::new(&options.build().unwrap(), &crate::stats::Stats::new(None)).unwrap();
            let is_ordered = runtime::block_on(async {
                index.create_schema().await?;
                let mut connection = index.pool.get(Purpose::Write).await?;
                for statement in [
                    "DROP INDEX ezdfsfile_name".to_owned(),
                    format!("CREATE INDEX another ON ezdfsfile (name {collation})"),
                ] {
                    connection.command("create", "ezdfsfile", statement).await?;
                }
                drop(connection);
                index.is_ordered().await
            });
            assert_eq!(is_ordered.unwrap(), expected, "{collation}");
        }
    }
}
