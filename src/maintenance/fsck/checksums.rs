//! Bytes, checked against a list that `md5sum` or `sha256sum` has made.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use md5::{Digest, Md5};
use sha2::Sha256;

use super::candidates::Candidate;
use super::{Fault, SecondPass, State, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::Phase;
use crate::name::FileId;
use crate::runtime;
use crate::store::Process;

const CHUNK: usize = 128 << 10;

/// A line of such a list.
struct Listed<'l> {
    digest: &'l str,
    path: &'l str,
}

impl SecondPass<'_> {
    /// Reads each file of the list that has a live row.
    pub(super) fn checksums(&mut self) -> Result<()> {
        let Some(list) = &self.repairs.options.checksums else { return Ok(()) };
        let subject = list.to_string_lossy().into_owned();
        let bad = |error: std::io::Error| {
            Error::new(ErrorKind::InvalidInput, "read", &*subject, "cannot read the list")
                .with_source(error)
        };
        let file = BufReader::new(File::open(list).map_err(bad)?);
        for (number, line) in file.lines().enumerate() {
            let line = line.map_err(bad)?;
            let Some(listed) = parse(&line) else {
                let reason = format!("line {} is none of md5sum or sha256sum", number + 1);
                return Err(Error::new(ErrorKind::InvalidInput, "read", subject, reason));
            };
            let Ok(id) = FileId::parse(listed.path) else { continue };
            let verdict = compare(&self.repairs.process, &id, listed.digest);
            let path = listed.path.as_bytes().to_vec();
            let candidate = Candidate { fault: Fault::Checksum, key: String::new(), path };
            self.outcome(candidate, verdict)?;
            self.report.progress(Phase::Hashing, number as u64, 0);
            if self.report.is_interrupted() {
                self.checked.is_interrupted = true;
                break;
            }
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<Listed<'_>> {
    let (digest, path) = line.split_once(' ')?;
    // A space, or an asterisk for binary mode.
    let path = path.strip_prefix([' ', '*'])?;
    let is_digest =
        matches!(digest.len(), 32 | 64) && digest.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then(|| Listed { digest, path: path.strip_prefix("./").unwrap_or(path) })
}

/// `None` where the bytes are right, or there is no live row, or no file.
fn compare(
    process: &std::sync::Arc<Process>,
    id: &FileId,
    digest: &str,
) -> Result<Option<Verdict>> {
    let opened = runtime::block_on(async { process.open(id).await });
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound || error.is_of_no_file() => {
            return Ok(None);
        }
        opened => opened?.file,
    };
    let actual = match digest.len() {
        32 => hash::<Md5>(&file),
        _ => hash::<Sha256>(&file),
    };
    let actual =
        actual.map_err(|error| Error::io("check", id.as_str(), "cannot read the file", error))?;
    let detail = format!("its bytes have {actual}, the list says {digest}");
    let left = State::Left("restore the file from a backup");
    Ok((!actual.eq_ignore_ascii_case(digest)).then(|| Verdict::new(detail, left)))
}

fn hash<D: Digest>(mut file: &File) -> std::io::Result<String> {
    let mut digest = D::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => digest.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
