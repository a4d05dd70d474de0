//! Where URLs of files begin.

use std::fmt;

use super::{FileId, check_path, invalid};
use crate::error::Result;

/// What stands before an id in a URL: `/var/site/storage`, or with a host,
/// `http://static.example.com/`.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlPrefix {
    /// `http://host`, `//host`, or nothing.
    origin: String,
    /// Begins and ends with a slash.
    path: String,
}

impl Default for UrlPrefix {
    /// The root of the host that is asked.
    fn default() -> Self {
        UrlPrefix { origin: String::new(), path: "/".to_owned() }
    }
}

impl UrlPrefix {
    /// Parses a prefix as the kernels' `AbsolutePrefix` decorator reads it: a
    /// scheme or `//host` is kept, anything else gets exactly one leading slash.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`](crate::ErrorKind::InvalidName) for a NUL, dot segments or empty segments.
    pub fn parse(text: &str) -> Result<Self> {
        let authority = ["http://", "https://", "//"]
            .iter()
            .find(|scheme| text.starts_with(**scheme))
            .map(|scheme| scheme.len());
        let split = match authority {
            Some(start) => text[start..].find('/').map_or(text.len(), |slash| start + slash),
            None => 0,
        };
        let (origin, path) = text.split_at(split);
        let path = path.trim_matches('/');
        if !path.is_empty() {
            check_path(path).map_err(|rule| invalid("url_prefix", text, rule))?;
        }
        let path = if path.is_empty() { "/".to_owned() } else { format!("/{path}/") };
        Ok(UrlPrefix { origin: origin.to_owned(), path })
    }

    /// The URI of a file. Not percent-encoded, as in the kernels.
    pub fn uri(&self, id: &FileId) -> String {
        format!("{}{}{}", self.origin, self.path, id.as_str())
    }

    /// The path in the URI of a file, as a client asks for it.
    #[cfg(feature = "cli")]
    pub(crate) fn path(&self, id: &FileId) -> String {
        format!("{}{}", self.path, id.as_str())
    }

    /// How the paths of all files begin; begins and ends with a slash.
    #[cfg(feature = "cli")]
    pub(crate) fn beginning(&self) -> &str {
        &self.path
    }

    /// The host, with its port, where the prefix names one.
    #[cfg(feature = "cli")]
    pub(crate) fn host(&self) -> Option<&str> {
        self.origin.split_once("//").map(|(_, host)| host)
    }

    /// The id in a URI that [`UrlPrefix::uri`] made.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`](crate::ErrorKind::InvalidName) where the URI does not begin with the prefix.
    pub fn id_from_uri(&self, uri: &str) -> Result<FileId> {
        uri.strip_prefix(self.origin.as_str())
            .and_then(|path| path.strip_prefix(self.path.as_str()))
            .ok_or_else(|| invalid("uri", uri, "does not begin with the url_prefix"))
            .and_then(FileId::parse)
    }

    /// What follows the prefix in a request's path, or `None`.
    pub(crate) fn strip_path<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        path.strip_prefix(self.path.as_bytes())
    }
}

impl fmt::Debug for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlPrefix({}{})", self.origin, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_prefixes_are_read_as_the_kernels_do() {
        let id = FileId::parse("images/a b.jpg").unwrap();
        for (prefix, uri) in [
            ("", "/images/a b.jpg"),
            ("storage", "/storage/images/a b.jpg"),
            ("/var/site/storage/", "/var/site/storage/images/a b.jpg"),
            ("http://static.example.com/", "http://static.example.com/images/a b.jpg"),
            ("//cdn.example.com/x", "//cdn.example.com/x/images/a b.jpg"),
        ] {
            let prefix = UrlPrefix::parse(prefix).unwrap();
            assert_eq!(prefix.uri(&id), uri);
            assert_eq!(prefix.id_from_uri(uri).unwrap(), id);
            assert!(prefix.id_from_uri("/elsewhere-x").is_err() || prefix.path == "/");
        }
        let storage = UrlPrefix::parse("/var/site/storage").unwrap();
        assert_eq!(storage.strip_path(b"/var/site/storage-x/a"), None);
        assert_eq!(storage.strip_path(b"/var/site/storage/a"), Some(&b"a"[..]));
    }
}
