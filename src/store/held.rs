//! Work on the mount while rows are locked. What was started there cannot be
//! called back, and may be carried out late: the lock is part of the work, so
//! that it is held until all of it has ended, whatever becomes of the caller.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::Process;
use crate::error::Result;
use crate::files::Mount;
use crate::index::PendingWrite;
use crate::mount::Pulse;
use crate::mount::Started;
use crate::name::FileName;
use crate::runtime;

/// What keeps rows locked, shared by all who work under it.
struct Lock<L>(Arc<Mutex<Option<L>>>);

impl<L> Lock<L> {
    fn new(lock: L) -> Self {
        Lock(Arc::new(Mutex::new(Some(lock))))
    }

    fn share(&self) -> Self {
        Lock(Arc::clone(&self.0))
    }

    fn take(&self) -> L {
        let lock = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        lock.expect("it is taken once, at the end")
    }
}

/// Locked rows, and what has been started on the mount since. To be ended by
/// [`Held::end`]; dropped before, the rows stay locked until the work has ended.
pub(super) struct Held<L, T> {
    operation: &'static str,
    /// What is locked, as messages name it.
    subject: String,
    lock: Lock<L>,
    started: VecDeque<Started<T>>,
    outcomes: Vec<Result<T>>,
}

impl<L: Send + 'static, T: Send + 'static> Held<L, T> {
    pub(super) fn new(operation: &'static str, subject: &str, lock: L) -> Self {
        Held {
            operation,
            subject: subject.to_owned(),
            lock: Lock::new(lock),
            started: VecDeque::new(),
            outcomes: Vec::new(),
        }
    }

    /// False where there was no place for it within `mount_timeout`: it is not done,
    /// and the error is its outcome. What was started before goes on.
    pub(super) async fn start(
        &mut self,
        process: &Process,
        work: impl FnOnce(&Mount, &Pulse) -> Result<T> + Send + 'static,
    ) -> bool {
        let lock = self.lock.share();
        let work = move |mount: &Mount, pulse: &Pulse| {
            let outcome = work(mount, pulse);
            drop(lock);
            outcome
        };
        match process.gate.start(self.operation, work).await {
            Ok(started) => self.started.push_back(started),
            Err(error) => self.outcomes.push(Err(error)),
        }
        self.outcomes.is_empty()
    }

    /// Waits for the end of all that was started, and finishes it: `finish` gets the
    /// lock and what each came to.
    ///
    /// # Errors
    ///
    /// Those of `finish`. Where something hangs the caller is told so; it is
    /// finished all the same when that has ended.
    pub(super) async fn end<R, F>(
        mut self,
        process: &Process,
        finish: impl FnOnce(L, Vec<Result<T>>) -> F + Send + 'static,
    ) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        while let Some(first) = self.started.front_mut() {
            let Some(outcome) = first.end_in_time().await else {
                return self.end_late(process, finish).await;
            };
            self.started.pop_front();
            self.outcomes.push(outcome);
        }
        finish(self.lock.take(), self.outcomes).await
    }

    async fn end_late<R, F>(
        mut self,
        process: &Process,
        finish: impl FnOnce(L, Vec<Result<T>>) -> F + Send + 'static,
    ) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        let operation = self.operation;
        let what = format!("{operation} {:?}", self.subject);
        let end = async move {
            while let Some(mut first) = self.started.pop_front() {
                self.outcomes.push(first.end().await);
            }
            let outcome = finish(self.lock.take(), self.outcomes).await;
            if let Err(error) = &outcome {
                log::error!("ezdfs: {error:#}");
            }
            outcome
        };
        let ended = runtime::to_its_end(&what, end).await;
        ended.unwrap_or_else(|| Err(process.gate.silent(operation)))
    }
}

impl Process {
    /// Does something on the mount while a row is locked. What hangs is told of
    /// at the deadline; the lock is held until it has ended.
    pub(crate) async fn while_locked<T: Send + 'static>(
        &self,
        operation: &'static str,
        path: &str,
        lock: Option<PendingWrite>,
        work: impl FnOnce(&Mount) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut held = Held::new(operation, path, lock);
        held.start(self, |mount, _| work(mount)).await;
        let finish = async |lock: Option<PendingWrite>, mut outcomes: Vec<Result<T>>| {
            if let Some(lock) = lock
                && let Err(error) = lock.roll_back().await
            {
                // Nothing was written; the server rolls back when the connection closes.
                log::warn!("ezdfs: {error:#}");
            }
            outcomes.pop().expect("one was started")
        };
        held.end(self, finish).await
    }

    /// The same for what gives a row another time, which it says.
    pub(crate) async fn advance_while_locked(
        self: &Arc<Self>,
        name: &FileName,
        lock: PendingWrite,
        work: impl FnOnce(&Mount) -> Result<Option<i64>> + Send + 'static,
    ) -> Result<bool> {
        let mut held = Held::new("check", name.as_str(), lock);
        held.start(self, |mount, _| work(mount)).await;
        let (process, name) = (Arc::clone(self), name.clone());
        let finish = async move |mut lock: PendingWrite, mut outcomes: Vec<Result<Option<i64>>>| {
            match outcomes.pop().expect("one was started")? {
                Some(mtime) => {
                    lock.set_mtime(&process.index, &name, mtime).await?;
                    lock.commit().await.map(|()| true)
                }
                None => lock.roll_back().await.map(|()| false),
            }
        };
        held.end(self, finish).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::metadata::{DEFAULT_MIME, Row};
    use crate::mount::tests::store;
    use crate::runtime::trials::NO_THREADS;
    use crate::{CreateOptions, FileId};

    /// Long enough for a writer who has nobody to wait for.
    const UNHINDERED: Duration = Duration::from_millis(300);

    /// Starts work under a lock, which `leave` does not see to its end; the mount
    /// answers late. Whether the next writer of the name came after that.
    fn next_writer_waits(leave: impl FnOnce(Held<PendingWrite, ()>, &Process)) -> bool {
        let place = tempfile::tempdir().unwrap();
        let (mine, others) = (store(place.path(), "100ms"), store(place.path(), "10s"));
        let (process, id) = (mine.process().unwrap(), FileId::parse("images/a").unwrap());
        let name = mine.name(&id).unwrap();
        let row = Row::new(&name, process.name_prefix(), 0, 1, DEFAULT_MIME);
        let (answer, answered) = channel();
        let has_ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&has_ended);
        let work = move |_: &Mount, _: &Pulse| {
            answered.recv().unwrap();
            ends.store(true, Ordering::SeqCst);
            Ok(())
        };
        let held = runtime::block_on(async {
            let lock = process.index.reserve(&name, &row).await?.expect("a new name");
            let mut held = Held::new("delete", "images/a", lock);
            assert!(held.start(&process, work).await);
            Ok(held)
        });
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                others.create(&id, &mut &b"bytes"[..], &CreateOptions::default()).unwrap();
                has_ended.load(Ordering::SeqCst)
            });
            scope.spawn(move || {
                thread::sleep(UNHINDERED);
                answer.send(()).unwrap();
            });
            leave(held.unwrap(), &process);
            writer.join().unwrap()
        })
    }

    async fn let_go(lock: PendingWrite, _: Vec<Result<()>>) -> Result<()> {
        lock.roll_back().await
    }

    #[test]
    fn what_hangs_keeps_its_lock() {
        assert!(next_writer_waits(|held, process| {
            let ended = runtime::block_on(held.end(process, let_go));
            assert!(ended.unwrap_err().to_string().contains("did not answer within"));
        }));
    }

    #[test]
    fn where_no_thread_can_be_made_the_end_is_waited_for() {
        assert!(next_writer_waits(|held, process| {
            NO_THREADS.set(true);
            let ended = runtime::block_on(held.end(process, let_go));
            NO_THREADS.set(false);
            ended.unwrap();
        }));
    }

    #[test]
    fn whoever_goes_away_leaves_the_lock_with_the_work() {
        assert!(next_writer_waits(|held, _| drop(held)));
    }
}
