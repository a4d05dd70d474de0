//! `Ezdfs\FileIterator`, the iterator of `Store::list()`: the methods as
//! `shim/iterator.c` calls them.

use std::ffi::c_int;

use ext_php_rs::types::Zval;
use ezdfs::{DirId, ErrorKind};

use crate::failure::{Failure, answer, free};
use crate::shim;
use crate::values::{boolean, file_info, integer};

/// The files below a directory, fetched as the loop goes on.
#[derive(Debug)]
pub(crate) struct FileIterator {
    store: ezdfs::Store,
    dir: Option<DirId>,
    position: i64,
    /// `None` until the first file is asked for.
    files: Option<ezdfs::List>,
    current: Option<ezdfs::FileInfo>,
}

impl FileIterator {
    fn start(&mut self) -> Result<(), Failure> {
        if self.files.is_some() {
            return Ok(());
        }
        self.files = Some(self.store.list(self.dir.as_ref())?);
        self.position = 0;
        self.fetch()
    }

    fn fetch(&mut self) -> Result<(), Failure> {
        self.current = None;
        self.current = self.files.as_mut().and_then(Iterator::next).transpose()?;
        Ok(())
    }
}

/// A PHP iterator that has not asked for anything yet.
pub(crate) fn iterator(store: ezdfs::Store, dir: Option<DirId>) -> Result<Zval, Failure> {
    let files = Box::new(FileIterator { store, dir, position: 0, files: None, current: None });
    let files = Box::into_raw(files);
    let failed = || Failure::refused(ErrorKind::Internal, "list", "iterator", "PHP makes none");
    // SAFETY: on success the object owns what the pointer leads to.
    let made = shim::make(|out| unsafe { shim::ezdfs_php_new_iterator(files.cast(), out) }, failed);
    if made.is_err() {
        // SAFETY: it was a box above, and no object has it.
        drop(unsafe { Box::from_raw(files) });
    }
    made
}

/// Frees what an object owned, if it owned one.
///
/// # Safety
///
/// The pointer is null or that of [`iterator`], and nobody uses it any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn ezdfs_php_iterator_free(files: *mut FileIterator) {
    // SAFETY: as the caller promises.
    unsafe { free(files) };
}

/// The file at hand.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_iterator_current(files: &mut FileIterator, out: &mut Zval) -> c_int {
    answer("list", out, || {
        files.start()?;
        match &files.current {
            Some(info) => file_info(&files.store, info),
            None => Ok(Zval::null()),
        }
    })
}

/// How many files came before it.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_iterator_key(files: &mut FileIterator, out: &mut Zval) -> c_int {
    answer("list", out, || Ok(integer(files.position)))
}

/// Goes on to the next file.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_iterator_next(files: &mut FileIterator, out: &mut Zval) -> c_int {
    answer("list", out, || {
        files.start()?;
        files.position += 1;
        files.fetch()?;
        Ok(Zval::null())
    })
}

/// Begins again with a new listing.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_iterator_rewind(files: &mut FileIterator, out: &mut Zval) -> c_int {
    answer("list", out, || {
        files.files = None;
        files.start()?;
        Ok(Zval::null())
    })
}

/// Whether there is a file at hand.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_iterator_valid(files: &mut FileIterator, out: &mut Zval) -> c_int {
    answer("list", out, || {
        files.start()?;
        Ok(boolean(files.current.is_some()))
    })
}
