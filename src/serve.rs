//! What a web server may hand out, under which headers. Default: nothing.

use std::ffi::CStr;

use crate::debris;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Area;
use crate::name::{FileId, NamePrefix, UrlPrefix};

/// What a location has switched on beyond published images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allow {
    /// `images-versioned/`, the pictures of drafts.
    pub drafts: bool,
    /// `original/`: only behind an internal redirect that PHP has authorised.
    pub originals: bool,
}

/// A path that a client asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Percent-decoded, with its leading slash.
    pub path: &'a [u8],
    /// As it stood on the wire, without the query; `None` where the server
    /// has rewritten the path since.
    pub raw_path: Option<&'a [u8]>,
    /// What the location allows.
    pub allow: Allow,
}

/// Where names and URLs of a store begin: the one has nothing to do with the other.
#[derive(Debug, Clone, Copy)]
pub struct Prefixes<'a> {
    /// Of names in the table, by which it is judged what may be handed out.
    pub name: &'a NamePrefix,
    /// Of URLs.
    pub url: &'a UrlPrefix,
}

/// The ids that a request can mean, in the order in which to look them up:
/// decoded first; then, where that differs, raw, because current kernels store
/// and ask for names such as `50%25.jpg` undecoded.
///
/// # Errors
///
/// - [`ErrorKind::InvalidName`]: no file can have such a path in either spelling
///   (the decoded one need not be UTF-8), or the client wrote it with an encoded
///   slash or dot segments, which no kernel does and which caches and access
///   rules in front of the server read differently.
/// - [`ErrorKind::Denied`]: outside what is allowed.
pub fn candidates(prefixes: Prefixes<'_>, request: Request<'_>) -> Result<Vec<FileId>> {
    if let Some(raw) = request.raw_path {
        check_spelling(raw)?;
    }
    let raw = request
        .raw_path
        .filter(|raw| *raw != request.path)
        .and_then(|raw| resolve(prefixes, raw, request.allow).ok());
    match resolve(prefixes, request.path, request.allow) {
        Err(error) if error.kind() != ErrorKind::InvalidName => Err(error),
        Err(error) => raw.map(|raw| vec![raw]).ok_or(error),
        Ok(decoded) => {
            let raw = raw.filter(|raw| *raw != decoded);
            Ok(std::iter::once(decoded).chain(raw).collect())
        }
    }
}

/// The id that a decoded path stands for, whoever may have it.
///
/// # Errors
///
/// [`ErrorKind::InvalidName`] where it lies outside the prefix or stands for
/// nothing.
pub fn id_of_path(prefix: &UrlPrefix, path: &[u8]) -> Result<FileId> {
    let rest = prefix.strip_path(path).ok_or_else(|| {
        let reason = "the path does not begin with the url_prefix";
        Error::new(ErrorKind::InvalidName, "serve", String::from_utf8_lossy(path), reason)
    })?;
    FileId::from_bytes(rest)
}

fn resolve(prefixes: Prefixes<'_>, path: &[u8], allow: Allow) -> Result<FileId> {
    let id = id_of_path(prefixes.url, path)?;
    let allowed = match Area::of(&id, prefixes.name)? {
        Area::Images | Area::Caches => true,
        Area::Drafts => allow.drafts,
        Area::Originals => allow.originals,
        Area::Other => false,
    };
    if allowed && debris::is_none_in(id.as_str().as_bytes()) {
        return Ok(id);
    }
    Err(Error::new(ErrorKind::Denied, "serve", id.as_str(), "not served from this location"))
}

fn check_spelling(raw: &[u8]) -> Result<()> {
    // Nearly all of them, without further ado.
    if !raw.contains(&b'%') && !raw.windows(2).any(|pair| pair == b"/.") {
        return Ok(());
    }
    let lower = raw.to_ascii_lowercase();
    let encoded_slash = lower.windows(3).any(|window| window == b"%2f");
    let dots = |segment: &[u8]| {
        let text = String::from_utf8_lossy(segment).replace("%2e", ".");
        text == "." || text == ".."
    };
    if encoded_slash || lower.split(|byte| *byte == b'/').any(dots) {
        let subject = String::from_utf8_lossy(raw);
        let reason = "written with an encoded slash or a dot segment";
        return Err(Error::new(ErrorKind::InvalidName, "serve", subject, reason));
    }
    Ok(())
}

/// How a stored file is presented to a browser. All text is static, so nothing
/// from the table can reach a header. C strings, because the servers that host
/// this are written in C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presentation {
    /// The `Content-Type`.
    pub content_type: &'static CStr,
    /// Further headers: name, value.
    pub headers: &'static [(&'static CStr, &'static CStr)],
}

const NOSNIFF: (&CStr, &CStr) = (c"X-Content-Type-Options", c"nosniff");
const ATTACHMENT: (&CStr, &CStr) = (c"Content-Disposition", c"attachment");
const SANDBOX: (&CStr, &CStr) =
    (c"Content-Security-Policy", c"default-src 'none'; style-src 'unsafe-inline'; sandbox");

const SVG: &CStr = c"image/svg+xml";

/// Types that a browser shows as a picture and never as a document, and the
/// file name extensions by which rows without a MIME type are known.
const IMAGES: &[(&CStr, &[&str])] = &[
    (c"image/jpeg", &["jpg", "jpeg", "jpe"]),
    (c"image/png", &["png"]),
    (c"image/gif", &["gif"]),
    (c"image/webp", &["webp"]),
    (SVG, &["svg"]),
    (c"image/avif", &["avif"]),
    (c"image/bmp", &["bmp"]),
    (c"image/tiff", &["tif", "tiff"]),
    (c"image/vnd.microsoft.icon", &["ico"]),
    (c"image/apng", &["apng"]),
    (c"image/heic", &["heic"]),
    (c"image/heif", &["heif"]),
    (c"image/jxl", &["jxl"]),
    (c"image/jp2", &["jp2"]),
];

/// Other names under which those types are stored.
const SYNONYMS: &[(&str, &str)] = &[
    ("image/jpg", "image/jpeg"),
    ("image/pjpeg", "image/jpeg"),
    ("image/x-png", "image/png"),
    ("image/svg", "image/svg+xml"),
    ("image/x-ms-bmp", "image/bmp"),
    ("image/x-bmp", "image/bmp"),
    ("image/x-icon", "image/vnd.microsoft.icon"),
    ("image/vnd.mozilla.apng", "image/apng"),
];

/// What legacy generates for pages, besides pictures, into its public caches; known by
/// extensions, because it stores all kinds of types for them.
const GENERATED: &[(&CStr, &str)] = &[(c"text/css", "css"), (c"text/javascript", "js")];

/// Decides from the area, the stored `datatype` and the file's name.
///
/// A type on the list of images is kept. A legacy token that is no MIME type
/// (`misc`, empty, `php`) gives way to the file name's extension, if that is an
/// image's. Everything else is a download: old trees hold uploads from before
/// the kernels refused HTML and scripts. No upload lies among legacy's public caches: its
/// style sheets and scripts are what they say.
pub fn present(area: Area, datatype: &str, file_name: &str) -> Presentation {
    let generated = GENERATED.iter().find(|(_, extension)| {
        area == Area::Caches && file_name.rsplit_once('.').is_some_and(|(_, it)| it == *extension)
    });
    if let Some((content_type, _)) = generated {
        return Presentation { content_type, headers: &[NOSNIFF] };
    }
    let image =
        if datatype.contains('/') { image_type(datatype) } else { image_extension(file_name) };
    match image {
        Some(content_type) if content_type == SVG => {
            Presentation { content_type, headers: &[NOSNIFF, SANDBOX] }
        }
        Some(content_type) => Presentation { content_type, headers: &[NOSNIFF] },
        None => Presentation {
            content_type: c"application/octet-stream",
            headers: &[NOSNIFF, ATTACHMENT],
        },
    }
}

fn image_type(datatype: &str) -> Option<&'static CStr> {
    // A control character means that somebody meant to write more than a type.
    if datatype.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let essence = datatype.split(';').next()?.trim().to_ascii_lowercase();
    let synonym = SYNONYMS.iter().find(|(other, _)| *other == essence).map(|(_, image)| *image);
    let wanted = synonym.unwrap_or(&essence).as_bytes();
    IMAGES.iter().map(|(image, _)| *image).find(|image| image.to_bytes() == wanted)
}

fn image_extension(file_name: &str) -> Option<&'static CStr> {
    let (_, extension) = file_name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    IMAGES
        .iter()
        .find(|(_, extensions)| extensions.contains(&extension.as_str()))
        .map(|(image, _)| *image)
}

/// The strong validator of a file, quotes included.
pub fn etag(mtime: i64, size: u64) -> String {
    format!("\"{mtime}-{size}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(prefix: &str, path: &str, raw: &str, allow: Allow) -> Result<Vec<String>> {
        let request = Request { path: path.as_bytes(), raw_path: Some(raw.as_bytes()), allow };
        let prefixes = Prefixes { name: &NamePrefix::default(), url: &UrlPrefix::parse(prefix)? };
        let found = candidates(prefixes, request)?;
        Ok(found.iter().map(|id| id.as_str().to_owned()).collect())
    }

    #[test]
    fn decoded_first_then_raw_where_it_differs() {
        let none = Allow::default();
        assert_eq!(ids("/", "/images/a.jpg", "/images/a.jpg", none).unwrap(), ["images/a.jpg"]);
        assert_eq!(
            ids("/s", "/s/images/50%.jpg", "/s/images/50%25.jpg", none).unwrap(),
            ["images/50%.jpg", "images/50%25.jpg"]
        );
    }

    #[test]
    fn default_deny() {
        let kind = |path: &str, allow| ids("/", path, path, allow).map_err(|error| error.kind());
        let nothing = Allow::default();
        let drafts = Allow { drafts: true, originals: false };
        let originals = Allow { drafts: false, originals: true };
        assert_eq!(kind("/original/a/b.pdf", drafts), Err(ErrorKind::Denied));
        assert!(kind("/original/a/b.pdf", originals).is_ok());
        assert_eq!(kind("/images-versioned/1/a.jpg", nothing), Err(ErrorKind::Denied));
        assert!(kind("/images-versioned/1/a.jpg", drafts).is_ok());
        assert_eq!(kind("/var/site/cache/a.jpg", drafts), Err(ErrorKind::Denied));
    }

    #[test]
    fn paths_that_proxies_read_differently_are_refused() {
        for raw in ["/images/%2e%2e/a", "/images%2Fa", "/images/../a", "/images/.%2E/a"] {
            let error = ids("/", "/images/a", raw, Allow::default()).expect_err(raw);
            assert_eq!(error.kind(), ErrorKind::InvalidName);
        }
    }

    #[test]
    fn nothing_from_the_table_reaches_a_header() {
        for (datatype, file, content_type, header) in [
            ("image/jpeg", "a.jpg", c"image/jpeg", None),
            ("IMAGE/JPG; q=1", "a", c"image/jpeg", None),
            ("misc", "a.PNG", c"image/png", None),
            ("", "a.webp", c"image/webp", None),
            ("php", "a.php", c"application/octet-stream", Some(ATTACHMENT)),
            ("misc", "noextension", c"application/octet-stream", Some(ATTACHMENT)),
            ("text/html", "a.jpg", c"application/octet-stream", Some(ATTACHMENT)),
            ("image/png\r\nX: y", "a.png", c"application/octet-stream", Some(ATTACHMENT)),
            ("image/svg+xml", "a.svg", SVG, Some(SANDBOX)),
        ] {
            let shown = present(Area::Images, datatype, file);
            assert_eq!(shown.content_type, content_type, "{datatype:?}");
            assert!(shown.headers.contains(&NOSNIFF));
            assert_eq!(shown.headers.get(1).copied(), header, "{datatype:?}");
        }
    }

    #[test]
    fn generated_style_sheets_and_scripts_are_no_downloads() {
        for (file, content_type, header) in [
            ("a.css", c"text/css", None),
            ("a.js", c"text/javascript", None),
            ("a.html", c"application/octet-stream", Some(ATTACHMENT)),
        ] {
            let shown = present(Area::Caches, "misc", file);
            assert_eq!(shown.content_type, content_type, "{file}");
            assert!(shown.headers.contains(&NOSNIFF));
            assert_eq!(shown.headers.get(1).copied(), header, "{file}");
            let uploaded = present(Area::Images, "misc", file);
            assert_eq!(uploaded.content_type, c"application/octet-stream", "{file}");
        }
    }

    #[test]
    fn public_caches_are_served_where_they_have_a_table() {
        let url = UrlPrefix::default();
        let kind = |path: &str, name: &NamePrefix| {
            let (path, allow) = (path.as_bytes(), Allow::default());
            let request = Request { path, raw_path: Some(path), allow };
            candidates(Prefixes { name, url: &url }, request).map_err(|error| error.kind())
        };
        let on = NamePrefix::default().with_caches();
        for (path, is_served) in [
            ("/var/site/cache/public/javascript/a.js", true),
            ("/var/cache/texttoimage/a.png", true),
            ("/var/site/cache/content/a", false),
            ("/var/site/cache/publicity/a.js", false),
            ("/cache/public/a.js", false),
        ] {
            assert_eq!(kind(path, &on).is_ok(), is_served, "{path}");
            assert_eq!(kind(path, &NamePrefix::default()), Err(ErrorKind::Denied), "{path}");
        }
    }
}
