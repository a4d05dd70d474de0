//! Descriptors of files that lie in memory alone, for who cannot do with bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno as SystemErrno;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::unistd::unlink;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

use super::optional::{Optional, may_be_refusal};
use super::stage::reserved_name;

/// Where POSIX has shared memory.
const SHARED_MEMORY: &str = "/dev/shm";

/// Since Linux 3.17.
static MEMFD: Optional = Optional::new();

static REFUSED: AtomicBool = AtomicBool::new(false);

/// A file with these bytes that nobody can change; `None` where the kernel
/// refuses one, which is logged once: nothing depends on it but speed.
pub(crate) fn in_memory(bytes: &[u8]) -> Option<File> {
    let made = match sealed(bytes) {
        Some(made) => made,
        None => unnamed(bytes),
    };
    match made {
        Ok(file) => Some(file),
        Err(error) => {
            if !REFUSED.swap(true, Ordering::Relaxed) {
                log::warn!("ezdfs: no file can be kept in memory: {error}");
            }
            None
        }
    }
}

/// `None` where there are no such files.
fn sealed(bytes: &[u8]) -> Option<io::Result<File>> {
    if MEMFD.is_refused() {
        return None;
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know NOEXEC_SEAL; some later ones insist on it.
    let file = match memfd_create("ezdfs", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create("ezdfs", flags),
        outcome => outcome,
    };
    if let Err(errno) = file
        && may_be_refusal(SystemErrno::from_raw(errno.raw_os_error()))
    {
        MEMFD.note_refusal();
        return None;
    }
    let seal = |mut file: File| {
        file.write_all(bytes)?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&file, seals)?;
        Ok(file)
    };
    Some(file.map_err(io::Error::from).and_then(|file| seal(file.into())))
}

/// Of a file without a name the only descriptor is for reading.
fn unnamed(bytes: &[u8]) -> io::Result<File> {
    let name = reserved_name("memory").map_err(io::Error::other)?;
    let path = format!("{SHARED_MEMORY}/{name}");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path)?;
    let opened = File::open(&path);
    unlink(path.as_str())?;
    if fstatfs(&file)?.filesystem_type() != TMPFS_MAGIC {
        return Err(io::Error::other("/dev/shm does not lie in memory"));
    }
    file.write_all(bytes)?;
    opened
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_file_in_memory_never_changes() {
        let files = [sealed(b"bytes").expect("sealed files"), unnamed(b"bytes")];
        for mut file in files.map(|file| file.expect("a file in memory")) {
            assert!(file.write_all(b"more").is_err());
            assert!(file.write_at(b"B", 0).is_err());
            assert!(file.set_len(0).is_err());
            let mut read = [0; 6];
            assert_eq!(file.read_at(&mut read, 0).expect("read it"), 5);
            assert_eq!(&read[..5], b"bytes");
        }
    }
}
