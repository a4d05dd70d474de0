//! Each of these must break an invariant: else the model proves nothing.

use super::{Feed, Make};

/// Protocols that are nearly right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Only what has a higher number than all that was seen is asked for.
    NoGaps,
    /// The position is stored, and then the rows.
    PositionBeforeRows,
    /// The replica is as new as the moment when rows are put into it.
    HeardWhenApplied,
    /// The rows are read before the entries.
    RowsBeforeEntries,
    /// The rows are read after the entries, in a statement of their own: a change may be in
    /// them that is lost before its entry is seen.
    RowsAfterEntries,
    /// What comes with some of the entries may be of others, and is believed to be of these.
    PagesAcrossServers,
    /// Nobody looks whether another server has all that was seen last.
    NoLastBatch,
    /// The table may be read from a server, and the entries from its successor.
    ScanAcrossServers,
    /// The table is read before the position is remembered.
    ScanBeforePosition,
    /// The replica is complete when the table is read, before what came meanwhile.
    CompleteAfterScan,
    /// It is as new as the moment of a poll that did not get all that there was.
    HeardThoughNotWhole,
    /// A server is believed that takes no writes any more.
    FormerServer,
    /// A process does not ask the database for what it has written.
    OwnWritesNotAsked,
    /// The time of the own write is taken when it begins.
    OwnTimeBeforeCommit,
    /// An open file is as good as its row, whichever that is.
    FileKept,
    /// It is as good as long as the row says the same.
    FileKeptByFacts,
    /// What tells a row's changes apart is the number of the entry, which is given again.
    MarkIsNumber,
}

pub(super) const FLAWED: &[(Flaw, Make)] = &[
    (Flaw::NoGaps, Feed::crashes),
    (Flaw::PositionBeforeRows, Feed::crashes),
    (Flaw::HeardWhenApplied, Feed::crashes),
    (Flaw::RowsBeforeEntries, Feed::crashes),
    (Flaw::RowsAfterEntries, Feed::rewritten),
    (Flaw::PagesAcrossServers, Feed::pages),
    (Flaw::NoLastBatch, Feed::failover),
    (Flaw::ScanAcrossServers, Feed::failover),
    (Flaw::ScanBeforePosition, Feed::crashes),
    (Flaw::CompleteAfterScan, Feed::crashes),
    (Flaw::HeardThoughNotWhole, Feed::pages_of_two),
    (Flaw::FormerServer, Feed::former),
    (Flaw::OwnWritesNotAsked, Feed::readers),
    (Flaw::OwnTimeBeforeCommit, Feed::readers),
    (Flaw::FileKept, Feed::readers),
    (Flaw::FileKeptByFacts, Feed::readers),
    (Flaw::MarkIsNumber, Feed::reused),
];
