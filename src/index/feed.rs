//! The change log: a table beside the metadata table, and triggers that tell it the key of each
//! row that anybody inserts, updates or deletes.

use md5::{Digest, Md5};
use sqlx::Row as _;

use super::connect::Purpose;
use super::database::{Feed, Trigger};
use super::guard::Guard;
use super::sql::feed as statements;
use super::{Index, fault, schema};
#[cfg(feature = "cli")]
use super::{found_key, query::Query};
use crate::error::{Error, ErrorKind, Result};

/// What there is of a change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedState {
    /// Nothing.
    Absent,
    /// All of it.
    There,
    /// Changes may be missing in it, or nobody can tell: why.
    Broken(Vec<String>),
}

/// What is said where no trigger is seen of a log that is there.
pub(crate) const UNSEEN: &str = "or the user may not see it (TRIGGER)";

const COLUMNS: [&str; 4] = ["number", "name_hash", "name", "changed_at"];

/// What was found of a change log's parts.
struct Found {
    log: Vec<String>,
    /// Names and definitions.
    triggers: Vec<(String, String)>,
}

impl Found {
    fn is_another_s(&self) -> bool {
        !self.log.is_empty() && COLUMNS.iter().any(|column| !self.log.iter().any(|it| it == column))
    }

    fn has(&self, trigger: &Trigger) -> bool {
        self.triggers.iter().any(|(name, _)| name.eq_ignore_ascii_case(&trigger.name))
    }

    fn is_right(&self, trigger: &Trigger) -> bool {
        let is_it = |(name, definition): &(String, String)| {
            name.eq_ignore_ascii_case(&trigger.name) && definition.ends_with(&trigger.definition)
        };
        self.triggers.iter().any(is_it)
    }

    fn state(&self, feed: &Feed, triggers: &[Trigger]) -> FeedState {
        let Feed { table, log, .. } = feed;
        let there = triggers.iter().filter(|trigger| self.has(trigger)).count();
        if self.is_another_s() {
            return FeedState::Broken(vec![format!("the table {log} is no change log")]);
        }
        let mut faults = Vec::new();
        match (self.log.is_empty(), there) {
            (true, 0) => return FeedState::Absent,
            (true, _) => faults.push(format!(
                "there is no table {log}, and writers fail, or the user may not see it (SELECT)"
            )),
            (false, 0) => {
                faults.push(format!("{table} has no trigger that writes {log}, {UNSEEN}"))
            }
            (false, _) => {}
        }
        for trigger in triggers.iter().filter(|_| there > 0) {
            match (self.has(trigger), self.is_right(trigger)) {
                (false, _) => faults.push(format!("the trigger {} is missing", trigger.name)),
                (_, false) => faults.push(format!("the trigger {} is another", trigger.name)),
                _ => {}
            }
        }
        if faults.is_empty() { FeedState::There } else { FeedState::Broken(faults) }
    }
}

impl Index {
    /// What there is of the change log.
    pub(crate) async fn feed_state(&self) -> Result<FeedState> {
        Ok(self.marked_feed_state().await?.0)
    }

    /// The same, with the mark of the triggers that were looked at.
    pub(crate) async fn marked_feed_state(&self) -> Result<(FeedState, u64)> {
        let look = || async {
            let mut connection = self.pool.get(Purpose::Read).await?;
            let feed = self.feed(&mut connection).await?;
            let found = self.find_feed(&mut connection, &feed).await?;
            let mark = self.mark(&found.triggers);
            Ok((found.state(&feed, &self.pool.database().triggers(&feed)), mark))
        };
        self.attempts().repeat(look).await
    }

    /// Whether an INSERT is logged, for who may not see the triggers. It is rolled back.
    #[cfg(feature = "cli")]
    pub(crate) async fn is_insert_logged(&self) -> Result<bool> {
        let (mut pending, sql) = self.begin(&self.main).await?;
        let feed = self.feed(&mut pending.connection).await?;
        let (insert, key) = sql.trial_row();
        pending.connection.execute("try", &self.main.name, insert).await?;
        let last = Query::new(statements::last_keys(self.pool.database(), &feed));
        let rows = pending.connection.fetch_all("try", &self.main.name, last).await?;
        pending.roll_back().await?;
        Ok(rows.iter().any(|row| found_key(row, 0).is_ok_and(|found| found == key)))
    }

    /// Makes the change log, or what of it is missing. A log that was not written by all its
    /// triggers is begun anew: whoever follows it reads the table then.
    ///
    /// # Errors
    ///
    /// Where the user may not make it; then nothing is left of what was not there before.
    pub(crate) async fn create_feed(&self) -> Result<()> {
        self.check_schema().await?;
        let mut connection = self.pool.get(Purpose::Write).await?;
        let feed = self.feed(&mut connection).await?;
        let triggers = self.pool.database().triggers(&feed);
        let found = self.find_feed(&mut connection, &feed).await?;
        if found.state(&feed, &triggers) == FeedState::There {
            let first = statements::first_entry(self.pool.database(), &feed);
            return self.say(&mut connection, first).await;
        }
        self.require_own_log(&found, &feed)?;
        let made = self.make_feed(&mut connection, &feed, &triggers).await;
        if made.is_err() {
            // What remains would fail every writer, or say nothing of most changes.
            let mut connection = self.pool.get(Purpose::Write).await?;
            let _ = self.remove_feed(&mut connection, &feed, &triggers).await;
        }
        made
    }

    /// Removes the change log and its triggers.
    pub(crate) async fn drop_feed(&self) -> Result<()> {
        let mut connection = self.pool.get(Purpose::Write).await?;
        let feed = self.feed(&mut connection).await?;
        let found = self.find_feed(&mut connection, &feed).await?;
        self.require_own_log(&found, &feed)?;
        let triggers = self.pool.database().triggers(&feed);
        self.remove_feed(&mut connection, &feed, &triggers).await
    }

    async fn make_feed(
        &self,
        connection: &mut Guard,
        feed: &Feed,
        triggers: &[Trigger],
    ) -> Result<()> {
        let database = self.pool.database();
        self.remove_feed(connection, feed, triggers).await?;
        self.say(connection, database.create_log(&feed.log)).await?;
        self.say(connection, statements::first_entry(database, feed)).await?;
        for statement in triggers.iter().flat_map(|trigger| &trigger.create) {
            self.say(connection, statement.clone()).await?;
        }
        Ok(())
    }

    /// The triggers first: they fail without the log, and with them the writers.
    async fn remove_feed(
        &self,
        connection: &mut Guard,
        feed: &Feed,
        triggers: &[Trigger],
    ) -> Result<()> {
        for statement in triggers.iter().flat_map(|trigger| &trigger.drop) {
            self.say(connection, statement.clone()).await?;
        }
        self.say(connection, statements::drop_log(feed)).await
    }

    fn require_own_log(&self, found: &Found, feed: &Feed) -> Result<()> {
        match found.is_another_s() {
            true => Err(Error::new(
                ErrorKind::Schema,
                "table",
                &*feed.log,
                "it is no change log of ezdfs, whose place it has",
            )),
            false => Ok(()),
        }
    }

    async fn say(&self, connection: &mut Guard, statement: String) -> Result<()> {
        connection.command("change log", &self.main.name, statement).await.map(drop)
    }

    /// The names of the change log's parts.
    pub(super) async fn feed(&self, connection: &mut Guard) -> Result<Feed> {
        let (named, local) = match self.main.name.split_once('.') {
            Some((schema, local)) => (Some(schema.to_owned()), local),
            None => (None, &*self.main.name),
        };
        let schema = match self.pool.database().schema_of() {
            Some(text) => {
                let query = schema::about(text, &self.main.name);
                let rows = connection.fetch_all("inspect", &self.main.name, query).await?;
                let schema = rows.first().map(|row| row.try_get(0)).transpose();
                schema.map_err(|error| fault::convert(error, "inspect", &self.main.name))?
            }
            None => named,
        };
        let schema = schema.map(|schema: String| schema + ".").unwrap_or_default();
        Ok(Feed {
            table: format!("{schema}{local}"),
            log: format!("{schema}{local}_changes"),
            local: local.to_owned(),
            schema,
        })
    }

    async fn find_feed(&self, connection: &mut Guard, feed: &Feed) -> Result<Found> {
        // What is bound is not quoted.
        let log = feed.log.replace('"', "");
        let log = schema::column_names(connection, self.pool.database(), &log).await?;
        Ok(Found { log, triggers: self.find_triggers(connection).await? })
    }

    /// Names and definitions.
    async fn find_triggers(&self, connection: &mut Guard) -> Result<Vec<(String, String)>> {
        let query = schema::about(self.pool.database().found_triggers(), &self.main.name);
        let rows = connection.fetch_all("inspect", &self.main.name, query).await?;
        let pair = |row: &sqlx::any::AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let triggers: Result<_, sqlx::Error> = rows.iter().map(pair).collect();
        triggers.map_err(|error| fault::convert(error, "inspect", &self.main.name))
    }

    /// What tells the triggers of the change log from others, and from the same that were made
    /// again: changes may have been missed in between.
    #[cfg(feature = "cli")]
    pub(crate) async fn feed_mark(&self) -> Result<u64> {
        let look = || async {
            let mut connection = self.pool.get(Purpose::Follow).await?;
            Ok(self.mark(&self.find_triggers(&mut connection).await?))
        };
        self.attempts().repeat(look).await
    }

    fn mark(&self, triggers: &[(String, String)]) -> u64 {
        let local = self.main.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let own = format!("{local}_feed");
        let is_own = |(name, _): &&(String, String)| name.to_ascii_lowercase().starts_with(&own);
        let mut triggers: Vec<_> = triggers.iter().filter(is_own).collect();
        triggers.sort();
        let digest = Md5::digest(format!("{triggers:?}"));
        digest.iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte))
    }
}
