//! The C ABI. Its documentation for users is the generated header, so these
//! comments speak of C.
//!
//! One file for each family of C functions. Every function runs under
//! `result::guard`, which catches panics and fills the caller's error.

// The names are those that C sees; the lints speak of Rust's.
#![allow(unsafe_code, non_camel_case_types, missing_debug_implementations)]

mod file;
mod halves;
mod log;
mod options;
mod purge;
mod queue;
mod read;
mod result;
mod serve;
mod sized;
mod stats;
mod store;
mod write;

pub use file::*;
pub use halves::*;
pub use log::*;
pub use options::*;
pub use purge::*;
pub use queue::*;
pub use read::*;
pub use result::*;
pub use serve::*;
pub use stats::*;
pub use store::*;
pub use write::*;

/// The version of the library that is linked, as
/// `major * 1000000 + minor * 1000 + patch`; compare it with
/// EZDFS_VERSION_MAJOR and its siblings, which are the header's.
#[unsafe(no_mangle)]
pub extern "C" fn ezdfs_version_number() -> u32 {
    const MAJOR: u32 = number(env!("CARGO_PKG_VERSION_MAJOR"));
    const MINOR: u32 = number(env!("CARGO_PKG_VERSION_MINOR"));
    const PATCH: u32 = number(env!("CARGO_PKG_VERSION_PATCH"));
    MAJOR * 1_000_000 + MINOR * 1_000 + PATCH
}

const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("the crate's version is not made of numbers"),
    }
}

/// Bytes that a caller handed in.
///
/// # Safety
///
/// `data` is NULL or points to `len` readable bytes that stay for `'a`.
unsafe fn bytes<'a>(data: *const std::ffi::c_char, len: usize) -> &'a [u8] {
    if data.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(data.cast(), len) }
}

/// Fills in what the caller may have left out.
///
/// # Safety
///
/// `out` is NULL or valid.
unsafe fn give<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: promised by the caller.
        unsafe { out.write(value) };
    }
}

/// Writes text to a caller's buffer if it fits; returns its length.
///
/// # Safety
///
/// `buffer` is NULL or points to `capacity` writable bytes.
unsafe fn copy_out(text: &str, buffer: *mut std::ffi::c_char, capacity: usize) -> usize {
    if !buffer.is_null() && text.len() <= capacity {
        // SAFETY: promised by the caller; the ranges cannot overlap, since
        // nobody else has the text.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len()) };
    }
    text.len()
}
