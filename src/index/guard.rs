//! A connection on loan, and what is said over it.

use std::sync::Arc;
use std::time::Instant;

use deadpool::managed::Object;
use sqlx::any::AnyRow;
use tokio::sync::OwnedSemaphorePermit;

use super::connect::Opener;
use super::connection::{Answer, Connection};
use super::database::{Meaning, is_on};
use super::fault;
use super::query::Query;
use super::servers::Servers;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Turns;
use crate::stats::{Counter, Timer};

/// The operation that ends a transaction.
pub(super) const COMMIT: &str = "commit";

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
    pub(super) fn new(object: Object<Opener>, servers: &Arc<Servers>) -> Self {
        let servers = Arc::clone(servers);
        Guard { object: Some(object), servers, state: State::Idle, turn: None }
    }

    /// For a writer, whose turn ends with this.
    pub(super) fn with_turn(mut self, turn: OwnedSemaphorePermit) -> Self {
        self.turn = Some(turn);
        self
    }

    /// The server, without its password.
    #[cfg(feature = "cli")]
    pub(super) fn server(&self) -> String {
        self.object.as_ref().map_or_else(String::new, |link| link.server())
    }

    pub(super) fn is_writable(&self) -> bool {
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
        if !self
            .run(Timer::OtherQuery, "find", "server", asked)
            .await?
            .iter()
            .any(|(_, value)| is_on(value))
        {
            return Ok(Authority::Whole);
        }
        self.state = State::Busy;
        if let Some(link) = &self.object {
            self.servers.reconsider(link);
        }
        Ok(Authority::Lost)
    }

    /// Gives the connection up, and with it the choice of its server.
    pub(super) fn reconsider(mut self) {
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
        Ok(self.answer(Timer::ReadQuery, operation, subject, query).await?.rows)
    }

    /// Says how many rows were affected.
    pub(super) async fn execute(
        &mut self,
        operation: &'static str,
        subject: &str,
        query: Query,
    ) -> Result<u64> {
        Ok(self.answer(Timer::WriteQuery, operation, subject, query).await?.affected)
    }

    /// Runs statements that take no arguments as they stand, in one round trip.
    pub(super) async fn command(
        &mut self,
        operation: &'static str,
        subject: &str,
        statements: impl Into<String>,
    ) -> Result<Vec<AnyRow>> {
        let statements = self.for_pooler(statements.into());
        let timer = if operation == COMMIT { Timer::Commit } else { Timer::OtherQuery };
        let sent = async |connection: &mut Connection| connection.command(statements).await;
        Ok(self.run(timer, operation, subject, sent).await?.rows)
    }

    async fn answer(
        &mut self,
        timer: Timer,
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
        self.run(timer, operation, subject, sent).await
    }

    /// What tells the connection from others; nothing where a pooler lends another one for each
    /// transaction.
    #[cfg(feature = "cli")]
    pub(super) fn number(&self) -> Option<u64> {
        let link = self.object.as_ref()?;
        (!link.is_pooled()).then(|| link.connection.number())
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
        timer: Timer,
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
        let since = Instant::now();
        let worked = tokio::time::timeout(timeout, work(&mut link.connection)).await;
        // What was done to a file that is not the database any more is nothing.
        let worked = worked.map(|done| done.and_then(|it| self.servers.in_its_file(link, it)));
        self.servers.stats.took(timer, since);
        if !matches!(worked, Ok(Ok(_))) {
            self.servers.stats.count(Counter::QueryFailures);
        }
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
