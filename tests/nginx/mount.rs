//! A mount that is gone or cannot be read is never "not found".

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::http::{Connection, Response, get};
use crate::support::nginx::Nginx;
use crate::support::process::{is_root, wait_for};
use crate::support::{Group, Result, Servers};

use super::site::{Site, location, url};

pub(super) fn register(group: &mut Group) {
    group.add("mount_that_is_gone_is_503", mount_gone);
    group.add("mount_gone_beneath_an_open_file", mount_gone_beneath_an_open_file);
    group.add("who_goes_away_takes_no_file_from_others", client_gone);
}

/// Needs a database that lets workers of another user in.
pub(super) fn register_unreadable(group: &mut Group) {
    group.add("file_that_cannot_be_read_is_503", unreadable);
}

fn assert_unavailable(answer: &Response, what: &str) {
    assert_eq!(answer.status, 503, "{what}");
    assert!(answer.header("Retry-After").is_some(), "{what}: {answer:?}");
    for name in ["ETag", "Last-Modified", "Expires", "Cache-Control"] {
        assert_eq!(answer.header(name), None, "{what}: {name}");
    }
}

fn mount_gone(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let paths = ["images/warm.png", "images/cold.png", "images/deep/er/cold.png"];
    for path in paths {
        site.put(path, path.as_bytes())?;
    }
    let nginx = site.builder("cache_files 0;").server(&location("expires 1d;")).start()?;
    let ask = |path: &str| get(nginx.port(), &url(path));
    assert_eq!(ask(paths[0]).status, 200);

    let (root, aside) = (site.root(), site.outside().join("aside"));
    for (what, leave) in [("missing", 0), ("empty", 1), ("a file", 2)] {
        fs::rename(&root, &aside)?;
        match leave {
            0 => {}
            1 => fs::create_dir(&root)?,
            _ => fs::write(&root, "")?,
        }
        for path in paths {
            assert_unavailable(&ask(path), &format!("root {what}: {path}"));
        }
        // Nobody knows this name, with or without a mount.
        assert_eq!(ask("images/unknown.png").status, 404);
        match leave {
            0 => {}
            1 => fs::remove_dir(&root)?,
            _ => fs::remove_file(&root)?,
        }
        fs::rename(&aside, &root)?;
        for path in paths {
            let answer = ask(path);
            assert_eq!((answer.status, answer.text()), (200, path.to_owned()), "after {what}");
        }
    }
    Ok(())
}

/// What is open already goes on being served as long as its row is trusted.
fn mount_gone_beneath_an_open_file(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let paths = ["images/warm.png", "images/cold.png"];
    for path in paths {
        site.put(path, path.as_bytes())?;
    }
    let nginx = site.builder("cache_ttl 1h;").server(&location("expires 1d;")).start()?;
    let ask = |path: &str| get(nginx.port(), &url(path));
    assert_eq!(ask(paths[0]).status, 200);
    let (root, aside) = (site.root(), site.outside().join("aside"));
    fs::rename(&root, &aside)?;
    fs::create_dir(&root)?;
    let warm = ask(paths[0]);
    assert_eq!((warm.status, warm.text()), (200, paths[0].to_owned()));
    assert_unavailable(&ask(paths[1]), "cold");
    fs::remove_dir(&root)?;
    fs::rename(&aside, &root)?;
    assert_eq!(ask(paths[1]).status, 200);
    Ok(())
}

/// One client's end says nothing of a file that is sent from memory, or from an open file.
fn client_gone(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let paths = ["images/small.png", "images/large.png"];
    let content = |path: &str| vec![b'a'; if path == paths[0] { 60_000 } else { 300_000 }];
    for path in paths {
        site.put(path, &content(path))?;
    }
    let slow = "location /slow/ { rewrite ^/slow(/.*) $1 break; ezdfs main; limit_rate 1k; }";
    let nginx = site.builder("cache_ttl 1h;").server(&location("")).server(slow).start()?;
    let ask = |path: &str| get(nginx.port(), &url(path));
    // The small one is in memory from then on.
    for _ in 0..10 {
        assert!(paths.iter().all(|path| ask(path).body == content(path)));
    }
    let (root, aside) = (site.root(), site.outside().join("aside"));
    fs::rename(&root, &aside)?;
    fs::create_dir(&root)?;
    for path in paths {
        let mut client = Connection::open(nginx.port())?;
        client.send("GET", &format!("/slow{}", url(path)), &[])?;
        client.reader().read_exact(&mut [0; 8])?;
        drop(client);
        let is_logged = || nginx.access_log().contains(&format!("GET /slow{} ", url(path)));
        wait_for("its end", is_logged)?;
        let answer = ask(path);
        assert_eq!(answer.status, 200, "{path} is gone for everybody");
        assert!(answer.body == content(path));
    }
    injected("nginx: a client goes away while it is sent a file", "others have it at once");
    Ok(())
}

fn unreadable(servers: &Servers) -> Result {
    let db = TestDb::mariadb(servers, "utf8mb4", "utf8mb4_bin")?;
    let site = Site::new(db)?;
    for path in ["images/a.png", "images/file.png", "images/dir/a.png"] {
        site.put(path, b"bytes")?;
    }
    let nginx = site.builder("").user("nobody nogroup").server(&location("expires 1d;")).start()?;
    assert!(!is_root() || worker_uid(&nginx)? != 0, "the worker runs as root");
    let ask = |path: &str| get(nginx.port(), &url(path));
    let chmod =
        |path: &str, mode| fs::set_permissions(site.file(path), fs::Permissions::from_mode(mode));
    for path in ["images/file.png", "images/dir"] {
        let asked = if path == "images/dir" { "images/dir/a.png" } else { path };
        let mode = fs::metadata(site.file(path))?.permissions().mode();
        chmod(path, 0)?;
        assert_unavailable(&ask(asked), path);
        assert_eq!(ask("images/a.png").status, 200);
        chmod(path, mode)?;
        assert_eq!(ask(asked).status, 200, "{path}");
    }
    assert!(nginx.error_log().contains("Permission denied"), "{}", nginx.error_log());
    Ok(())
}

fn worker_uid(nginx: &Nginx) -> Result<u32> {
    use std::os::unix::fs::MetadataExt;
    wait_for("a worker", || !nginx.worker_pids().is_empty())?;
    let worker = *nginx.worker_pids().first().ok_or("no worker")?;
    Ok(fs::metadata(format!("/proc/{worker}"))?.uid())
}
