//! A pooler that gives each transaction another connection: nothing that was prepared or set on one
//! is there, or is somebody else's.

use std::thread;

use ezdfs::{DirId, ErrorKind, Store};

use super::{NEW, OLD, create};
use crate::store::{Site, id, refused, store, texts};
use crate::support::db::Backend;
use crate::support::faults::injected;
use crate::support::pgbouncer::Pooler;
use crate::support::{Group, Result, Servers};

const THREADS: usize = 8;

pub(super) fn register(group: &mut Group) {
    group.add("nothing_is_prepared_through_a_pooler", |servers| {
        for_each_kind(servers, "60s", works)
    });
    group.add("no_setting_stays_with_a_pooler", |servers| {
        for_each_kind(servers, "60s", leaves_nothing)
    });
    group.add("time_limits_hold_through_a_pooler", |servers| {
        for_each_kind(servers, "2s", is_limited)
    });
    group.add("prepared_statements_can_be_switched_off", switched_off);
}

type Trial = fn(&Site, &Pooler, &Store) -> Result;

/// One that refuses what it does not know, as it comes, and one that was told to pass it over.
fn for_each_kind(servers: &Servers, timeout: &str, trial: Trial) -> Result {
    for ignored in ["", "extra_float_digits, options"] {
        let site = Site::new(Backend::Postgres.fresh(servers)?);
        // As the store's own, which tells nothing of whose connection it is.
        let database = site.db.dsn.rsplit('/').next().unwrap_or_default();
        site.db.sql(&format!("ALTER DATABASE {database} SET statement_timeout = '{timeout}'"));
        let pooler = Pooler::start(&servers.postgres()?, ignored)?;
        let through = pooler.through(&site.db.dsn);
        let store = store(
            &through,
            site.root(),
            &[("cache_ttl", "0"), ("query_timeout", timeout), ("connect_timeout", "60s")],
        );
        trial(&site, &pooler, &store)?;
    }
    Ok(())
}

fn works(site: &Site, _: &Pooler, store: &Store) -> Result {
    thread::scope(|scope| {
        for number in 0..THREADS {
            scope.spawn(move || use_all(store, &format!("images/it's/{number}")).unwrap());
        }
    });
    assert!(site.tree().iter().all(|name| !name.contains("/a.png")), "{:?}", site.tree());
    injected("pooler that gives each transaction another connection", "all works");
    Ok(())
}

fn use_all(store: &Store, dir: &str) -> std::result::Result<(), ezdfs::Error> {
    for round in 0..10 {
        let [one, other] = ["a", "b\\b"].map(|name| format!("{dir}/{round}-{name}.png"));
        create(store, &one, OLD)?;
        create(store, &one, NEW)?;
        assert_eq!(store.stat(&id(&one))?.size, NEW.len() as u64);
        store.rename(&id(&one), &id(&other))?;
        assert!(!store.exists(&id(&one))? && store.exists(&id(&other))?);
    }
    let dir = DirId::parse(dir)?;
    assert_eq!(store.list(Some(&dir))?.count(), 10);
    store.delete_directory(&dir)?;
    assert_eq!(store.list(Some(&dir))?.count(), 0);
    Ok(())
}

/// Another program has the server's own settings.
fn leaves_nothing(site: &Site, pooler: &Pooler, store: &Store) -> Result {
    for round in 0..20 {
        create(store, &format!("images/{round}"), OLD)?;
        for setting in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
        {
            let rows = pooler.sql(&site.db.dsn, &format!("SHOW {setting}"))?;
            let own = if setting == "statement_timeout" { "1min" } else { "0" };
            assert_eq!(rows, texts([own]), "{setting}");
        }
        let prepared =
            pooler.sql(&site.db.dsn, "SELECT count(*)::text FROM pg_prepared_statements")?;
        assert_eq!(prepared, texts(["0"]));
    }
    Ok(())
}

fn is_limited(site: &Site, _: &Pooler, store: &Store) -> Result {
    create(store, "images/a", OLD)?;
    let held = site.db.hold("SELECT * FROM ezdfsfile FOR UPDATE");
    let error = refused(create(store, "images/a", NEW), ErrorKind::Unavailable);
    assert!(format!("{error:#}").contains("lock timeout"), "{error:#}");
    drop(held);
    create(store, "images/a", NEW)?;
    assert_eq!(site.read("images/a")?, NEW);
    Ok(())
}

fn switched_off(servers: &Servers) -> Result {
    let site = Site::without_table(Backend::Postgres.fresh(servers)?, &[]);
    let dsn = format!("{}?statement-cache-capacity=0", site.db.dsn);
    let store = store(&dsn, site.root(), &[]);
    store.create_schema()?;
    use_all(&store, "images/a")?;
    let prepared = "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE '%$1%' \
                    AND pid <> pg_backend_pid() AND datname = current_database()";
    assert_eq!(site.db.sql(prepared), texts(["0"]));
    Ok(())
}
