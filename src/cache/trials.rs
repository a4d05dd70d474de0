use std::sync::Arc;

use super::*;

fn cache(options: &[(&str, &str)]) -> Cache<Arc<str>> {
    let mut builder = Options::builder();
    builder.set("dsn", "sqlite:/x").unwrap().set("root", "/").unwrap();
    for (key, value) in options {
        builder.set(key, value).unwrap();
    }
    Cache::new(&builder.build().unwrap(), 100)
}

fn row(size: u64) -> Option<Row> {
    Some(Row {
        name: "a".into(),
        datatype: "image/png".into(),
        scope: "image".into(),
        size,
        mtime: 1,
        expired: false,
    })
}

const KEY: Key = [2; 16];

#[test]
fn a_row_read_before_a_write_is_not_remembered_after_it() {
    let cache = cache(&[]);
    let reading = cache.reading();
    cache.forget(&KEY);
    cache.remember(KEY, row(1), reading);
    assert!(cache.get(&KEY).is_none());
}

#[test]
fn stale_rows_serve_only_within_their_limit_and_absences_never() {
    let brief = [("cache_ttl", "1ms"), ("cache_negative_ttl", "1ms")];
    let strict = cache(&brief);
    let lenient = cache(&[brief[0], brief[1], ("stale_if_error", "1h")]);
    for cache in [&strict, &lenient] {
        cache.remember(KEY, row(3), cache.reading());
        cache.remember([4; 16], None, cache.reading());
    }
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(lenient.stale(&KEY).unwrap().0.size, 3);
    assert!(lenient.get(&KEY).is_none());
    assert!(lenient.stale(&[4; 16]).is_none());
    assert!(strict.stale(&KEY).is_none());
}

#[test]
fn what_is_in_doubt_is_only_fallen_back_on() {
    let cache = cache(&[("stale_if_error", "1h")]);
    let (absent, file) = ([4; 16], Arc::<str>::from("open"));
    let (_, stamp) = cache.remember(KEY, row(3), cache.reading());
    cache.keep_file(KEY, stamp, cache.now(), Arc::clone(&file));
    cache.remember(absent, None, cache.reading());
    let reading = cache.reading();
    [KEY, absent].iter().for_each(|key| cache.doubt(key));
    assert!(cache.get(&KEY).is_none());
    assert!(cache.get(&absent).is_none());
    assert_eq!(Arc::strong_count(&file), 1);
    assert_eq!(cache.stale(&KEY).unwrap().0.size, 3);
    // Read before the write that brought the doubt.
    cache.remember(KEY, row(5), reading);
    assert!(cache.get(&KEY).is_none());
    assert_eq!(cache.stale(&KEY).unwrap().0.size, 5);
    assert_ne!(cache.remember(KEY, row(5), cache.reading()).1, stamp);
    assert!(cache.get(&KEY).is_some());
}

#[test]
fn a_soft_deleted_row_is_an_absence() {
    let cache = cache(&[]);
    let deleted = row(1).map(|row| Row { mtime: -1, expired: true, ..row });
    assert_eq!(cache.remember(KEY, deleted, cache.reading()).0, None);
    assert_eq!(cache.get(&KEY).unwrap().facts, None);
}

#[test]
fn a_file_goes_with_its_row() {
    let cache = cache(&[]);
    let file = Arc::<str>::from("open");
    let keep = |row| {
        let (_, stamp) = cache.remember(KEY, row, cache.reading());
        cache.keep_file(KEY, stamp, cache.now(), Arc::clone(&file));
        stamp
    };
    let first = keep(row(1));
    assert!(cache.file(&KEY, first).is_some());
    // The same row, asked for ahead of time.
    assert_eq!(cache.remember(KEY, row(1), cache.reading()).1, first);
    assert!(cache.file(&KEY, first).is_some());
    // Another row.
    let (_, second) = cache.remember(KEY, row(2), cache.reading());
    assert_ne!(first, second);
    assert!(cache.file(&KEY, second).is_none());
    assert_eq!(Arc::strong_count(&file), 1);
    // A write of this process; a deletion elsewhere.
    keep(row(2));
    cache.forget(&KEY);
    assert_eq!(Arc::strong_count(&file), 1);
    keep(row(2));
    cache.remember(KEY, None, cache.reading());
    assert_eq!(Arc::strong_count(&file), 1);
}

#[test]
fn files_that_nobody_asks_for_are_closed() {
    let cache = cache(&[("cache_ttl", "10ms"), ("stale_if_error", "1h")]);
    let file = Arc::<str>::from("open");
    let (_, stamp) = cache.remember(KEY, row(1), cache.reading());
    cache.keep_file(KEY, stamp, cache.now(), Arc::clone(&file));
    std::thread::sleep(Duration::from_millis(20));
    assert!(!cache.drop_idle_files());
    assert_eq!(Arc::strong_count(&file), 1);
}

#[test]
fn a_file_that_cannot_be_opened_again_has_its_time_and_no_more() {
    let cache = cache(&[("cache_ttl", "3s")]);
    let (_, stamp) = cache.remember(KEY, row(1), cache.reading());
    let long_ago = cache.now();
    cache.keep_file(KEY, stamp, long_ago, Arc::from("open"));
    std::thread::sleep(Duration::from_millis(1600));
    // The row is read again ahead of time, its file is not opened again.
    assert_eq!(cache.remember(KEY, row(1), cache.reading()).1, stamp);
    std::thread::sleep(Duration::from_millis(1600));
    assert!(cache.file(&KEY, stamp).is_none());
    assert!(!cache.drop_idle_files());
}

#[test]
fn a_scan_leaves_what_is_asked_for_often() {
    let cache = cache(&[("cache_size", "16k")]);
    let hot: Vec<Key> = (0..10).map(|n| [n; 16]).collect();
    let remember = |key| cache.remember(key, row(1), cache.reading());
    hot.iter().for_each(|key| drop(remember(*key)));
    for round in 0..1000_u128 {
        hot.iter().for_each(|key| drop(cache.get(key)));
        for cold in 0..10 {
            remember((1_000_000 + round * 10 + cold).to_be_bytes());
        }
    }
    assert_eq!(hot.iter().filter(|key| cache.get(key).is_some()).count(), 10);
}
