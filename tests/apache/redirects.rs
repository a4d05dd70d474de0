//! Protected downloads: an application checks, and names the file.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::support::apache::{Apache, Mpm};
use crate::support::http::{Connection, get, request};
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};
use crate::web::door::Door;
use crate::web::site::{Row, STORAGE, Site, url};

pub(super) fn register(group: &mut Group) {
    group.add("originals_only_by_accel_redirect", originals);
    group.add("an_answer_without_the_header_stays", without_the_header);
    group.add("a_bad_target_is_a_fault_of_the_application", bad_targets);
    group.add("a_local_redirect_reaches_internal_sections", local_redirect);
    group.add("nothing_of_the_application_follows_an_error", nothing_follows);
    group.add("rules_and_proxies_stand_behind", rules_and_proxies);
}

/// A script that sends these lines, and then a body of its own.
fn application(httpd: &Apache, name: &str, lines: &str) -> Result {
    let script = format!("#!/bin/sh\nprintf '%s\\n' {lines} ''\necho 'not the file'\n");
    let file = httpd.dir().join("htdocs").join(name);
    fs::write(&file, script)?;
    Ok(fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?)
}

fn start(site: &Site) -> Result<Apache> {
    Door::Apache
        .of(site, "cache_ttl 0; cache_negative_ttl 0;")
        .apache()
        .mpm(Mpm::Prefork)
        .children(3)
        .module("cgi")
        .module("headers")
        .server(
            "<Location /var>\nEzdfs main\nEzdfsDrafts On\n</Location>
             <Location /protected>\nEzdfs main\nEzdfsInternal On\nEzdfsStripPrefix /protected\n</Location>
             <LocationMatch \"^/[a-z]+$\">
             SetHandler cgi-script\nOptions +ExecCGI\nEzdfsAccelRedirect On
             </LocationMatch>\n",
        )
        .start()
}

fn originals(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let document = b"%PDF-1.4 for members only";
    let row = Row { datatype: "application/pdf", ..Row::new("", 0) };
    site.put_foreign("original/application/doc.pdf", document, row)?;
    let httpd = start(&site)?;
    application(
        &httpd,
        "download",
        &format!(
            "'Content-Type: application/pdf' 'Cache-Control: private, max-age=60' \
             'Content-Disposition: attachment; filename=\"report.pdf\"' 'ETag: \"its own\"' \
             'X-Accel-Redirect: /protected/{STORAGE}/original/application/doc.pdf'"
        ),
    )?;
    let port = httpd.port();
    let target = url("original/application/doc.pdf");
    assert_eq!(get(port, &target).status, 404);
    assert_eq!(get(port, &format!("/protected{target}")).status, 404);
    let answer = get(port, "/download");
    assert_eq!((answer.status, &*answer.body), (200, &document[..]), "{}", httpd.error_log());
    for (name, value) in [
        ("Content-Disposition", "attachment; filename=\"report.pdf\""),
        ("Content-Type", "application/pdf"),
        ("Cache-Control", "private, max-age=60"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", "25"),
    ] {
        assert_eq!(answer.header_all(name), [value], "{name}");
    }
    assert_eq!(answer.header("X-Accel-Redirect"), None);
    let etag = answer.header("ETag").ok_or("no ETag")?.to_owned();
    assert_eq!(etag, "\"1700000000-25\"");

    let part = request(port, "GET", "/download", &[("Range", "bytes=1-3")]);
    assert_eq!((part.status, &*part.body), (206, &b"PDF"[..]));
    let same = request(port, "GET", "/download", &[("If-None-Match", &etag)]);
    assert_eq!((same.status, same.body.len()), (304, 0));
    let head = request(port, "HEAD", "/download", &[]);
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("25")));
    let other = request(port, "GET", "/download", &[("If-Match", "\"other\"")]);
    assert_eq!(other.status, 412);
    let beyond = request(port, "GET", "/download", &[("Range", "bytes=1000-")]);
    site.delete_row("original/application/doc.pdf");
    wait_for("the deletion", || get(port, "/download").status == 404)?;
    for (answer, status) in [(other, 412), (beyond, 416), (get(port, "/download"), 404)] {
        assert_eq!(answer.status, status);
        assert!(!answer.text().contains("not the file"), "{answer:?}");
        for header in ["Content-Disposition", "Cache-Control", "X-Accel-Redirect"] {
            assert_eq!(answer.header(header), None, "{status}");
        }
    }
    Ok(())
}

fn without_the_header(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let httpd = start(&site)?;
    application(&httpd, "page", "'Content-Type: text/plain'")?;
    application(&httpd, "denied", "'Status: 403 Forbidden' 'Content-Type: text/plain'")?;
    let page = get(httpd.port(), "/page");
    assert_eq!((page.status, page.text()), (200, "not the file\n".to_owned()));
    assert_eq!(get(httpd.port(), "/denied").status, 403);
    Ok(())
}

fn bad_targets(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let httpd = start(&site)?;
    for (name, target, status) in [
        ("elsewhere", "http://127.0.0.1/".to_owned(), 500),
        ("outside", "/index.html".to_owned(), 500),
        // Open to everybody: nothing that a permission was asked for.
        ("open", url("images/a.png"), 500),
        ("missing", format!("/protected/{STORAGE}/original/none.pdf"), 404),
        ("up", format!("/protected/{STORAGE}/original/../../../../etc/passwd"), 404),
    ] {
        application(
            &httpd,
            name,
            &format!("'Content-Type: text/plain' 'X-Accel-Redirect: {target}'"),
        )?;
        let answer = get(httpd.port(), &format!("/{name}"));
        assert_eq!(answer.status, status, "{name}: {answer:?}\n{}", httpd.error_log());
        assert!(!answer.text().contains("not the file"), "{name}");
        assert_eq!(answer.header("X-Accel-Redirect"), None, "{name}");
    }
    let log = httpd.error_log();
    assert!(log.contains("X-Accel-Redirect to \"/index.html\""), "{log}");
    Ok(())
}

fn local_redirect(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let row = Row { datatype: "application/pdf", ..Row::new("", 0) };
    site.put_foreign("original/doc.pdf", b"%PDF", row)?;
    let httpd = start(&site)?;
    application(&httpd, "local", &format!("'Location: /protected/{STORAGE}/original/doc.pdf'"))?;
    let answer = get(httpd.port(), "/local");
    assert_eq!((answer.status, answer.text()), (200, "%PDF".to_owned()), "{}", httpd.error_log());
    Ok(())
}

/// An application behind a proxy, which sends much; the port that it answers at as long as the
/// process lives.
fn talkative(target: &str) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let body = "not the file ".repeat(40_000);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Accel-Redirect: {target}\r\n\
         Location: /elsewhere\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Ok(port)
}

fn nothing_follows(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let document = vec![b'd'; 5_000];
    let row = Row { datatype: "application/pdf", ..Row::new("", 0) };
    site.put_foreign("original/doc.pdf", &document, row)?;
    let protected = |name: &str| format!("/protected/{STORAGE}/original/{name}");
    let (there, gone) = (talkative(&protected("doc.pdf"))?, talkative(&protected("none.pdf"))?);
    let httpd = Door::Apache.of(&site, "")
        .apache()
        .module("proxy")
        .module("proxy_http")
        .server(&format!(
            "<Location /protected>\nEzdfs main\nEzdfsInternal On\nEzdfsStripPrefix /protected\n</Location>
             EzdfsAccelRedirect On
             ProxyPass /there http://127.0.0.1:{there}/\nProxyPass /gone http://127.0.0.1:{gone}/\n"
        ))
        .start()?;
    let mut connection = Connection::open(httpd.port())?;
    for _ in 0..3 {
        for (target, headers, status) in [
            ("/there", &[("Range", "bytes=9999999-")][..], 416),
            ("/there", &[("If-Match", "\"other\"")], 412),
            ("/gone", &[], 404),
            ("/there", &[("Range", "bytes=1-9")], 206),
            ("/there", &[], 200),
        ] {
            let answer = connection.request("GET", target, headers)?;
            let what = format!("{target} {headers:?}: {:?}", answer.headers);
            assert_eq!(answer.status, status, "{what}");
            assert!(!answer.text().contains("not the file"), "{what}");
            assert_eq!(answer.header("Location"), None, "{what}");
            if status == 200 {
                assert!(answer.body == document, "{what}");
                // Not for a cache that others share: the application has said nothing.
                assert_eq!(answer.header("Cache-Control"), Some("private"), "{what}");
            }
            if answer.header("Connection") == Some("close") {
                connection = Connection::open(httpd.port())?;
            }
        }
    }
    Ok(())
}

/// What leads clients to an application does not lead a file there.
fn rules_and_proxies(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let row = Row { datatype: "application/pdf", ..Row::new("", 0) };
    site.put_foreign("original/doc.pdf", b"%PDF", row)?;
    let backend = talkative(&format!("/protected/{STORAGE}/original/doc.pdf"))?;
    let httpd = Door::Apache.of(&site, "")
        .apache()
        .module("proxy")
        .module("proxy_http")
        .module("rewrite")
        .server(&format!(
            "<Location /var>\nEzdfs main\n</Location>
             <Location /protected>\nEzdfs main\nEzdfsInternal On\nEzdfsStripPrefix /protected\n</Location>
             EzdfsAccelRedirect On
             ProxyPass / http://127.0.0.1:{backend}/
             RewriteEngine On
             RewriteCond %{{REQUEST_URI}} !^/var/
             RewriteRule .* /application [PT]
             <Directory />\nRewriteEngine On\nRewriteRule in/(.*)$ /protected/$1 [L]\n</Directory>\n"
        ))
        .start()?;
    assert_eq!(get(httpd.port(), &url("images/a.png")).text(), "a");
    assert_eq!(get(httpd.port(), &url("images/b.png")).status, 404);
    let answer = get(httpd.port(), "/download");
    assert_eq!((answer.status, answer.text()), (200, "%PDF".to_owned()), "{}", httpd.error_log());
    // A rule of a directory, by which a client would name the file.
    let httpd = Door::Apache.of(&site, "")
        .apache()
        .module("rewrite")
        .server(
            "<Location /protected>\nEzdfs main\nEzdfsInternal On\nEzdfsStripPrefix /protected\n</Location>
             <Directory />\nOptions FollowSymLinks\nRewriteEngine On\nRewriteBase /\n
             RewriteRule in/(.*)$ /protected/$1 [L]\n</Directory>\n",
        )
        .start()?;
    let answer = get(httpd.port(), &format!("/in/{STORAGE}/original/doc.pdf"));
    assert_eq!(answer.status, 404, "{answer:?}");
    Ok(())
}
