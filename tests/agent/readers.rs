//! What readers know by the replica.

use ezdfs::serve::{Allow, Request};
use ezdfs::{ErrorKind, FileId, Store};
use nix::sys::signal::Signal;

use super::watched::{PICTURES, Version, Watched};
use super::{fill, insert, of, status, until};
use crate::store::{PREFIX, id, md5, refused};
use crate::support::db::TestDb;
use crate::support::proxy::Mode;
use crate::support::{Group, Result};

const BYTES: &[u8] = b"bytes";

pub(super) fn register(group: &mut Group) {
    group.per_server("known_rows_cost_no_query", known);
    group.per_server("what_is_not_known_is_confirmed", unknown);
    group.per_server("readers_go_on_without_a_database", away);
    group.per_server("of_caches_the_database_is_asked", caches);
}

fn store(watched: &Watched, max_lag: &str, confirms: &str) -> Store {
    let replica = watched.replica();
    let options = [
        ("replica", replica.to_str().unwrap()),
        ("replica_max_lag", max_lag),
        ("replica_confirms", confirms),
    ];
    crate::store::store(&watched.cli.dsn, &watched.cli.root(), &options)
}

/// What has its row in a table that is not replicated.
fn caches(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let replica = watched.replica();
    let options = [
        ("replica", replica.to_str().unwrap()),
        ("replica_max_lag", "1h"),
        ("replica_confirms", "0"),
        ("cache_ttl", "0"),
        ("name_prefix", ""),
        ("cache_table", "ezdfsfile_cache"),
    ];
    let store = crate::store::store(&watched.cli.dsn, &watched.cli.root(), &options);
    store.create_schema()?;
    let (there, left) = ("var/site/cache/public/a.css", "var/site/cache/public/left.css");
    store.create(&id(there), &mut &*BYTES, &Default::default())?;
    // The replica's word is that there is no such row, and it is to be confirmed by nobody.
    watched.unasked(|| refused(store.stat(&id("var/site/storage/none")), ErrorKind::NotFound));
    let path = format!("/{there}");
    let request = Request { path: path.as_bytes(), raw_path: None, allow: Allow::default() };
    for _ in 0..2 {
        assert_eq!(store.stat(&id(there))?.size, BYTES.len() as u64);
        assert_eq!(store.serve(request)?.size, BYTES.len() as u64);
    }
    // Nor does it count what it has in the other table.
    watched.sql(&format!(
        "INSERT INTO ezdfsfile (name_hash, name, name_trunk, mtime, size, scope, datatype) \
         VALUES ('{}', '{left}', '{left}', 1500000000, 5, 'image', 'image/png')",
        md5(left)
    ));
    until("it is heard of", || status(&watched.cli)["rows"] == PICTURES + 1);
    refused(store.stat(&id(left)), ErrorKind::NotFound);
    watched.proxy.set(Mode::Refuse);
    watched.proxy.cut();
    for name in [there, left, "var/site/cache/public/none.css"] {
        refused(store.stat(&id(name)), ErrorKind::Unavailable);
    }
    Ok(())
}

fn image(number: usize) -> FileId {
    id(&format!("images/{number}.png"))
}

fn known(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let store = store(&watched, "1h", "100");
    watched.unasked(|| -> Result {
        for picture in 0..PICTURES {
            let bytes = Version { picture, number: 0 }.bytes();
            assert_eq!(store.stat(&image(picture))?.size, bytes.len() as u64);
        }
        Ok(())
    })?;
    let replica = watched.replica();
    let info = ["info", "images/0.png", "--json", "--name-prefix", PREFIX];
    let from = ["--replica-max-lag", "1h", "--replica", replica.to_str().unwrap()];
    let told = watched.cli.json(&[&info[..], &from].concat());
    assert_eq!(told[0]["replica"]["row"]["size"], told[0]["row"]["size"], "{told:?}");
    watched.sql(&format!("UPDATE ezdfsfile SET size = 7 {}", of(3)));
    until("an overwrite", || watched.unasked(|| store.stat(&image(3))).unwrap().size == 7);
    watched.sql(&format!("DELETE FROM ezdfsfile {}", of(4)));
    until("a deletion", || !store.exists(&image(4)).unwrap());
    Ok(())
}

fn unknown(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let (asking, silent) = (store(&watched, "1h", "100"), store(&watched, "1h", "0"));
    // It hears of nothing any more, and its word counts for an hour.
    watched.agent.as_ref().ok_or("an agent")?.signal(Signal::SIGSTOP);
    watched.sql(&insert(11, 11));
    assert_eq!(asking.stat(&image(11))?.size, 11);
    watched.unasked(|| refused(silent.stat(&image(11)), ErrorKind::NotFound));
    // What a process writes itself it knows at once, through each of its stores.
    silent.create(&image(5), &mut &*BYTES, &Default::default())?;
    for store in [&silent, &asking] {
        assert_eq!(store.stat(&image(5))?.size, BYTES.len() as u64);
    }
    watched.agent.as_ref().ok_or("an agent")?.signal(Signal::SIGCONT);
    until("its own write", || {
        let before = watched.proxy.accepted();
        silent.stat(&image(5)).unwrap().size == 5 && watched.proxy.accepted() == before
    });
    Ok(())
}

fn away(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let store = store(&watched, "1s", "100");
    store.create(&image(5), &mut &*BYTES, &Default::default())?;
    // What comes later is heard of: so is that.
    fill(&watched.cli, PICTURES..PICTURES + 1);
    until("it is heard of", || status(&watched.cli)["rows"] == PICTURES + 1);
    watched.proxy.set(Mode::Refuse);
    watched.proxy.cut();
    until("it is old", || status(&watched.cli)["usable"] == false);
    assert_eq!(store.open(&image(5))?.size, BYTES.len() as u64);
    assert_eq!(store.stat(&image(6))?.size, Version { picture: 6, number: 0 }.bytes().len() as u64);
    refused(store.stat(&image(77)), ErrorKind::NotFound);
    watched.proxy.set(Mode::Pass);
    watched.sql(&insert(77, 77));
    until("the new row", || store.exists(&image(77)).is_ok_and(|exists| exists));
    Ok(())
}
