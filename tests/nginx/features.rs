//! The rest of nginx keeps working around the content handler.

use std::process::Command;

use crate::support::http::{Connection, get, request};
use crate::support::process::{free_port, run, wait_for};
use crate::support::{Group, Result, Servers};

use super::site::{Row, Site, dead_store, location, url};

pub(super) fn register(group: &mut Group) {
    group.add("if_modified_since_follows_its_directive", if_modified_since_directive);
    group.add("ways_to_read_and_send", ways_to_send);
    group.add("headers_and_rates", headers_and_rates);
    group.add("compression", compression);
    group.add("caching_and_slicing_in_front", cache_in_front);
    group.add("variables_in_the_access_log", variables);
    group.add("escaped_name_is_fit_for_a_header", escaped_name);
}

/// Needs curl, and openssl for its certificate: few clients speak HTTP/2 in the clear.
pub(super) fn register_http2(group: &mut Group) {
    group.add("http2", http2);
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 7 % 251) as u8).collect()
}

fn ways_to_send(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let large = bytes(3_000_017);
    site.put("images/large.png", &large)?;
    site.put("images/small.png", &large[..100])?;
    let ways = [
        "sendfile off;",
        "sendfile on; tcp_nopush on;",
        "sendfile on; sendfile_max_chunk 64k;",
        "ezdfs_threads off; sendfile off;",
        "ezdfs_threads off; sendfile on;",
        "aio threads; sendfile off;",
        "aio threads; sendfile on;",
        "aio threads; sendfile off; directio 4k; output_buffers 2 32k;",
        "sendfile on; postpone_output 0; output_buffers 1 512;",
        "sendfile on; gzip on; gzip_types *; sub_filter_once off;",
        "open_file_cache max=100; open_file_cache_valid 1h; sendfile on;",
    ];
    let builder = site.builder("");
    let port = builder.port();
    let servers: String = ways
        .iter()
        .enumerate()
        .map(|(i, way)| {
            let location = location(way);
            format!("server {{ listen 127.0.0.1:{port}; server_name way{i}; {location} }}\n")
        })
        .collect();
    let nginx = builder.http(&servers).start()?;
    for (i, way) in ways.iter().enumerate() {
        let host = format!("way{i}");
        let mut connection = Connection::open(nginx.port())?;
        for (path, range, expected) in [
            ("images/large.png", "", &large[..]),
            ("images/small.png", "", &large[..100]),
            ("images/large.png", "bytes=1000001-2000000", &large[1_000_001..=2_000_000]),
            ("images/large.png", "bytes=-1", &large[3_000_016..]),
            ("images/small.png", "bytes=10-19", &large[10..20]),
            ("images/small.png", "bytes=-7", &large[93..100]),
        ]
        .repeat(6)
        {
            let headers = [("Host", &*host), ("Range", range)];
            let headers = &headers[..if range.is_empty() { 1 } else { 2 }];
            let answer = connection.request("GET", &url(path), headers)?;
            assert!(answer.body == expected, "{way} {path} {range}: {}", answer.status);
        }
    }
    Ok(())
}

fn headers_and_rates(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let picture = bytes(200_000);
    site.put("images/a.png", &picture)?;
    let directives = "expires 30d; add_header X-Site main; add_header X-Always yes always;
        limit_rate 4m; limit_rate_after 10k; etag on;";
    let nginx = site.builder("").server(&location(directives)).start()?;
    let answer = get(nginx.port(), &url("images/a.png"));
    assert!(answer.body == picture, "{answer:?}");
    assert_eq!(answer.header("Cache-Control"), Some("max-age=2592000"));
    assert_eq!(answer.header("X-Site"), Some("main"));
    let answer = get(nginx.port(), &url("images/b.png"));
    assert_eq!((answer.status, answer.header("X-Always")), (404, Some("yes")));
    assert_eq!((answer.header("Cache-Control"), answer.header("X-Site")), (None, None));

    let directives = "etag off; max_ranges 0; types { } default_type text/html; charset utf-8;";
    let nginx = site.builder("").server(&location(directives)).start()?;
    let answer = request(nginx.port(), "GET", &url("images/a.png"), &[("Range", "bytes=0-1")]);
    assert_eq!((answer.status, answer.header("ETag")), (200, None));
    assert_eq!(answer.header("Content-Type"), Some("image/png"));
    Ok(())
}

fn compression(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let svg = "<svg xmlns='http://www.w3.org/2000/svg'/>".repeat(100);
    let row = Row { datatype: "image/svg+xml", ..Row::new("", 0) };
    site.put_foreign("images/a.svg", svg.as_bytes(), row)?;
    let builder = site.builder("");
    let port = builder.port();
    let nginx = builder
        .server("gzip on; gzip_types image/svg+xml; gzip_proxied any; gzip_http_version 1.0;")
        .server(&location(""))
        .server(&format!(
            "location /plain/ {{
                 gzip off; gunzip on; proxy_set_header Accept-Encoding gzip;
                 proxy_pass http://127.0.0.1:{port}/;
             }}"
        ))
        .start()?;
    let gzip = [("Accept-Encoding", "gzip")];
    let answer = request(nginx.port(), "GET", &url("images/a.svg"), &gzip);
    assert_eq!(answer.header("Content-Encoding"), Some("gzip"));
    assert_eq!(answer.header("ETag"), Some(&*format!("W/\"1700000000-{}\"", svg.len())));
    assert!(answer.body.len() < svg.len() / 2, "{}", answer.body.len());
    let answer = get(nginx.port(), &format!("/plain{}", url("images/a.svg")));
    assert_eq!((answer.status, answer.text() == svg), (200, true));
    assert_eq!(answer.header("Content-Encoding"), None);
    let answer = get(nginx.port(), &url("images/a.svg"));
    assert_eq!((answer.text() == svg, answer.header("Content-Encoding")), (true, None));
    Ok(())
}

fn cache_in_front(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let picture = bytes(100_003);
    site.put("images/a.png", &picture)?;
    let builder = site.builder("");
    let (port, dir) = (builder.port(), builder.dir().display().to_string());
    let nginx = builder
        .http(&format!("proxy_cache_path {dir}/cache keys_zone=pictures:1m;"))
        .server(&format!(
            "{}
             proxy_cache pictures; proxy_http_version 1.1; add_header X-Cache $upstream_cache_status;
             location /cached/ {{
                 proxy_cache_valid 200 1s; proxy_cache_revalidate on;
                 proxy_pass http://127.0.0.1:{port}/;
             }}
             location /sliced/ {{
                 slice 16k; proxy_set_header Range $slice_range; proxy_cache_valid 206 1h;
                 proxy_cache_key $uri$slice_range; proxy_pass http://127.0.0.1:{port}/;
             }}",
            location("")
        ))
        .start()?;
    let ask = |prefix: &str| get(nginx.port(), &format!("{prefix}{}", url("images/a.png")));
    let answer = ask("/cached");
    assert_eq!((answer.header("X-Cache"), answer.body == picture), (Some("MISS"), true));
    wait_for("a revalidation", || {
        let answer = ask("/cached");
        assert!(answer.body == picture);
        answer.header("X-Cache") == Some("REVALIDATED")
    })?;
    for _ in 0..2 {
        let answer = ask("/sliced");
        assert!(answer.status == 200 && answer.body == picture, "{}", nginx.error_log());
    }
    let range = [("Range", "bytes=30000-70000")];
    let target = format!("/sliced{}", url("images/a.png"));
    let answer = request(nginx.port(), "GET", &target, &range);
    assert!(answer.status == 206 && answer.body == picture[30_000..=70_000], "{}", answer.status);
    Ok(())
}

fn variables(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a b.png", b"a")?;
    site.write("images/lost.png", b"")?;
    site.row(Row::new("var/site/storage/images/missing.png", 5));
    let format = "log_format trial '$status [$ezdfs_status] [$ezdfs_name]';";
    let log = "access_log logged trial;";
    let builder = site.builder("");
    let log = log.replace("logged", &builder.dir().join("trial.log").to_string_lossy());
    let file = builder.dir().join("trial.log");
    let nginx = builder
        .http(&dead_store(&site, "dead"))
        .http(format)
        .server(&log)
        .server(&location("error_page 404 = @php;"))
        .server("location @php { return 418; }")
        .server("location /other/ { ezdfs dead; }")
        .server("location /dead/ { rewrite ^/dead(/.*) $1 break; ezdfs dead; }")
        .server("location /none { return 204; }")
        .start()?;
    for (method, target) in [
        ("GET", url("images/a b.png")),
        ("HEAD", url("images/a b.png")),
        ("GET", url("images/missing.png")),
        ("GET", url("images/lost.png")),
        ("GET", url("images-versioned/1/a.png")),
        ("GET", "/var/site/storage/images/a%2fb.png".to_owned()),
        ("GET", format!("/dead{}", url("images/a b.png"))),
        ("POST", url("images/a b.png")),
        ("GET", "/none".to_owned()),
    ] {
        request(nginx.port(), method, &target, &[("Content-Length", "0")]);
    }
    let expected = [
        "200 [ok] [var/site/storage/images/a b.png]",
        "200 [ok] [var/site/storage/images/a b.png]",
        "418 [not_found] [var/site/storage/images/missing.png]",
        "418 [not_found] [var/site/storage/images/lost.png]",
        "418 [denied] [var/site/storage/images-versioned/1/a.png]",
        "418 [invalid_name] [var/site/storage/images/a/b.png]",
        "503 [unavailable] [var/site/storage/images/a b.png]",
        "405 [-] [var/site/storage/images/a b.png]",
        "204 [-] [-]",
    ];
    let logged = || std::fs::read_to_string(&file).unwrap_or_default();
    wait_for("the log", || logged().lines().count() == expected.len())?;
    assert_eq!(logged().lines().collect::<Vec<_>>(), expected);
    Ok(())
}

fn escaped_name(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    for name in ["images/a b%.png", "images/a\r\nX-Injected: yes.png"] {
        site.put(name, b"a")?;
    }
    let nginx = site
        .builder("")
        .server(&location("add_header X-Name $ezdfs_name_escaped always;"))
        .start()?;
    for (asked, name) in [
        ("images/a%20b%25.png", "images/a%20b%25.png"),
        ("images/a%0d%0aX-Injected:%20yes.png", "images/a%0D%0AX-Injected:%20yes.png"),
        ("images/missing%0aX-Injected:%20yes.png", "images/missing%0AX-Injected:%20yes.png"),
    ] {
        let answer = get(nginx.port(), &format!("/var/site/storage/{asked}"));
        assert_eq!(answer.header("X-Injected"), None, "{asked}: {answer:?}");
        let expected = format!("var/site/storage/{name}");
        assert_eq!(answer.header("X-Name"), Some(&*expected), "{asked}: {answer:?}");
    }
    Ok(())
}

fn http2(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let picture = bytes(300_000);
    site.put("images/a.png", &picture)?;
    for i in 0..30 {
        site.put(&format!("images/{i}.png"), &picture[..i * 1000])?;
    }
    let builder = site.builder("cache_ttl 0;");
    let (port, dir) = (free_port(), builder.dir().to_owned());
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]);
    run(openssl.args(["-keyout", "key.pem", "-out", "cert.pem"]).current_dir(&dir))?;
    let certificate = "ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;";
    let certificate = certificate.replace("DIR", &dir.to_string_lossy());
    let locations = location("");
    let _nginx = builder
        .http(&format!(
            "server {{ listen 127.0.0.1:{port} ssl http2; {certificate} {locations} }}\n"
        ))
        .start()?;
    let base = format!("https://127.0.0.1:{port}/var/site/storage/images");
    let curl = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--http2", "--insecure"]).current_dir(&dir);
        run(curl.args(arguments))
    };
    curl(&[&format!("{base}/a.png"), "-o", "a.png"])?;
    assert!(std::fs::read(dir.join("a.png"))? == picture);
    let output =
        curl(&[&format!("{base}/a.png"), "-r", "5-9", "-o", "part", "-w", "%{http_code}"])?;
    assert_eq!((&*output, std::fs::read(dir.join("part"))?), ("206", picture[5..10].to_vec()));
    let output = curl(&[&format!("{base}/a.png"), "-I"])?;
    assert!(output.starts_with("HTTP/2 200"), "{output}");
    let etag = output.lines().find_map(|line| line.strip_prefix("etag: ")).ok_or("no ETag")?;
    let header = format!("If-None-Match: {etag}");
    let output = curl(&[&format!("{base}/a.png"), "-H", &header, "-w", "%{http_code}"])?;
    assert_eq!(output, "304");
    // All at once on one connection.
    curl(&["--parallel", "--fail", &format!("{base}/[0-29].png"), "-o", "#1.png"])?;
    for i in 0..30 {
        assert!(std::fs::read(dir.join(format!("{i}.png")))? == picture[..i * 1000], "{i}");
    }
    let output = curl(&[&format!("{base}/none.png"), "-w", "%{http_code}", "-o", "none"])?;
    assert_eq!(output, "404");
    Ok(())
}

fn if_modified_since_directive(servers: &Servers) -> Result {
    const EARLIER: &str = "Mon, 13 Nov 2023 22:13:20 GMT";
    const EQUAL: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const LATER: &str = "Wed, 15 Nov 2023 22:13:20 GMT";
    let site = Site::sqlite(servers)?;
    site.put_foreign("images/a.png", b"a", Row { mtime: 1_700_000_000, ..Row::new("", 1) })?;
    for (setting, earlier, equal, later) in
        [("exact", 200, 304, 304), ("before", 200, 304, 304), ("off", 200, 200, 200)]
    {
        let directive = format!("if_modified_since {setting};");
        let nginx = site.builder("").server(&location(&directive)).start()?;
        for (date, status) in [(EARLIER, earlier), (EQUAL, equal), (LATER, later)] {
            let headers = [("If-Modified-Since", date)];
            let answer = request(nginx.port(), "GET", &url("images/a.png"), &headers);
            assert_eq!(answer.status, status, "{setting} {date}");
        }
    }
    Ok(())
}
