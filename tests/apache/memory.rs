//! The module under valgrind, and built with AddressSanitizer.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::apache::{Apache, Builder};
use crate::support::http::{Connection, get, request};
use crate::support::process::{run, scratch};
use crate::support::{Group, Result, Servers, built};
use crate::web::door::{Also, Door, Place};
use crate::web::site::{Site, url};

pub(super) fn register(group: &mut Group) {
    group.add("valgrind_finds_nothing", valgrind);
    group.add("address_sanitizer_finds_nothing", address_sanitizer);
}

fn site(servers: &Servers) -> Result<Site> {
    let site = Site::sqlite(servers)?;
    for (name, size) in [("small", 5_000), ("large", 300_000), ("empty", 0)] {
        site.put(&format!("images/{name}.png"), &vec![b'a'; size])?;
    }
    Ok(site)
}

fn builder(site: &Site) -> Builder {
    let setup = Door::Apache.of(site, "query_timeout 60s; connect_timeout 60s;").section(
        Place::Images,
        "main",
        &[Also::Expires],
    );
    setup
        .apache()
        .module("filter")
        .module("deflate")
        .server("<Location /metrics>\nSetHandler ezdfs-metrics\n</Location>\n")
}

/// Everything that the module does, several times.
fn ask(httpd: &mut Apache) -> Result {
    let mut connection = Connection::open(httpd.port())?;
    for _ in 0..3 {
        for (name, length) in [("small", 5_000), ("large", 300_000), ("empty", 0)] {
            let target = url(&format!("images/{name}.png"));
            assert_eq!(connection.request("GET", &target, &[])?.body.len(), length);
            assert_eq!(connection.request("HEAD", &target, &[])?.status, 200);
        }
        let target = url("images/large.png");
        let ranges = [("Range", "bytes=0-99,1000-1999,299990-")];
        assert_eq!(connection.request("GET", &target, &ranges)?.status, 206);
        let date = [("If-Modified-Since", "Tue, 14 Nov 2033 22:13:20 GMT"), ("If-None-Match", "*")];
        assert_eq!(connection.request("GET", &target, &date)?.status, 304);
        let mut slow = Connection::open(httpd.port())?;
        slow.send("GET", &target, &[])?;
        drop(slow);
        assert_eq!(get(httpd.port(), &url("images/none.png")).status, 404);
        assert_eq!(get(httpd.port(), "/metrics").status, 200);
        assert_eq!(request(httpd.port(), "PUT", &target, &[("Content-Length", "0")]).status, 405);
    }
    drop(connection);
    httpd.restart_gracefully(|_| {})?;
    assert_eq!(get(httpd.port(), &url("images/small.png")).status, 200);
    httpd.signal(Signal::SIGTERM)?;
    httpd.wait_for_end()
}

fn valgrind(servers: &Servers) -> Result {
    let site = site(servers)?;
    let log = scratch();
    let file = log.path().join("%p");
    let mut words: Vec<String> =
        ["valgrind", "--trace-children=yes", "--error-exitcode=99", "--leak-check=no", "--quiet"]
            .map(str::to_owned)
            .to_vec();
    words.push(format!("--log-file={}", file.display()));
    let mut httpd = builder(&site).under(&words).start()?;
    ask(&mut httpd)?;
    let mut said = String::new();
    for entry in fs::read_dir(log.path())? {
        let text = fs::read_to_string(entry?.path())?;
        // What it says of itself begins otherwise, such as of calls newer than it.
        said.extend(text.lines().filter(|line| line.starts_with("==")));
    }
    assert!(said.trim().is_empty(), "{said}");
    Ok(())
}

fn address_sanitizer(servers: &Servers) -> Result {
    let site = site(servers)?;
    let place = scratch();
    let module = place.path().join("mod_ezdfs.so");
    let mut build = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/apache-module/build.sh"));
    build
        .env("CFLAGS", "-g -O1 -Werror -fsanitize=address -fno-omit-frame-pointer")
        .env("LDFLAGS", "-fsanitize=address")
        .env("EZDFS_LIB", built("libezdfs.a"))
        .arg(&module);
    run(&mut build)?;
    let library = run(Command::new("cc").arg("-print-file-name=libasan.so"))?;
    let library = fs::canonicalize(library.trim())?;
    let log = place.path().join("asan");
    let mut httpd = builder(&site)
        .load(&module)
        .environment("LD_PRELOAD", &library.to_string_lossy())
        .environment("ASAN_OPTIONS", &format!("detect_leaks=0:log_path={}", log.display()))
        .start()?;
    ask(&mut httpd)?;
    let mut said = String::new();
    for entry in fs::read_dir(place.path())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("asan") {
            said += &fs::read_to_string(entry.path())?;
        }
    }
    assert!(said.is_empty(), "{said}\n{}", httpd.error_log());
    Ok(())
}
