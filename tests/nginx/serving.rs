//! Whole trees, imported and served; which files are served at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::db::TestDb;
use crate::support::http::{Connection, Response, get, head, request};
use crate::support::nginx::Nginx;
use crate::support::process::{run, wait_for};
use crate::support::{Group, Result, Servers, built, fixtures};

use super::site::{Row, STORAGE, Site, encode, location, url};

pub(super) fn register(group: &mut Group) {
    group.per_database("imported_tree_is_served", imported_tree);
    group.per_database("only_live_rows_are_served", only_live_rows);
    group.add("head_sends_headers_alone", head_sends_headers_alone);
    group.add("empty_file_is_served", empty_file);
    group.add("row_without_file_is_404", row_without_file);
    group.per_database("opened_file_decides_its_length", opened_file_decides);
    group.add("originals_only_by_internal_redirect", originals_by_internal_redirect);
    group.add("other_areas_are_404", other_areas);
    group.add("other_methods_are_405", other_methods);
}

/// The repository's tree, and the one that `EZDFS_TEST_TREE` names, such as a real site's.
fn imported_tree(db: TestDb) -> Result {
    let mut trees = vec![fixtures()];
    trees.extend(std::env::var_os("EZDFS_TEST_TREE").map(PathBuf::from));
    for tree in trees {
        for storage in storage_directories(&tree)? {
            serve_tree(&db, &tree, &storage).map_err(|e| format!("{}: {e}", tree.display()))?;
        }
        db.sql("DROP TABLE ezdfsfile");
    }
    Ok(())
}

/// `var/*/storage`, from the root of the tree.
fn storage_directories(tree: &Path) -> Result<Vec<String>> {
    let sites = fs::read_dir(tree.join("var"))?.collect::<std::io::Result<Vec<_>>>()?;
    let names = sites.iter().map(|site| format!("var/{}/storage", site.file_name().display()));
    Ok(names.filter(|name| tree.join(name).is_dir()).collect())
}

fn serve_tree(db: &TestDb, tree: &Path, storage: &str) -> Result {
    let ezdfs = |arguments: &[&str]| {
        let mut command = Command::new(built("ezdfs"));
        run(command.args(arguments).args(["--dsn", &db.dsn, "--root"]).arg(tree))
    };
    ezdfs(&["schema", "--create"])?;
    ezdfs(&["import", &tree.to_string_lossy()])?;

    let nginx = tree_server(db, tree, storage)?;
    let files = files_below(&tree.join(storage))?;
    assert!(files.iter().any(|file| file.starts_with("images/")), "no pictures in {files:?}");
    for file in files {
        let bytes = fs::read(tree.join(storage).join(&file))?;
        let area = file.split('/').next().unwrap_or_default();
        for (host, prefix) in DOORS {
            let target = format!("{}/{}", prefix.replace("STORAGE", storage), encode(&file));
            let answer = get_from(&nginx, host, &target)?;
            let served = match area {
                "images" => true,
                "images-versioned" => host.starts_with("drafts"),
                _ => false,
            };
            let what = format!("{host}{target}: {} {:?}", answer.status, answer.headers);
            assert_eq!(answer.status, if served { 200 } else { 404 }, "{what}");
            assert!(!served || answer.body == bytes, "other bytes: {what}");
        }
    }
    Ok(())
}

/// Each host has its own prefixes for the same rows and files.
const DOORS: [(&str, &str); 4] = [
    ("localhost", "/STORAGE"),
    ("drafts", "/STORAGE"),
    ("static.example.com", ""),
    ("short", "/storage"),
];

fn tree_server(db: &TestDb, tree: &Path, storage: &str) -> Result<Nginx> {
    let builder = Nginx::with_module();
    let file = builder.dir().join("dsn");
    fs::write(&file, format!("{}\n", db.dsn))?;
    let (dsn, port, tree, file) = (&db.dsn, builder.port(), tree.display(), file.display());
    let prefixed = |name: &str, url_prefix: &str| {
        format!(
            "ezdfs_store {name} {{ dsn file:{file}; root {tree}/{storage}; name_prefix {storage};
             url_prefix {url_prefix}; }}\n"
        )
    };
    let server = |name: &str, body: &str| {
        format!("server {{ listen 127.0.0.1:{port}; server_name {name}; {body} }}\n")
    };
    let stores = [
        format!("ezdfs_store main {{ dsn {dsn}; root {tree}; }}\n"),
        prefixed("static", "http://static.example.com/"),
        prefixed("short", "/storage"),
    ];
    let servers = [
        server("static.example.com", "location / { ezdfs static; }"),
        server("short", "location / { ezdfs short; }"),
        server("drafts", &location("ezdfs_drafts on;")),
    ];
    let http = [stores.concat(), servers.concat()].concat();
    builder.http(&http).server("server_name localhost;").server(&location("")).start()
}

fn get_from(nginx: &Nginx, host: &str, target: &str) -> Result<Response> {
    Connection::open(nginx.port())?.request(
        "GET",
        target,
        &[("Host", host), ("Connection", "close")],
    )
}

/// Relative paths of all files.
fn files_below(dir: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.push(entry.path().strip_prefix(dir)?.to_string_lossy().into_owned());
        }
    }
    Ok(files)
}

/// The row decides, whatever lies on the mount.
fn only_live_rows(db: TestDb) -> Result {
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
    let nginx = site.serve("")?;
    let status = |path: &str| get(nginx.port(), &url(path)).status;
    assert_eq!(status("images/live.png"), 200);
    assert_eq!(status("images/foreign.png"), 200);
    for path in ["no-row", "expired", "deleted", "negative", "zero"] {
        assert_eq!(status(&format!("images/{path}.png")), 404, "{path}");
    }
    Ok(())
}

fn head_sends_headers_alone(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put_foreign("images/a.png", b"0123456789", Row::new("", 10))?;
    let nginx = site.serve("")?;
    let answer = head(nginx.port(), &url("images/a.png"));
    let with_body = get(nginx.port(), &url("images/a.png"));
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

fn empty_file(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/empty.png", b"")?;
    let nginx = site.serve("")?;
    let mut connection = Connection::open(nginx.port())?;
    for method in ["GET", "HEAD", "GET"] {
        let answer = connection.request(method, &url("images/empty.png"), &[])?;
        assert_eq!((answer.status, answer.header("Content-Length")), (200, Some("0")));
    }
    let range = [("Range", "bytes=0-")];
    let answer = connection.request("GET", &url("images/empty.png"), &range)?;
    assert!(matches!(answer.status, 200 | 416), "{answer:?}");
    Ok(())
}

fn row_without_file(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/there.png", b"there")?;
    site.row(Row::new(&format!("{STORAGE}/images/missing.png"), 1000));
    let nginx = site.builder("").server(&location("expires 1d;")).start()?;
    let answer = get(nginx.port(), &url("images/missing.png"));
    assert_eq!(answer.status, 404);
    for name in ["ETag", "Last-Modified", "Expires", "Cache-Control", "Accept-Ranges"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let log = nginx.error_log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("missing.png")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("[error]"), "{log}");
    let answer = get(nginx.port(), &url("images/there.png"));
    assert!(answer.status == 200 && answer.header("Expires").is_some(), "{answer:?}");
    Ok(())
}

fn opened_file_decides(db: TestDb) -> Result {
    let site = Site::new(db)?;
    let path = "images/a.png";
    site.put_foreign(path, b"first", Row::new("", 5))?;
    let nginx = site.serve("cache_ttl 1h;")?;
    assert_eq!(get(nginx.port(), &url(path)).body, b"first");

    // Another node writes meanwhile: the remembered row does not fit the file any more.
    site.put_foreign(path, b"second version", Row { mtime: 1_700_000_100, ..Row::new("", 0) })?;
    let answer = get(nginx.port(), &url(path));
    assert_eq!(answer.body, b"second version");
    assert_eq!(answer.header("ETag"), Some("\"1700000100-14\""));

    // A row that stays wrong.
    for bytes in [&b"short"[..], b"a file that is longer than its row says"] {
        site.write(path, bytes)?;
        let mut connection = Connection::open(nginx.port())?;
        for _ in 0..2 {
            let answer = connection.request("GET", &url(path), &[])?;
            assert_eq!((answer.status, &*answer.body), (200, bytes));
        }
    }
    Ok(())
}

fn originals_by_internal_redirect(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let document = b"%PDF-1.4 for members only";
    let row = Row { datatype: "application/pdf", ..Row::new("", 0) };
    site.put_foreign("original/application/doc.pdf", document, row)?;
    let builder = site.builder("");
    let port = builder.port();
    let nginx = builder
        .server(&format!(
            "{}
             location /var/ {{ ezdfs main; }}
             location /protected/ {{
                 internal; rewrite ^/protected(/.*)$ $1 break; ezdfs main;
             }}
             location = /download {{ proxy_pass http://127.0.0.1:{port}/application; }}
             location = /application {{
                 default_type application/pdf;
                 add_header X-Accel-Redirect
                     /protected/{STORAGE}/original/application/doc.pdf;
                 add_header Content-Disposition 'attachment; filename=\"report.pdf\"';
                 add_header Cache-Control 'public, max-age=86400';
                 expires 1d;
                 return 200 'granted';
             }}",
            location("ezdfs_drafts on;")
        ))
        .start()?;
    let target = url("original/application/doc.pdf");
    assert_eq!(get(port, &target).status, 404);
    assert_eq!(get(port, &format!("/protected{target}")).status, 404);
    let answer = get(port, "/download");
    assert_eq!((answer.status, &*answer.body), (200, &document[..]), "{}", nginx.error_log());
    // What the application said of the file stands, once.
    assert_eq!(answer.header_all("content-disposition"), ["attachment; filename=\"report.pdf\""]);
    assert_eq!(answer.header_all("content-type"), ["application/pdf"]);
    assert_eq!(answer.header_all("x-content-type-options"), ["nosniff"]);
    let part = request(port, "GET", "/download", &[("Range", "bytes=1-3")]);
    assert_eq!((part.status, &*part.body), (206, &b"PDF"[..]));
    // But not of an error that takes the file's place.
    let beyond = request(port, "GET", "/download", &[("Range", "bytes=1000-")]);
    site.delete_row("original/application/doc.pdf");
    wait_for("the deletion", || get(port, "/download").status == 404)?;
    for (answer, status) in [(beyond, 416), (get(port, "/download"), 404)] {
        assert_eq!(answer.status, status);
        for header in ["Content-Disposition", "Cache-Control", "Expires"] {
            assert_eq!(answer.header(header), None, "{status}");
        }
    }
    Ok(())
}

fn other_areas(servers: &Servers) -> Result {
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
    let nginx = site.builder("").server("location / { ezdfs main; ezdfs_drafts on; }").start()?;
    for name in names {
        let answer = get(nginx.port(), &format!("/{name}"));
        assert_eq!(answer.status, 404, "{name}");
    }
    Ok(())
}

fn other_methods(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let nginx = site.serve("")?;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer =
            request(nginx.port(), method, &url("images/a.png"), &[("Content-Length", "0")]);
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let mut connection = Connection::open(nginx.port())?;
    connection.send("POST", &url("images/a.png"), &[("Content-Length", "5")])?;
    connection.send_raw(b"a = 1")?;
    assert_eq!(connection.receive("POST")?.status, 405);
    // The body is not taken for the next request.
    let answer = connection.request("GET", &url("images/a.png"), &[])?;
    assert_eq!((answer.status, &*answer.body), (200, &b"a"[..]));
    Ok(())
}
