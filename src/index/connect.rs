//! Connections: a bounded pool of them, over the servers of the DSN.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, PoolError, RecycleResult, Timeouts};
use sqlx::any::{AnyArguments, AnyConnectOptions, AnyRow};
use sqlx::{Any, AnyConnection, AssertSqlSafe, ConnectOptions, Connection, Executor, SqlSafeStr};
use url::Url;

use super::fault;
use crate::config::{Dialect, Options, dsn};
use crate::error::{Error, ErrorKind, Result};

/// A query with its arguments, for the sqlx driver that serves all dialects.
pub(super) type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// A connection that idled longer than this is tried out before its next use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Opens connections: to the server that worked last, else to the next one.
struct Opener {
    dialect: Dialect,
    servers: Vec<Url>,
    current: AtomicUsize,
    connect_timeout: Duration,
    query_timeout: Duration,
}

impl Opener {
    fn new(options: &Options) -> Self {
        Opener {
            dialect: options.dsn.dialect(),
            servers: options.dsn.servers().to_vec(),
            current: AtomicUsize::new(0),
            connect_timeout: options.connect_timeout,
            query_timeout: options.query_timeout,
        }
    }

    async fn open(&self, server: &Url) -> Result<AnyConnection> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let subject = dsn::redacted(server);
        let connecting = async {
            let mut connection =
                AnyConnectOptions::from_url(server)?.disable_statement_logging().connect().await?;
            connection.execute(AssertSqlSafe(self.session())).await?;
            Ok(connection)
        };
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(outcome) => outcome.map_err(|error| fault::convert(error, "connect", &subject)),
            Err(_) => Err(silent("connect", &subject, self.connect_timeout)),
        }
    }

    /// What every connection is told first: refuse what does not fit instead
    /// of cutting it; give up by itself what the client has given up.
    fn session(&self) -> String {
        let milliseconds = self.query_timeout.as_millis();
        match self.dialect {
            Dialect::MySql => {
                // Shorter than the client's patience, to hear of it as 1205.
                let seconds = self.query_timeout.as_secs().saturating_sub(1).max(1);
                format!(
                    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
                     innodb_lock_wait_timeout = {seconds}"
                )
            }
            Dialect::Postgres => format!("SET statement_timeout = {milliseconds}"),
            Dialect::Sqlite => format!("PRAGMA busy_timeout = {milliseconds}"),
        }
    }
}

impl Manager for Opener {
    type Type = AnyConnection;
    type Error = Error;

    async fn create(&self) -> Result<AnyConnection> {
        let first = self.current.load(Ordering::Relaxed);
        let count = self.servers.len();
        let mut last_error = None;
        for offset in 0..count {
            let number = (first + offset) % count;
            match self.open(&self.servers[number]).await {
                Ok(connection) => {
                    self.current.store(number, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "option", "dsn", "names no server")
        }))
    }

    async fn recycle(
        &self,
        connection: &mut AnyConnection,
        last: &Metrics,
    ) -> RecycleResult<Error> {
        if last.last_used() > TRUSTED_IDLE {
            connection.ping().await.map_err(|error| fault::convert(error, "ping", "database"))?;
        }
        Ok(())
    }
}

/// The bounded pool of one process.
pub(super) struct Pool {
    pool: deadpool::managed::Pool<Opener>,
}

impl Pool {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let timeouts = Timeouts {
            wait: Some(options.connect_timeout),
            // `Opener::open` has its own, for each server.
            create: None,
            recycle: Some(options.connect_timeout),
        };
        let pool = deadpool::managed::Pool::builder(Opener::new(options))
            .max_size(options.max_connections)
            .timeouts(timeouts)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "start", "pool", "cannot be built")
                    .with_source(error)
            })?;
        Ok(Pool { pool })
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.pool.manager().dialect
    }

    /// A connection; waits at most `connect_timeout` for a free place and as
    /// long again for each server.
    pub(super) async fn get(&self) -> Result<Guard> {
        let opener = self.pool.manager();
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => {
                let reason = format!(
                    "all {} connections were busy for {:?}",
                    self.pool.status().max_size,
                    opener.connect_timeout
                );
                Error::new(ErrorKind::Unavailable, "connect", "database", reason)
            }
            other => Error::new(ErrorKind::Internal, "connect", "database", other.to_string()),
        })?;
        Ok(Guard { object: Some(object), timeout: opener.query_timeout, state: State::Idle })
    }

    /// A connection opened just now: where one is dead the others are as well.
    pub(super) async fn get_fresh(&self) -> Result<Guard> {
        self.pool.retain(|_, _| false);
        self.get().await
    }

    /// Creates the database file of SQLite if there is none, then connects.
    pub(super) async fn get_creating(&self) -> Result<Guard> {
        let opener = self.pool.manager();
        if let (Dialect::Sqlite, Some(server)) = (opener.dialect, opener.servers.first()) {
            let mut creating = server.clone();
            creating.query_pairs_mut().append_pair("mode", "rwc");
            let connection = opener.open(&creating).await?;
            drop(connection);
        }
        self.get().await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// May go back to the pool.
    Idle,
    /// In the middle of something: closed when dropped.
    Busy,
    /// The server is gone: closed when dropped.
    Lost,
}

/// A connection on loan. It goes back to the pool when dropped, unless
/// something was left unfinished on it: then it is closed, and the server
/// rolls back.
pub(super) struct Guard {
    object: Option<Object<Opener>>,
    timeout: Duration,
    state: State,
}

impl Guard {
    /// Marks the beginning of a transaction: until [`Guard::release`] the
    /// connection is not fit for anybody else.
    pub(super) fn hold(&mut self) {
        self.state = State::Busy;
    }

    pub(super) fn release(&mut self) {
        self.state = State::Idle;
    }

    /// Whether the last call found the connection dead.
    pub(super) fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    pub(super) async fn fetch_all(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query<'_>,
    ) -> Result<Vec<AnyRow>> {
        self.run(operation, subject, async |c| query.fetch_all(c).await).await
    }

    /// Says how many rows were affected.
    pub(super) async fn execute(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query<'_>,
    ) -> Result<u64> {
        self.run(operation, subject, async |c| Ok(query.execute(c).await?.rows_affected())).await
    }

    /// Runs a statement that takes no parameters, unprepared.
    pub(super) async fn command(
        &mut self,
        operation: &'static str,
        subject: &str,
        statement: impl SqlSafeStr + Send,
    ) -> Result<()> {
        let statement = statement.into_sql_str();
        self.run(operation, subject, async |c| c.execute(statement).await.map(drop)).await
    }

    async fn run<T>(
        &mut self,
        operation: &'static str,
        subject: &str,
        work: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T> {
        let Some(object) = &mut self.object else {
            return Err(Error::new(ErrorKind::Internal, operation, subject, "no connection"));
        };
        // Stays so if the caller goes away meanwhile.
        let before = std::mem::replace(&mut self.state, State::Busy);
        match tokio::time::timeout(self.timeout, work(object)).await {
            Ok(Ok(value)) => {
                self.state = before;
                Ok(value)
            }
            Ok(Err(error)) => {
                self.state = if fault::is_connection_lost(&error) { State::Lost } else { before };
                Err(fault::convert(error, operation, subject))
            }
            Err(_) => Err(silent(operation, subject, self.timeout)),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.state != State::Idle
            && let Some(object) = self.object.take()
        {
            drop(Object::take(object));
        }
    }
}

fn silent(operation: &'static str, subject: &str, waited: Duration) -> Error {
    let reason = format!("the database did not answer within {waited:?}");
    Error::new(ErrorKind::Unavailable, operation, subject, reason)
}
