//! Closing where it makes nobody wait: on NFS close(2) asks the server.

use std::fs::File;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::most_kept_open;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{self, PerProcess};

static CLOSER: PerProcess<Closer> = PerProcess::new();

/// Files that may wait to be closed, where the process may have many.
const MOST_WAITING: usize = 64;

/// Files gather for so long: waking a thread costs more than closing one.
const GATHERING: Duration = Duration::from_millis(1);

/// Closing one file takes no longer, unless the mount hangs.
const LONGEST: Duration = Duration::from_millis(100);

/// Closes a file on a thread that does nothing else; here only where that thread
/// has fallen behind, for who waits has a descriptor still, and a process has so
/// many and no more.
pub(crate) fn close_elsewhere(file: File) {
    if let Ok(closer) = CLOSER.get_or_try_init(Closer::start)
        && !closer.progress.is_behind()
    {
        closer.progress.waiting.fetch_add(1, Ordering::Relaxed);
        let sender = closer.sender.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the thread is gone the file comes back and is closed here.
        let _ = sender.send(file);
    }
}

struct Closer {
    sender: Mutex<Sender<File>>,
    progress: Arc<Progress>,
}

struct Progress {
    epoch: Instant,
    /// The file that is being closed included.
    waiting: AtomicUsize,
    most_waiting: usize,
    /// When closing one began, in milliseconds and one more; 0 in between.
    closing_since: AtomicU64,
}

impl Progress {
    fn close(&self, file: File) {
        self.closing_since.store(self.now(), Ordering::Relaxed);
        drop(file);
        self.closing_since.store(0, Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether many wait although closing works.
    fn is_behind(&self) -> bool {
        let since = self.closing_since.load(Ordering::Relaxed);
        let hangs = since > 0 && self.now().saturating_sub(since) > LONGEST.as_millis() as u64;
        !hangs && self.waiting.load(Ordering::Relaxed) >= self.most_waiting
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64 + 1
    }
}

impl Closer {
    fn start() -> Result<Self> {
        let (sender, files) = channel::<File>();
        let progress = Arc::new(Progress {
            epoch: Instant::now(),
            waiting: AtomicUsize::new(0),
            most_waiting: MOST_WAITING.min(most_kept_open() / 2),
            closing_since: AtomicU64::new(0),
        });
        let closing = Arc::clone(&progress);
        let close = move || {
            runtime::leave_signals_to_the_host();
            while let Ok(file) = files.recv() {
                closing.close(file);
                files.try_iter().for_each(|file| closing.close(file));
                std::thread::sleep(GATHERING);
            }
        };
        let thread = std::thread::Builder::new().name("ezdfs close".to_owned()).spawn(close);
        thread.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "start", "closer", "cannot start a thread")
                .with_source(error)
        })?;
        Ok(Closer { sender: Mutex::new(sender), progress })
    }
}
