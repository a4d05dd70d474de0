//! MIME types: found from the first bytes, checked before they are stored.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{DEFAULT_MIME, MAX_MIME_LEN};

/// How much of a file's beginning [`sniff`] looks at.
pub(crate) const SNIFF_LEN: usize = 4096;

/// The MIME type of a file that begins with these bytes.
///
/// Neither the name nor the client is asked: both are the uploader's word.
pub fn sniff(head: &[u8]) -> &'static str {
    if head.is_empty() {
        return DEFAULT_MIME;
    }
    let found = mimetype_detector::detect(&head[..head.len().min(SNIFF_LEN)]).mime();
    // Parameters (`text/plain; charset=utf-8`) are a guess that outlives edits.
    found.split(';').next().unwrap_or(DEFAULT_MIME).trim_end()
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

    #[test]
    fn pictures_are_known_by_their_bytes() {
        for (head, mime) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "image/svg+xml"),
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
