//! What operators do to a whole store.

mod empty;
mod exclude;
mod fit;
mod fsck;
mod import;
mod limit;
mod progress;
mod purge;
mod remove;
mod restore;

pub use crate::index::Record;
pub use empty::{Emptied, EmptyOptions, empty_trash};
pub use exclude::Exclude;
pub use fit::require_own_file;
pub use fsck::{Accepted, Checked, Fault, Finding, Fsck, FsckOptions, Report};
pub use import::{Import, ImportOptions, ImportReport, Imported, ImportedFile};
pub use progress::{Phase, Progress};
pub use purge::{PurgeOptions, PurgeReport, Purged, purge};
pub use remove::{Remove, RemoveOptions, RemoveReport, Target};
pub use restore::{RestoreOptions, RestoreReport, RestoredFiles, restore};
