//! The statements of who follows a change log. Not prepared: which numbers are asked for, and how
//! many, is another each time.

use std::time::Duration;

use super::Sql;
use crate::feed::{MODULUS, Question, Range};

/// What a row of the answer to a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) enum Part {
    Entry,
    Count,
    Compared,
    Nothing,
}

impl Part {
    const ALL: [Part; 4] = [Part::Entry, Part::Count, Part::Compared, Part::Nothing];

    pub(in crate::index) fn of(number: i64) -> Option<Self> {
        Part::ALL.get(usize::try_from(number).ok()?).copied()
    }

    fn number(self) -> usize {
        Part::ALL.iter().position(|part| *part == self).unwrap_or_default()
    }
}

impl Sql {
    fn log(&self) -> String {
        format!("{}_changes", self.table)
    }

    /// All that is asked at one moment, in one statement, with the rows of the entries as they
    /// are at that moment: a row that is newer than its entry may be one that a failover takes
    /// back, and nobody would know. The columns of a row, those of [`Part`] (which, number,
    /// key or text, time or sum, and how many), what the server says of itself, and the name
    /// that was logged: of a row that is gone there is no other.
    pub(in crate::index) fn poll(&self, question: &Question, limit: usize) -> String {
        let (integer, log) = (self.database.integer(), &self.log());
        let entries = |after: &str| {
            let part = Part::Entry.number();
            format!(
                "SELECT {part} AS part, number, name_hash AS logged, changed_at, 0 AS entries, \
                 name AS logged_name FROM {log} WHERE {after}"
            )
        };
        let from = question.from;
        let page = entries(&format!("number >= {from} ORDER BY number LIMIT {limit}"));
        let mut parts = vec![format!("SELECT * FROM ({page}) page")];
        if !question.ranges.is_empty() {
            parts.push(entries(&within(&question.ranges)));
        }
        let counted = |part: Part, ranges: &[Range]| {
            format!(
                "SELECT {}, 0, '', CAST(COALESCE(SUM(changed_at % {MODULUS}), 0) AS {integer}), \
                 COUNT(*), '' FROM {log} WHERE {}",
                part.number(),
                within(ranges)
            )
        };
        parts.extend(question.counted.map(|range| counted(Part::Count, &[range])));
        let compared = question.compared.as_ref().filter(|ranges| !ranges.is_empty());
        parts.extend(compared.map(|ranges| counted(Part::Compared, ranges)));
        // So that there is an answer, whatever there is.
        parts.push(format!("SELECT {}, 0, '', 0, 0, ''", Part::Nothing.number()));
        self.with_rows("part", "entries", &format!("({}) asked", parts.join(" UNION ALL ")))
    }

    /// The same where only entries are asked for, which is most of the time: it costs the
    /// server a fourth of the other. No answer where there are none, which that one tells apart.
    pub(in crate::index) fn poll_entries(&self, question: &Question, limit: usize) -> String {
        let Question { from, ranges, .. } = question;
        let passed_over: u64 = ranges.iter().map(|range| range.width()).sum();
        let (part, most) = (Part::Entry.number().to_string(), limit as u64 + passed_over);
        let asked = format!(
            "(SELECT number, name_hash AS logged, changed_at, name AS logged_name FROM {}) asked",
            self.log()
        );
        let entries = self.with_rows(&part, "0", &asked);
        let passed_over = match ranges.is_empty() {
            true => String::new(),
            false => format!(" OR {}", within(ranges)),
        };
        format!("{entries} WHERE number >= {from}{passed_over} ORDER BY number LIMIT {most}")
    }

    /// What was asked, with the rows of the keys that were logged.
    fn with_rows(&self, part: &str, entries: &str, asked: &str) -> String {
        let Sql { database, table, columns, .. } = self;
        let (text, integer) = (database.text(), database.integer());
        let key = self.logged_key("asked.logged");
        let (incarnation, read_only) = (database.incarnation(), database.read_only_settings());
        format!(
            "SELECT {columns}, CAST({part} AS {integer}), CAST(number AS {integer}), \
             CAST(logged AS {text}), CAST(changed_at AS {integer}), CAST({entries} AS {integer}), \
             {incarnation}, {read_only}, CAST(COALESCE(logged_name, '') AS {text}) FROM {asked} {}",
            database.beside(table, &key)
        )
    }

    fn logged_key(&self, key: &str) -> String {
        match self.padded_hash {
            true => format!("CAST({key} AS bpchar)"),
            false => self.database.logged_key(key, &self.key_collation),
        }
    }

    /// The numbers of all entries in there.
    pub(in crate::index) fn numbers(&self, range: Range) -> String {
        let integer = self.database.integer();
        format!("SELECT CAST(number AS {integer}) FROM {} WHERE {}", self.log(), within(&[range]))
    }

    /// The newest entry that is older than this, and is not one of the last so many
    /// numbers, however the clock was set.
    pub(in crate::index) fn older_entry(&self, age: Duration, last: u64) -> String {
        let (integer, log) = (self.database.integer(), &self.log());
        let (now, age) = (self.database.microseconds(), age.as_micros());
        format!(
            "SELECT CAST(number AS {integer}) FROM {log} \
             WHERE changed_at < {now} - {age} \
             AND number <= (SELECT MAX(number) FROM {log}) - {last} ORDER BY number DESC LIMIT 1"
        )
    }

    /// The last of the first so many entries that is as old and as far from the end. What is of
    /// a time that far ahead is old as well: the clock was wrong.
    pub(in crate::index) fn trimmed(&self, age: Duration, last: u64, batch: usize) -> String {
        let (integer, log) = (self.database.integer(), &self.log());
        let (now, age) = (self.database.microseconds(), age.as_micros());
        format!(
            "SELECT CAST(MAX(number) AS {integer}) FROM \
             (SELECT number, changed_at FROM {log} ORDER BY number LIMIT {batch}) oldest \
             WHERE (changed_at < {now} - {age} OR changed_at > {now} + {age}) \
             AND number <= (SELECT MAX(number) FROM {log}) - {last}"
        )
    }

    /// What comes up to a number.
    pub(in crate::index) fn trim(&self, number: u64) -> String {
        format!("DELETE FROM {} WHERE number <= {number}", self.log())
    }
}

fn within(ranges: &[Range]) -> String {
    let one = |Range { first, last }: &Range| match first == last {
        true => format!("number = {first}"),
        false => format!("number BETWEEN {first} AND {last}"),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(" OR ")
}
