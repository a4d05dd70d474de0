//! The statements for the table as it is. It may change while everybody goes on: columns
//! get other types, an upgrade renames it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Index;
use super::schema::Shape;
use super::sql::Sql;
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
}

impl Fitted {
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

impl Index {
    /// The statements for this table; looks at its shape the first time, and again
    /// after a statement did not fit it.
    pub(super) async fn sql(&self) -> Result<Arc<Sql>> {
        let mut found = self.fitted.0.lock().await;
        let doubts = self.pool.doubts();
        if let Some(Found { sql, at, doubts: known }) = &*found
            && ((sql.is_ok() && *known == doubts) || at.elapsed() < PAUSE)
        {
            return sql.clone();
        }
        let sql = self.shape().await.map(|shape| self.fit(&shape));
        // Only what is known of the table is remembered, not that nobody could say.
        let is_known =
            sql.as_ref().map_or_else(|error| error.kind() == ErrorKind::Schema, |_| true);
        *found = is_known.then(|| Found { sql: sql.clone(), at: Instant::now(), doubts });
        sql
    }

    /// The same for what changes rows. A table that may only be read is looked at
    /// again, because its engine can be changed while everybody goes on.
    pub(super) async fn sql_for_writing(&self) -> Result<Arc<Sql>> {
        let sql = self.sql().await?;
        if !sql.has_transactions() {
            self.check_schema().await?;
        }
        Ok(sql)
    }

    fn fit(&self, shape: &Shape) -> Arc<Sql> {
        Arc::new(Sql::new(self.pool.database(), &self.table, shape))
    }
}
