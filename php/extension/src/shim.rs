//! The C part (`shim/`): what PHP has only as macros, or leaves by `longjmp`.

use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;

use ext_php_rs::types::Zval;
use ext_php_rs::zend::{ClassEntry, ModuleEntry};

use crate::failure::Failure;

pub(crate) const OK: c_int = 0;
pub(crate) const THROWN: c_int = 1;
pub(crate) const BAILOUT: c_int = 2;
pub(crate) const NO_STREAM: c_int = 4;

/// `ezdfs_php_text`: a PHP string is bytes, not text.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    bytes: *const c_char,
    len: usize,
    borrowed: PhantomData<&'a [u8]>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Text::of(text.as_bytes())
    }

    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Text { bytes: bytes.as_ptr().cast(), len: bytes.len(), borrowed: PhantomData }
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        // SAFETY: the pointer and the length are those of one string, which
        // lives for as long as it is borrowed: C hands in those of arguments
        // and settings, which do not change during a call.
        unsafe { std::slice::from_raw_parts(self.bytes.cast(), self.len) }
    }
}

/// `ezdfs_php_file_info`
#[repr(C)]
#[derive(Debug)]
pub(crate) struct FileInfo<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) mime_type: Text<'a>,
    pub(crate) scope: Text<'a>,
    pub(crate) uri: Text<'a>,
    pub(crate) size: i64,
    pub(crate) mtime: i64,
}

/// `ezdfs_php_leaf`
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    path: [Text<'a>; 4],
    depth: usize,
    is_float: bool,
    integer: i64,
    number: f64,
}

impl<'a> Leaf<'a> {
    pub(crate) fn integer(path: &[&'a str], integer: i64) -> Self {
        Leaf { integer, ..Leaf::at(path) }
    }

    pub(crate) fn float(path: &[&'a str], number: f64) -> Self {
        Leaf { is_float: true, number, ..Leaf::at(path) }
    }

    fn at(keys: &[&'a str]) -> Self {
        let mut path = [Text::new(""); 4];
        path.iter_mut().zip(keys).for_each(|(place, key)| *place = Text::new(key));
        Leaf { path, depth: keys.len(), is_float: false, integer: 0, number: 0.0 }
    }
}

/// `ezdfs_php_row`
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: *const c_char,
    pub(crate) value: *const c_char,
}

/// `ezdfs_php_failure`
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Thrown<'a> {
    pub(crate) message: Text<'a>,
    pub(crate) operation: Text<'a>,
    pub(crate) subject: Text<'a>,
    pub(crate) code: i64,
}

unsafe extern "C" {
    pub(crate) fn ezdfs_php_register_file_info();
    pub(crate) fn ezdfs_php_register_exception(
        name: Text<'_>,
        parent: *mut ClassEntry,
    ) -> *mut ClassEntry;
    pub(crate) fn ezdfs_php_throw(class: *mut ClassEntry, thrown: *const Thrown<'_>) -> c_int;
    pub(crate) fn ezdfs_php_new_file_info(info: *const FileInfo<'_>, out: *mut Zval) -> c_int;
    pub(crate) fn ezdfs_php_new_string(text: Text<'_>, out: *mut Zval) -> c_int;
    pub(crate) fn ezdfs_php_new_tree(
        leaves: *const Leaf<'_>,
        count: usize,
        out: *mut Zval,
    ) -> c_int;
    pub(crate) fn ezdfs_php_print_rows(rows: *const Row, count: usize) -> c_int;
    pub(crate) fn ezdfs_php_conclude(outcome: c_int);
    pub(crate) fn ezdfs_php_timestamp(date: *mut Zval, out: *mut i64) -> c_int;

    pub(crate) fn ezdfs_php_register_store();
    pub(crate) fn ezdfs_php_register_iterator();
    pub(crate) fn ezdfs_php_new_iterator(iterator: *mut c_void, out: *mut Zval) -> c_int;

    pub(crate) fn ezdfs_php_hide_dsn();
    pub(crate) fn ezdfs_php_ini(name: Text<'_>, out: *mut Text<'_>) -> bool;
    pub(crate) fn ezdfs_php_display_ini(module: *mut ModuleEntry);

    pub(crate) fn ezdfs_php_is_readable(value: *mut Zval) -> bool;
    pub(crate) fn ezdfs_php_plain_fd(value: *mut Zval, position: *mut u64) -> c_int;
    pub(crate) fn ezdfs_php_read(
        value: *mut Zval,
        buffer: *mut c_char,
        size: usize,
        count: *mut usize,
        ended: *mut bool,
    ) -> c_int;
    pub(crate) fn ezdfs_php_seek(value: *mut Zval, position: u64) -> c_int;
    pub(crate) fn ezdfs_php_open_fd(fd: c_int, path: Text<'_>, out: *mut Zval) -> c_int;
    pub(crate) fn ezdfs_php_read_fd(
        fd: c_int,
        size: usize,
        out: *mut Zval,
        error: *mut c_int,
    ) -> c_int;
}

/// Calls something that makes a value; says what else happened.
///
/// `on_failure` is for what only the caller can explain.
pub(crate) fn make(
    call: impl FnOnce(*mut Zval) -> c_int,
    on_failure: impl FnOnce() -> Failure,
) -> Result<Zval, Failure> {
    let mut made = Zval::new();
    match call(&raw mut made) {
        OK => Ok(made),
        THROWN => Err(Failure::Thrown),
        BAILOUT => Err(Failure::Bailout),
        _ => Err(on_failure()),
    }
}

/// A pointer for the C part, which takes all values as mutable but only
/// follows references and counts them.
pub(crate) fn pointer(value: &Zval) -> *mut Zval {
    std::ptr::from_ref(value).cast_mut()
}
