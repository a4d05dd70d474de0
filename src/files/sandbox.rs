//! System calls that a sandbox or an older kernel refuses, and what is lost by each.

use nix::errno::Errno;
use rustix::fs::{AtFlags, MemfdFlags, StatxFlags, memfd_create, statx};

use super::beneath::opens_anything;
use super::nowait::read_nowait;

/// A call that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) call: &'static str,
    pub(crate) errno: Errno,
    /// The kernel that brought it.
    pub(crate) since: &'static str,
}

/// Makes a call.
type Works = fn() -> Result<(), Errno>;

/// What is younger than Linux 3.10, called in a way that nothing else can fail for.
pub(crate) fn refused() -> Vec<Refused> {
    let calls: [(&str, &str, Works); 4] = [
        ("openat2", "5.6", opens_anything),
        ("memfd_create", "3.17", has_memory_files),
        ("statx", "4.11", asks_in_full),
        ("preadv2", "4.6", reads_without_waiting),
    ];
    let refusal = |(call, since, works): (&'static str, &'static str, Works)| {
        let errno = Result::err(works())?;
        Some(Refused { call, errno, since })
    };
    calls.into_iter().filter_map(refusal).collect()
}

/// Whether a filter of system calls is at work for this process.
pub(crate) fn is_filtered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|it| it.trim() == "2"))
}

fn has_memory_files() -> Result<(), Errno> {
    memfd_create("ezdfs", MemfdFlags::CLOEXEC).map(drop).map_err(errno)
}

fn asks_in_full() -> Result<(), Errno> {
    statx(rustix::fs::CWD, c"/", AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE)
        .map(drop)
        .map_err(errno)
}

/// Of a descriptor that has bytes at hand.
fn reads_without_waiting() -> Result<(), Errno> {
    let file = std::fs::File::open("/proc/self/exe").map_err(|_| Errno::ENOENT)?;
    match read_nowait(&file, &mut [0], 0) {
        // There is the call, though this file or this moment is not for it.
        Err(Errno::EAGAIN | Errno::EOPNOTSUPP) => Ok(()),
        outcome => outcome.map(drop),
    }
}

fn errno(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}
