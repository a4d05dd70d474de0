//! Connections on loan, from a bounded pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, PoolError, RecycleResult, Timeouts};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::database::Database;
use super::fault::{self, Attempts};
use super::guard::Guard;
use super::servers::{Link, Servers};
use crate::config::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::forks;
use crate::stats::{Stats, Timer};

/// A connection that idled longer than this is tried out before its next use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long to wait before asking again for a place on a server that is full.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
    /// To read what a server that takes writes has.
    #[cfg(feature = "cli")]
    Follow,
}

/// Makes connections for the pool, and looks at those that come back to it.
pub(super) struct Opener(Arc<Servers>);

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
    pub(super) fn new(options: &Options, stats: &Arc<Stats>) -> Result<Self> {
        forks::notice()?;
        let servers = Arc::new(Servers::new(options, stats));
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
        let Servers { session, stats, .. } = &*self.servers;
        Attempts::within(session.query_timeout, self.servers.count(), stats)
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
        let turn = match purpose {
            Purpose::Write => Some(self.turn().await?),
            _ => None,
        };
        let mut guard = self.any().await?;
        if !guard.is_writable() && self.servers.may_reconsider() {
            guard.reconsider();
            guard = self.any().await?;
        }
        if guard.is_writable() {
            return Ok(match turn {
                Some(turn) => guard.with_turn(turn),
                None => guard,
            });
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
                Ok(object) => {
                    self.servers.stats.took(Timer::ConnectionWait, asked);
                    return Ok(Guard::new(object, &self.servers));
                }
                Err(error) => self.failed(error),
            };
            let others = self.pool.status().size > 0;
            if !others || !fault::is_full(&error) || asked.elapsed() > self.servers.connect_timeout
            {
                self.servers.stats.took(Timer::ConnectionWait, asked);
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
