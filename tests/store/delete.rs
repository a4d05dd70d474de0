//! Deleting: rows first, names compared byte for byte, files afterwards.

use std::fs;
use std::time::{Duration, SystemTime};

use ezdfs::{DirId, ErrorKind};

use super::{PREFIX, Site, id, md5, refused, texts};
use crate::support::Trials;
use crate::support::db::{Backend, TestDb};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("delete", &[]);
    group.per_database("row_and_file_go_and_a_second_time_is_not_found", twice);
    group.per_database("a_file_that_is_gone_already_is_no_error", gone_already);
    group.per_database("a_directory_goes_byte_for_byte", a_directory_goes_byte_for_byte);
    group.per_database("wildcards_in_names_are_plain_characters", wildcards);
    group.per_database("the_whole_store_is_refused", the_whole_store_is_refused);
    group.per_database("more_than_one_batch_goes", more_than_one_batch_goes);
    group.per_database("young_files_without_rows_stay", young);
    #[cfg(feature = "failpoints")]
    group.per_database("old_orphans_go_to_the_trash_and_files_with_rows_stay", orphans);
    group.per_database("rows_go_by_the_keys_that_they_have", by_their_keys);
    group.per_database("listing_is_in_byte_order_and_complete", listing);
    group.per_database("a_write_of_this_process_is_seen_at_once", seen_at_once);
}

fn dir(text: &str) -> DirId {
    DirId::parse(text).unwrap()
}

fn twice(db: TestDb) {
    let site = Site::new(db);
    // Of a new store, whose root is as empty as an unmounted one.
    refused(site.store.delete(&id("images/a")), ErrorKind::NotFound);
    site.store.delete_data(&id("images/a")).unwrap();
    assert_eq!(site.store.delete_directory(&dir("images")).unwrap().rows, 0);
    site.create("images/a", b"x").unwrap();
    site.create("images/b", b"y").unwrap();
    site.store.delete(&id("images/a")).unwrap();
    assert!(!site.exists("images/a"));
    assert_eq!(site.tree(), ["images", "images/b"]);
    refused(site.store.delete(&id("images/a")), ErrorKind::NotFound);
    refused(site.store.open(&id("images/a")), ErrorKind::NotFound);
    assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), texts(["1"]));
    // A file without a row is somebody else's upload until fsck knows better.
    site.foreign_file("images/rowless", b"z");
    refused(site.store.delete(&id("images/rowless")), ErrorKind::NotFound);
    assert!(site.path("images/rowless").exists());
}

fn gone_already(db: TestDb) {
    let site = Site::new(db);
    site.create("images/a", b"x").unwrap();
    site.create("images/b", b"x").unwrap();
    fs::remove_file(site.path("images/a")).unwrap();
    site.store.delete(&id("images/a")).unwrap();
    assert!(!site.exists("images/a"));
}

/// A character set may have spoilt what a row says of its name: the key is right.
fn by_their_keys(db: TestDb) {
    let site = Site::new(db);
    let spoil = |id: &str, name: &str| {
        let key = md5(&format!("{PREFIX}/{id}"));
        let name = format!("{PREFIX}/{name}");
        site.db.sql(&format!("UPDATE ezdfsfile SET name = '{name}' WHERE name_hash = '{key}'"));
    };
    for directory in ["images/1", "images/2"] {
        site.create(&format!("{directory}/\u{e9}.jpg"), b"x").unwrap();
        site.create(&format!("{directory}/kept.jpg"), b"y").unwrap();
        spoil(&format!("{directory}/\u{e9}.jpg"), &format!("{directory}/?.jpg"));
        assert_eq!(site.read(&format!("{directory}/\u{e9}.jpg")).unwrap(), b"x");
    }
    site.create("images/3", b"z").unwrap();
    assert_eq!(site.store.delete_directory(&dir("images/1")).unwrap().rows, 2);
    assert_eq!(site.store.delete_metadata_directory(&dir("images/2")).unwrap(), 2);
    assert!(!site.exists("images/1/\u{e9}.jpg") && !site.exists("images/2/\u{e9}.jpg"));
    assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), texts(["1"]));

    if site.db.backend == Backend::MariaDb {
        // In a table of the kernels they are the same.
        site.db
            .sql("ALTER TABLE ezdfsfile MODIFY name_hash varchar(34) COLLATE utf8mb4_general_ci");
        site.db.sql("UPDATE ezdfsfile SET name_hash = UPPER(name_hash)");
        assert_eq!(site.read("images/3").unwrap(), b"z");
        site.store.delete(&id("images/3")).unwrap();
        assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), texts(["0"]));
        assert!(!site.path("images/3").exists());
    }
}

fn a_directory_goes_byte_for_byte(db: TestDb) {
    let site = Site::new(db);
    for alias in ["large", "Large", "l\u{e4}rge", "larger", "large "] {
        site.create(&format!("images/_aliases/{alias}/1/a.jpg"), b"x").unwrap();
    }
    site.foreign_row("images/_aliases/large/soft-deleted.jpg", 1, -5, true);
    let deleted = site.store.delete_directory(&dir("images/_aliases/large")).unwrap();
    assert_eq!((deleted.rows, deleted.files, deleted.left), (2, 1, 0));
    assert!(!site.exists("images/_aliases/large/1/a.jpg"));
    assert!(!site.path("images/_aliases/large").exists());
    for alias in ["Large", "l\u{e4}rge", "larger", "large "] {
        let file = format!("images/_aliases/{alias}/1/a.jpg");
        assert_eq!(site.read(&file).unwrap(), b"x", "{file}");
    }
    let again = site.store.delete_directory(&dir("images/_aliases/large")).unwrap();
    assert_eq!(again, ezdfs::Deleted::default());
}

fn wildcards(db: TestDb) {
    let site = Site::new(db);
    let files = [
        "images/a_b/1",
        "images/aXb/1",
        "images/a%/1",
        "images/ab/1",
        "images/a|/1",
        "images/a\\/1",
    ];
    for file in files {
        site.create(file, b"x").unwrap();
    }
    for (gone, victim) in [("images/a_b", 0), ("images/a%", 2), ("images/a|", 4), ("images/a\\", 5)]
    {
        assert_eq!(site.store.delete_directory(&dir(gone)).unwrap().rows, 1, "{gone}");
        assert!(!site.exists(files[victim]));
    }
    assert!(site.exists("images/aXb/1") && site.exists("images/ab/1"));
}

fn the_whole_store_is_refused(db: TestDb) {
    let site = Site::new(db);
    site.create("images/a", b"x").unwrap();
    for nothing in ["", "/", "//", ".", "..", "images/.."] {
        refused(DirId::parse(nothing), ErrorKind::InvalidName);
    }
    assert!(site.exists("images/a"));
}

fn more_than_one_batch_goes(db: TestDb) {
    let site = Site::new(db);
    site.create("images/_aliases/large/3/real", b"x").unwrap();
    for number in 0..1203 {
        let file = id(&format!("images/_aliases/large/{}/{number}", number % 7));
        site.store.put_metadata(&file, 1, None, None).unwrap();
    }
    site.create("images/_aliases/small/1", b"x").unwrap();
    let deleted = site.store.delete_directory(&dir("images/_aliases/large")).unwrap();
    assert_eq!((deleted.rows, deleted.files), (1204, 1));
    assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), texts(["1"]));
    assert!(!site.path("images/_aliases/large").exists());
}

/// Whatever their own time says: a copy may have that of its original.
fn young(db: TestDb) {
    let site = Site::new(db);
    site.create("images/_aliases/large/a", b"x").unwrap();
    site.foreign_file("images/_aliases/large/deep/young", b"an upload whose row comes next");
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let old = fs::File::open(site.path("images/_aliases/large/deep/young")).unwrap();
    old.set_modified(an_hour_ago).unwrap();
    let deleted = site.store.delete_directory(&dir("images/_aliases/large")).unwrap();
    assert_eq!((deleted.rows, deleted.files), (1, 1));
    assert!(site.path("images/_aliases/large/deep/young").exists());
    assert!(deleted.left > 0);
    assert_eq!(site.trash(), Vec::<String>::new());
}

/// Without the grace, which no file of a test is older than.
#[cfg(feature = "failpoints")]
fn orphans(db: TestDb) {
    let site = Site::new(db);
    let large = "images/_aliases/large";
    for name in ["a", "bystander"] {
        site.create(&format!("{large}/{name}"), b"x").unwrap();
    }
    site.create("images/elsewhere", b"y").unwrap();
    // A row of another directory whose name a character set has spoilt.
    let key = md5(&format!("{PREFIX}/{large}/bystander"));
    site.db.sql(&format!("UPDATE ezdfsfile SET name = '?' WHERE name_hash = '{key}'"));
    for debris in [".DS_Store", ".nfs0001"] {
        site.foreign_file(&format!("{large}/{debris}"), b"nobody's");
    }
    site.foreign_file(&format!("{large}/deep/old"), b"orphan");
    std::os::unix::fs::symlink(site.root(), site.path(&format!("{large}/link"))).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ezdfs"))
        .args(["rm", "-r", "--json", large])
        .env_clear()
        .env("EZDFS_DSN", &site.db.dsn)
        .env("EZDFS_ROOT", site.root())
        .env("EZDFS_NAME_PREFIX", PREFIX)
        .env("FAILPOINTS", "no-grace=return")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let counts: serde_json::Value = serde_json::from_str(&text).unwrap();
    // The spoilt row's file, debris, and the directory that has them.
    assert_eq!(
        (&counts["rows"], &counts["files"], &counts["left"]),
        (&1.into(), &3.into(), &4.into())
    );
    assert_eq!(fs::read(site.path(&format!("{large}/bystander"))).unwrap(), b"x");
    assert!(!site.path(&format!("{large}/deep")).exists());
    assert_eq!(site.trash(), [format!("{large}/deep/old")], "links are no files");
    assert_eq!(site.read("images/elsewhere").unwrap(), b"y");
}

fn listing(db: TestDb) {
    let site = Site::new(db);
    let mut files: Vec<String> = ["B", "a", "Z/x", "a-b", "a/b", "\u{e9}", "e", "a%"]
        .iter()
        .map(|name| format!("images/{name}"))
        .filter(|name| name != "images/a")
        .collect();
    for file in &files {
        site.create(file, b"x").unwrap();
    }
    for number in 0..1100 {
        let file = format!("images/many/{number:05}");
        site.store.put_metadata(&id(&file), 1, None, None).unwrap();
        files.push(file);
    }
    site.foreign_row("images/soft-deleted", 1, -5, true);
    files.sort();
    let list = |dir: Option<&DirId>| -> Vec<String> {
        let ids = site.store.list(dir).unwrap().map(|info| info.unwrap().id);
        ids.map(|id| id.as_str().to_owned()).collect()
    };
    assert_eq!(list(None), files);
    assert_eq!(list(Some(&dir("images/a"))), ["images/a/b"]);
    assert_eq!(list(Some(&dir("images/many/"))).len(), 1100);
    assert_eq!(list(Some(&dir("image"))), Vec::<String>::new());
}

fn seen_at_once(db: TestDb) {
    let site = Site::new(db);
    assert!(!site.exists("images/a"));
    site.create("images/a", b"x").unwrap();
    assert!(site.exists("images/a"), "a remembered absence was dropped");
    site.create("images/a", b"longer").unwrap();
    assert_eq!(site.store.stat(&id("images/a")).unwrap().size, 6);
    site.store.delete_directory(&dir("images")).unwrap();
    assert!(!site.exists("images/a"));
}
