//! What the first pass notes for the second: in memory while it is little, then
//! in a temporary file.

use std::io::{self, BufReader, BufWriter, Read, Seek};

use tempfile::SpooledTempFile;

use crate::error::Result;
use crate::spool::{failed, read_part, write_part};
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
        for part in [fault.name().as_bytes(), key.as_bytes(), path] {
            write_part(&mut self.file, part).map_err(failed)?;
        }
        Ok(())
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
    let mut text = || String::from_utf8(read_part(file)?).map_err(io::Error::other);
    let fault = Fault::from_name(&text()?).ok_or(io::ErrorKind::InvalidData)?;
    let key = text()?;
    Ok(Candidate { fault, key, path: read_part(file)? })
}
