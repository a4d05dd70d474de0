//! httpd's own modules around this one.

use std::fs;
use std::process::Command;

use crate::support::apache::{Builder, Mpm};
use crate::support::http::{Connection, get, request};
use crate::support::process::run;
use crate::support::{Group, Result, Servers};
use crate::web::door::Door;
use crate::web::site::{Row, STORAGE, Site, url};

pub(super) fn register(group: &mut Group) {
    group.add("headers_and_expires_are_httpds_own", headers_and_expires);
    group.add("what_is_deflated_is_the_file", deflated);
    group.add("rewrites_lead_to_files_and_past_them", rewrites);
    group.add("directories_of_the_file_system_are_not_asked", directories);
    group.add("an_error_document_takes_the_place_of_an_error", error_document);
    group.add("access_is_httpds_to_grant", access);
    group.add("files_are_parts_of_pages", parts_of_pages);
    group.add("sendfile_sends_large_files", sendfile);
    group.add("requests_side_by_side_do_not_mix", side_by_side);
    group.add("notes_tell_what_a_look_up_came_to", notes);
    group.add("metrics_are_those_of_all_children", metrics);
}

pub(super) fn register_http2(group: &mut Group) {
    group.add("http2_and_tls", http2);
}

fn httpd(site: &Site, options: &str) -> Builder {
    Door::Apache.of(site, options).apache()
}

/// With the section that sites use, and these directives in it.
fn serving(site: &Site, directives: &str) -> Builder {
    httpd(site, "").server(&format!(
        "<LocationMatch \"^/var/([^/]+/)?storage/images(-versioned)?/\">
         Ezdfs main\n{directives}\n</LocationMatch>\n"
    ))
}

fn headers_and_expires(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let httpd = serving(
        &site,
        "Header set X-Node one\nHeader append Vary Accept\nExpiresActive On\n
         ExpiresByType image/png \"access plus 1 day\"",
    )
    .module("headers")
    .start()?;
    let answer = get(httpd.port(), &url("images/a.png"));
    assert_eq!((answer.status, answer.header("X-Node")), (200, Some("one")));
    assert_eq!(answer.header("Cache-Control"), Some("max-age=86400"));
    let etag = answer.header("ETag").ok_or("no ETag")?;
    let headers = [("If-None-Match", etag)];
    let same = request(httpd.port(), "GET", &url("images/a.png"), &headers);
    assert_eq!((same.status, same.header("ETag")), (304, Some(etag)));
    assert_eq!(same.header("Cache-Control"), Some("max-age=86400"));
    Ok(())
}

fn deflated(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let svg = format!("<svg>{}</svg>", "<g/>".repeat(40_000));
    let row = Row { datatype: "image/svg+xml", ..Row::new("", 0) };
    site.put_foreign("images/a.svg", svg.as_bytes(), row)?;
    let httpd = serving(&site, "AddOutputFilterByType DEFLATE image/svg+xml")
        .module("filter")
        .module("deflate")
        .start()?;
    for _ in 0..3 {
        let plain = get(httpd.port(), &url("images/a.svg"));
        assert_eq!(plain.header("Content-Encoding"), None);
        assert!(plain.body == svg.as_bytes());
        let target = format!("http://127.0.0.1:{}{}", httpd.port(), url("images/a.svg"));
        let inflated = run(Command::new("curl").args(["-s", "--compressed", &target]))?;
        assert!(inflated == svg, "{} of {} bytes", inflated.len(), svg.len());
        let headers = [("Accept-Encoding", "gzip")];
        let small = request(httpd.port(), "GET", &url("images/a.svg"), &headers);
        assert_eq!(small.header("Content-Encoding"), Some("gzip"));
        assert_ne!(small.header("ETag"), plain.header("ETag"));
    }
    Ok(())
}

fn rewrites(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    site.put("images/50%25.jpg", b"raw")?;
    let httpd = serving(&site, "")
        .module("rewrite")
        .server(&format!(
            "RewriteEngine On
             RewriteRule ^/var/([^/]+/)?storage/images(-versioned)?/.* - [L]
             RewriteRule ^/short/(.*) /{STORAGE}/images/$1 [PT,L]
             RewriteRule .* /app.php [L]\n"
        ))
        .start()?;
    fs::write(httpd.dir().join("htdocs/app.php"), "the application")?;
    for (target, body) in [
        (url("images/a.png"), "a"),
        ("/short/a.png".to_owned(), "a"),
        (format!("/{STORAGE}/images/50%25.jpg"), "raw"),
        ("/anything".to_owned(), "the application"),
    ] {
        assert_eq!(get(httpd.port(), &target).text(), body, "{target}\n{}", httpd.error_log());
    }
    assert_eq!(get(httpd.port(), &url("images/b.png")).status, 404);
    // What was rewritten has no other spelling.
    assert_eq!(get(httpd.port(), "/short/50%25.jpg").status, 404);
    Ok(())
}

/// Neither what lies in the document root, nor its absence, nor a fall-back matters.
fn directories(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.php", b"<?php stored")?;
    site.put("images/b.html.gz", b"stored")?;
    let httpd = serving(&site, "")
        .module("dir")
        .module("mime")
        .module("negotiation")
        .server(
            "FallbackResource /app.php\nTypesConfig /dev/null\nAddEncoding gzip .gz\n
             AddHandler server-parsed .php\nOptions +MultiViews\n",
        )
        .start()?;
    let shadow = httpd.dir().join("htdocs").join(STORAGE).join("images");
    fs::create_dir_all(&shadow)?;
    for name in ["a.php", "b.html.gz", "c.png"] {
        fs::write(shadow.join(name), "of the document root")?;
    }
    fs::write(httpd.dir().join("htdocs/app.php"), "the application")?;
    let answer = get(httpd.port(), &url("images/a.php"));
    assert_eq!((answer.status, answer.text()), (200, "<?php stored".to_owned()));
    let answer = get(httpd.port(), &url("images/b.html.gz"));
    assert_eq!((answer.text(), answer.header("Content-Encoding")), ("stored".to_owned(), None));
    for name in ["images/b.html", "images/c.png", "images/d.png", "images/"] {
        assert_eq!(get(httpd.port(), &url(name)).status, 404, "{name}");
    }
    assert_eq!(get(httpd.port(), "/page").text(), "the application");
    Ok(())
}

fn error_document(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let httpd = serving(&site, "ErrorDocument 404 /placeholder.txt\nErrorDocument 503 busy")
        .store_that_is_gone(&site)
        .start()?;
    fs::write(httpd.dir().join("htdocs/placeholder.txt"), "a placeholder")?;
    let answer = get(httpd.port(), &url("images/a.png"));
    assert_eq!((answer.status, answer.text()), (404, "a placeholder".to_owned()));
    let answer = get(httpd.port(), &format!("/gone{}", url("images/a.png")));
    assert_eq!(answer.status, 503);
    assert!(answer.header("Retry-After").is_some(), "{answer:?}");
    Ok(())
}

impl Builder {
    /// Beneath `/gone` a store whose database is not there.
    fn store_that_is_gone(self, site: &Site) -> Self {
        let (port, root) = (crate::support::process::free_port(), site.root());
        self.main(&format!(
            "<EzdfsStore gone>\ndsn mysql://u:p@127.0.0.1:{port}/d\nroot {}\n</EzdfsStore>\n
             <Location /gone>\nEzdfs gone\nEzdfsStripPrefix /gone\n</Location>\n",
            root.display()
        ))
    }
}

fn access(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let httpd = serving(&site, "Require not ip 127.0.0.1\nRequire all granted".trim())
        .module("authz_host")
        .start();
    // A negative alone grants nothing, and httpd says so.
    assert!(httpd.is_err());
    let httpd = serving(&site, "Require ip 192.0.2.1").module("authz_host").start()?;
    assert_eq!(get(httpd.port(), &url("images/a.png")).status, 403);
    Ok(())
}

fn parts_of_pages(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"<a>")?;
    site.put("images/b.png", b"<b>")?;
    let httpd = serving(&site, "")
        .module("include")
        .module("mime")
        .server("TypesConfig /dev/null\nAddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\nOptions +Includes\n")
        .start()?;
    let include = |name: &str| format!("<!--#include virtual=\"{}\" -->", url(name));
    let page = format!("[{}{}]", include("images/a.png"), include("images/b.png"));
    fs::write(httpd.dir().join("htdocs/page.shtml"), page)?;
    assert_eq!(get(httpd.port(), "/page.shtml").text(), "[<a><b>]", "{}", httpd.error_log());
    Ok(())
}

fn sendfile(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let large: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    site.put("images/large.png", &large)?;
    site.put("images/small.png", b"small")?;
    let httpd = serving(&site, "EnableSendfile On").start()?;
    let mut connection = Connection::open(httpd.port())?;
    for _ in 0..3 {
        let answer = connection.request("GET", &url("images/large.png"), &[])?;
        assert!((answer.status, &answer.body) == (200, &large));
        let range = [("Range", "bytes=100000-200000,2999990-")];
        let answer = connection.request("GET", &url("images/large.png"), &range)?;
        assert_eq!(answer.status, 206);
        let part = [("Range", "bytes=1000000-1999999")];
        let answer = connection.request("GET", &url("images/large.png"), &part)?;
        assert!((answer.status, &answer.body[..]) == (206, &large[1_000_000..2_000_000]));
        assert_eq!(connection.request("GET", &url("images/small.png"), &[])?.body, b"small");
    }
    Ok(())
}

/// They share descriptors.
fn side_by_side(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let content = |seed: u32| -> Vec<u8> {
        (0..700_000_u32).map(|i| (i.wrapping_mul(2_654_435_761 + seed) >> 13) as u8).collect()
    };
    let files: Vec<Vec<u8>> = (0..3).map(content).collect();
    for (i, bytes) in files.iter().enumerate() {
        site.put(&format!("images/{i}.png"), bytes)?;
    }
    for setting in ["EnableSendfile Off", "EnableSendfile On", "SetOutputFilter DEFLATE"] {
        let httpd = serving(&site, setting).module("filter").module("deflate").start()?;
        std::thread::scope(|scope| {
            for client in 0..8_usize {
                let (files, port) = (&files, httpd.port());
                scope.spawn(move || {
                    for turn in 0..20 {
                        let which = (client + turn) % files.len();
                        let from = turn * 10_007;
                        let range = format!("bytes={from}-");
                        let target = url(&format!("images/{which}.png"));
                        let answer = request(port, "GET", &target, &[("Range", &range)]);
                        assert_eq!(answer.status, 206, "{setting}");
                        assert!(answer.body == files[which][from..], "{setting}: other bytes");
                    }
                });
            }
        });
    }
    Ok(())
}

fn notes(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let httpd = serving(&site, "").start()?;
    assert_eq!(get(httpd.port(), &url("images/a.png")).status, 200);
    assert_eq!(get(httpd.port(), &url("images/b.png")).status, 404);
    crate::support::process::wait_for("two lines", || httpd.access_log().lines().count() == 2)?;
    let log = httpd.access_log();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].contains(" 200 ok database 0."), "{log}");
    assert!(lines[1].contains(" 404 not_found database 0."), "{log}");
    Ok(())
}

fn metrics(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let httpd = serving(&site, "")
        .mpm(Mpm::Prefork)
        .children(4)
        .server("<Location /metrics>\nSetHandler ezdfs-metrics\n</Location>\n")
        .start()?;
    for _ in 0..40 {
        assert_eq!(get(httpd.port(), &url("images/a.png")).status, 200);
    }
    let answer = get(httpd.port(), "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.header("Content-Type").is_some_and(|kind| kind.contains("version=0.0.4")));
    let text = answer.text();
    let count: u64 = text
        .lines()
        .filter(|line| line.starts_with("ezdfs_lookups_total{store=\"main\""))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum();
    assert_eq!(count, 40, "{text}");
    let open =
        request(httpd.port(), "GET", "/metrics", &[("Accept", "application/openmetrics-text")]);
    assert!(open.header("Content-Type").is_some_and(|kind| kind.contains("openmetrics")));
    assert!(open.text().ends_with("# EOF\n"));
    assert_eq!(request(httpd.port(), "POST", "/metrics", &[("Content-Length", "0")]).status, 405);
    Ok(())
}

fn http2(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let large: Vec<u8> = (0..2_000_000_u32).map(|i| (i % 249) as u8).collect();
    site.put("images/large.png", &large)?;
    site.put("images/small.png", &large[..20_000])?;
    let builder = serving(&site, "").module("ssl").module("http2").module("socache_shmcb");
    let dir = builder.dir().to_owned();
    let tls = crate::support::process::free_port();
    run(Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-days",
            "2",
        ])
        .arg("-keyout")
        .arg(dir.join("key.pem"))
        .arg("-out")
        .arg(dir.join("cert.pem")))?;
    let host = builder.server.clone();
    let httpd = builder
        .server(&format!(
            "Listen 127.0.0.1:{tls}\nProtocols h2 h2c http/1.1
             <VirtualHost 127.0.0.1:{tls}>
             SSLEngine on\nSSLCertificateFile {0}/cert.pem\nSSLCertificateKeyFile {0}/key.pem\n{host}
             </VirtualHost>\n",
            dir.display()
        ))
        .start()?;
    let fetched = dir.join("fetched");
    for (scheme, port, protocol) in [
        ("https", tls, "--http2"),
        ("https", tls, "--http1.1"),
        ("http", httpd.port(), "--http2-prior-knowledge"),
    ] {
        for (name, length) in [("small", 20_000), ("large", 2_000_000), ("small", 20_000)] {
            let target =
                format!("{scheme}://127.0.0.1:{port}{}", url(&format!("images/{name}.png")));
            let mut curl = Command::new("curl");
            curl.args(["-sk", protocol, "-w", "%{http_code} %{http_version}", &target]);
            let said = run(curl.arg("-o").arg(&fetched))?;
            assert!(said.starts_with("200 "), "{target}: {said}");
            assert_eq!(said.ends_with('2'), protocol != "--http1.1", "{said}");
            assert!(fs::read(&fetched)? == large[..length], "{target} by {protocol}");
        }
    }
    Ok(())
}
