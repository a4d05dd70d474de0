//! One side of a copy: a database, a root, and the file that the command reads both from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use ezdfs::{Options, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::stderr;
use crate::support::db::{Backend, TestDb};
use crate::support::process::scratch;
use crate::support::{Result, Servers, built};

/// Rows of a table, and a mount.
pub(super) struct Place {
    pub(super) db: Arc<TestDb>,
    pub(super) table: &'static str,
    root: PathBuf,
    dir: TempDir,
}

impl Place {
    pub(super) fn new(servers: &Servers, backend: Backend) -> Result<Self> {
        Self::on(backend.fresh(servers)?, "ezdfsfile")
    }

    pub(super) fn on(db: impl Into<Arc<TestDb>>, table: &'static str) -> Result<Self> {
        let dir = scratch();
        let root = dir.path().join("root");
        fs::create_dir(&root)?;
        Self::at(db, table, dir, root)
    }

    /// With a root of the trial's choice.
    pub(super) fn at(
        db: impl Into<Arc<TestDb>>,
        table: &'static str,
        dir: TempDir,
        root: PathBuf,
    ) -> Result<Self> {
        let place = Place { db: db.into(), table, root, dir };
        // A busy machine may take longer than a site would want to wait.
        place.write_options("connect_timeout = \"30s\"")?;
        place.store(&[])?.create_schema()?;
        Ok(place)
    }

    /// What is asked for besides goes into the file.
    pub(super) fn write_options(&self, besides: &str) -> Result {
        let (dsn, root, table) = (&self.db.dsn, self.root.display(), self.table);
        let text = format!("dsn = {dsn:?}\nroot = \"{root}\"\ntable = {table:?}\n{besides}\n");
        Ok(fs::write(self.file(), text)?)
    }

    /// The options' file: `FROM` or `TO`.
    pub(super) fn file(&self) -> PathBuf {
        self.dir.path().join("ezdfs.toml")
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn store(&self, options: &[(&str, &str)]) -> Result<Store> {
        let mut builder = Options::builder();
        builder.set("dsn", &self.db.dsn)?.set("root", &self.root.to_string_lossy())?;
        builder.set("table", self.table)?.set("cache_ttl", "0s")?;
        builder.set("connect_timeout", "30s")?;
        for (key, value) in options {
            builder.set(key, value)?;
        }
        Ok(Store::new(builder.build()?))
    }

    /// All that a live row says, but for flags that nobody reads, by name.
    pub(super) fn rows(&self) -> BTreeMap<String, Vec<Option<String>>> {
        let rows = self.db.sql(&format!(
            "SELECT name, name_trunk, name_hash, datatype, scope, size, mtime FROM {} \
             WHERE mtime > 0",
            self.table
        ));
        rows.into_iter().map(|row| (row[0].clone().unwrap_or_default(), row)).collect()
    }

    /// Bytes of the files that live rows speak of, by name.
    pub(super) fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let read = |name: &String| Ok((name.clone(), fs::read(self.root.join(name))?));
        self.rows().keys().map(read).collect()
    }
}

/// The command with two sides.
pub(super) fn command(command: &str, from: &Path, to: &Path, flags: &[&str]) -> Command {
    let mut run = Command::new(built("ezdfs"));
    run.arg(command).arg(from).arg(to).args(flags).env_clear().stdin(Stdio::null());
    run
}

pub(super) fn run(name: &str, from: &Path, to: &Path, flags: &[&str]) -> Output {
    command(name, from, to, flags).output().expect("run the command")
}

/// The last object that a copy prints.
#[track_caller]
pub(super) fn copy(from: &Path, to: &Path, flags: &[&str]) -> Value {
    let output = run("copy", from, to, &[flags, &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    summary(&output)
}

#[track_caller]
pub(super) fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().expect("a summary")).expect("JSON")
}

/// Differences by class, of all bytes.
#[track_caller]
pub(super) fn check(from: &Path, to: &Path) -> Value {
    let output = run("check", from, to, &["--verify", "hash", "--json"]);
    assert!(matches!(output.status.code(), Some(0 | 7)), "{}", stderr(&output));
    summary(&output)["differing"].clone()
}
