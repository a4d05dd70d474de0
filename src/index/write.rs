//! Writing a row under its lock.

use std::collections::HashMap;

use super::connect::Purpose;
use super::pending::stored_none;
use super::tables::Table;
use super::{Index, PendingWrite, decode, fault, found_key};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Row, Turns};
use crate::name::FileName;

/// How often it is looked anew which row there is, where somebody else inserts one
/// at the same moment.
const RACED_RETRIES: usize = 4;

/// Rows that are locked.
pub(crate) struct Locks {
    by_digest: HashMap<[u8; 16], Row>,
    /// Which times a writer may give where others write on other servers.
    pub(crate) turns: Option<Turns>,
}

impl Locks {
    /// The row of a name, live or not.
    pub(crate) fn get(&self, name: &FileName) -> Option<&Row> {
        self.by_digest.get(&name.digest())
    }

    pub(super) fn take(&mut self, name: &FileName) -> Option<Row> {
        self.by_digest.remove(&name.digest())
    }
}

/// A row that is written but not committed.
pub(crate) struct Begun {
    pub(crate) pending: PendingWrite,
    pub(crate) row: Row,
    /// What it is written over, live or not.
    pub(crate) old: Option<Row>,
}

impl Index {
    /// Opens a transaction, locks the rows of a name and of another, and writes what
    /// `make` makes of these for the first, whose lock is held until the caller has put
    /// the file in place. `None` where `make` makes nothing.
    pub(crate) async fn begin_write(
        &self,
        name: &FileName,
        other: Option<&FileName>,
        mut make: impl AsyncFnMut(&Locks) -> Result<Option<Row>>,
    ) -> Result<Option<Begun>> {
        let names: Vec<_> = [name].into_iter().chain(other).collect();
        for _ in 0..RACED_RETRIES {
            let (mut pending, mut locks) = self.begin_locked(&names).await?;
            let Some(row) = make(&locks).await? else {
                pending.roll_back().await?;
                return Ok(None);
            };
            let old = locks.take(name);
            if pending.write(self, name, &row, old.as_ref()).await? {
                return Ok(Some(Begun { pending, row, old }));
            }
            pending.roll_back().await?;
        }
        Err(stored_none(name.as_str()))
    }

    /// Opens a transaction and inserts rows, whose names nobody else can store until it ends.
    /// `None` where one of them is there already.
    #[cfg(feature = "cli")]
    pub(crate) async fn begin_new(&self, rows: &[Row]) -> Result<Option<PendingWrite>> {
        let subject = rows.first().map_or("", |row| &row.name);
        let (mut pending, _) = self.begin(self.table_of_text(subject)).await?;
        for table in self.tables() {
            let own = |row: &&Row| self.has_row(table, &row.name);
            let rows: Vec<_> = rows.iter().filter(own).cloned().collect();
            if rows.is_empty() {
                continue;
            }
            let insert = self.sql(table).await?.insert_many(&rows);
            match pending.connection.execute("store", subject, insert).await {
                Err(error) if !fault::is_duplicate(&error) => return Err(error),
                Ok(inserted) if inserted == rows.len() as u64 => {}
                Ok(_) | Err(_) => return pending.roll_back().await.map(|()| None),
            }
        }
        Ok(Some(pending))
    }

    /// Writes a row whose file is somebody else's business.
    pub(crate) async fn write(&self, name: &FileName, make: impl Fn(&Locks) -> Row) -> Result<Row> {
        let write = || async {
            let make = async |locks: &Locks| Ok(Some(make(locks)));
            let Some(Begun { pending, row, .. }) = self.begin_write(name, None, make).await? else {
                return Err(stored_none(name.as_str()));
            };
            pending.commit().await.map(|()| row)
        };
        self.attempts().repeat(write).await
    }

    /// A rename changes a row and its like in one statement each, under locks that one takes.
    fn one_table_of(&self, names: &[&FileName]) -> Result<&Table> {
        let mut tables = names.iter().map(|name| (self.table_of(name), name));
        let Some((first, name)) = tables.next() else { return Ok(&self.main) };
        match tables.find(|(table, _)| !std::ptr::eq(*table, first)) {
            None => Ok(first),
            Some((other, _)) => {
                let reason = format!(
                    "its row would have to go from the table {} to {}: store it anew and delete \
                     the old one",
                    other.name, first.name
                );
                Err(Error::new(ErrorKind::InvalidInput, "rename", name.as_str(), reason))
            }
        }
    }

    /// Opens a transaction and locks the rows of these names, live or not, in one
    /// round trip. Until it ends nobody else writes them.
    pub(super) async fn begin_locked(&self, names: &[&FileName]) -> Result<(PendingWrite, Locks)> {
        let subject = names.first().map_or("", |name| name.as_str());
        let table = self.one_table_of(names)?;
        let sql = self.sql_for_writing(table).await?;
        let mut connection = self.pool.get(Purpose::Write).await?;
        connection.hold();
        let found = connection.command("store", subject, sql.begin_locking(names)).await?;
        let turns = connection.certified();
        let mut locks = Locks { by_digest: HashMap::new(), turns };
        for row in &found {
            let key = found_key(row, 6).map_err(|error| fault::convert(error, "store", subject))?;
            if let Some(name) = names.iter().find(|name| name.hash() == key) {
                locks.by_digest.insert(name.digest(), decode(row, subject)?);
            }
        }
        Ok((PendingWrite { connection, table: table.name.clone() }, locks))
    }
}
