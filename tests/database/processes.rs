//! Clients that die or fork with a connection open.

use crate::support::Group;

pub(super) fn register(_group: &mut Group) {}
