//! Connections on loan, from a bounded pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, Object, PoolError, RecycleResult, Timeouts};
use sqlx::any::AnyRow;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{Answer, Connection};
use super::database::{Database, Meaning, is_on};
use super::fault::{self, Attempts};
use super::query::Query;
use super::servers::{Link, Servers};
use crate::config::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::forks;
use crate::metadata::Turns;

/// A connection that idled longer than this is tried out before its next use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// The operation that ends a transaction.
pub(super) const COMMIT: &str = "commit";

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
        if servers.database.is_embedded() {
            forks::watch(pool.weak());
        }
        let writers = Arc::new(Semaphore::new((options.max_connections - 1).max(1)));
        Ok(Pool { pool, servers, writers })
    }

    pub(super) fn database(&self) -> &'static dyn Database {
        self.servers.database
    }

    /// How often a statement failed because of the table's shape.
    pub(super) fn doubts(&self) -> u64 {
        self.servers.doubts()
    }

    /// For an operation that begins now.
    pub(super) fn attempts(&self) -> Attempts {
        Attempts::within(self.servers.session.query_timeout, self.servers.count())
    }

    /// How long it takes to get a connection and an answer, both after another try.
    pub(super) fn patience(&self) -> Duration {
        2 * (self.servers.connect_timeout + self.servers.session.query_timeout)
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
        if self.servers.database.is_embedded() {
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
    /// A transaction is about to begin.
    Beginning,
    /// In the middle of something, or of no more use: closed when dropped.
    Busy,
}

impl State {
    fn after_statement(self) -> Self {
        if self == State::Idle { State::Idle } else { State::Busy }
    }
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
        let is_suspect = self.object.as_ref().is_some_and(|link| link.is_suspect());
        if !self.is_writable() || is_suspect {
            return Ok(Authority::Follower);
        }
        let Some(question) = self.servers.database.is_read_only() else {
            return Ok(Authority::Whole);
        };
        let asked = async |connection: &mut Connection| connection.ask(question).await;
        if !self.run("find", "server", asked).await?.iter().any(|(_, value)| is_on(value)) {
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
        self.state = State::Beginning;
    }

    pub(super) fn release(&mut self) {
        self.state = State::Idle;
    }

    pub(super) async fn fetch_all(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query,
    ) -> Result<Vec<AnyRow>> {
        Ok(self.answer(operation, subject, query).await?.rows)
    }

    /// Says how many rows were affected.
    pub(super) async fn execute(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query,
    ) -> Result<u64> {
        Ok(self.answer(operation, subject, query).await?.affected)
    }

    /// Runs statements that take no arguments as they stand, in one round trip.
    pub(super) async fn command(
        &mut self,
        operation: &'static str,
        subject: &str,
        statements: impl Into<String>,
    ) -> Result<Vec<AnyRow>> {
        let statements = self.for_pooler(statements.into());
        let sent = async |connection: &mut Connection| connection.command(statements).await;
        Ok(self.run(operation, subject, sent).await?.rows)
    }

    async fn answer(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query,
    ) -> Result<Answer> {
        let spelled = match self.is_pooled() {
            true => self.servers.database.spell_out(&query),
            false => None,
        };
        let spelled = spelled.map(|text| self.for_pooler(text));
        let sent = async |connection: &mut Connection| match spelled {
            Some(text) => connection.command(text).await,
            None => connection.run(query).await,
        };
        self.run(operation, subject, sent).await
    }

    fn is_pooled(&self) -> bool {
        self.object.as_ref().is_some_and(|link| link.is_pooled())
    }

    /// What begins a transaction behind a pooler brings the session's settings with it.
    fn for_pooler(&self, statements: String) -> String {
        let begins = matches!(self.state, State::Idle | State::Beginning);
        match self.is_pooled() && begins {
            true => {
                let Servers { database, session, .. } = &*self.servers;
                database.for_this_transaction(session) + &statements
            }
            false => statements,
        }
    }

    async fn run<T>(
        &mut self,
        operation: &'static str,
        subject: &str,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, sqlx::Error>,
    ) -> Result<T> {
        let Some(link) = &mut self.object else {
            return Err(Error::new(ErrorKind::Internal, operation, subject, "no connection"));
        };
        // Stays so if the caller goes away meanwhile.
        let before = std::mem::replace(&mut self.state, State::Busy);
        let timeout = self.servers.session.query_timeout;
        let worked = tokio::time::timeout(timeout, work(&mut link.connection)).await;
        // What was done to a file that is not the database any more is nothing.
        let worked = worked.map(|done| done.and_then(|it| self.servers.in_its_file(link, it)));
        match worked {
            Ok(Ok(value)) => {
                self.state = before.after_statement();
                // Alone, or the end of a transaction.
                if self.turn.is_some() && (self.state == State::Idle || operation == COMMIT) {
                    link.has_written();
                }
                Ok(value)
            }
            Ok(Err(error)) => {
                match fault::meaning_of(&error) {
                    Some(Meaning::Lost) => self.servers.distrust(link),
                    Some(Meaning::Elsewhere) => self.servers.refused(link),
                    Some(Meaning::Unprepared) => self.servers.found_pooled(link),
                    Some(Meaning::Schema) => {
                        self.servers.doubt();
                        self.state = before.after_statement();
                    }
                    _ => self.state = before.after_statement(),
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
