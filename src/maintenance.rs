//! What operators do to a whole store.

mod fsck;
mod import;
mod purge;

pub use crate::store::Fault;
pub use fsck::{Checked, Finding, Fsck, FsckOptions, Report};
pub use import::{Import, ImportOptions, Imported};
pub use purge::{PurgeOptions, Purged, purge};
