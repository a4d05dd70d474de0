//! A site moves there and back under its writers, while the copy and the databases of both sides
//! are killed again and again. By default it is a small one and few are killed; `make test-moves`
//! plays it with 20,000 files and 50 kills of each (EZDFS_TEST_FILES, EZDFS_TEST_KILLS).

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::messy;
use super::place::{Place, check, command};
use super::writers::{Acknowledged, Writer};
use crate::command::stderr;
use crate::kill::content::Random;
use crate::kill::{Finished, number, seed};
use crate::store::read_if_there;
use crate::support::db::Backend;
use crate::support::faults::injected;
use crate::support::{Group, Result};

/// Exit codes of a copy that is to be started again: a database is away, a file has changed too
/// often while it was read.
const GOES_ON: [i32; 2] = [3, 5];

pub(super) fn register(group: &mut Group<'_>) {
    let pairs = [
        (Backend::Sqlite, Backend::MariaDb),
        (Backend::MariaDb, Backend::Postgres),
        (Backend::Postgres, Backend::Sqlite),
    ];
    for (from, to) in pairs {
        let name = format!("a_site_moves_under_its_writers::{}_{}", from.name(), to.name());
        group.add(&name, move |_| {
            let (from, to) = (from.alone()?, to.alone()?);
            there_and_back(&Place::on(from, "ezdfsfile")?, &Place::on(to, "ezdfsfile")?)
        });
    }
    for of in [Backend::MariaDb, Backend::Postgres] {
        let name = format!("a_site_moves_under_its_writers::to_another_table_of_{}", of.name());
        group.add(&name, move |_| {
            let db = Arc::new(of.alone()?);
            let one = Place::on(Arc::clone(&db), "ezdfsfile")?;
            there_and_back(&one, &Place::on(db, "ibexa_dfs_file")?)
        });
    }
}

/// There by the change log, back by comparing everything again and again.
fn there_and_back(one: &Place, other: &Place) -> Result {
    let files = number("EZDFS_TEST_FILES").unwrap_or(300) as usize;
    for place in [one, other] {
        // As patient as a site's copy would be.
        place.write_options("")?;
    }
    messy::fill(one, files)?;
    ezdfs::maintenance::create_feed(&one.store(&[])?)?;
    let acknowledged = moves(one, other, &Acknowledged::new())?;
    has_all(one, files, &acknowledged)?;
    ezdfs::maintenance::drop_feed(&one.store(&[])?)?;
    let acknowledged = moves(other, one, &acknowledged)?;
    has_all(other, files, &acknowledged)?;
    has_all(one, files, &acknowledged)
}

/// Says what is acknowledged in the end.
fn moves(from: &Place, to: &Place, before: &Acknowledged) -> Result<Acknowledged> {
    let done = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let writers = Writer::ALL.map(|writer| {
            let done = &done;
            scope.spawn(move || writer.run(from, before, done))
        });
        let finished = Finished(&done);
        let killed = kill_everything(from, to);
        // What changes after the last kill is copied as well.
        thread::sleep(Duration::from_secs(1));
        drop(finished);
        let mut all = before.clone();
        for writer in writers {
            all.extend(writer.join().map_err(|_| "a writer panicked")??);
        }
        killed.map(|()| all)
    })?;
    let output = follow(from, to, &["--until-quiet", "1s"]).output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(check(&from.file(), &to.file()), json!({}), "{}", stderr(&output));
    let store = to.store(&[])?;
    for (name, bytes) in &acknowledged {
        assert_eq!(read_if_there(&store, name)?.as_ref(), bytes.as_ref(), "{name}");
    }
    Ok(acknowledged)
}

/// Nothing of what was there before the move was lost.
fn has_all(place: &Place, files: usize, acknowledged: &Acknowledged) -> Result {
    let rows = place.rows();
    let live = acknowledged.values().flatten().count();
    assert_eq!(rows.len(), files + live);
    for file in messy::files(files) {
        assert!(rows.contains_key(&file.name), "{}", file.name);
        let bytes = std::fs::read(place.root().join(&file.name))?;
        assert_eq!(bytes, file.bytes, "{}", file.name);
    }
    Ok(())
}

fn follow(from: &Place, to: &Place, flags: &[&str]) -> std::process::Command {
    let state = to.dir().join("state").to_string_lossy().into_owned();
    let always = ["--follow", "--delete", "--jobs", "4", "--state", &state];
    command("copy", &from.file(), &to.file(), &[&always[..], flags].concat())
}

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Copy,
    From,
    To,
}

/// At random moments, in a random order, while somebody starts the copy again whenever it has ended.
fn kill_everything(from: &Place, to: &Place) -> Result {
    let mut random = Random::new(seed());
    let kills = number("EZDFS_TEST_KILLS").unwrap_or(2) as usize;
    let mut victims = vec![Victim::Copy; kills];
    for (place, victim) in [(from, Victim::From), (to, Victim::To)] {
        let has_server = place.db.backend != Backend::Sqlite;
        victims.extend(vec![victim; if has_server { kills } else { 0 }]);
    }
    let mut copy = Supervised::start(from, to)?;
    while !victims.is_empty() {
        let victim = victims.swap_remove(random.below(victims.len() as u64) as usize);
        thread::sleep(Duration::from_millis(20 + random.below(700)));
        match victim {
            Victim::Copy => copy.kill()?,
            Victim::From => from.db.kill_server()?,
            Victim::To => to.db.kill_server()?,
        }
        copy.go_on()?;
    }
    copy.kill()?;
    injected("a copy and both of its databases are killed while others write", WHOLE);
    Ok(())
}

const WHOLE: &str = "started again, all that was acknowledged is there";

/// A copy, and who starts it again.
struct Supervised<'p> {
    from: &'p Place,
    to: &'p Place,
    child: Child,
    log: PathBuf,
}

impl<'p> Supervised<'p> {
    fn start(from: &'p Place, to: &'p Place) -> Result<Self> {
        let log = to.dir().join("copy.log");
        let child = Self::spawn(from, to, &log)?;
        Ok(Supervised { from, to, child, log })
    }

    fn spawn(from: &Place, to: &Place, log: &PathBuf) -> Result<Child> {
        let mut command = follow(from, to, &[]);
        Ok(command.stdout(Stdio::null()).stderr(File::create(log)?).spawn()?)
    }

    fn go_on(&mut self) -> Result {
        if let Some(status) = self.child.try_wait()? {
            self.may_end_by_itself(status);
            self.child = Self::spawn(self.from, self.to, &self.log)?;
        }
        Ok(())
    }

    fn kill(&mut self) -> Result {
        match self.child.try_wait()? {
            Some(status) => self.may_end_by_itself(status),
            None => {
                self.child.kill()?;
                self.child.wait()?;
            }
        }
        Ok(())
    }

    fn may_end_by_itself(&self, status: ExitStatus) {
        let was_killed = status.code().is_none();
        let goes_on = status.code().is_some_and(|code| GOES_ON.contains(&code));
        let said = || std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(was_killed || goes_on, "it ended by itself: {status}: {}", said());
    }
}

impl Drop for Supervised<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
