//! Pairs, worked on by several threads at once.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// So many items a thread takes at a time: of a copy as many new files share a transaction.
const BATCH: usize = 64;

/// How often it is asked whether to go on where nothing is heard.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Gives items to so many threads, batch by batch, until all are worked on or `work` says by `None`
/// that no more can be done. `hear` gets, on this thread, what they send, and `None` now and then.
pub(super) fn each_batch<T: Sync, D: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&[T], &Sender<D>) -> Option<()> + Sync,
    mut hear: impl FnMut(Option<D>),
) {
    let queue = Mutex::new(items.chunks(BATCH));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().div_ceil(BATCH).max(1)) {
            let (queue, work, sender) = (&queue, &work, sender.clone());
            scope.spawn(move || {
                let queue = || queue.lock().unwrap_or_else(PoisonError::into_inner);
                let next = || queue().next();
                while let Some(batch) = next() {
                    if work(batch, &sender).is_none() {
                        // The others would wait for what is gone as well.
                        *queue() = [].chunks(BATCH);
                    }
                }
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(LOOK_AGAIN) {
                Ok(heard) => hear(Some(heard)),
                Err(RecvTimeoutError::Timeout) => hear(None),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
}
