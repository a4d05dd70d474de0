//! Rows as they are stored: those whose keys begin alike lie together, in their order.
//!
//! Each by itself would have an entry in LMDB's tree, which is half empty after some
//! time of random inserts and deletes: 89 bytes a row instead of 60.

use crate::name::Key;

/// Bytes of a key that name its bucket.
const PREFIX: usize = 2;

const KEY_REST: usize = 16 - PREFIX;
const ENTRY: usize = KEY_REST + 6 + 6 + 4 + 2;

/// The largest number that fits into the bytes of a size.
const MOST: u64 = (1 << 48) - 1;

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
    /// What stands for a row whose facts do not fit.
    pub(super) fn untold(number: u64) -> Self {
        Entry { size: 0, mtime: 0, kind: UNTOLD, number: number & MOST }
    }

    /// `None` where they do not fit.
    pub(super) fn new(size: u64, mtime: i64, kind: u16, number: u64) -> Option<Self> {
        let mtime = u32::try_from(mtime).ok()?;
        (size <= MOST).then_some(Entry { size, mtime, kind, number: number & MOST })
    }

    /// Whether it says the same of the file, whatever its number.
    pub(super) fn is_like(&self, other: &Entry) -> bool {
        Entry { number: 0, ..*self } == Entry { number: 0, ..*other }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(&self.size.to_le_bytes()[..6]);
        to.extend(&self.number.to_le_bytes()[..6]);
        to.extend(self.mtime.to_le_bytes());
        to.extend(self.kind.to_le_bytes());
    }

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

/// The key of the bucket that holds a key.
pub(super) fn of(key: &Key) -> [u8; PREFIX] {
    [key[0], key[1]]
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

/// All of a bucket, in the order of their keys.
pub(super) fn entries(prefix: [u8; PREFIX], bucket: &[u8]) -> impl Iterator<Item = (Key, Entry)> {
    bucket.chunks_exact(ENTRY).map(move |bytes| {
        let mut key = Key::default();
        key[..PREFIX].copy_from_slice(&prefix);
        key[PREFIX..].copy_from_slice(&bytes[..KEY_REST]);
        (key, Entry::read(&bytes[KEY_REST..]))
    })
}

/// How many rows are in a bucket.
#[cfg(feature = "cli")]
pub(super) fn count(bucket: &[u8]) -> u64 {
    (bucket.len() / ENTRY) as u64
}

/// A bucket with another entry for this key; says what it had.
#[cfg(feature = "cli")]
pub(super) fn put(bucket: &mut Vec<u8>, key: &Key, entry: &Entry) -> Option<Entry> {
    let old = remove(bucket, key);
    let at = place(bucket, key).unwrap_or_else(|at| at);
    let mut bytes = Vec::with_capacity(ENTRY);
    bytes.extend(&key[PREFIX..]);
    entry.write(&mut bytes);
    bucket.splice(at..at, bytes);
    old
}

/// A bucket without this key; says what it had.
#[cfg(feature = "cli")]
pub(super) fn remove(bucket: &mut Vec<u8>, key: &Key) -> Option<Entry> {
    let at = place(bucket, key).ok()?;
    let old = Entry::read(&bucket[at + KEY_REST..at + ENTRY]);
    bucket.drain(at..at + ENTRY);
    Some(old)
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_sorted_map() {
        let mut bucket = Vec::new();
        let mut expected = std::collections::BTreeMap::new();
        for step in 0..2000_u32 {
            let mut key = Key::default();
            key[..PREFIX].copy_from_slice(&[7, 7]);
            key[PREFIX..PREFIX + 4]
                .copy_from_slice(&(step.wrapping_mul(2_654_435_761) % 97).to_be_bytes());
            if step % 3 == 0 {
                assert_eq!(remove(&mut bucket, &key), expected.remove(&key));
            } else {
                let entry = Entry::new(u64::from(step), i64::from(step) + 1, 3, 1 << 40).unwrap();
                assert_eq!(put(&mut bucket, &key, &entry), expected.insert(key, entry));
            }
            assert_eq!(find(&bucket, &key), expected.get(&key).copied());
        }
        assert!(entries([7, 7], &bucket).eq(expected));
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        assert!(Entry::new(MOST, i64::from(u32::MAX), 0, u64::MAX).is_some());
        assert!(Entry::new(MOST + 1, 1, 0, 1).is_none());
        assert!(Entry::new(1, i64::from(u32::MAX) + 1, 0, 1).is_none());
        assert!(Entry::new(1, -1, 0, 1).is_none());
    }
}
