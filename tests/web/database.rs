//! A database that is gone or silent.

use std::sync::Arc;

use crate::support::db::TestDb;
use crate::support::http::{Response, get};
use crate::support::process::wait_for;
use crate::support::{Group, Result, mariadb, postgres};

use super::door::{Also, Door, Place};
use super::site::{Frozen, Site, mariadb_site, path, url};

/// Each trial has a server of its own, for what it does to it.
pub(super) fn register_mariadb(group: &mut Group, door: Door) {
    group.add("stopped_database_is_503::mariadb", move |_| stopped_mariadb(door));
    group.add("one_that_says_nothing_is_503_at_the_deadline", move |_| silent_database(door));
}

pub(super) fn register_postgres(group: &mut Group, door: Door) {
    group.add("stopped_database_is_503::postgres", move |_| stopped_postgres(door));
}

fn assert_unavailable(answer: &Response, what: &str) {
    assert_eq!(answer.status, 503, "{what}");
    assert!(answer.header("Retry-After").is_some(), "{what}: {answer:?}");
    assert_eq!((answer.header("ETag"), answer.header("Expires")), (None, None), "{what}");
}

fn stopped_mariadb(door: Door) -> Result {
    let server = Arc::new(mariadb::Server::start()?);
    stopped(
        door,
        TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?,
        || server.stop(),
        || server.restart_on_same_port(),
    )
}

fn stopped_postgres(door: Door) -> Result {
    let server = Arc::new(postgres::Server::start()?);
    stopped(door, TestDb::on_postgres(&server)?, || server.stop(), || server.restart_on_same_port())
}

fn stopped(door: Door, db: TestDb, stop: impl Fn(), restart: impl Fn() -> Result) -> Result {
    let site = Site::new(db)?;
    for i in 0..3 {
        site.put(&path(i), path(i).as_bytes())?;
    }
    let server = door
        .of(&site, "cache_ttl 1ms; cache_negative_ttl 1ms; stale_if_error 1h;")
        .store("strict", &site.options("cache_ttl 0;"))
        .section(Place::Images, "main", &[Also::Expires])
        .section(Place::Beneath("/strict"), "strict", &[])
        .start()?;
    let ask = |i| get(server.port(), &url(&path(i)));
    let ask_strict = |i| get(server.port(), &format!("/strict{}", url(&path(i))));
    assert_eq!((ask(0).status, ask_strict(0).status, ask(9).status), (200, 200, 404));

    stop();
    for _ in 0..3 {
        assert_unavailable(&ask_strict(0), "read before, nothing remembered");
        assert_unavailable(&ask(1), "never read");
        assert_unavailable(&ask(9), "known to be missing, too long ago");
        let answer = ask(0);
        assert_eq!((answer.status, answer.text()), (200, path(0)), "remembered");
    }

    restart()?;
    for i in 0..3 {
        wait_for("the database's files", || ask(i).status == 200 && ask_strict(i).status == 200)?;
        assert_eq!((ask(i).text(), ask_strict(i).text()), (path(i), path(i)));
    }
    assert_eq!((ask(9).status, ask_strict(9).status), (404, 404));
    Ok(())
}

/// A server that takes connections and says nothing.
fn silent_database(door: Door) -> Result {
    let (server, site) = mariadb_site(10)?;
    let hasty = "connect_timeout 300ms; query_timeout 300ms; cache_ttl 0;";
    let web = door.serve(&site, hasty)?;
    let targets: Vec<String> = (0..10).map(|i| url(&path(i))).collect();
    assert_eq!(get(web.port(), &targets[0]).status, 200);
    let frozen = Frozen::new(&server)?;
    for target in &targets {
        assert_unavailable(&get(web.port(), target), "a frozen server");
    }
    drop(frozen);
    for (i, target) in targets.iter().enumerate() {
        wait_for("the thawed server", || get(web.port(), target).status == 200)?;
        assert_eq!(get(web.port(), target).text(), path(i));
    }
    Ok(())
}
