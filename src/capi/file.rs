//! Opened files, and how a web server presents them.

use std::ffi::c_char;
use std::os::fd::AsRawFd;
use std::ptr::null;

use super::copy_out;
use super::result::{ezdfs_error, ezdfs_result, fill, guard, guard_or};
use super::sized::{Out, extensible};
use crate::metadata::FileInfo;
use crate::store::SharedFile;

/// A file that is open for reading. Release it with `ezdfs_file_free`. May be
/// handed to another thread.
pub struct ezdfs_file(SharedFile);

/// What the table says of a file.
#[repr(C)]
pub struct ezdfs_info {
    /// sizeof of this struct, set by the caller; by the library where it hands one to a callback.
    pub struct_size: usize,
    /// Bytes. Of a file that is open: the file's own length.
    pub size: u64,
    /// Seconds since the epoch, as the row says.
    pub mtime: i64,
    /// As stored, NUL-terminated, cut to fit. Not fit for a header: it may be
    /// anything; see `ezdfs_file_http`.
    pub mime_type: [c_char; 256],
}

extensible!(ezdfs_info, mime_type: [c_char; 256]);

impl ezdfs_info {
    pub(super) fn new(info: &FileInfo, size: u64) -> Self {
        let struct_size = size_of::<Self>();
        let mut filled = ezdfs_info { struct_size, size, mtime: info.mtime, mime_type: [0; 256] };
        fill(&mut filled.mime_type, &info.mime_type);
        filled
    }
}

/// A response header. Both texts are static and NUL-terminated. The one struct without a size:
/// it never grows, for it stands in another.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ezdfs_header {
    /// The field's name.
    pub name: *const c_char,
    /// The field's value.
    pub value: *const c_char,
}

/// What a web server says of an opened file.
#[repr(C)]
pub struct ezdfs_http {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// Static, NUL-terminated, from a fixed list: whatever the table holds,
    /// this is safe in a header.
    pub content_type: *const c_char,
    /// The strong validator, quotes included, NUL-terminated.
    pub etag: [c_char; 64],
    /// Seconds since the epoch.
    pub last_modified: i64,
    /// The opened file's own length in bytes.
    pub content_length: u64,
    /// Further headers that belong to the answer.
    pub headers: [ezdfs_header; EZDFS_HTTP_HEADERS],
    /// How many.
    pub headers_len: usize,
}

extensible!(ezdfs_http, headers_len: usize);

/// The most further headers that an answer can have, in any version: more than there are.
pub const EZDFS_HTTP_HEADERS: usize = 8;

impl ezdfs_http {
    fn new(file: &SharedFile) -> Self {
        let presentation = file.presentation();
        let mut http = ezdfs_http {
            struct_size: size_of::<Self>(),
            content_type: presentation.content_type.as_ptr(),
            etag: [0; 64],
            last_modified: file.info.mtime,
            content_length: file.size,
            headers: [ezdfs_header { name: null(), value: null() }; EZDFS_HTTP_HEADERS],
            headers_len: presentation.headers.len(),
        };
        for (header, (name, value)) in http.headers.iter_mut().zip(presentation.headers) {
            *header = ezdfs_header { name: name.as_ptr(), value: value.as_ptr() };
        }
        fill(&mut http.etag, &file.etag());
        http
    }
}

impl ezdfs_file {
    pub(super) fn into_raw(file: SharedFile) -> *mut ezdfs_file {
        Box::into_raw(Box::new(ezdfs_file(file)))
    }
}

/// A descriptor of the file, open for reading only. It stays the file's: do not
/// close it. -1 where the file is in memory, see `ezdfs_file_in_memory`, and the
/// system refuses a descriptor for it. Of a file that came from `ezdfs_store_serve`
/// or `ezdfs_store_serve_start` it is shared, unless EZDFS_SERVE_ALONE was asked
/// for: read it at offsets of your own (pread, sendfile). Of any other it is at
/// offset 0.
///
/// # Safety
///
/// `file` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_file_fd(file: *const ezdfs_file) -> i32 {
    // SAFETY: promised by the caller.
    guard_or(-1, || unsafe { &*file }.0.descriptor().map_or(-1, |it| it.as_raw_fd()))
}

/// Whether the file is in memory, as a copy that never changes: then
/// `ezdfs_file_content` has it, and nothing waits for the mount. Does not block.
///
/// # Safety
///
/// `file` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_file_in_memory(file: *const ezdfs_file) -> bool {
    // SAFETY: promised by the caller.
    unsafe { &*file }.0.is_in_memory()
}

/// All bytes of the file where they are in memory or were read for this handle,
/// NULL where they were not; their number is the file's length. They live as long
/// as the handle and never change. Does not block.
///
/// # Safety
///
/// `file` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_file_content(file: *const ezdfs_file) -> *const u8 {
    // SAFETY: promised by the caller.
    unsafe { &*file }.0.content().map_or(null(), <[u8]>::as_ptr)
}

/// What the table says of the file. Does not block.
///
/// # Safety
///
/// `file` is a live handle, `info_out` valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_file_info(
    file: *const ezdfs_file,
    info_out: *mut ezdfs_info,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let info_out = Out::new(info_out, "info_out")?;
            let open = &(*file).0;
            info_out.give(&ezdfs_info::new(&open.info, open.size));
            Ok(())
        })
    }
}

/// What a web server says of the file. Does not block.
///
/// # Safety
///
/// `file` is a live handle, `http_out` valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_file_http(
    file: *const ezdfs_file,
    http_out: *mut ezdfs_http,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let http_out = Out::new(http_out, "http_out")?;
            http_out.give(&ezdfs_http::new(&(*file).0));
            Ok(())
        })
    }
}

/// Writes the table's name of the file to `buffer`, if it fits in `capacity`
/// bytes, without a NUL; returns its length. Does not block.
///
/// # Safety
///
/// `file` is a live handle, `buffer` valid for `capacity` bytes or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_file_name(
    file: *const ezdfs_file,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: promised by the caller.
    guard_or(0, || unsafe { copy_out((&*file).0.name().as_str(), buffer, capacity) })
}

/// Says that reading a file went wrong: who asks for it next gets one that was
/// opened anew, unless it is in memory. Does not block.
///
/// # Safety
///
/// `file` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_file_distrust(file: *const ezdfs_file) {
    // SAFETY: promised by the caller.
    unsafe { &*file }.0.distrust();
}

/// Closes a file; NULL is a no-op. Never blocks.
///
/// # Safety
///
/// `file` is a live handle and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_file_free(file: *mut ezdfs_file) {
    if !file.is_null() {
        // SAFETY: promised by the caller; `into_raw` made it.
        guard_or((), || drop(unsafe { Box::from_raw(file) }));
    }
}
