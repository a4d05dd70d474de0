//! The core over every database: what it stores, shows, refuses and deletes.
//!
//! "Kernel" and "legacy" nodes are plain SQL and plain files. Numbers in names
//! of trials are no order: one trial often covers several rules.

mod beneath;
mod delete;
mod halves;
mod metadata;
mod schema;
mod write;

use std::fs;
use std::path::{Path, PathBuf};

use ezdfs::{CreateOptions, Error, ErrorKind, FileId, FileInfo, Options, Store};
use tempfile::TempDir;

use crate::support::Trials;
use crate::support::db::{Rows, TestDb};
use crate::support::process::scratch;

pub(crate) const PREFIX: &str = "var/site/storage";

pub(crate) fn register(trials: &mut Trials) {
    metadata::register(trials);
    schema::register(trials);
    write::register(trials);
    delete::register(trials);
    halves::register(trials);
    beneath::register(trials);
}

/// The bytes that a reader gets; `None` where it is told that there is no such file.
pub(crate) fn read_if_there(store: &Store, id: &str) -> crate::support::Result<Option<Vec<u8>>> {
    match store.open(&self::id(id)) {
        Ok(mut opened) => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut opened.file, &mut bytes)?;
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A store on a database and a root of its own.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) db: TestDb,
    root: TempDir,
}

impl Site {
    /// With the table that ezdfs creates and the usual name prefix.
    pub(crate) fn new(db: TestDb) -> Self {
        let site = Self::without_table(db, &[]);
        site.store.create_schema().unwrap();
        site
    }

    /// On whatever is in the database, with these options besides.
    pub(crate) fn without_table(db: TestDb, options: &[(&str, &str)]) -> Self {
        let root = scratch();
        let store = store(&db.dsn, root.path(), options);
        Site { store, db, root }
    }

    /// What another process with the same configuration has.
    pub(crate) fn another_store(&self, options: &[(&str, &str)]) -> Store {
        store(&self.db.dsn, self.root.path(), options)
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn path(&self, id: &str) -> PathBuf {
        self.root.path().join(id)
    }

    pub(crate) fn create(&self, id: &str, bytes: &[u8]) -> Result<FileInfo, Error> {
        self.store.create(&self::id(id), &mut &*bytes, &CreateOptions::default())
    }

    /// The bytes that a reader gets.
    pub(crate) fn read(&self, id: &str) -> Result<Vec<u8>, Error> {
        let mut opened = self.store.open(&self::id(id))?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut opened.file, &mut bytes).unwrap();
        Ok(bytes)
    }

    pub(crate) fn exists(&self, id: &str) -> bool {
        self.store.exists(&self::id(id)).unwrap()
    }

    /// Columns of a file's row, as text.
    pub(crate) fn row(&self, columns: &str, id: &str) -> Rows {
        self.db.sql(&format!(
            "SELECT {columns} FROM ezdfsfile WHERE name = '{PREFIX}/{}'",
            id.replace('\'', "''")
        ))
    }

    /// Names of all files and directories beneath the root, sorted, but for the trash.
    pub(crate) fn tree(&self) -> Vec<String> {
        fn walk(dir: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                if entry.file_name() == ".ezdfs-trash" {
                    continue;
                }
                found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                if entry.file_type().unwrap().is_dir() {
                    walk(&path, root, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.root(), self.root(), &mut found);
        found.sort();
        found
    }

    /// Names of the files in the trash, of whichever day, sorted.
    pub(crate) fn trash(&self) -> Vec<String> {
        let trash = self.path(".ezdfs-trash");
        let found = walkdir::WalkDir::new(&trash).into_iter().flatten();
        let files = found.filter(|entry| entry.file_type().is_file() && entry.depth() > 1);
        let path = |entry: walkdir::DirEntry| {
            let day: PathBuf = entry.path().strip_prefix(&trash).unwrap().iter().skip(1).collect();
            day.to_string_lossy().into_owned()
        };
        let mut paths: Vec<_> = files.map(path).collect();
        paths.sort();
        paths
    }

    /// A row as a PHP kernel or a legacy node writes it, without a file.
    pub(crate) fn foreign_row(&self, id: &str, size: u64, mtime: i64, expired: bool) {
        let name = format!("{PREFIX}/{id}");
        let hash = md5(&name);
        let name = name.replace('\'', "''");
        let expired = match self.db.backend {
            crate::support::db::Backend::Postgres => expired.to_string(),
            _ => u8::from(expired).to_string(),
        };
        self.db.sql(&format!(
            "INSERT INTO ezdfsfile \
             (name, name_trunk, name_hash, datatype, scope, size, mtime, expired) \
             VALUES ('{name}', '{name}', '{hash}', 'image/jpeg', 'image', {size}, {mtime}, {expired})"
        ));
    }

    /// A file as a PHP kernel writes it.
    pub(crate) fn foreign_file(&self, id: &str, bytes: &[u8]) {
        let path = self.path(id);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A store on whatever a DSN leads to.
pub(crate) fn store(dsn: &str, root: &Path, options: &[(&str, &str)]) -> Store {
    let mut builder = Options::builder();
    builder.set("dsn", dsn).unwrap();
    builder.set("root", root.to_str().unwrap()).unwrap();
    builder.set("name_prefix", PREFIX).unwrap();
    for (key, value) in options {
        builder.set(key, value).unwrap();
    }
    Store::new(builder.build().unwrap())
}

pub(crate) fn id(text: &str) -> FileId {
    FileId::parse(text).unwrap()
}

/// The table's key of a name, computed by somebody else.
pub(crate) fn md5(name: &str) -> String {
    use md5::{Digest, Md5};
    format!("{:032x}", u128::from_be_bytes(Md5::digest(name.as_bytes()).into()))
}

pub(crate) fn texts<const N: usize>(values: [&str; N]) -> Rows {
    vec![values.iter().map(|value| Some((*value).to_owned())).collect()]
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, kind: ErrorKind) -> Error {
    let error = outcome.expect_err("should have been refused");
    assert_eq!(error.kind(), kind, "{error:#}");
    error
}
