//! Text: whether bytes are that, and what markup or notation it is.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde::de::IgnoredAny;

/// How far from its beginning a PDF may have its header (ISO 32000-1, annex H, note 13).
const PDF_HEADER_WITHIN: usize = 1024;

/// Tags by which a document is HTML (WHATWG MIME Sniffing, 7.1), and `svg`, which in a
/// document that is no SVG is HTML's.
const HTML_TAGS: [&str; 17] = [
    "html", "head", "script", "iframe", "h1", "div", "font", "table", "a", "style", "title", "b",
    "body", "br", "p", "img", "svg",
];

/// What is believed of the library where bytes are text: types that firm marks tell. Source
/// code, lists of values and the like it guesses from words that stand in any letter.
const FORMATS: [&str; 14] = [
    "application/eps",
    "application/pgp",
    "application/postscript",
    "application/rtf",
    "application/x-bittorrent",
    "application/x-pem-file",
    "application/x-subrip",
    "image/gif",
    "message/rfc822",
    "text/calendar",
    "text/rtf",
    "text/vcard",
    "text/vtt",
    "text/x-diff",
];

/// The text that these bytes are; `None` if they are none. The end may be cut within a
/// character. As file(1) has it: no control characters but those that printers obey.
pub(super) fn decode(head: &[u8]) -> Option<String> {
    match head {
        [0xff, 0xfe, rest @ ..] => return Some(decode_utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => return Some(decode_utf16(rest, u16::from_be_bytes)),
        _ => {}
    }
    let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    let is_text = |byte: &u8| matches!(byte, 0x07..=0x0d | 0x1b | 0x20..=0x7e | 0x80..);
    if head.is_empty() || !head.iter().all(is_text) {
        return None;
    }
    Some(match str::from_utf8(head) {
        Ok(text) => text.to_owned(),
        Err(cut) if cut.error_len().is_none() => {
            String::from_utf8_lossy(&head[..cut.valid_up_to()]).into_owned()
        }
        // Latin-1 or another that agrees with it in ASCII, which is all that is looked for.
        Err(_) => head.iter().map(|byte| char::from(*byte)).collect(),
    })
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The type of text that must not be mistaken, or that the library does not know.
pub(super) fn sniff(text: &str, is_whole: bool) -> Option<&'static str> {
    let start = text.trim_start();
    if is_php(start.strip_prefix("<?").unwrap_or_default()) {
        Some("text/x-php")
    } else if is_svg(start) {
        Some("image/svg+xml")
    } else if start.starts_with("<?xml") {
        Some("text/xml")
    } else if is_html(start) {
        Some("text/html")
    } else if has_pdf_header(text.as_bytes()) {
        Some("application/pdf")
    } else if is_json(start, is_whole) {
        Some("application/json")
    } else {
        None
    }
}

/// What the library has found, if that is to be believed of this text.
pub(super) fn format(text: &str, found: &'static str) -> &'static str {
    let is_script = text.starts_with("#!") && found.starts_with("text/x-");
    if is_script || FORMATS.contains(&found) { found } else { "text/plain" }
}

/// Whether a processing instruction is code.
fn is_php(instruction: &str) -> bool {
    instruction.starts_with("php") || instruction.starts_with('=')
}

/// Whether this is the beginning of a document whose one root element is `svg`.
fn is_svg(start: &str) -> bool {
    let mut xml = Reader::from_str(start);
    let (mut depth, mut has_root) = (0_usize, false);
    loop {
        match xml.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag))
                if depth == 0 && (has_root || tag.local_name().as_ref() != "svg") =>
            {
                return false;
            }
            Ok(Event::Start(_)) => (depth, has_root) = (depth + 1, true),
            Ok(Event::Empty(_)) => has_root = true,
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::DocType(doctype)) if !is_doctype_svg(&doctype) => return false,
            Ok(Event::PI(instruction)) if is_php(&instruction) => return false,
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_)) => {}
            Ok(Event::Text(text)) if depth == 0 && !text.trim_ascii().is_empty() => return false,
            Ok(Event::CData(_) | Event::GeneralRef(_)) if depth == 0 => return false,
            Ok(Event::Eof) => return has_root,
            Ok(_) => {}
            // Cut, or not well-formed: what is known is the root.
            Err(_) if has_root => return depth > 0,
            Err(_) => {
                let at = usize::try_from(xml.error_position()).unwrap_or(usize::MAX);
                return start.get(at..).is_some_and(is_cut_svg);
            }
        }
    }
}

/// Whether this is a start tag of `svg` that ends with the text.
fn is_cut_svg(tag: &str) -> bool {
    let name = tag.strip_prefix('<').and_then(|tag| tag.split_whitespace().next());
    !tag.contains('>') && name.is_some_and(is_named_svg)
}

fn is_doctype_svg(doctype: &str) -> bool {
    let name = doctype.trim_start().split(|c: char| c.is_whitespace() || c == '[').next();
    name.is_some_and(is_named_svg)
}

/// With a prefix or without.
fn is_named_svg(name: &str) -> bool {
    name.rsplit(':').next() == Some("svg")
}

/// Whether a browser would take this for HTML.
fn is_html(start: &str) -> bool {
    let mut rest = start;
    while let Some(comment) = rest.strip_prefix("<!--") {
        let Some((_, after)) = comment.split_once("-->") else { return true };
        rest = after.trim_start();
    }
    let Some(tag) = rest.strip_prefix('<') else { return false };
    let begins = |name: &str| tag.get(..name.len()).is_some_and(|is| is.eq_ignore_ascii_case(name));
    let ends = |length: usize| {
        tag[length..].chars().next().is_some_and(|c| c.is_whitespace() || matches!(c, '>' | '/'))
    };
    begins("!doctype html") || HTML_TAGS.iter().any(|name| begins(name) && ends(name.len()))
}

/// Whether a line near the beginning is the header of a PDF.
pub(super) fn has_pdf_header(head: &[u8]) -> bool {
    let near = &head[..head.len().min(PDF_HEADER_WITHIN)];
    let mut lines = near.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.any(|line| line.trim_ascii_start().starts_with(b"%PDF-"))
}

/// Whether this is an object or an array of JSON, or as much of one as there is.
pub(super) fn is_json(start: &str, is_whole: bool) -> bool {
    let is_container = start.trim_start().starts_with(['{', '[']);
    is_container
        && match serde_json::from_str::<IgnoredAny>(start) {
            Ok(_) => true,
            Err(failed) => failed.is_eof() && !is_whole,
        }
}
