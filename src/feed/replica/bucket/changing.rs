//! How the agent writes buckets, and looks through them.

use super::{ENTRY, Entry, KEY_REST, PREFIX, UNTOLD, place};
use crate::name::Key;

/// The largest number that fits into the bytes of a size.
const MOST: u64 = (1 << 48) - 1;

impl Entry {
    /// What stands for a row whose facts do not fit.
    pub(crate) fn untold(number: u64) -> Self {
        Entry { size: 0, mtime: 0, kind: UNTOLD, number: number & MOST }
    }

    /// `None` where they do not fit.
    pub(crate) fn new(size: u64, mtime: i64, kind: u16, number: u64) -> Option<Self> {
        let mtime = u32::try_from(mtime).ok()?;
        (size <= MOST).then_some(Entry { size, mtime, kind, number: number & MOST })
    }

    /// Whether it says the same of the file, whatever its number.
    pub(crate) fn is_like(&self, other: &Entry) -> bool {
        Entry { number: 0, ..*self } == Entry { number: 0, ..*other }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(&self.size.to_le_bytes()[..6]);
        to.extend(&self.number.to_le_bytes()[..6]);
        to.extend(self.mtime.to_le_bytes());
        to.extend(self.kind.to_le_bytes());
    }
}

/// All of a bucket, in the order of their keys.
pub(crate) fn entries(prefix: [u8; PREFIX], bucket: &[u8]) -> impl Iterator<Item = (Key, Entry)> {
    bucket.chunks_exact(ENTRY).map(move |bytes| {
        let mut key = Key::default();
        key[..PREFIX].copy_from_slice(&prefix);
        key[PREFIX..].copy_from_slice(&bytes[..KEY_REST]);
        (key, Entry::read(&bytes[KEY_REST..]))
    })
}

/// How many rows are in a bucket.
pub(crate) fn count(bucket: &[u8]) -> u64 {
    (bucket.len() / ENTRY) as u64
}

/// A bucket with another entry for this key; says what it had.
pub(crate) fn put(bucket: &mut Vec<u8>, key: &Key, entry: &Entry) -> Option<Entry> {
    let old = remove(bucket, key);
    let at = place(bucket, key).unwrap_or_else(|at| at);
    let mut bytes = Vec::with_capacity(ENTRY);
    bytes.extend(&key[PREFIX..]);
    entry.write(&mut bytes);
    bucket.splice(at..at, bytes);
    old
}

/// A bucket without this key; says what it had.
pub(crate) fn remove(bucket: &mut Vec<u8>, key: &Key) -> Option<Entry> {
    let at = place(bucket, key).ok()?;
    let old = Entry::read(&bucket[at + KEY_REST..at + ENTRY]);
    bucket.drain(at..at + ENTRY);
    Some(old)
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::super::find;
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
