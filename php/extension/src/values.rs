//! Values between PHP and Rust.

use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;

use ext_php_rs::types::Zval;
use ezdfs::{ErrorKind, FileId, Store};

use crate::failure::Failure;
use crate::shim::{self, Text};

/// A PHP array of options, in its order.
#[derive(Debug, Default)]
pub(crate) struct Keyed(Vec<(String, Zval)>);

impl Keyed {
    /// None were given where there is no array.
    pub(crate) fn new(options: Option<&Zval>) -> Self {
        let pairs = options.and_then(Zval::array).into_iter().flat_map(|array| array.iter());
        let owned =
            pairs.map(|(key, value)| (key.to_string(), value.dereference().shallow_clone()));
        Keyed(owned.collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Zval)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

/// The PHP object for a file's metadata.
pub(crate) fn file_info(store: &Store, info: &ezdfs::FileInfo) -> Result<Zval, Failure> {
    let uri = store.uri(&info.id);
    let fields = shim::FileInfo {
        id: Text::new(info.id.as_str()),
        mime_type: Text::new(&info.mime_type),
        scope: Text::new(&info.scope),
        uri: Text::new(&uri),
        size: php_integer(info.size),
        mtime: info.mtime,
    };
    let unfit = || {
        let reason = format!("its time, {}, is not one that PHP has", info.mtime);
        Failure::refused(ErrorKind::Internal, "stat", info.id.as_str(), &reason)
    };
    // SAFETY: all texts live until the call returns.
    shim::make(|out| unsafe { shim::ezdfs_php_new_file_info(&raw const fields, out) }, unfit)
}

/// A count for PHP, whose integers are signed.
pub(crate) fn php_integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A PHP integer.
pub(crate) fn integer(number: i64) -> Zval {
    let mut made = Zval::new();
    made.set_long(number);
    made
}

/// A PHP boolean.
pub(crate) fn boolean(is: bool) -> Zval {
    let mut made = Zval::new();
    made.set_bool(is);
    made
}

/// A PHP string.
pub(crate) fn string(text: &str) -> Result<Zval, Failure> {
    // SAFETY: the text lives until the call returns.
    shim::make(
        |out| unsafe { shim::ezdfs_php_new_string(Text::new(text), out) },
        || Failure::Thrown,
    )
}

/// Reads all of a file into a PHP string.
pub(crate) fn read(id: &str, file: &File, size: u64) -> Result<Zval, Failure> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut errno = 0;
    let read = shim::make(
        // SAFETY: the descriptor is open for as long as `file` lives.
        |out| unsafe { shim::ezdfs_php_read_fd(file.as_raw_fd(), size, out, &raw mut errno) },
        || Failure::Thrown,
    );
    match read {
        Err(Failure::Thrown) => {
            let cause = std::io::Error::from_raw_os_error(errno).to_string();
            Err(Failure::refused(ErrorKind::Storage, "read", id, &cause))
        }
        other => other,
    }
}

/// A PHP stream over an open file, under the path that the file has on the mount.
pub(crate) fn stream(store: &Store, id: &FileId, file: File) -> Result<Zval, Failure> {
    let fd = file.as_raw_fd();
    let path = store.root().join(id.as_str());
    let path = Text::of(path.as_os_str().as_bytes());
    let failed =
        || Failure::refused(ErrorKind::Internal, "open", id.as_str(), "PHP makes no stream of it");
    // SAFETY: the descriptor is open; on success the stream owns it. The path
    // lives until the call returns.
    let opened = shim::make(|out| unsafe { shim::ezdfs_php_open_fd(fd, path, out) }, failed)?;
    let _ = file.into_raw_fd();
    Ok(opened)
}

/// Seconds since the epoch of an integer or a `DateTimeInterface`.
pub(crate) fn timestamp(value: &Zval) -> Result<Option<i64>, Failure> {
    if value.is_null() {
        return Ok(None);
    }
    if let Some(seconds) = value.long() {
        return Ok(Some(seconds));
    }
    let mut seconds = 0;
    // SAFETY: the value lives until the call returns.
    match unsafe { shim::ezdfs_php_timestamp(shim::pointer(value), &raw mut seconds) } {
        shim::OK => Ok(Some(seconds)),
        shim::THROWN => Err(Failure::Thrown),
        shim::BAILOUT => Err(Failure::Bailout),
        _ => {
            let reason = "must be an integer or a DateTimeInterface";
            Err(Failure::refused(ErrorKind::InvalidInput, "option", "mtime", reason))
        }
    }
}
