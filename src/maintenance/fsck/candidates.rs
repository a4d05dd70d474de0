//! What the first pass notes for the second: in memory while it is little, then
//! in a temporary file.

use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use tempfile::SpooledTempFile;

use crate::error::{Error, ErrorKind, Result};
use crate::store::Fault;

const IN_MEMORY: usize = 256 << 10;

/// Something that looks wrong.
pub(super) struct Candidate {
    pub(super) fault: Fault,
    /// The row's; empty for a file.
    pub(super) key: String,
    pub(super) path: Vec<u8>,
}

/// A queue of candidates.
pub(super) struct Candidates {
    file: BufWriter<SpooledTempFile>,
    count: u64,
}

impl Candidates {
    pub(super) fn new() -> Result<Self> {
        Ok(Candidates { file: BufWriter::new(tempfile::spooled_tempfile(IN_MEMORY)), count: 0 })
    }

    pub(super) fn add(&mut self, fault: Fault, key: &str, path: &[u8]) -> Result<()> {
        self.count += 1;
        let mut write = || {
            for part in [fault.name().as_bytes(), key.as_bytes(), path] {
                let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
                self.file.write_all(&length.to_le_bytes())?;
                self.file.write_all(part)?;
            }
            Ok(())
        };
        write().map_err(failed)
    }

    /// In the order in which they came.
    pub(super) fn read(self) -> Result<impl Iterator<Item = Result<Candidate>>> {
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let mut file = BufReader::new(file);
        Ok((0..self.count).map(move |_| read_one(&mut file).map_err(failed)))
    }
}

fn read_one(file: &mut impl Read) -> io::Result<Candidate> {
    let mut part = || -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        file.read_exact(&mut length)?;
        let mut part = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut part)?;
        Ok(part)
    };
    let mut text = || String::from_utf8(part()?).map_err(io::Error::other);
    let fault = Fault::from_name(&text()?).ok_or(io::ErrorKind::InvalidData)?;
    let key = text()?;
    Ok(Candidate { fault, key, path: part()? })
}

fn failed(error: io::Error) -> Error {
    let directory = std::env::temp_dir();
    let reason = "cannot note what was found in a temporary file";
    Error::new(ErrorKind::Storage, "check", directory.to_string_lossy(), reason)
        .with_errno(error.raw_os_error().unwrap_or_default())
        .with_source(error)
}
