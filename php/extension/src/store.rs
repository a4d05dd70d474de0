//! `Ezdfs\Store`: the methods as `shim/store.c` calls them, with arguments that
//! it has parsed. Each translates them, calls the core's method of that name and
//! translates the answer.
//!
//! All pointers that C hands in lead to values that live until the call returns.

use std::ffi::c_int;

use ext_php_rs::types::Zval;
use ezdfs::{CreateOptions, ErrorKind, Store};

use crate::failure::{Failure, answer, free};
use crate::list;
use crate::options;
use crate::shim::Text;
use crate::source::Source;
use crate::stats;
use crate::values::{
    Keyed, boolean, file_info, integer, php_integer, read, stream, string, timestamp,
};

/// Makes a store, or takes the one that this process has for these options.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_new(options: &Zval, out: &mut *mut Store) -> c_int {
    answer("__construct", out, || {
        let store = options::store(&Keyed::new(Some(options)))?;
        Ok(Box::into_raw(Box::new(store)))
    })
}

/// Frees what an object owned, if it owned one.
///
/// # Safety
///
/// The pointer is null or that of [`ezdfs_php_store_new`], and nobody uses it any
/// more.
#[unsafe(no_mangle)]
unsafe extern "C" fn ezdfs_php_store_free(store: *mut Store) {
    // SAFETY: as the caller promises.
    unsafe { free(store) };
}

/// Stores what a stream yields.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_create(
    store: &Store,
    id: Text<'_>,
    source: &Zval,
    options: Option<&Zval>,
    out: &mut Zval,
) -> c_int {
    answer("create", out, || {
        let id = store.file_id(id.bytes())?;
        let options = Keyed::new(options);
        let given = Given::parse(&options)?;
        let mut source = Source::new(source)?;
        let created = store.create(&id, &mut source, &given.as_options());
        file_info(store, &source.finish(created)?)
    })
}

/// Stores a string.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_create_from_string(
    store: &Store,
    id: Text<'_>,
    contents: Text<'_>,
    options: Option<&Zval>,
    out: &mut Zval,
) -> c_int {
    answer("createFromString", out, || {
        let id = store.file_id(id.bytes())?;
        let options = Keyed::new(options);
        let given = Given::parse(&options)?;
        let created = store.create(&id, &mut contents.bytes(), &given.as_options())?;
        file_info(store, &created)
    })
}

/// What the table says of a file.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_load(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("load", out, || file_info(store, &store.stat(&store.file_id(id.bytes())?)?))
}

/// Whether a file is there.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_exists(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("exists", out, || Ok(boolean(store.exists(&store.file_id(id.bytes())?)?)))
}

/// The MIME type that the table has.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_mime_type(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("mimeType", out, || string(&store.stat(&store.file_id(id.bytes())?)?.mime_type))
}

/// All bytes of a file.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_read(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("read", out, || {
        let id = store.file_id(id.bytes())?;
        let opened = store.open(&id)?;
        read(id.as_str(), &opened.file, opened.size)
    })
}

/// A stream over a file.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_open(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("open", out, || {
        let id = store.file_id(id.bytes())?;
        stream(store, &id, store.open(&id)?.file)
    })
}

/// Deletes a file.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_delete(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("delete", out, || {
        store.delete(&store.file_id(id.bytes())?)?;
        Ok(Zval::null())
    })
}

/// Deletes all files below a directory; says how many rows that were.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_delete_directory(
    store: &Store,
    dir: Text<'_>,
    out: &mut Zval,
) -> c_int {
    answer("deleteDirectory", out, || {
        let deleted = store.delete_directory(&store.dir_id(dir.bytes())?)?;
        Ok(integer(php_integer(deleted.rows)))
    })
}

/// What was counted.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_stats(store: &Store, out: &mut Zval) -> c_int {
    answer("stats", out, || stats::tree(store))
}

/// Gives a file another id.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_rename(
    store: &Store,
    from: Text<'_>,
    to: Text<'_>,
    out: &mut Zval,
) -> c_int {
    answer("rename", out, || {
        let (from, to) = (store.file_id(from.bytes())?, store.file_id(to.bytes())?);
        file_info(store, &store.rename(&from, &to)?)
    })
}

/// The URI of a file.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_uri(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("uri", out, || string(&store.uri(&store.file_id(id.bytes())?)))
}

/// The id in a URI.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_id_from_uri(store: &Store, uri: Text<'_>, out: &mut Zval) -> c_int {
    answer("idFromUri", out, || {
        let text = std::str::from_utf8(uri.bytes()).map_err(|_| {
            let shown = String::from_utf8_lossy(uri.bytes());
            Failure::refused(ErrorKind::InvalidName, "uri", &shown, "is not UTF-8")
        })?;
        string(store.id_from_uri(text)?.as_str())
    })
}

/// The files below a directory.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_list(store: &Store, dir: Text<'_>, out: &mut Zval) -> c_int {
    answer("list", out, || {
        let dir = dir.bytes();
        let dir = (!dir.is_empty()).then(|| store.dir_id(dir)).transpose()?;
        list::iterator(store.clone(), dir)
    })
}

/// Checks the table.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_check_schema(store: &Store, out: &mut Zval) -> c_int {
    answer("checkSchema", out, || {
        store.check_schema()?;
        Ok(Zval::null())
    })
}

/// Creates the table.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_create_schema(store: &Store, out: &mut Zval) -> c_int {
    answer("createSchema", out, || {
        store.create_schema()?;
        Ok(Zval::null())
    })
}

/// Writes a row alone.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_put_metadata(
    store: &Store,
    id: Text<'_>,
    size: i64,
    mtime: &Zval,
    mime_type: Option<&Text<'_>>,
    out: &mut Zval,
) -> c_int {
    answer("putMetadata", out, || {
        let id = store.file_id(id.bytes())?;
        let mime_type = mime_type.map(|mime| utf8("mime_type", mime.bytes())).transpose()?;
        let (size, mtime) = (unsigned("size", size)?, timestamp(mtime)?);
        file_info(store, &store.put_metadata(&id, size, mtime, mime_type)?)
    })
}

/// Deletes a row alone.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_delete_metadata(
    store: &Store,
    id: Text<'_>,
    out: &mut Zval,
) -> c_int {
    answer("deleteMetadata", out, || {
        store.delete_metadata(&store.file_id(id.bytes())?)?;
        Ok(Zval::null())
    })
}

/// Deletes all rows below a directory, and nothing else.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_delete_metadata_directory(
    store: &Store,
    dir: Text<'_>,
    out: &mut Zval,
) -> c_int {
    answer("deleteMetadataDirectory", out, || {
        let deleted = store.delete_metadata_directory(&store.dir_id(dir.bytes())?)?;
        Ok(integer(php_integer(deleted)))
    })
}

/// Writes bytes alone.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_put_data(
    store: &Store,
    id: Text<'_>,
    source: &Zval,
    size: Option<&i64>,
    out: &mut Zval,
) -> c_int {
    answer("putData", out, || {
        let id = store.file_id(id.bytes())?;
        let size = size.map(|size| unsigned("size", *size)).transpose()?;
        let mut source = Source::new(source)?;
        let written = store.put_data(&id, &mut source, size);
        Ok(integer(php_integer(source.finish(written)?)))
    })
}

/// All bytes of a file, whatever the table says.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_read_data(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("readData", out, || {
        let id = store.file_id(id.bytes())?;
        let (file, size) = store.open_data(&id)?;
        read(id.as_str(), &file, size)
    })
}

/// A stream over a file, whatever the table says.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_open_data(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("openData", out, || {
        let id = store.file_id(id.bytes())?;
        stream(store, &id, store.open_data(&id)?.0)
    })
}

/// Deletes bytes alone.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_delete_data(store: &Store, id: Text<'_>, out: &mut Zval) -> c_int {
    answer("deleteData", out, || {
        store.delete_data(&store.file_id(id.bytes())?)?;
        Ok(Zval::null())
    })
}

/// Deletes all bytes below a directory, and nothing else.
#[unsafe(no_mangle)]
extern "C" fn ezdfs_php_store_delete_data_directory(
    store: &Store,
    dir: Text<'_>,
    out: &mut Zval,
) -> c_int {
    answer("deleteDataDirectory", out, || {
        store.delete_data_directory(&store.dir_id(dir.bytes())?)?;
        Ok(Zval::null())
    })
}

/// What `create` is told of a file.
#[derive(Default)]
struct Given<'a> {
    size: Option<u64>,
    mime_type: Option<&'a str>,
    mtime: Option<i64>,
}

impl<'a> Given<'a> {
    fn parse(options: &'a Keyed) -> Result<Self, Failure> {
        let mut given = Given::default();
        for (key, value) in options.iter().filter(|(_, value)| !value.is_null()) {
            match key.as_str() {
                "size" => {
                    let size = value.long().ok_or_else(|| refused(key, "must be an integer"))?;
                    given.size = Some(unsigned(key, size)?);
                }
                "mime_type" => {
                    let text = value.zend_str().ok_or_else(|| refused(key, "must be a string"))?;
                    given.mime_type = Some(utf8(key, text.as_bytes())?);
                }
                "mtime" => given.mtime = timestamp(value)?,
                _ => return Err(refused(key, "unknown; known are size, mime_type, mtime")),
            }
        }
        Ok(given)
    }

    fn as_options(&self) -> CreateOptions<'a> {
        CreateOptions { size: self.size, mime_type: self.mime_type, mtime: self.mtime }
    }
}

fn refused(key: &str, reason: &str) -> Failure {
    Failure::refused(ErrorKind::InvalidInput, "option", key, reason)
}

fn unsigned(key: &str, number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| refused(key, "must not be negative"))
}

fn utf8<'b>(key: &str, bytes: &'b [u8]) -> Result<&'b str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| refused(key, "is not UTF-8"))
}
