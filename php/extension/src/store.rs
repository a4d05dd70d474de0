//! `Ezdfs\Store`: each method parses its arguments, calls the core's method of
//! that name and translates the answer.

// PHP callers may name their arguments, so that these are part of the interface.
#![allow(non_snake_case)]

use ext_php_rs::exception::PhpResult;
use ext_php_rs::flags::ClassFlags;
use ext_php_rs::prelude::*;
use ext_php_rs::types::Zval;
use ezdfs::{CreateOptions, DirId, ErrorKind, FileId};

use crate::failure::{Failure, guard};
use crate::list;
use crate::options;
use crate::source::Source;
use crate::values::{
    Bytes, Contents, Date, Info, Iterated, Keyed, file_info, php_integer, read, stream, timestamp,
};

/// Files whose metadata stand in a database table and whose bytes lie on a
/// mount.
#[php_class]
#[php(name = "Ezdfs\\Store", flags = ClassFlags::Final.union(ClassFlags::NotSerializable))]
#[derive(Debug)]
pub(crate) struct Store {
    store: ezdfs::Store,
}

#[php_impl]
impl Store {
    /// Makes a store, or takes the one that this process has for these options.
    pub(crate) fn __construct(options: Keyed) -> PhpResult<Self> {
        guard("construct", || Ok(Store { store: options::store(&options)? }))
    }

    /// Stores what a stream yields.
    #[php(defaults(options = Keyed::default()))]
    pub(crate) fn create(&self, id: Bytes<'_>, source: &Zval, options: Keyed) -> PhpResult<Info> {
        guard("create", || {
            let id = FileId::from_bytes(id.0)?;
            let given = Given::parse(&options)?;
            let mut source = Source::new(source)?;
            let created = self.store.create(&id, &mut source, &given.as_options());
            file_info(&self.store, &source.finish(created)?)
        })
    }

    /// Stores a string.
    #[php(defaults(options = Keyed::default()))]
    pub(crate) fn create_from_string(
        &self,
        id: Bytes<'_>,
        contents: Bytes<'_>,
        options: Keyed,
    ) -> PhpResult<Info> {
        guard("create", || {
            let id = FileId::from_bytes(id.0)?;
            let given = Given::parse(&options)?;
            let mut contents = contents.0;
            let created = self.store.create(&id, &mut contents, &given.as_options())?;
            file_info(&self.store, &created)
        })
    }

    /// What the table says of a file.
    pub(crate) fn load(&self, id: Bytes<'_>) -> PhpResult<Info> {
        guard("load", || {
            let found = self.store.stat(&FileId::from_bytes(id.0)?)?;
            file_info(&self.store, &found)
        })
    }

    /// Whether a file is there.
    pub(crate) fn exists(&self, id: Bytes<'_>) -> PhpResult<bool> {
        guard("exists", || Ok(self.store.exists(&FileId::from_bytes(id.0)?)?))
    }

    /// The MIME type that the table has.
    pub(crate) fn mime_type(&self, id: Bytes<'_>) -> PhpResult<String> {
        guard("mimeType", || Ok(self.store.stat(&FileId::from_bytes(id.0)?)?.mime_type))
    }

    /// All bytes of a file.
    pub(crate) fn read(&self, id: Bytes<'_>) -> PhpResult<Contents> {
        guard("read", || {
            let id = FileId::from_bytes(id.0)?;
            let opened = self.store.open(&id)?;
            read(id.as_str(), &opened.file, opened.size)
        })
    }

    /// A stream over a file.
    pub(crate) fn open(&self, id: Bytes<'_>) -> PhpResult<Zval> {
        guard("open", || {
            let id = FileId::from_bytes(id.0)?;
            stream(id.as_str(), self.store.open(&id)?.file)
        })
    }

    /// Deletes a file.
    pub(crate) fn delete(&self, id: Bytes<'_>) -> PhpResult<()> {
        guard("delete", || Ok(self.store.delete(&FileId::from_bytes(id.0)?)?))
    }

    /// Deletes all files below a directory; says how many rows that were.
    pub(crate) fn delete_directory(&self, dir: Bytes<'_>) -> PhpResult<i64> {
        guard("deleteDirectory", || {
            let deleted = self.store.delete_directory(&DirId::from_bytes(dir.0)?)?;
            Ok(php_integer(deleted.rows))
        })
    }

    /// Gives a file another id.
    pub(crate) fn rename(&self, from: Bytes<'_>, to: Bytes<'_>) -> PhpResult<Info> {
        guard("rename", || {
            let (from, to) = (FileId::from_bytes(from.0)?, FileId::from_bytes(to.0)?);
            let renamed = self.store.rename(&from, &to)?;
            file_info(&self.store, &renamed)
        })
    }

    /// The URI of a file.
    pub(crate) fn uri(&self, id: Bytes<'_>) -> PhpResult<String> {
        guard("uri", || Ok(self.store.uri(&FileId::from_bytes(id.0)?)))
    }

    /// The id in a URI.
    pub(crate) fn id_from_uri(&self, uri: Bytes<'_>) -> PhpResult<String> {
        guard("idFromUri", || {
            let text = std::str::from_utf8(uri.0).map_err(|_| {
                let shown = String::from_utf8_lossy(uri.0);
                Failure::refused(ErrorKind::InvalidName, "uri", &shown, "is not UTF-8")
            })?;
            Ok(self.store.id_from_uri(text)?.as_str().to_owned())
        })
    }

    /// The files below a directory.
    #[php(defaults(dir = Bytes::default()))]
    pub(crate) fn list(&self, dir: Bytes<'_>) -> PhpResult<Iterated> {
        guard("list", || {
            let dir = (!dir.0.is_empty()).then(|| DirId::from_bytes(dir.0)).transpose()?;
            list::iterator(self.store.clone(), dir)
        })
    }

    /// Checks the table.
    pub(crate) fn check_schema(&self) -> PhpResult<()> {
        guard("checkSchema", || Ok(self.store.check_schema()?))
    }

    /// Creates the table.
    pub(crate) fn create_schema(&self) -> PhpResult<()> {
        guard("createSchema", || Ok(self.store.create_schema()?))
    }

    /// Writes a row alone.
    pub(crate) fn put_metadata(
        &self,
        id: Bytes<'_>,
        size: i64,
        mtime: Date<'_>,
        mimeType: Option<Bytes<'_>>,
    ) -> PhpResult<Info> {
        guard("putMetadata", || {
            let id = FileId::from_bytes(id.0)?;
            let mime_type = mimeType.map(|mime| utf8("mime_type", mime.0)).transpose()?;
            let (size, mtime) = (unsigned("size", size)?, timestamp(mtime.0)?);
            let info = self.store.put_metadata(&id, size, mtime, mime_type)?;
            file_info(&self.store, &info)
        })
    }

    /// Deletes a row alone.
    pub(crate) fn delete_metadata(&self, id: Bytes<'_>) -> PhpResult<()> {
        guard("deleteMetadata", || Ok(self.store.delete_metadata(&FileId::from_bytes(id.0)?)?))
    }

    /// Deletes all rows below a directory, and nothing else.
    pub(crate) fn delete_metadata_directory(&self, dir: Bytes<'_>) -> PhpResult<i64> {
        guard("deleteMetadataDirectory", || {
            let deleted = self.store.delete_metadata_directory(&DirId::from_bytes(dir.0)?)?;
            Ok(php_integer(deleted))
        })
    }

    /// Writes bytes alone.
    pub(crate) fn put_data(&self, id: Bytes<'_>, source: &Zval) -> PhpResult<i64> {
        guard("putData", || {
            let id = FileId::from_bytes(id.0)?;
            let mut source = Source::new(source)?;
            let written = self.store.put_data(&id, &mut source, None);
            Ok(php_integer(source.finish(written)?))
        })
    }

    /// All bytes of a file, whatever the table says.
    pub(crate) fn read_data(&self, id: Bytes<'_>) -> PhpResult<Contents> {
        guard("readData", || {
            let id = FileId::from_bytes(id.0)?;
            let (file, size) = self.store.open_data(&id)?;
            read(id.as_str(), &file, size)
        })
    }

    /// A stream over a file, whatever the table says.
    pub(crate) fn open_data(&self, id: Bytes<'_>) -> PhpResult<Zval> {
        guard("openData", || {
            let id = FileId::from_bytes(id.0)?;
            stream(id.as_str(), self.store.open_data(&id)?.0)
        })
    }

    /// Deletes bytes alone.
    pub(crate) fn delete_data(&self, id: Bytes<'_>) -> PhpResult<()> {
        guard("deleteData", || Ok(self.store.delete_data(&FileId::from_bytes(id.0)?)?))
    }

    /// Deletes all bytes below a directory, and nothing else.
    pub(crate) fn delete_data_directory(&self, dir: Bytes<'_>) -> PhpResult<()> {
        guard("deleteDataDirectory", || {
            Ok(self.store.delete_data_directory(&DirId::from_bytes(dir.0)?)?)
        })
    }
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
