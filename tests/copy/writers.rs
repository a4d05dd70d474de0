//! A site moves while others write to it, and the copy is killed again and again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use ezdfs::{CreateOptions, FileId, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::messy;
use super::place::{Place, check, command};
use crate::command::stderr;
use crate::kill::content::Random;
use crate::kill::{Finished, number, seed};
use crate::store::{md5, read_if_there};
use crate::support::db::{self, Backend};
use crate::support::faults::injected;
use crate::support::{Group, Result, Servers};

const KILLS: u64 = 50;

/// Ids that each writer writes to.
const IDS: u64 = 12;

pub(super) fn register(group: &mut Group<'_>) {
    group.add("a_site_moves_under_its_writers::by_its_change_log", |servers| {
        let files = if is_ci() { 20_000 } else { 1_000 };
        moves(servers, Backend::MariaDb, Backend::Postgres, files, true)
    });
    group.add("a_site_moves_under_its_writers::by_passes", |servers| {
        moves(servers, Backend::Postgres, Backend::MariaDb, 500, false)
    });
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Bytes of what was acknowledged last, by name; `None` where it was deleted.
type Acknowledged = BTreeMap<String, Option<Vec<u8>>>;

fn moves(servers: &Servers, from: Backend, to: Backend, files: usize, has_log: bool) -> Result {
    let (one, other) = (Place::new(servers, from)?, Place::new(servers, to)?);
    messy::fill(&one, files)?;
    if has_log {
        ezdfs::maintenance::create_feed(&one.store(&[])?)?;
    }
    let done = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let writers = [Writer::Ezdfs, Writer::Kernel, Writer::Legacy]
            .map(|writer| (&one, &done, writer))
            .map(|(one, done, writer)| scope.spawn(move || writer.run(one, done)));
        let finished = Finished(&done);
        let killed = kill_copies(&one, &other);
        // What changes after the last kill is copied as well.
        thread::sleep(Duration::from_secs(1));
        drop(finished);
        let mut all = Acknowledged::new();
        for writer in writers {
            all.extend(writer.join().map_err(|_| "a writer panicked")??);
        }
        killed.map(|()| all)
    })?;
    let flags = ["--until-quiet", "1s"];
    let output = follow(&one, &other, &flags).output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(check(&one.file(), &other.file()), json!({}), "{}", stderr(&output));
    let store = other.store(&[])?;
    for (name, bytes) in &acknowledged {
        assert_eq!(read_if_there(&store, name)?.as_ref(), bytes.as_ref(), "{name}");
    }
    // At the source nothing was lost.
    let source = one.store(&[])?;
    for file in messy::files(files) {
        assert_eq!(read_if_there(&source, &file.name)?, Some(file.bytes), "{}", file.name);
    }
    injected("a copy is killed 50 times while others write", "all is there once it has ended");
    Ok(())
}

fn follow(one: &Place, other: &Place, flags: &[&str]) -> std::process::Command {
    let state = other.dir().join("state").to_string_lossy().into_owned();
    let always = ["--follow", "--delete", "--jobs", "4", "--state", &state];
    command("copy", &one.file(), &other.file(), &[&always[..], flags].concat())
}

fn kill_copies(one: &Place, other: &Place) -> Result {
    let mut random = Random::new(seed());
    for _ in 0..number("EZDFS_TEST_KILLS").unwrap_or(KILLS) {
        let mut child = follow(one, other, &[]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        thread::sleep(Duration::from_millis(20 + random.below(1200)));
        killed(&mut child)?;
    }
    Ok(())
}

fn killed(child: &mut Child) -> Result {
    if let Some(status) = child.try_wait()? {
        // A file may have changed too often while it was read: the next one copies it.
        assert!(status.code().is_some(), "it ended by itself: {status}");
        return Ok(());
    }
    // Not waited for yet, so the pid is its own.
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL)?;
    child.wait()?;
    Ok(())
}

/// Who writes to the source.
#[derive(Debug, Clone, Copy)]
enum Writer {
    Ezdfs,
    /// In place, then the row; deletes the row, then the file.
    Kernel,
    /// The same; marks the row, and leaves the file.
    Legacy,
}

impl Writer {
    /// Until it is told to end.
    fn run(self, place: &Place, done: &AtomicBool) -> Result<Acknowledged> {
        let store = place.store(&[])?;
        let mut random = Random::new(seed() + self as u64);
        let mut acknowledged = Acknowledged::new();
        while !done.load(Ordering::Relaxed) {
            let number = random.below(IDS);
            let name = format!("var/site/storage/images/live/{self:?}/{number}/a.png");
            if acknowledged.get(&name).is_some_and(Option::is_some) && random.below(4) == 0 {
                self.delete(place, &store, &name)?;
                acknowledged.insert(name, None);
            } else {
                let length = 1000 + random.below(3) as usize * 50_000;
                let bytes = vec![random.below(256) as u8; length];
                self.write(place, &store, &name, &bytes)?;
                acknowledged.insert(name, Some(bytes));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(acknowledged)
    }

    fn write(self, place: &Place, store: &Store, name: &str, bytes: &[u8]) -> Result {
        if matches!(self, Writer::Ezdfs) {
            store.create(&FileId::parse(name)?, &mut &*bytes, &CreateOptions::default())?;
            return Ok(());
        }
        let path = place.root().join(name);
        fs::create_dir_all(path.parent().ok_or("no parent")?)?;
        fs::write(&path, bytes)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let (hash, size, no) = (md5(name), bytes.len(), flag(place, false));
        let values =
            format!("('{name}', '{name}', '{hash}', 'image/png', 'image', {size}, {now}, {no})");
        let insert = "INSERT INTO ezdfsfile \
                      (name, name_trunk, name_hash, datatype, scope, size, mtime, expired) VALUES";
        let update = format!("size = {size}, mtime = {now}, expired = {no}");
        let upsert = match place.db.backend {
            Backend::MariaDb => format!("{insert} {values} ON DUPLICATE KEY UPDATE {update}"),
            _ => format!("{insert} {values} ON CONFLICT (name_hash) DO UPDATE SET {update}"),
        };
        db::sql(&place.db.dsn, &upsert)?;
        Ok(())
    }

    fn delete(self, place: &Place, store: &Store, name: &str) -> Result {
        let (hash, yes) = (md5(name), flag(place, true));
        match self {
            Writer::Ezdfs => store.delete(&FileId::parse(name)?)?,
            Writer::Kernel => {
                let delete = format!("DELETE FROM ezdfsfile WHERE name_hash = '{hash}'");
                db::sql(&place.db.dsn, &delete)?;
                fs::remove_file(place.root().join(Path::new(name)))?;
            }
            Writer::Legacy => {
                let mark = format!(
                    "UPDATE ezdfsfile SET mtime = -ABS(mtime), expired = {yes} \
                     WHERE name_hash = '{hash}'"
                );
                db::sql(&place.db.dsn, &mark)?;
            }
        }
        Ok(())
    }
}

fn flag(place: &Place, value: bool) -> String {
    match place.db.backend {
        Backend::Postgres => value.to_string(),
        _ => u8::from(value).to_string(),
    }
}
