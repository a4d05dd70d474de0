//! Clients that close their side of the connection, or leave.

use std::io::Read;
use std::net::{Shutdown, TcpStream};

use crate::support::http::get;
use crate::support::nginx::Nginx;
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};

use super::database::{observed, under_way};
use super::site::{Frozen, Site, dead_store, location, mariadb_site, path, url};

pub(super) fn register(group: &mut Group) {
    group.add("half_closed_client_gets_its_answer", half_closed);
    group.add("log_says_what_is_done_now", log_says);
}

pub(super) fn register_mariadb(group: &mut Group) {
    group.add("half_closed_client_is_waited_for", |_| half_closed_waits());
    group.add("reset_connection_ends_the_look_up", |_| reset());
}

fn ask(nginx: &Nginx, target: &str) -> Result<TcpStream> {
    use std::io::Write;
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port()))?;
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

fn answer(mut stream: TcpStream) -> Result<String> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// As `nc -N` does: cold files and hot ones. What does not fit into the socket nginx itself breaks off
/// when the end comes in the middle of it, as it does with `root`.
fn half_closed(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let picture = "x".repeat(40_000);
    for i in 0..60 {
        site.put(&path(i), &picture.as_bytes()[..if i % 2 == 0 { 5 } else { 40_000 }])?;
    }
    let nginx = site.serve("")?;
    for round in ["cold", "hot"] {
        for i in 0..60 {
            let stream = ask(&nginx, &url(&path(i)))?;
            stream.shutdown(Shutdown::Write)?;
            let answer = answer(stream)?;
            let what = format!("{round} {i}: {} bytes", answer.len());
            assert!(answer.starts_with("HTTP/1.1 200 "), "{what}");
            assert!(answer.ends_with("\r\n\r\nxxxxx") || answer.ends_with(&picture), "{what}");
        }
        let stream = ask(&nginx, &url("images/missing.png"))?;
        stream.shutdown(Shutdown::Write)?;
        assert!(answer(stream)?.starts_with("HTTP/1.1 404 "), "{round}");
    }
    assert!(!nginx.access_log().contains(" 499 "), "{}", nginx.access_log());
    Ok(())
}

const PATIENT: &str = "connect_timeout 60s; query_timeout 60s; cache_ttl 0;";

/// Whether it closes before or after the look-up has begun.
fn half_closed_waits() -> Result {
    let (server, site) = mariadb_site(2)?;
    let nginx = observed(site.builder(PATIENT)).server(&location("")).start()?;
    assert_eq!(get(nginx.port(), &url(&path(0))).status, 200);
    let frozen = Frozen::new(&server)?;
    let early = ask(&nginx, &url(&path(0)))?;
    early.shutdown(Shutdown::Write)?;
    let late = ask(&nginx, &url(&path(1)))?;
    wait_for("the requests", || under_way(&nginx) == 2)?;
    late.shutdown(Shutdown::Write)?;
    // The worker has heard of it once it has answered another.
    assert_eq!(get(nginx.port(), "/static").text(), "static");
    drop(frozen);
    for (i, stream) in [early, late].into_iter().enumerate() {
        let answer = answer(stream)?;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&path(i)), "{answer}");
    }
    Ok(())
}

fn reset() -> Result {
    let (server, site) = mariadb_site(2)?;
    let nginx = observed(site.builder(PATIENT)).server(&location("")).start()?;
    assert_eq!(get(nginx.port(), &url(&path(0))).status, 200);
    let frozen = Frozen::new(&server)?;
    for half_closes in [false, true] {
        let stream = ask(&nginx, &url(&path(1)))?;
        wait_for("the request", || under_way(&nginx) == 1)?;
        if half_closes {
            stream.shutdown(Shutdown::Write)?;
        }
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &linger)?;
        drop(stream);
        wait_for("the end of the request", || under_way(&nginx) == 0)?;
    }
    drop(frozen);
    assert_eq!(nginx.access_log().matches(" 499 ").count(), 2, "{}", nginx.access_log());
    Ok(())
}

/// What is logged after the look-up is not logged as part of it.
fn log_says(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put("images/a.png", b"a")?;
    let builder = site.builder("");
    let dir = builder.dir().display().to_string();
    let page = format!(
        "location /dead/ {{
             rewrite ^/dead(/.*)$ $1 break; ezdfs dead; error_page 404 503 /gone.html;
         }}
         location = /gone.html {{ root {dir}/nothing; }}"
    );
    let nginx =
        builder.http(&dead_store(&site, "dead")).server(&page).server(&location("")).start()?;
    assert_eq!(get(nginx.port(), &format!("/dead{}", url("images/a.png"))).status, 404);
    let log = nginx.error_log();
    for what in ["ezdfs: ", "gone.html"] {
        let line = log.lines().find(|line| line.contains(what)).ok_or("no line")?;
        assert!(!line.contains("waiting for ezdfs store"), "{line}");
    }
    Ok(())
}
