//! Writers that are killed at random moments, while others read.
//!
//! A writer is this program in another process (see [`helper`]): it stores one version after the
//! other and says so on a pipe after each call has returned. EZDFS_TEST_ROUNDS sets how many are
//! killed: by default 1,000 in CI and a few on a person's machine. EZDFS_TEST_SEED sets what decides
//! the moments, as far as the scheduler lets it.

pub(crate) mod content;
pub(crate) mod helper;

use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ezdfs::maintenance::{Checked, Fault, Finding, Fsck, FsckOptions, Phase, Progress, Report};
use ezdfs::{DirId, Error, ErrorKind, Store};
use nix::sys::signal::Signal;

use crate::store::{Site, id};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::{Result, Trials};
use content::{Random, version_of};
use helper::{FILES, Helper, file};

/// Sees what others write at once, and has patience with a machine that is busy.
const OPTIONS: &[(&str, &str)] =
    &[("cache_ttl", "0s"), ("cache_negative_ttl", "0s"), ("connect_timeout", "30s")];
const DATABASES: u64 = 3;
/// Files below the directory whose deletion is killed.
const MANY: u64 = 25;

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("kill", &[]);
    group.per_database("writers_at_random_moments", writers);
    group.per_database("delete_directory_at_random_moments", delete_directory);
}

fn rounds() -> u64 {
    let default = if std::env::var_os("CI").is_some_and(|ci| ci == "true") { 1000 } else { 60 };
    number("EZDFS_TEST_ROUNDS").unwrap_or(default).div_ceil(DATABASES)
}

pub(crate) fn seed() -> u64 {
    number("EZDFS_TEST_SEED").unwrap_or(1)
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn writers(db: TestDb) -> Result {
    let site = Site::new(db);
    let mut random = Random::new(seed());
    let acknowledged = [const { AtomicU64::new(0) }; FILES];
    let done = AtomicBool::new(false);
    let store = site.another_store(OPTIONS);
    let mut reader = Helper::start("read", &site, 0)?;
    thread::scope(|scope| {
        let watched = scope.spawn(|| watch(&site, &acknowledged, &done));
        let finished = Finished(&done);
        let outcome = (1..=rounds())
            .try_for_each(|round| kill_a_writer(&site, &store, round, &mut random, &acknowledged));
        drop(finished);
        watched.join().map_err(|_| "a reader met what should not be")?;
        outcome
    })?;
    let status = reader.end()?;
    assert!(status.success(), "a reader in another process met what should not be");
    assert!(acknowledged.iter().all(|version| version.load(Ordering::Relaxed) > 0));
    clear_away(&site, &acknowledged)
}

/// Lets the reader end, even where the trial fails.
pub(crate) struct Finished<'d>(pub(crate) &'d AtomicBool);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills one writer after some acknowledgements and some time.
fn kill_a_writer(
    site: &Site,
    reader: &Store,
    round: u64,
    random: &mut Random,
    acknowledged: &[AtomicU64; FILES],
) -> Result {
    let signal = if round.is_multiple_of(4) { Signal::SIGTERM } else { Signal::SIGKILL };
    let mut writer = Helper::start("write", site, round * 1000)?;
    let note = |version: u64| {
        acknowledged[file(version)].store(version, Ordering::SeqCst);
    };
    for _ in 0..random.below(8) {
        note(writer.line()?.ok_or("a writer ended by itself")?);
    }
    thread::sleep(Duration::from_micros(random.below(6000)));
    let status = writer.kill(signal)?;
    assert!(was_killed(status, signal), "seed {}, round {round}: {status}", seed());
    while let Some(version) = writer.line()? {
        note(version);
    }
    for (number, before) in acknowledged.iter().enumerate() {
        let before = before.load(Ordering::SeqCst);
        check(&read(reader, number), before, &format!("seed {}, round {round}", seed()));
    }
    match signal {
        Signal::SIGKILL => injected("writer killed by SIGKILL at a random moment", WHOLE),
        _ => injected("writer killed by SIGTERM at a random moment", WHOLE),
    }
    Ok(())
}

const WHOLE: &str = "whole files, every acknowledged write is there";

fn was_killed(status: ExitStatus, signal: Signal) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(signal as i32)
}

/// What was read is whole, and no older than what was acknowledged before.
#[track_caller]
fn check(read: &Option<Vec<u8>>, acknowledged: u64, what: &str) {
    match read {
        None => assert_eq!(acknowledged, 0, "{what}: an acknowledged write is lost"),
        Some(bytes) => {
            let version = version_of(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(
                version >= acknowledged,
                "{what}: {version} is read, {acknowledged} was stored"
            );
        }
    }
}

fn watch(site: &Site, acknowledged: &[AtomicU64; FILES], done: &AtomicBool) {
    let store = site.another_store(OPTIONS);
    for turn in 0.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let number = turn % FILES;
        let before = acknowledged[number].load(Ordering::SeqCst);
        check(&read(&store, number), before, &format!("seed {}, reader", seed()));
        thread::sleep(Duration::from_millis(3));
    }
}

/// `None` where there is no such file; any other failure is one.
fn read(store: &Store, number: usize) -> Option<Vec<u8>> {
    match store.open(&id(&format!("images/{number}"))) {
        Ok(mut opened) => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut opened.file, &mut bytes).expect("read");
            assert_eq!(bytes.len() as u64, opened.size, "a short read");
            Some(bytes)
        }
        Err(error) => {
            let no_row = error.kind() == ErrorKind::NotFound && error.os_errno() == 0;
            assert!(no_row, "{error:#}");
            None
        }
    }
}

impl Site {
    fn reserved(&self) -> usize {
        self.tree().iter().filter(|path| path.contains("/.ezdfs-")).count()
    }
}

/// What the dead have left is young to `fsck` and is left alone; when it is old, it goes.
fn clear_away(site: &Site, acknowledged: &[AtomicU64; FILES]) -> Result {
    let (before, reserved) = (site.tree(), site.reserved());
    let checked =
        fsck(site, FsckOptions { repair: Fault::ALL.to_vec(), ..FsckOptions::default() })?;
    assert_eq!((site.tree(), checked.young), (before, reserved as u64));
    assert!(reserved > 0 || rounds() < 100, "nobody was killed at work");
    let all = FsckOptions {
        grace: Duration::ZERO,
        repair: Fault::ALL.to_vec(),
        max_orphans: 100,
        ..FsckOptions::default()
    };
    // Several may have kept one file: with the first of its links that goes it has
    // changed just now, and the others are young once more.
    for _ in 0..FILES {
        fsck(site, all.clone())?;
    }
    let (again, left) = (fsck(site, all)?, site.tree());
    assert_eq!(again.found.iter().sum::<u64>(), 0, "{again:?}");
    assert_eq!(left.len(), 1 + FILES, "{left:?}");
    let store = site.another_store(&[]);
    for (number, version) in acknowledged.iter().enumerate() {
        let bytes = read(&store, number);
        check(&bytes, version.load(Ordering::SeqCst), "after fsck");
        let size = store.stat(&id(&format!("images/{number}")))?.size;
        assert_eq!(Some(size), bytes.map(|bytes| bytes.len() as u64));
    }
    Ok(())
}

struct Silent;

impl Progress for Silent {
    fn progress(&mut self, _: Phase, _: u64, _: u64) {}
}

impl Report for Silent {
    fn finding(&mut self, _: &Finding) -> std::result::Result<(), Error> {
        Ok(())
    }

    fn failure(&mut self, error: Error) {
        panic!("{error:#}");
    }
}

fn fsck(site: &Site, options: FsckOptions) -> Result<Checked> {
    Ok(Fsck::new(&site.store, options).run(&mut Silent)?)
}

/// Whoever is killed while it deletes leaves files that are there or gone; deleting again ends it.
fn delete_directory(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/bystander", b"untouched")?;
    let mut random = Random::new(seed());
    let dir = DirId::parse("images/many")?;
    for round in 0..rounds().div_ceil(10) {
        for number in 0..MANY {
            site.create(&format!("images/many/{number}"), &content::of(number))?;
        }
        let mut deleter = Helper::start("delete", &site, 0)?;
        deleter.line()?;
        thread::sleep(Duration::from_micros(random.below(12_000)));
        let status = deleter.kill(Signal::SIGKILL)?;
        assert!(was_killed(status, Signal::SIGKILL) || status.success(), "round {round}: {status}");
        let store = site.another_store(OPTIONS);
        for number in 0..MANY {
            match store.open(&id(&format!("images/many/{number}"))) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.os_errno(), 0, "round {round}: {error:#}"),
            }
        }
        site.store.delete_directory(&dir)?;
        assert_eq!(site.tree(), ["images", "images/bystander"], "round {round}");
        assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), crate::store::texts(["1"]));
        injected(
            "delete_directory killed at a random moment",
            "files are there or gone; repeated, gone",
        );
    }
    Ok(())
}
