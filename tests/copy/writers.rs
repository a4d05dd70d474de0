use crate::support::Group;
pub(super) fn register(_: &mut Group<'_>) {}
