//! What one deleter keeps others from while it removes files. The command is built with the feature
//! `failpoints`, and stops when it has locked its rows, as it would on a mount that hangs.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use ezdfs::DirId;

use crate::store::{PREFIX, Site, id, md5, texts};
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::{Group, Result};

/// More than are locked at a time.
const FILES: usize = 600;

pub(super) fn register(group: &mut Group) {
    group.per_server("one_that_hangs_keeps_nobody_waiting", hung);
    group.per_server("directories_are_deleted_side_by_side", side_by_side);
}

/// `rm -r` in a process of its own.
struct Deleter {
    child: Child,
    gate: PathBuf,
}

impl Deleter {
    /// Returns when its rows are locked.
    fn stopped(site: &Site, dir: &str) -> Result<Self> {
        let gate = site.root().with_extension("gate");
        let child = Command::new(env!("CARGO_BIN_EXE_ezdfs"))
            .args(["rm", "-r", dir])
            .env_clear()
            .env("EZDFS_DSN", &site.db.dsn)
            .env("EZDFS_ROOT", site.root())
            .env("EZDFS_NAME_PREFIX", PREFIX)
            .env("FAILPOINTS", format!("locked=return(wait:{})", gate.display()))
            .stdin(Stdio::null())
            .spawn()?;
        let deleter = Deleter { child, gate };
        let reached = deleter.gate.with_extension("gate.reached");
        wait_for("the deleter to lock its rows", || reached.exists())?;
        Ok(deleter)
    }

    fn ends_well(&mut self) -> Result<bool> {
        fs::write(&self.gate, "")?;
        Ok(self.child.wait()?.success())
    }
}

impl Drop for Deleter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rows of many names; where they are live they have files.
fn insert(site: &Site, dir: &str, count: usize, mtime: i64) -> Result {
    fs::create_dir_all(site.path(dir))?;
    let mut rows = Vec::new();
    for number in 0..count {
        let file = format!("{dir}/{number}");
        let name = format!("{PREFIX}/{file}");
        if mtime > 0 {
            fs::write(site.path(&file), "x")?;
        }
        rows.push(format!("('{name}', '{name}', '{}', 1, {mtime} + {number})", md5(&name)));
    }
    let columns = "name, name_trunk, name_hash, size, mtime";
    site.db.sql(&format!("INSERT INTO ezdfsfile ({columns}) VALUES {}", rows.join(", ")));
    Ok(())
}

/// Many rows, as long ago deleted ones also, so that a database may choose by `mtime`.
fn many(site: &Site) -> Result {
    insert(site, "images/live", 2000, 1_500_000_000)?;
    insert(site, "images/legacy", 500, -1_400_000_000)?;
    let analyze = match site.db.backend {
        Backend::MariaDb => "ANALYZE TABLE ezdfsfile",
        _ => "ANALYZE ezdfsfile",
    };
    site.db.sql(analyze);
    Ok(())
}

fn hung(db: TestDb) -> Result {
    let site = Site::new(db);
    insert(&site, "images/hung", FILES, 1_600_000_000)?;
    insert(&site, "images/other", FILES, 1_600_000_000)?;
    many(&site)?;
    let mut deleter = Deleter::stopped(&site, "images/hung")?;
    let impatient = site.another_store(&[("query_timeout", "2s")]);
    impatient.delete(&id("images/live/1"))?;
    impatient.delete_directory(&DirId::parse("images/other")?)?;
    // As legacy deletes.
    let patience = match site.db.backend {
        Backend::MariaDb => "SET innodb_lock_wait_timeout = 2",
        _ => "SET lock_timeout = 2000",
    };
    let expired = if site.db.backend == Backend::Postgres { "TRUE" } else { "1" };
    let delete = format!(
        "{patience}; UPDATE ezdfsfile SET mtime = -ABS(mtime), expired = {expired} \
         WHERE name_hash = '{}'",
        md5(&format!("{PREFIX}/images/live/2"))
    );
    site.db.sql(&delete);
    assert!(deleter.ends_well()?);
    let left = "SELECT COUNT(*) FROM ezdfsfile WHERE mtime > 0";
    assert_eq!(site.db.sql(left), texts(["1998"]));
    injected("deleter that hangs while its rows are locked", "others delete, legacy too");
    Ok(())
}

fn side_by_side(db: TestDb) -> Result {
    let site = Site::new(db);
    for round in 0..2 {
        for writer in 0..4 {
            insert(&site, &format!("images/{writer}"), FILES, 1_600_000_000)?;
        }
        if round == 1 {
            many(&site)?;
        }
        thread::scope(|scope| {
            let delete = |writer| {
                let store = site.another_store(&[]);
                let dir = DirId::parse(&format!("images/{writer}")).unwrap();
                scope.spawn(move || store.delete_directory(&dir))
            };
            let deleters: Vec<_> = (0..4).map(delete).collect();
            for deleter in deleters {
                let deleted = deleter.join().unwrap().map_err(|error| format!("{error:#}"))?;
                assert_eq!((deleted.rows, deleted.files), (FILES as u64, FILES as u64));
            }
            Ok::<_, String>(())
        })?;
        injected("four directories deleted at once", "all without an error");
    }
    assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), texts(["2500"]));
    Ok(())
}
