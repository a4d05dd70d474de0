//! The gate before the mount. Work on it is done on threads of its own: a mount that
//! hangs costs the caller its deadline and the process a bounded number of threads, and
//! nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::config::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::files::Mount;
use crate::runtime;
use crate::stats::{Counter, Gauge, Held, Stats, Timer};

/// Threads of one process that may wait for the mount at a time.
const MOUNT_THREADS: usize = 32;

/// Shows that a long piece of work gets on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<Beats>);

#[derive(Debug, Default)]
struct Beats {
    count: AtomicU64,
    pause_seconds: AtomicU64,
    /// How somebody who waits, and the thread, see it.
    fate: AtomicU8,
}

const UNDER_WAY: u8 = 0;
const GIVEN_UP: u8 = 1;
const ENDED: u8 = 2;

impl Pulse {
    pub(crate) fn beat(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Announces a pause that is so much longer than others may be.
    pub(crate) fn pause(&self, length: Duration) {
        self.0.pause_seconds.store(length.as_secs(), Ordering::Relaxed);
        self.beat();
    }

    /// Has it count as stuck, if it goes on.
    fn give_up(&self, stats: &Stats) {
        let (success, failure) = (Ordering::SeqCst, Ordering::SeqCst);
        if self.0.fate.compare_exchange(UNDER_WAY, GIVEN_UP, success, failure).is_ok() {
            stats.change(Gauge::MountThreadsStuck, 1);
        }
    }

    fn is_given_up(&self) -> bool {
        self.0.fate.load(Ordering::SeqCst) == GIVEN_UP
    }

    /// Whether somebody had given up waiting before it ended.
    fn ends_late(&self) -> bool {
        self.0.fate.swap(ENDED, Ordering::SeqCst) == GIVEN_UP
    }

    fn beats(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    fn announced(&self) -> Duration {
        Duration::from_secs(self.0.pause_seconds.load(Ordering::Relaxed))
    }
}

/// Work that has been started. Dropped, it goes on to its end unobserved, and
/// what comes of it is dropped on its own thread.
pub(crate) struct Started<T> {
    operation: &'static str,
    task: JoinHandle<Option<Result<T>>>,
    pulse: Pulse,
    /// When somebody began to wait for it.
    since: Instant,
    /// How long it may be silent.
    patience: Duration,
    stats: Arc<Stats>,
}

/// Nobody waits for it any more: where it goes on for longer than anybody would have, it is stuck.
impl<T> Drop for Started<T> {
    fn drop(&mut self) {
        if self.task.is_finished() || self.pulse.is_given_up() {
            return;
        }
        let (pulse, stats) = (self.pulse.clone(), Arc::clone(&self.stats));
        let left = self.patience.saturating_sub(self.since.elapsed());
        let look = async move {
            tokio::time::sleep(left).await;
            pulse.give_up(&stats);
        };
        drop(runtime::in_background(look));
    }
}

impl<T> Started<T> {
    /// Waits for the end, however long it takes.
    pub(crate) async fn end(&mut self) -> Result<T> {
        let failed =
            |reason: String| Err(Error::new(ErrorKind::Internal, self.operation, "mount", reason));
        match (&mut self.task).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => failed("the work went away".to_owned()),
            Err(panic) => failed(panic.to_string()),
        }
    }

    /// Waits for the end; `None` where it has shown no sign of life for so long.
    pub(crate) async fn end_in_time(&mut self) -> Option<Result<T>> {
        let mut beats = 0;
        let mut deadline = self.since + self.patience;
        loop {
            if let Ok(outcome) = tokio::time::timeout_at(deadline.into(), self.end()).await {
                return Some(outcome);
            }
            if self.pulse.beats() == beats {
                self.stats.count(Counter::MountTimeouts);
                self.pulse.give_up(&self.stats);
                return None;
            }
            beats = self.pulse.beats();
            deadline = Instant::now() + self.patience + self.pulse.announced();
        }
    }
}

/// Work on its thread; ends also by a panic.
struct Working {
    timer: Timer,
    since: Instant,
    pulse: Pulse,
    busy: Held,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Working {
    fn drop(&mut self) {
        let stats = self.busy.stats();
        stats.took(self.timer, self.since);
        if self.pulse.ends_late() {
            stats.change(Gauge::MountThreadsStuck, -1);
        }
    }
}

/// The one way to the mount of a process.
#[derive(Debug)]
pub(crate) struct Gate {
    mount: Mount,
    slots: Arc<Semaphore>,
    timeout: Duration,
    stats: Arc<Stats>,
}

impl Gate {
    pub(crate) fn new(options: &Options, stats: &Arc<Stats>) -> Self {
        Gate {
            mount: Mount::new(options),
            slots: Arc::new(Semaphore::new(MOUNT_THREADS)),
            timeout: options.mount_timeout,
            stats: Arc::clone(stats),
        }
    }

    /// Past the gate: for what does not wait, and for a command's work that has no deadline.
    pub(crate) fn mount(&self) -> &Mount {
        &self.mount
    }

    /// How long the mount may be silent: `mount_timeout`.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Takes all threads.
    #[cfg(test)]
    pub(crate) fn close(&self) -> tokio::sync::OwnedSemaphorePermit {
        Arc::clone(&self.slots).try_acquire_many_owned(MOUNT_THREADS as u32).unwrap()
    }

    /// The error of work that was silent for too long.
    pub(crate) fn silent(&self, operation: &'static str) -> Error {
        let reason = format!("the mount did not answer within {:?}", self.timeout);
        Error::new(ErrorKind::Unavailable, operation, "mount", reason)
    }

    /// Does something on the mount, giving up after `mount_timeout`. What hangs
    /// keeps its thread and its slot, so that no more than [`MOUNT_THREADS`]
    /// hang.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Mount) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_long(operation, |mount, _| work(mount)).await
    }

    /// The same for work that may rightly take long: it is given up when its
    /// pulse has been still for `mount_timeout`.
    pub(crate) async fn run_long<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Mount, &Pulse) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut started = self.start(operation, work).await?;
        let outcome = started.end_in_time().await;
        outcome.unwrap_or_else(|| Err(self.silent(operation)))
    }

    /// Starts work on the mount; waits at most `mount_timeout` for a slot.
    pub(crate) async fn start<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Mount, &Pulse) -> Result<T> + Send + 'static,
    ) -> Result<Started<T>> {
        let since = Instant::now();
        let slots = Arc::clone(&self.slots);
        let Ok(Ok(slot)) = tokio::time::timeout(self.timeout, slots.acquire_owned()).await else {
            self.stats.took(Timer::MountWait, since);
            self.stats.count(Counter::MountTimeouts);
            self.drop_when_it_answers(work)?;
            return Err(self.silent(operation));
        };
        self.stats.took(Timer::MountWait, since);
        let (mount, pulse) = (self.mount.clone(), Pulse::default());
        let working = Working {
            timer: Timer::of_mount(operation),
            since: Instant::now(),
            pulse: pulse.clone(),
            busy: self.stats.hold(Gauge::MountThreads),
            _slot: slot,
        };
        let task = runtime::spawn_blocking(move || {
            let outcome = work(&mount, &working.pulse);
            drop(working);
            outcome
        })?;
        let (patience, stats) = (self.timeout, Arc::clone(&self.stats));
        Ok(Started { operation, task, pulse, since, patience, stats })
    }

    /// What was not begun may hold files, and closing or removing one hangs as
    /// well: not here, where all wait for their deadlines.
    fn drop_when_it_answers(&self, work: impl Send + 'static) -> Result<()> {
        let slots = Arc::clone(&self.slots);
        let drop_late = async move {
            let slot = slots.acquire_owned().await;
            tokio::task::spawn_blocking(move || drop((work, slot)));
        };
        runtime::in_background(drop_late).map(drop)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::stats::Snapshot;
    use crate::{Options, Store};

    pub(crate) fn store(place: &std::path::Path, mount_timeout: &str) -> Store {
        let database = place.join("db.sqlite");
        std::fs::File::options().create(true).append(true).open(&database).unwrap();
        let mut options = Options::builder();
        options.set("dsn", &format!("sqlite:{}", database.display())).unwrap();
        options.set("root", place.to_str().unwrap()).unwrap();
        options.set("mount_timeout", mount_timeout).unwrap();
        let store = Store::new(options.build().unwrap());
        store.create_schema().unwrap();
        store
    }

    #[test]
    fn what_finds_no_place_is_dropped_where_waiting_is_allowed() {
        let place = tempfile::tempdir().unwrap();
        let process = store(place.path(), "100ms").process().unwrap();
        let all = process.gate().close();
        let file = Arc::new(());
        let held = Arc::clone(&file);
        let outcome =
            runtime::block_on(process.gate().run("store", move |_| Ok(Arc::strong_count(&held))));
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(Arc::strong_count(&file), 2);
        drop(all);
        while Arc::strong_count(&file) > 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_hangs_is_stuck_though_nobody_waits_for_it_any_more() {
        let place = tempfile::tempdir().unwrap();
        let process = store(place.path(), "100ms").process().unwrap();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let work = move |_: &Mount, _: &Pulse| {
            let _ = ended.recv();
            Ok(())
        };
        let started = runtime::block_on(process.gate().start("open", work)).unwrap();
        let stuck = || Snapshot::of_sheet(&process.gate().stats).gauge(Gauge::MountThreadsStuck);
        assert_eq!(stuck(), 0);
        drop(started);
        while stuck() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(end);
        while stuck() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
