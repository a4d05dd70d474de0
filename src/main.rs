//! The `ezdfs` command.

// Only what the C library calls sees the process as it was started.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

use ezdfs::cli::Inherited;
use nix::libc;

static HAS_INPUT: AtomicBool = AtomicBool::new(true);
static HAS_OUTPUT: AtomicBool = AtomicBool::new(true);
static IGNORES_SIGPIPE: AtomicBool = AtomicBool::new(false);

// SAFETY: the C library calls what is in this section, once, before `main`. It may be given
// arguments, which a C function need not take.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    HAS_INPUT.store(is_open(libc::STDIN_FILENO, libc::O_WRONLY), Ordering::Relaxed);
    HAS_OUTPUT.store(is_open(libc::STDOUT_FILENO, libc::O_RDONLY), Ordering::Relaxed);
    // SAFETY: all zeros are an action, and nothing is set.
    let (known, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let known = libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action);
        (known == 0, action)
    };
    let is_ignored = known && action.sa_sigaction == libc::SIG_IGN;
    IGNORES_SIGPIPE.store(is_ignored, Ordering::Relaxed);
}

/// Whether it is open, for something else than this alone.
fn is_open(descriptor: c_int, useless: c_int) -> bool {
    // SAFETY: asks for flags, also of a number that is no descriptor.
    let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFL) };
    flags != -1 && flags & libc::O_ACCMODE != useless
}

fn main() -> std::process::ExitCode {
    ezdfs::cli::run(Inherited {
        has_input: HAS_INPUT.load(Ordering::Relaxed),
        has_output: HAS_OUTPUT.load(Ordering::Relaxed),
        ignores_sigpipe: IGNORES_SIGPIPE.load(Ordering::Relaxed),
    })
}
