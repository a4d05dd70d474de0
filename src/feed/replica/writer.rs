//! A replica as the agent uses it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use heed::{Env, RoTxn, WithoutTls};
use nix::fcntl::Flock;
use serde::de::DeserializeOwned;

use super::batch::{Batch, MOST_KINDS};
use super::bucket::{Buckets, Entry, Name};
use super::header::{POSITION, STATE, State};
use super::making::{self, Table, failed, of_lmdb};
use super::{Identity, Part};
use crate::error::{Error, Result};
use crate::lookup::Kind;
use crate::metadata::Row;
use crate::name::Key;

/// The replica of this node, which nobody else writes to as long as this is there.
pub(crate) struct Writer {
    env: Env<WithoutTls>,
    header: Table,
    rows: Table,
    kinds: Table,
    known_kinds: HashMap<Kind, u16>,
    buckets: Buckets,
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

    /// Has nobody use it any more, and the next one to open it make another.
    pub(crate) fn give_up(mut self) -> Result<()> {
        let mut state = State { is_complete: false, ..self.state()? };
        self.begin()?.commit(&mut state, None)
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
        let (path, buckets) = (path.to_owned(), Buckets::default());
        let mut writer =
            Writer { env, header, rows, kinds, known_kinds, buckets, data, path, _only: only };
        writer.buckets = writer.state()?.buckets;
        Ok(writer)
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
        let (from, to) = part.reach(self.buckets);
        let (from, to) = (Buckets::name(from), Buckets::name(to));
        let range = (Bound::Included(&from[..]), Bound::Included(&to[..]));
        let mut rows = rows.iter().peekable();
        let mut different = Vec::new();
        for bucket in self.rows.range(&snapshot, &range).map_err(failed)? {
            let (name, bucket) = bucket.map_err(failed)?;
            let Ok(number) = Name::try_from(name).map(Buckets::number) else { continue };
            let entries = self.buckets.entries(number, bucket);
            for (key, entry) in entries.filter(|(key, _)| part.has(key)) {
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
            buckets: self.buckets,
            known_buckets: &mut self.buckets,
            is_emptied: false,
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

    /// Whether somebody asks that another be made.
    pub(crate) fn is_to_be_made_anew(&self) -> bool {
        making::is_requested(&self.path)
    }

    fn failed(&self, operation: &'static str, error: io::Error) -> Error {
        failed(operation, &self.path, error)
    }

    fn of_lmdb(&self, operation: &'static str, error: heed::Error) -> Error {
        of_lmdb(operation, &self.path, error)
    }
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
