//! MIME types: found from the first bytes, checked before they are stored.

mod sniff;
mod text;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::MAX_MIME_LEN;

pub(crate) use sniff::SNIFF_LEN;
pub use sniff::sniff;

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

/// Checks what a caller who writes a row alone wants stored as its `datatype`: the row
/// of somebody else's file is kept as it is, and legacy's have words such as `misc`.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] for control characters, and for more than 255 bytes.
pub(crate) fn check_datatype(datatype: &str) -> Result<&str> {
    if datatype.len() <= MAX_MIME_LEN && !datatype.contains(char::is_control) {
        return Ok(datatype);
    }
    let reason = format!("has control characters, or more than {MAX_MIME_LEN} bytes");
    Err(Error::new(ErrorKind::InvalidInput, "mime_type", datatype, reason))
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
    fn what_would_break_a_header_is_refused() {
        for bad in ["", "misc", "image/", "image/png\r\nSet-Cookie: a=b", "é/é", "a/b\0"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&format!("image/{}", "x".repeat(250))).is_err());
        assert_eq!(check("text/plain; charset=utf-8").unwrap(), "text/plain; charset=utf-8");
    }

    #[test]
    fn a_row_may_say_what_legacy_says() {
        for word in ["", "misc", "php", "image/png", "é"] {
            assert_eq!(check_datatype(word).unwrap(), word);
        }
        for bad in ["image/png\r\nSet-Cookie: a=b", "a\0", "\u{85}", &"x".repeat(256)] {
            assert!(check_datatype(bad).is_err(), "{bad:?}");
        }
    }
}
