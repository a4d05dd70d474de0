//! Options, collected key by key.

use std::ffi::c_char;

use super::bytes;
use super::result::{ezdfs_error, ezdfs_result, guard, guard_or};
use crate::config::{OptionsBuilder, shown_key};
use crate::error::{Error, ErrorKind, Result};

/// Options of a store, collected key by key. Not to be used by two threads at
/// a time; may cross fork().
pub struct ezdfs_options(pub(super) OptionsBuilder);

/// Starts with the defaults. Release it with `ezdfs_options_free`. NULL only
/// when out of memory.
#[unsafe(no_mangle)]
pub extern "C" fn ezdfs_options_new() -> *mut ezdfs_options {
    guard_or(std::ptr::null_mut(), || {
        Box::into_raw(Box::new(ezdfs_options(OptionsBuilder::default())))
    })
}

/// Releases options; NULL is a no-op. Stores made from them live on.
///
/// # Safety
///
/// `options` comes from `ezdfs_options_new` and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_options_free(options: *mut ezdfs_options) {
    if !options.is_null() {
        // SAFETY: promised by the caller.
        guard_or((), || drop(unsafe { Box::from_raw(options) }));
    }
}

/// Sets one option from its text, such as `cache_ttl` to `5s`. A later value
/// replaces an earlier one.
///
/// `dsn` values `env:NAME` and `file:/path` are read now. No network, no
/// thread. Fails with EZDFS_RESULT_INVALID_CONFIG for an unknown key or a bad
/// value; the message names the key and never holds a password.
///
/// `key` and `value` are borrowed for the call and need no NUL. `err` may be
/// NULL.
///
/// # Safety
///
/// The pointers are valid for their lengths; `options` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_options_set(
    options: *mut ezdfs_options,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let key = text("key", bytes(key, key_len))?;
            let value = text(shown_key(key), bytes(value, value_len))?;
            let options = options.as_mut().ok_or_else(|| super::store::null("options"))?;
            options.0.set(key, value).map(drop)
        })
    }
}

/// Checks that nothing required is missing. No I/O. Fails with
/// EZDFS_RESULT_INVALID_CONFIG, naming the option.
///
/// # Safety
///
/// `options` is a live handle; `err` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_options_check(
    options: *const ezdfs_options,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let options = options.as_ref().ok_or_else(|| super::store::null("options"))?;
            options.0.build().map(drop)
        })
    }
}

/// Names the bytes instead of quoting them: they may be a DSN.
fn text<'b>(what: &str, bytes: &'b [u8]) -> Result<&'b str> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::InvalidConfig, "option", what, "is not UTF-8"))
}
