//! Files that lie in memory alone: who sends them waits for no mount, and the
//! kernel need not copy them.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// What a file in memory takes is a multiple of this.
const PAGE: u64 = 4096;

static REFUSED: AtomicBool = AtomicBool::new(false);

/// A file with these bytes that nobody can change; `None` where the kernel
/// refuses one, which is logged once: nothing depends on it but speed.
pub(crate) fn in_memory(bytes: &[u8]) -> Option<File> {
    match sealed(bytes) {
        Ok(file) => Some(file),
        Err(error) => {
            if !REFUSED.swap(true, Ordering::Relaxed) {
                log::warn!("ezdfs: no file can be kept in memory: {error}");
            }
            None
        }
    }
}

/// How much memory such a file takes, in bytes.
pub(crate) fn taken_in_memory(bytes: usize) -> u64 {
    (bytes as u64).next_multiple_of(PAGE)
}

fn sealed(bytes: &[u8]) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know NOEXEC_SEAL; some later ones insist on it.
    let file = match memfd_create("ezdfs", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create("ezdfs", flags),
        outcome => outcome,
    };
    let mut file = File::from(file?);
    file.write_all(bytes)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_file_in_memory_never_changes() {
        let mut file = in_memory(b"bytes").expect("a file in memory");
        assert!(file.write_all(b"more").is_err());
        assert!(file.write_at(b"B", 0).is_err());
        assert!(file.set_len(0).is_err());
        let mut read = [0; 6];
        assert_eq!(file.read_at(&mut read, 0).expect("read it"), 5);
        assert_eq!(&read[..5], b"bytes");
    }

    #[test]
    fn whole_pages_are_taken() {
        assert_eq!([0, 1, PAGE as usize, 4097].map(taken_in_memory), [0, PAGE, PAGE, 2 * PAGE]);
    }
}
