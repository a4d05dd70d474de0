//! Content types: what the table says is not passed on unseen.

use crate::support::db::TestDb;
use crate::support::http::{get, request};
use crate::support::{Group, Result};

use super::door::Door;
use super::site::{Row, Site, url};

pub(super) fn register(group: &mut Group, door: Door) {
    group.per_database("stored_datatype_is_sanitised", move |db| stored_datatype(door, db));
}

const DOWNLOAD: &str = "application/octet-stream";

/// Extension, stored `datatype`, sent `Content-Type`.
const TYPES: &[(&str, &str, &str)] = &[
    ("jpg", "image/jpeg", "image/jpeg"),
    ("png", "image/png", "image/png"),
    ("webp", "image/webp", "image/webp"),
    ("jpg", "IMAGE/JPEG", "image/jpeg"),
    ("jpg", "image/pjpeg", "image/jpeg"),
    ("svg", "image/svg+xml", "image/svg+xml"),
    // Legacy stores words that are no types: the name decides.
    ("jpg", "misc", "image/jpeg"),
    ("PNG", "misc", "image/png"),
    ("gif", "", "image/gif"),
    ("svg", "misc", "image/svg+xml"),
    ("pdf", "misc", DOWNLOAD),
    ("php", "php", DOWNLOAD),
    ("html", "", DOWNLOAD),
    ("xml", "xml", DOWNLOAD),
    // What a browser would run.
    ("jpg", "text/html", DOWNLOAD),
    ("html", "text/html", DOWNLOAD),
    ("png", "text/javascript", DOWNLOAD),
    ("png", "application/xhtml+xml", DOWNLOAD),
    ("swf", "application/x-shockwave-flash", DOWNLOAD),
    ("png", "image/png\r\nX-Injected: yes", DOWNLOAD),
    ("png", "image/png\nX-Injected: yes", DOWNLOAD),
    ("png", "misc\r\n\r\n<script>alert(1)</script>", DOWNLOAD),
    ("png", "image/png; charset=utf-7", "image/png"),
    ("png", "image/ png", DOWNLOAD),
    ("png", "é/ü", DOWNLOAD),
];

fn stored_datatype(door: Door, db: TestDb) -> Result {
    let site = Site::new(db)?;
    let path = |i: usize, extension: &str| format!("images/{i}.{extension}");
    for (i, (extension, datatype, _)) in TYPES.iter().enumerate() {
        let row = Row { datatype, ..Row::new("", 0) };
        site.put_foreign(&path(i, extension), b"<script>alert(1)</script>", row)?;
    }
    let server = door.serve(&site, "")?;
    for (i, (extension, datatype, sent)) in TYPES.iter().enumerate() {
        let target = url(&path(i, extension));
        for answer in [
            get(server.port(), &target),
            request(server.port(), "HEAD", &target, &[]),
            request(server.port(), "GET", &target, &[("Range", "bytes=0-3")]),
        ] {
            let what = format!("{extension} {datatype:?}: {answer:?}");
            assert!(matches!(answer.status, 200 | 206), "{what}");
            assert_eq!(answer.header_all("Content-Type"), [*sent], "{what}");
            assert_eq!(answer.header_all("X-Content-Type-Options"), ["nosniff"], "{what}");
            let attachment = answer.header("Content-Disposition") == Some("attachment");
            assert_eq!(attachment, *sent == DOWNLOAD, "{what}");
            let policy = answer.header("Content-Security-Policy").unwrap_or_default();
            assert_eq!(policy.contains("sandbox"), *sent == "image/svg+xml", "{what}");
            assert_eq!(answer.header("X-Injected"), None, "{what}");
        }
    }
    Ok(())
}
