//! Random numbers.

use std::fs::File;
use std::io::{self, Read};

/// Fills a buffer. A sandbox may have no system call for it; the device has been there longer.
pub(crate) fn fill(buffer: &mut [u8]) -> io::Result<()> {
    getrandom::fill(buffer).or_else(|_| File::open("/dev/urandom")?.read_exact(buffer))
}

/// Any number.
pub(crate) fn number() -> io::Result<u64> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Why libraries get none: from glibc 2.41 on they find the call in the vDSO, and look no further.
pub(crate) fn refusal() -> Option<io::Error> {
    getrandom::fill(&mut [0]).err().map(io::Error::from)
}
