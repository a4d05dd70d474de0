//! The statements for the table as it is. It may change while everybody goes on: columns
//! get other types, an upgrade renames it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Index;
use super::schema::Shape;
use super::sql::Sql;
use super::tables::Table;
use crate::error::{Error, ErrorKind, Result};

/// How soon after the table was looked at it is looked at again at most.
const PAUSE: Duration = Duration::from_secs(1);

/// What was found when the table was last looked at.
#[derive(Default)]
pub(super) struct Fitted(Mutex<Option<Found>>);

struct Found {
    sql: Result<Arc<Sql>, Error>,
    at: Instant,
    /// How often statements had failed because of its shape by then.
    doubts: u64,
    /// How many tables had been made.
    made: u64,
}

/// How often a table was made by this process: what was found before may be of one that
/// was not there.
static MADE: AtomicU64 = AtomicU64::new(0);

/// To be called after a table was made, by whichever store.
pub(super) fn table_is_made() {
    MADE.fetch_add(1, Ordering::SeqCst);
}

impl Index {
    /// The statements for this table; looks at its shape the first time, and again
    /// after a statement did not fit it.
    pub(super) async fn sql(&self, table: &Table) -> Result<Arc<Sql>> {
        let mut found = table.fitted.0.lock().await;
        let (doubts, made) = (self.pool.doubts(), MADE.load(Ordering::SeqCst));
        if let Some(found) = &*found
            && found.made == made
            && ((found.sql.is_ok() && found.doubts == doubts) || found.at.elapsed() < PAUSE)
        {
            return found.sql.clone();
        }
        let sql = self.shape(table).await.map(|shape| self.fit(table, &shape));
        // Only what is known of the table is remembered, not that nobody could say.
        let is_known = !sql.as_ref().is_err_and(|error| error.kind() != ErrorKind::Schema);
        *found = is_known.then(|| Found { sql: sql.clone(), at: Instant::now(), doubts, made });
        sql
    }

    /// The same for what changes rows. A table that may only be read is looked at
    /// again, because its engine can be changed while everybody goes on.
    pub(super) async fn sql_for_writing(&self, table: &Table) -> Result<Arc<Sql>> {
        let sql = self.sql(table).await?;
        if !sql.has_transactions() {
            self.writable_shape(table).await?;
        }
        Ok(sql)
    }

    fn fit(&self, table: &Table, shape: &Shape) -> Arc<Sql> {
        let sql = Sql::new(self.pool.database(), &table.name, shape);
        Arc::new(sql.holding(table.names))
    }
}
