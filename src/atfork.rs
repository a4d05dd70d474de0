//! A binding to `pthread_atfork`.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;

/// Has functions called by the thread that forks: before it, and after it in the
/// parent and in the child. None of them may panic. The system forgets them when
/// a library that this is linked into is unloaded.
pub(crate) fn register(
    before: extern "C" fn(),
    in_parent: extern "C" fn(),
    in_child: extern "C" fn(),
) -> Result<(), Errno> {
    // SAFETY: the functions take nothing and are sound whenever they are called; they stay in
    // place as long as they are registered, since libc ties that to the object that calls it.
    match unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) } {
        0 => Ok(()),
        code => Err(Errno::from_raw(code)),
    }
}
