//! Records in temporary files, for what may be too much for memory.

use std::io::{self, Read, Write};

use crate::error::Error;

/// Writes bytes and, before them, their number; says how many all this is.
pub(crate) fn write_part(file: &mut impl Write, part: &[u8]) -> io::Result<u64> {
    let length = u32::try_from(part.len()).map_err(io::Error::other)?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(part)?;
    Ok(4 + u64::from(length))
}

pub(crate) fn read_part(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let mut part = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact(&mut part)?;
    Ok(part)
}

pub(crate) fn failed(error: io::Error) -> Error {
    let directory = std::env::temp_dir();
    let reason = "cannot use a temporary file";
    Error::io("spool", directory.to_string_lossy(), reason, error)
}
