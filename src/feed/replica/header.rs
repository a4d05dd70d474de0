//! What a replica says of itself.

use serde::{Deserialize, Serialize};

use super::Identity;
use super::bucket::Buckets;

/// Of what is stored and how; another's is not read.
pub(super) const FORMAT: u32 = 2;

/// The keys of the header's parts.
pub(super) const ABOUT: &[u8] = b"about";
pub(super) const STATE: &[u8] = b"state";
pub(super) const HEARD_AT: &[u8] = b"heard_at";
#[cfg(feature = "cli")]
pub(super) const POSITION: &[u8] = b"position";

/// What stays as it is as long as the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) format: u32,
    pub(super) identity: Identity,
}

impl About {
    #[cfg(feature = "cli")]
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.format == FORMAT && self.identity == *identity
    }
}

/// How far the agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Whether every row of the table is in it.
    pub(crate) is_complete: bool,
    /// What tells the triggers whose log it was made by from any others.
    #[serde(default)]
    pub(crate) feed: u64,
    /// A random number for each time that the whole table is read.
    pub(crate) scan: u64,
    /// How its rows are stored.
    pub(crate) buckets: Buckets,
    pub(crate) rows: u64,
    /// Changes applied since it was made.
    pub(crate) changes: u64,
    /// Rows that were other than the table's without a change that told it.
    pub(crate) repaired: u64,
}
