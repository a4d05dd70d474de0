//! Which files are served at all, and what is said of them.

use std::fs;

use crate::support::db::TestDb;
use crate::support::http::{Connection, Response, get, head, request};
use crate::support::{Group, Result, Servers};

use super::door::{Also, Door, Place};
use super::site::{Row, STORAGE, Site, url};

pub(super) fn register(group: &mut Group, door: Door) {
    group.per_database("only_live_rows_are_served", move |db| only_live_rows(door, db));
    group.add("head_sends_headers_alone", move |servers| head_sends_headers_alone(door, servers));
    group.add("empty_file_is_served", move |servers| empty_file(door, servers));
    group.add("row_without_file_is_404", move |servers| row_without_file(door, servers));
    group.per_database("opened_file_decides_its_length", move |db| opened_file_decides(door, db));
    group.add("other_areas_are_404", move |servers| other_areas(door, servers));
    group.add("other_methods_are_405", move |servers| other_methods(door, servers));
}

/// The row decides, whatever lies on the mount.
fn only_live_rows(door: Door, db: TestDb) -> Result {
    let site = Site::new(db)?;
    site.put("images/live.png", b"live")?;
    site.write("images/no-row.png", b"no row")?;
    let row = Row::new("", 0);
    for (path, row) in [
        ("images/expired.png", Row { expired: true, ..row }),
        ("images/deleted.png", Row { mtime: -1_700_000_000, expired: true, ..row }),
        ("images/negative.png", Row { mtime: -1_700_000_000, ..row }),
        ("images/zero.png", Row { mtime: 0, ..row }),
        ("images/foreign.png", row),
    ] {
        site.put_foreign(path, path.as_bytes(), row)?;
    }
    let server = door.serve(&site, "")?;
    let status = |path: &str| get(server.port(), &url(path)).status;
    assert_eq!(status("images/live.png"), 200);
    assert_eq!(status("images/foreign.png"), 200);
    for path in ["no-row", "expired", "deleted", "negative", "zero"] {
        assert_eq!(status(&format!("images/{path}.png")), 404, "{path}");
    }
    Ok(())
}

fn head_sends_headers_alone(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put_foreign("images/a.png", b"0123456789", Row::new("", 10))?;
    let server = door.serve(&site, "")?;
    let answer = head(server.port(), &url("images/a.png"));
    let with_body = get(server.port(), &url("images/a.png"));
    let without_date = |answer: &Response| {
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| name != "Date");
        headers
    };
    assert_eq!((answer.status, without_date(&answer)), (200, without_date(&with_body)));
    for (name, value) in [
        ("Content-Type", "image/png"),
        ("Content-Length", "10"),
        ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("ETag", "\"1700000000-10\""),
        ("X-Content-Type-Options", "nosniff"),
        ("Accept-Ranges", "bytes"),
    ] {
        assert_eq!(answer.header_all(name), [value], "{name}");
    }
    Ok(())
}

fn empty_file(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/empty.png", b"")?;
    let server = door.serve(&site, "")?;
    let mut connection = Connection::open(server.port())?;
    for method in ["GET", "HEAD", "GET"] {
        let answer = connection.request(method, &url("images/empty.png"), &[])?;
        // httpd tells no length of nothing where nothing is sent.
        let length = (door, method) != (Door::Apache, "HEAD");
        assert_eq!((answer.status, answer.header("Content-Length")), (200, length.then_some("0")));
    }
    let range = [("Range", "bytes=0-")];
    let answer = connection.request("GET", &url("images/empty.png"), &range)?;
    assert!(matches!(answer.status, 200 | 416), "{answer:?}");
    Ok(())
}

fn row_without_file(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/there.png", b"there")?;
    site.row(Row::new(&format!("{STORAGE}/images/missing.png"), 1000));
    let server = door.of(&site, "").section(Place::Images, "main", &[Also::Expires]).start()?;
    let answer = get(server.port(), &url("images/missing.png"));
    assert_eq!(answer.status, 404);
    for name in ["ETag", "Last-Modified", "Expires", "Cache-Control", "Accept-Ranges"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let log = server.error_log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("missing.png")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    // httpd names the module before the level.
    assert!(lines[0].contains("error]"), "{log}");
    let answer = get(server.port(), &url("images/there.png"));
    assert!(answer.status == 200 && answer.header("Expires").is_some(), "{answer:?}");
    Ok(())
}

fn opened_file_decides(door: Door, db: TestDb) -> Result {
    let site = Site::new(db)?;
    let path = "images/a.png";
    site.put_foreign(path, b"first", Row::new("", 5))?;
    let server = door.serve(&site, "cache_ttl 1h;")?;
    assert_eq!(get(server.port(), &url(path)).body, b"first");

    // Another node writes meanwhile: the remembered row does not fit the file any more.
    site.put_foreign(path, b"second version", Row { mtime: 1_700_000_100, ..Row::new("", 0) })?;
    let answer = get(server.port(), &url(path));
    assert_eq!(answer.body, b"second version");
    assert_eq!(answer.header("ETag"), Some("\"1700000100-14\""));

    // A row that stays wrong.
    for bytes in [&b"short"[..], b"a file that is longer than its row says"] {
        site.write(path, bytes)?;
        let mut connection = Connection::open(server.port())?;
        for _ in 0..2 {
            let answer = connection.request("GET", &url(path), &[])?;
            assert_eq!((answer.status, &*answer.body), (200, bytes));
        }
    }
    Ok(())
}

fn other_areas(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let names = [
        "var/site/storage/original/image/a.png",
        "var/site/storage-x/images/a.png",
        "var/site/cache/public/a.png",
        "var/site/storage/imagesx/a.png",
        "var/site/storage/trashed/a.png",
        "var/site/images/a.png",
        "etc/passwd.png",
    ];
    for name in names {
        let file = site.root().join(name);
        fs::create_dir_all(file.parent().ok_or("no parent")?)?;
        fs::write(&file, b"picture")?;
        site.row(Row::new(name, 7));
    }
    let server = door.of(&site, "").section(Place::Everything, "main", &[Also::Drafts]).start()?;
    for name in names {
        let answer = get(server.port(), &format!("/{name}"));
        assert_eq!(answer.status, 404, "{name}");
    }
    Ok(())
}

fn other_methods(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let server = door.serve(&site, "")?;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer =
            request(server.port(), method, &url("images/a.png"), &[("Content-Length", "0")]);
        assert_eq!(answer.status, 405, "{method}");
        let allow = answer.header("Allow").unwrap_or_default();
        let mut allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
        // httpd answers it by itself.
        allowed.retain(|&method| method != "TRACE");
        allowed.sort_unstable();
        assert_eq!(allowed, ["GET", "HEAD"], "{method}");
    }
    let mut connection = Connection::open(server.port())?;
    connection.send("POST", &url("images/a.png"), &[("Content-Length", "5")])?;
    connection.send_raw(b"a = 1")?;
    assert_eq!(connection.receive("POST")?.status, 405);
    // The body is not taken for the next request.
    let answer = connection.request("GET", &url("images/a.png"), &[])?;
    assert_eq!((answer.status, &*answer.body), (200, &b"a"[..]));
    Ok(())
}
