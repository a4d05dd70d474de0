//! Rows that many requests ask for at the same time are read with one query.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Process;
use crate::cache::Reading;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Row;
use crate::name::FileName;

/// Queries under way at a time: while these two wait, others gather.
const READERS: usize = 2;

/// Names of one query.
const LARGEST: usize = 64;

type Answer = Result<(Option<Row>, Reading)>;

/// Names that wait to be asked for.
#[derive(Debug, Default)]
pub(super) struct Batch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(FileName, oneshot::Sender<Answer>)>,
    readers: usize,
}

impl Batch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some that wait; none, and one reader less, where nobody does.
    fn next(&self) -> Vec<(FileName, oneshot::Sender<Answer>)> {
        let mut state = self.state();
        let count = state.waiting.len().min(LARGEST);
        if count == 0 {
            state.readers -= 1;
        }
        state.waiting.drain(..count).collect()
    }
}

impl Process {
    /// Reads a row, in company if there is any. It is asked for after this has
    /// been called, never before. To be called within the runtime.
    pub(super) async fn read_in_batch(self: &Arc<Self>, name: FileName) -> Answer {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.batch.state();
            state.waiting.push((name, sender));
            if state.readers < READERS {
                state.readers += 1;
                let process = Arc::clone(self);
                tokio::spawn(async move { process.read_batches().await });
            }
        }
        receiver.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "find", "batch", "the reader went away"))
        })
    }

    async fn read_batches(&self) {
        loop {
            // Whoever is ready to ask joins first: a database may answer before
            // the others have had a turn, and then each would ask alone.
            tokio::task::yield_now().await;
            let asked = self.batch.next();
            if asked.is_empty() {
                return;
            }
            let reading = self.cache.reading();
            let names: Vec<_> = asked.iter().map(|(name, _)| name.clone()).collect();
            let found = self.read_rows(&names).await;
            for (name, asker) in asked {
                let row = found.as_ref().map(|rows| rows.get(&name.hash()).cloned());
                // Whoever went away meanwhile does not want it.
                let _ = asker.send(row.map(|row| (row, reading)).map_err(Clone::clone));
            }
        }
    }

    async fn read_rows(&self, names: &[FileName]) -> Result<HashMap<String, Row>> {
        if let [name] = names {
            let row = self.index.find(name).await?;
            return Ok(row.map(|row| (name.hash(), row)).into_iter().collect());
        }
        self.index.find_many(names).await
    }
}
