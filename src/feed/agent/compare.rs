//! Compares table and replica, for what no change tells: a table that was truncated or
//! swapped for another, triggers that were switched off.

use std::collections::{HashMap, HashSet};

use super::pace::Pace;
use crate::error::Result;
use crate::feed::replica::{Part, Writer, key_of};
use crate::index::{Change, Index};
use crate::metadata::Row;
use crate::name::Key;
use crate::runtime;
use crate::store::Process;

/// Rows that are compared at a time.
const PAGE: usize = 500;

/// Rows with their keys.
pub(super) type Rows = Vec<(Key, Row)>;

/// Where the comparison is.
pub(super) struct Comparison {
    pace: Pace,
    after: Option<String>,
    part: Part,
    /// What was other than in the table, as it is there. It may have changed a moment ago.
    suspects: HashMap<Key, Option<Row>>,
    /// Whether all changes up to then have been heard of since.
    has_heard: bool,
}

impl Comparison {
    pub(super) fn new(rate: u64) -> Self {
        Comparison {
            pace: Pace::of_rows(Some(rate)),
            after: None,
            part: Part::default(),
            suspects: HashMap::new(),
            has_heard: false,
        }
    }

    /// All changes were heard that were committed before this was called.
    pub(super) fn heard(&mut self, changes: &[Change]) {
        for key in changes.iter().filter_map(|change| key_of(&change.key)) {
            self.suspects.remove(&key);
        }
        self.has_heard = true;
    }

    /// Looks at the suspects again, or at the next part. What has to be repaired is what is as
    /// it was, though no change has told of it since.
    pub(super) fn turn(
        &mut self,
        process: &Process,
        writer: &Writer,
    ) -> Result<Vec<(Key, Option<Row>)>> {
        if !self.suspects.is_empty() {
            return if self.has_heard { self.confirm(process.index()) } else { Ok(Vec::new()) };
        }
        if self.pace.is_due() {
            self.next(process, writer)?;
        }
        Ok(Vec::new())
    }

    fn confirm(&mut self, index: &Index) -> Result<Vec<(Key, Option<Row>)>> {
        let keys: Vec<Key> = self.suspects.keys().copied().collect();
        let mut now = rows(index, &keys)?;
        let suspects = std::mem::take(&mut self.suspects).into_iter();
        Ok(suspects.filter(|(key, then)| now.remove(key) == *then).collect())
    }

    fn next(&mut self, process: &Process, writer: &Writer) -> Result<()> {
        let (rows, last) = page(process, self.after.as_deref(), PAGE)?;
        self.pace.took(rows.len().max(1) as u64);
        self.part.to = last.as_ref().and_then(|_| rows.last().map(|(key, _)| *key));
        if last.is_none() || self.part.to.is_some() {
            let different: HashSet<Key> =
                writer.differences(&self.part, &rows, PAGE)?.into_iter().collect();
            let mut rows: HashMap<Key, Row> = rows.into_iter().collect();
            self.suspects = different.into_iter().map(|key| (key, rows.remove(&key))).collect();
            self.has_heard = false;
            self.part.after = self.part.to;
        }
        self.after = last;
        if self.after.is_none() {
            self.part = Part::default();
        }
        Ok(())
    }
}

/// Live rows of a page in the order of their keys, and the key after which the next begins.
pub(super) fn page(
    process: &Process,
    after: Option<&str>,
    limit: usize,
) -> Result<(Rows, Option<String>)> {
    let page = runtime::block_on(async {
        // Another server may not have all of it yet.
        process.index().require_writes().await?;
        process.index().list_logged(after, limit).await
    })?;
    let last = page.last().filter(|_| page.len() == limit).map(|last| last.key.clone());
    let rows = page.into_iter().filter(|keyed| keyed.row.is_live());
    Ok((rows.filter_map(|keyed| Some((key_of(&keyed.key)?, keyed.row))).collect(), last))
}

/// The live rows of these keys.
pub(super) fn rows(index: &Index, keys: &[Key]) -> Result<HashMap<Key, Row>> {
    let texts: Vec<_> =
        keys.iter().map(|key| format!("{:032x}", u128::from_be_bytes(*key))).collect();
    let found = runtime::block_on(async {
        index.require_writes().await?;
        index.find_keys(&texts).await
    })?;
    let live = found.into_iter().filter(|keyed| keyed.row.is_live());
    Ok(live.filter_map(|keyed| Some((key_of(&keyed.key)?, keyed.row))).collect())
}
