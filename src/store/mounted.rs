//! Work on the mount, on threads of its own: a mount that hangs costs the caller
//! its deadline and the process a bounded number of threads, and nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::files::Mount;
use crate::runtime;

/// Threads of one process that may wait for the mount at a time.
pub(super) const MOUNT_THREADS: usize = 32;

/// Shows that a long piece of work gets on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<Beats>);

#[derive(Debug, Default)]
struct Beats {
    count: AtomicU64,
    pause_seconds: AtomicU64,
}

impl Pulse {
    pub(crate) fn beat(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Announces a pause that is so much longer than others may be.
    pub(crate) fn pause(&self, length: Duration) {
        self.0.pause_seconds.store(length.as_secs(), Ordering::Relaxed);
        self.beat();
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
pub(super) struct Started<T> {
    operation: &'static str,
    task: JoinHandle<Option<Result<T>>>,
    pulse: Pulse,
    /// When somebody began to wait for it.
    since: Instant,
}

impl<T> Started<T> {
    /// Waits for the end, however long it takes.
    pub(super) async fn end(&mut self) -> Result<T> {
        let failed =
            |reason: String| Err(Error::new(ErrorKind::Internal, self.operation, "mount", reason));
        match (&mut self.task).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => failed("the work went away".to_owned()),
            Err(panic) => failed(panic.to_string()),
        }
    }

    /// Waits for the end; `None` where it has shown no sign of life for so long.
    pub(super) async fn end_within(&mut self, patience: Duration) -> Option<Result<T>> {
        let mut beats = 0;
        let mut deadline = self.since + patience;
        loop {
            if let Ok(outcome) = tokio::time::timeout_at(deadline.into(), self.end()).await {
                return Some(outcome);
            }
            if self.pulse.beats() == beats {
                return None;
            }
            beats = self.pulse.beats();
            deadline = Instant::now() + patience + self.pulse.announced();
        }
    }
}

impl Process {
    /// Does something on the mount, giving up after `mount_timeout`. What hangs
    /// keeps its thread and its slot, so that no more than [`MOUNT_THREADS`]
    /// hang.
    pub(crate) async fn on_mount<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Mount) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.on_mount_long(operation, |mount, _| work(mount)).await
    }

    /// The same for work that may rightly take long: it is given up when its
    /// pulse has been still for `mount_timeout`.
    pub(crate) async fn on_mount_long<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Mount, &Pulse) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut started = self.start_on_mount(operation, work).await?;
        let outcome = started.end_within(self.mount_timeout).await;
        outcome.unwrap_or_else(|| Err(silent(operation, self.mount_timeout)))
    }

    /// Starts work on the mount; waits at most `mount_timeout` for a slot.
    pub(super) async fn start_on_mount<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Mount, &Pulse) -> Result<T> + Send + 'static,
    ) -> Result<Started<T>> {
        let since = Instant::now();
        let slots = Arc::clone(&self.mount_slots);
        let Ok(slot) = tokio::time::timeout(self.mount_timeout, slots.acquire_owned()).await else {
            self.drop_when_it_answers(work)?;
            return Err(silent(operation, self.mount_timeout));
        };
        let (mount, pulse) = (self.mount.clone(), Pulse::default());
        let beating = pulse.clone();
        let task = runtime::spawn_blocking(move || {
            let outcome = work(&mount, &beating);
            drop(slot);
            outcome
        })?;
        Ok(Started { operation, task, pulse, since })
    }

    /// What was not begun may hold files, and closing or removing one hangs as
    /// well: not here, where all wait for their deadlines.
    fn drop_when_it_answers(&self, work: impl Send + 'static) -> Result<()> {
        let slots = Arc::clone(&self.mount_slots);
        let drop_late = async move {
            let slot = slots.acquire_owned().await;
            tokio::task::spawn_blocking(move || drop((work, slot)));
        };
        runtime::in_background(drop_late).map(drop)
    }
}

pub(super) fn silent(operation: &'static str, waited: Duration) -> Error {
    let reason = format!("the mount did not answer within {waited:?}");
    Error::new(ErrorKind::Unavailable, operation, "mount", reason)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::read::FIRST_BYTE;
    use super::*;
    use crate::{CreateOptions, FileId, Options, Store};

    pub(in crate::store) fn store(place: &std::path::Path) -> Store {
        let database = place.join("db.sqlite");
        std::fs::File::options().create(true).append(true).open(&database).unwrap();
        let mut options = Options::builder();
        options.set("dsn", &format!("sqlite:{}", database.display())).unwrap();
        options.set("root", place.to_str().unwrap()).unwrap();
        options.set("mount_timeout", "100ms").unwrap();
        let store = Store::new(options.build().unwrap());
        store.create_schema().unwrap();
        store
    }

    #[test]
    fn what_finds_no_place_is_dropped_where_waiting_is_allowed() {
        let place = tempfile::tempdir().unwrap();
        let process = store(place.path()).process().unwrap();
        let slots = Arc::clone(&process.mount_slots);
        let all = slots.try_acquire_many_owned(MOUNT_THREADS as u32).unwrap();
        let file = Arc::new(());
        let held = Arc::clone(&file);
        let outcome =
            runtime::block_on(process.on_mount("store", move |_| Ok(Arc::strong_count(&held))));
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(Arc::strong_count(&file), 2);
        drop(all);
        while Arc::strong_count(&file) > 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_the_kernel_has_cached_needs_no_thread_on_a_local_disk() {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path());
        let id = FileId::parse("images/a").unwrap();
        store.create(&id, &mut &b"bytes"[..], &CreateOptions::default()).unwrap();
        store.open(&id).unwrap();

        let process = store.process().unwrap();
        let all = Arc::clone(&process.mount_slots).try_acquire_many_owned(MOUNT_THREADS as u32);
        let opened = store.open(&id);
        drop(all.unwrap());
        match process.mount.open_nowait(&id, FIRST_BYTE).is_some() {
            true => assert_eq!(opened.unwrap().size, 5),
            false => assert_eq!(opened.unwrap_err().kind(), ErrorKind::Unavailable),
        }
    }
}
