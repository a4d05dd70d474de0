//! What is done with pairs, by several threads at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::bytes::{self, Brought, Pace, Verify};
use super::difference::{Comparison, Difference, compare};
use super::pairs::Pair;
use super::side::{Listed, Side};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Identity, Row};
use crate::name::FileId;
use crate::runtime;
use crate::store::{Incoming, is_of_all, put_without_row};

/// What became of a pair.
pub(super) enum Done {
    Unchanged {
        size: u64,
    },
    /// It is there now, or would be.
    Copied {
        id: FileId,
        size: u64,
        difference: Difference,
    },
    Extra(FileId),
    Failed(Error),
    /// No more can be done.
    Ended(Error),
}

/// How files are copied.
pub(super) struct Work<'c> {
    pub(super) from: &'c Side,
    pub(super) to: &'c Side,
    pub(super) same_files: bool,
    pub(super) verify: Verify,
    pub(super) with_deleted: bool,
    pub(super) dry_run: bool,
    pub(super) pace: &'c Pace,
    /// It is to end, once what is begun is done.
    pub(super) stop: AtomicBool,
}

/// New files, staged, that will share a transaction.
struct Ready {
    incoming: Vec<Incoming>,
    differences: Vec<(u64, Difference)>,
    bytes: u64,
    since: Instant,
}

impl Default for Ready {
    fn default() -> Self {
        let (incoming, differences) = (Vec::new(), Vec::new());
        Ready { incoming, differences, bytes: 0, since: Instant::now() }
    }
}

impl Ready {
    fn add(&mut self, incoming: Incoming, difference: Difference) {
        if self.incoming.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += incoming.row.size;
        self.differences.push((incoming.row.size, difference));
        self.incoming.push(incoming);
    }

    /// What is not stored is lost where the copy is killed.
    fn is_due(&self) -> bool {
        const MOST_BYTES: u64 = 16 << 20;
        const LONGEST: Duration = Duration::from_secs(1);
        self.bytes >= MOST_BYTES || self.since.elapsed() >= LONGEST
    }
}

impl Work<'_> {
    /// Which pairs are to be compared byte for byte stands beside each. `None` where nobody
    /// listens, the next files would meet the same error, or it is to end.
    pub(super) fn batch(&self, batch: &[(Pair, bool)], done: &Sender<Done>) -> Option<()> {
        let mut ready = Ready::default();
        for (pair, bytes) in batch {
            if self.stop.load(Ordering::Relaxed) {
                let _ = self.store(&mut ready, done);
                return None;
            }
            let outcome = match self.one(pair, *bytes) {
                Ok(Step::Done(outcome)) => outcome,
                Ok(Step::New(incoming, difference)) => {
                    ready.add(*incoming, difference);
                    if ready.is_due() {
                        self.store(&mut ready, done)?;
                    }
                    continue;
                }
                Err(error) => failed(error),
            };
            if let Done::Ended(_) = outcome {
                // What is complete is stored all the same: started again, there is less to do.
                let _ = self.store(&mut ready, done);
                done.send(outcome).ok()?;
                return None;
            }
            done.send(outcome).ok()?;
        }
        self.store(&mut ready, done)
    }

    fn store(&self, ready: &mut Ready, done: &Sender<Done>) -> Option<()> {
        let Ready { incoming, differences, .. } = std::mem::take(ready);
        let process = self.to.process().filter(|_| !incoming.is_empty());
        let stored = process.map(|process| process.store_new(incoming)).unwrap_or_default();
        for ((id, outcome), (size, difference)) in stored.into_iter().zip(differences) {
            let outcome = match outcome {
                Ok(()) => Done::Copied { id, size, difference },
                Err(error) => failed(error),
            };
            let is_end = matches!(outcome, Done::Ended(_));
            done.send(outcome).ok()?;
            if is_end {
                return None;
            }
        }
        Some(())
    }

    fn one(&self, pair: &Pair, bytes: bool) -> Result<Step> {
        if self.with_deleted
            && let (Some(Listed { row: Some(row), .. }), None) = (&pair.from, &pair.to)
            && !row.is_live()
        {
            return self.deleted(&pair.id, row).map(Step::Done);
        }
        let comparison = Comparison { bytes, same_files: self.same_files, source_file: false };
        let difference = compare(self.from, self.to, pair, comparison)?;
        let size = pair.from.as_ref().and_then(|from| from.row.as_ref()).map_or(0, |row| row.size);
        let Some(difference) = difference else { return Ok(Step::Done(Done::Unchanged { size })) };
        let id = pair.id.clone();
        if difference == Difference::Extra {
            return Ok(Step::Done(Done::Extra(id)));
        }
        if self.dry_run {
            return Ok(Step::Done(Done::Copied { id, size, difference }));
        }
        if self.same_files {
            return self.row_alone(pair, difference).map(Step::Done);
        }
        let Some(Brought { row, staged }) =
            bytes::bring(self.from, self.to, &id, self.verify, self.pace)?
        else {
            return Ok(Step::Done(Done::Unchanged { size }));
        };
        let size = row.size;
        match self.to.process() {
            None => put_without_row(&id, staged, row.identity())?,
            Some(_) if pair.to.is_none() => {
                return Ok(Step::New(Box::new(Incoming { id, row, staged }), difference));
            }
            Some(process) => process.store_over(Incoming { id: id.clone(), row, staged })?,
        }
        Ok(Step::Done(Done::Copied { id, size, difference }))
    }

    /// The file is there: both tables speak of one tree.
    fn row_alone(&self, pair: &Pair, difference: Difference) -> Result<Done> {
        let id = pair.id.clone();
        let source = self.from.find(&id)?.and_then(|source| source.row).filter(Row::is_live);
        let (Some(row), Some(process)) = (source, self.to.process()) else {
            return Ok(Done::Unchanged { size: 0 });
        };
        if difference == Difference::NoFile {
            let reason = "the source's row has no file of its size: see `ezdfs fsck` there";
            return Err(Error::new(ErrorKind::Storage, "copy", id.as_str(), reason));
        }
        let row = self.to.own_row(&row, &id)?;
        process.store_row(&row)?;
        Ok(Done::Copied { id, size: row.size, difference })
    }

    /// A row that says that its file was deleted, and the file, if it is there still. No reader
    /// sees either.
    pub(super) fn deleted(&self, id: &FileId, row: &Row) -> Result<Done> {
        let copied = Done::Copied { id: id.clone(), size: 0, difference: Difference::Missing };
        let (Some(from), Some(to)) = (self.from.process(), self.to.process()) else {
            return Ok(Done::Unchanged { size: 0 });
        };
        if self.dry_run {
            return Ok(copied);
        }
        let key = self.from.prefix().name(id)?.hash();
        let record = runtime::block_on(async { from.index().record(&key).await })?;
        let Some(mut record) = record.filter(|record| record.mtime == row.mtime) else {
            return Ok(Done::Unchanged { size: 0 });
        };
        let name = self.to.prefix().name(id)?;
        name.as_str().clone_into(&mut record.name);
        name.as_str().clone_into(&mut record.name_trunk);
        record.name_hash = name.hash();
        if !self.same_files {
            self.bring_deleted(id, row)?;
        }
        runtime::block_on(async {
            let begin = || to.index().begin_restore(&record);
            match to.index().attempts().repeat(begin).await? {
                Some(pending) => pending.commit().await,
                None => Ok(()),
            }
        })?;
        Ok(copied)
    }

    fn bring_deleted(&self, id: &FileId, row: &Row) -> Result<()> {
        if self.from.mount().entry(id.as_str())?.is_none()
            || self.to.mount().has_entry(id.as_str())?
        {
            return Ok(());
        }
        let listed = Listed { id: id.clone(), row: None };
        let Brought { staged, .. } =
            bytes::bring_as_it_is(self.from, self.to, &listed, self.verify, self.pace)?;
        let version = Identity { size: staged.written(), mtime: row.mtime.abs() };
        put_without_row(id, staged, version)
    }
}

enum Step {
    Done(Done),
    /// To be stored together with others.
    New(Box<Incoming>, Difference),
}

fn failed(error: Error) -> Done {
    if is_of_all(&error) { Done::Ended(error) } else { Done::Failed(error) }
}
