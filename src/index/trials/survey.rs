//! Questions about a table as a whole, and about others beside it.

use std::collections::HashSet;

use super::support::db::{Backend, TestDb};
use super::{OLD_POSTGRES, index, run};
use crate::index::{Index, Record};
use crate::name::FileName;

fn row(name: &str, mtime: i64, expired: bool) -> Record {
    Record {
        name: name.to_owned(),
        name_trunk: name.to_owned(),
        name_hash: key(name),
        datatype: Some("image/png".to_owned()),
        scope: Some("image".to_owned()),
        size: 1,
        mtime,
        expired,
        status: None,
    }
}

fn store(index: &Index, rows: &[Record]) {
    for row in rows {
        run(run(index.begin_restore(row)).expect("a place").commit());
    }
}

fn key(name: &str) -> String {
    FileName::stored(name).hash()
}

/// The tables whose shapes differ.
fn shapes(db: &TestDb) -> Vec<Index> {
    let new = index(db, "ezdfsfile");
    run(new.create_schema());
    let mut shapes = vec![new];
    if db.backend == Backend::Postgres {
        db.sql(OLD_POSTGRES);
        shapes.push(index(db, "old"));
    }
    shapes
}

pub(super) fn counts_and_samples(db: &TestDb) {
    for index in shapes(db) {
        assert_eq!((run(index.newest()), run(index.count(""))), (None, 0));
        assert!(run(index.live_sample("", 10)).is_empty());
        let mut rows: Vec<_> =
            (0..300).map(|n| row(&format!("images/{}/{n}", n % 10), n + 1, false)).collect();
        rows.extend((0..20).map(|n| row(&format!("images/gone/{n}"), -n, true)));
        rows.push(row("images/hidden", 1, true));
        rows.push(row("images/\u{1f600}", 1_700_000_000, true));
        rows.push(row("IMAGES/other", 7, false));
        rows.push(row("images0", 8, false));
        store(&index, &rows);

        assert_eq!(run(index.count("")), 324);
        assert_eq!(run(index.count("images/")), 322);
        assert_eq!(run(index.count("images/7/")), 30);
        assert_eq!(run(index.count("image/")), 0);
        assert_eq!(run(index.newest()), Some(1_700_000_000));

        for (limit, expected) in [(0, 0), (50, 50), (300, 300), (1000, 300)] {
            let sample = run(index.live_sample("images/", limit));
            let names: HashSet<_> = sample.iter().map(|keyed| &keyed.row.name).collect();
            assert_eq!((sample.len(), names.len()), (expected, expected));
            for keyed in &sample {
                assert!(keyed.row.is_live() && keyed.row.name.starts_with("images/"));
                assert_eq!(keyed.key, key(&keyed.row.name));
            }
            let directories: HashSet<_> =
                names.iter().map(|name| name.rsplit_once('/').unwrap().0).collect();
            assert!(limit == 0 || directories.len() > 2, "{directories:?}");
        }
        assert_eq!(run(index.live_sample("", 1000)).len(), 302);
    }
}

pub(super) fn siblings_claim_what_is_theirs(db: &TestDb) {
    let tables = shapes(db);
    let index = super::index(db, "ezdfsfile");
    let caches = super::index(db, "ezdfsfile_cache");
    run(caches.create_schema());
    db.sql("ALTER TABLE ezdfsfile_cache DROP COLUMN status");
    db.sql("CREATE VIEW ibexa_dfs_file AS SELECT * FROM ezdfsfile");
    db.sql("CREATE TABLE unrelated (name_hash varchar(34), mtime int)");
    let broken = match db.backend {
        Backend::Postgres => "CREATE VIEW broken AS SELECT * FROM ezdfsfile WHERE 1 / 0 > 0",
        _ => {
            "CREATE TABLE gone AS SELECT * FROM ezdfsfile; \
             CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone"
        }
    };
    db.sql(broken);

    let old = (db.backend == Backend::Postgres).then_some("old");
    let others = |first: &'static str| -> Vec<_> {
        [first, "ibexa_dfs_file"].into_iter().chain(old).collect()
    };
    assert_eq!(run(index.siblings()), others("ezdfsfile_cache"));
    assert_eq!(run(caches.siblings()), others("ezdfsfile"));
    let schema = match db.backend {
        Backend::Sqlite => "main",
        Backend::MariaDb => db.dsn.rsplit('/').next().unwrap(),
        Backend::Postgres => "public",
    };
    let qualified = super::index(db, &format!("{schema}.ezdfsfile_cache"));
    let names: Vec<_> = others("ezdfsfile").iter().map(|name| format!("{schema}.{name}")).collect();
    assert_eq!(run(qualified.siblings()), names);

    store(&index, &[row("live", 5, false), row("deleted", -5, true), row("hidden", 5, true)]);
    store(
        &caches,
        &[row("cache", 5, false), row("live", -5, true), row("deleted cache", -5, false)],
    );
    let mut elsewhere = vec!["live", "cache"];
    if let [_, old] = &tables[..] {
        store(old, &[row("old", 5, false), row("old deleted", 5, true)]);
        elsewhere.push("old");
    }
    let mut keys: Vec<_> = (0..1200).map(|n| key(&format!("nobody's {n}"))).collect();
    for name in
        ["live", "deleted", "hidden", "cache", "deleted cache", "old", "old deleted", "nobody's"]
    {
        keys.insert(keys.len() / 2, key(name));
    }
    let keys_of = |names: &[&str]| -> HashSet<_> { names.iter().map(|name| key(name)).collect() };
    assert_eq!(run(index.live_among(&keys)), keys_of(&["live"]));
    assert_eq!(run(qualified.live_among(&keys)), keys_of(&["cache"]));
    assert!(run(index.live_among(&[])).is_empty());
    // The view has this table's rows.
    assert_eq!(run(index.live_in_siblings(&keys)), keys_of(&elsewhere));
    elsewhere.retain(|name| *name != "cache");
    assert_eq!(run(qualified.live_in_siblings(&keys)), keys_of(&elsewhere));
    assert!(run(index.live_in_siblings(&[])).is_empty());
}
