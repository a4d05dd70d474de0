//! Rows and bytes each by themselves, for hosts that keep the other half elsewhere.

use std::ffi::{c_char, c_void};
use std::os::fd::IntoRawFd;

use super::file::ezdfs_info;
use super::result::{ezdfs_error, ezdfs_result, guard};
use super::sized::{self, Out};
use super::store::{borrow, ezdfs_store, null};
use super::write::{Callback, ezdfs_read_callback, mime_of};
use super::{bytes, give};

/// Writes a row, live, replacing what the id had before. Does not touch the mount; blocks on
/// the database.
///
/// `mtime` is seconds since the epoch, 0: now. `mime_type` may be NULL, and need not be a
/// MIME type. `info_out` may be NULL; on success it is filled in.
///
/// # Safety
///
/// The pointers are valid for their lengths; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_put_metadata(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    size: u64,
    mtime: i64,
    mime_type: *const c_char,
    mime_type_len: usize,
    info_out: *mut ezdfs_info,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let info_out = Out::optional(info_out)?;
            let store = borrow(store)?;
            let id = store.file_id(bytes(id, id_len))?;
            let mime_type = mime_of(mime_type, mime_type_len)?;
            let info = store.put_metadata(&id, size, (mtime != 0).then_some(mtime), mime_type)?;
            sized::give(info_out, &ezdfs_info::new(&info, info.size));
            Ok(())
        })
    }
}

/// Deletes a row, live or not; EZDFS_RESULT_NOT_FOUND where there is none. Does not touch the
/// mount; blocks on the database.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_delete_metadata(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            store.delete_metadata(&store.file_id(bytes(id, id_len))?)
        })
    }
}

/// Deletes all rows below a directory, names compared byte for byte. `rows_out` may be NULL;
/// on success it is the number of rows deleted. Does not touch the mount; blocks on the
/// database.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_delete_metadata_directory(
    store: *const ezdfs_store,
    dir: *const c_char,
    dir_len: usize,
    rows_out: *mut u64,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            let rows = store.delete_metadata_directory(&store.dir_id(bytes(dir, dir_len))?)?;
            give(rows_out, rows);
            Ok(())
        })
    }
}

/// Writes a file, staged and renamed, without a row. Blocks on the mount and `read`.
///
/// `size` is the number of bytes that the source must have, or NULL. `size_out` may be NULL;
/// on success it is the number of bytes written.
///
/// # Safety
///
/// The pointers are valid; `read` does not unwind and writes no more than it says; `err` may
/// be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_put_data(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    read: ezdfs_read_callback,
    context: *mut c_void,
    size: *const u64,
    size_out: *mut u64,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            let read = read.ok_or_else(|| null("read"))?;
            let id = store.file_id(bytes(id, id_len))?;
            let mut source = Callback { read, context };
            let written = store.put_data(&id, &mut source, size.as_ref().copied())?;
            give(size_out, written);
            Ok(())
        })
    }
}

/// Opens a file whatever the table says of it; EZDFS_RESULT_NOT_FOUND only where it is missing
/// from a live mount. Blocks on the mount.
///
/// On success `*fd_out` is a descriptor at offset 0, close-on-exec, which the caller closes,
/// and `*size_out` the length of the file; `size_out` may be NULL.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_open_data(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    fd_out: *mut i32,
    size_out: *mut u64,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            let (file, size) = store.open_data(&store.file_id(bytes(id, id_len))?)?;
            give(size_out, size);
            fd_out.write(file.into_raw_fd());
            Ok(())
        })
    }
}

/// Removes a file whatever the table says of it; nothing where it is gone. Blocks on the
/// mount.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_delete_data(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            store.delete_data(&store.file_id(bytes(id, id_len))?)
        })
    }
}

/// Removes what lies below a directory whatever the table says of it, but for what ezdfs has
/// lately begun to write there: its writer may be alive. Blocks on the mount.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_delete_data_directory(
    store: *const ezdfs_store,
    dir: *const c_char,
    dir_len: usize,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            store.delete_data_directory(&store.dir_id(bytes(dir, dir_len))?)
        })
    }
}
