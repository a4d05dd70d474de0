//! What other nodes write becomes visible within the configured times.

use crate::support::db::TestDb;
use crate::support::http::{Response, get};
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};

use super::door::Door;
use super::site::{Row, Site, url};

pub(super) fn register(group: &mut Group, door: Door) {
    group.per_database("foreign_writes_become_visible", move |db| foreign_writes(door, db));
    group.add("rows_are_trusted_for_their_time", move |servers| rows_are_trusted(door, servers));
    group.add("without_a_cache_every_request_asks", move |servers| without_a_cache(door, servers));
}

const PATH: &str = "images/a.png";

fn row(mtime: i64) -> Row<'static> {
    Row { mtime, ..Row::new("", 0) }
}

fn answers(answer: &Response, bytes: &[u8], etag: &str) -> bool {
    (answer.status, &*answer.body, answer.header("ETag")) == (200, bytes, Some(etag))
}

fn foreign_writes(door: Door, db: TestDb) -> Result {
    let site = Site::new(db)?;
    let server = door.serve(&site, "cache_ttl 200ms; cache_negative_ttl 200ms;")?;
    let ask = || get(server.port(), &url(PATH));
    assert_eq!(ask().status, 404);
    site.put_foreign(PATH, b"first", row(1_700_000_001))?;
    wait_for("the new file", || answers(&ask(), b"first", "\"1700000001-5\""))?;

    // Of the same size, so that nothing but the row's age leads to the new one.
    site.put_foreign(PATH, b"other", row(1_700_000_002))?;
    wait_for("the overwritten file", || answers(&ask(), b"other", "\"1700000002-5\""))?;

    site.delete_row(PATH);
    wait_for("the deletion", || ask().status == 404)?;
    assert_eq!(ask().status, 404);

    site.put_foreign(PATH, b"again", row(1_700_000_003))?;
    wait_for("the file again", || answers(&ask(), b"again", "\"1700000003-5\""))?;
    site.put_foreign(PATH, b"again", Row { expired: true, ..row(-1_700_000_003) })?;
    wait_for("the soft deletion", || ask().status == 404)?;
    Ok(())
}

fn rows_are_trusted(door: Door, servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put_foreign(PATH, b"first", row(1_700_000_001))?;
    let server = door.serve(&site, "cache_ttl 1h; cache_negative_ttl 1h;")?;
    let ask = |path: &str| get(server.port(), &url(path));
    assert!(answers(&ask(PATH), b"first", "\"1700000001-5\""));
    assert_eq!(ask("images/b.png").status, 404);
    site.delete_row(PATH);
    site.put_foreign("images/b.png", b"b", row(1_700_000_001))?;
    assert!(answers(&ask(PATH), b"first", "\"1700000001-5\""));
    assert_eq!(ask("images/b.png").status, 404);
    Ok(())
}

fn without_a_cache(door: Door, servers: &Servers) -> Result {
    for options in ["cache_ttl 0;", "cache_size 0;"] {
        let site = Site::sqlite(servers)?;
        let server = door.serve(&site, options)?;
        let ask = || get(server.port(), &url(PATH));
        assert_eq!(ask().status, 404);
        site.put_foreign(PATH, b"first", row(1_700_000_001))?;
        assert!(answers(&ask(), b"first", "\"1700000001-5\""), "{options}");
        site.put_foreign(PATH, b"other", row(1_700_000_002))?;
        assert!(answers(&ask(), b"other", "\"1700000002-5\""), "{options}");
        site.delete_row(PATH);
        assert_eq!(ask().status, 404);
    }
    Ok(())
}
