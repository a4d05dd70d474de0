//! Ending what was soft-deleted.

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::slice;
use std::time::Duration;

use super::bytes;
use super::result::{ezdfs_error, ezdfs_result, fill, guard};
use super::sized::{self, Out, extensible};
use super::store::{borrow, ezdfs_store, null};
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::{
    Emptied, EmptyOptions, Exclude, Phase, Progress, PurgeOptions, PurgeReport, Purged,
    empty_trash, purge,
};
use crate::name::FileId;

/// Only look; remove and remember nothing.
pub const EZDFS_PURGE_DRY_RUN: u64 = 1;

/// Called by `ezdfs_store_purge` for each row that is due, before anything is removed. `id` is
/// borrowed for the call and has no NUL. Return false to end it: nothing was removed.
pub type ezdfs_purge_callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        id: *const c_char,
        id_len: usize,
        has_file: bool,
    ) -> bool,
>;

/// How to purge. All zero but its size and `state`: as the command does.
#[repr(C)]
pub struct ezdfs_purge_options {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// The path of a file outside the root, where it is remembered what was seen; made where it
    /// is missing. One for each store, the same each time.
    pub state: *const c_char,
    /// The length of `state`.
    pub state_len: usize,
    /// Seconds for which is kept what was deleted, counted from when it was first seen; NULL: 30
    /// days.
    pub grace: *const u64,
    /// Where more rows would go, nothing does; NULL: 1,000 or one per cent of the rows, whichever
    /// is more.
    pub max_remove: *const u64,
    /// Where more per cent of the rows that are due have no file, nothing is removed: the root
    /// is the wrong one; NULL: 50.
    pub max_missing: *const u64,
    /// Globs of paths beneath the root that are left alone, each NUL-terminated UTF-8; NULL: none.
    pub exclude: *const *const c_char,
    /// How many.
    pub exclude_len: usize,
    /// Is told what is due; NULL: nobody.
    pub due: ezdfs_purge_callback,
    /// What that is given.
    pub context: *mut c_void,
    /// EZDFS_PURGE_DRY_RUN, or 0.
    pub flags: u64,
}

extensible!(ezdfs_purge_options, flags: u64);

/// What a purge came to.
#[repr(C)]
pub struct ezdfs_purged {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// Soft-deleted rows that are kept, because their time has not come.
    pub kept: u64,
    /// Rows whose time had come.
    pub due: u64,
    /// Files that went to the trash.
    pub files: u64,
    /// Soft-deleted rows that are left alone: outside the areas of storage directories, or
    /// excluded.
    pub foreign: u64,
    /// The journal of what was taken away, below `.ezdfs-trash` in the root; NUL-terminated, empty
    /// where nothing was.
    pub journal: [c_char; 256],
}

extensible!(ezdfs_purged, journal: [c_char; 256]);

impl ezdfs_purged {
    fn new(purged: &Purged) -> Self {
        let mut filled = ezdfs_purged {
            struct_size: size_of::<Self>(),
            kept: purged.kept,
            due: purged.due,
            files: purged.files,
            foreign: purged.foreign,
            journal: [0; 256],
        };
        fill(&mut filled.journal, purged.journal.as_deref().unwrap_or_default());
        filled
    }
}

/// Takes away files and rows of what was soft-deleted long enough ago, as `ezdfs purge` does: files
/// go to the trash, rows to its journal. Blocks on the database, the mount and `due`. One at a time
/// for each store.
///
/// Where it has gone through, and a file could not be removed, it fails with EZDFS_RESULT_STORAGE,
/// and `*purged_out` is filled in all the same. `purged_out` may be NULL.
///
/// # Safety
///
/// The pointers are valid, and those in `options` are NULL or valid; `due` does not unwind; `err`
/// may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_purge(
    store: *const ezdfs_store,
    options: *const ezdfs_purge_options,
    purged_out: *mut ezdfs_purged,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let purged_out = Out::optional(purged_out)?;
            let given = sized::read(options, "options")?;
            let mut listener = Listener { due: given.due, context: given.context };
            let purged = purge(borrow(store)?, &purge_options(&given)?, &mut listener)?;
            sized::give(purged_out, &ezdfs_purged::new(&purged));
            match purged.failure {
                Some(failure) => Err(Error::new(ErrorKind::Storage, "purge", "a file", failure)),
                None => Ok(()),
            }
        })
    }
}

/// # Safety
///
/// The pointers in it are NULL or valid.
unsafe fn purge_options(given: &ezdfs_purge_options) -> Result<PurgeOptions> {
    sized::require_known::<ezdfs_purge_options>(given.flags, EZDFS_PURGE_DRY_RUN)?;
    if given.state.is_null() || given.state_len == 0 {
        return Err(null("options.state"));
    }
    // SAFETY: promised by the caller.
    let (state, grace, max_remove, max_missing, exclude) = unsafe {
        (
            bytes(given.state, given.state_len),
            given.grace.as_ref(),
            given.max_remove.as_ref(),
            given.max_missing.as_ref(),
            globs(given.exclude, given.exclude_len)?,
        )
    };
    let mut options = PurgeOptions::new(Path::new(OsStr::from_bytes(state)));
    if let Some(grace) = grace {
        options.grace = Duration::from_secs(*grace);
    }
    if let Some(percent) = max_missing {
        options.max_missing = u8::try_from(*percent).unwrap_or(u8::MAX);
    }
    options.max_remove = max_remove.copied();
    options.dry_run = given.flags & EZDFS_PURGE_DRY_RUN != 0;
    options.exclude = exclude;
    Ok(options)
}

/// # Safety
///
/// `first` is NULL or that of `len` texts.
unsafe fn globs(first: *const *const c_char, len: usize) -> Result<Exclude> {
    if first.is_null() || len == 0 {
        return Ok(Exclude::default());
    }
    // SAFETY: promised by the caller.
    let given = unsafe { slice::from_raw_parts(first, len) };
    let text = |glob: &*const c_char| {
        if glob.is_null() {
            return Err(null("options.exclude"));
        }
        // SAFETY: promised by the caller.
        unsafe { CStr::from_ptr(*glob) }.to_str().map_err(|error| {
            let subject = "options.exclude";
            Error::new(ErrorKind::InvalidInput, "call", subject, "is not UTF-8").with_source(error)
        })
    };
    Exclude::parse(given.iter().map(text).collect::<Result<Vec<_>>>()?)
}

/// Whom a purge tells.
struct Listener {
    due: ezdfs_purge_callback,
    context: *mut c_void,
}

impl Progress for Listener {
    fn progress(&mut self, _: Phase, _: u64, _: u64) {}
}

impl PurgeReport for Listener {
    fn due(&mut self, id: &FileId, has_file: bool) -> Result<()> {
        let Some(due) = self.due else { return Ok(()) };
        let id = id.as_str();
        // SAFETY: promised by the caller of `ezdfs_store_purge`.
        if unsafe { due(self.context, id.as_ptr().cast(), id.len(), has_file) } {
            return Ok(());
        }
        let reason = "the callback has ended it; nothing was removed";
        Err(Error::new(ErrorKind::InvalidInput, "purge", id, reason))
    }
}

/// How to empty the trash. All zero but its size: as the command does.
#[repr(C)]
pub struct ezdfs_empty_options {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// Seconds for which is kept what was taken away, by the date of its folder; NULL: 30 days.
    pub grace: *const u64,
    /// Where more files would go, nothing does; NULL: as many as there are.
    pub max_remove: *const u64,
    /// EZDFS_PURGE_DRY_RUN, or 0.
    pub flags: u64,
}

extensible!(ezdfs_empty_options, flags: u64);

/// What emptying the trash came to.
#[repr(C)]
pub struct ezdfs_emptied {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// Files that went for good.
    pub files: u64,
    /// Journals that went with them.
    pub journals: u64,
    /// Files that stay, for live rows speak of them that have none: they should be restored.
    pub needed: u64,
}

extensible!(ezdfs_emptied, needed: u64);

impl ezdfs_emptied {
    fn new(emptied: &Emptied) -> Self {
        let Emptied { files, journals, needed, .. } = *emptied;
        ezdfs_emptied { struct_size: size_of::<Self>(), files, journals, needed }
    }
}

/// Removes for good what lies in the trash for long enough, as `ezdfs purge --trash` does. Blocks
/// on the database and the mount.
///
/// `options` and `emptied_out` may be NULL.
///
/// # Safety
///
/// The pointers are valid, and those in `options` are NULL or valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_empty_trash(
    store: *const ezdfs_store,
    options: *const ezdfs_empty_options,
    emptied_out: *mut ezdfs_emptied,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let emptied_out = Out::optional(emptied_out)?;
            let options = empty_options(options)?;
            let mut listener = Listener { due: None, context: std::ptr::null_mut() };
            let emptied = empty_trash(borrow(store)?, options, &mut listener)?;
            sized::give(emptied_out, &ezdfs_emptied::new(&emptied));
            Ok(())
        })
    }
}

/// # Safety
///
/// `given` is NULL or valid, and so are the pointers in it.
unsafe fn empty_options(given: *const ezdfs_empty_options) -> Result<EmptyOptions> {
    let mut options = EmptyOptions::default();
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: promised by the caller.
    let (given, grace, max_remove) = unsafe {
        let given = sized::read(given, "options")?;
        (given.flags, given.grace.as_ref(), given.max_remove.as_ref())
    };
    sized::require_known::<ezdfs_empty_options>(given, EZDFS_PURGE_DRY_RUN)?;
    if let Some(grace) = grace {
        options.grace = Duration::from_secs(*grace);
    }
    options.max_remove = max_remove.copied();
    options.dry_run = given & EZDFS_PURGE_DRY_RUN != 0;
    Ok(options)
}
