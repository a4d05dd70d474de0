//! The statements of a change log.

use crate::index::database::{Database, Feed};

/// Begins a log: whoever follows it has an entry to look for from then on. Of no row.
pub(in crate::index) fn first_entry(database: &dyn Database, feed: &Feed) -> String {
    let (log, now) = (&feed.log, database.microseconds());
    format!(
        "INSERT INTO {log} (name_hash, name, changed_at) \
         SELECT '', '', {now} FROM (SELECT COUNT(*) AS entries FROM {log}) counted \
         WHERE entries = 0"
    )
}

/// The triggers have to be gone.
pub(in crate::index) fn drop_log(feed: &Feed) -> String {
    format!("DROP TABLE IF EXISTS {}", feed.log)
}

/// The keys of the last entries: more than others may add while one transaction looks.
#[cfg(feature = "cli")]
pub(in crate::index) fn last_keys(database: &dyn Database, feed: &Feed) -> String {
    let (log, text) = (&feed.log, database.text());
    format!("SELECT CAST(name_hash AS {text}) FROM {log} ORDER BY number DESC LIMIT 100")
}
