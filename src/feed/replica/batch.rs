//! Changes of a replica that are seen together.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;

use heed::{Env, RwTxn, WithoutTls};
use serde::Serialize;

use super::Part;
use super::bucket::{self, Buckets, Entry, Name, UNTOLD};
use super::header::{HEARD_AT, POSITION, STATE, State};
use super::making::{Table, failed, of_lmdb};
use crate::error::Result;
use crate::lookup::Kind;
use crate::metadata::Row;
use crate::name::Key;

/// Kinds of rows that have a number; the database has to be asked of others.
pub(super) const MOST_KINDS: usize = UNTOLD as usize;

/// To be committed, or all of it given up.
pub(crate) struct Batch<'w> {
    pub(super) transaction: RwTxn<'w>,
    pub(super) header: Table,
    pub(super) rows: Table,
    pub(super) kinds: Table,
    pub(super) known_kinds: &'w mut HashMap<Kind, u16>,
    /// Those that this batch was the first to meet: if it is given up, they are, too.
    pub(super) new_kinds: HashMap<Kind, u16>,
    pub(super) buckets: Buckets,
    pub(super) known_buckets: &'w mut Buckets,
    /// Whether it holds only what this batch has put there.
    pub(super) is_emptied: bool,
    pub(super) more_rows: i64,
    pub(super) env: &'w Env<WithoutTls>,
    pub(super) data: &'w File,
    pub(super) path: &'w Path,
}

/// What a batch did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// It says of the file what it said before.
    Same,
    Changed,
}

impl Batch<'_> {
    /// That of the rows that this batch writes. No other has it: where the same server loses
    /// changes and gives their numbers again, those of the change log repeat.
    fn number(&self) -> u64 {
        self.transaction.id() as u64
    }

    /// Has the row as the table has it now; one that is not live is none.
    pub(crate) fn put(&mut self, key: &Key, row: Option<&Row>) -> Result<Done> {
        let entry = match row.filter(|row| row.is_live()) {
            Some(row) => Some(self.entry(row)?),
            None => None,
        };
        self.change(key, |bucket| match &entry {
            Some(entry) => bucket::put(bucket, key, entry),
            None => bucket::remove(bucket, key),
        })
        .map(|old| match (old, entry) {
            (None, None) => Done::Same,
            (Some(old), Some(new)) if old.is_like(&new) => Done::Same,
            (old, new) => {
                self.more_rows += i64::from(new.is_some()) - i64::from(old.is_some());
                Done::Changed
            }
        })
    }

    /// Has the rows of a part of the table, in the order of their keys, as they are now.
    /// Rows that are the same keep the number of their last change. Says how many were not.
    pub(crate) fn put_part(&mut self, part: &Part, rows: &[(Key, Row)]) -> Result<u64> {
        let buckets = self.buckets;
        let mut groups = rows.chunk_by(|(one, _), (other, _)| buckets.of(one) == buckets.of(other));
        let mut group = groups.next();
        let (mut from, last) = part.reach(buckets);
        let mut changed = 0;
        loop {
            let stored = self.next_bucket(from)?.filter(|it| *it <= last);
            let given = group.map(|group| buckets.of(&group[0].0));
            let Some(number) = stored.into_iter().chain(given).min() else { return Ok(changed) };
            let rows = if given == Some(number) { group.unwrap_or_default() } else { &[] };
            changed += self.put_bucket(number, part, rows)?;
            if given == Some(number) {
                group = groups.next();
            }
            from = number + 1;
        }
    }

    /// Has rows stored in these buckets from now on; what is stored in others is gone.
    pub(crate) fn store_in(&mut self, buckets: Buckets) -> Result<()> {
        if buckets == self.buckets {
            return Ok(());
        }
        let failed = |error| of_lmdb("write", self.path, error);
        self.rows.clear(&mut self.transaction).map_err(failed)?;
        (self.buckets, self.is_emptied, self.more_rows) = (buckets, true, 0);
        Ok(())
    }

    /// The first bucket that is stored at or after this one.
    fn next_bucket(&self, at: u32) -> Result<Option<u32>> {
        if at > self.buckets.last() {
            return Ok(None);
        }
        let next = self.rows.get_greater_than_or_equal_to(&self.transaction, &Buckets::name(at));
        let next = next.map_err(|error| of_lmdb("read", self.path, error))?;
        next.map(|(name, _)| Name::try_from(name).map(Buckets::number))
            .transpose()
            .map_err(|_| failed("read", self.path, io::Error::other("it has a bad bucket")))
    }

    /// Has one bucket, as far as it is in the part, as these rows are.
    fn put_bucket(&mut self, number: u32, part: &Part, rows: &[(Key, Row)]) -> Result<u64> {
        let failed = |error| of_lmdb("write", self.path, error);
        let name = Buckets::name(number);
        let stored = self.rows.get(&self.transaction, &name).map_err(failed)?;
        let stored = stored.unwrap_or_default().to_vec();
        let mut bucket = stored.clone();
        let mut gone: HashSet<Key> = self
            .buckets
            .entries(number, &stored)
            .map(|(key, _)| key)
            .filter(|key| part.has(key))
            .collect();
        let (mut changed, mut more) = (0, 0);
        for (key, row) in rows.iter().filter(|(_, row)| row.is_live()) {
            let new = self.entry(row)?;
            gone.remove(key);
            match bucket::find(&stored, key) {
                Some(old) if old.is_like(&new) => continue,
                Some(_) => {}
                None => more += 1,
            }
            bucket::put(&mut bucket, key, &new);
            changed += 1;
        }
        for key in &gone {
            bucket::remove(&mut bucket, key);
            changed += 1;
            more -= 1;
        }
        if changed > 0 {
            self.store(name, &bucket)?;
            self.more_rows += more;
        }
        Ok(changed)
    }

    fn change(
        &mut self,
        key: &Key,
        change: impl FnOnce(&mut Vec<u8>) -> Option<Entry>,
    ) -> Result<Option<Entry>> {
        let failed = |error| of_lmdb("write", self.path, error);
        let name = Buckets::name(self.buckets.of(key));
        let bucket = self.rows.get(&self.transaction, &name).map_err(failed)?;
        let mut bucket = bucket.map(<[u8]>::to_vec).unwrap_or_default();
        let old = change(&mut bucket);
        self.store(name, &bucket)?;
        Ok(old)
    }

    fn store(&mut self, name: Name, bucket: &[u8]) -> Result<()> {
        let failed = |error| of_lmdb("write", self.path, error);
        if bucket.is_empty() {
            return self.rows.delete(&mut self.transaction, &name).map(drop).map_err(failed);
        }
        self.rows.put(&mut self.transaction, &name, bucket).map_err(failed)
    }

    fn entry(&mut self, row: &Row) -> Result<Entry> {
        let number = self.number();
        let kind = Kind { datatype: (&*row.datatype).into(), scope: (&*row.scope).into() };
        let entry = self.kind(kind)?.and_then(|kind| Entry::new(row.size, row.mtime, kind, number));
        Ok(entry.unwrap_or_else(|| Entry::untold(number)))
    }

    /// `None` where there are too many.
    fn kind(&mut self, kind: Kind) -> Result<Option<u16>> {
        if let Some(known) = self.known_kinds.get(&kind).or_else(|| self.new_kinds.get(&kind)) {
            return Ok(Some(*known));
        }
        let next = self.known_kinds.len() + self.new_kinds.len();
        if next >= MOST_KINDS {
            return Ok(None);
        }
        let next = next as u16;
        let text = serde_json::to_vec(&(&kind.datatype, &kind.scope))
            .map_err(|error| failed("write", self.path, io::Error::other(error)))?;
        self.kinds
            .put(&mut self.transaction, &next.to_be_bytes(), &text)
            .map_err(|error| of_lmdb("write", self.path, error))?;
        self.new_kinds.insert(kind, next);
        Ok(Some(next))
    }

    /// Notes where the follower of the changes stands.
    pub(crate) fn set_position(&mut self, position: &impl Serialize) -> Result<()> {
        self.set_part(POSITION, position)
    }

    fn set_part(&mut self, name: &[u8], part: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(part)
            .map_err(|error| failed("write", self.path, io::Error::other(error)))?;
        self.header
            .put(&mut self.transaction, name, &text)
            .map_err(|error| of_lmdb("write", self.path, error))
    }

    /// Shows readers all of it. `heard_at`: when the database was asked for the changes that
    /// are all in it now, by [`place::now`]; `None` where some may be missing.
    pub(crate) fn commit(mut self, state: &mut State, heard_at: Option<u64>) -> Result<()> {
        let mut next = state.clone();
        let rows = if self.is_emptied { 0 } else { next.rows };
        next.rows = rows.saturating_add_signed(self.more_rows);
        next.buckets = self.buckets;
        self.set_part(STATE, &next)?;
        if let Some(heard_at) = heard_at {
            self.header
                .put(&mut self.transaction, HEARD_AT, &heard_at.to_le_bytes())
                .map_err(|error| of_lmdb("write", self.path, error))?;
        }
        self.transaction.commit().map_err(|error| of_lmdb("write", self.path, error))?;
        *self.known_buckets = next.buckets;
        *state = next;
        self.known_kinds.extend(self.new_kinds);
        reach_the_end(self.env, self.data).map_err(|error| failed("write", self.path, error))
    }
}

/// The last pages may have been given up again before they were written. A reader takes a
/// file that ends before them for one that was cut.
fn reach_the_end(env: &Env<WithoutTls>, data: &File) -> io::Result<()> {
    let end = (env.info().last_page_number as u64 + 1) * page_bytes();
    if data.metadata()?.len() < end { data.set_len(end) } else { Ok(()) }
}

/// Bytes of a page: LMDB takes those of the system.
fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}
