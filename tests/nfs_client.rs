//! Two nodes on one tree, each behind an NFS client that misbehaves on purpose.
//!
//! `claims` shows that the clients do what the real one does; the other modules play scenarios
//! through every door that they make sense for.

use crate::support::{Need, Trials};

mod claims;
mod cluster;
mod doors;
mod freshness;
mod hangs;
mod kept;
mod locks;
mod reading;
mod refusals;
mod traffic;
mod unmounted;
mod writing;

pub(crate) fn register(trials: &mut Trials) {
    claims::register(&mut trials.group("nfs_client::claims", &[Need::NfsClient]));
    freshness::register(trials);
    reading::register(trials);
    refusals::register(trials);
    writing::register(trials);
    hangs::register(trials);
    kept::register(trials);
    locks::register(trials);
    traffic::register(trials);
    unmounted::register(trials);
}
