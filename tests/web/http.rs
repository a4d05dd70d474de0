//! Conditional and range requests: one table, asked of each module and, in the same nginx, of plain
//! `root` on the same tree.

use std::fs::File;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::http::{Connection, Response, head, request};
use crate::support::nginx;
use crate::support::{Group, Result, Servers};

use super::door::{Also, Door, Place, Server, Setup};
use super::site::{Row, STORAGE, Site, url};

pub(super) fn register(group: &mut Group, door: Door) {
    group.add("answers_are_those_of_plain_root_and_the_rfc", move |servers| table(door, servers));
    group.add("head_of_conditional_requests_has_no_body", move |servers| {
        head_of_conditional_requests(door, servers)
    });
    group.add("not_modified_keeps_validators", move |servers| {
        not_modified_keeps_validators(door, servers)
    });
    group.add("file_above_4_gib", move |servers| file_above_4_gib(door, servers));
}

const SIZE: usize = 1000;
const MTIME: i64 = 1_700_000_000;
/// `MTIME` and the days around it.
const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
const EARLIER: &str = "Mon, 13 Nov 2023 22:13:20 GMT";
const LATER: &str = "Wed, 15 Nov 2023 22:13:20 GMT";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Full,
    Part(Range<usize>),
    Parts(Vec<Range<usize>>),
    NotModified,
    PreconditionFailed,
    NotSatisfiable,
}
use Answer::{Full, NotModified, NotSatisfiable, Part, Parts, PreconditionFailed};

/// A request, and what RFC 9110 says of it.
#[derive(Clone)]
struct Case {
    /// `ETAG` stands for the server's own tag, `ETAG_UNQUOTED` for its inside.
    headers: Vec<(&'static str, &'static str)>,
    answer: Answer,
    /// What plain `root` of nginx answers instead, and why.
    plain: Option<(Answer, &'static str)>,
    /// What httpd answers instead, whose ranges are its own, and why that is allowed.
    httpd: Option<(Answer, &'static str)>,
}

fn case(headers: &[(&'static str, &'static str)], answer: Answer) -> Case {
    Case { headers: headers.to_vec(), answer, plain: None, httpd: None }
}

impl Case {
    fn but_plain(mut self, answer: Answer, reason: &'static str) -> Self {
        self.plain = Some((answer, reason));
        self
    }

    fn but_httpd(mut self, answer: Answer, reason: &'static str) -> Self {
        self.httpd = Some((answer, reason));
        self
    }
}

fn ranges() -> Vec<Case> {
    let range = |value, answer| case(&[("Range", value)], answer);
    let ignored = "a server may ignore any Range";
    let malformed = "nginx takes a malformed range for one that cannot be satisfied";
    vec![
        range("bytes=0-0", Part(0..1)),
        range("bytes=5-5", Part(5..6)),
        range("bytes=999-", Part(999..1000)),
        range("bytes=-100", Part(900..1000)),
        range("bytes=-2000", Part(0..1000)),
        range("bytes=0-99999", Part(0..1000)),
        range("bytes=0-", Part(0..1000)),
        range("bytes=0-999", Part(0..1000)),
        range("bytes=998-5000", Part(998..1000)),
        range("bytes=1000-", NotSatisfiable),
        range("bytes=2000-3000", NotSatisfiable),
        range("bytes=-0", NotSatisfiable).but_httpd(Full, ignored),
        // RFC: ignore or 416.
        range("bytes=10-5", NotSatisfiable).but_httpd(Full, ignored),
        range("bytes=0-1,5-6", Parts(vec![0..2, 5..7])),
        range("bytes=0-1, -2", Parts(vec![0..2, 998..1000])).but_httpd(Full, ignored),
        range("bytes=0-1,2000-", Part(0..2)),
        // Together more than the file: nginx spares itself the trouble.
        range("bytes=0-,0-", Full).but_httpd(Part(0..1000), "it is once the file"),
        range("items=0-5", Full),
        range("bytes", Full),
        range("bytes=abc-", Full).but_plain(NotSatisfiable, malformed),
        range("bytes=", Full),
        range("bytes=-", Full).but_plain(NotSatisfiable, malformed),
        range("bytes=0-5x", Full).but_plain(NotSatisfiable, malformed),
        range("bytes=0-1;5-6", Full).but_plain(NotSatisfiable, malformed),
        range("bytes=99999999999999999999-", Full).but_plain(NotSatisfiable, malformed),
    ]
}

fn conditional_ranges() -> Vec<Case> {
    let if_range = |value, answer| case(&[("Range", "bytes=0-9"), ("If-Range", value)], answer);
    vec![
        if_range("ETAG", Part(0..10)),
        if_range("\"other\"", Full),
        if_range("W/ETAG", Full),
        if_range(DATE, Part(0..10)),
        if_range(EARLIER, Full),
        if_range(LATER, Full),
        if_range("garbage", Full),
        case(&[("Range", "bytes=2000-"), ("If-Range", "\"other\"")], Full),
        case(&[("Range", "bytes=0-9"), ("If-None-Match", "ETAG")], NotModified),
        case(&[("Range", "bytes=0-9"), ("If-None-Match", "\"other\"")], Part(0..10)),
        case(&[("Range", "bytes=0-9"), ("If-Match", "\"other\"")], PreconditionFailed),
        case(&[("Range", "bytes=0-9"), ("If-Match", "ETAG")], Part(0..10)),
        case(&[("Range", "bytes=2000-"), ("If-Modified-Since", DATE)], NotModified),
    ]
}

fn conditions() -> Vec<Case> {
    let none_match = |value, answer| case(&[("If-None-Match", value)], answer);
    let since = |value, answer| case(&[("If-Modified-Since", value)], answer);
    let both =
        |tag, date, answer| case(&[("If-None-Match", tag), ("If-Modified-Since", date)], answer);
    let conjunction = "nginx wants If-None-Match and If-Modified-Since to agree";
    let exact = "nginx compares dates for equality by default";
    vec![
        none_match("ETAG", NotModified),
        none_match("W/ETAG", NotModified),
        none_match("\"other\", ETAG", NotModified),
        none_match("\"other\",W/ETAG , \"more\"", NotModified),
        none_match("*", NotModified),
        none_match("\"other\"", Full),
        none_match("ETAG_UNQUOTED", Full),
        none_match("\"\"", Full),
        since(DATE, NotModified),
        since(LATER, NotModified).but_plain(Full, exact),
        since(EARLIER, Full),
        since("garbage", Full),
        since("Tue, 14 Nov 2023 22:13:20 GMT; length=1000", NotModified),
        both("ETAG", EARLIER, NotModified).but_plain(Full, conjunction),
        both("ETAG", DATE, NotModified),
        both("\"other\"", DATE, Full),
        both("\"other\"", LATER, Full),
        case(&[("If-Match", "ETAG")], Full),
        case(&[("If-Match", "*")], Full),
        case(&[("If-Match", "\"other\", ETAG")], Full),
        case(&[("If-Match", "\"other\"")], PreconditionFailed),
        case(&[("If-Match", "W/ETAG")], PreconditionFailed),
        case(&[("If-Unmodified-Since", DATE)], Full),
        case(&[("If-Unmodified-Since", LATER)], Full),
        case(&[("If-Unmodified-Since", EARLIER)], PreconditionFailed),
        case(&[("If-Match", "ETAG"), ("If-Unmodified-Since", EARLIER)], Full)
            .but_plain(PreconditionFailed, "nginx wants both to hold"),
        case(&[("If-Match", "ETAG"), ("If-None-Match", "ETAG")], NotModified),
        case(&[("If-Match", "\"other\""), ("If-None-Match", "ETAG")], PreconditionFailed),
    ]
}

fn table(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let bytes = picture(&site)?;
    let (server, hosts) = match door.of(&site, "").section(Place::Images, "main", &[]) {
        Setup::Nginx(builder) => (beside_plain_root(builder, &site)?, &["localhost", "plain"][..]),
        Setup::Apache(builder) => (Server::Apache(builder.start()?), &["localhost"][..]),
    };
    for &host in hosts {
        let etag = head_from(server.port(), host)?.header("ETag").ok_or("no ETag")?.to_owned();
        for case in [ranges(), conditional_ranges(), conditions()].concat() {
            let answer = ask(server.port(), host, &case, &etag)
                .map_err(|e| format!("{host} {:?}: {e}", case.headers))?;
            let deviates = match (door, host) {
                (Door::Nginx, "plain") => case.plain.as_ref(),
                (Door::Nginx, _) => None,
                (Door::Apache, _) => case.httpd.as_ref(),
            };
            let expected = deviates.map_or(&case.answer, |(answer, _)| answer);
            let why = deviates.map_or("", |(_, reason)| reason);
            check(door, &answer, expected, &bytes, &format!("{host} {:?} {why}", case.headers));
        }
    }
    Ok(())
}

/// In the same nginx the host `plain`, which serves the same tree by itself.
fn beside_plain_root(builder: nginx::Builder, site: &Site) -> Result<Server> {
    let (port, root) = (builder.port(), site.root());
    let plain = format!(
        "types {{ image/png png; }}
         server {{ listen 127.0.0.1:{port}; server_name plain; root {}; }}",
        root.display()
    );
    Ok(Server::Nginx(builder.server("server_name localhost;").http(&plain).start()?))
}

/// `images/a.png`, its file's time that of the row, as `root` knows nothing else.
fn picture(site: &Site) -> Result<Vec<u8>> {
    let bytes: Vec<u8> = (0..SIZE).map(|i| (i % 251) as u8).collect();
    site.put_foreign("images/a.png", &bytes, Row { mtime: MTIME, ..Row::new("", SIZE) })?;
    let file = File::options().append(true).open(site.file("images/a.png"))?;
    file.set_modified(UNIX_EPOCH + Duration::from_secs(MTIME as u64))?;
    Ok(bytes)
}

fn head_from(port: u16, host: &str) -> Result<Response> {
    Connection::open(port)?.request("HEAD", &url("images/a.png"), &[("Host", host)])
}

fn ask(port: u16, host: &str, case: &Case, etag: &str) -> Result<Response> {
    let filled: Vec<(&str, String)> = case
        .headers
        .iter()
        .map(|(name, value)| {
            let value = value.replace("ETAG_UNQUOTED", etag.trim_matches('"'));
            (*name, value.replace("ETAG", etag))
        })
        .collect();
    let headers: Vec<(&str, &str)> = filled.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let headers = [&[("Host", host)], &headers[..]].concat();
    let mut connection = Connection::open(port)?;
    let answer = connection.request("GET", &url("images/a.png"), &headers)?;
    // nginx closes the connection after a 412.
    if answer.status == 412 {
        return Ok(answer);
    }
    // The next request on the connection is answered, too: the body ended where it should.
    let next = connection.request("HEAD", &url("images/a.png"), &[("Host", host)])?;
    assert_eq!(next.status, 200, "after {host} {headers:?}");
    Ok(answer)
}

#[track_caller]
fn check(door: Door, answer: &Response, expected: &Answer, bytes: &[u8], what: &str) {
    let what = format!("{what}: {} {:?}", answer.status, answer.headers);
    let (status, range) = match expected {
        Full => (200, None),
        Part(part) => (206, Some(format!("bytes {}-{}/{SIZE}", part.start, part.end - 1))),
        Parts(_) => (206, None),
        NotModified => (304, None),
        PreconditionFailed => (412, None),
        NotSatisfiable => (416, Some(format!("bytes */{SIZE}"))),
    };
    assert_eq!(answer.status, status, "{what}");
    // Of a range that there is not httpd tells no length.
    let range = range.filter(|_| (door, status) != (Door::Apache, 416));
    assert_eq!(answer.header("Content-Range"), range.as_deref(), "{what}");
    match expected {
        Full => assert!(answer.body == bytes, "{what}"),
        Part(part) => assert!(answer.body == bytes[part.clone()], "{what}"),
        Parts(parts) => assert!(answer.body == multipart(door, answer, parts, bytes), "{what}"),
        NotModified => assert!(answer.body.is_empty(), "{what}"),
        PreconditionFailed | NotSatisfiable => {
            let kind = answer.header("Content-Type").unwrap_or_default();
            assert!(kind.starts_with("text/html"), "{what}");
            assert_eq!(answer.header("X-Content-Type-Options"), None, "{what}");
            let page = answer.text().to_lowercase();
            assert!(page.contains(&format!("<title>{status} ")), "{what}");
        }
    }
}

/// The body that RFC 9110 describes, with the boundary of the answer.
fn multipart(door: Door, answer: &Response, parts: &[Range<usize>], bytes: &[u8]) -> Vec<u8> {
    let content_type = answer.header("Content-Type").unwrap_or_default();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap_or("none");
    let mut body = Vec::new();
    let (type_, place) = match door {
        Door::Nginx => ("Content-Type", "Content-Range"),
        Door::Apache => ("Content-type", "Content-range"),
    };
    for Range { start, end } in parts {
        let head = format!(
            "\r\n--{boundary}\r\n{type_}: image/png\r\n\
             {place}: bytes {start}-{}/{SIZE}\r\n\r\n",
            end - 1
        );
        body.extend(head.as_bytes());
        body.extend(&bytes[*start..*end]);
    }
    body.extend(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

fn head_of_conditional_requests(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    picture(&site)?;
    let server = door.serve(&site, "")?;
    let etag = format!("\"{MTIME}-{SIZE}\"");
    for (header, value, status) in [
        ("If-None-Match", &*etag, 304),
        ("If-None-Match", "\"other\"", 200),
        ("If-Modified-Since", DATE, 304),
        ("If-Match", "\"other\"", 412),
    ] {
        let answer = request(server.port(), "HEAD", &url("images/a.png"), &[(header, value)]);
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{header}: {value}");
    }
    Ok(())
}

/// A cache replaces the headers that it has by those of a 304.
fn not_modified_keeps_validators(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    picture(&site)?;
    let server = door.of(&site, "").section(Place::Images, "main", &[Also::Expires]).start()?;
    let etag = format!("\"{MTIME}-{SIZE}\"");
    let headers = [("If-None-Match", &*etag)];
    let answer = request(server.port(), "GET", &url("images/a.png"), &headers);
    assert_eq!(answer.status, 304);
    assert_eq!(answer.header("ETag"), Some(&*etag));
    assert_eq!(answer.header("Last-Modified"), Some(DATE));
    assert_eq!(answer.header("Cache-Control"), Some("max-age=86400"));
    assert_eq!(answer.header("Content-Length"), None);
    Ok(())
}

fn file_above_4_gib(door: Door, servers: &Servers) -> Result {
    const LENGTH: u64 = (5 << 30) + 7;
    let site = Site::sqlite(servers)?;
    site.write("images/video.png", b"")?;
    let file = File::options().write(true).open(site.file("images/video.png"))?;
    file.set_len(LENGTH)?;
    let marks = [(1_u64 << 31) - 2, (1 << 31) + 5, (1 << 32) - 2, (1 << 32) + 5, LENGTH - 4];
    for mark in marks {
        std::os::unix::fs::FileExt::write_all_at(&file, b"mark", mark)?;
    }
    let name = format!("{STORAGE}/images/video.png");
    site.row(Row { size: LENGTH, ..Row::new(&name, 0) });
    let server = door.serve(&site, "")?;
    let target = url("images/video.png");
    let answer = head(server.port(), &target);
    assert_eq!(answer.header("Content-Length"), Some(&*LENGTH.to_string()));
    assert_eq!(answer.header("ETag"), Some(&*format!("\"{MTIME}-{LENGTH}\"")));
    for mark in marks {
        let range = format!("bytes={mark}-{}", mark + 3);
        let answer = request(server.port(), "GET", &target, &[("Range", &range)]);
        assert_eq!((answer.status, &*answer.body), (206, &b"mark"[..]), "{range}");
        let content_range = format!("bytes {mark}-{}/{LENGTH}", mark + 3);
        assert_eq!(answer.header("Content-Range"), Some(&*content_range));
    }
    let answer = request(server.port(), "GET", &target, &[("Range", "bytes=-4")]);
    assert_eq!((answer.status, &*answer.body), (206, &b"mark"[..]));
    let ranges = format!("bytes={}-{},-4", marks[1], marks[1] + 3);
    let answer = request(server.port(), "GET", &target, &[("Range", &ranges)]);
    assert_eq!((answer.status, answer.text().matches("mark").count()), (206, 2));
    let beyond = format!("bytes={LENGTH}-");
    assert_eq!(request(server.port(), "GET", &target, &[("Range", &beyond)]).status, 416);
    Ok(())
}
