//! MIME types: found from the first bytes, checked before they are stored.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::error::{Error, ErrorKind, Result};
use crate::forks::Place;
use crate::metadata::{DEFAULT_MIME, MAX_MIME_LEN};

/// How much of a file's beginning [`sniff`] looks at.
pub(crate) const SNIFF_LEN: usize = 4096;

/// The MIME type of a file that begins with these bytes.
///
/// Neither the name nor the client is asked: both are the uploader's word.
pub fn sniff(head: &[u8]) -> &'static str {
    let head = &head[..head.len().min(SNIFF_LEN)];
    if head.is_empty() {
        return DEFAULT_MIME;
    }
    // First: style sheets and links within a picture look like source code.
    if is_svg(head) {
        return "image/svg+xml";
    }
    // The first call makes tables, under a lock.
    let place = Place::take();
    let found = mimetype_detector::detect(head).mime();
    drop(place);
    // Parameters (`text/plain; charset=utf-8`) are a guess that outlives edits.
    found.split(';').next().unwrap_or(DEFAULT_MIME).trim_end()
}

/// Whether this is the beginning of XML whose root element is `svg`.
fn is_svg(head: &[u8]) -> bool {
    // The end may be cut within a character, the rest be Latin-1.
    let text = String::from_utf8_lossy(head);
    let mut xml = Reader::from_str(text.trim_start_matches('\u{feff}').trim_ascii_start());
    loop {
        match xml.read_event() {
            Ok(Event::Start(root) | Event::Empty(root)) => {
                return root.local_name().as_ref() == "svg";
            }
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_)) => {}
            Ok(Event::Text(text)) if text.trim_ascii().is_empty() => {}
            _ => return false,
        }
    }
}

/// Checks a MIME type that a caller wants stored.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] unless it is `type/subtype`, optionally with
/// parameters, in printable ASCII of at most 255 bytes.
pub(crate) fn check(mime: &str) -> Result<&str> {
    let essence = mime.split(';').next().unwrap_or_default().trim_end();
    let well_formed = essence.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub));
    let printable = mime.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if well_formed && printable && mime.len() <= MAX_MIME_LEN {
        return Ok(mime);
    }
    let reason = format!("not a MIME type of at most {MAX_MIME_LEN} bytes such as image/jpeg");
    Err(Error::new(ErrorKind::InvalidInput, "mime_type", mime, reason))
}

/// A token of RFC 9110.
fn token(text: &str) -> bool {
    let special = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || special(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "image/svg+xml";

    #[test]
    fn pictures_are_known_by_their_bytes() {
        for (head, mime) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", SVG),
            (b"<svg><style>text{font-family: Arial}</style><text y=\"9\">a</text></svg>", SVG),
            (b"<svg><path style=\"fill:none;stroke:#000\"/></defs><use href=\"#a\"/></svg>", SVG),
            (b"<?xml version=\"1.0\"?><svg><foreignObject><div xmlns=\"x/1999/xhtml\"/>", SVG),
            (
                b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- <html> -->\n\
                  <!DOCTYPE svg [\n <!ENTITY a \"b>\">\n]>\n<svg:svg x=\"1\"",
                SVG,
            ),
            (b"<!DOCTYPE html><html><svg/></html>", "text/html"),
            (b"<html><body><svg/></body></html>", "text/html"),
            (b"%PDF-1.4\n", "application/pdf"),
            (b"just words\n", "text/plain"),
            (b"", DEFAULT_MIME),
        ] {
            assert_eq!(sniff(head), mime);
        }
    }

    #[test]
    fn what_would_break_a_header_is_refused() {
        for bad in ["", "misc", "image/", "image/png\r\nSet-Cookie: a=b", "é/é", "a/b\0"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&format!("image/{}", "x".repeat(250))).is_err());
        assert_eq!(check("text/plain; charset=utf-8").unwrap(), "text/plain; charset=utf-8");
    }
}
