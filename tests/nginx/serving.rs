//! Whole trees, imported and served; which files are served at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::db::TestDb;
use crate::support::http::{Connection, Response, get, request};
use crate::support::nginx::Nginx;
use crate::support::process::{run, wait_for};
use crate::support::{Group, Result, Servers, built, fixtures};

use super::site::{Row, STORAGE, Site, encode, location, url};

pub(super) fn register(group: &mut Group) {
    group.per_database("imported_tree_is_served", imported_tree);
    group.add("originals_only_by_internal_redirect", originals_by_internal_redirect);
    group.add("what_a_permission_was_asked_for_is_private", permissions_are_not_shared);
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

/// Where the application says nothing of caches, those that people share may not keep it; what the
/// site's configuration says counts.
fn permissions_are_not_shared(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("original/application/doc.pdf", b"%PDF-1.4 for members only")?;
    site.put("images/a.png", b"for all")?;
    let builder = site.builder("");
    let port = builder.port();
    let nginx = builder
        .server(&format!(
            "location /protected/ {{ internal; rewrite ^/protected(/.*)$ $1 break; ezdfs main; }}
             location /kept/ {{
                 internal; rewrite ^/kept(/.*)$ $1 break; ezdfs main; expires 1h;
             }}
             location /said {{ proxy_pass http://127.0.0.1:{port}/says; }}
             location /silent {{ proxy_pass http://127.0.0.1:{port}/protected_; }}
             location /configured {{ proxy_pass http://127.0.0.1:{port}/kept_; }}
             location = /says {{
                 add_header X-Accel-Redirect /protected/{STORAGE}/original/application/doc.pdf;
                 add_header Cache-Control 'public, max-age=60'; return 200;
             }}
             location ~ ^/(protected|kept)_$ {{
                 add_header X-Accel-Redirect /$1/{STORAGE}/original/application/doc.pdf; return 200;
             }}
             # Nobody was asked for a permission here.
             location = /everybodys {{ error_page 418 = /protected/{STORAGE}/images/a.png; return 418; }}"
        ))
        .start()?;
    for (target, said) in [
        ("/said", &["public, max-age=60"][..]),
        ("/silent", &["private"]),
        ("/configured", &["max-age=3600"]),
        ("/everybodys", &[]),
    ] {
        let answer = get(nginx.port(), target);
        assert_eq!(answer.status, 200, "{target}: {}", nginx.error_log());
        assert_eq!(answer.header_all("Cache-Control"), said, "{target}");
    }
    Ok(())
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
