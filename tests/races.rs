//! Orders of steps that the model of the protocol has found to matter, played with real processes:
//! each stops at a step until the trial lets it go on. The command is built with `failpoints`.

mod hung;
mod identity;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::store::{PREFIX, Site, id, md5};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::{Result, Trials};

const OLD: &[u8] = b"the old bytes";
const TWO_FAIL: &str = "commits of two writers, one upon the other, both fail";

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("races", &[]);
    group.per_database("a_commit_that_is_late_after_all_is_not_undone", late_commit);
    group.per_database("of_two_failed_writes_the_first_is_put_back", two_failures);
    group.per_database("a_write_upon_one_that_failed_stays", write_upon_failed);
    group.per_database("a_rename_takes_what_is_there_when_it_ends", overwritten_while_renamed);
    group.per_database("a_rename_revives_nothing", deleted_while_renamed);
    group.per_database("an_import_knows_no_better_than_a_writer", written_while_imported);
    group.per_database("a_new_file_of_two_failed_writes_is_none", two_failures_of_a_new_file);
    hung::register(&mut group);
    identity::register(&mut group);
}

/// A process that stops at one of its steps.
pub(crate) struct Stopped {
    child: Child,
    gate: PathBuf,
}

impl Stopped {
    /// Stores `bytes`; the commit fails, and before the row's lock is taken again the process waits.
    fn put(site: &Site, file: &str, bytes: &[u8]) -> Result<Self> {
        let (scratch, number) = scratch(site)?;
        let source = scratch.join(format!("{number}"));
        fs::write(&source, bytes)?;
        let put = command(site, &["put", "--mtime", "1500000000", file], &source);
        Self::start(site, put, "published=return(error);asked")
    }

    /// Renames a file, and waits when its bytes have been copied.
    fn rename(site: &Site, from: &str, to: &str) -> Result<Self> {
        Self::start(site, command(site, &["mv", from], Path::new(to)), "finished")
    }

    /// Imports all that is there, and waits when it has been looked at.
    fn import(site: &Site) -> Result<Self> {
        Self::start(site, command(site, &["import"], site.root()), "looked")
    }

    /// Waits at the last of these steps.
    pub(crate) fn start(site: &Site, mut command: Command, steps: &str) -> Result<Self> {
        let (scratch, number) = scratch(site)?;
        let gate = scratch.join(format!("{number}.gate"));
        command.env("FAILPOINTS", format!("{steps}=return(wait:{})", gate.display()));
        let stopped = Stopped { child: command.spawn()?, gate };
        let reached = stopped.gate.with_extension("gate.reached");
        wait_for("a process to stop", || reached.exists())?;
        Ok(stopped)
    }

    /// Lets it go on.
    pub(crate) fn release(&self) -> Result {
        Ok(fs::write(&self.gate, "")?)
    }

    /// Whether it ends well.
    pub(crate) fn succeeds(mut self) -> Result<bool> {
        Ok(self.child.wait()?.success())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory for what the processes of a trial need, and a number that nothing in it has.
pub(crate) fn scratch(site: &Site) -> Result<(PathBuf, usize)> {
    let scratch = site.root().with_extension("races");
    fs::create_dir_all(&scratch)?;
    let number = fs::read_dir(&scratch)?.count();
    Ok((scratch, number))
}

pub(crate) fn command(site: &Site, arguments: &[&str], source: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ezdfs"));
    command.args(arguments).arg(source).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
    command.env("EZDFS_DSN", &site.db.dsn).env("EZDFS_ROOT", site.root());
    command.env("EZDFS_NAME_PREFIX", PREFIX);
    command
}

/// The row as a COMMIT makes it that the server gets to after its client has given up.
fn late_commit(db: TestDb) -> Result {
    let site = Site::new(db);
    for file in ["images/new", "images/file"] {
        if file == "images/file" {
            site.create(file, OLD)?;
        }
        let stopped = Stopped::put(&site, file, b"committed late")?;
        let name = format!("{PREFIX}/{file}");
        let delete = format!("DELETE FROM ezdfsfile WHERE name_hash = '{}'", md5(&name));
        let insert = format!(
            "INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime) \
             VALUES ('{name}', '{name}', '{}', 'text/plain', 'image', 14, 1500000000)",
            md5(&name)
        );
        let commit = site.db.hold(&format!("{delete}; {insert}"));
        stopped.release()?;
        commit.commit();
        assert!(stopped.succeeds()?, "{file}: the row is there");
        assert_eq!(site.read(file)?, b"committed late", "{file}");
        assert_eq!(site.tree().len(), if file == "images/new" { 2 } else { 3 });
        injected("COMMIT takes effect after its client gave it up", "the write succeeds");
    }
    Ok(())
}

/// Two writers of `images/file`, both of whose commits fail; this one is undone first.
fn fail_one_upon_the_other(site: &Site, first_undone: usize) -> Result {
    let mut writers = vec![
        Stopped::put(site, "images/file", b"of the first")?,
        Stopped::put(site, "images/file", b"of the second one")?,
    ];
    for _ in 0..2 {
        let writer = writers.remove(first_undone % writers.len());
        writer.release()?;
        assert!(!writer.succeeds()?);
    }
    Ok(())
}

fn two_failures(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/file", OLD)?;
    for first_undone in [0, 1] {
        fail_one_upon_the_other(&site, first_undone)?;
        assert_eq!(site.read("images/file")?, OLD, "{first_undone}");
        assert_eq!(site.tree(), ["images", "images/file"]);
        assert_eq!(site.store.stat(&id("images/file"))?.size, OLD.len() as u64);
        injected(TWO_FAIL, "what was there before is put back");
    }
    Ok(())
}

fn write_upon_failed(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/file", OLD)?;
    let stopped = Stopped::put(&site, "images/file", b"of one who fails")?;
    site.create("images/file", b"stored upon it")?;
    stopped.release()?;
    assert!(!stopped.succeeds()?);
    assert_eq!(site.read("images/file")?, b"stored upon it");
    assert_eq!(site.tree(), ["images", "images/file"]);
    injected(
        "commit fails, and another writer stores the file meanwhile",
        "the other's file stays",
    );
    Ok(())
}

fn two_failures_of_a_new_file(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/bystander", OLD)?;
    for first_undone in [0, 1] {
        fail_one_upon_the_other(&site, first_undone)?;
        assert!(!site.exists("images/file"), "{first_undone}");
        assert_eq!(site.tree(), ["images", "images/bystander"]);
        injected(TWO_FAIL, "what was there before is put back");
    }
    Ok(())
}

fn overwritten_while_renamed(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", OLD)?;
    let rename = Stopped::rename(&site, "images/a", "images/b")?;
    site.create("images/a", b"stored meanwhile")?;
    rename.release()?;
    assert!(rename.succeeds()?);
    assert!(!site.another_store(&[]).exists(&id("images/a"))?);
    assert_eq!(site.read("images/b")?, b"stored meanwhile");
    assert_eq!(site.tree(), ["images", "images/b"]);
    injected("a file is overwritten while it is renamed", "the new bytes have the new name");
    Ok(())
}

/// As legacy deletes: the row is marked, the file stays.
fn deleted_while_renamed(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", OLD)?;
    let rename = Stopped::rename(&site, "images/a", "images/b")?;
    site.db.sql("UPDATE ezdfsfile SET mtime = -mtime");
    rename.release()?;
    assert!(!rename.succeeds()?);
    let store = site.another_store(&[]);
    assert!(!store.exists(&id("images/a"))? && !store.exists(&id("images/b"))?);
    assert_eq!(site.tree(), ["images", "images/a"]);
    injected("a file is deleted by legacy while it is renamed", "it stays deleted");
    Ok(())
}

fn written_while_imported(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/deleted", OLD)?;
    site.create("images/overwritten", OLD)?;
    site.db.sql(&format!("DELETE FROM ezdfsfile WHERE name = '{PREFIX}/images/overwritten'"));
    for file in ["images/new", "images/removed", "images/cut", "images/grown"] {
        site.foreign_file(file, OLD);
    }
    site.foreign_row("images/grown", 1, 1_500_000_000, false);
    let import = Stopped::import(&site)?;
    site.store.delete(&id("images/deleted"))?;
    site.create("images/overwritten", b"stored meanwhile")?;
    site.create("images/grown", b"stored meanwhile")?;
    fs::remove_file(site.path("images/removed"))?;
    site.foreign_file("images/cut", b"");
    import.release()?;
    assert!(import.succeeds()?);
    let rows = site.db.sql("SELECT name, size FROM ezdfsfile ORDER BY name");
    let name = |file: &str| Some(format!("{PREFIX}/images/{file}"));
    let row = |file, size: usize| vec![name(file), Some(size.to_string())];
    assert_eq!(rows, [row("grown", 16), row("new", OLD.len()), row("overwritten", 16)]);
    injected("files are written and deleted while they are imported", "the writers are right");
    Ok(())
}
