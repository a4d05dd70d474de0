//! What keeps the metadata table known on this node: what follows its change log, the
//! replica, and the agent that keeps it.

#[cfg(feature = "cli")]
pub(crate) mod agent;
#[cfg(feature = "cli")]
mod follower;
#[cfg(feature = "cli")]
mod gaps;
pub(crate) mod replica;
#[cfg(test)]
mod tests;

#[cfg(feature = "cli")]
use std::time::Duration;

#[cfg(feature = "cli")]
pub(crate) use follower::{
    Answer, Entry, Fingerprint, Follower, Heard, Loss, MODULUS, Position, Question,
};
#[cfg(feature = "cli")]
pub(crate) use gaps::{KEPT, Range};

/// What followers of the log measure the age of gaps by.
#[cfg(feature = "cli")]
pub(crate) fn clock() -> Duration {
    Duration::from_nanos(replica::now())
}
