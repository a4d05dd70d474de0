//! The MIME type of a file, by its first bytes.

use super::text;
use crate::forks::Place;
use crate::metadata::DEFAULT_MIME;

/// How much of a file's beginning [`sniff`] looks at.
pub(crate) const SNIFF_LEN: usize = 4096;

/// Bytes that fewer than these say nothing of: each pair begins some format.
const MIN_SIGNATURE: usize = 3;

/// What the library does not know: offset, bytes, type.
const SIGNATURES: [(usize, &[u8], &str); 7] = [
    // With a short header it panics (0.3.13).
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", "video/x-ms-asf"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (28, b"\x80theora", "video/ogg"),
    // Files of QuickTime before there was a type of file in them.
    (4, b"moov", "video/quicktime"),
    (4, b"mdat", "video/quicktime"),
    (4, b"wide", "video/quicktime"),
    (4, b"skip", "video/quicktime"),
];

/// The MIME type of a file that begins with these bytes.
///
/// Neither the name nor the client is asked: both are the uploader's word.
pub fn sniff(head: &[u8]) -> &'static str {
    let is_whole = head.len() < SNIFF_LEN;
    let head = &head[..head.len().min(SNIFF_LEN)];
    // Before all: a member's name, which comes first, may be any other format's mark.
    if is_tar(head) {
        return "application/x-tar";
    }
    if head.len() < MIN_SIGNATURE {
        return sniff_short(head);
    }
    match text::decode(head) {
        Some(text) => {
            text::sniff(&text, is_whole).unwrap_or_else(|| text::format(&text, detect(head)))
        }
        None => sniff_binary(head),
    }
}

fn sniff_short(head: &[u8]) -> &'static str {
    match str::from_utf8(head) {
        Ok(text) if text::is_json(text, true) => "application/json",
        Ok(text) if !text.is_ascii() => "text/plain",
        _ => DEFAULT_MIME,
    }
}

fn sniff_binary(head: &[u8]) -> &'static str {
    let has =
        |offset: usize, mark: &[u8]| head.get(offset..).is_some_and(|at| at.starts_with(mark));
    if let Some((_, _, mime)) = SIGNATURES.iter().find(|(offset, mark, _)| has(*offset, mark)) {
        return mime;
    }
    if is_mpeg_audio(head) {
        return "audio/mpeg";
    }
    match detect(head) {
        DEFAULT_MIME if text::has_pdf_header(head) => "application/pdf",
        // Text is what `text::decode` takes for it.
        mime if mime.starts_with("text/") => DEFAULT_MIME,
        mime => mime,
    }
}

/// What the library makes of it, without parameters: `text/plain; charset=utf-8` is a
/// guess that outlives edits.
fn detect(head: &[u8]) -> &'static str {
    // The first call makes tables, under a lock.
    let place = Place::take();
    let found = mimetype_detector::detect(head).mime();
    drop(place);
    found.split(';').next().unwrap_or(DEFAULT_MIME).trim_end()
}

/// Whether this begins with the header of a tar member: it holds the sum of its bytes,
/// its own field counted as spaces.
fn is_tar(head: &[u8]) -> bool {
    const SUM: std::ops::Range<usize> = 148..156;
    let Some(header) = head.get(..512) else { return false };
    let field = String::from_utf8_lossy(&header[SUM]);
    let stated = u64::from_str_radix(field.trim_matches(['\0', ' ']), 8);
    let spaces = SUM.len() as u64 * u64::from(b' ');
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    header[0] != 0 && stated == Ok(sum(&header[..SUM.start]) + spaces + sum(&header[SUM.end..]))
}

/// Whether this begins with a frame of MPEG audio, layer III (MP3), without a tag before it.
fn is_mpeg_audio(head: &[u8]) -> bool {
    let [0xff, version, rates, ..] = *head else { return false };
    let (bit_rate, sample_rate) = (rates >> 4, (rates >> 2) & 3);
    version & 0b1110_0110 == 0b1110_0010
        && version & 0b0001_1000 != 0b0000_1000
        && !matches!(bit_rate, 0 | 15)
        && sample_rate != 3
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "image/svg+xml";
    const PDF: &str = "application/pdf";

    #[test]
    fn pictures_are_known_by_their_bytes() {
        for (head, mime) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "image/jxl"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", SVG),
            (b"<svg><style>text{font-family: Arial}</style><text y=\"9\">a</text></svg>", SVG),
            (b"<svg><path style=\"fill:none;stroke:#000\"/></defs><use href=\"#a\"/></svg>", SVG),
            (b"<?xml version=\"1.0\"?><svg><foreignObject><div xmlns=\"x/1999/xhtml\"/>", SVG),
            (b"<svg><title>\xe9t\xe9</title></svg>\n<!-- made by hand -->\n", SVG),
            (
                b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- <html> -->\n\
                  <!DOCTYPE svg [\n <!ENTITY a \"b>\">\n]>\n<svg:svg x=\"1\"",
                SVG,
            ),
        ] {
            assert_eq!(sniff(head), mime, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn what_a_browser_would_run_is_no_picture() {
        for head in [
            &b"<!DOCTYPE html><html><svg/></html>"[..],
            b"<!DOCTYPE html><svg></svg>",
            b"<html><body><svg/></body></html>",
            b"<!-- <svg> --><html>",
            b"\n<!-- a -->\n<!-- <svg/> -->\n<BODY onload=\"a()\">",
            b"<svg/><html>",
            b"<svg></svg>\n<script>a()</script>",
            b"<svg/>words",
        ] {
            assert_eq!(sniff(head), "text/html", "{}", String::from_utf8_lossy(head));
        }
        assert_eq!(sniff(b"words <svg/>"), "text/plain");
        for head in [&b"<?php echo '<svg/>';"[..], b"<?php ?>\n<svg/>", b"<?= `id` ?><svg/>"] {
            assert_eq!(sniff(head), "text/x-php", "{}", String::from_utf8_lossy(head));
        }
        assert_ne!(sniff(b"<!-- --><?php ?><svg/>"), SVG);
        for head in [&b"#define a_width 5\n<html>"[..], b"P1\n<html>", b"/* XPM */<html>"] {
            assert_eq!(sniff(head), "text/plain", "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn text_is_text_in_any_encoding() {
        for head in [
            &b"just words\n"[..],
            b"Caf\xe9 cr\xe8me, M\xfcnchen\n",
            b"\x93quoted\x94 \x96 caf\xe9",
            b"\xff\xfeH\0i\0!\0",
            b"\xef\xbb\xbfwords",
            b"1;\r\n2;\r\n",
            b"[section]\nkey=value\n",
            b"is:\n    <jab@debian.org>",
            b"You may use strict rules; my dog agrees.\n",
            b"In this class we define a module.\nend\n",
            b"Dear Sir, you, me\n",
            b"Hello, world, again.\nBye, bye, now.\n",
            b"=> {\n}",
            b"hello\x0bworld, text\n",
            "\u{e9}".as_bytes(),
            &"\u{e9}".repeat(SNIFF_LEN).as_bytes()[..SNIFF_LEN - 1],
        ] {
            assert_eq!(sniff(head), "text/plain", "{}", String::from_utf8_lossy(head));
        }
        assert_eq!(sniff(b"<?xml version='1.0'?><project><model/></project>"), "text/xml");
        assert_eq!(sniff(b"#!/usr/bin/perl\nprint 1;\n"), "text/x-perl");
        assert_eq!(sniff(b" {\"a\": [1]}\n"), "application/json");
        let long = format!("[{}", "1, ".repeat(SNIFF_LEN));
        assert_eq!(sniff(long.as_bytes()), "application/json");
    }

    #[test]
    fn documents_and_archives_are_known_by_their_bytes() {
        for head in [
            &b"%PDF-1.4\n"[..],
            b"\n%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\0",
            b"\r\n\r\n%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
            b"\xef\xbb\xbf%PDF-1.4\n",
            b"sent by mail\n%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
        ] {
            assert_eq!(sniff(head), PDF, "{}", String::from_utf8_lossy(head));
        }
        for name in ["a.txt", "BM.txt", "GIF89a", "ID3", "<svg>", "%PDF-1.4"] {
            assert_eq!(sniff(&tar(name)), "application/x-tar", "{name}");
        }
        assert_eq!(sniff(b"\xff\xfb\x90\x64\0\0"), "audio/mpeg");
        assert_eq!(sniff(b"\0\0\0\x6cmoov\0\0\0\x64mvhd"), "video/quicktime");
    }

    /// The header of a member, as V7 and POSIX have it alike.
    fn tar(name: &str) -> Vec<u8> {
        let mut header = [0; 1024];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..136].copy_from_slice(b"00000000005\0");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header.to_vec()
    }

    #[test]
    fn one_or_two_bytes_say_nothing() {
        for head in [&b""[..], b"a", b"\n", b"BM", b"MZ", b"PK", b"\x1f\x8b", b"#!", b"\0a"] {
            assert_eq!(sniff(head), DEFAULT_MIME, "{head:?}");
        }
        assert_eq!(sniff(b"{}"), "application/json");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let asf = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
        assert_eq!(sniff(&[&asf[..], &[0; 30]].concat()), "video/x-ms-asf");

        // Every known mark with every length of zeros, spaces and marks behind it.
        let marks: [&[u8]; 14] = [
            asf,
            b"PK\x03\x04",
            b"RIFF",
            b"OggS\0",
            b"\x1aE\xdf\xa3",
            b"\0\0\0\x18ftyp",
            b"ID3\x04",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            b"II*\0",
            b"%PDF-",
            b"<svg",
            b"\x7fELF",
            b"MZ",
            b"BM",
        ];
        for mark in marks {
            for filling in [b'\0', b' ', b'\xff', b'<'] {
                for length in (0..48).chain((48..600).step_by(61)) {
                    sniff(&[mark, &vec![filling; length]].concat());
                    sniff(&[&vec![filling; length], mark].concat());
                }
            }
        }
    }
}
