//! What each task needs, and what of it is there.

use nix::unistd::{AccessFlags, access};

use crate::error::{Error, Result};
use crate::index::FeedState;
use crate::runtime;
use crate::store::Store;

/// What somebody does with a store, as far as it needs something of its own.
struct Task {
    name: &'static str,
    verbs: &'static [&'static str],
    writes_files: bool,
}

const TASKS: [Task; 4] = [
    Task { name: "read", verbs: &["SELECT"], writes_files: false },
    Task { name: "write", verbs: &["SELECT", "INSERT", "UPDATE", "DELETE"], writes_files: true },
    Task { name: "purge", verbs: &["SELECT", "UPDATE", "DELETE"], writes_files: true },
    Task { name: "restore", verbs: &["SELECT", "INSERT"], writes_files: true },
];

/// Whether a task can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ability {
    /// `read` (nginx, `get`, `stat`, `ls`, `fsck`), `write` (PHP, `put`, `mv`, `rm`,
    /// `import`, `fsck --repair`), `purge` or `restore`.
    pub task: &'static str,
    /// What is in the way; empty where nothing is.
    pub lacks: Vec<String>,
}

/// What can be done with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// One for each task.
    pub tasks: Vec<Ability>,
    /// What is not as it should be, though it is in nobody's way.
    pub advice: Vec<String>,
    /// Whether other nodes can be told what changes.
    pub feed: FeedState,
}

/// Finds out what can be done with a store by the database's user and the process's: looks
/// at the table's shape and at the root, and tries each verb out in a transaction that is
/// rolled back. Blocks.
///
/// # Errors
///
/// [`ErrorKind::Schema`](crate::ErrorKind::Schema) where the table cannot be used for
/// anything, and those of a database that does not answer.
pub fn abilities(store: &Store) -> Result<Abilities> {
    let process = store.process()?;
    let fitness = runtime::block_on(process.index().fitness())?;
    let read_root = runtime::block_on(unreadable_root(store))?;
    let write_root = access(store.root(), AccessFlags::W_OK | AccessFlags::X_OK).err();
    let tasks = TASKS.iter().map(|task| {
        let verbs = fitness.refused.iter().filter(|(verb, _)| task.verbs.contains(verb));
        let mut lacks: Vec<_> = verbs.map(|(verb, why)| format!("{verb}: {why}")).collect();
        lacks.extend(read_root.as_ref().map(|error| format!("{error:#}")));
        if let (true, None, Some(errno)) = (task.writes_files, &read_root, write_root) {
            let root = store.root().display();
            lacks.push(format!("the root {root} cannot be written to: {errno}"));
        }
        Ability { task: task.name, lacks }
    });
    let feed = runtime::block_on(process.index().feed_state())?;
    let advice = fitness.advice.iter().map(ToString::to_string).collect();
    Ok(Abilities { tasks: tasks.collect(), advice, feed })
}

/// Makes the change log: a table beside the metadata table, and triggers that write the key of
/// every row into it that anybody changes. What is there and right is left; what is not is begun
/// anew. It grows. Blocks.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig) where the database's user may
/// not make it, [`ErrorKind::Schema`](crate::ErrorKind::Schema) where another table has its name.
pub fn create_feed(store: &Store) -> Result<()> {
    let process = store.process()?;
    runtime::block_on(process.index().create_feed())
}

/// Removes the change log and its triggers, if they are there. Blocks.
///
/// # Errors
///
/// As [`create_feed`].
pub fn drop_feed(store: &Store) -> Result<()> {
    let process = store.process()?;
    runtime::block_on(process.index().drop_feed())
}

/// What is wrong with the root for whoever reads. A bare one is right where nothing was
/// stored yet.
async fn unreadable_root(store: &Store) -> Result<Option<Error>> {
    let process = store.process()?;
    let Err(error) = process.gate().run("check", |mount| mount.require_alive()).await else {
        return Ok(None);
    };
    let is_new = store.root().is_dir() && process.has_no_rows().await?;
    Ok((!is_new).then_some(error))
}
