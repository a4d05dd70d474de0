//! `ezdfs rename-prefix`: readers find each file under either name, and nothing that is written or
//! deleted meanwhile is lost.

mod changes;
pub(super) mod linkless;
mod writers;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use ezdfs::maintenance::{
    Phase, Progress, RenamePrefix, RenamePrefixOptions, RenamePrefixReport, RenamedPrefix,
};
use ezdfs::{Error, ErrorKind, Store};
use serde_json::json;

use crate::command::{Cli, stderr};
pub(super) use crate::store::read_if_there as read;
use crate::store::{Site, md5, refused};
use crate::support::db::{Backend, Rows, TestDb};
use crate::support::process::wait_for;
use crate::support::{Group, Result};

pub(super) const OLD: &str = "var/old/storage";
pub(super) const NEW: &str = "var/new/storage";
type Outcome<T> = std::result::Result<T, Error>;

const WHOLE_NAMES: &[(&str, &str)] =
    &[("name_prefix", ""), ("cache_ttl", "0s"), ("cache_negative_ttl", "0s")];
pub(super) const FINISH: RenamePrefixOptions =
    RenamePrefixOptions { dry_run: false, finish: true, max_remove: None };

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("both_names_lead_to_a_file_then_the_new_one", there_and_back);
    group.per_database("readers_find_either_name_meanwhile", readers);
    group.per_database("rows_go_along_as_they_are", as_they_are);
    group.per_database("files_stay_where_the_stores_own_prefix_changes", own_prefix);
    group.per_database("prefixes_that_cannot_be_are_refused", impossible);
    changes::register(group);
    writers::register(group);
}

pub(super) fn register_command(group: &mut Group<'_>) {
    group.per_database("rename_prefix_lists_and_counts", command);
}

/// A store of whole names with some files under the old prefix, and one that is another site's.
pub(super) fn site(db: TestDb, files: usize) -> Result<Site> {
    let site = Site::without_table(db, WHOLE_NAMES);
    site.store.create_schema()?;
    for number in 0..files {
        site.create(&old(number), content(number).as_bytes())?;
    }
    site.create("var/other/storage/images/a", b"another site's")?;
    Ok(site)
}

pub(super) fn another(site: &Site) -> Store {
    site.another_store(WHOLE_NAMES)
}

pub(super) fn old(number: usize) -> String {
    format!("{OLD}/images/{}/file {number}é.png", number % 7)
}

pub(super) fn new(number: usize) -> String {
    old(number).replacen(OLD, NEW, 1)
}

pub(super) fn content(number: usize) -> String {
    format!("the bytes of {number}")
}

/// Collects what is told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) failures: Vec<Error>,
    listed: Vec<(String, String)>,
}

impl Progress for Told {
    fn progress(&mut self, _: Phase, _: u64, _: u64) {}
}

impl RenamePrefixReport for Told {
    fn would_rename(&mut self, old: &str, new: &str) -> Outcome<()> {
        self.listed.push((old.to_owned(), new.to_owned()));
        Ok(())
    }

    fn would_remove(&mut self, name: &str) -> Outcome<()> {
        panic!("nothing was deleted: {name}");
    }

    fn failure(&mut self, error: Error) {
        self.failures.push(error);
    }
}

pub(super) fn rename(
    store: &Store,
    old: &str,
    new: &str,
    options: RenamePrefixOptions,
) -> Outcome<RenamedPrefix> {
    let mut told = Told::default();
    let renamed = RenamePrefix::new(store, old, new, options)?.run(&mut told)?;
    assert!(told.failures.is_empty(), "{:?}", told.failures);
    Ok(renamed)
}

pub(super) fn both(store: &Store) -> Outcome<RenamedPrefix> {
    rename(store, OLD, NEW, RenamePrefixOptions::default())
}

pub(super) fn finish(store: &Store) -> Outcome<RenamedPrefix> {
    rename(store, OLD, NEW, FINISH)
}

/// All rows, and all files with their inodes, but for what ezdfs keeps for itself.
fn state(site: &Site) -> (Rows, BTreeMap<String, u64>) {
    let rows = site.db.sql(
        "SELECT name, name_trunk, name_hash, datatype, scope, size, mtime, expired FROM ezdfsfile \
         ORDER BY name_hash",
    );
    let files = site.tree().into_iter().filter(|path| !path.starts_with(".ezdfs"));
    let inode = |path: String| {
        let inode = fs::symlink_metadata(site.path(&path)).unwrap().ino();
        (path, inode)
    };
    (rows, files.map(inode).collect())
}

fn there_and_back(db: TestDb) -> Result {
    const FILES: usize = 600;
    let site = site(db, FILES)?;
    let before = state(&site);
    let inode = |name: &str| fs::metadata(site.path(name)).map(|status| status.ino());
    let renamed = both(&site.store)?;
    assert_eq!((renamed.renamed, renamed.again, renamed.failed), (FILES as u64, 0, 0));
    for number in 0..FILES {
        assert_eq!(inode(&old(number))?, inode(&new(number))?);
    }
    // Once more there is nothing to do.
    assert_eq!(both(&site.store)?, RenamedPrefix::default());
    let renamed = finish(&site.store)?;
    assert_eq!((renamed.renamed, renamed.ended, renamed.left), (0, FILES as u64, 0));
    assert!(!site.path(OLD).exists());
    let reader = another(&site);
    for number in 0..FILES {
        assert_eq!(read(&reader, &new(number))?, Some(content(number).into_bytes()));
        assert_eq!(read(&reader, &old(number))?, None);
    }
    assert_eq!(read(&reader, "var/other/storage/images/a")?, Some(b"another site's".into()));
    assert!(site.trash().is_empty());
    let renamed = rename(&site.store, NEW, OLD, FINISH)?;
    assert_eq!((renamed.renamed, renamed.ended), (FILES as u64, FILES as u64));
    let (rows, mut files) = state(&site);
    // Directories are others by now.
    files.retain(|path, _| site.path(path).is_file());
    let mut earlier = before.1;
    earlier.retain(|path, _| site.path(path).is_file());
    assert_eq!((rows, files), (before.0, earlier));
    assert!(fs::read_dir(site.path(".ezdfs-runs"))?.next().is_none());
    Ok(())
}

fn readers(db: TestDb) -> Result {
    const FILES: usize = 400;
    let site = site(db, FILES)?;
    // What a reader may rely on: the old name to the end, the new one from the beginning of it.
    let (old_goes, new_stays) = (AtomicBool::new(false), AtomicBool::new(false));
    let (done, turns) = (AtomicBool::new(false), AtomicU64::new(0));
    let reads = |store: Store| -> Result {
        for number in (0..FILES).cycle() {
            if done.load(Ordering::SeqCst) {
                return Ok(());
            }
            let expected = Some(content(number).into_bytes());
            let (must_be_new, first) =
                (new_stays.load(Ordering::SeqCst), read(&store, &old(number))?);
            let second = read(&store, &new(number))?;
            assert!(first.is_none() || first == expected, "{number}");
            assert!(second.is_none() || second == expected, "{number}");
            assert!(first.is_some() || old_goes.load(Ordering::SeqCst), "{number}: the old name");
            assert!(second.is_some() || !must_be_new, "{number}: the new name");
            assert!(first.is_some() || second.is_some(), "{number}: neither name");
            turns.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    };
    thread::scope(|scope| -> Result {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let store = another(&site);
                scope.spawn(|| reads(store))
            })
            .collect();
        let get_on = || {
            let before = turns.load(Ordering::SeqCst);
            wait_for("readers to get on", || {
                turns.load(Ordering::SeqCst) > before + FILES as u64 / 4
                    || readers.iter().any(|reader| reader.is_finished())
            })
        };
        let moves = || -> Result {
            get_on()?;
            both(&site.store)?;
            new_stays.store(true, Ordering::SeqCst);
            get_on()?;
            old_goes.store(true, Ordering::SeqCst);
            finish(&site.store)?;
            get_on()
        };
        let outcome = moves();
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.join().map_err(|_| "a reader met what should not be")??;
        }
        outcome
    })
}

/// Rows of kernels and of legacy keep whatever they say.
fn as_they_are(db: TestDb) -> Result {
    let site = site(db, 3)?;
    let flag = |is: bool| match site.db.backend {
        Backend::Postgres => is.to_string(),
        _ => u8::from(is).to_string(),
    };
    let insert = |name: &str, trunk: &str, datatype: &str, mtime: i64, expired: bool| {
        let hash = md5(name);
        site.db.sql(&format!(
            "INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime, \
             expired, status) VALUES ('{name}', '{trunk}', '{hash}', '{datatype}', 'viewcache', 3, \
             {mtime}, {}, {})",
            flag(expired),
            flag(true)
        ));
        fs::create_dir_all(site.path(name).parent().unwrap()).unwrap();
        fs::write(site.path(name), "abc").unwrap();
    };
    let deleted = format!("{OLD}/images/deleted");
    insert(&deleted, &deleted, "image/png", -1_500_000_000, true);
    let hidden = format!("{OLD}/images/hidden");
    insert(&hidden, &hidden, "misc", 1_500_000_000, true);
    let legacy = format!("{OLD}/images/cache/1-a.cache");
    insert(&legacy, &format!("{OLD}/images/cache/1-"), "php", 1_500_000_000, false);
    let columns = "SELECT datatype, scope, size, mtime, expired, status FROM ezdfsfile";
    let of = |prefix: &str| {
        site.db.sql(&format!("{columns} WHERE name LIKE '{prefix}/%' ORDER BY name"))
    };
    let before = of(OLD);
    both(&site.store)?;
    assert_eq!((of(OLD), of(NEW)), (before.clone(), before.clone()));
    finish(&site.store)?;
    assert_eq!((of(OLD), of(NEW)), (Vec::new(), before));
    let trunks = site.db.sql(&format!(
        "SELECT name_trunk FROM ezdfsfile WHERE name_hash = '{}'",
        md5(&legacy.replacen(OLD, NEW, 1))
    ));
    assert_eq!(trunks, crate::store::texts([&format!("{NEW}/images/cache/1-")]));
    assert!(site.path(&deleted.replacen(OLD, NEW, 1)).exists());
    assert!(!site.path(OLD).exists());
    Ok(())
}

/// The files lie where they lay; stores of either prefix have the same root.
fn own_prefix(db: TestDb) -> Result {
    let site = Site::without_table(db, &[&WHOLE_NAMES[1..], &[("name_prefix", OLD)]].concat());
    site.store.create_schema()?;
    for number in 0..20 {
        site.create(&format!("images/{number}"), content(number).as_bytes())?;
    }
    let renamed = site.another_store(&[&WHOLE_NAMES[1..], &[("name_prefix", NEW)]].concat());
    let before = site.tree();
    assert_eq!(both(&site.store)?.renamed, 20);
    for store in [&site.store, &renamed] {
        assert_eq!(read(store, "images/7")?, Some(content(7).into_bytes()));
    }
    assert_eq!(finish(&site.store)?.ended, 20);
    assert_eq!(read(&renamed, "images/7")?, Some(content(7).into_bytes()));
    assert_eq!(read(&site.store, "images/7")?, None);
    let files = |tree: Vec<String>| -> Vec<String> {
        tree.into_iter().filter(|path| !path.starts_with(".ezdfs")).collect()
    };
    assert_eq!(files(site.tree()), files(before));
    // And back, from the store that has the new prefix.
    assert_eq!(rename(&renamed, NEW, OLD, FINISH)?.ended, 20);
    assert_eq!(read(&site.store, "images/7")?, Some(content(7).into_bytes()));
    Ok(())
}

fn impossible(db: TestDb) -> Result {
    let site = site(db, 1)?;
    let before = state(&site);
    for (old, new, kind) in [
        (OLD, OLD, ErrorKind::InvalidInput),
        (OLD, "var/old/storage/", ErrorKind::InvalidInput),
        (OLD, "var/old", ErrorKind::InvalidInput),
        ("var/old", OLD, ErrorKind::InvalidInput),
        (OLD, "var/../new", ErrorKind::InvalidName),
        (OLD, "/var/new", ErrorKind::InvalidName),
        (OLD, "", ErrorKind::InvalidName),
        (OLD, ".ezdfs-trash/old", ErrorKind::InvalidName),
    ] {
        refused(rename(&site.store, old, new, FINISH), kind);
    }
    let prefixed = site.another_store(&[("name_prefix", "var/other")]);
    refused(rename(&prefixed, OLD, NEW, FINISH), ErrorKind::InvalidInput);
    // Root and table do not fit.
    fs::rename(site.path("var"), site.path("elsewhere"))?;
    refused(both(&site.store), ErrorKind::Unavailable);
    fs::rename(site.path("elsewhere"), site.path("var"))?;
    assert_eq!(state(&site), before);
    Ok(())
}

fn command(db: TestDb) -> Result {
    let cli = Cli::new(Some(db));
    let source = cli.dir.path().join("source");
    fs::write(&source, "bytes")?;
    for number in 0..2 {
        assert_eq!(cli.code(&["put", &old(number), source.to_str().unwrap()]), 0);
    }
    let listed = cli.text(&["rename-prefix", OLD, NEW, "--dry-run"]);
    assert!(listed.contains(&format!("{} -> {}\n", old(0), new(0))), "{listed}");
    assert!(
        listed.ends_with("2 rows would get the new name, 0 of them written meanwhile, 0 failed\n")
    );
    assert!(!cli.root().join(NEW).exists() && !cli.root().join(".ezdfs-runs").exists());
    let text = cli.text(&["rename-prefix", OLD, NEW]);
    assert_eq!(text, "2 rows got the new name, 0 of them written meanwhile, 0 failed\n");
    assert_eq!(cli.code(&["rm", &old(1)]), 0);
    let listed = cli.text(&["rename-prefix", OLD, NEW, "--finish", "--dry-run"]);
    assert!(listed.contains(&format!("{} -> trash\n", new(1))), "{listed}");
    assert!(
        listed.ends_with(
            "1 old names would go, 1 files deleted under one name would go under the other\n"
        ),
        "{listed}"
    );
    let limited = cli.run(&["rename-prefix", OLD, NEW, "--finish", "--max-remove", "0"]);
    assert_eq!(limited.status.code(), Some(2), "{}", stderr(&limited));
    assert!(stderr(&limited).contains("would remove 1 rows or files"), "{}", stderr(&limited));
    let json = cli.json(&["rename-prefix", OLD, NEW, "--finish", "--json"]);
    let [last] = &json[..] else { panic!("{json:?}") };
    assert!(last["journal"].is_string(), "{last}");
    let mut expected = last.clone();
    for (key, value) in [("renamed", 0), ("again", 0), ("ended", 1), ("deleted", 1), ("failed", 0)]
    {
        expected[key] = json!(value);
    }
    assert_eq!(*last, expected);
    let output = cli.run(&["rename-prefix", OLD, "var/old"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    Ok(())
}
