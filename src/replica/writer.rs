//! A replica as the agent uses it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use heed::{Env, RoTxn, RwTxn, WithoutTls};
use nix::fcntl::Flock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bucket::{self, Entry, UNTOLD};
use super::header::{HEARD_AT, POSITION, STATE, State};
use super::making::{self, Table, failed, of_lmdb};
use super::{Identity, Part};
use crate::error::{Error, Result};
use crate::lookup::Kind;
use crate::metadata::Row;
use crate::name::Key;

/// Kinds of rows that have a number; the database has to be asked of others.
const MOST_KINDS: usize = UNTOLD as usize;

/// The replica of this node, which nobody else writes to as long as this is there.
pub(crate) struct Writer {
    env: Env<WithoutTls>,
    header: Table,
    rows: Table,
    kinds: Table,
    known_kinds: HashMap<Kind, u16>,
    data: File,
    path: PathBuf,
    _only: Flock<File>,
}

impl Writer {
    /// Goes on with the one that is there, or makes another where that is not of this table
    /// and of this start of the machine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] where another agent has it, and those of the file
    /// system.
    pub(crate) fn open(path: &Path, identity: &Identity) -> Result<Self> {
        let only = making::lock(path)?;
        let directory = making::find_or_make(path, identity)?;
        Writer::of(path, &directory, only)
    }

    /// Throws away what there is. Who reads it is told so.
    pub(crate) fn make_anew(mut self, identity: &Identity) -> Result<Self> {
        let mut state = State { is_complete: false, ..self.state()? };
        self.begin()?.commit(&mut state, None)?;
        let Writer { env, path, _only: only, .. } = self;
        env.prepare_for_closing().wait();
        let directory = making::make(&path, identity)?;
        Writer::of(&path, &directory, only)
    }

    fn of(path: &Path, directory: &Path, only: Flock<File>) -> Result<Self> {
        let failed = |error| of_lmdb("open", path, error);
        let env = making::open(directory).map_err(failed)?;
        let [header, rows, kinds] = making::tables(&env).map_err(failed)?;
        let data = env.try_clone_inner_file().map_err(failed)?;
        let known_kinds = {
            let snapshot = env.read_txn().map_err(failed)?;
            read_kinds(kinds, &snapshot)
                .map_err(|why| self::failed("open", path, io::Error::other(why)))?
        };
        let path = path.to_owned();
        Ok(Writer { env, header, rows, kinds, known_kinds, data, path, _only: only })
    }

    /// How far it was left.
    pub(crate) fn state(&self) -> Result<State> {
        let state = self.part(STATE)?;
        state.ok_or_else(|| self.failed("read", io::Error::other("it has no state")))
    }

    /// Where the follower of the changes stood with the last batch.
    pub(crate) fn position<P: DeserializeOwned>(&self) -> Result<Option<P>> {
        self.part(POSITION)
    }

    fn part<T: DeserializeOwned>(&self, name: &[u8]) -> Result<Option<T>> {
        let snapshot = self.env.read_txn().map_err(|error| self.of_lmdb("read", error))?;
        let bytes =
            self.header.get(&snapshot, name).map_err(|error| self.of_lmdb("read", error))?;
        bytes
            .map(serde_json::from_slice)
            .transpose()
            .map_err(|error| self.failed("read", io::Error::other(error)))
    }

    /// Keys of a part of the table that are other in these rows, in their order, than here, or
    /// only here or there; the first of them.
    pub(crate) fn differences(
        &self,
        part: &Part,
        rows: &[(Key, Row)],
        limit: usize,
    ) -> Result<Vec<Key>> {
        let failed = |error| self.of_lmdb("read", error);
        let snapshot = self.env.read_txn().map_err(failed)?;
        let from = part.after.as_ref().map_or([0, 0], bucket::of);
        let to = part.to.as_ref().map_or([0xff, 0xff], bucket::of);
        let range = (Bound::Included(&from[..]), Bound::Included(&to[..]));
        let mut rows = rows.iter().peekable();
        let mut different = Vec::new();
        for bucket in self.rows.range(&snapshot, &range).map_err(failed)? {
            let (name, bucket) = bucket.map_err(failed)?;
            let Ok(name) = name.try_into() else { continue };
            for (key, entry) in bucket::entries(name, bucket).filter(|(key, _)| part.has(key)) {
                while let Some((missing, _)) = rows.next_if(|(other, _)| *other < key) {
                    different.push(*missing);
                }
                let row = rows.next_if(|(other, _)| *other == key);
                if !row.is_some_and(|(_, row)| self.is_like(&entry, row)) {
                    different.push(key);
                }
            }
            if different.len() >= limit {
                different.truncate(limit);
                return Ok(different);
            }
        }
        different.extend(rows.map(|(missing, _)| *missing));
        different.truncate(limit);
        Ok(different)
    }

    fn is_like(&self, entry: &Entry, row: &Row) -> bool {
        let kind = Kind { datatype: (&*row.datatype).into(), scope: (&*row.scope).into() };
        match self.known_kinds.get(&kind) {
            Some(kind) => Entry::new(row.size, row.mtime, *kind, 0)
                .unwrap_or_else(|| Entry::untold(0))
                .is_like(entry),
            None => entry.is_like(&Entry::untold(0)) && self.known_kinds.len() >= MOST_KINDS,
        }
    }

    /// Begins to change it. Readers see all of it with the commit, or nothing.
    pub(crate) fn begin(&mut self) -> Result<Batch<'_>> {
        let failed = |error| of_lmdb("write", &self.path, error);
        let transaction = self.env.write_txn().map_err(failed)?;
        Ok(Batch {
            transaction,
            header: self.header,
            rows: self.rows,
            kinds: self.kinds,
            known_kinds: &mut self.known_kinds,
            new_kinds: HashMap::new(),
            more_rows: 0,
            env: &self.env,
            data: &self.data,
            path: &self.path,
        })
    }

    /// Gives up what readers held who are no more; says of how many.
    pub(crate) fn forget_the_dead(&self) -> Result<usize> {
        self.env.clear_stale_readers().map_err(|error| self.of_lmdb("check", error))
    }

    /// Whether somebody has asked since the last time that the table be read anew.
    pub(crate) fn is_to_be_made_anew(&self) -> bool {
        making::take_request(&self.path)
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> Result<u64> {
        self.env.real_disk_size().map_err(|error| self.of_lmdb("read", error))
    }

    fn failed(&self, operation: &'static str, error: io::Error) -> Error {
        failed(operation, &self.path, error)
    }

    fn of_lmdb(&self, operation: &'static str, error: heed::Error) -> Error {
        of_lmdb(operation, &self.path, error)
    }
}

/// Changes that are seen together.
pub(crate) struct Batch<'w> {
    transaction: RwTxn<'w>,
    header: Table,
    rows: Table,
    kinds: Table,
    known_kinds: &'w mut HashMap<Kind, u16>,
    /// Those that this batch was the first to meet: if it is given up, they are, too.
    new_kinds: HashMap<Kind, u16>,
    more_rows: i64,
    env: &'w Env<WithoutTls>,
    data: &'w File,
    path: &'w Path,
}

/// What a batch did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// It says of the file what it said before.
    Same,
    Changed,
}

impl Batch<'_> {
    /// Has the row as the table has it now; one that is not live is none.
    pub(crate) fn put(&mut self, key: &Key, row: Option<&Row>, number: u64) -> Result<Done> {
        let entry = match row.filter(|row| row.is_live()) {
            Some(row) => Some(self.entry(row, number)?),
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
    pub(crate) fn put_part(
        &mut self,
        part: &Part,
        rows: &[(Key, Row)],
        number: u64,
    ) -> Result<u64> {
        let mut groups = rows.chunk_by(|(one, _), (other, _)| bucket::of(one) == bucket::of(other));
        let mut group = groups.next();
        let mut from = part.after.as_ref().map(bucket::of).or(Some([0, 0]));
        let mut changed = 0;
        while let Some(at) = from {
            let stored = self.next_bucket(at)?.filter(|it| part.reaches(*it));
            let given = group.map(|group| bucket::of(&group[0].0));
            let Some(name) = stored.into_iter().chain(given).min() else { break };
            let rows = if given == Some(name) { group.unwrap_or_default() } else { &[] };
            changed += self.put_bucket(name, part, rows, number)?;
            if given == Some(name) {
                group = groups.next();
            }
            from = u16::from_be_bytes(name).checked_add(1).map(u16::to_be_bytes);
        }
        Ok(changed)
    }

    /// The first bucket that is stored at or after this one.
    fn next_bucket(&self, at: [u8; 2]) -> Result<Option<[u8; 2]>> {
        let next = self.rows.get_greater_than_or_equal_to(&self.transaction, &at);
        let next = next.map_err(|error| of_lmdb("read", self.path, error))?;
        next.map(|(name, _)| name.try_into())
            .transpose()
            .map_err(|_| failed("read", self.path, io::Error::other("it has a bad bucket")))
    }

    /// Has one bucket, as far as it is in the part, as these rows are.
    fn put_bucket(
        &mut self,
        name: [u8; 2],
        part: &Part,
        rows: &[(Key, Row)],
        number: u64,
    ) -> Result<u64> {
        let failed = |error| of_lmdb("write", self.path, error);
        let stored = self.rows.get(&self.transaction, &name).map_err(failed)?;
        let stored = stored.unwrap_or_default().to_vec();
        let mut bucket = stored.clone();
        let mut gone: HashSet<Key> = bucket::entries(name, &stored)
            .map(|(key, _)| key)
            .filter(|key| part.has(key))
            .collect();
        let (mut changed, mut more) = (0, 0);
        for (key, row) in rows.iter().filter(|(_, row)| row.is_live()) {
            let new = self.entry(row, number)?;
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
        let name = bucket::of(key);
        let bucket = self.rows.get(&self.transaction, &name).map_err(failed)?;
        let mut bucket = bucket.map(<[u8]>::to_vec).unwrap_or_default();
        let old = change(&mut bucket);
        self.store(name, &bucket)?;
        Ok(old)
    }

    fn store(&mut self, name: [u8; 2], bucket: &[u8]) -> Result<()> {
        let failed = |error| of_lmdb("write", self.path, error);
        if bucket.is_empty() {
            return self.rows.delete(&mut self.transaction, &name).map(drop).map_err(failed);
        }
        self.rows.put(&mut self.transaction, &name, bucket).map_err(failed)
    }

    fn entry(&mut self, row: &Row, number: u64) -> Result<Entry> {
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
        next.rows = next.rows.saturating_add_signed(self.more_rows);
        self.set_part(STATE, &next)?;
        if let Some(heard_at) = heard_at {
            self.header
                .put(&mut self.transaction, HEARD_AT, &heard_at.to_le_bytes())
                .map_err(|error| of_lmdb("write", self.path, error))?;
        }
        self.transaction.commit().map_err(|error| of_lmdb("write", self.path, error))?;
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

fn read_kinds(
    kinds: Table,
    snapshot: &RoTxn<'_, WithoutTls>,
) -> Result<HashMap<Kind, u16>, String> {
    let mut known = HashMap::new();
    for kind in kinds.iter(snapshot).map_err(|error| error.to_string())? {
        let (number, text) = kind.map_err(|error| error.to_string())?;
        let number =
            number.try_into().map(u16::from_be_bytes).map_err(|error| error.to_string())?;
        let (datatype, scope) = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        known.insert(Kind { datatype, scope }, number);
    }
    Ok(known)
}
