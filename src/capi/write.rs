//! Writing and deleting, the caller's thread waiting.

use std::ffi::{c_char, c_void};
use std::fs::File;
use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

use super::file::ezdfs_info;
use super::result::{ezdfs_error, ezdfs_result, guard};
use super::sized::{self, Out, extensible};
use super::store::{borrow, ezdfs_store, null};
use super::{bytes, give};
use crate::error::{Error, ErrorKind, Result};
use crate::store::CreateOptions;

/// What the creator of a file knows of it. All zero but its size: nothing.
#[repr(C)]
pub struct ezdfs_create_options {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// The number of bytes that the source must have, or NULL.
    pub size: *const u64,
    /// The MIME type to store, without NUL; NULL: found from the first bytes.
    pub mime_type: *const c_char,
    /// The length of `mime_type`.
    pub mime_type_len: usize,
    /// Seconds since the epoch; 0: now.
    pub mtime: i64,
}

extensible!(ezdfs_create_options, mtime: i64);

/// Reads at most `len` bytes into `buffer`. Returns how many, 0 at the end, or
/// a negative errno.
pub type ezdfs_read_callback =
    Option<unsafe extern "C" fn(context: *mut c_void, buffer: *mut c_void, len: usize) -> isize>;

/// Stores what `read` yields, replacing what the id had before. Readers see the
/// old file or the whole new one; on failure nothing has changed. Blocks on the
/// mount, the database and `read`.
///
/// `options` may be NULL. `info_out` may be NULL; on success it is filled in.
///
/// # Safety
///
/// The pointers are valid; `read` does not unwind and writes no more than it
/// says; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_create(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    read: ezdfs_read_callback,
    context: *mut c_void,
    options: *const ezdfs_create_options,
    info_out: *mut ezdfs_info,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let read = read.ok_or_else(|| null("read"))?;
            let mut source = Callback { read, context };
            create(store, bytes(id, id_len), &mut source, options, info_out)
        })
    }
}

/// As `ezdfs_store_create`, from `len` bytes of memory.
///
/// # Safety
///
/// The pointers are valid for their lengths; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_create_from_memory(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    data: *const c_void,
    len: usize,
    options: *const ezdfs_create_options,
    info_out: *mut ezdfs_info,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let mut source = bytes(data.cast(), len);
            create(store, bytes(id, id_len), &mut source, options, info_out)
        })
    }
}

/// As `ezdfs_store_create`, from a descriptor that is read from its present
/// offset to its end. It stays the caller's.
///
/// # Safety
///
/// `fd` is open for reading, the pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_create_from_fd(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    fd: i32,
    options: *const ezdfs_create_options,
    info_out: *mut ezdfs_info,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller; the descriptor is not closed here.
    unsafe {
        guard(err, || {
            if fd < 0 {
                return Err(null("fd"));
            }
            let mut source = ManuallyDrop::new(File::from_raw_fd(fd));
            create(store, bytes(id, id_len), &mut *source, options, info_out)
        })
    }
}

/// Gives a file another id, replacing what that had before; size, time and type stay.
/// EZDFS_RESULT_NOT_FOUND where there is no live row, or its file is missing. Blocks on the
/// database and the mount.
///
/// The bytes are under both ids until the row has moved. What somebody else stores under the
/// old id meanwhile is what gets the new one. `info_out` may be NULL; on success it is filled
/// in.
///
/// # Safety
///
/// The pointers are valid for their lengths; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_rename(
    store: *const ezdfs_store,
    from: *const c_char,
    from_len: usize,
    to: *const c_char,
    to_len: usize,
    info_out: *mut ezdfs_info,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let info_out = Out::optional(info_out)?;
            let store = borrow(store)?;
            let from = store.file_id(bytes(from, from_len))?;
            let info = store.rename(&from, &store.file_id(bytes(to, to_len))?)?;
            sized::give(info_out, &ezdfs_info::new(&info, info.size));
            Ok(())
        })
    }
}

/// Deletes a file: its row, then its bytes. EZDFS_RESULT_NOT_FOUND where there
/// is no row: then nothing was touched. Blocks on the database and the mount.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_delete(
    store: *const ezdfs_store,
    id: *const c_char,
    id_len: usize,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let store = borrow(store)?;
            store.delete(&store.file_id(bytes(id, id_len))?)
        })
    }
}

/// Deletes all files below a directory, names compared byte for byte. An empty
/// directory name and `/` are refused. `rows_out` may be NULL; on success it is
/// the number of rows deleted. Blocks on the database and the mount.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_delete_directory(
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
            let deleted = store.delete_directory(&store.dir_id(bytes(dir, dir_len))?)?;
            give(rows_out, deleted.rows);
            Ok(())
        })
    }
}

/// # Safety
///
/// `store`, `options` and `info_out` are NULL or valid.
unsafe fn create(
    store: *const ezdfs_store,
    id: &[u8],
    source: &mut dyn Read,
    options: *const ezdfs_create_options,
    info_out: *mut ezdfs_info,
) -> Result<()> {
    let mut known = CreateOptions::default();
    // SAFETY: promised by the caller.
    let (store, info_out) = unsafe {
        if !options.is_null() {
            let options = sized::read(options, "options")?;
            known.size = options.size.as_ref().copied();
            known.mtime = (options.mtime != 0).then_some(options.mtime);
            known.mime_type = mime_of(options.mime_type, options.mime_type_len)?;
        }
        (borrow(store)?, Out::optional(info_out)?)
    };
    let info = store.create(&store.file_id(id)?, source, &known)?;
    sized::give(info_out, &ezdfs_info::new(&info, info.size));
    Ok(())
}

/// # Safety
///
/// `text` is NULL or valid for its length, as long as what is returned.
pub(super) unsafe fn mime_of<'t>(text: *const c_char, len: usize) -> Result<Option<&'t str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: promised by the caller.
    let mime = unsafe { bytes(text, len) };
    let valid = std::str::from_utf8(mime).map_err(|_| {
        let subject = String::from_utf8_lossy(mime);
        Error::new(ErrorKind::InvalidInput, "mime_type", subject, "is not UTF-8")
    });
    valid.map(Some)
}

pub(super) struct Callback {
    pub(super) read: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> isize,
    pub(super) context: *mut c_void,
}

impl Read for Callback {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the buffer is valid for its length; the rest is promised by
        // the caller of `ezdfs_store_create`.
        let count = unsafe { (self.read)(self.context, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(count) {
            Ok(count) if count <= buffer.len() => Ok(count),
            Ok(_) => Err(io::Error::other("the callback returned more than it was asked for")),
            Err(_) => {
                let errno = count.checked_neg().and_then(|errno| i32::try_from(errno).ok());
                Err(io::Error::from_raw_os_error(errno.unwrap_or(5)))
            }
        }
    }
}
