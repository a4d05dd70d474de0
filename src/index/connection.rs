//! A connection to any of the databases, as sqlx has it for all of them. Not its
//! `AnyConnection`, which takes no options but those of a URL.

#[cfg(feature = "cli")]
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::Row as _;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AssertSqlSafe, Either, SqlSafeStr as _};
use sqlx_core::any::AnyConnectionBackend;

use super::panics::contained;
use super::query::Query;

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    backend: Box<dyn AnyConnectionBackend>,
    /// Among all that this process has made.
    #[cfg(feature = "cli")]
    number: u64,
    marker: Option<String>,
}

#[cfg(feature = "cli")]
static MADE: AtomicU64 = AtomicU64::new(0);

/// What a statement gave.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<AnyRow>,
    pub(super) affected: u64,
}

impl Connection {
    pub(super) fn new(connection: impl AnyConnectionBackend) -> Self {
        Connection {
            backend: Box::new(connection),
            #[cfg(feature = "cli")]
            number: MADE.fetch_add(1, Ordering::Relaxed),
            marker: None,
        }
    }

    /// Tells it from all others that this process has made.
    #[cfg(feature = "cli")]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// One whose server was told something when it was made.
    pub(super) fn marked(connection: impl AnyConnectionBackend, marker: String) -> Self {
        Connection { marker: Some(marker), ..Connection::new(connection) }
    }

    /// What its server was told.
    pub(super) fn marker(&self) -> Option<String> {
        self.marker.clone()
    }

    /// Prepares a statement, unless that was done, and runs it.
    pub(super) async fn run(&mut self, query: Query) -> Result<Answer, sqlx::Error> {
        let text = query.text.to_string();
        let arguments = query.bound()?;
        self.send(text, Some(arguments)).await
    }

    /// Runs statements that have no places, as they stand, in one round trip.
    pub(super) async fn command(&mut self, text: impl Into<String>) -> Result<Answer, sqlx::Error> {
        self.send(text.into(), None).await
    }

    /// The same; gives the rows of all of them, first column and last.
    pub(super) async fn ask(
        &mut self,
        text: impl Into<String>,
    ) -> Result<Vec<(String, String)>, sqlx::Error> {
        let rows = self.command(text).await?.rows;
        let pair = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(row.len() - 1)?));
        rows.iter().map(pair).collect()
    }

    pub(super) async fn ping(&mut self) -> Result<(), sqlx::Error> {
        contained(self.backend.ping()).await
    }

    /// Says good-bye, which a server may log the lack of.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.backend.close().await
    }

    async fn send(
        &mut self,
        text: String,
        arguments: Option<AnyArguments>,
    ) -> Result<Answer, sqlx::Error> {
        let is_prepared = arguments.is_some();
        log::trace!("ezdfs: asks the database: {text}");
        let text = AssertSqlSafe(text).into_sql_str();
        let mut answers = self.backend.fetch_many(text, is_prepared, arguments).fuse();
        let collect = async {
            let mut all = Answer::default();
            while let Some(answer) = answers.try_next().await? {
                match answer {
                    Either::Left(done) => all.affected += done.rows_affected(),
                    Either::Right(row) => all.rows.push(row),
                }
            }
            Ok(all)
        };
        contained(collect).await
    }
}
