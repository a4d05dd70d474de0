//! Bytes that say of themselves whether they are whole.

use md5::{Digest, Md5};

/// Versions come in all lengths from nothing much to several reads and writes.
const LENGTHS: [usize; 7] = [0, 100, 5_000, 5_000, 5_000, 30_000, 140_000];

/// Version, length of the rest, md5 of the rest, the rest.
pub(crate) fn of(version: u64) -> Vec<u8> {
    let mut random = Random::new(version);
    let length = LENGTHS[random.below(LENGTHS.len() as u64) as usize];
    let mut rest: Vec<u8> = (0..=length / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    rest.truncate(length);
    let head = [&version.to_le_bytes()[..], &(length as u64).to_le_bytes(), &Md5::digest(&rest)];
    [head.concat(), rest].concat()
}

/// The version of bytes that are whole.
pub(crate) fn version_of(bytes: &[u8]) -> Result<u64, String> {
    let number = |at: usize| {
        let part: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(part))
    };
    let (Some(version), Some(length), Some(digest), Some(rest)) =
        (number(0), number(8), bytes.get(16..32), bytes.get(32..))
    else {
        return Err(format!("{} bytes are too few", bytes.len()));
    };
    if length != rest.len() as u64 || digest != &Md5::digest(rest)[..] {
        return Err(format!("version {version} is torn: {} of {length} bytes", rest.len()));
    }
    Ok(version)
}

/// Numbers that the same seed gives again (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
