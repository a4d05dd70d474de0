//! Rows as they are stored: those whose keys begin alike lie together, in their order.
//!
//! Each by itself would have an entry in LMDB's tree, which is half empty after some
//! time of random inserts and deletes: 89 bytes a row instead of 60. Of buckets that are
//! larger only two or one fit in a page, or none.

#[cfg(feature = "cli")]
mod changing;

use serde::{Deserialize, Serialize};

use crate::name::Key;
#[cfg(feature = "cli")]
pub(crate) use changing::{count, guessed_rows, put, remove};

/// Bytes of a key that are those of all in its bucket, however few there are.
const PREFIX: usize = 1;

const KEY_REST: usize = 16 - PREFIX;
const ENTRY: usize = KEY_REST + 6 + 6 + 4 + 2;

/// The kind of a row that does not fit: the database has to be asked.
pub(super) const UNTOLD: u16 = u16::MAX;

/// A row as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) size: u64,
    pub(super) mtime: u32,
    /// Which of the kinds of rows, or [`UNTOLD`].
    pub(super) kind: u16,
    /// Its lower 48 bits, which are only compared.
    pub(super) number: u64,
}

impl Entry {
    fn read(bytes: &[u8]) -> Self {
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        Entry {
            size: number(0, 6),
            number: number(6, 12),
            mtime: number(12, 16) as u32,
            kind: number(16, 18) as u16,
        }
    }
}

/// Under what a bucket is stored: in the order of their numbers.
pub(crate) type Name = [u8; 3];

/// Which bucket a key is in: its first bits are the number. Keys are digests, so all buckets
/// have nearly as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(crate) struct Buckets {
    bits: u32,
}

impl Buckets {
    /// Bits that those of a key are at least, and that a name has room for.
    const LEAST: u32 = 8 * PREFIX as u32;
    const MOST: u32 = 8 * size_of::<Name>() as u32;

    /// The number of the bucket of a key.
    pub(crate) fn of(self, key: &Key) -> u32 {
        u32::from_be_bytes([key[0], key[1], key[2], key[3]]) >> (u32::BITS - self.bits)
    }

    pub(crate) fn name(number: u32) -> Name {
        let [_, name @ ..] = number.to_be_bytes();
        name
    }
}

impl TryFrom<u32> for Buckets {
    type Error = String;

    fn try_from(bits: u32) -> Result<Self, String> {
        match (Self::LEAST..=Self::MOST).contains(&bits) {
            true => Ok(Buckets { bits }),
            false => Err(format!("no buckets are named by {bits} bits")),
        }
    }
}

impl From<Buckets> for u32 {
    fn from(buckets: Buckets) -> u32 {
        buckets.bits
    }
}

/// Before anything is known of the table.
impl Default for Buckets {
    fn default() -> Self {
        Buckets { bits: 16 }
    }
}

/// What a bucket says of a key.
pub(super) fn find(bucket: &[u8], key: &Key) -> Option<Entry> {
    let place = place(bucket, key).ok()?;
    Some(Entry::read(&bucket[place + KEY_REST..place + ENTRY]))
}

/// Where a key is, or where it would have to be.
fn place(bucket: &[u8], key: &Key) -> Result<usize, usize> {
    let (mut low, mut high) = (0, bucket.len() / ENTRY);
    while low < high {
        let middle = (low + high) / 2;
        let at = middle * ENTRY;
        match bucket[at..at + KEY_REST].cmp(&key[PREFIX..]) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Ok(at),
        }
    }
    Err(low * ENTRY)
}
