//! A mount that is gone or cannot be read is never "not found".

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::db::TestDb;
use crate::support::http::{Response, get};
use crate::support::process::{is_root, wait_for};
use crate::support::{Group, Result, Servers};

use super::door::{Also, Door, Place, Server};
use super::site::{Site, url};

pub(super) fn register(group: &mut Group, door: Door) {
    group.add("mount_that_is_gone_is_503", move |servers| mount_gone(door, servers));
    group.add("mount_gone_beneath_an_open_file", move |servers| {
        mount_gone_beneath_an_open_file(door, servers)
    });
}

/// Needs a database that lets workers of another user in.
pub(super) fn register_unreadable(group: &mut Group, door: Door) {
    group.add("file_that_cannot_be_read_is_503", move |servers| unreadable(door, servers));
}

fn assert_unavailable(answer: &Response, what: &str) {
    assert_eq!(answer.status, 503, "{what}");
    assert!(answer.header("Retry-After").is_some(), "{what}: {answer:?}");
    for name in ["ETag", "Last-Modified", "Expires", "Cache-Control"] {
        assert_eq!(answer.header(name), None, "{what}: {name}");
    }
}

fn mount_gone(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let paths = ["images/warm.png", "images/cold.png", "images/deep/er/cold.png"];
    for path in paths {
        site.put(path, path.as_bytes())?;
    }
    let server = door
        .of(&site, "cache_files 0;")
        .section(Place::Images, "main", &[Also::Expires])
        .start()?;
    let ask = |path: &str| get(server.port(), &url(path));
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
fn mount_gone_beneath_an_open_file(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let paths = ["images/warm.png", "images/cold.png"];
    for path in paths {
        site.put(path, path.as_bytes())?;
    }
    let server =
        door.of(&site, "cache_ttl 1h;").section(Place::Images, "main", &[Also::Expires]).start()?;
    let ask = |path: &str| get(server.port(), &url(path));
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

fn unreadable(door: Door, servers: &Servers) -> Result {
    let db = TestDb::mariadb(servers, "utf8mb4", "utf8mb4_bin")?;
    let site = Site::new(db)?;
    for path in ["images/a.png", "images/file.png", "images/dir/a.png"] {
        site.put(path, b"bytes")?;
    }
    let server = door
        .of(&site, "")
        .section(Place::Images, "main", &[Also::Expires])
        .with_user_nobody()
        .start()?;
    // A worker belongs to root until it has become the user of the configuration.
    wait_for("a worker that is not root", || !is_root() || worker_uid(&server) > Some(0))?;
    let ask = |path: &str| get(server.port(), &url(path));
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
    assert!(server.error_log().contains("Permission denied"), "{}", server.error_log());
    Ok(())
}

fn worker_uid(server: &Server) -> Option<u32> {
    Some(fs::metadata(format!("/proc/{}", server.pid()?)).ok()?.uid())
}
