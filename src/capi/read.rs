//! Reading, the caller's thread waiting.

use std::ffi::{c_char, c_void};

use super::bytes;
use super::file::{ezdfs_file, ezdfs_info};
use super::result::{ezdfs_error, ezdfs_result, guard, guard_or};
use super::sized::Out;
use super::store::{borrow, ezdfs_store};
use crate::serve;

/// Looks a file up in the table. Blocks on the database: do not call it from an
/// event loop. Does not touch the mount.
///
/// On success `*info_out` is filled in. `id` is borrowed and needs no NUL.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_stat(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    info_out: *mut ezdfs_info,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let info_out = Out::new(info_out, "info_out")?;
            let store = borrow(store)?;
            let info = store.stat(&store.file_id(bytes(id, id_len))?)?;
            info_out.give(&ezdfs_info::new(&info, info.size));
            Ok(())
        })
    }
}

/// Whether there is a live row for the id. Blocks on the database.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_exists(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    exists_out: *mut bool,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            exists_out.write(store.exists(&store.file_id(bytes(id, id_len))?)?);
            Ok(())
        })
    }
}

/// Opens a file for reading. Blocks on the database and on the mount: do not
/// call it from an event loop, see `ezdfs_store_open_start`.
///
/// On success `*file_out` is a new handle; release it with `ezdfs_file_free`.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_open(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    file_out: *mut *mut ezdfs_file,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            let file = store.open(&store.file_id(bytes(id, id_len))?)?;
            file_out.write(ezdfs_file::into_raw(file.into()));
            Ok(())
        })
    }
}

/// Called by `ezdfs_store_list` for each file. `id` is borrowed for the call
/// and has no NUL. Return false to end the listing.
pub type ezdfs_list_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        id: *const c_char,
        id_len: usize,
        info: *const ezdfs_info,
    ) -> bool,
>;

/// Lists the live files below a directory in the byte order of their names; all
/// files where `dir_len` is 0. Blocks on the database, in batches.
///
/// # Safety
///
/// The pointers are valid; `callback` does not unwind; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_list(
    store: *const ezdfs_store,
    dir: *const c_char,
    dir_len: usize,
    callback: ezdfs_list_callback,
    context: *mut c_void,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let callback = callback.ok_or_else(|| super::store::null("callback"))?;
            let store = borrow(store)?;
            let dir = match dir_len {
                0 => None,
                _ => Some(store.dir_id(bytes(dir, dir_len))?),
            };
            for info in store.list(dir.as_ref())? {
                let info = info?;
                let id = info.id.as_str();
                let shown = ezdfs_info::new(&info, info.size);
                if !callback(context, id.as_ptr().cast(), id.len(), &raw const shown) {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Writes the table's name for a decoded request path to `buffer`, if it fits
/// in `capacity` bytes, without a NUL; returns its length, 0 where the path
/// stands for no file of this store. Does not block and does not say whether
/// there is such a file.
///
/// # Safety
///
/// The pointers are valid for their lengths; `buffer` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_name_of_path(
    store: *const ezdfs_store,
    path: *const c_char,
    path_len: usize,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: promised by the caller.
    guard_or(0, || unsafe {
        let name = || {
            let store = borrow(store)?;
            store.name(&serve::id_of_path(store.url_prefix(), bytes(path, path_len))?)
        };
        name().map_or(0, |name| super::copy_out(name.as_str(), buffer, capacity))
    })
}
