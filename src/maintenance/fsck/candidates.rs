//! What the first pass notes for the second: in memory while it is little, then
//! in a temporary file.

use std::io::{self, BufReader, BufWriter, Read, Seek};

use tempfile::SpooledTempFile;

use super::Fault;
use crate::error::Result;
use crate::spool::{failed, read_part, write_part};

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
    /// Only these are taken; all, if there is none.
    only: Vec<Fault>,
    counts: [u64; Fault::ALL.len()],
}

impl Candidates {
    pub(super) fn new(only: &[Fault]) -> Self {
        let file = BufWriter::new(tempfile::spooled_tempfile(IN_MEMORY));
        Candidates { file, only: only.to_vec(), counts: [0; Fault::ALL.len()] }
    }

    pub(super) fn add(&mut self, fault: Fault, key: &str, path: &[u8]) -> Result<()> {
        if !self.only.is_empty() && !self.only.contains(&fault) {
            return Ok(());
        }
        self.counts[fault.position()] += 1;
        for part in [fault.name().as_bytes(), key.as_bytes(), path] {
            write_part(&mut self.file, part).map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn count(&self, fault: Fault) -> u64 {
        self.counts[fault.position()]
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// In the order in which they came.
    pub(super) fn read(self) -> Result<impl Iterator<Item = Result<Candidate>>> {
        let total = self.total();
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let mut file = BufReader::new(file);
        Ok((0..total).map(move |_| read_one(&mut file).map_err(failed)))
    }
}

fn read_one(file: &mut impl Read) -> io::Result<Candidate> {
    let mut text = || String::from_utf8(read_part(file)?).map_err(io::Error::other);
    let fault = Fault::from_name(&text()?).ok_or(io::ErrorKind::InvalidData)?;
    let key = text()?;
    Ok(Candidate { fault, key, path: read_part(file)? })
}
