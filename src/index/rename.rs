//! Another name for the table, while writers go on under both.

use std::time::Duration;

use sqlx::Row as _;

use super::connect::Purpose;
use super::guard::Guard;
use super::{FeedState, Index, fault, fitted, schema};
use crate::error::{Error, ErrorKind, Result};

/// How long others are let pass before the next attempt.
const PAUSE: Duration = Duration::from_millis(3);

/// What became of a table's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenamedTable {
    /// The table has the new name, and a view of it the old one.
    Renamed,
    /// That was so before.
    AlreadyRenamed,
    /// The table had the new name already, and nothing the old one: that is a view's now.
    ViewMade,
    /// The old name was that of a view, and is nothing's now.
    ViewDropped,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Nothing,
    Table,
    /// A view that has all of the other name's rows and columns.
    ViewOfOther,
    OtherView,
}

impl Index {
    /// Gives the table another name in the same schema and leaves a view under its own. Where that
    /// was begun before, it goes on.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidConfig`]: the database's views cannot be written to, a change log is
    ///   there, or the user may not do this.
    /// - [`ErrorKind::InvalidInput`]: the other name is taken.
    pub(crate) async fn rename_table(&self, to: &str) -> Result<RenamedTable> {
        let database = self.pool.database();
        let Some(statements) = database.rename(self.table(), to, false) else {
            return Err(self.cannot_be_written_as_view(to));
        };
        let relations = self.relations(to).await?;
        if relations.0 == Relation::Table {
            // Of another table it is nobody's wish.
            self.writable_shape(&self.main).await?;
        }
        match relations {
            (Relation::Table, Relation::Nothing) => {
                self.require_no_feed(to).await?;
                self.change_names(&statements).await?;
                Ok(RenamedTable::Renamed)
            }
            (Relation::Table, Relation::ViewOfOther) => {
                self.require_no_feed(to).await?;
                let statements = database.rename(self.table(), to, true).unwrap_or_default();
                self.change_names(&statements).await?;
                Ok(RenamedTable::Renamed)
            }
            (Relation::ViewOfOther, Relation::Table) => {
                self.change_names(&database.clear_rename(self.table())).await?;
                Ok(RenamedTable::AlreadyRenamed)
            }
            (Relation::Nothing, Relation::Table) => {
                let view = format!("CREATE VIEW {} AS SELECT * FROM {to}", self.table());
                self.change_names(&[view]).await?;
                Ok(RenamedTable::ViewMade)
            }
            (Relation::Nothing, Relation::Nothing) => {
                Err(Error::new(ErrorKind::Schema, "table", self.table(), "there is no such table"))
            }
            (old, new) => Err(self.taken(to, old, new)),
        }
    }

    /// Removes the view under the old name, if it is one of the table of the new.
    ///
    /// # Errors
    ///
    /// As [`Index::rename_table`].
    pub(crate) async fn drop_view_of(&self, of: &str) -> Result<RenamedTable> {
        match self.relations(of).await? {
            (Relation::ViewOfOther, Relation::Table) => {
                self.change_names(&[format!("DROP VIEW {}", self.table())]).await?;
                Ok(RenamedTable::ViewDropped)
            }
            (Relation::Nothing, Relation::Table) => Ok(RenamedTable::ViewDropped),
            (old, new) => Err(self.taken(of, old, new)),
        }
    }

    /// What stands under this table's name and another.
    async fn relations(&self, other: &str) -> Result<(Relation, Relation)> {
        let look = || async {
            let mut connection = self.pool.get(Purpose::Write).await?;
            let own = self.relation(&mut connection, self.table(), other).await?;
            Ok((own, self.relation(&mut connection, other, self.table()).await?))
        };
        self.attempts().repeat(look).await
    }

    async fn relation(&self, connection: &mut Guard, name: &str, other: &str) -> Result<Relation> {
        let database = self.pool.database();
        let query = schema::about(database.relation(), name);
        let rows = connection.fetch_all("inspect", name, query).await?;
        let Some(row) = rows.first() else { return Ok(Relation::Nothing) };
        let columns =
            || -> Result<(i64, String), sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        let (is_view, definition) =
            columns().map_err(|error| fault::convert(error, "inspect", name))?;
        if is_view == 0 {
            return Ok(Relation::Table);
        }
        let is_it = self.is_all_of(&definition, other);
        Ok(if is_it { Relation::ViewOfOther } else { Relation::OtherView })
    }

    /// Whether a view's definition has all rows of a table; databases write it in their own way.
    fn is_all_of(&self, definition: &str, table: &str) -> bool {
        let words: Vec<_> = definition.split_whitespace().collect();
        let definition = words.join(" ").to_ascii_lowercase().replace('`', "");
        let from = definition.rsplit(" from ").next().unwrap_or_default().trim_end_matches(';');
        let wanted = table.to_ascii_lowercase();
        let (schema, local) = wanted.rsplit_once('.').unwrap_or((&self.database, &wanted));
        match from.split_once('.') {
            Some((of, name)) => of.eq_ignore_ascii_case(schema) && name == local,
            // Where it is left out, it is that of the session.
            None => from == local,
        }
    }

    /// Each statement by itself: after any of them all is as whoever goes on expects it.
    async fn change_names(&self, statements: &[String]) -> Result<()> {
        let attempts = self.attempts();
        let mut connection = self.pool.get(Purpose::Write).await?;
        // What its session is told is for this alone: it is closed behind it.
        connection.hold();
        for statement in statements {
            loop {
                match connection.command("rename", self.table(), statement.clone()).await {
                    Err(error) if fault::is_busy(&error) && !attempts.are_over() => {
                        connection.command("rename", self.table(), "ROLLBACK").await?;
                        tokio::time::sleep(PAUSE).await;
                    }
                    done => break drop(done?),
                };
            }
            step!("name-changed");
        }
        fitted::table_is_made();
        Ok(())
    }

    /// Its triggers would go with the table and write a log of the old name, where nobody looks.
    async fn require_no_feed(&self, to: &str) -> Result<()> {
        if self.feed_state().await? == FeedState::Absent {
            return Ok(());
        }
        let table = self.table();
        let reason = format!(
            "it has a change log, which agents would not find under another name: remove it \
             (`ezdfs schema --table {table} --drop-feed`), and make it again afterwards \
             (`ezdfs schema --table {to} --create-feed`); nothing was changed"
        );
        Err(Error::new(ErrorKind::InvalidConfig, "rename", table, reason))
    }

    fn cannot_be_written_as_view(&self, to: &str) -> Error {
        let table = self.table();
        let reason = format!(
            "views of SQLite take no upsert, so that nobody could write under the old name: stop \
             all that use it, then `ALTER TABLE {table} RENAME TO {to}`"
        );
        Error::new(ErrorKind::InvalidConfig, "rename", table, reason)
    }

    fn taken(&self, other: &str, own: Relation, its: Relation) -> Error {
        let said = |relation| match relation {
            Relation::Nothing => "nothing",
            Relation::Table => "a table",
            Relation::ViewOfOther => "a view of the other",
            Relation::OtherView => {
                "another view, or one whose definition the user may not see (SHOW VIEW)"
            }
        };
        let table = self.table();
        let (own, its) = (said(own), said(its));
        let reason = format!("{table} is {own}, {other} is {its}; nothing was changed");
        Error::new(ErrorKind::InvalidInput, "rename", table, reason)
    }
}
