//! Two nodes on one tree, each behind an NFS client that misbehaves on purpose.
//!
//! `claims` shows that the clients do what the real one does.

use crate::support::{Need, Trials};

mod claims;

pub(crate) fn register(trials: &mut Trials) {
    claims::register(&mut trials.group("nfs_client::claims", &[Need::NfsClient]));
}
