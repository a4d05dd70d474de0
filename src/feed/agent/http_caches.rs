//! Tells HTTP caches what has changed: a PURGE for each URL, or one BAN of all files of the store
//! where nobody knows what has changed, or it is too much.
//!
//! Each cache has a queue and a task of its own, so one that is away holds up no other, nor the
//! agent. What has not been told when the agent ends is not remembered: it begins with a BAN.

mod client;
mod queue;
mod urls;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout_at};

use crate::config::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::stats::{Counter, Gauge};
use crate::store::Process;

pub(crate) use client::Address;
use client::Client;
use queue::{Forget, Next, Queue};
use urls::Urls;

/// Before a cache that fails is asked again; doubled with each time that it does.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Which caches are told, and how.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) caches: Vec<Address>,
    /// Under which hosts clients ask; none: that of the `url_prefix`.
    pub(crate) hosts: Vec<HeaderValue>,
    pub(crate) token: Option<HeaderValue>,
    /// After so long each is told once more; never where it is 0.
    pub(crate) again: Duration,
    /// So much waits for a cache, at most.
    pub(crate) queue: usize,
    pub(crate) tell: fn(&str),
}

/// The caches of one store.
pub(super) struct HttpCaches {
    urls: Urls,
    caches: Vec<Arc<Cache>>,
    tasks: Vec<JoinHandle<()>>,
}

struct Cache {
    queue: Mutex<Queue>,
    /// There is something in the queue.
    news: Notify,
    process: Arc<Process>,
    tell: fn(&str),
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

impl HttpCaches {
    /// Has caches forget all that they have of this store: nobody knows what has changed before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] where no host is known.
    pub(super) fn start(
        settings: &Settings,
        options: &Options,
        process: &Arc<Process>,
    ) -> Result<Self> {
        let urls = Urls::of(options);
        let hosts = match (settings.hosts.is_empty(), urls.host()) {
            (false, _) => settings.hosts.clone(),
            (true, Some(host)) => vec![host],
            (true, None) => {
                let reason = "required: the url_prefix names no host that clients ask for";
                return Err(Error::new(ErrorKind::InvalidConfig, "option", "purge-host", reason));
            }
        };
        let (mut caches, mut tasks) = (Vec::new(), Vec::new());
        for address in &settings.caches {
            let cache = Arc::new(Cache {
                queue: Mutex::new(Queue::new(settings.queue, settings.again)),
                news: Notify::new(),
                process: Arc::clone(process),
                tell: settings.tell,
            });
            let client = Client::new(
                address.clone(),
                hosts.clone(),
                settings.token.clone(),
                urls.beginning().to_owned(),
            );
            tasks.push(runtime::in_background(serve(Arc::clone(&cache), client))?);
            caches.push(cache);
        }
        let started = HttpCaches { urls, caches, tasks };
        started.all_changed();
        Ok(started)
    }

    /// Rows of these names are others now, or are gone.
    pub(super) fn changed<'n>(&self, names: impl Iterator<Item = &'n str>) {
        let paths: Vec<Arc<str>> = names.flat_map(|name| self.urls.paths(name)).collect();
        if !paths.is_empty() {
            self.tell(|queue| paths.iter().for_each(|path| queue.add(Arc::clone(path))));
        }
    }

    /// Any may have changed.
    pub(super) fn all_changed(&self) {
        self.tell(Queue::add_all);
    }

    fn tell(&self, what: impl Fn(&mut Queue)) {
        for cache in &self.caches {
            cache.change(&what);
            cache.news.notify_one();
        }
    }
}

impl Drop for HttpCaches {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.tell(Queue::end);
    }
}

impl Cache {
    /// Keeps the gauge true.
    fn change<T>(&self, what: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let before = queue.len() as i64;
        let done = what(&mut queue);
        self.process.stats().change(Gauge::CachePurgesQueued, queue.len() as i64 - before);
        done
    }

    fn count(&self, forget: &Forget, is_done: bool) {
        self.process.stats().count(match (forget, is_done) {
            (Forget::Path(_), true) => Counter::CachePurgesDone,
            (Forget::Path(_), false) => Counter::CachePurgesFailed,
            (Forget::All, true) => Counter::CacheBansDone,
            (Forget::All, false) => Counter::CacheBansFailed,
        });
    }
}

async fn serve(cache: Arc<Cache>, mut client: Client) {
    let mut pause = FIRST_PAUSE;
    // As it was told.
    let mut trouble: Option<String> = None;
    loop {
        let task = match cache.change(|queue| queue.next(Instant::now())) {
            Next::Now(task) => task,
            Next::At(due) => {
                let _ = timeout_at(due.into(), cache.news.notified()).await;
                continue;
            }
            Next::Nothing => {
                cache.news.notified().await;
                continue;
            }
        };
        let asked = client.forget(&task.what).await;
        cache.count(&task.what, asked.is_ok());
        match asked {
            Ok(()) => {
                if trouble.take().is_some() {
                    (cache.tell)(&format!("the cache {} is purged again", client.address()));
                }
                pause = FIRST_PAUSE;
                cache.change(|queue| queue.done(task, Instant::now()));
            }
            Err(error) => {
                let text = format!("{error:#}; it is tried again");
                if trouble.as_ref() != Some(&text) {
                    (cache.tell)(&text);
                }
                trouble = Some(text);
                cache.change(|queue| queue.failed(task, Instant::now()));
                sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }
}
