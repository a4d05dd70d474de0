//! The servers that the DSN names now, and what each of them did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Dsn;
use crate::config::dsn::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

/// How long a server is not used that refused something, if there is another one;
/// doubled each time that it does so again soon.
const FIRST_ABSENCE: Duration = Duration::from_secs(10);
const LONGEST_ABSENCE: Duration = Duration::from_secs(320);

/// One of the servers, and what it did.
pub(super) struct Server {
    pub(super) address: Address,
    refusal: Mutex<Option<Refusal>>,
    is_suspect: AtomicBool,
    is_pooled: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    at: Instant,
    absence: Duration,
}

impl Server {
    pub(super) fn new(address: Address) -> Self {
        // Where nothing is kept it is sent as through a pooler.
        let is_pooled = AtomicBool::new(address.parameter("statementcachecapacity") == Some("0"));
        let is_suspect = AtomicBool::new(false);
        Server { address, refusal: Mutex::new(None), is_suspect, is_pooled }
    }

    fn all(dsn: &Dsn) -> Vec<Arc<Server>> {
        dsn.servers().iter().cloned().map(Server::new).map(Arc::new).collect()
    }

    pub(super) fn is_pooled(&self) -> bool {
        self.is_pooled.load(Ordering::SeqCst)
    }

    pub(super) fn is_found_pooled(&self) {
        self.is_pooled.store(true, Ordering::SeqCst);
    }

    pub(super) fn refuses(&self) -> bool {
        self.lock_refusal().is_some_and(|refusal| refusal.at.elapsed() < refusal.absence)
    }

    /// Whether it has refused something, and taken no write since.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::SeqCst)
    }

    pub(super) fn has_written(&self) {
        self.is_suspect.store(false, Ordering::SeqCst);
    }

    pub(super) fn has_refused(&self) {
        self.is_suspect.store(true, Ordering::SeqCst);
        let mut refusal = self.lock_refusal();
        let absence = match *refusal {
            // Of connections that were made together.
            Some(Refusal { at, absence }) if at.elapsed() < absence => absence,
            Some(Refusal { at, absence }) if at.elapsed() < absence * 2 => {
                (absence * 2).min(LONGEST_ABSENCE)
            }
            _ => FIRST_ABSENCE,
        };
        *refusal = Some(Refusal { at: Instant::now(), absence });
    }

    fn lock_refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All servers of the DSN, in its order; the DSN's file may be written again.
pub(super) struct Roster(Mutex<(Dsn, Vec<Arc<Server>>)>);

impl Roster {
    pub(super) fn new(dsn: Dsn) -> Self {
        let servers = Server::all(&dsn);
        Roster(Mutex::new((dsn, servers)))
    }

    pub(super) fn all(&self) -> Vec<Arc<Server>> {
        self.lock().1.clone()
    }

    pub(super) fn first(&self) -> Result<Arc<Server>> {
        self.lock()
            .1
            .first()
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "option", "dsn", "names no server"))
    }

    /// Reads the DSN's file; says whether it names other servers or logins now. A file
    /// that cannot be read, or not so soon, is taken for what it was.
    pub(super) async fn read_again(&self, within: Duration) -> bool {
        let before = self.lock().0.clone();
        let Ok(reading) = runtime::spawn_blocking(move || before.changed()) else {
            return false;
        };
        let Ok(Ok(Some(Some(now)))) = tokio::time::timeout(within, reading).await else {
            return false;
        };
        log::warn!("ezdfs: the file of the dsn has changed; using {now} now");
        let servers = Server::all(&now);
        *self.lock() = (now, servers);
        true
    }

    fn lock(&self) -> MutexGuard<'_, (Dsn, Vec<Arc<Server>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
