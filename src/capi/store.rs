//! The store handle, and what needs no file.

use std::ffi::c_char;

use super::options::ezdfs_options;
use super::result::{ezdfs_error, ezdfs_result, guard, guard_or};
use super::{bytes, copy_out};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;

/// A store. Share one between threads. A process forked after its first use
/// starts afresh with it: connections of the parent are left alone.
/// With SQLite, fork() waits until no call is under way, five seconds at most;
/// where one still is, the child's calls fail with EZDFS_RESULT_UNAVAILABLE.
pub struct ezdfs_store(pub(super) Store);

/// Makes a store. Connects to nothing and starts no thread: that comes with the
/// first call that needs it, in the process that makes it.
///
/// On success `*store_out` is a new handle; release it with `ezdfs_store_free`.
/// `options` is borrowed.
///
/// # Safety
///
/// `options` is a live handle, `store_out` valid, `err` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_new(
    options: *const ezdfs_options,
    store_out: *mut *mut ezdfs_store,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let options = options.as_ref().ok_or_else(|| null("options"))?;
            let store = Store::new(options.0.build()?);
            store_out.write(Box::into_raw(Box::new(ezdfs_store(store))));
            Ok(())
        })
    }
}

/// Releases a store; NULL is a no-op. Files opened from it live on; look-ups
/// under way still reach their queue.
///
/// # Safety
///
/// `store` comes from `ezdfs_store_new` and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_free(store: *mut ezdfs_store) {
    if !store.is_null() {
        // SAFETY: promised by the caller.
        guard_or((), || drop(unsafe { Box::from_raw(store) }));
    }
}

/// Checks that the metadata table is there and has a usable shape. Blocks on
/// the database.
///
/// # Safety
///
/// `store` is a live handle, `err` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_check_schema(
    store: *const ezdfs_store,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe { guard(err, || borrow(store)?.check_schema()) }
}

/// Creates the metadata table where there is none. Blocks on the database.
///
/// # Safety
///
/// `store` is a live handle, `err` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_create_schema(
    store: *const ezdfs_store,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe { guard(err, || borrow(store)?.create_schema()) }
}

/// Writes the URI of an id to `buffer`, if it fits in `capacity` bytes, without
/// a NUL; returns its length, 0 for an id that no file can have. Does not
/// block.
///
/// # Safety
///
/// `store` is a live handle; `id` and `buffer` are valid for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_uri(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: promised by the caller.
    guard_or(0, || unsafe {
        let uri = || {
            let store = borrow(store)?;
            Ok::<_, Error>(store.uri(&store.file_id(bytes(id, id_len))?))
        };
        uri().map_or(0, |uri| copy_out(&uri, buffer, capacity))
    })
}

/// Writes the id in a URI to `buffer`, if it fits in `capacity` bytes, without
/// a NUL; returns its length, 0 where the URI does not begin with the
/// `url_prefix` or names no file. Does not block.
///
/// # Safety
///
/// `store` is a live handle; `uri` and `buffer` are valid for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_id_from_uri(
    store: *const ezdfs_store,
    uri: *const c_char,
    uri_len: usize,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: promised by the caller.
    guard_or(0, || unsafe {
        let id = || {
            let uri = std::str::from_utf8(bytes(uri, uri_len)).map_err(|_| null("uri"))?;
            borrow(store)?.id_from_uri(uri)
        };
        id().map_or(0, |id| copy_out(id.as_str(), buffer, capacity))
    })
}

/// # Safety
///
/// `store` is NULL or a live handle.
pub(super) unsafe fn borrow<'a>(store: *const ezdfs_store) -> Result<&'a Store> {
    // SAFETY: promised by the caller.
    unsafe { store.as_ref() }.map(|store| &store.0).ok_or_else(|| null("store"))
}

pub(super) fn null(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, "call", what, "the argument is NULL")
}
