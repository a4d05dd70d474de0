//! What an import registers: pictures that were replaced, and nothing that is nobody's picture.

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::summary;
use crate::command::Cli;
use crate::store::{id, md5};
use crate::support::db::TestDb;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("a_file_replaced_by_one_of_its_size_gets_a_new_validator", replaced);
    group.per_database("nobodys_files_are_not_registered", debris);
    group.per_database("what_would_be_registered_is_listed", listed);
}

fn set_mtime(cli: &Cli, path: &str, mtime: u64) {
    let file = File::options().append(true).open(cli.path(path)).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(mtime)).unwrap();
}

fn import(cli: &Cli) -> Value {
    let objects = cli.ends(&["import", cli.root().to_str().unwrap(), "--json"], 0);
    summary(&objects).clone()
}

fn replaced(db: TestDb) {
    let cli = Cli::new(Some(db));
    let path = "images/1/a.jpg";
    cli.lay(path, b"one picture");
    set_mtime(&cli, path, 1_500_000_000);
    assert_eq!(import(&cli)["added"], 1);
    cli.sql("UPDATE ezdfsfile SET datatype = 'image/x-known', scope = 'of its writer'");
    let etag = || cli.library(&[]).open(&id(path)).unwrap().etag();
    let before = etag();
    assert_eq!(import(&cli)["unchanged"], 1);

    cli.lay(path, b"another one");
    set_mtime(&cli, path, 1_500_003_600);
    assert_eq!(import(&cli)["updated"], 1);
    assert_ne!(etag(), before);
    // Only the time: what its writer knew of the type stays.
    let rows = cli.rows();
    assert!(rows[0].contains("image/x-known") && rows[0].contains("of its writer"), "{rows:?}");
    assert!(rows[0].contains("1500003600"), "{rows:?}");
    assert_eq!(import(&cli)["unchanged"], 1);
    // Copied back with an older time: the row's stays.
    set_mtime(&cli, path, 1_400_000_000);
    assert_eq!((&import(&cli)["unchanged"], cli.rows()), (&json!(1), rows));
}

const STORED: [&str; 4] = [
    "var/one/storage/images/1/a.jpg",
    "var/one/storage/images/1/a.jpg.~1.jpg",
    "var/one/storage/images-versioned/1/a.swp.jpg",
    "var/one/storage/original/application/0123456789abcdef0123456789abcdef",
];

const DEBRIS: [&str; 22] = [
    "var/one/storage/images/.DS_Store",
    "var/one/storage/images/.htaccess",
    "var/one/storage/images/1/._a.jpg",
    "var/one/storage/images/1/.a.jpg.swp",
    "var/one/storage/images/1/.ezdfs-old-0123456789abcdef",
    "var/one/storage/images/1/.ezdfs-stage-0123456789abcdef",
    "var/one/storage/images/1/.nfs000000000001",
    "var/one/storage/images/1/.~lock.a.odt#",
    "var/one/storage/images/1/Thumbs.db",
    "var/one/storage/images/1/a.jpg.generating",
    "var/one/storage/images/1/a.jpg~",
    "var/one/storage/images/1/ezfile-tmp.0123456789abcdef0123456789abcdef",
    "var/one/storage/images/lost+found/#1",
    "var/one/storage/images/.snapshot/daily/a.jpg",
    "var/one/storage/images/@eaDir/a.jpg",
    "var/one/storage/images/__MACOSX/a.jpg",
    "var/one/cache/content/1.cache",
    "var/one/log/error.log",
    "var/one/storage/packages/p.ezpkg",
    "var/cache/expiry.php",
    "backup/images/a.jpg",
    ".ezdfs-trash/2026-01-01/var/one/storage/images/1/b.jpg",
];

fn debris(db: TestDb) {
    let cli = Cli::new(Some(db));
    for path in STORED.iter().chain(&DEBRIS) {
        cli.lay(path, b"bytes");
    }
    let before = cli.files();
    assert_eq!(import(&cli)["added"], 4);
    let mut keys = STORED.map(md5);
    keys.sort();
    let rows = cli.rows();
    assert_eq!(rows.len(), 4, "{rows:?}");
    for (row, key) in rows.iter().zip(keys) {
        assert!(row.contains(&key), "{row}");
    }
    // Neither does a check complain of them, nor take them away.
    let objects = cli.check(&["all"], 0);
    let staging = objects.iter().filter(|one| one["class"] == "stale-staging").count();
    assert_eq!((staging, objects.len()), (3, 4), "{objects:?}");
    cli.ends(&["restore", "--json"], 0);
    assert_eq!(cli.files(), before);
}

fn listed(db: TestDb) {
    let cli = Cli::new(Some(db));
    cli.lay(STORED[0], b"new");
    cli.store(STORED[2], b"known");
    cli.store(STORED[3], b"of this size");
    cli.lay(STORED[3], b"of another size");
    let before = cli.state();
    let root = cli.root();
    let dry = ["import", root.to_str().unwrap(), "--dry-run"];
    let objects = cli.ends(&[&dry[..], &["--json"]].concat(), 0);
    assert_eq!(objects[0], json!({ "id": STORED[0], "size": 3, "new": true }));
    assert_eq!(objects[1], json!({ "id": STORED[3], "size": 15, "new": false }));
    assert_eq!((objects.len(), &objects[2]["dry_run"]), (3, &json!(true)));
    let text = cli.text(&dry);
    assert!(text.contains(&format!("add     {}", STORED[0])), "{text}");
    assert!(text.contains(&format!("update  {}", STORED[3])), "{text}");
    assert!(text.ends_with(
        "1 would be added, 1 would be updated, 1 unchanged, 0 soft-deleted, 0 skipped, 0 failed\n"
    ));
    assert_eq!(cli.state(), before);
}
