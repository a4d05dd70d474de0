//! Which file a request path means, and that none leads out of the root.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::db::TestDb;
use crate::support::http::{Connection, get};
use crate::support::{Group, Result, Servers};

use super::door::{Also, Door, Place};
use super::site::{Row, STORAGE, Site, url};

pub(super) fn register(group: &mut Group, door: Door) {
    group.per_database("every_name_is_found", move |db| every_name(door, db));
    group.add("spelling_of_a_request_is_read_decoded_then_raw", move |servers| {
        spellings(door, servers)
    });
    group.add("query_is_ignored", move |servers| query_is_ignored(door, servers));
    group
        .add("nothing_outside_the_root_is_answered", move |servers| nothing_outside(door, servers));
    group.add("only_regular_files_are_served", move |servers| only_regular_files(door, servers));
    group.add("over_long_paths_are_404", move |servers| over_long_paths(door, servers));
}

/// Two of them are one name in two Unicode normal forms.
const NAMES: &[&str] = &[
    "images/a b.jpg",
    "images/living room \u{e9}.jpg",
    "images/living room e\u{301}.jpg",
    "images/it's.jpg",
    "images/\"quoted\".jpg",
    "images/a+b.jpg",
    "images/50%.jpg",
    "images/50%25.jpg",
    "images/what?.jpg",
    "images/sharp#.jpg",
    "images/smile \u{1f600}.jpg",
    "images/soft\u{ad}hyphen.jpg",
    "images/back\\slash.jpg",
    "images/;&=@:,$!*().jpg",
    "images/日本語/写真.jpg",
    "images/.hidden.jpg",
    "images/...",
    "images/UPPER.JPG",
    "images/upper.jpg",
];

fn every_name(door: Door, db: TestDb) -> Result {
    let site = Site::new(db)?;
    for name in NAMES {
        site.put(name, name.as_bytes())?;
    }
    let server = door.serve(&site, "")?;
    let mut connection = Connection::open(server.port())?;
    for name in NAMES {
        let answer = connection.request("GET", &url(name), &[])?;
        assert_eq!((answer.status, answer.text()), (200, (*name).to_owned()), "{name}");
    }
    Ok(())
}

fn spellings(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    for name in
        ["a b.jpg", "a+b.jpg", "50%25.jpg", "what?.jpg", "both%20.jpg", "both .jpg", "caf%E9.jpg"]
    {
        site.put(&format!("images/{name}"), name.as_bytes())?;
    }
    site.put("images/only space.jpg", b"")?;
    let server = door.serve(&site, "")?;
    for (spelling, name) in [
        ("a%20b.jpg", Some("a b.jpg")),
        ("a+b.jpg", Some("a+b.jpg")),
        ("a%2Bb.jpg", Some("a+b.jpg")),
        ("a%2bb.jpg", Some("a+b.jpg")),
        ("%61%20b.jpg", Some("a b.jpg")),
        ("only+space.jpg", None),
        ("50%2525.jpg", Some("50%25.jpg")),
        ("50%25.jpg", Some("50%25.jpg")),
        // Decoded it is Latin-1, which no name is.
        ("caf%E9.jpg", Some("caf%E9.jpg")),
        ("caf%E8.jpg", None),
        ("what%3F.jpg", Some("what?.jpg")),
        ("what%3F.jpg?width=10", Some("what?.jpg")),
        ("what?.jpg", None),
        // Both exist: the decoded one goes first.
        ("both%20.jpg", Some("both .jpg")),
        ("both%2520.jpg", Some("both%20.jpg")),
        ("a%2520b.jpg", None),
    ] {
        let answer = get(server.port(), &format!("/{STORAGE}/images/{spelling}"));
        let found = (answer.status == 200).then(|| answer.text());
        assert_eq!(found.as_deref(), name, "{spelling}");
        assert!(matches!(answer.status, 200 | 404), "{spelling}: {}", answer.status);
    }
    Ok(())
}

fn query_is_ignored(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let server = door.serve(&site, "")?;
    for query in ["?", "?v=1", "?../../secret", "?a=%00", "?a?b", "?a/b.png"] {
        let answer = get(server.port(), &format!("{}{query}", url("images/a.png")));
        assert_eq!((answer.status, &*answer.body), (200, &b"a"[..]), "{query}");
    }
    Ok(())
}

const SECRET: &[u8] = b"secret outside of the root";

fn nothing_outside(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"picture")?;
    fs::write(site.outside().join("secret.png"), SECRET)?;
    // Rows that name the secret in every way: the table alone does not open doors.
    let up = "../".repeat(4);
    for path in ["..", "%2e%2e", "images/..", ""] {
        for name in [
            format!("{STORAGE}/images/{path}/../../../../../secret.png"),
            format!("{STORAGE}/images/{path}/secret.png"),
            format!("{STORAGE}/images/{up}../secret.png"),
            "../secret.png".to_owned(),
            format!("/{}/secret.png", site.outside().display()),
        ] {
            site.row(Row::new(&name, SECRET.len()));
        }
    }
    let server = door.of(&site, "").section(Place::Everything, "main", &[Also::Drafts]).start()?;
    let back = |step: &str| format!("/{STORAGE}/images/{}secret.png", step.repeat(5));
    let mut targets: Vec<String> = [
        "../",
        "%2e%2e/",
        ".%2E/",
        "..%2f",
        "..%2F",
        "%2e%2e%2f",
        "..%5c",
        "..\\",
        "%252e%252e/",
        "..%252f",
        "%252e%252e%252f",
        "%c0%ae%c0%ae/",
        "..;/",
        "....//",
        ".../",
        "..%00/",
    ]
    .map(back)
    .into();
    targets.extend(
        [
            "/../secret.png",
            "/%2e%2e/secret.png",
            "//secret.png",
            "/var/site/storage/images/a.png%00.jpg",
            "/var/site/storage/images/%00",
            "/var/site/storage/images/a.png/..%2f..%2fsecret.png",
            "/var/site/storage/images//../../../../../secret.png",
            "/var/site/storage/original/../images/%2e%2e/secret.png",
            "/var/site/storage/images/%2fetc/passwd",
            "/var/site/storage/images//etc/passwd",
            "/var/site/storage/images/a%2fb",
        ]
        .map(str::to_owned),
    );
    targets.push(format!("/{}/secret.png", site.outside().display()));
    for target in targets {
        let answer = get(server.port(), &target);
        assert!(matches!(answer.status, 400 | 404), "{target}: {}", answer.status);
        assert!(!answer.text().contains("secret outside"), "{target}");
        assert!(!answer.text().contains("root:"), "{target}");
    }
    // The spellings that name the picture all the same are refused: what stands before this server
    // may read them differently.
    for target in ["images/x/../a.png", "images/./a.png", "images%2fa.png", "images/x/%2e%2e/a.png"]
    {
        assert_eq!(get(server.port(), &format!("/{STORAGE}/{target}")).status, 404, "{target}");
    }
    assert_eq!(get(server.port(), &url("images/a.png")).status, 200);
    Ok(())
}

fn only_regular_files(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/dir/a.png", b"picture")?;
    let secret = site.outside().join("secret.png");
    fs::write(&secret, SECRET)?;
    let at = |name: &str| site.file(&format!("images/{name}"));
    symlink(&secret, at("absolute.png"))?;
    symlink("../../../../../secret.png", at("relative.png"))?;
    symlink(site.outside(), at("linked"))?;
    symlink("dir/a.png", at("inside.png"))?;
    symlink("dir", at("linked-inside"))?;
    symlink("/dev/zero", at("device.png"))?;
    symlink("/proc/self/environ", at("environ.png"))?;
    mkfifo(&at("fifo.png"), Mode::from_bits_truncate(0o644))?;
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.png"))?;
    let paths = [
        "absolute.png",
        "relative.png",
        "linked/secret.png",
        "inside.png",
        "linked-inside/a.png",
        "device.png",
        "environ.png",
        "fifo.png",
        "socket.png",
        "dir",
        "dir/a.png/b.png",
    ];
    for path in paths {
        site.row(Row::new(&format!("{STORAGE}/images/{path}"), SECRET.len()));
    }
    let server = door.serve(&site, "")?;
    for path in paths.iter().chain(&["dir/"]) {
        let answer = get(server.port(), &url(&format!("images/{path}")));
        // What has a row and is no file is not missing: a 404 would be cached.
        let is_absent = matches!(*path, "dir/a.png/b.png" | "dir/");
        assert_eq!(answer.status, if is_absent { 404 } else { 503 }, "{path}");
        assert!(!answer.text().contains("secret outside"), "{path}");
    }
    assert_eq!(get(server.port(), &url("images/dir/a.png")).status, 200);
    Ok(())
}

fn over_long_paths(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let longest = format!("images/{}.png", "x".repeat(251));
    site.put(&longest, b"long")?;
    let server = door.serve(&site, "")?;
    assert_eq!(get(server.port(), &url(&longest)).status, 200);
    for path in [
        format!("images/{}.png", "x".repeat(252)),
        format!("images/{}.png", "é".repeat(126)),
        format!("images/{}.png", "x/".repeat(2500)),
    ] {
        assert_eq!(get(server.port(), &url(&path)).status, 404, "{path}");
    }
    Ok(())
}
