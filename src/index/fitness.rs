//! What can be done with the table as it is, by the user who is logged in.

use std::fmt;

use sqlx::Row as _;

use super::query::Query;
use super::{Index, fault, schema};
use crate::error::{Error, Result};

/// What was found out about a table.
pub(crate) struct Fitness {
    /// Verbs that cannot be used, and why.
    pub(crate) refused: Vec<(&'static str, String)>,
    /// What is not as it should be, though the table can be used.
    pub(crate) advice: Vec<Advice>,
}

/// Something of a table that is not as it should be, though it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "`ezdfs doctor` reads it"))]
    pub(crate) topic: Topic,
    pub(crate) what: String,
    pub(crate) cost: &'static str,
}

/// What an advice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// No index begins with this column.
    Index(&'static str),
    /// This column is too narrow.
    Width(&'static str),
    Charset,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.cost)
    }
}

impl Index {
    /// Tries each verb out, in transactions that are rolled back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) where nothing can be done with the
    /// table at all, and those of a database that does not answer.
    pub(crate) async fn fitness(&self) -> Result<Fitness> {
        let shape = self.shape(&self.main).await?;
        let advice = shape.advice(&self.indexed().await?);
        if let Err(error) = shape.check_transactions(&self.main.name) {
            let reason = error.detail().to_owned();
            let refused = ["INSERT", "UPDATE", "DELETE"].map(|verb| (verb, reason.clone()));
            return Ok(Fitness { refused: refused.into(), advice });
        }
        let refused = self.refusals(false).await?.into_iter();
        let refused = refused.map(|(verb, error)| (verb, format!("{error:#}"))).collect();
        Ok(Fitness { refused, advice })
    }

    /// The verbs that are refused when they are tried out, in transactions that are rolled back.
    /// Not to be asked of a table that has none. `only_reads`: nothing is tried but SELECT.
    pub(crate) async fn refusals(&self, only_reads: bool) -> Result<Vec<(&'static str, Error)>> {
        let mut refused = Vec::new();
        let trials = self.sql(&self.main).await?.trials().into_iter();
        for (verb, statement) in trials.filter(|(verb, _)| !only_reads || *verb == "SELECT") {
            let tried = match verb {
                "SELECT" => self
                    .fetch(&self.main, "try", &self.main.name, |_| statement.clone())
                    .await
                    .map(drop),
                _ => self.try_out(statement).await,
            };
            if let Err(error) = tried {
                refused.push((verb, error));
            }
        }
        Ok(refused)
    }

    /// The columns with which indexes begin.
    pub(super) async fn indexed(&self) -> Result<Vec<String>> {
        let text = self.pool.database().indexed();
        let rows = self
            .fetch(&self.main, "inspect", &self.main.name, |_| schema::about(text, &self.main.name))
            .await?;
        let indexed: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        indexed.map_err(|error| fault::convert(error, "inspect", &self.main.name))
    }

    /// What is not as it should be in a table that can be used.
    #[cfg(feature = "cli")]
    pub(crate) async fn advice(&self) -> Result<Vec<Advice>> {
        Ok(self.shape(&self.main).await?.advice(&self.indexed().await?))
    }

    async fn try_out(&self, statement: Query) -> Result<()> {
        let (mut pending, _) = self.begin(&self.main).await?;
        pending.connection.execute("try", &self.main.name, statement).await?;
        pending.roll_back().await
    }
}
