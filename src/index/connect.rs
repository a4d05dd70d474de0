//! Connections on loan, from a bounded pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, Object, PoolError, RecycleResult, Timeouts};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, AnyConnection, Connection, Executor, SqlSafeStr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::{self, Attempts};
use super::servers::{Link, Servers};
use super::session;
use crate::config::{Dialect, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::forks;
use crate::metadata::Turns;

/// A query with its arguments, for the sqlx driver that serves all dialects.
pub(super) type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// A connection that idled longer than this is tried out before its next use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long to wait before asking again for a place on a server that is full.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

/// Makes connections for the pool, and looks at those that come back to it.
struct Opener(Arc<Servers>);

impl Manager for Opener {
    type Type = Link;
    type Error = Error;

    async fn create(&self) -> Result<Link> {
        self.0.connect().await
    }

    async fn recycle(&self, link: &mut Link, last: &Metrics) -> RecycleResult<Error> {
        let dead = || Error::new(ErrorKind::Unavailable, "ping", "database", "no answer");
        if !self.0.is_current(link) {
            return Err(dead().into());
        }
        if last.last_used() > TRUSTED_IDLE {
            let ping = tokio::time::timeout(self.0.connect_timeout, link.connection.ping());
            if !matches!(ping.await, Ok(Ok(()))) {
                self.0.distrust(link);
                return Err(dead().into());
            }
        }
        Ok(())
    }
}

/// The bounded pool of one process.
pub(super) struct Pool {
    pool: deadpool::managed::Pool<Opener>,
    servers: Arc<Servers>,
    /// Turns of writers, one less than connections: a write holds on to its own
    /// while the mount hangs, and readers need none of that mount.
    writers: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(options: &Options) -> Result<Self> {
        forks::notice()?;
        sqlx::any::install_default_drivers();
        let servers = Arc::new(Servers::new(options));
        // Connecting and recycling have deadlines of their own.
        let timeouts =
            Timeouts { wait: Some(options.connect_timeout), create: None, recycle: None };
        let pool = deadpool::managed::Pool::builder(Opener(Arc::clone(&servers)))
            .max_size(options.max_connections)
            .timeouts(timeouts)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "start", "pool", "cannot be built")
                    .with_source(error)
            })?;
        if servers.dialect == Dialect::Sqlite {
            forks::watch(pool.weak());
        }
        let writers = Arc::new(Semaphore::new((options.max_connections - 1).max(1)));
        Ok(Pool { pool, servers, writers })
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.servers.dialect
    }

    /// For an operation that begins now.
    pub(super) fn attempts(&self) -> Attempts {
        Attempts::within(self.servers.query_timeout)
    }

    /// How long it takes to get a connection and an answer, both after another try.
    pub(super) fn patience(&self) -> Duration {
        2 * (self.servers.connect_timeout + self.servers.query_timeout)
    }

    /// A connection; waits at most `connect_timeout` for a free place and as
    /// long again for each server; before that, a writer as long for its turn.
    pub(super) async fn get(&self, purpose: Purpose) -> Result<Guard> {
        self.servers.review();
        if purpose == Purpose::Read {
            return self.any().await;
        }
        let turn = self.turn().await?;
        let mut guard = self.any().await?;
        if !guard.is_writable() && self.servers.may_reconsider() {
            guard.reconsider();
            guard = self.any().await?;
        }
        if guard.is_writable() {
            guard.turn = Some(turn);
            return Ok(guard);
        }
        let reason = "no server of the dsn takes writes: those that answer are read-only";
        Err(Error::new(ErrorKind::Unavailable, "connect", "database", reason))
    }

    /// One of the turns of writers.
    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let waited = self.servers.connect_timeout;
        let turn = Arc::clone(&self.writers).acquire_owned();
        match tokio::time::timeout(waited, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                let reason =
                    format!("all connections that writers may have were busy for {waited:?}");
                Err(Error::new(ErrorKind::Unavailable, fault::CONNECT, "database", reason))
            }
        }
    }

    /// A connection to whichever server is in use. Where that has no place for
    /// one more, those that there are go round.
    async fn any(&self) -> Result<Guard> {
        if self.servers.dialect == Dialect::Sqlite {
            forks::give_way().await;
        }
        let asked = Instant::now();
        loop {
            let error = match self.pool.get().await {
                Ok(object) => return Ok(Guard::new(object, &self.servers)),
                Err(error) => self.failed(error),
            };
            let others = self.pool.status().size > 0;
            if !others || !fault::is_full(&error) || asked.elapsed() > self.servers.connect_timeout
            {
                return Err(error);
            }
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }

    fn failed(&self, error: PoolError<Error>) -> Error {
        match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => {
                let reason = format!(
                    "all {} connections were busy for {:?}",
                    self.pool.status().max_size,
                    self.servers.connect_timeout
                );
                Error::new(ErrorKind::Unavailable, "connect", "database", reason)
            }
            other => Error::new(ErrorKind::Internal, "connect", "database", other.to_string()),
        }
    }

    /// Creates the database file of SQLite if there is none, then connects.
    pub(super) async fn get_creating(&self) -> Result<Guard> {
        self.servers.create_file().await?;
        self.get(Purpose::Write).await
    }
}

/// What it means that a server does not have a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    /// There is none.
    Whole,
    /// Nothing: it follows another server, and may lag.
    Follower,
    /// Nothing: it took writes when the connection was made, and does not now.
    /// The next connection is to whichever server does.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// May go back to the pool.
    Idle,
    /// In the middle of something, or of no more use: closed when dropped.
    Busy,
}

/// A connection on loan. It goes back to the pool when dropped, unless
/// something was left unfinished on it: then it is closed, and the server
/// rolls back.
pub(super) struct Guard {
    object: Option<Object<Opener>>,
    servers: Arc<Servers>,
    state: State,
    /// A writer's; ends with the guard.
    turn: Option<OwnedSemaphorePermit>,
}

impl Guard {
    fn new(object: Object<Opener>, servers: &Arc<Servers>) -> Self {
        let servers = Arc::clone(servers);
        Guard { object: Some(object), servers, state: State::Idle, turn: None }
    }

    fn is_writable(&self) -> bool {
        self.object.as_ref().is_some_and(|link| link.is_writable())
    }

    /// Where its server is one of several that all take writes (Galera), so that what is
    /// locked here can be written there, and the later COMMIT fails: which times it may
    /// give.
    pub(super) fn certified(&self) -> Option<Turns> {
        self.object.as_ref().and_then(|link| link.certified())
    }

    /// Whether the DSN names no other server: then this one knows all there is.
    pub(super) fn is_of_one_server(&self) -> bool {
        self.servers.is_alone()
    }

    /// What it means that the server does not have a row. Asked after it was looked
    /// for: a server that was to take no writes then says so still.
    pub(super) async fn authority(&mut self) -> Result<Authority> {
        if !self.is_writable() {
            return Ok(Authority::Follower);
        }
        let dialect = self.servers.dialect;
        let is_read_only = async |c: &mut AnyConnection| session::is_read_only(c, dialect).await;
        if !self.run("find", "server", is_read_only).await? {
            return Ok(Authority::Whole);
        }
        self.state = State::Busy;
        if let Some(link) = &self.object {
            self.servers.reconsider(link);
        }
        Ok(Authority::Lost)
    }

    /// Gives the connection up, and with it the choice of its server.
    fn reconsider(mut self) {
        self.state = State::Busy;
        if let Some(link) = &self.object {
            self.servers.reconsider(link);
        }
    }

    /// Marks the beginning of a transaction: until [`Guard::release`] the
    /// connection is not fit for anybody else.
    pub(super) fn hold(&mut self) {
        self.state = State::Busy;
    }

    pub(super) fn release(&mut self) {
        self.state = State::Idle;
    }

    pub(super) async fn fetch_all(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query<'_>,
    ) -> Result<Vec<AnyRow>> {
        self.run(operation, subject, async |c| query.fetch_all(c).await).await
    }

    /// The rows of statements that take no parameters, in one round trip.
    pub(super) async fn fetch_unprepared(
        &mut self,
        operation: &'static str,
        subject: &str,
        statements: impl SqlSafeStr + Send,
    ) -> Result<Vec<AnyRow>> {
        let statements = statements.into_sql_str();
        self.run(operation, subject, async |c| c.fetch_all(statements).await).await
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
        let Some(link) = &mut self.object else {
            return Err(Error::new(ErrorKind::Internal, operation, subject, "no connection"));
        };
        // Stays so if the caller goes away meanwhile.
        let before = std::mem::replace(&mut self.state, State::Busy);
        let timeout = self.servers.query_timeout;
        match tokio::time::timeout(timeout, work(&mut link.connection)).await {
            Ok(Ok(value)) => {
                self.state = before;
                Ok(value)
            }
            Ok(Err(error)) => {
                if fault::is_connection_lost(&error) {
                    self.servers.distrust(link);
                } else if fault::is_read_only(&error) {
                    self.servers.reconsider(link);
                } else {
                    self.state = before;
                }
                Err(fault::convert(error, operation, subject))
            }
            Err(_) => {
                self.servers.distrust(link);
                Err(fault::silent(operation, subject, timeout))
            }
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
