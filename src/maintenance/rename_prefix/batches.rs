//! The rows of the old names, batch by batch, and what the new ones have.

use std::collections::HashMap;

use super::names::Names;
use crate::error::{Error, ErrorKind, Result};
use crate::files::Mount;
use crate::index::{Keyed, PAGE};
use crate::metadata::Row;
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::store::{PAIRS, Pair, Process, Said, Verdict, decide};

/// Some pairs, and their rows as they were when they were read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) pairs: Vec<Pair>,
    /// Of the old names, in the order of the pairs.
    rows: Vec<Row>,
    /// Of the new names, by their keys.
    news: HashMap<String, Row>,
    /// Why others have no pair.
    pub(super) failures: Vec<Error>,
}

impl Batch {
    pub(super) fn new_row(&self, pair: &Pair) -> Option<&Row> {
        self.news.get(&pair.new.hash())
    }

    /// Where both rows were written since they were alike, tells the pair which was written first, by
    /// the file server's clock: rows' times run ahead where a file is written often.
    pub(super) fn tell_later(&mut self, process: &Process) -> Result<()> {
        let Batch { pairs, rows, news, .. } = self;
        for (pair, row) in pairs.iter_mut().zip(rows) {
            let Some(new) = news.get(&pair.new.hash()) else { continue };
            let (old, new) = (Said::from(&*row).noted(), Said::from(new).noted());
            let is_known = old == new || [Some(old), Some(new)].contains(&pair.noted);
            let Some((old_path, new_path)) = pair.paths.clone().filter(|_| !is_known) else {
                continue;
            };
            let look = move |mount: &Mount| {
                let change = |path: &FileId| mount.last_change(path.as_str());
                Ok((change(&old_path)?, change(&new_path)?))
            };
            match runtime::block_on(process.gate().run("rename", look))? {
                (Some(one), Some(other)) if one < other => pair.noted = Some(old),
                (Some(one), Some(other)) if one > other => pair.noted = Some(new),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn is_alike(&self, pair: &Pair, row: &Row) -> bool {
        self.new_row(pair).is_some_and(|new| Said::from(new) == Said::from(row))
    }

    /// The pairs, the old row of each, and what is to be done for both.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (&Pair, &Row, Verdict)> {
        self.pairs.iter().zip(&self.rows).map(|(pair, row)| {
            let new = self.new_row(pair).map(Said::from);
            (pair, row, decide(Some(&Said::from(row)), new.as_ref(), pair.noted))
        })
    }
}

/// Goes through all rows of the old names.
pub(super) struct Batches<'m> {
    process: &'m Process,
    names: &'m Names,
    /// The last key of the page.
    after: Option<String>,
    page: std::vec::IntoIter<Keyed>,
    pub(super) done: u64,
    pub(super) total: u64,
}

impl<'m> Batches<'m> {
    pub(super) fn new(process: &'m Process, names: &'m Names) -> Result<Self> {
        let beneath = names.beneath();
        let total = runtime::block_on(async { process.index().count(&beneath).await })?;
        let page = Vec::new().into_iter();
        Ok(Batches { process, names, after: None, page, done: 0, total })
    }

    pub(super) fn next(&mut self) -> Result<Option<Batch>> {
        if self.page.as_slice().is_empty() && !self.turn()? {
            return Ok(None);
        }
        let mut batch = Batch::default();
        for keyed in self.page.by_ref().take(PAIRS) {
            self.done += 1;
            match pair(self.names, &keyed) {
                Ok(pair) => {
                    batch.pairs.push(pair);
                    batch.rows.push(keyed.row);
                }
                Err(error) => batch.failures.push(error),
            }
        }
        let news: Vec<_> = batch.pairs.iter().map(|pair| pair.new.clone()).collect();
        batch.news = find(self.process, &news)?;
        Ok(Some(batch))
    }

    /// Reads the next page.
    fn turn(&mut self) -> Result<bool> {
        let beneath = self.names.beneath();
        let after = self.after.as_deref();
        let list = async { self.process.index().list_by_key(&beneath, after, PAGE).await };
        let mut page = runtime::block_on(list)?;
        let Some(last) = page.last() else { return Ok(false) };
        self.after = Some(last.key.clone());
        // Files of one directory after each other.
        page.sort_unstable_by(|one, other| one.row.name.cmp(&other.row.name));
        self.page = page.into_iter();
        Ok(true)
    }
}

fn pair(names: &Names, keyed: &Keyed) -> Result<Pair> {
    let name = keyed.name();
    let rest = names.rest(name.as_str()).filter(|_| name.has_its_key());
    match rest {
        Some(rest) => names.pair(rest),
        None => {
            let reason = "the row's key is not that of its name, so that nobody knows which file it \
                          speaks of: it keeps its name; see `ezdfs fsck`";
            Err(Error::new(ErrorKind::Storage, "rename", name.as_str(), reason))
        }
    }
}

/// The rows of these names, by their keys.
pub(super) fn find(process: &Process, names: &[FileName]) -> Result<HashMap<String, Row>> {
    let found = runtime::block_on(async { process.index().find_many(names).await })?;
    found.into_iter().map(|(key, row)| Ok((key, row?))).collect()
}
