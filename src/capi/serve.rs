//! What a web server asks: by the request's path, if the client may have the file.

use std::ffi::{c_char, c_void};
use std::ptr::null;

use super::bytes;
use super::file::ezdfs_file;
use super::queue::{self, Data, ezdfs_completion, ezdfs_queue};
use super::result::{ezdfs_error, ezdfs_result, guard};
use super::sized::{self, Out, extensible};
use super::store::{self, borrow, ezdfs_store};
use crate::error::Result;
use crate::runtime;
use crate::serve::{Allow, Request};
use crate::store::Trial;

/// Drafts (`images-versioned/`) may be served.
pub const EZDFS_SERVE_DRAFTS: u64 = 1;
/// `original/` may be served: the request came by an internal redirect that an
/// application has authorised.
pub const EZDFS_SERVE_ORIGINALS: u64 = 2;
/// The descriptor must not be shared: its flags or its offset will be changed.
pub const EZDFS_SERVE_ALONE: u64 = 4;
/// The file will be read: unless it is in memory its first byte is read before
/// it is given, so that a stale handle is noticed before anything has been sent.
pub const EZDFS_SERVE_READ: u64 = 8;
/// With EZDFS_SERVE_READ: the calling thread will read the file itself, so that
/// byte may be read on it, too. On a mount that hangs this hangs as that reading
/// would; without this flag it never blocks.
pub const EZDFS_SERVE_BLOCKING: u64 = 16;

/// A path that a client asked for. The texts are borrowed for the call.
#[repr(C)]
pub struct ezdfs_request {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// Percent-decoded, with its leading slash, without the query.
    pub path: *const c_char,
    /// The length of `path`.
    pub path_len: usize,
    /// The path as it stood on the wire, without the query; NULL where the
    /// server has rewritten it since.
    pub raw_path: *const c_char,
    /// The length of `raw_path`.
    pub raw_path_len: usize,
    /// Of EZDFS_SERVE_DRAFTS and the others, or 0.
    pub flags: u64,
}

extensible!(ezdfs_request, flags: u64);

const FLAGS: u64 = EZDFS_SERVE_DRAFTS
    | EZDFS_SERVE_ORIGINALS
    | EZDFS_SERVE_ALONE
    | EZDFS_SERVE_READ
    | EZDFS_SERVE_BLOCKING;

/// # Safety
///
/// `request` is NULL or valid.
unsafe fn request_of(request: *const ezdfs_request) -> Result<ezdfs_request> {
    // SAFETY: promised by the caller.
    let request = unsafe { sized::read(request, "request") }?;
    sized::require_known::<ezdfs_request>(request.flags, FLAGS)?;
    Ok(request)
}

fn is_alone(flags: u64) -> bool {
    flags & EZDFS_SERVE_ALONE != 0
}

fn trial(flags: u64) -> Trial {
    match flags & (EZDFS_SERVE_READ | EZDFS_SERVE_BLOCKING) {
        EZDFS_SERVE_READ => Trial::Elsewhere,
        0 | EZDFS_SERVE_BLOCKING => Trial::None,
        _ => Trial::Here,
    }
}

/// # Safety
///
/// The texts are valid for their lengths, as long as the request is used.
unsafe fn asked(request: &ezdfs_request) -> Request<'_> {
    // SAFETY: promised by the caller.
    let (path, raw_path) = unsafe {
        let raw_path =
            (!request.raw_path.is_null()).then(|| bytes(request.raw_path, request.raw_path_len));
        (bytes(request.path, request.path_len), raw_path)
    };
    let allow = Allow {
        drafts: request.flags & EZDFS_SERVE_DRAFTS != 0,
        originals: request.flags & EZDFS_SERVE_ORIGINALS != 0,
    };
    Request { path, raw_path, allow }
}

/// Opens what a web client asked for, if it may have it: finds the file by the decoded
/// path, and where there is none by the raw one. Blocks on the database and the mount,
/// within the store's deadlines, unless it is known at once; for servers with a thread for
/// each request. An event loop calls `ezdfs_store_serve_start`.
///
/// On success `*file_out` is a new handle; release it with `ezdfs_file_free`. `source_out`
/// may be NULL; else `*source_out` is, also on failure, where the answer was found, as in
/// `ezdfs_completion`.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_serve(
    store: *const ezdfs_store,
    request: *const ezdfs_request,
    file_out: *mut *mut ezdfs_file,
    source_out: *mut *const c_char,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        if let Some(source) = source_out.as_mut() {
            *source = null();
        }
        guard(err, || {
            let store = borrow(store)?;
            let request = request_of(request)?;
            let (trial, alone) = (trial(request.flags), is_alone(request.flags));
            let process = store.process()?;
            let served =
                process.may_serve(store.prefixes(), asked(&request)).and_then(|ids| match process
                    .serve_known(&ids, trial, alone)
                {
                    Some(known) => known,
                    None => runtime::block_on(async { process.serve(ids, alone).await }),
                });
            let source = match &served {
                Ok(file) => Some(file.answered_by()),
                Err(error) => error.answered_by(),
            };
            if let (Some(out), Some(source)) = (source_out.as_mut(), source) {
                *out = source.name().as_ptr();
            }
            file_out.write(ezdfs_file::into_raw(served?));
            Ok(())
        })
    }
}

/// Starts to open what a web client asked for, if it may have it: finds the
/// file by the decoded path, and where there is none by the raw one. Never
/// blocks, but as EZDFS_SERVE_BLOCKING says.
///
/// On success either `*ticket_out` is 0 and `*completion_out` holds the outcome
/// already, or `*ticket_out` is the look-up's ticket, `*completion_out` is
/// untouched, and the outcome comes through `queue`, within the store's
/// deadlines, with `data` as it was given. It fails only where the look-up
/// could not be started; where the outcome is there already, and is a failure,
/// `err` says why, too.
///
/// # Safety
///
/// The pointers are valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_serve_start(
    store: *const ezdfs_store,
    queue: *mut ezdfs_queue,
    request: *const ezdfs_request,
    data: *mut c_void,
    ticket_out: *mut u64,
    completion_out: *mut ezdfs_completion,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let completion_out = Out::new(completion_out, "completion_out")?;
            let store = borrow(store)?;
            let queue = queue.as_ref().ok_or_else(|| store::null("queue"))?;
            let request = request_of(request)?;
            let (trial, alone) = (trial(request.flags), is_alone(request.flags));
            let process = store.process()?;
            let answer = match process.may_serve(store.prefixes(), asked(&request)) {
                Err(refused) => Err(refused),
                Ok(ids) => match process.serve_known(&ids, trial, alone) {
                    Some(known) => known,
                    None => {
                        let look_up = async move { process.serve(ids, alone).await };
                        ticket_out.write(queue.0.start(Data(data), look_up)?);
                        return Ok(());
                    }
                },
            };
            queue::complete(completion_out, err, data, 0, answer);
            ticket_out.write(0);
            Ok(())
        })
    }
}
