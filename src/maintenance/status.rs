//! How a store is, as one looks at it: table, servers, mount, last runs, change log, replica.
//! What cannot be asked is no trouble of the rest.

use std::path::PathBuf;

use super::last::{LastFsck, LastPurge, LastRun, last};
use super::{FeedState, ReplicaStatus, replica_status};
use crate::config::dsn::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{MountEntry, Space};
use crate::runtime;
use crate::store::Store;

pub(crate) struct Status {
    pub(crate) table: String,
    /// Without passwords, in the order in which they are tried.
    pub(crate) servers: Vec<String>,
    /// That of the servers to which this process got a connection.
    pub(crate) used: Result<Used>,
    /// All rows of the table, live or not.
    pub(crate) rows: Result<u64>,
    pub(crate) feed: Result<FeedState>,
    pub(crate) root: PathBuf,
    pub(crate) mount: Result<MountStatus>,
    /// `None` where no node has noted one.
    pub(crate) fsck: Result<Option<LastRun<LastFsck>>>,
    pub(crate) purge: Result<Option<LastRun<LastPurge>>>,
    /// `None` where the store has none.
    pub(crate) replica: Option<ReplicaStatus>,
}

pub(crate) struct Used {
    pub(crate) server: String,
    /// `None` where the DSN names no other, which is not asked.
    pub(crate) takes_writes: Option<bool>,
}

pub(crate) struct MountStatus {
    /// `None` where the kernel does not tell.
    pub(crate) place: Option<MountEntry>,
    pub(crate) space: Space,
    /// Why it does not count as mounted.
    pub(crate) dead: Option<Error>,
}

/// Looks at a store. Blocks no longer than its deadlines.
///
/// # Errors
///
/// Where this process cannot use any store.
pub(crate) fn status(store: &Store) -> Result<Status> {
    let process = store.process()?;
    let index = process.index();
    let used = runtime::block_on(async {
        index.check_schema().await?;
        let (server, takes_writes) = index.server_in_use().await?;
        Ok(Used { server, takes_writes })
    });
    // Each would wait for the same server once more.
    let asked = used.as_ref().map(|_| ()).map_err(Error::clone);
    let rows = asked.clone().and_then(|()| runtime::block_on(index.count("")));
    let feed = asked.and_then(|()| runtime::block_on(index.feed_state()));
    let mount = runtime::block_on(process.gate().run("look", |mount| {
        let (place, space) = (mount.place()?, mount.space()?);
        Ok(MountStatus { place, space, dead: mount.require_alive().err() })
    }));
    // A bare mount point has no notes, and that says nothing.
    let reachable = match &mount {
        Ok(MountStatus { dead: Some(error), .. }) if !matches!(rows, Ok(0)) => Err(error.clone()),
        mount => mount.as_ref().map(|_| ()).map_err(Error::clone),
    };
    let fsck = reachable.clone().and_then(|()| last(&process));
    let purge = reachable.and_then(|()| last(&process));
    let replica = match store.options().replica {
        Some(_) => Some(replica_status(store)?),
        None => None,
    };
    Ok(Status {
        table: index.table().to_owned(),
        servers: store.dsn().servers().iter().map(Address::to_string).collect(),
        used,
        rows,
        feed,
        root: store.root().to_owned(),
        mount,
        fsck,
        purge,
        replica,
    })
}

impl Status {
    /// What keeps readers from it, the first thing of that kind.
    pub(crate) fn trouble(&self) -> Option<ErrorKind> {
        let mount = match &self.mount {
            Ok(mount) => mount.dead.as_ref().filter(|_| !self.is_new()),
            Err(error) => Some(error),
        };
        self.used.as_ref().err().or(mount).map(Error::kind)
    }

    /// Of a table without rows the root is bare, and right.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.rows, Ok(0))
    }
}
