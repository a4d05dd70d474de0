//! The replica: what the metadata table says, kept on this node for all its
//! processes.
//!
//! It is an LMDB environment below the directory that the option `replica` names:
//! one process writes it, the agent, and any number read it, none waiting for
//! another. A reader has one version of it or another, never a mixture, whenever
//! the writer is killed.
//!
//! LMDB trusts its file. So nothing is mapped that was not made since the machine
//! started (what a crash of it leaves may be torn), nor what is shorter than it
//! says. A file that somebody damages in its middle, or cuts while it is in use,
//! ends the processes that read it: only the agent's user may write to it.

#[cfg(feature = "cli")]
mod batch;
mod bucket;
mod environment;
mod header;
#[cfg(feature = "cli")]
mod making;
mod place;
mod reader;
#[cfg(test)]
mod trials;
#[cfg(feature = "cli")]
mod writer;

use std::ffi::CStr;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Dialect, Options};
use crate::lookup::Facts;
#[cfg(feature = "cli")]
use crate::name::Key;

#[cfg(feature = "cli")]
pub(crate) use batch::Batch;
#[cfg(feature = "cli")]
pub(crate) use bucket::{Buckets, guessed_rows};
#[cfg(feature = "cli")]
pub(crate) use header::State;
#[cfg(feature = "cli")]
pub(crate) use making::{agent_of, give_up, request_rebuild};
pub(crate) use place::now;
pub(crate) use reader::Replica;
#[cfg(feature = "cli")]
pub(crate) use writer::Writer;

/// The databases of the environment.
const HEADER: &CStr = c"header";
const ROWS: &CStr = c"rows";
const KINDS: &CStr = c"kinds";

/// Processes and stores that can read at a time; each costs 64 bytes.
const MOST_READERS: u32 = 4096;

/// Which table a replica is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Servers and database, without logins, which may change.
    pub(crate) database: String,
    pub(crate) table: String,
}

impl Identity {
    pub(crate) fn of(options: &Options) -> Self {
        let default_port = match options.dsn.dialect() {
            Dialect::MySql => 3306,
            Dialect::Postgres => 5432,
            Dialect::Sqlite => 0,
        };
        let mut servers: Vec<_> = options
            .dsn
            .servers()
            .iter()
            .map(|server| match &server.socket {
                Some(socket) => socket.display().to_string(),
                None => format!("{}:{}", server.host, server.port.unwrap_or(default_port)),
            })
            .collect();
        servers.sort();
        let database = format!("{} {}", servers.join(","), options.dsn.database());
        Identity { database, table: options.table.clone() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} of {}", self.table, self.database)
    }
}

/// Keys after one, up to another; from the first or to the last where there is none.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    pub(crate) after: Option<Key>,
    pub(crate) to: Option<Key>,
}

#[cfg(feature = "cli")]
impl Part {
    fn has(&self, key: &Key) -> bool {
        self.after.is_none_or(|after| *key > after) && self.to.is_none_or(|to| *key <= to)
    }

    /// The numbers of the buckets that it is in, the first and the last.
    fn reach(&self, buckets: Buckets) -> (u32, u32) {
        let first = self.after.as_ref().map_or(0, |after| buckets.of(after));
        let last = self.to.as_ref().map_or(buckets.last(), |to| buckets.of(to));
        (first, last)
    }
}

/// The key of a row, where it is one that a name can have.
#[cfg(feature = "cli")]
pub(crate) fn key_of(text: &str) -> Option<Key> {
    let text = text.trim_end();
    let is_digest = text.len() == 32
        && text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
    let number = is_digest.then(|| u128::from_str_radix(text, 16).ok())?;
    number.map(u128::to_be_bytes)
}

/// What tells one reading of a row from the next, even where size and time are the
/// same. Of two that are equal the file is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    /// The reading of the whole table that it belongs to, as a random number.
    pub(crate) scan: u64,
    /// That of the agent's last write of this row.
    pub(crate) number: u64,
}

/// A live row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) facts: Facts,
    pub(crate) version: Version,
}

/// What a replica says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It says nothing.
    Unusable(Unusable),
    /// There was no live row a moment ago.
    Unknown,
    /// There is a row that it cannot hold.
    AskDatabase,
    Known(Known),
}

/// Why a replica says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// There is none that was made since the machine started.
    Absent,
    /// It cannot be read.
    Broken(String),
    /// It is of this table.
    Another(String),
    /// The agent is still reading the table.
    Incomplete,
    /// The agent has heard nothing of the database for so long.
    Old(Duration),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Absent => f.write_str("there is none; does the agent run?"),
            Unusable::Broken(why) => write!(f, "it cannot be read: {why}"),
            Unusable::Another(whose) => write!(f, "it is that of another table: {whose}"),
            Unusable::Incomplete => f.write_str("the agent has not read the whole table yet"),
            Unusable::Old(age) => {
                write!(f, "its agent has heard nothing of the database for {} ms", age.as_millis())
            }
        }
    }
}
