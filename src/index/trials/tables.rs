//! Two tables, of which each has the rows of its names.

use super::support::db::{Backend, TestDb};
use super::{index, index_with, run};
use crate::error::{ErrorKind, Result};
use crate::index::Index;
use crate::metadata::Row;
use crate::name::FileName;
use crate::runtime;

const CACHES: &str = "ezdfsfile_cache";

fn store(index: &Index, name: &str, mtime: i64) {
    let row = Row {
        name: name.to_owned(),
        datatype: "image/png".to_owned(),
        scope: "image".to_owned(),
        size: 1,
        mtime,
        expired: false,
    };
    run(index.write(&FileName::stored(name), |_| row.clone()));
}

/// In the order in which they come, some at a time.
fn paged(
    mut page: impl FnMut(Option<&str>) -> Vec<(String, String)>,
    most: usize,
) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    loop {
        let after = all.last().map(|(key, _)| key.clone());
        let more = page(after.as_deref());
        assert!(more.len() <= most);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

pub(super) fn each_table_has_its_names(db: &TestDb) {
    let both = index_with(db, &[("cache_table", CACHES)]);
    run(both.create_schema());
    let mut expected = Vec::new();
    for number in 0..40 {
        for (of, mtime) in [("storage/images", 1000), ("cache/public", 2000)] {
            let name = format!("var/site/{of}/{number}");
            store(&both, &name, mtime + number);
            expected.push((FileName::stored(&name).hash(), name));
        }
        // Each in the table of the others.
        store(&index(db, "ezdfsfile"), &format!("var/site/cache/public/left-{number}"), 1);
        store(&index(db, CACHES), &format!("var/site/storage/images/left-{number}"), 1);
    }
    expected.sort();
    let by_key = |after: Option<&str>| {
        let page = run(both.list_by_key("var/", after, 7));
        page.into_iter().map(|keyed| (keyed.key, keyed.row.name)).collect()
    };
    assert_eq!(paged(by_key, 7), expected);
    let mut names: Vec<_> = expected.iter().map(|(_, name)| name.clone()).collect();
    names.sort();
    // MariaDB has no index of prefixes that would have this order.
    if db.backend != Backend::MariaDb {
        let by_name = |after: Option<&str>| {
            let page = run(both.list("var/", after, 7)).expect("an index in order");
            assert_eq!(page.is_last, page.rows.len() < 7);
            page.rows.into_iter().map(|row| (row.name.clone(), row.name)).collect()
        };
        let listed = paged(by_name, 7).into_iter().map(|(name, _)| name);
        assert_eq!(listed.collect::<Vec<_>>(), names);
    }
    let mut rows = run(both.sorted("", &mut |_| {}));
    for name in &names {
        assert_eq!(&rows.next().unwrap().unwrap().row.name, name);
    }
    assert!(rows.next().unwrap().is_none());
    assert_eq!([run(both.count("")), run(both.count("var/site/cache/"))], [80, 40]);
    assert_eq!(run(both.count("var/site/storage/")), 40);
    assert_eq!(run(both.live_sample("", 1000)).len(), 80);
    assert_eq!(run(both.newest()), Some(2039));
    for (key, name) in &expected {
        assert_eq!(run(both.find_keyed(key)).unwrap().row.name, *name);
    }
    let left = FileName::stored("var/site/cache/public/left-0").hash();
    assert!(run(both.find_keyed(&left)).is_none() && run(both.record(&left)).is_none());
    // The change log is of the first, whatever its names are.
    assert_eq!(run(both.list_logged(None, 1000)).len(), 80);
    assert!(run(both.siblings()).is_empty(), "it is none of others");
}

pub(super) fn a_table_that_is_not_there_is_no_trouble_of_the_others(db: &TestDb) {
    run(index(db, "ezdfsfile").create_schema());
    let both = index_with(db, &[("cache_table", CACHES)]);
    let (picture, cached) = ("var/site/storage/images/a", "var/site/cache/public/a");
    store(&both, picture, 1);
    let names = [picture, cached].map(FileName::stored);
    let mut found = run(both.find_many(&names));
    let mut take = |name: &FileName| -> Option<Result<Row>> { found.remove(&name.hash()) };
    assert_eq!(take(&names[0]).unwrap().unwrap().name, picture);
    assert_eq!(take(&names[1]).unwrap().unwrap_err().kind(), ErrorKind::Schema);
    let alone = runtime::block_on(both.find_many(&names[1..]));
    assert_eq!(alone.unwrap_err().kind(), ErrorKind::Schema);
    assert_eq!(run(both.soft_delete(&names[..1])), 1);
    let (pending, locked) = run(both.begin_purge(&names[..1]));
    run(pending.roll_back());
    assert_eq!(locked.len(), 1);
}
