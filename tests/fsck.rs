//! `fsck`: what it finds, what it repairs, and what it leaves alone.

mod command;
mod kept;

use std::fs;
use std::time::Duration;

use ezdfs::maintenance::{Checked, Fault, Finding, Fsck, FsckOptions, Phase, Progress, Report};
use ezdfs::{DirId, Error, ErrorKind};

use crate::store::{PREFIX, Site, md5, refused, texts};
use crate::support::Trials;
use crate::support::db::{Rows, TestDb};
use crate::support::process::scratch;
use kept::interrupt;

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("fsck", &[]);
    group.per_database("each_class_is_found_and_repaired", each_class);
    group.per_database("what_cannot_be_repaired_safely_is_left", left_alone);
    group.per_database("a_file_whose_row_has_a_spoilt_name_is_left", spoilt_names);
    group.per_database("young_files_are_nobodys_fault", young);
    group.per_database("rows_and_tree_have_one_order", one_order);
    group.per_database("a_dead_mount_is_refused", dead_mount);
    group.per_database("a_mount_that_goes_between_the_passes_is_refused", mount_goes);
    group.per_database("too_many_missing_files_stop_it", too_many_missing);
    group.per_database("too_many_orphans_are_not_removed", too_many_orphans);
    group.per_database("writers_between_the_passes_are_not_harmed", writers_between);
    group.per_database("a_write_under_way_is_waited_for", write_under_way);
    group.per_database("a_directory_by_itself", directory);
    kept::register(trials);
    command::register(trials);
}

/// Keeps what it is told.
#[derive(Default)]
struct Log<'h> {
    findings: Vec<Finding>,
    failures: Vec<Error>,
    /// Called at the first finding, while the others are not looked at again yet.
    between: Option<Box<dyn FnOnce() + 'h>>,
}

impl Progress for Log<'_> {
    fn progress(&mut self, _: Phase, _: u64, _: u64) {}
}

impl Report for Log<'_> {
    fn finding(&mut self, finding: &Finding) -> Result<(), Error> {
        self.findings.push(finding.clone());
        if let Some(between) = self.between.take() {
            between();
        }
        Ok(())
    }

    fn failure(&mut self, error: Error) {
        self.failures.push(error);
    }
}

pub(crate) fn options(repair: &[Fault]) -> FsckOptions {
    FsckOptions { grace: Duration::ZERO, repair: repair.to_vec(), ..FsckOptions::default() }
}

#[track_caller]
pub(crate) fn fsck(site: &Site, options: FsckOptions) -> (Checked, Vec<Finding>) {
    let mut log = Log::default();
    let checked = Fsck::new(&site.store, options).run(&mut log).unwrap();
    assert!(log.failures.is_empty(), "{:?}", log.failures);
    (checked, log.findings)
}

fn pairs(findings: &[Finding]) -> Vec<(Fault, &str)> {
    findings.iter().map(|finding| (finding.fault, finding.path.as_str())).collect()
}

fn all_rows(site: &Site) -> Rows {
    site.db.sql("SELECT name, name_hash, datatype, size, mtime, expired FROM ezdfsfile ORDER BY 2")
}

fn update(site: &Site, assignment: &str, id: &str) {
    site.db.sql(&format!("UPDATE ezdfsfile SET {assignment} WHERE name = '{PREFIX}/{id}'"));
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// Eleven good files.
fn good(db: TestDb) -> Site {
    let site = Site::new(db);
    for number in 0..10 {
        site.create(&format!("images/good/{number}"), PNG).unwrap();
    }
    site.create("images/deleted", PNG).unwrap();
    update(&site, "mtime = -mtime, expired = TRUE", "images/deleted");
    site
}

fn each_class(db: TestDb) {
    let site = good(db);
    assert_eq!(pairs(&fsck(&site, options(&[])).1), []);

    for id in ["images/alias", "images/hash", "images/hidden", "images/size", "images/type"] {
        site.create(id, PNG).unwrap();
    }
    site.foreign_row("images//alias", PNG.len() as u64, 1_500_000_000, false);
    update(&site, "name_hash = 'ffffffffffffffffffffffffffffffff'", "images/hash");
    update(&site, "expired = TRUE", "images/hidden");
    site.foreign_row("images/missing", 5, 1_500_000_000, false);
    site.foreign_file("images/orphan", b"x");
    site.foreign_file("images/size", b"other");
    update(&site, "datatype = 'no type'", "images/type");
    let staging = [".ezdfs-old-0123456789abcdef", ".ezdfs-stage-0123456789abcdef", "ezfile-tmp.0a"];
    for name in staging {
        site.foreign_file(&format!("images/{name}"), b"x");
    }
    site.foreign_file("images/.nfs0001", b"open somewhere");
    site.create("images/over", PNG).unwrap();
    let kept = interrupt(&site, "images/over", &[b'x'; PNG.len()], 0);

    let (rows, tree) = (all_rows(&site), site.tree());
    let (checked, findings) = fsck(&site, options(&[]));
    let expected = [
        (Fault::StaleStaging, "images/.ezdfs-old-0123456789abcdef"),
        (Fault::InterruptedOverwrite, &*kept),
        (Fault::StaleStaging, "images/.ezdfs-stage-0123456789abcdef"),
        (Fault::Alias, "images//alias"),
        (Fault::StaleStaging, "images/ezfile-tmp.0a"),
        (Fault::BadHash, "images/hash"),
        (Fault::HiddenRow, "images/hidden"),
        (Fault::MissingFile, "images/missing"),
        (Fault::OrphanFile, "images/orphan"),
        (Fault::SizeMismatch, "images/size"),
        (Fault::BadDatatype, "images/type"),
    ];
    let mut found = pairs(&findings);
    found.sort_by_key(|(_, path)| *path);
    let mut expected = expected;
    expected.sort_by_key(|(_, path)| *path);
    assert_eq!(found, expected);
    assert_eq!((checked.rows, checked.files, checked.remaining()), (19, 23, 11));
    assert!(findings.iter().all(|finding| !finding.repaired));
    assert_eq!((all_rows(&site), site.tree()), (rows, tree), "a dry run changed something");

    let present: Vec<_> = expected.iter().map(|(fault, _)| *fault).collect();
    for (number, fault) in Fault::ALL.into_iter().enumerate() {
        if !present.contains(&fault) {
            continue;
        }
        let (checked, findings) = fsck(&site, options(&[fault]));
        assert_eq!(checked.found[number], checked.repaired[number], "{fault:?} {findings:?}");
        let repaired = checked.repaired.iter().filter(|count| **count > 0).count();
        assert_eq!(repaired, 1, "{fault:?} alone is repaired: {findings:?}");
    }
    assert_eq!(pairs(&fsck(&site, options(&Fault::ALL)).1), []);

    assert_eq!(site.row("size", "images/missing"), Rows::new());
    assert_eq!(site.row("size", "images//alias"), Rows::new());
    assert_eq!(site.row("size, datatype", "images/size"), texts(["5", "image/png"]));
    assert_eq!(site.row("datatype", "images/type"), texts(["image/png"]));
    assert_eq!(
        site.row("name_hash", "images/hash"),
        texts([&md5(&format!("{PREFIX}/images/hash"))])
    );
    let store = site.another_store(&[]);
    for id in ["images/alias", "images/hash", "images/hidden", "images/size", "images/type"] {
        assert!(store.exists(&crate::store::id(id)).unwrap(), "{id}");
    }
    assert_eq!(site.read("images/alias").unwrap(), PNG);
    assert_eq!(site.read("images/over").unwrap(), PNG);
    assert!(!site.exists("images/deleted") && site.path("images/deleted").exists());
    let left = site.tree();
    assert!(!left.contains(&"images/orphan".to_owned()));
    assert!(left.contains(&"images/.nfs0001".to_owned()));
    assert!(staging.iter().all(|name| !left.contains(&format!("images/{name}"))), "{left:?}");
}

fn left_alone(db: TestDb) {
    let site = good(db);
    // The only row of its file.
    site.foreign_file("images/a", PNG);
    site.foreign_row("images//a", PNG.len() as u64, 1_500_000_000, false);
    // A second row of a good name, under a wrong key.
    site.create("images/b", PNG).unwrap();
    update(&site, "name_hash = 'ffffffffffffffffffffffffffffffff'", "images/b");
    site.create("images/b", PNG).unwrap();
    // Kernels follow a link that ezdfs does not.
    site.create("images/c", PNG).unwrap();
    fs::rename(site.path("images/c"), site.path("images/good/target")).unwrap();
    std::os::unix::fs::symlink("good/target", site.path("images/c")).unwrap();
    site.create("images/good/target", PNG).unwrap();
    // Hidden, and nothing to show.
    site.foreign_row("images/d", 1, 1_500_000_000, true);
    // A name that PHP may have stored by other bytes than ezdfs would.
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"images/\xff");
    fs::write(site.root().join(name), b"x").unwrap();

    let (rows, tree) = (all_rows(&site), site.tree());
    let (checked, findings) = fsck(&site, options(&Fault::ALL));
    let mut found = pairs(&findings);
    found.sort_by_key(|(_, path)| *path);
    let expected = [
        (Fault::Alias, "images//a"),
        (Fault::NotUtf8, "images/\\xff"),
        (Fault::BadHash, "images/b"),
        (Fault::MissingFile, "images/c"),
        (Fault::HiddenRow, "images/d"),
    ];
    assert_eq!(found, expected);
    assert_eq!(checked.remaining(), 5);
    assert!(findings.iter().all(|finding| finding.left.is_some()), "{findings:?}");
    assert_eq!((all_rows(&site), site.tree()), (rows, tree));
}

fn young(db: TestDb) {
    let site = good(db);
    site.foreign_file("images/upload", b"its row comes next");
    site.foreign_file("images/.ezdfs-stage-0123456789abcdef", b"x");
    site.foreign_file("images/good/1", b"being written in place");
    // Copied with its old time.
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let copy = fs::File::options().write(true).open(site.path("images/upload")).unwrap();
    copy.set_modified(old).unwrap();
    let tree = site.tree();
    let options = FsckOptions { repair: Fault::ALL.to_vec(), ..FsckOptions::default() };
    let (checked, findings) = fsck(&site, options);
    assert_eq!(pairs(&findings), [(Fault::SizeMismatch, "images/good/1")]);
    assert_eq!((checked.young, findings[0].repaired), (2, false));
    assert_eq!(site.row("size", "images/good/1"), texts([&PNG.len().to_string()]));
    assert_eq!(site.tree(), tree);
}

/// Where the merge went wrong, files would count as young.
fn one_order(db: TestDb) {
    let site = Site::new(db);
    let ids = [
        "a/b",
        "a-b",
        "a.b",
        "a b",
        "a",
        "a ",
        "a\u{1}",
        "a\nb",
        "A",
        "á",
        "a\u{301}",
        "z",
        "é/x",
        "\u{10ffff}",
        "\u{e000}",
        "a/b c/d",
        "a/b",
        "a/b-c",
        "a'b",
        "a%",
        "a_",
        "a\\b",
        "0",
        "~",
    ];
    for id in ids {
        // `a` cannot be a file and a directory.
        site.create(&format!("{}{id}", if id == "a" { "images/" } else { "" }), PNG).unwrap();
    }
    let (checked, findings) = fsck(&site, FsckOptions::default());
    assert_eq!((pairs(&findings), checked.young), (vec![], 0));
    assert_eq!((checked.rows, checked.files), (23, 23));
}

fn dead_mount(db: TestDb) {
    let site = good(db);
    let rows = all_rows(&site);
    let away = scratch();
    fs::rename(site.path("images"), away.path().join("images")).unwrap();
    let run = |options| Fsck::new(&site.store, options).run(&mut Log::default());
    for repair in [&[][..], &Fault::ALL] {
        let error = refused(run(options(repair)), ErrorKind::Unavailable);
        assert!(error.to_string().contains("is the share mounted"), "{error}");
    }
    fs::remove_dir(site.root()).unwrap();
    refused(run(options(&Fault::ALL)), ErrorKind::Unavailable);
    assert_eq!(all_rows(&site), rows);
    fs::create_dir(site.root()).unwrap();
    site.db.sql("DELETE FROM ezdfsfile");
    assert_eq!(run(options(&Fault::ALL)).unwrap(), Checked::default(), "a new store is all right");
}

fn mount_goes(db: TestDb) {
    let site = good(db);
    for id in ["images/a", "images/b", "images/c"] {
        site.foreign_row(id, 1, 1_500_000_000, false);
    }
    site.foreign_file("images/orphan", b"x");
    let away = scratch();
    let swap = || {
        fs::rename(site.root(), away.path().join("root")).unwrap();
        fs::create_dir_all(site.path("images")).unwrap();
        fs::write(site.path("images/orphan"), b"x").unwrap();
    };
    let mut log = Log { between: Some(Box::new(swap)), ..Log::default() };
    let outcome = Fsck::new(&site.store, options(&Fault::ALL)).run(&mut log);
    refused(outcome, ErrorKind::Unavailable);
    assert_eq!(pairs(&log.findings), [(Fault::MissingFile, "images/a")]);
    assert_eq!(site.row("size", "images/b"), texts(["1"]));
    assert!(site.path("images/orphan").exists() && away.path().join("root/images/orphan").exists());
}

fn too_many_missing(db: TestDb) {
    let site = good(db);
    for number in 0..11 {
        site.foreign_row(&format!("images/{number}"), 1, 1_500_000_000, false);
    }
    let rows = all_rows(&site);
    let run = |options| Fsck::new(&site.store, options).run(&mut Log::default());
    for repair in [&[][..], &Fault::ALL] {
        let (checked, findings) = fsck(&site, options(repair));
        assert_eq!(pairs(&findings), [(Fault::NotMounted, ".")]);
        assert!(findings[0].detail.contains("of 21 live rows beneath it 11 have no file"));
        assert_eq!(checked.remaining(), 1);
    }
    assert_eq!(all_rows(&site), rows);
    let all = FsckOptions { max_missing: 100, ..options(&[Fault::MissingFile]) };
    assert_eq!(run(all).unwrap().repaired[1], 11);
    assert_eq!(run(options(&[])).unwrap().remaining(), 0);
}

fn too_many_orphans(db: TestDb) {
    let site = Site::new(db);
    site.create("images/good", PNG).unwrap();
    for number in 0..3 {
        site.foreign_file(&format!("images/{number}"), PNG);
    }
    let run = |options| Fsck::new(&site.store, options).run(&mut Log::default());
    assert_eq!(run(options(&[])).unwrap().remaining(), 3);
    let error = refused(run(options(&Fault::ALL)), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("3 of 4 files"), "{error}");
    assert!(site.path("images/0").exists());
    let all = FsckOptions { max_orphans: 75, ..options(&[Fault::OrphanFile]) };
    assert_eq!(run(all).unwrap().remaining(), 0);
    assert!(!site.path("images/0").exists() && site.path("images/good").exists());
}

/// Readers find the rows by their keys, which are right.
fn spoilt_names(db: TestDb) {
    let site = good(db);
    for (id, spoilt) in [("images/a.jpg", "images//a.jpg"), ("images/\u{e9}.jpg", "images/?.jpg")] {
        site.create(id, PNG).unwrap();
        let (name, key) = (named(spoilt), md5(&named(id)));
        site.db.sql(&format!("UPDATE ezdfsfile SET name = '{name}' WHERE name_hash = '{key}'"));
    }
    for _ in 0..2 {
        let (_, findings) = fsck(&site, options(&Fault::ALL));
        let found = [(Fault::Alias, "images//a.jpg"), (Fault::BadHash, "images/?.jpg")];
        assert_eq!(pairs(&findings), found);
        assert!(findings.iter().all(|finding| !finding.repaired && finding.left.is_some()));
    }
    for id in ["images/a.jpg", "images/\u{e9}.jpg"] {
        assert_eq!(site.read(id).unwrap(), PNG, "{id}");
    }
}

fn writers_between(db: TestDb) {
    let site = good(db);
    for id in ["images/first", "images/stored", "images/written"] {
        site.foreign_row(id, 1, 1_500_000_000, false);
    }
    for id in ["images/registered", "images/taken", "images/row-deleted"] {
        site.foreign_file(id, b"x");
    }
    for id in ["images/size", "images/shown", "images/typed"] {
        site.create(id, PNG).unwrap();
    }
    site.foreign_file("images/size", b"other");
    update(&site, "expired = TRUE", "images/shown");
    update(&site, "datatype = 'no type'", "images/typed");

    let between = || {
        let store = site.another_store(&[]);
        let put = |id: &str, bytes: &[u8]| {
            let options = ezdfs::CreateOptions { mtime: Some(1_500_000_000), ..Default::default() };
            store.create(&crate::store::id(id), &mut &*bytes, &options).unwrap();
        };
        // The same row as before, and a file.
        put("images/stored", b"y");
        site.foreign_file("images/written", b"z");
        put("images/taken", b"of somebody");
        site.foreign_row("images/registered", 1, 1_500_000_000, false);
        site.foreign_row("images/row-deleted", 1, -1_500_000_000, true);
        put("images/size", b"longer than before");
        put("images/shown", b"again");
        update(&site, "datatype = 'image/gif'", "images/typed");
    };
    let mut log = Log { between: Some(Box::new(between)), ..Log::default() };
    Fsck::new(&site.store, options(&Fault::ALL)).run(&mut log).unwrap();
    assert_eq!(pairs(&log.findings), [(Fault::MissingFile, "images/first")]);
    assert!(site.path("images/row-deleted").exists(), "of a soft-deleted row");
    for (id, bytes) in [
        ("images/stored", &b"y"[..]),
        ("images/written", b"z"),
        ("images/taken", b"of somebody"),
        ("images/registered", b"x"),
        ("images/size", b"longer than before"),
        ("images/shown", b"again"),
    ] {
        assert_eq!(site.read(id).unwrap(), bytes, "{id}");
    }
    assert_eq!(site.row("datatype", "images/typed"), texts(["image/gif"]));
}

/// Writers hold the row's lock from before they touch the file until they have
/// committed. Here the lock is held, and the write is completed only when fsck
/// has had the time to do harm.
fn write_under_way(db: TestDb) {
    let site = good(db);
    let during = |statement: &str, fault, complete: &(dyn Fn() + Sync)| {
        let lock = site.db.hold(statement);
        let (checked, findings) = std::thread::scope(|scope| {
            let repairs = scope.spawn(|| fsck(&site, options(&[fault])));
            std::thread::sleep(Duration::from_millis(500));
            complete();
            lock.commit();
            repairs.join().unwrap()
        });
        assert_eq!((pairs(&findings), checked.remaining()), (vec![], 0), "{fault:?}");
    };
    let resize =
        |id: &str| format!("UPDATE ezdfsfile SET size = 3 WHERE name_hash = '{}'", md5(&named(id)));

    site.foreign_row("images/missing", 1, 1_500_000_000, false);
    during(&resize("images/missing"), Fault::MissingFile, &|| {
        site.foreign_file("images/missing", b"xyz");
    });
    assert_eq!(site.read("images/missing").unwrap(), b"xyz");

    site.foreign_row("images/size", 1, 1_500_000_000, false);
    site.foreign_file("images/size", b"xyz");
    during(&resize("images/size"), Fault::SizeMismatch, &|| {});
    assert_eq!(site.row("size", "images/size"), texts(["3"]));

    let (name, hash) = (named("images/orphan"), md5(&named("images/orphan")));
    let insert = format!(
        "INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime)
         VALUES ('{name}', '{name}', '{hash}', 'image/png', 'image', 1, 1500000000)"
    );
    site.foreign_file("images/orphan", b"x");
    during(&insert, Fault::OrphanFile, &|| {});
    assert_eq!(site.read("images/orphan").unwrap(), b"x");
}

fn named(id: &str) -> String {
    format!("{PREFIX}/{id}")
}

fn directory(db: TestDb) {
    let site = good(db);
    for id in ["images/a/orphan", "images/a-b/orphan", "images/a/known"] {
        site.foreign_file(id, b"x");
    }
    for number in 0..4 {
        site.create(&format!("images/a/{number}"), PNG).unwrap();
    }
    site.foreign_row("images/a-b/missing", 1, 1_500_000_000, false);
    // Another directory's row leads to a file of this one.
    site.foreign_row("elsewhere/../images/a/known", 1, 1_500_000_000, false);
    let dir = Some(DirId::parse("images/a").unwrap());
    let (checked, findings) = fsck(&site, FsckOptions { dir, ..options(&Fault::ALL) });
    assert_eq!(pairs(&findings), [(Fault::OrphanFile, "images/a/orphan")]);
    assert_eq!((checked.rows, checked.files), (4, 6));
    assert!(site.path("images/a/known").exists() && site.path("images/a-b/orphan").exists());
    assert!(!site.path("images/a/orphan").exists());
    let dir = Some(DirId::parse("images/none").unwrap());
    let none = Fsck::new(&site.store, FsckOptions { dir, ..options(&[]) });
    refused(none.run(&mut Log::default()), ErrorKind::NotFound);
}
