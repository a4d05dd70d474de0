//! Two names for one file, while a site moves from one to the other. The new name is written and
//! locked, uncommitted, with the old one; the file gets its second name, which no reader looks for
//! yet; then the row is committed. The end is the other way round, under the lock of both: the file
//! loses the old name only where it has the new one; then the old row goes.

mod decide;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use super::Process;
use super::held::Held;
use super::trash::Trash;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Linkless, Mount};
use crate::index::{BATCH, PendingWrite, Record};
use crate::mount::Pulse;
use crate::name::{FileId, FileName};
use crate::runtime;

pub(crate) use decide::{Noted, Said, Verdict, decide};
use work::{FileStep, carry_out};

/// Pairs whose rows are locked at a time.
pub(crate) const PAIRS: usize = BATCH / 2;

/// How often rows are looked at anew where somebody else inserts one at the same moment.
const RACED_RETRIES: usize = 4;

/// A name, and the one that takes its place.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) old: FileName,
    pub(crate) new: FileName,
    /// Where the files are; `None` where the file stays where it is, or no name leads to one.
    pub(crate) paths: Option<(FileId, FileId)>,
    /// What is known of both.
    pub(crate) noted: Option<Noted>,
}

/// What is to be brought about.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// Both names lead to the file.
    Both,
    /// What was deleted under the old name is deleted under the new.
    Follow(Arc<Trash>),
    /// The new name alone leads to it.
    End(Arc<Trash>),
}

/// What was done for a batch.
#[derive(Debug, Default)]
pub(crate) struct Twinned {
    /// Rows that the new name got.
    pub(crate) copied: u64,
    /// Rows that went, which lead nowhere any more or have a like under the new name.
    pub(crate) ended: u64,
    /// Of what both names have now, the number of the pair in the batch.
    pub(crate) alike: Vec<(usize, Noted)>,
}

/// What is to be done when rows are locked.
#[derive(Default)]
struct Plan {
    done: Twinned,
    files: Vec<FileStep>,
    /// Rows that go at the end.
    gone: Vec<FileName>,
    /// Rows that the new names get, and whether they have one.
    rows: Vec<(Record, bool)>,
}

impl Process {
    /// Refuses servers that all take writes: a lock there is one among the clients of its own.
    pub(crate) fn require_locks(&self) -> Result<()> {
        let (pending, _) = runtime::block_on(async { self.index.begin_removal(&[]).await })?;
        let is_certified = pending.is_certified();
        runtime::block_on(pending.roll_back())?;
        match is_certified {
            false => Ok(()),
            true => {
                let reason = "several servers take writes at once (Galera), where no row can be \
                              locked for all of them; nothing was changed";
                Err(Error::new(ErrorKind::InvalidConfig, "rename", self.index.table(), reason))
            }
        }
    }

    /// Brings a batch of pairs to a stage; all of it or, but for second names of files that no row
    /// speaks of, nothing.
    pub(crate) fn twin(self: &Arc<Self>, pairs: &[Pair], stage: &Stage) -> Result<Twinned> {
        debug_assert!(pairs.len() <= PAIRS);
        let names: Vec<_> = pairs.iter().flat_map(|it| [it.old.clone(), it.new.clone()]).collect();
        let outcome = runtime::block_on(async {
            if !matches!(stage, Stage::Both) {
                self.require_unclaimed(pairs, stage).await?;
            }
            for _ in 0..RACED_RETRIES {
                let twin = || self.twin_once(pairs, &names, stage);
                if let Some(done) = self.index.attempts().repeat(twin).await? {
                    return Ok(done);
                }
            }
            let subject = names.first().map_or("", FileName::as_str);
            let reason = "others insert the same rows again and again";
            Err(Error::new(ErrorKind::Unavailable, "rename", subject, reason))
        });
        self.forget(&names);
        outcome
    }

    /// Files that rows of yet other names or tables lead to keep their names.
    async fn require_unclaimed(&self, pairs: &[Pair], stage: &Stage) -> Result<()> {
        let name = |pair: &Pair| match stage {
            Stage::Follow(_) => pair.new.clone(),
            _ => pair.old.clone(),
        };
        let moving = pairs.iter().filter(|pair| pair.paths.is_some());
        let names: Vec<_> = moving.map(name).collect();
        let claimed = self.claimed_files(&names, true).await?;
        match claimed.into_iter().min() {
            None => Ok(()),
            Some(first) => {
                let reason = "a row of another name or table leads to the file as well (that of a \
                              view of this table, too): it keeps its name";
                Err(Error::new(ErrorKind::Storage, "rename", first, reason))
            }
        }
    }

    /// `None` where somebody has inserted a row after it was looked for.
    async fn twin_once(
        self: &Arc<Self>,
        pairs: &[Pair],
        names: &[FileName],
        stage: &Stage,
    ) -> Result<Option<Twinned>> {
        let (mut pending, records) = self.index.begin_removal(names).await?;
        step!("twins-locked");
        let by_key = |record: Record| (record.name_hash.to_ascii_lowercase(), record);
        let records: HashMap<_, _> = records.into_iter().map(by_key).collect();
        let mut plan = Plan::default();
        for (number, pair) in pairs.iter().enumerate() {
            plan.add(number, pair, &records, stage);
        }
        let Plan { mut done, files, gone, rows } = plan;
        for (record, replaces) in &rows {
            if *replaces {
                pending.delete(&self.index, &[FileName::stored(&record.name)]).await?;
            }
            if !pending.insert_record(&self.index, record).await? {
                pending.roll_back().await?;
                return Ok(None);
            }
        }
        done.ended = gone.len() as u64;
        let subject = names.first().map_or("", FileName::as_str);
        let mut held = Held::new("rename", subject, pending);
        let linkless = match stage {
            Stage::End(_) => Linkless::Rename,
            _ => Linkless::Refuse,
        };
        let trash = match stage {
            Stage::Both => None,
            Stage::Follow(trash) | Stage::End(trash) => Some(Arc::clone(trash)),
        };
        let work = move |mount: &Mount, pulse: &Pulse| {
            carry_out(mount, pulse, files, linkless, trash.as_deref())
        };
        held.start(self, work).await;
        let process = Arc::clone(self);
        let finish = async move |mut pending: PendingWrite, outcomes: Vec<Result<()>>| {
            if let Some(error) = outcomes.into_iter().find_map(Result::err) {
                pending.roll_back().await?;
                return Err(error);
            }
            step!("twins-named");
            pending.delete(&process.index, &gone).await?;
            pending.commit().await?;
            step!("twins-committed");
            Ok(Some(done))
        };
        held.end(self, finish).await
    }
}

impl Plan {
    fn add(
        &mut self,
        number: usize,
        pair: &Pair,
        records: &HashMap<String, Record>,
        stage: &Stage,
    ) {
        let record = |name: &FileName| records.get(&name.hash().to_ascii_lowercase());
        let (old, new) = (record(&pair.old), record(&pair.new));
        let said = |record: Option<&Record>| record.map(Said::from);
        let (before, after) = (said(old), said(new));
        let verdict = decide(before.as_ref(), after.as_ref(), pair.noted);
        let paths = || pair.paths.clone();
        match (verdict, old, stage) {
            (Verdict::DeletedUnderOld, _, Stage::Follow(_)) => {
                self.files.extend(paths().map(|(_, path)| FileStep::trash(path, new)));
                self.gone.push(pair.new.clone());
            }
            (_, _, Stage::Follow(_)) | (Verdict::Nothing | Verdict::DeletedUnderOld, ..) => {}
            (Verdict::Copy, Some(old), _) => {
                self.rows.push((pair.renamed(old), new.is_some()));
                self.done.copied += 1;
                self.done.alike.push((number, Said::from(old).noted()));
                let needs_file = new.is_some() && is_live(old);
                let give = |(old, new)| FileStep::Give { old, new, needs_file };
                self.files.extend(paths().map(give));
                self.end(pair, old, Some(old), stage);
            }
            (Verdict::Right, Some(old), _) => {
                if before == after {
                    self.done.alike.push((number, Said::from(old).noted()));
                }
                self.end(pair, old, new, stage);
            }
            (Verdict::DeletedUnderNew, Some(old), Stage::End(_)) => {
                self.files.extend(paths().map(|(path, _)| FileStep::trash(path, Some(old))));
                self.gone.push(pair.old.clone());
            }
            (Verdict::DeletedUnderNew | Verdict::Copy | Verdict::Right, ..) => {}
        }
    }

    /// `new`: what the new name has by then.
    fn end(&mut self, pair: &Pair, old: &Record, new: Option<&Record>, stage: &Stage) {
        if !matches!(stage, Stage::End(_)) {
            return;
        }
        self.gone.push(pair.old.clone());
        if let Some((path, to)) = pair.paths.clone() {
            let is_same = new.is_some_and(|new| Said::from(new) == Said::from(old));
            let (is_live, row) = (new.is_some_and(is_live), Box::new(old.clone()));
            self.files.push(FileStep::End { old: path, new: to, is_same, is_live, row });
        }
    }
}

fn is_live(record: &Record) -> bool {
    record.mtime > 0 && !record.expired
}

impl Pair {
    /// The row that the new name gets.
    fn renamed(&self, record: &Record) -> Record {
        let (old, new) = (self.old.as_str(), self.new.as_str());
        // What both end in; legacy's prefix for mass expiry may be shorter than the name.
        let alike =
            old.chars().rev().zip(new.chars().rev()).take_while(|(one, other)| one == other);
        let common: usize = alike.map(|(character, _)| character.len_utf8()).sum();
        let (from, to) = (&old[..old.len() - common], &new[..new.len() - common]);
        let trunk = record.name_trunk.strip_prefix(from).map(|rest| format!("{to}{rest}"));
        Record {
            name: new.to_owned(),
            name_trunk: trunk.unwrap_or_else(|| record.name_trunk.clone()),
            name_hash: self.new.hash(),
            ..record.clone()
        }
    }
}
