//! What can be done with the table as it is, by the user who is logged in.

use sqlx::Row as _;

use super::query::Query;
use super::{Index, fault, schema};
use crate::error::Result;

/// What was found out about a table.
pub(crate) struct Fitness {
    /// Verbs that cannot be used, and why.
    pub(crate) refused: Vec<(&'static str, String)>,
    /// What is not as it should be, though the table can be used.
    pub(crate) advice: Vec<String>,
}

impl Index {
    /// Tries each verb out, in transactions that are rolled back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) where nothing can be done with the
    /// table at all, and those of a database that does not answer.
    pub(crate) async fn fitness(&self) -> Result<Fitness> {
        let shape = self.shape().await?;
        let text = self.pool.database().indexed();
        let rows = self.fetch("inspect", &self.table, |_| schema::about(text, &self.table)).await?;
        let indexed: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let indexed = indexed.map_err(|error| fault::convert(error, "inspect", &self.table))?;
        let advice = shape.advice(&indexed);
        let mut refused = Vec::new();
        if let Err(error) = shape.check_transactions(&self.table) {
            let reason = error.detail().to_owned();
            let refused = ["INSERT", "UPDATE", "DELETE"].map(|verb| (verb, reason.clone()));
            return Ok(Fitness { refused: refused.into(), advice });
        }
        for (verb, statement) in self.sql().await?.trials() {
            let tried = match verb {
                "SELECT" => self.fetch("try", &self.table, |_| statement.clone()).await.map(drop),
                _ => self.try_out(statement).await,
            };
            if let Err(error) = tried {
                refused.push((verb, format!("{error:#}")));
            }
        }
        Ok(Fitness { refused, advice })
    }

    async fn try_out(&self, statement: Query) -> Result<()> {
        let (mut pending, _) = self.begin().await?;
        pending.connection.execute("try", &self.table, statement).await?;
        pending.roll_back().await
    }
}
