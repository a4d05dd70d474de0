//! What a server says of itself when a session is settled. No setting that the protocol
//! stands on is left to the server's configuration or to the DSN: each of
//! [`super::database`] makes them all.

use crate::metadata::Turns;

/// What a server says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// It is a replica, or was told to take no writes. A user who may write all
    /// the same had better not.
    pub(super) read_only: bool,
    /// It is one of several that all take writes, and learns from the others
    /// only at COMMIT what they have locked (Galera): the times that it may give.
    pub(super) certified: Option<Turns>,
    /// Something stands before it that gives each transaction another of its
    /// connections.
    pub(super) is_pooled: bool,
}

pub(super) fn is_on(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "off")
}
