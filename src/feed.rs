//! What follows the change log of the metadata table.

mod follower;
mod gaps;
#[cfg(test)]
mod tests;

pub(crate) use follower::{
    Answer, Entry, Fingerprint, Follower, Heard, Loss, MODULUS, Position, Question,
};
pub(crate) use gaps::{KEPT, Range};
