//! What operators do to a whole store.

mod beside;
#[cfg(feature = "cli")]
mod copy;
#[cfg(feature = "cli")]
pub(crate) mod doctor;
mod empty;
mod exclude;
mod fit;
mod fsck;
mod import;
#[cfg(feature = "cli")]
pub(crate) mod info;
#[cfg(feature = "cli")]
pub(crate) mod last;
mod limit;
mod outside;
mod progress;
mod purge;
mod remove;
mod rename_prefix;
mod rename_table;
#[cfg(feature = "cli")]
mod replica;
mod restore;
mod schema;
#[cfg(feature = "cli")]
pub(crate) mod status;
#[cfg(feature = "cli")]
pub(crate) mod usage;

pub use crate::index::FeedState;
pub use crate::index::Record;
pub use crate::index::RenamedTable;
#[cfg(feature = "cli")]
pub use copy::{
    Check, CheckOptions, CheckReport, Compared, Copied, Copy, CopyOptions, CopyReport, Difference,
    Follow, Selection, Side, Verify,
};
pub use empty::{Emptied, EmptyOptions, empty_trash};
pub use exclude::Exclude;
pub use fit::require_own_file;
pub use fsck::{Accepted, Checked, Fault, Finding, Fsck, FsckOptions, Report};
pub use import::{Import, ImportOptions, ImportReport, Imported, ImportedFile};
pub(crate) use outside::require_outside;
pub use progress::{Phase, Progress};
pub use purge::{PurgeOptions, PurgeReport, Purged, purge};
pub use remove::{Remove, RemoveOptions, RemoveReport, Target};
pub use rename_prefix::{RenamePrefix, RenamePrefixOptions, RenamePrefixReport, RenamedPrefix};
pub use rename_table::{drop_old_view, rename_table};
#[cfg(feature = "cli")]
pub use replica::{ReplicaReport, ReplicaStatus, rebuild_replica, replica_status, verify_replica};
pub use restore::{RestoreOptions, RestoreReport, RestoredFiles, restore};
pub use schema::{Abilities, Ability, abilities, create_feed, drop_feed};

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::files::Mount;
use crate::runtime;
use crate::store::Store;

/// Where, at the root or beneath it, NFS is mounted `soft` or `softerr`: a call that
/// was given up there may be carried out later, when its row is locked no more.
///
/// # Errors
///
/// The mount is dead.
pub fn soft_mounts(store: &Store) -> Result<Vec<PathBuf>> {
    let process = store.process()?;
    let mounts = runtime::block_on(process.gate().run("check", Mount::mounts))?;
    Ok(mounts.soft().map(Path::to_owned).collect())
}
