//! Error pages, fallbacks and subrequests.

use crate::support::http::{Connection, get, request};
use crate::support::{Group, Result, Servers};

use super::site::{Site, dead_store, location, url};

pub(super) fn register(group: &mut Group) {
    group.add("error_pages_and_fallbacks", error_pages);
    group.add("subrequests", subrequests);
    group.add("subrequest_of_a_file_that_is_missing", missing_subrequest);
}

fn error_pages(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let server =
        |name: &str, body: &str| format!("server {{ listen PORT; server_name {name}; {body} }}\n");
    let builder = site.builder("");
    let port = builder.port();
    let common = "location @php { return 200 'php: $uri'; }
        location = /sorry.html { internal; return 200 sorry; }
        location = /plain.html { root DIR; }";
    let servers = [
        server(
            "fallback",
            &format!("{common} location / {{ ezdfs main; error_page 404 = @php; }}"),
        ),
        server("down", &format!("{common} location / {{ ezdfs dead; }}")),
        server(
            "page",
            &format!("{common} location / {{ ezdfs dead; error_page 503 /plain.html; }}"),
        ),
        server("php", &format!("{common} location / {{ ezdfs dead; error_page 503 = @php; }}")),
        server(
            "both",
            &format!("{common} location / {{ ezdfs dead; error_page 404 503 = @php; }}"),
        ),
        server(
            "turned",
            &format!("{common} location / {{ ezdfs dead; error_page 503 =404 /plain.html; }}"),
        ),
        server(
            "allow",
            &format!("{common} location / {{ ezdfs main; error_page 405 /plain.html; }}"),
        ),
        server(
            "store",
            &format!(
                "{common} location / {{ ezdfs dead; error_page 503 = @main; }} location @main {{ ezdfs main; }}"
            ),
        ),
        server(
            "try",
            &format!(
                "{common} location / {{ try_files /nothing @main; }} location @main {{ ezdfs main; }}"
            ),
        ),
    ];
    std::fs::write(builder.dir().join("plain.html"), "sorry")?;
    let dir = builder.dir().display().to_string();
    let servers = servers.concat().replace("PORT", &format!("127.0.0.1:{port}"));
    let http = dead_store(&site, "dead") + &servers.replace("DIR", &dir);
    let nginx = builder.http(&http).start()?;
    let ask = |host: &str, method: &str, path: &str| {
        request(nginx.port(), method, &url(path), &[("Host", host)])
    };
    let there = "images/a.png";
    for (host, method, path, status, body, retry) in [
        ("fallback", "GET", there, 200, "a", false),
        ("fallback", "GET", "images/b.png", 200, "php: /var/site/storage/images/b.png", false),
        ("fallback", "GET", "original/b.pdf", 200, "php: /var/site/storage/original/b.pdf", false),
        ("down", "GET", there, 503, "503 Service", true),
        ("page", "GET", there, 503, "sorry", true),
        ("php", "GET", there, 200, "php: /var/site/storage/images/a.png", false),
        ("both", "GET", there, 200, "php: /var/site/storage/images/a.png", false),
        ("turned", "GET", there, 404, "sorry", false),
        ("allow", "POST", there, 405, "sorry", false),
        ("store", "GET", there, 200, "a", false),
        ("store", "GET", "images/b.png", 404, "404 Not Found", false),
        ("try", "GET", there, 200, "a", false),
    ] {
        let answer = ask(host, method, path);
        let what = format!("{host} {path}: {answer:?}");
        assert_eq!(answer.status, status, "{what}");
        assert!(answer.text().contains(body), "{what}");
        assert_eq!(answer.header("Retry-After").is_some(), retry, "{what}");
        assert_eq!(answer.header("Allow").is_some(), status == 405, "{what}");
    }
    Ok(())
}

fn subrequests(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"<a>")?;
    site.put("images/b.png", b"<b>")?;
    site.put("images/empty.png", b"")?;
    let (a, b, empty) = (url("images/a.png"), url("images/b.png"), url("images/empty.png"));
    let missing = url("images/missing.png");
    let page = format!(
        "[<!--# include virtual=\"{a}\" --><!--# include virtual=\"{empty}\" -->\
         <!--# include virtual=\"{b}\" --><!--# include virtual=\"{a}?again\" -->]"
    );
    let builder = site.builder("cache_ttl 0;");
    std::fs::write(builder.dir().join("page.html"), page)?;
    let dir = builder.dir().display().to_string();
    let nginx = builder
        .server(&format!(
            "{}
             root {dir};
             location = /page.html {{ ssi on; ssi_types *; }}
             location = /around {{
                 addition_types *; add_before_body {a}; add_after_body {b}; return 200 body;
             }}
             location = /framed.html {{
                 addition_types *; alias {dir}/page.html; add_before_body {a}; add_after_body {b};
             }}
             location = /allowed {{ auth_request {a}; alias {dir}/page.html; }}
             location = /denied {{ auth_request {missing}; alias {dir}/page.html; }}
             location = /mirrored {{ mirror {a}; alias {dir}/page.html; }}",
            location("")
        ))
        .start()?;
    let mut connection = Connection::open(nginx.port())?;
    for _ in 0..3 {
        let mut ask = |path: &str| connection.request("GET", path, &[]);
        assert_eq!(ask("/page.html")?.text(), "[<a><b><a>]", "{}", nginx.error_log());
        let framed = ask("/framed.html")?.text();
        assert!(framed.starts_with("<a>[") && framed.ends_with("]<b>"), "{framed}");
        assert_eq!(ask("/allowed")?.status, 200);
        assert_eq!(ask("/mirrored")?.status, 200);
        // Mirrors are answered in the background, while the next request is read.
        assert_eq!(ask("/mirrored")?.status, 200);
        assert_eq!(get(nginx.port(), "/denied").status, 500);
    }
    Ok(())
}

fn missing_subrequest(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"<a>")?;
    let builder = site.builder("");
    let dead = url("images/a.png").replace("/var/", "/dead/var/");
    let page = format!(
        "[<!--# include virtual=\"{}\" --><!--# include virtual=\"{dead}\" -->\
         <!--# include virtual=\"{}\" -->]",
        url("images/missing.png"),
        url("images/a.png"),
    );
    std::fs::write(builder.dir().join("page.html"), page)?;
    let dir = builder.dir().display().to_string();
    let nginx = builder
        .http(&dead_store(&site, "dead"))
        .server(&location(""))
        .server("location /dead/ { rewrite ^/dead(/.*) $1 break; ezdfs dead; }")
        .server(&format!("location = /page.html {{ root {dir}; ssi on; ssi_types *; }}"))
        .start()?;
    let answer = get(nginx.port(), "/page.html");
    let text = answer.text();
    assert!(answer.status == 200 && text.ends_with("<a>]"), "{answer:?}");
    assert!(text.contains("404 Not Found") && text.contains("503 Service"), "{text}");
    assert_eq!(answer.header("Retry-After"), None);
    Ok(())
}
