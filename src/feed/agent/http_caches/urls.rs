//! Under which paths caches have a file. They keep the path as it was asked for, and one file may
//! be asked for in several spellings.

use std::sync::Arc;

use hyper::Uri;
use hyper::header::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::Options;
use crate::metadata::Area;
use crate::name::{NamePrefix, UrlPrefix};

/// What a browser encodes in a path: <https://url.spec.whatwg.org/#path-percent-encode-set>.
const BY_BROWSERS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The same of who knows that a percent sign stands for itself.
const BY_THE_NAME: &AsciiSet = &BY_BROWSERS.add(b'%');

/// All but what RFC 3986 calls unreserved, and slashes: so do PHP's `rawurlencode` and others.
const BY_PROGRAMS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// The URLs of a store.
#[derive(Debug)]
pub(super) struct Urls {
    names: NamePrefix,
    prefix: UrlPrefix,
    beginning: String,
}

impl Urls {
    pub(super) fn of(options: &Options) -> Self {
        let prefix = options.url_prefix.clone();
        let beginning = utf8_percent_encode(prefix.beginning(), BY_THE_NAME).to_string();
        Urls { names: options.name_prefix.clone(), prefix, beginning }
    }

    /// The one that the prefix names.
    pub(super) fn host(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.prefix.host()?).ok()
    }

    /// How all paths begin, as caches know them.
    pub(super) fn beginning(&self) -> &str {
        &self.beginning
    }

    /// The paths of a name of the table, in each spelling; none of what is not served by its URL.
    pub(super) fn paths(&self, name: &str) -> Vec<Arc<str>> {
        match Area::of_name(name, &self.names) {
            Area::Images | Area::Drafts | Area::Caches => {}
            Area::Originals | Area::Other => return Vec::new(),
        }
        let Some(id) = self.names.id(name) else { return Vec::new() };
        let path = self.prefix.path(&id);
        let mut spellings: Vec<Arc<str>> = Vec::new();
        for set in [BY_BROWSERS, BY_THE_NAME, BY_PROGRAMS] {
            let spelling = utf8_percent_encode(&path, set).to_string();
            if !spellings.iter().any(|it| **it == *spelling) && spelling.parse::<Uri>().is_ok() {
                spellings.push(spelling.into());
            }
        }
        spellings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(name_prefix: &str, url_prefix: &str) -> Urls {
        let mut options = Options::builder();
        for (key, value) in [
            ("dsn", "sqlite:/tmp/x.db"),
            ("root", "/mnt/nfs"),
            ("name_prefix", name_prefix),
            ("url_prefix", url_prefix),
        ] {
            options.set(key, value).unwrap();
        }
        Urls::of(&options.build().unwrap())
    }

    fn paths(urls: &Urls, name: &str) -> Vec<String> {
        urls.paths(name).iter().map(|path| path.to_string()).collect()
    }

    #[test]
    fn a_file_is_known_by_each_spelling_that_clients_have_for_it() {
        let urls = urls("var/site/storage", "http://static.example.com:8080/");
        assert_eq!(urls.host().unwrap(), "static.example.com:8080");
        let of = |file: &str| paths(&urls, &format!("var/site/storage/images/{file}"));
        assert_eq!(of("1/a-b_c~d.png"), ["/images/1/a-b_c~d.png"]);
        assert_eq!(of("ä b.png"), ["/images/%C3%A4%20b.png"]);
        assert_eq!(of("50%.png"), ["/images/50%.png", "/images/50%25.png"]);
        assert_eq!(of("(1).png"), ["/images/(1).png", "/images/%281%29.png"]);
    }

    #[test]
    fn what_has_no_url_is_told_to_nobody() {
        let urls = urls("", "");
        assert_eq!(urls.host(), None);
        assert_eq!(
            paths(&urls, "var/site/storage/images/a.png"),
            ["/var/site/storage/images/a.png"]
        );
        for name in ["var/site/storage/original/a.pdf", "var/site/cache/x.php", "", "/images/a"] {
            assert_eq!(paths(&urls, name), [""; 0], "{name}");
        }
        let named = self::urls("var/site/storage", "");
        assert_eq!(paths(&named, "var/other/storage/images/a.png"), [""; 0]);
    }
}
