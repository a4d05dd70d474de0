//! Protected downloads: an application checks, and names the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::apache::{Apache, Mpm};
use crate::support::http::{get, request};
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};
use crate::web::door::{Door, Setup};
use crate::web::site::{Row, STORAGE, Site, url};

pub(super) fn register(group: &mut Group) {
    group.add("originals_only_by_accel_redirect", originals);
    group.add("an_answer_without_the_header_stays", without_the_header);
    group.add("a_bad_target_is_a_fault_of_the_application", bad_targets);
    group.add("a_local_redirect_reaches_internal_sections", local_redirect);
}

/// A script that sends these lines, and then a body of its own.
fn application(httpd: &Apache, name: &str, lines: &str) -> Result {
    let script = format!("#!/bin/sh\nprintf '%s\\n' {lines} ''\necho 'not the file'\n");
    let file = httpd.dir().join("htdocs").join(name);
    fs::write(&file, script)?;
    Ok(fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?)
}

fn start(site: &Site) -> Result<Apache> {
    let Setup::Apache(builder) = Door::Apache.of(site, "cache_ttl 0; cache_negative_ttl 0;") else {
        unreachable!("it was asked for httpd");
    };
    builder
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
