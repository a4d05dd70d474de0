//! Rows and bytes by themselves, as kernels use them that keep the other half elsewhere.

use std::fs;

use ezdfs::{DirId, ErrorKind};

use super::{PREFIX, Site, id, refused, store, texts};
use crate::support::Trials;
use crate::support::db::TestDb;
use crate::support::process::scratch;

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("halves", &[]);
    group.per_database("each_works_alone", each_works_alone);
    group.per_database("a_row_says_what_legacy_says", a_row_says_what_legacy_says);
    group.per_database("a_write_is_seen_by_all_stores_of_the_process", seen_by_all_stores);
    group.per_database("an_empty_root_is_asked_of_the_table", empty_root_with_a_table);
    group.add("an_empty_root_without_a_table_is_no_share", |_| empty_root_without_a_table());
    group.add("a_directory_goes_with_all_that_is_stored", |_| a_directory_goes());
}

/// A store whose database cannot be asked, as that of a kernel's binary data handler.
const NO_TABLE: &str = "sqlite:/nonexistent";

fn dir(text: &str) -> DirId {
    DirId::parse(text).unwrap()
}

fn each_works_alone(db: TestDb) {
    let site = Site::new(db);
    let file = id("images/half");
    assert_eq!(site.store.put_data(&file, &mut &b"7 bytes"[..], Some(7)).unwrap(), 7);
    assert!(!site.exists("images/half"));
    let info = site.store.put_metadata(&file, 7, Some(1_500_000_000), Some("image/gif")).unwrap();
    assert_eq!(site.store.stat(&file).unwrap(), info);
    assert_eq!(site.read("images/half").unwrap(), b"7 bytes");
    site.store.delete_metadata(&file).unwrap();
    refused(site.store.delete_metadata(&file), ErrorKind::NotFound);
    assert_eq!(site.store.open_data(&file).unwrap().1, 7);
    site.store.delete_data(&file).unwrap();
    site.store.delete_data(&file).unwrap();
    assert_eq!(
        site.db.sql(&format!("SELECT COUNT(*) FROM ezdfsfile WHERE name LIKE '{PREFIX}%'")),
        texts(["0"])
    );
}

fn a_row_says_what_legacy_says(db: TestDb) {
    let site = Site::new(db);
    let file = id("original/application/a.pdf");
    for word in ["misc", "", "php", "application/pdf"] {
        let info = site.store.put_metadata(&file, 7, None, Some(word)).unwrap();
        assert_eq!(info.mime_type, word);
        assert_eq!(site.store.stat(&file).unwrap().mime_type, word);
    }
    for bad in ["a/b\r\nSet-Cookie: c=d", "a\0b", &"x".repeat(256)] {
        refused(site.store.put_metadata(&file, 7, None, Some(bad)), ErrorKind::InvalidInput);
    }
    assert_eq!(site.row("datatype", file.as_str()), texts(["application/pdf"]));
}

/// A process has a store for each set of options.
fn seen_by_all_stores(db: TestDb) {
    let site = Site::new(db);
    site.foreign_file("images/other", b"x");
    let file = id("images/a");
    let rows = store(&site.db.dsn, "/".as_ref(), &[("cache_ttl", "1h")]);
    let pair = site.another_store(&[("cache_ttl", "1h"), ("cache_negative_ttl", "1h")]);
    assert!(!pair.exists(&file).unwrap());
    rows.put_metadata(&file, 1, None, None).unwrap();
    assert!(pair.exists(&file).unwrap());
    assert_eq!((rows.stat(&file).unwrap().size, pair.stat(&file).unwrap().size), (1, 1));
    site.create("images/a", b"longer").unwrap();
    assert_eq!((rows.stat(&file).unwrap().size, pair.stat(&file).unwrap().size), (6, 6));
    pair.delete_directory(&dir("images")).unwrap();
    assert!(!rows.exists(&file).unwrap());
}

fn empty_root_with_a_table(db: TestDb) {
    let site = Site::new(db);
    let file = id("images/1/a");
    site.store.put_metadata(&file, 1, None, None).unwrap();
    refused(site.store.put_data(&file, &mut &b"x"[..], None), ErrorKind::Unavailable);
    refused(site.store.delete_data(&file), ErrorKind::Unavailable);
    refused(site.store.delete_data_directory(&dir("images")), ErrorKind::Unavailable);
    assert_eq!(site.tree(), Vec::<String>::new());
    refused(site.store.open_data(&file), ErrorKind::Unavailable);
    site.store.delete_metadata(&file).unwrap();
    refused(site.store.open_data(&file), ErrorKind::NotFound);
    site.store.delete_data_directory(&dir("images")).unwrap();
    site.store.put_data(&file, &mut &b"x"[..], None).unwrap();
}

fn empty_root_without_a_table() {
    let root = scratch();
    let file = id("images/1/a");
    let refusing = |options| {
        let store = store(NO_TABLE, root.path(), options);
        let error = refused(store.put_data(&file, &mut &b"x"[..], None), ErrorKind::Unavailable);
        refused(store.open_data(&file), ErrorKind::Unavailable);
        refused(store.delete_data(&file), ErrorKind::Unavailable);
        refused(store.delete_data_directory(&dir("images")), ErrorKind::Unavailable);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        error
    };
    assert!(refusing(&[]).to_string().contains("put a file into it"));
    assert!(refusing(&[("mount_marker", ".mounted")]).to_string().contains("mount_marker"));

    fs::write(root.path().join(".mounted"), b"").unwrap();
    for options in [&[][..], &[("mount_marker", ".mounted")]] {
        let store = store(NO_TABLE, root.path(), options);
        store.put_data(&file, &mut &b"x"[..], None).unwrap();
        store.delete_data(&file).unwrap();
    }
    fs::remove_file(root.path().join(".mounted")).unwrap();
    // Nor does a root become empty by what is deleted.
    let store = store(NO_TABLE, root.path(), &[]);
    store.delete_data_directory(&dir("images")).unwrap();
    assert!(!root.path().join("images/1").exists());
    store.put_data(&file, &mut &b"x"[..], None).unwrap();
}

fn a_directory_goes() {
    let root = scratch();
    fs::create_dir_all(root.path().join("images/_aliases/large/2")).unwrap();
    fs::write(root.path().join("images/original.png"), b"x").unwrap();
    let store = store(NO_TABLE, root.path(), &[]);
    for name in ["1/a", "2/b", "c"] {
        let file = id(&format!("images/_aliases/large/{name}"));
        store.put_data(&file, &mut &b"x"[..], None).unwrap();
    }
    // Of a kernel's node, and of somebody who is writing.
    fs::write(root.path().join("images/_aliases/large/2/d"), b"x").unwrap();
    let staged = root.path().join("images/_aliases/large/2/.ezdfs-stage-1");
    fs::write(&staged, b"x").unwrap();
    store.delete_data_directory(&dir("images/_aliases/large")).unwrap();
    let left = |path: &str| {
        let entries = fs::read_dir(root.path().join(path)).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(left("images/_aliases/large"), ["2"]);
    assert_eq!(left("images/_aliases/large/2"), [".ezdfs-stage-1"]);
    fs::remove_file(staged).unwrap();
    store.delete_data_directory(&dir("images/_aliases/large")).unwrap();
    assert_eq!(left("images/_aliases"), Vec::<String>::new());
    assert_eq!(left("images").len(), 2);
}
