//! Rows that many requests ask for at the same time are read with one query.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{Lookup, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Row;
use crate::name::FileName;

/// Who may wait at a time: more than an event loop's clients are, and each takes some
/// kilobytes.
pub(crate) const MOST_WAITING: usize = 8192;

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
        state.waiting.retain(|(_, asker)| !asker.is_closed());
        let count = state.waiting.len().min(LARGEST);
        if count == 0 {
            state.readers -= 1;
        }
        state.waiting.drain(..count).collect()
    }
}

impl Lookup {
    /// Reads a row, in company if there is any. It is asked for after this has
    /// been called, never before. Who waits for a turn waits no longer than who
    /// asks alone. To be called within the runtime.
    pub(super) async fn read_in_batch(self: &Arc<Self>, name: FileName) -> Answer {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.batch.state();
            if state.waiting.len() >= MOST_WAITING {
                // Those who wait are as many as look-ups are under way: the others
                // have gone away.
                state.waiting.retain(|(_, asker)| !asker.is_closed());
            }
            state.waiting.push((name, sender));
            if state.readers < READERS {
                state.readers += 1;
                let lookup = Arc::clone(self);
                tokio::spawn(async move { lookup.read_batches().await });
            }
        }
        let patience = self.index.patience();
        match tokio::time::timeout(patience, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                Err(Error::new(ErrorKind::Internal, "find", "batch", "the reader went away"))
            }
            Err(_) => {
                let reason = format!("there was no turn within {patience:?}");
                Err(Error::new(ErrorKind::Unavailable, "find", "database", reason))
            }
        }
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
            let reading = self.rows.reading();
            let names: Vec<_> = asked.iter().map(|(name, _)| name.clone()).collect();
            // Who asked is told even where it panics, and the next have a reader.
            let found = AssertUnwindSafe(self.read_rows(&names)).catch_unwind().await;
            let found = found.unwrap_or_else(|panic| Err(Error::from_panic(&*panic)));
            for (name, asker) in asked {
                let row = found.as_ref().map_err(Clone::clone);
                let row = row.and_then(|rows| rows.get(&name.hash()).cloned().transpose());
                // Whoever went away meanwhile does not want it.
                let _ = asker.send(row.map(|row| (row, reading)));
            }
        }
    }

    async fn read_rows(&self, names: &[FileName]) -> Result<HashMap<String, Result<Row>>> {
        if let [name] = names {
            let row = self.index.find(name).await?;
            return Ok(row.map(|row| (name.hash(), Ok(row))).into_iter().collect());
        }
        self.index.find_many(names).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use crate::index::Index;
    use crate::stats::Stats;

    #[test]
    fn who_gets_no_turn_is_told_so_and_leaves() {
        let mut options = Options::builder();
        options.set("dsn", "sqlite:/x").unwrap().set("root", "/").unwrap();
        options.set("connect_timeout", "1ms").unwrap().set("query_timeout", "1ms").unwrap();
        let options = options.build().unwrap();
        let stats = Stats::new(None);
        let index = Index::new(&options, &stats).unwrap();
        let lookup = Arc::new(Lookup::new(&options, Arc::new(index), &stats));
        // As if both waited for a table that somebody has locked.
        lookup.batch.state().readers = READERS;
        let outcome = crate::runtime::block_on(async {
            lookup.read_in_batch(FileName::stored("images/a")).await
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(lookup.batch.next().is_empty());
    }
}
