//! What legacy and interrupted deletes leave, and when it goes.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use ezdfs::maintenance::{Phase, Progress, PurgeOptions, PurgeReport, Purged};
use ezdfs::{Error, ErrorKind, FileId};

use crate::store::{Site, md5, refused};
use crate::support::Trials;
use crate::support::db::TestDb;

const DAY: u64 = 86_400;

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("purge", &[]);
    group.per_database("the_deleted_are_kept_for_the_grace_from_first_sight", kept_for_the_grace);
    group.per_database("what_lives_again_is_left_alone", what_lives_again);
    group.per_database("a_row_with_the_name_of_another_file_goes_alone", name_of_another);
    group.per_database("what_was_seen_in_1970_is_seen_now", seen_in_1970);
    group.per_database("a_dry_run_and_a_dead_mount_change_nothing", changes_nothing);
}

fn options(site: &Site) -> PurgeOptions {
    let state: PathBuf = site.root().with_extension("purge");
    PurgeOptions::new(state)
}

struct Silent;

impl Progress for Silent {
    fn progress(&mut self, _: Phase, _: u64, _: u64) {}
}

impl PurgeReport for Silent {
    fn due(&mut self, _: &FileId, _: bool) -> Result<(), Error> {
        Ok(())
    }
}

/// Without the journal's name, which is another one each time.
pub(crate) fn purge(store: &ezdfs::Store, options: &PurgeOptions) -> Result<Purged, Error> {
    let purged = ezdfs::maintenance::purge(store, options, &mut Silent)?;
    Ok(Purged { journal: None, ..purged })
}

/// As legacy deletes: the row is marked, the file stays.
fn delete_as_legacy(site: &Site, id: &str) {
    let expired = match site.db.backend {
        crate::support::db::Backend::Postgres => "TRUE",
        _ => "1",
    };
    let key = md5(&format!("{}/{id}", crate::store::PREFIX));
    site.db.sql(&format!(
        "UPDATE ezdfsfile SET mtime = -ABS(mtime), expired = {expired} WHERE name_hash = '{key}'"
    ));
}

/// Makes purge believe that it saw everything so many days ago.
fn days_pass(site: &Site, days: u64) {
    let path = options(site).state;
    let aged: String = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| {
            let (since, rest) = line.split_once(' ').unwrap();
            format!("{} {rest}\n", since.parse::<u64>().unwrap() - days * DAY)
        })
        .collect();
    fs::write(path, aged).unwrap();
}

fn site(db: TestDb) -> Site {
    let site = Site::new(db);
    for id in ["images/live", "images/deleted", "images/a/deleted", "images/hidden"] {
        site.create(id, b"bytes").unwrap();
    }
    delete_as_legacy(&site, "images/deleted");
    delete_as_legacy(&site, "images/a/deleted");
    // Overwritten by a kernel after legacy had deleted it: alive for legacy.
    delete_as_legacy(&site, "images/hidden");
    site.db.sql(&format!(
        "UPDATE ezdfsfile SET mtime = -mtime WHERE name_hash = '{}'",
        md5(&format!("{}/images/hidden", crate::store::PREFIX))
    ));
    site
}

fn rows(site: &Site) -> String {
    site.db.sql("SELECT COUNT(*) FROM ezdfsfile")[0][0].clone().unwrap()
}

fn kept_for_the_grace(db: TestDb) {
    let site = site(db);
    let options = options(&site);
    let kept = Purged { kept: 2, ..Purged::default() };
    assert_eq!(purge(&site.store, &options).unwrap(), kept);
    days_pass(&site, 29);
    assert_eq!(purge(&site.store, &options).unwrap(), kept);
    assert!(site.path("images/deleted").exists());
    days_pass(&site, 1);
    let purged = purge(&site.store, &options).unwrap();
    assert_eq!(purged, Purged { due: 2, files: 2, ..Purged::default() });
    assert!(!site.path("images/deleted").exists() && !site.path("images/a/deleted").exists());
    assert!(site.path("images/hidden").exists(), "legacy still shows it");
    assert_eq!(
        (site.read("images/live").unwrap(), rows(&site)),
        (b"bytes".to_vec(), "2".to_owned())
    );
    assert_eq!(purge(&site.store, &options).unwrap(), Purged::default());
}

fn what_lives_again(db: TestDb) {
    let site = site(db);
    let options = options(&site);
    purge(&site.store, &options).unwrap();
    days_pass(&site, 31);
    site.create("images/deleted", b"stored again").unwrap();
    // Deleted, stored and deleted again: its time begins anew.
    let store_again = ezdfs::CreateOptions { mtime: Some(1_500_000_000), ..Default::default() };
    let id = crate::store::id("images/a/deleted");
    site.store.create(&id, &mut &b"again"[..], &store_again).unwrap();
    delete_as_legacy(&site, "images/a/deleted");
    assert_eq!(purge(&site.store, &options).unwrap(), Purged { kept: 1, ..Purged::default() });
    assert_eq!(site.read("images/deleted").unwrap(), b"stored again");
    assert!(site.path("images/a/deleted").exists());
}

/// Its key is another's, and so is its file.
fn name_of_another(db: TestDb) {
    let site = site(db);
    let options = options(&site);
    let prefix = crate::store::PREFIX;
    let key = md5(&format!("{prefix}/images/deleted"));
    site.db.sql(&format!(
        "UPDATE ezdfsfile SET name = '{prefix}/images/live' WHERE name_hash = '{key}'"
    ));
    purge(&site.store, &options).unwrap();
    days_pass(&site, 31);
    assert_eq!(
        purge(&site.store, &options).unwrap(),
        Purged { due: 2, files: 1, ..Purged::default() }
    );
    assert_eq!(site.read("images/live").unwrap(), b"bytes");
    assert_eq!(rows(&site), "2");
    assert_eq!(purge(&site.store, &options).unwrap(), Purged::default());
}

/// By a file server whose clock was not set yet.
fn seen_in_1970(db: TestDb) {
    let site = site(db);
    let options = options(&site);
    let kept = Purged { kept: 2, ..Purged::default() };
    assert_eq!(purge(&site.store, &options).unwrap(), kept);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    days_pass(&site, now / DAY);
    assert_eq!(purge(&site.store, &options).unwrap(), kept);
    assert!(site.path("images/deleted").exists());
    days_pass(&site, 31);
    assert_eq!(purge(&site.store, &options).unwrap().files, 2);
}

fn changes_nothing(db: TestDb) {
    let site = site(db);
    let at_once = PurgeOptions { grace: Duration::ZERO, ..options(&site) };
    let dry = PurgeOptions { dry_run: true, ..at_once.clone() };
    assert_eq!(purge(&site.store, &dry).unwrap(), Purged { due: 2, ..Purged::default() });
    assert!(site.path("images/deleted").exists() && !dry.state.exists());

    let away = site.root().with_extension("away");
    fs::rename(site.root(), &away).unwrap();
    fs::create_dir(site.root()).unwrap();
    refused(purge(&site.store, &at_once), ErrorKind::Unavailable);
    assert_eq!(rows(&site), "4", "no row was deleted");
    fs::remove_dir(site.root()).unwrap();
    fs::rename(&away, site.root()).unwrap();

    fs::write(&at_once.state, "not a state\n").unwrap();
    refused(purge(&site.store, &at_once), ErrorKind::InvalidInput);
    fs::remove_file(&at_once.state).unwrap();
    assert_eq!(purge(&site.store, &at_once).unwrap().files, 2);
}
