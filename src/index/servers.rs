//! The servers of the DSN: which one is used, and how often connecting to them
//! is tried.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::database::{self, Database, Meaning, Session};
use super::fault;
use super::opened::Opened;
use super::roster::{Roster, Server};
use crate::config::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::forks::Place;
use crate::metadata::Turns;
use crate::runtime;
use crate::stats::{Counter, Gauge, Held, Stats};

/// How soon after the first failure to connect it is tried again; doubled with
/// each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked which server of several should be used: a passive one
/// may have been promoted, or the first may be back.
const REVIEW: Duration = Duration::from_secs(5);

/// A connection, and what is known of its server.
pub(super) struct Link {
    pub(super) connection: Opened,
    server: Arc<Server>,
    writable: bool,
    certified: Option<Turns>,
    is_pooled: bool,
    /// Of SQLite's file, as it was when this was opened.
    file: Option<FileIdentity>,
    generation: u64,
    _counted: Held,
}

/// Device and inode.
type FileIdentity = (u64, u64);

impl Link {
    /// Whether its server took writes when it was opened.
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Where its server is one of several that all take writes (Galera), so
    /// that a row's lock says nothing of what is written elsewhere until COMMIT: which
    /// times it may give.
    pub(super) fn certified(&self) -> Option<Turns> {
        self.certified
    }

    /// Whether its server has refused something since it was last written to: then it
    /// may be one that follows, whatever it says.
    pub(super) fn is_suspect(&self) -> bool {
        self.server.is_suspect()
    }

    /// Its server, without the password.
    #[cfg(feature = "cli")]
    pub(super) fn server(&self) -> String {
        self.server.address.to_string()
    }

    pub(super) fn has_written(&self) {
        self.server.has_written();
    }

    /// Whether each transaction has another connection of a pooler, so that nothing
    /// that is prepared or set stays.
    pub(super) fn is_pooled(&self) -> bool {
        self.is_pooled
    }
}

/// The server in use.
#[derive(Clone)]
struct Choice {
    server: Arc<Server>,
    writable: bool,
    made: Instant,
}

/// An attempt to connect that failed.
struct Failure {
    error: Error,
    at: Instant,
    pause: Duration,
}

/// All servers of the DSN. The one in use is the first of them that takes
/// writes; where none does, the first that answers.
pub(super) struct Servers {
    pub(super) database: &'static dyn Database,
    pub(super) connect_timeout: Duration,
    pub(super) session: Session,
    table: String,
    roster: Roster,
    choice: Mutex<Option<Choice>>,
    /// Links of an earlier generation are not used any more.
    generation: AtomicU64,
    doubts: AtomicU64,
    /// A server has refused the login.
    barred: AtomicBool,
    reviewing: AtomicBool,
    /// Held while connecting: the last failure, if nothing succeeded since.
    connecting: tokio::sync::Mutex<Option<Failure>>,
    pub(super) stats: Arc<Stats>,
}

impl Servers {
    pub(super) fn new(options: &Options, stats: &Arc<Stats>) -> Self {
        Servers {
            database: database::of(options.dsn.dialect()),
            connect_timeout: options.connect_timeout,
            session: Session { query_timeout: options.query_timeout },
            table: options.table.clone(),
            roster: Roster::new(options.dsn.clone()),
            choice: Mutex::new(None),
            generation: AtomicU64::new(0),
            doubts: AtomicU64::new(0),
            barred: AtomicBool::new(false),
            reviewing: AtomicBool::new(false),
            connecting: tokio::sync::Mutex::new(None),
            stats: Arc::clone(stats),
        }
    }

    /// Whether the DSN names one server.
    pub(super) fn is_alone(&self) -> bool {
        self.count() == 1
    }

    pub(super) fn count(&self) -> usize {
        self.roster.all().len()
    }

    /// Opens a connection. One caller at a time tries; where it fails, those who
    /// waited meanwhile get the same error, and so does everybody for a moment:
    /// a server that is down or full is not stormed.
    pub(super) async fn connect(&self) -> Result<Link> {
        if self.database.is_embedded() {
            return self.open(&self.roster.first()?).await;
        }
        let asked = Instant::now();
        let mut last = self.connecting.lock().await;
        if let Some(failure) = &*last
            && (failure.at > asked || failure.at.elapsed() < failure.pause)
        {
            return Err(failure.error.clone());
        }
        let mut opened = self.open_chosen().await;
        // A line that was cut, a server that is just starting: not yet a failure
        // that all who wait should hear of.
        if last.is_none() && opened.as_ref().is_err_and(fault::is_cut) {
            tokio::time::sleep(FIRST_PAUSE).await;
            opened = self.open_chosen().await;
        }
        // Whoever changes a login writes it into the file, before or after.
        let is_barred = self.barred.swap(false, Ordering::SeqCst);
        if (is_barred || opened.is_err()) && self.roster.read_again(self.connect_timeout).await {
            *self.lock_choice() = None;
            opened = self.open_chosen().await;
        }
        match opened {
            Ok(link) => {
                *last = None;
                Ok(link)
            }
            Err(error) => {
                let doubled = |failure: &Failure| (failure.pause * 2).min(LONGEST_PAUSE);
                let pause = last.as_ref().map_or(FIRST_PAUSE, doubled);
                *last = Some(Failure { error: error.clone(), at: Instant::now(), pause });
                Err(error)
            }
        }
    }

    async fn open_chosen(&self) -> Result<Link> {
        let Some(choice) = self.choice() else {
            return self.choose(None).await;
        };
        match self.open(&choice.server).await {
            Ok(link) if link.writable || !choice.writable => Ok(link),
            Ok(_) => self.choose(None).await,
            Err(error) if self.is_alone() => Err(error),
            Err(_) => self.choose(Some(&choice.server)).await,
        }
    }

    /// Tries the servers in their order, but for one that has just failed: the first
    /// that takes writes, as far as it says and is known; else one that may be read;
    /// else one that refused something a moment ago.
    async fn choose(&self, failed: Option<&Arc<Server>>) -> Result<Link> {
        let mut second_best: Option<Link> = None;
        let mut first_error = None;
        let has_failed = |server: &Arc<Server>| failed.is_some_and(|it| Arc::ptr_eq(it, server));
        for server in self.roster.all().iter().filter(|server| !has_failed(server)) {
            let refuses = server.refuses();
            match self.open(server).await {
                Ok(link) if link.writable && !refuses => return Ok(self.chosen(link)),
                Ok(link)
                    if second_best.as_ref().is_none_or(|it| it.server.refuses() && !refuses) =>
                {
                    second_best = Some(link);
                }
                Ok(_) => {}
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Some(link) = second_best {
            return Ok(self.chosen(link));
        }
        Err(first_error.unwrap_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "option", "dsn", "names no server")
        }))
    }

    /// Creates the database file of SQLite if there is none.
    pub(super) async fn create_file(&self) -> Result<()> {
        if !self.database.is_embedded() {
            return Ok(());
        }
        let mut creating = self.roster.first()?.address.clone();
        creating.parameters.push(("mode".to_owned(), "rwc".to_owned()));
        self.open(&Arc::new(Server::new(creating))).await.map(drop)
    }

    async fn open(&self, server: &Arc<Server>) -> Result<Link> {
        let place = match self.database.is_embedded() {
            true => Some(Place::for_sqlite().await?),
            false => None,
        };
        let file = self.file_of(server);
        let subject = server.address.to_string();
        let generation = self.generation.load(Ordering::SeqCst);
        let connecting = async {
            let connecting = self.database.connect(server.address.clone(), self.session);
            let mut connection = Opened::open(connecting, place).await?;
            let facts = self.database.settle(&mut connection, self.session).await?;
            let is_believed = !server.is_suspect() || self.takes_writes(&mut connection).await;
            let takes_writes = !facts.read_only && is_believed;
            Ok(Link {
                connection,
                server: Arc::clone(server),
                // Where there is one server, it says by itself what it refuses.
                writable: self.is_alone() || takes_writes,
                certified: facts.certified,
                is_pooled: facts.is_pooled || server.is_pooled(),
                file,
                generation,
                _counted: self.stats.hold(Gauge::Connections),
            })
        };
        let outcome = match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(outcome) => outcome.map_err(|error| fault::convert(error, fault::CONNECT, &subject)),
            Err(_) => Err(fault::silent(fault::CONNECT, &subject, self.connect_timeout)),
        };
        self.stats.count(match outcome {
            Ok(_) => Counter::ConnectionsOpened,
            Err(_) => Counter::ConnectionsRefused,
        });
        if let Ok(link) = &outcome {
            let writes = if link.writable { "" } else { ", which takes no writes" };
            log::debug!("ezdfs: connected to {subject}{writes}");
        }
        if outcome.as_ref().is_err_and(fault::is_barred) {
            self.barred.store(true, Ordering::SeqCst);
        }
        outcome
    }

    /// Whether a server that has refused some does take writes again. Asked of no other:
    /// while a backup keeps writers away, readers may connect all the same.
    async fn takes_writes(&self, connection: &mut Opened) -> bool {
        if self.is_alone() {
            return true;
        }
        let trial = format!("UPDATE {} SET mtime = mtime WHERE name_hash = ''", self.table);
        let error = connection.command(trial).await.err();
        error.and_then(|error| fault::meaning_of(&error)) != Some(Meaning::Elsewhere)
    }

    /// A file of SQLite that was removed or replaced is not the database any more.
    pub(super) fn is_current(&self, link: &Link) -> bool {
        link.generation == self.generation.load(Ordering::SeqCst)
            && link.file == self.file_of(&link.server)
    }

    /// What was done, if it was done to the file that is the database.
    pub(super) fn in_its_file<T>(&self, link: &Link, done: T) -> Result<T, sqlx::Error> {
        if link.file == self.file_of(&link.server) {
            return Ok(done);
        }
        Err(sqlx::Error::Io(std::io::Error::other("the database's file has been replaced")))
    }

    fn file_of(&self, server: &Server) -> Option<FileIdentity> {
        let path = self.database.is_embedded().then_some(&server.address.database)?;
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// Gives up all connections that are as old as this one, which is dead or
    /// silent: the others most likely are as well.
    pub(super) fn distrust(&self, link: &Link) {
        let (old, new) = (link.generation, link.generation + 1);
        // Fails where somebody else has done it.
        let _ = self.generation.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// A server that refuses what it is there for is not used for a while, if there is
    /// another one; it may say what it likes when it is connected to.
    pub(super) fn refused(&self, link: &Link) {
        link.server.has_refused();
        self.reconsider(link);
    }

    /// What stands before a server gives its connections to others in between.
    pub(super) fn found_pooled(&self, link: &Link) {
        link.server.is_found_pooled();
        self.distrust(link);
    }

    /// A statement does not fit the table, which is not what it was.
    pub(super) fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::SeqCst)
    }

    /// Chooses again before the next connection: this one's server takes no writes any
    /// more.
    pub(super) fn reconsider(&self, link: &Link) {
        self.distrust(link);
        let mut choice = self.lock_choice();
        if choice.as_ref().is_some_and(|choice| Arc::ptr_eq(&choice.server, &link.server)) {
            *choice = None;
        }
    }

    /// Whether the choice is old enough to be made again because of a write
    /// that finds no server.
    pub(super) fn may_reconsider(&self) -> bool {
        self.choice().is_none_or(|choice| choice.made.elapsed() > LONGEST_PAUSE)
    }

    /// Looks now and then whether another server should be used. Beside the
    /// caller, who need not wait for servers that do not answer.
    pub(super) fn review(self: &Arc<Self>) {
        let due = self.choice().is_some_and(|choice| choice.made.elapsed() > REVIEW);
        if self.is_alone() || !due || self.reviewing.swap(true, Ordering::SeqCst) {
            return;
        }
        let servers = Arc::clone(self);
        let review = async move {
            if let Ok(link) = servers.choose(None).await {
                // Says good-bye, which a server may log the lack of.
                let _ = tokio::time::timeout(REVIEW, link.connection.close()).await;
            }
            servers.reviewing.store(false, Ordering::SeqCst);
        };
        drop(runtime::in_background(review));
    }

    fn choice(&self) -> Option<Choice> {
        self.lock_choice().clone()
    }

    /// Where the choice changes, the connections that were made before go.
    fn chosen(&self, mut link: Link) -> Link {
        let Link { writable, .. } = link;
        let new = Choice { server: Arc::clone(&link.server), writable, made: Instant::now() };
        let old = self.lock_choice().replace(new);
        let is_other =
            |old: &Choice| !Arc::ptr_eq(&old.server, &link.server) || old.writable != link.writable;
        if let Some(old) = old.filter(is_other) {
            link.generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
            self.stats.count(Counter::Failovers);
            let (server, former) = (&link.server.address, &old.server.address);
            match (Arc::ptr_eq(&old.server, &link.server), writable) {
                (true, true) => log::info!("ezdfs: {server} takes writes now"),
                (true, false) => log::warn!("ezdfs: {server} is read-only now"),
                (false, true) => log::warn!("ezdfs: using {server} now, instead of {former}"),
                (false, false) => {
                    log::warn!("ezdfs: using {server} now, which is read-only, instead of {former}")
                }
            }
        }
        link
    }

    fn lock_choice(&self) -> std::sync::MutexGuard<'_, Option<Choice>> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
