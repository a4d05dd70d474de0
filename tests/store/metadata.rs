//! Rows: what ezdfs writes into them, and which ones it takes for live.

use std::time::{SystemTime, UNIX_EPOCH};

use ezdfs::{CreateOptions, ErrorKind, FileId, MAX_MTIME};

use super::{PREFIX, Site, id, md5, refused, texts};
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Result, Servers, Trials};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("metadata", &[]);
    group.per_database("a_created_file_has_the_kernels_row", a_created_file_has_the_kernels_row);
    group.per_database("scopes_follow_the_first_segment", scopes_follow_the_first_segment);
    group.per_database("kernel_and_ezdfs_read_each_other", kernel_and_ezdfs_read_each_other);
    group.per_database("only_live_rows_are_seen", only_live_rows_are_seen);
    group.per_database("a_soft_deleted_file_comes_back", a_soft_deleted_file_comes_back);
    group.per_database("two_spellings_never_make_two_rows", two_spellings_never_make_two_rows);
    group.per_database("nfc_and_nfd_are_two_files", nfc_and_nfd_are_two_files);
    group.per_database("an_emoji_round_trips", an_emoji_round_trips);
    group.per_database("an_mtime_that_hides_the_row_is_refused", bad_mtimes_are_refused);
    group.per_database("mime_types_are_sniffed_or_checked", mime_types_are_sniffed_or_checked);
    let mut group = trials.group("metadata", &[Need::MARIADB]);
    group.add("a_three_byte_charset_refuses_an_emoji_cleanly", three_byte_charset);
}

fn a_created_file_has_the_kernels_row(db: TestDb) {
    let site = Site::new(db);
    let before = now();
    let info = site.create("images/1/a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0 a").unwrap();
    let name = format!("{PREFIX}/images/1/a.jpg");
    let boolean = if site.db.backend == Backend::Postgres { "f" } else { "0" };
    assert_eq!(
        site.row(
            "name, name_trunk, name_hash, datatype, scope, size, expired, status",
            "images/1/a.jpg"
        ),
        texts([&name, &name, &md5(&name), "image/jpeg", "image", "13", boolean, boolean])
    );
    let mtime: i64 = site.row("mtime", "images/1/a.jpg")[0][0].as_ref().unwrap().parse().unwrap();
    assert!((before..=now()).contains(&mtime), "{mtime}");
    assert_eq!((info.size, info.mtime, info.scope.as_str()), (13, mtime, "image"));
    assert_eq!(site.store.stat(&id("images/1/a.jpg")).unwrap(), info);
}

fn scopes_follow_the_first_segment(db: TestDb) {
    let site = Site::new(db);
    for (file, scope) in [
        ("original/application/x.pdf", "binaryfile"),
        ("images-versioned/1/2-eng-GB/a.png", "UNKNOWN_SCOPE"),
        ("images/a.png", "image"),
        ("elsewhere/a.png", "UNKNOWN_SCOPE"),
    ] {
        site.create(file, b"x").unwrap();
        assert_eq!(site.row("scope", file), texts([scope]), "{file}");
    }
}

fn kernel_and_ezdfs_read_each_other(db: TestDb) {
    let site = Site::new(db);
    site.foreign_file("images/k/kernel.jpg", b"by the kernel");
    site.foreign_row("images/k/kernel.jpg", 13, 1_600_000_000, false);
    let info = site.store.stat(&id("images/k/kernel.jpg")).unwrap();
    assert_eq!((info.size, info.mtime, &*info.mime_type), (13, 1_600_000_000, "image/jpeg"));
    assert_eq!(site.read("images/k/kernel.jpg").unwrap(), b"by the kernel");

    site.create("images/k/ours.txt", b"by ezdfs").unwrap();
    assert_eq!(std::fs::read(site.path("images/k/ours.txt")).unwrap(), b"by ezdfs");
    // The visibility rule of the new kernels, as their query has it.
    let visible = site.db.sql(&format!(
        "SELECT size FROM ezdfsfile WHERE name_hash = '{}' AND expired <> {} AND mtime > 0",
        md5(&format!("{PREFIX}/images/k/ours.txt")),
        if site.db.backend == Backend::Postgres { "true" } else { "1" }
    ));
    assert_eq!(visible, texts(["8"]));
}

fn only_live_rows_are_seen(db: TestDb) {
    let site = Site::new(db);
    for (file, mtime, expired) in
        [("images/x", 5, true), ("images/n", -5, false), ("images/z", 0, false)]
    {
        site.foreign_file(file, b"bytes");
        site.foreign_row(file, 5, mtime, expired);
        assert!(!site.exists(file), "{file}");
        refused(site.store.stat(&id(file)), ErrorKind::NotFound);
        refused(site.store.open(&id(file)), ErrorKind::NotFound);
    }
    assert_eq!(site.store.list(None).unwrap().count(), 0);
    // No row at all: what lies on the mount does not count.
    site.foreign_file("images/rowless", b"bytes");
    refused(site.store.open(&id("images/rowless")), ErrorKind::NotFound);
}

fn a_soft_deleted_file_comes_back(db: TestDb) {
    let site = Site::new(db);
    site.foreign_file("images/s.jpg", b"old");
    site.foreign_row("images/s.jpg", 3, -1_600_000_000, true);
    assert!(!site.exists("images/s.jpg"));
    site.create("images/s.jpg", b"newer").unwrap();
    let expired = if site.db.backend == Backend::Postgres { "f" } else { "0" };
    assert_eq!(site.row("expired, size", "images/s.jpg"), texts([expired, "5"]));
    assert_eq!(site.read("images/s.jpg").unwrap(), b"newer");
}

fn two_spellings_never_make_two_rows(db: TestDb) {
    let site = Site::new(db);
    site.create("images/a/b", b"x").unwrap();
    for spelling in ["images/a//b", "./images/a/b", "images/a/../a/b", "/images/a/b", "images/a/b/"]
    {
        refused(FileId::parse(spelling), ErrorKind::InvalidName);
    }
    assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), texts(["1"]));
}

fn nfc_and_nfd_are_two_files(db: TestDb) {
    let site = Site::new(db);
    let (nfc, nfd) = ("images/caf\u{e9}.jpg", "images/cafe\u{301}.jpg");
    site.create(nfc, b"composed").unwrap();
    assert!(!site.exists(nfd));
    site.create(nfd, b"decomposed").unwrap();
    assert_eq!(site.read(nfc).unwrap(), b"composed");
    assert_eq!(site.read(nfd).unwrap(), b"decomposed");
    site.store.delete(&id(nfc)).unwrap();
    assert!(site.exists(nfd));
}

fn an_emoji_round_trips(db: TestDb) {
    let site = Site::new(db);
    let name = "images/1/\u{1f600} it's \"50%\" a+b.jpg";
    site.create(name, b"smile").unwrap();
    assert_eq!(site.read(name).unwrap(), b"smile");
    let listed: Vec<_> = site.store.list(None).unwrap().map(|info| info.unwrap().id).collect();
    assert_eq!(listed, [id(name)]);
}

fn three_byte_charset(servers: &Servers) -> Result {
    let site = Site::without_table(TestDb::mariadb(servers, "utf8mb3", "utf8mb3_general_ci")?, &[]);
    site.db.sql(super::schema::LEGACY_MYSQL);
    let error = refused(site.create("images/1/\u{1f600}.jpg", b"smile"), ErrorKind::InvalidInput);
    assert!(format!("{error:#}").contains("\u{1f600}"), "{error:#}");
    assert_eq!(site.tree(), Vec::<String>::new(), "no file and no directory is left");
    assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), texts(["0"]));
    site.create("images/1/é.jpg", b"fits").unwrap();
    assert_eq!(site.read("images/1/é.jpg").unwrap(), b"fits");
    Ok(())
}

fn bad_mtimes_are_refused(db: TestDb) {
    let site = Site::new(db);
    for mtime in [MAX_MTIME + 1, 0, -1] {
        let options = CreateOptions { mtime: Some(mtime), ..CreateOptions::default() };
        let outcome = site.store.create(&id("images/t"), &mut &b"x"[..], &options);
        refused(outcome, ErrorKind::InvalidInput);
    }
    assert_eq!(site.tree(), Vec::<String>::new());
    let options = CreateOptions { mtime: Some(MAX_MTIME), ..CreateOptions::default() };
    site.store.create(&id("images/t"), &mut &b"x"[..], &options).unwrap();
    assert_eq!(site.row("mtime", "images/t"), texts(["2147483647"]));
}

fn mime_types_are_sniffed_or_checked(db: TestDb) {
    let site = Site::new(db);
    // The name says one thing, the bytes another.
    let info = site.create("images/script.jpg", b"<!DOCTYPE html><script>").unwrap();
    assert_eq!(info.mime_type, "text/html");
    let given = |mime_type| {
        let options = CreateOptions { mime_type: Some(mime_type), ..CreateOptions::default() };
        site.store.create(&id("images/given"), &mut &b"x"[..], &options)
    };
    assert_eq!(given("image/webp").unwrap().mime_type, "image/webp");
    for bad in ["", "misc", "image/png\r\nX-Injected: yes", "image/é"] {
        refused(given(bad), ErrorKind::InvalidInput);
    }
    assert_eq!(site.row("datatype", "images/given"), texts(["image/webp"]));
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
