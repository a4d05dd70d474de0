//! Values between PHP and Rust whose PHP types the framework cannot guess.

use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};

use ext_php_rs::convert::{FromZval, IntoZval, StubLiteral};
use ext_php_rs::flags::DataType;
use ext_php_rs::types::Zval;
use ezdfs::{ErrorKind, Store};

use crate::failure::Failure;
use crate::shim::{self, Text};

/// A PHP string: bytes, not text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> FromZval<'a> for Bytes<'a> {
    const TYPE: DataType = DataType::String;

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        zval.zend_str().map(|text| Bytes(text.as_bytes()))
    }
}

impl StubLiteral for Bytes<'_> {
    fn stub_literal(&self) -> String {
        String::from_utf8_lossy(self.0).stub_literal()
    }
}

/// A `DateTimeInterface`.
#[derive(Debug)]
pub(crate) struct Date<'a>(pub(crate) &'a Zval);

impl<'a> FromZval<'a> for Date<'a> {
    const TYPE: DataType = DataType::object("DateTimeInterface");

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        // SAFETY: the value lives until the call returns.
        unsafe { shim::ezdfs_php_is_date(shim::pointer(zval)) }.then_some(Date(zval))
    }
}

/// A PHP array of options, in its order.
#[derive(Debug, Default)]
pub(crate) struct Keyed(Vec<(String, Zval)>);

impl Keyed {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Zval)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<'a> FromZval<'a> for Keyed {
    const TYPE: DataType = DataType::Array;

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        let pairs = zval.array()?.iter();
        let owned =
            pairs.map(|(key, value)| (key.to_string(), value.dereference().shallow_clone()));
        Some(Keyed(owned.collect()))
    }
}

impl StubLiteral for Keyed {
    fn stub_literal(&self) -> String {
        "[]".to_owned()
    }
}

macro_rules! returned {
    ($($(#[$doc:meta])* $name:ident, $type:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name(pub(crate) Zval);

        impl IntoZval for $name {
            const TYPE: DataType = $type;
            const NULLABLE: bool = false;

            fn set_zval(self, zv: &mut Zval, _: bool) -> ext_php_rs::error::Result<()> {
                *zv = self.0;
                Ok(())
            }
        }
    )*};
}

returned! {
    /// A new `Ezdfs\FileInfo`.
    Info, DataType::object("Ezdfs\\FileInfo");
    /// The bytes of a file.
    Contents, DataType::String;
    /// An object to iterate over.
    Iterated, DataType::object("Iterator");
}

/// The PHP object for a file's metadata.
pub(crate) fn file_info(store: &Store, info: &ezdfs::FileInfo) -> Result<Info, Failure> {
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
        .map(Info)
}

/// A count for PHP, whose integers are signed.
pub(crate) fn php_integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads all of a file into a PHP string.
pub(crate) fn read(id: &str, file: &File, size: u64) -> Result<Contents, Failure> {
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
        other => other.map(Contents),
    }
}

/// A PHP stream over an open file.
pub(crate) fn stream(id: &str, file: File) -> Result<Zval, Failure> {
    let fd = file.as_raw_fd();
    let failed = || Failure::refused(ErrorKind::Internal, "open", id, "PHP makes no stream of it");
    // SAFETY: the descriptor is open; on success the stream owns it.
    let opened = shim::make(|out| unsafe { shim::ezdfs_php_open_fd(fd, out) }, failed)?;
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
