//! Writing: whole files or nothing, whatever fails.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};

use ezdfs::{CreateOptions, Error, ErrorKind, FileInfo};

use super::{Site, id, refused, texts};
use crate::support::Trials;
use crate::support::db::{Backend, TestDb};
use crate::support::process::is_root;

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("write", &[]);
    group.per_database("overwriting_replaces_row_and_file", overwriting_replaces_row_and_file);
    group.per_database("readers_see_whole_files", readers_see_whole_files);
    group.per_database("an_empty_file_is_a_file", an_empty_file_is_a_file);
    group.per_database("a_wrong_size_stores_nothing", a_wrong_size_stores_nothing);
    group.per_database("a_failing_source_stores_nothing", a_failing_source_stores_nothing);
    group.per_database("a_refused_row_leaves_the_old_file", a_refused_row_leaves_the_old_file);
    group.per_database("a_failing_commit_puts_the_old_file_back", failing_commit);
    group.per_database("two_writers_agree_on_one_winner", two_writers_agree_on_one_winner);
    group.per_database("modes_are_exact", modes_are_exact);
    group.per_database("another_owners_file_is_replaced", another_owners_file_is_replaced);
    group.per_database("an_absent_mount_is_not_written_to", absent_mount);
    group.per_database("rename_moves_row_and_file", rename_moves_row_and_file);
    group.per_database("a_directory_in_the_way_is_an_error", directory_in_the_way);
}

fn overwriting_replaces_row_and_file(db: TestDb) {
    let site = Site::new(db);
    site.create("images/a", b"first").unwrap();
    let inode = fs::metadata(site.path("images/a")).unwrap().ino();
    site.create("images/a", b"second one").unwrap();
    assert_ne!(fs::metadata(site.path("images/a")).unwrap().ino(), inode, "renamed over");
    assert_eq!(site.row("size", "images/a"), texts(["10"]));
    assert_eq!(site.read("images/a").unwrap(), b"second one");
    assert_eq!(site.tree(), ["images", "images/a"], "no temporary file is left");
}

fn readers_see_whole_files(db: TestDb) {
    let site = Site::new(db);
    let contents = [vec![b'a'; 50_000], vec![b'b'; 70_001]];
    site.create("images/a", &contents[0]).unwrap();
    let other_node = site.another_store(&[("cache_ttl", "0")]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut reads = 0;
                    while !done.load(Ordering::Relaxed) {
                        let mut opened = other_node.open(&id("images/a")).unwrap();
                        let mut bytes = Vec::new();
                        opened.file.read_to_end(&mut bytes).unwrap();
                        assert!(contents.contains(&bytes), "torn: {} bytes", bytes.len());
                        assert_eq!(bytes.len() as u64, opened.size);
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        for round in 0..150 {
            site.create("images/a", &contents[round % 2]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
}

fn an_empty_file_is_a_file(db: TestDb) {
    let site = Site::new(db);
    site.create("images/empty", b"").unwrap();
    assert_eq!(
        site.row("size, datatype", "images/empty"),
        texts(["0", "application/octet-stream"])
    );
    assert_eq!(site.read("images/empty").unwrap(), b"");
    // Legacy loses these two.
    site.create("images/zero", b"0").unwrap();
    assert_eq!(site.read("images/zero").unwrap(), b"0");
}

fn sized(site: &Site, bytes: &[u8], size: u64) -> Result<FileInfo, Error> {
    let options = CreateOptions { size: Some(size), ..CreateOptions::default() };
    site.store.create(&id("images/1/s"), &mut &*bytes, &options)
}

fn a_wrong_size_stores_nothing(db: TestDb) {
    let site = Site::new(db);
    refused(sized(&site, b"seven b", 8), ErrorKind::InvalidInput);
    refused(sized(&site, b"seven b", 6), ErrorKind::InvalidInput);
    assert_eq!(site.tree(), Vec::<String>::new());
    assert!(!site.exists("images/1/s"));
    sized(&site, b"seven b", 7).unwrap();
    let error = refused(sized(&site, b"more bytes", 7), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("7 bytes were declared"), "{error}");
    assert_eq!(site.read("images/1/s").unwrap(), b"seven b");
}

fn a_failing_source_stores_nothing(db: TestDb) {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 3 {
                return Err(io::Error::other("the upload was aborted"));
            }
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let site = Site::new(db);
    let outcome = site.store.create(&id("images/b"), &mut Broken(0), &CreateOptions::default());
    let error = refused(outcome, ErrorKind::InvalidInput);
    assert!(format!("{error:#}").contains("the upload was aborted"));
    assert_eq!(site.tree(), Vec::<String>::new());
    assert!(!site.exists("images/b"));
}

/// Makes the database refuse rows whose datatype is `image/refused`.
fn refuse_rows(site: &Site) {
    site.db.sql(match site.db.backend {
        Backend::MariaDb => {
            "CREATE TRIGGER a BEFORE INSERT ON ezdfsfile FOR EACH ROW \
             IF NEW.datatype = 'image/refused' THEN SIGNAL SQLSTATE '45000'; END IF"
        }
        Backend::Postgres => {
            "ALTER TABLE ezdfsfile ADD CONSTRAINT c CHECK (datatype <> 'image/refused')"
        }
        Backend::Sqlite => {
            "CREATE TRIGGER a BEFORE INSERT ON ezdfsfile WHEN NEW.datatype = 'image/refused' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        }
    });
}

fn a_refused_row_leaves_the_old_file(db: TestDb) {
    let site = Site::new(db);
    refuse_rows(&site);
    let options = CreateOptions { mime_type: Some("image/refused"), ..CreateOptions::default() };
    let create = |file| site.store.create(&id(file), &mut &b"new"[..], &options);
    create("images/1/new").expect_err("the database refuses");
    assert_eq!(site.tree(), Vec::<String>::new());
    site.create("images/old", b"old bytes").unwrap();
    create("images/old").expect_err("the database refuses");
    assert_eq!(site.read("images/old").unwrap(), b"old bytes");
    assert_eq!(site.row("size", "images/old"), texts(["9"]));
    assert_eq!(site.tree(), ["images", "images/old"]);
}

/// A constraint that is checked at COMMIT, when the file is in place already.
fn failing_commit(db: TestDb) {
    if db.backend == Backend::MariaDb {
        // Has no deferred constraints; lost connections are tried elsewhere.
        return;
    }
    let site = Site::without_table(db, &[]);
    let boolean = if site.db.backend == Backend::Postgres { "FALSE" } else { "0" };
    site.db.sql(&format!(
        "CREATE TABLE allowed (datatype varchar(255) PRIMARY KEY);
         INSERT INTO allowed VALUES ('image/png');
         CREATE TABLE ezdfsfile (name text, name_trunk text, name_hash varchar(34) PRIMARY KEY,
         datatype varchar(255) REFERENCES allowed (datatype) DEFERRABLE INITIALLY DEFERRED,
         scope varchar(25), size bigint, mtime integer, expired boolean DEFAULT {boolean})"
    ));
    let create = |file, mime, bytes: &[u8]| {
        let options = CreateOptions { mime_type: Some(mime), ..CreateOptions::default() };
        site.store.create(&id(file), &mut &*bytes, &options)
    };
    create("images/1/new", "image/gif", b"new").expect_err("the commit fails");
    assert!(!site.exists("images/1/new"));
    assert!(!site.path("images/1/new").exists(), "the new file is removed");
    create("images/old", "image/png", b"old bytes").unwrap();
    create("images/old", "image/gif", b"never seen").expect_err("the commit fails");
    assert_eq!(site.read("images/old").unwrap(), b"old bytes");
    assert_eq!(site.row("size, datatype", "images/old"), texts(["9", "image/png"]));
    assert!(!site.tree().iter().any(|path| path.contains(".ezdfs-")), "{:?}", site.tree());
}

fn two_writers_agree_on_one_winner(db: TestDb) {
    let site = Site::new(db);
    let stores = [site.another_store(&[]), site.another_store(&[])];
    for round in 0..25 {
        std::thread::scope(|scope| {
            for (writer, store) in stores.iter().enumerate() {
                scope.spawn(move || {
                    let bytes = vec![b'a' + writer as u8; 100 + 1000 * writer + round];
                    let file = id("images/contested");
                    store.create(&file, &mut &*bytes, &CreateOptions::default()).unwrap();
                });
            }
        });
        let size = fs::metadata(site.path("images/contested")).unwrap().len().to_string();
        assert_eq!(site.row("size", "images/contested"), texts([&*size]), "round {round}");
    }
    assert_eq!(site.tree(), ["images", "images/contested"]);
}

fn modes_are_exact(db: TestDb) {
    let site = Site::new(db);
    let mode = |path: &str| fs::metadata(site.path(path)).unwrap().permissions().mode() & 0o7777;
    site.create("images/1/2/a", b"x").unwrap();
    assert_eq!((mode("images/1/2/a"), mode("images/1"), mode("images/1/2")), (0o644, 0o755, 0o755));
    // Wider than the usual umask lets through.
    let open = site.another_store(&[("file_mode", "0666"), ("dir_mode", "0777")]);
    open.create(&id("images/3/a"), &mut &b"x"[..], &CreateOptions::default()).unwrap();
    assert_eq!((mode("images/3/a"), mode("images/3"), mode("images")), (0o666, 0o777, 0o755));
}

fn another_owners_file_is_replaced(db: TestDb) {
    if !is_root() {
        return;
    }
    let site = Site::new(db);
    site.create("images/a", b"old").unwrap();
    std::os::unix::fs::chown(site.path("images/a"), Some(65534), Some(65534)).unwrap();
    site.create("images/a", b"newer").unwrap();
    assert_eq!(site.read("images/a").unwrap(), b"newer");
    assert_eq!(site.tree(), ["images", "images/a"]);
}

fn absent_mount(db: TestDb) {
    let site = Site::new(db);
    site.create("images/a", b"x").unwrap();
    let away = site.root().with_extension("away");
    fs::rename(site.root(), &away).unwrap();
    refused(site.create("images/b", b"y"), ErrorKind::Unavailable);
    refused(site.store.open(&id("images/a")), ErrorKind::Unavailable);
    refused(site.store.delete(&id("images/a")), ErrorKind::Unavailable);

    // The empty mount point of a share that is not mounted.
    fs::create_dir(site.root()).unwrap();
    let error = refused(site.create("images/b", b"y"), ErrorKind::Unavailable);
    assert!(error.to_string().contains("is the share mounted"), "{error}");
    refused(site.store.open(&id("images/a")), ErrorKind::Unavailable);
    refused(site.store.delete(&id("images/a")), ErrorKind::Unavailable);
    let dir = ezdfs::DirId::parse("images").unwrap();
    refused(site.store.delete_directory(&dir), ErrorKind::Unavailable);
    assert_eq!(site.tree(), Vec::<String>::new());
    assert_eq!(site.row("size", "images/a"), texts(["1"]), "no row was deleted");

    fs::remove_dir(site.root()).unwrap();
    fs::rename(&away, site.root()).unwrap();
    assert_eq!(site.read("images/a").unwrap(), b"x");
    site.create("images/b", b"y").unwrap();
}

fn rename_moves_row_and_file(db: TestDb) {
    let site = Site::new(db);
    let options = CreateOptions {
        mime_type: Some("image/png"),
        mtime: Some(1_500_000_000),
        ..CreateOptions::default()
    };
    site.store.create(&id("images/draft"), &mut &b"bytes"[..], &options).unwrap();
    site.create("original/a", b"in the way").unwrap();
    let moved = site.store.rename(&id("images/draft"), &id("original/a")).unwrap();
    assert_eq!((moved.mtime, &*moved.mime_type), (1_500_000_000, "image/png"));
    assert_eq!(site.read("original/a").unwrap(), b"bytes");
    assert_eq!(site.row("scope, size", "original/a"), texts(["binaryfile", "5"]));
    assert!(!site.exists("images/draft"));
    assert_eq!(site.tree(), ["images", "original", "original/a"]);
    refused(site.store.rename(&id("images/draft"), &id("images/b")), ErrorKind::NotFound);
    site.store.rename(&id("original/a"), &id("original/a")).unwrap();
    assert_eq!(site.read("original/a").unwrap(), b"bytes");
}

fn directory_in_the_way(db: TestDb) {
    let site = Site::new(db);
    site.create("images/dir/a", b"x").unwrap();
    refused(site.create("images/dir", b"y"), ErrorKind::Storage);
    assert!(!site.exists("images/dir"));
    refused(site.create("images/dir/a/below", b"y"), ErrorKind::Storage);
    assert_eq!(site.tree(), ["images", "images/dir", "images/dir/a"]);
}
