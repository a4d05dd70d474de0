//! Following the change log.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::connect::Purpose;
use super::database::is_on;
use super::guard::Guard;
use super::query::Query;
use super::sql::Sql;
use super::sql::follow::Part;
use super::{BATCH, Index, Keyed, bind_keys, decode, fault, keyed};
use crate::error::{Error, ErrorKind, Result};
use crate::feed::{Answer, Entry, Fingerprint, Follower, Heard, KEPT, Loss, Question};
use crate::metadata::Row;

/// So many gaps are asked for by themselves.
pub(crate) const MOST_GAPS: usize = 256;

/// So many are passed over at the beginning, however old.
const SKIMMED: u64 = 1000;

/// Entries that come at a time.
const PAGE: usize = 1000;

/// Entries that go at a time.
const TRIMMED: usize = 1000;

/// Entries that stay, however old: those that followers look for. One that saw more than these
/// at last, all at once, reads the table anew when it connects again.
const LEFT: u64 = 10_000;

/// How often a poll begins anew, because another server answers or more was counted than seen.
const MOST_QUESTIONS: usize = 4;

/// A row that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The key as it is logged; of no row at the beginning of a log.
    pub(crate) key: String,
    /// The name as it is logged, which is all that is left of that of a row that is gone.
    pub(crate) name: String,
    /// The row that has this key, live or not, at the moment when the log was read.
    pub(crate) row: Option<Row>,
}

/// What a poll found.
#[derive(Debug)]
pub(crate) enum Polled {
    /// In the order of the last entries of each.
    Changes {
        changes: Vec<Change>,
        /// Nothing else had been committed when the statement was sent.
        is_whole: bool,
    },
    /// The table has to be read anew.
    Lost(Loss),
}

impl Index {
    /// Where to follow the change log from, for who reads the table after this.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Schema`] where there is no log, or nothing in it.
    pub(crate) async fn begin_feed(&self, now: Duration) -> Result<Follower> {
        let floor = |sql: &Sql| sql.older_entry(KEPT, SKIMMED);
        let floor = self.number(floor).await?.unwrap_or(0);
        let mut follower = Follower::new(floor, MOST_GAPS);
        let mut is_empty = true;
        while let Polled::Changes { changes, is_whole } = self.poll_feed(&mut follower, now).await?
        {
            is_empty &= changes.is_empty();
            match (is_empty, is_whole) {
                (true, _) => break,
                (_, true) => return Ok(follower),
                _ => {}
            }
        }
        let reason = "the change log is empty; `ezdfs schema --create-feed` begins it";
        Err(Error::new(ErrorKind::Schema, "follow", &*self.main.name, reason))
    }

    /// Asks what has changed. All that was committed before this is called is in it, if it is
    /// whole.
    pub(crate) async fn poll_feed(&self, follower: &mut Follower, now: Duration) -> Result<Polled> {
        for _ in 0..MOST_QUESTIONS {
            if let Some(range) = follower.suspect() {
                let rows = self.ask_log(|sql| sql.numbers(range)).await?.0;
                follower.found(&self.decoded(&rows, |row| number(row, 0))?);
            }
            let question = follower.question();
            let (rows, connection) = self.ask(&question).await?;
            let (answer, rows) = self.answer(&rows, connection.number(), &question)?;
            let Some(answer) = answer else {
                // Another server may take them by now.
                if !connection.is_of_one_server() {
                    connection.reconsider();
                }
                let reason = "the server takes no writes: another one may have more";
                return Err(Error::new(ErrorKind::Unavailable, "follow", &*self.main.name, reason));
            };
            match follower.hear(&question, &answer, now) {
                Heard::Again => {}
                Heard::Lost(loss) => return Ok(Polled::Lost(loss)),
                Heard::New { numbers, is_whole } => {
                    return Ok(Polled::Changes { changes: changes(rows, &numbers), is_whole });
                }
            }
        }
        let reason = "each time another server answers";
        Err(Error::new(ErrorKind::Unavailable, "follow", &*self.main.name, reason))
    }

    /// Rows that the log tells of, live or not, in the order of their keys: of its table, whatever
    /// their names.
    pub(crate) async fn list_logged(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Keyed>> {
        let list = |sql: &Sql| sql.list_all_by_key(after, limit);
        keyed(&self.fetch(&self.main, "list", "", list).await?, "")
    }

    /// Those that have these keys.
    pub(crate) async fn find_keys(&self, keys: &[String]) -> Result<Vec<Keyed>> {
        debug_assert!(keys.len() <= BATCH);
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let find = |sql: &Sql| bind_keys(sql.find_many(keys.len()), keys.iter().cloned());
        keyed(&self.fetch(&self.main, "find", &self.main.name, find).await?, &self.main.name)
    }

    /// Deletes old entries, some at a time; says how many.
    pub(crate) async fn trim_feed(&self, keep: Duration) -> Result<u64> {
        let mut trimmed = 0;
        let old = |sql: &Sql| sql.trimmed(keep, LEFT, TRIMMED);
        while let Some(number) = self.number(old).await? {
            let mut connection = self.pool.get(Purpose::Write).await?;
            let trim = Query::new(self.sql_for_writing(&self.main).await?.trim(number));
            trimmed += connection.execute("trim", &self.main.name, trim).await?;
        }
        Ok(trimmed)
    }

    async fn number(&self, statement: impl Fn(&Sql) -> String) -> Result<Option<u64>> {
        let (rows, _) = self.ask_log(statement).await?;
        let number = |row: &AnyRow| Ok(row.try_get::<Option<i64>, _>(0)?.map(i64::cast_unsigned));
        Ok(self.decoded(&rows, number)?.pop().flatten())
    }

    /// Gives the rows, and the connection by which they came.
    pub(super) async fn ask_log(
        &self,
        statement: impl Fn(&Sql) -> String,
    ) -> Result<(Vec<AnyRow>, Guard)> {
        let ask = || async {
            let sql = self.sql(&self.main).await?;
            let mut connection = self.pool.get(Purpose::Follow).await?;
            let rows = connection.command("follow", &self.main.name, statement(&sql)).await?;
            Ok((rows, connection))
        };
        self.attempts().repeat(ask).await
    }

    async fn ask(&self, question: &Question) -> Result<(Vec<AnyRow>, Guard)> {
        if question.is_of_entries() {
            let asked = self.ask_log(|sql| sql.poll_entries(question, PAGE)).await?;
            if !asked.0.is_empty() {
                return Ok(asked);
            }
        }
        self.ask_log(|sql| sql.poll(question, PAGE)).await
    }

    /// No answer is that of a server that takes no writes.
    fn answer(
        &self,
        rows: &[AnyRow],
        connection: Option<u64>,
        question: &Question,
    ) -> Result<(Option<Answer>, Vec<Joined>)> {
        let mut found = Vec::new();
        let (mut count, mut compared) = (0, Fingerprint::default());
        let Some(incarnation) = self.incarnation(rows.first())? else {
            return Ok((None, found));
        };
        let session = format!("{connection:?} {incarnation}");
        for (read, row) in self.decoded(rows, read)?.into_iter().zip(rows) {
            let Read { part, entry, name, entries } = read;
            match part {
                Part::Entry => found.push(Joined { entry, name, row: self.joined(row)? }),
                Part::Count => count = entries,
                Part::Compared => {
                    compared = Fingerprint { count: entries, sum: entry.changed_at };
                }
                Part::Nothing => {}
            }
        }
        let in_page = found.iter().filter(|it| it.entry.number >= question.from).count();
        let entries = found.iter().map(|it| it.entry.clone()).collect();
        let is_whole = in_page < PAGE;
        Ok((Some(Answer { session, entries, is_whole, count, compared }), found))
    }

    /// What tells the server from others, where it takes writes.
    fn incarnation(&self, row: Option<&AnyRow>) -> Result<Option<String>> {
        let said = |row: &AnyRow| Ok((row.try_get(12)?, row.try_get(13)?));
        let said: Vec<(String, String)> =
            self.decoded(row.map_or(&[], std::slice::from_ref), said)?;
        let (incarnation, read_only) = said.into_iter().next().unwrap_or_default();
        Ok((!read_only.split(' ').any(is_on)).then_some(incarnation))
    }

    fn joined(&self, row: &AnyRow) -> Result<Option<Row>> {
        let name: Result<Option<String>, _> = row.try_get(0);
        match name.map_err(|error| fault::convert(error, "follow", &self.main.name))? {
            Some(_) => decode(row, &self.main.name).map(Some),
            None => Ok(None),
        }
    }

    fn decoded<T>(
        &self,
        rows: &[AnyRow],
        one: impl Fn(&AnyRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>> {
        let decoded: Result<_, sqlx::Error> = rows.iter().map(one).collect();
        decoded.map_err(|error| fault::convert(error, "follow", &self.main.name))
    }
}

/// A row of the answer, behind the columns of the table's.
struct Read {
    part: Part,
    entry: Entry,
    name: String,
    entries: u64,
}

fn read(row: &AnyRow) -> Result<Read, sqlx::Error> {
    let part = Part::of(row.try_get(7)?).ok_or(sqlx::Error::RowNotFound)?;
    let key: String = row.try_get(9)?;
    let entry = Entry { number: number(row, 8)?, key, changed_at: row.try_get(10)? };
    Ok(Read { part, entry, name: row.try_get(14)?, entries: number(row, 11)? })
}

fn number(row: &AnyRow, column: usize) -> Result<u64, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)?.cast_unsigned())
}

/// An entry, and the row of its key.
struct Joined {
    entry: Entry,
    name: String,
    row: Option<Row>,
}

/// One for each key: all its entries came with one row.
fn changes(joined: Vec<Joined>, numbers: &[u64]) -> Vec<Change> {
    let is_new = |it: &Joined| numbers.binary_search(&it.entry.number).is_ok();
    let mut new: Vec<_> = joined.into_iter().filter(is_new).collect();
    new.sort_unstable_by_key(|it| Reverse(it.entry.number));
    let mut keys = HashSet::new();
    new.retain(|it| keys.insert(it.entry.key.clone()));
    let change = |it: Joined| Change { key: it.entry.key, name: it.name, row: it.row };
    new.into_iter().rev().map(change).collect()
}
