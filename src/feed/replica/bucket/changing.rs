//! How the agent writes buckets, and looks through them.

use super::{Buckets, ENTRY, Entry, KEY_REST, Name, PREFIX, UNTOLD, place};
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

/// Rows for which a bucket is meant, at least; twice as many at most.
const ROWS: u64 = 4;

/// Rows of which three buckets fit in a page, and a half-empty page is still worth it.
const MOST_ROWS: u64 = 32;

impl Buckets {
    /// Bits: a small table takes little memory in any case, and is not read anew for each step.
    const FEWEST: u32 = 10;

    /// For a table of about so many rows, which may grow.
    pub(crate) fn for_rows(rows: u64) -> Self {
        let bits = (rows / ROWS).max(1).ilog2();
        Buckets { bits: bits.clamp(Self::FEWEST, Self::MOST) }
    }

    /// Whether so many rows take more bytes each than they have to.
    pub(crate) fn are_too_few_for(self, rows: u64) -> bool {
        self.bits < Self::MOST && rows >> self.bits >= MOST_ROWS
    }

    /// The number of the last bucket.
    pub(crate) fn last(self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The number of the bucket that is stored under this name.
    pub(crate) fn number(name: Name) -> u32 {
        let [first, second, third] = name;
        u32::from_be_bytes([0, first, second, third])
    }

    /// All of a bucket, in the order of their keys.
    pub(crate) fn entries(self, number: u32, bucket: &[u8]) -> impl Iterator<Item = (Key, Entry)> {
        let prefix = (number >> (self.bits - Self::LEAST)).to_be_bytes();
        bucket.chunks_exact(ENTRY).map(move |bytes| {
            let mut key = Key::default();
            key[..PREFIX].copy_from_slice(&prefix[prefix.len() - PREFIX..]);
            key[PREFIX..].copy_from_slice(&bytes[..KEY_REST]);
            (key, Entry::read(&bytes[KEY_REST..]))
        })
    }
}

/// About how many rows a table has of which so many are the first in the order of their keys,
/// up to this one: keys are digests, and lie as far apart everywhere.
pub(crate) fn guessed_rows(first: usize, last: &Key) -> u64 {
    let part = (u128::from_be_bytes(*last) as f64 + 1.0) / u128::MAX as f64;
    (first as f64 / part) as u64
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
            key[..PREFIX].copy_from_slice(&[7]);
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
        let buckets = Buckets::for_rows(0);
        assert!(buckets.entries(buckets.of(&[7; 16]), &bucket).eq(expected));
    }

    #[test]
    fn a_key_is_in_the_bucket_of_its_first_bits() {
        for rows in [0, 1, 1000, 100_000, 3_000_000, 1_000_000_000] {
            let buckets = Buckets::for_rows(rows);
            let mut last = None;
            for first in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                let mut key = [7; 16];
                key[..4].copy_from_slice(&u32::to_be_bytes(first));
                let number = buckets.of(&key);
                assert!(number <= buckets.last() && Some(number) >= last);
                assert_eq!(Buckets::number(Buckets::name(number)), number);
                let (mut bucket, entry) = (Vec::new(), Entry::new(1, 1, 1, 1).unwrap());
                put(&mut bucket, &key, &entry);
                assert!(buckets.entries(number, &bucket).eq([(key, entry)]));
                last = Some(number);
            }
            assert_eq!(last, Some(buckets.last()));
        }
    }

    #[test]
    fn numbers_of_bits_that_cannot_be_are_not_read() {
        for (text, is_one) in [("0", false), ("7", false), ("8", true), ("24", true), ("25", false)]
        {
            assert_eq!(serde_json::from_str::<Buckets>(text).is_ok(), is_one, "{text}");
        }
    }

    #[test]
    fn there_are_as_many_buckets_as_rows_need() {
        for rows in [1 << 12, 100_000, 3_000_000, 10_000_000, 50_000_000] {
            let buckets = Buckets::for_rows(rows);
            let each = rows as f64 / f64::from(buckets.last());
            assert!((ROWS as f64..2.1 * ROWS as f64).contains(&each), "{rows}: {each}");
            assert!(!buckets.are_too_few_for(rows) && buckets.are_too_few_for(10 * rows));
        }
    }

    #[test]
    fn the_first_rows_tell_how_many_there_are() {
        for rows in [1000, 3_000_000_u128] {
            for first in [10, 1000] {
                let last = u128::MAX / rows * first as u128;
                let guessed = guessed_rows(first, &last.to_be_bytes()) as f64;
                assert!((0.99..1.01).contains(&(guessed / rows as f64)), "{rows}: {guessed}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_cut() {
        assert!(Entry::new(MOST, i64::from(u32::MAX), 0, u64::MAX).is_some());
        assert!(Entry::new(MOST + 1, 1, 0, 1).is_none());
        assert!(Entry::new(1, i64::from(u32::MAX) + 1, 0, 1).is_none());
        assert!(Entry::new(1, -1, 0, 1).is_none());
    }
}
