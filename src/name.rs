//! Ids, names and prefixes: parsed once, their invariants kept by the types.

mod url_prefix;

use std::borrow::Cow;
use std::fmt;

use md5::{Digest, Md5};

use crate::error::{Error, ErrorKind, Result};

pub use url_prefix::UrlPrefix;

/// The longest id and the longest name, in bytes: Linux' `PATH_MAX` less its NUL.
pub const MAX_NAME_LEN: usize = 4095;

/// The longest segment between two slashes, in bytes: Linux' `NAME_MAX`.
pub const MAX_SEGMENT_LEN: usize = 255;

/// How names of files and directories that ezdfs keeps for itself begin; no id
/// has one.
pub(crate) const RESERVED_PREFIX: &str = ".ezdfs-";

/// The id of a stored file, relative to the root: `images/1/a.jpg`.
///
/// UTF-8, taken byte for byte (NFC and NFD spellings are two files), 1 to
/// [`MAX_NAME_LEN`] bytes, no leading or trailing slash, no NUL, no segment
/// that is empty, `.`, `..`, longer than [`MAX_SEGMENT_LEN`] bytes or begins with
/// `.ezdfs-`. So no two ids lead to one path, and none to the trash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(String);

impl FileId {
    /// Parses an id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`], saying which rule is broken. Nothing is
    /// normalised: two spellings would become two rows of one file.
    pub fn parse(text: &str) -> Result<Self> {
        check_path(text).map_err(|rule| invalid("id", text, rule))?;
        Ok(FileId(text.to_owned()))
    }

    /// Parses an id from bytes.
    ///
    /// # Errors
    ///
    /// As [`FileId::parse`], and where the bytes are not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        FileId::parse(utf8("id", bytes)?)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the last slash.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The directory part, empty for a file directly beneath the root.
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }
}

/// A directory of ids, such as `images/_aliases/large`. Never the whole store.
///
/// The rules of [`FileId`], but for one trailing slash, which is dropped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DirId(String);

impl DirId {
    /// Parses a directory id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`]; an empty directory and `/` are refused,
    /// because deleting them would empty the share.
    pub fn parse(text: &str) -> Result<Self> {
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        check_path(trimmed).map_err(|rule| invalid("directory", text, rule))?;
        Ok(DirId(trimmed.to_owned()))
    }

    /// Parses a directory id from bytes.
    ///
    /// # Errors
    ///
    /// As [`DirId::parse`], and where the bytes are not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        DirId::parse(utf8("directory", bytes)?)
    }

    /// The directory without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands before every id in the table: empty, or `var/site/storage`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NamePrefix {
    text: String,
    /// Whether legacy's public caches are among the files of these names.
    has_caches: bool,
}

impl NamePrefix {
    /// Parses a prefix; slashes around it do not count.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] where what is left breaks the rules of ids.
    pub fn parse(text: &str) -> Result<Self> {
        let trimmed = text.trim_matches('/');
        if !trimmed.is_empty() {
            check_path(trimmed).map_err(|rule| invalid("name_prefix", text, rule))?;
        }
        Ok(NamePrefix { text: trimmed.to_owned(), has_caches: false })
    }

    /// The prefix without outer slashes.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same where legacy's caches have a table of their own.
    pub(crate) fn with_caches(&self) -> Self {
        NamePrefix { has_caches: true, ..self.clone() }
    }

    pub(crate) fn has_caches(&self) -> bool {
        self.has_caches
    }

    /// The table's name of a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] where prefix and id together are too long.
    pub fn name(&self, id: &FileId) -> Result<FileName> {
        self.join(id.as_str()).map(|name| FileName::new(name.into_owned()))
    }

    /// The digest of the table's name of a file.
    ///
    /// # Errors
    ///
    /// Those of [`NamePrefix::name`].
    pub(crate) fn key(&self, id: &FileId) -> Result<Key> {
        if self.text.len() + 1 + id.0.len() > MAX_NAME_LEN {
            return self.name(id).map(|name| name.digest());
        }
        let mut md5 = Md5::new();
        if !self.text.is_empty() {
            md5.update(&self.text);
            md5.update("/");
        }
        md5.update(&id.0);
        Ok(md5.finalize().into())
    }

    /// How the names of all files below a directory begin; ends in a slash.
    /// Empty when neither a prefix nor a directory limits it.
    pub(crate) fn beneath(&self, dir: Option<&DirId>) -> Result<String> {
        let mut text = match dir {
            Some(dir) => self.join(dir.as_str())?.into_owned(),
            None => self.text.clone(),
        };
        if !text.is_empty() {
            text.push('/');
        }
        Ok(text)
    }

    /// The id behind a name of the table, or `None` where the name lies
    /// outside the prefix or is not one that ezdfs would have written.
    pub fn id(&self, name: &str) -> Option<FileId> {
        let rest = match self.text.as_str() {
            "" => name,
            prefix => name.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        FileId::parse(rest).ok()
    }

    /// The name of what has this path beneath the root.
    pub(crate) fn join<'r>(&self, rest: &'r str) -> Result<Cow<'r, str>> {
        let name = match self.text.as_str() {
            "" => Cow::Borrowed(rest),
            prefix => Cow::Owned(format!("{prefix}/{rest}")),
        };
        if name.len() > MAX_NAME_LEN {
            return Err(invalid("name", &name, "longer than 4095 bytes with its prefix"));
        }
        Ok(name)
    }
}

/// The md5 of a name, which is the table's key too.
pub(crate) type Key = [u8; 16];

/// What the table stores: prefix, slash, id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FileName {
    text: String,
    digest: Key,
    /// Of a row that has another than its name's.
    other_key: Option<Box<str>>,
}

impl FileName {
    /// A name as the table has it, which need not be one that ezdfs would write.
    pub(crate) fn stored(name: &str) -> Self {
        FileName::new(name.to_owned())
    }

    /// The name that a row says it has, under the key that it really has.
    pub(crate) fn of_row(name: &str, key: &str) -> Self {
        let mut name = FileName::stored(name);
        if name.hash() != key {
            name.other_key = Some(key.into());
            if let (32, Ok(digest)) = (key.len(), u128::from_str_radix(key, 16)) {
                name.digest = digest.to_be_bytes();
            }
        }
        name
    }

    fn new(text: String) -> Self {
        let digest = Md5::digest(text.as_bytes()).into();
        FileName { text, digest, other_key: None }
    }

    /// Whether who asks for this name finds this row. Otherwise the row's file is
    /// another one, and nobody knows which.
    pub(crate) fn has_its_key(&self) -> bool {
        self.other_key.is_none()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The table's key: the md5 of the name's bytes in lower-case hex, unless the
    /// row has another.
    pub fn hash(&self) -> String {
        match &self.other_key {
            Some(key) => key.to_string(),
            None => format!("{:032x}", u128::from_be_bytes(self.digest)),
        }
    }

    /// The key's bytes, under which others know the row: the md5 of the name.
    pub(crate) fn digest(&self) -> Key {
        self.digest
    }
}

/// The name that leads to the same path by its own spelling; `None` where the
/// path would lie outside the directory that names are relative to.
pub(crate) fn normalised(name: &str) -> Option<String> {
    let mut segments = Vec::new();
    for segment in name.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()?),
            _ => segments.push(segment),
        }
    }
    Some(segments.join("/"))
}

/// Checks the rules that ids, directories and prefixes share.
fn check_path(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("empty");
    }
    if text.len() > MAX_NAME_LEN {
        return Err("longer than 4095 bytes");
    }
    if text.contains('\0') {
        return Err("contains a NUL byte");
    }
    if text.starts_with('/') {
        return Err("begins with a slash");
    }
    if text.ends_with('/') {
        return Err("ends with a slash");
    }
    text.split('/').try_for_each(check_segment)
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    match segment {
        "" => Err("has an empty segment"),
        "." | ".." => Err("has a dot segment"),
        _ if segment.len() > MAX_SEGMENT_LEN => Err("has a segment longer than 255 bytes"),
        _ if segment.starts_with(RESERVED_PREFIX) => {
            Err("names beginning with .ezdfs- are reserved")
        }
        _ => Ok(()),
    }
}

fn utf8<'b>(what: &'static str, bytes: &'b [u8]) -> Result<&'b str> {
    std::str::from_utf8(bytes)
        .map_err(|_| invalid(what, &String::from_utf8_lossy(bytes), "is not UTF-8"))
}

/// An error that quotes at most the first 200 characters of a refused name.
fn invalid(what: &'static str, text: &str, rule: &'static str) -> Error {
    let quoted = match text.char_indices().nth(200) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    };
    Error::new(ErrorKind::InvalidName, what, quoted, rule)
}

macro_rules! text_like {
    ($($type:ident),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({:?})"), self.as_str())
            }
        }
    )*};
}
text_like!(FileId, DirId, NamePrefix, FileName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_two_spellings_of_one_path_are_refused() {
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            "./a",
            "a/./b",
            "a/../b",
            "..",
            "a\0b",
            "a/.ezdfs-stage-1",
            ".ezdfs-trash/2026-01-01/images/a.jpg",
        ] {
            let error = FileId::parse(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::InvalidName);
        }
        assert!(FileId::parse(&"x".repeat(256)).is_err());
        assert!(FileId::parse(&"x/".repeat(2048)).is_err());
        assert!(FileId::parse(&"x".repeat(255)).is_ok());
        for good in ["a", "images/é.jpg", "a..b/...", "a b/it's+50%25.jpg", "new\nline"] {
            assert_eq!(FileId::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn other_spellings_have_one_normal_form() {
        for alias in ["a/b", "a//b", "./a/b", "x/../a/b", "/a/b/", "a/./b", "a/b/c/.."] {
            assert_eq!(normalised(alias).as_deref(), Some("a/b"), "{alias}");
        }
        assert_eq!(normalised("a/../../b"), None);
    }

    #[test]
    fn a_directory_is_never_the_whole_store() {
        for bad in ["", "/", "//", ".", "/images"] {
            assert!(DirId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(DirId::parse("images/_aliases/").unwrap().as_str(), "images/_aliases");
    }

    #[test]
    fn name_and_hash_are_those_of_the_kernels() {
        let prefix = NamePrefix::parse("/var/site/storage/").unwrap();
        let id = FileId::parse("images/1/a.jpg").unwrap();
        let name = prefix.name(&id).unwrap();
        assert_eq!(name.as_str(), "var/site/storage/images/1/a.jpg");
        assert_eq!(name.hash(), "c0828895b95db5b8c00225125a0da1c2");
        assert_eq!(prefix.id(name.as_str()), Some(id));
        assert_eq!(prefix.id("var/site/storage-x/images/a"), None);
    }
}
