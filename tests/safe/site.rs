//! The site on disk and in its databases; and what of it is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;
use walkdir::WalkDir;

use super::plan::{self, INODE, Interrupted, Plan, Row, SITES, TABLES};
use crate::support::Result;
use crate::support::db::{Backend, TestDb};
use crate::support::process::{clock_library, scratch};

const COLUMNS: &str = "name, name_trunk, name_hash, datatype, scope, size, mtime, expired, status";

/// All that commands could harm. `mnt/share` is what the sites' kernels have as their root.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) top: TempDir,
    pub(super) databases: [TestDb; 3],
    /// The library that shifts clocks.
    pub(super) library: PathBuf,
}

/// A part of the share lies apart, to be mounted there or to be missing: its path beneath the share.
#[derive(Debug, Clone, Default)]
pub(super) struct Apart(pub(super) Option<String>);

/// Bytes, or where a link leads; time of change in nanoseconds; permissions.
pub(super) type Content = (Vec<u8>, i128, u32);

/// Database, table, name and key.
pub(super) type RowId = (usize, String, String, String);

/// The columns after the name.
pub(super) type Cells = Vec<Option<String>>;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// By their paths beneath `mnt`, wherever they lie; without what is in trashes.
    pub(super) files: BTreeMap<String, Content>,
    pub(super) rows: BTreeMap<RowId, Cells>,
}

impl Site {
    pub(super) fn new(db: TestDb) -> Result<Self> {
        let top = scratch();
        let databases = [db.another()?, db.another()?];
        let [far, stale] = databases;
        let site = Site { top, databases: [db, far, stale], library: clock_library() };
        fs::create_dir(site.mnt())?;
        for db in &site.databases {
            for table in TABLES {
                let store = crate::store::store(&db.dsn, &site.mnt(), &[("table", table)]);
                store.create_schema()?;
            }
        }
        Ok(site)
    }

    pub(super) fn mnt(&self) -> PathBuf {
        self.top.path().join("mnt")
    }

    pub(super) fn share(&self) -> PathBuf {
        self.mnt().join("share")
    }

    /// Where the part that lies apart really is.
    pub(super) fn apart(&self) -> PathBuf {
        self.top.path().join("apart")
    }

    /// Begins anew with what was planned.
    pub(super) fn build(&self, plan: &mut Plan) -> Result {
        for gone in [self.mnt(), self.apart()] {
            if gone.exists() {
                fs::remove_dir_all(gone)?;
            }
        }
        for file in plan.files.iter().filter(|file| !file.path.contains(INODE)) {
            self.write(file)?;
        }
        for Interrupted { path, kept } in &mut plan.interrupted {
            let inode = fs::metadata(self.share().join(path))?.ino();
            let named = kept.replace(INODE, &format!("{inode:x}"));
            let file = plan.files.iter_mut().find(|file| file.path == *kept).ok_or("not kept")?;
            file.path.clone_from(&named);
            self.write(file)?;
            *kept = named;
        }
        for (site, ..) in SITES {
            let images = self.share().join(format!("var/{site}/storage/images/2"));
            symlink("../1/a.jpg", images.join("link.jpg"))?;
        }
        fs::create_dir_all(self.mnt().join("neighbour/images/1"))?;
        fs::write(self.mnt().join("neighbour/images/1/a.jpg"), b"another share")?;
        fs::set_permissions(self.share(), Permissions::from_mode(0o755))?;
        for (number, db) in self.databases.iter().enumerate() {
            db.sql(&self.statements(number, plan));
        }
        Ok(())
    }

    fn write(&self, file: &plan::File) -> Result {
        let path = self.share().join(&file.path);
        fs::create_dir_all(path.parent().ok_or("no directory")?)?;
        fs::write(&path, &file.bytes)?;
        let mtime = UNIX_EPOCH + Duration::from_secs(file.mtime.cast_unsigned());
        Ok(File::options().write(true).open(&path)?.set_modified(mtime)?)
    }

    fn statements(&self, database: usize, plan: &Plan) -> String {
        let truth = |value: bool| match self.databases[0].backend {
            Backend::Postgres => value.to_string(),
            _ => u8::from(value).to_string(),
        };
        let text = |text: &str| text.replace('\'', "''");
        let mut statements = match self.databases[0].backend {
            Backend::Sqlite => "PRAGMA synchronous = OFF; BEGIN;".to_owned(),
            _ => "BEGIN;".to_owned(),
        };
        for table in TABLES {
            let rows: Vec<_> = plan
                .rows
                .iter()
                .filter(|(of, its, _)| (*of, *its) == (database, table))
                .map(|(_, _, row)| {
                    let Row { name, trunk, key, datatype, size, mtime, expired, status } = row;
                    let (name, trunk) = (text(name), text(trunk));
                    let (expired, status) = (truth(*expired), truth(*status));
                    format!(
                        "('{name}', '{trunk}', '{key}', '{datatype}', 'image', {size}, {mtime}, \
                         {expired}, {status})"
                    )
                })
                .collect();
            let _ = write!(statements, "DELETE FROM {table};");
            if !rows.is_empty() {
                let rows = rows.join(", ");
                let _ = write!(statements, "INSERT INTO {table} ({COLUMNS}) VALUES {rows};");
            }
        }
        statements + "COMMIT"
    }

    /// All rows of these tables.
    pub(super) fn rows(&self, database: usize, tables: &[&str]) -> Vec<(RowId, Cells)> {
        let select = |table: &&str| format!("SELECT '{table}' AS its, {COLUMNS} FROM {table}");
        let selects: Vec<_> = tables.iter().map(select).collect();
        let rows = self.databases[database].sql(&selects.join(" UNION ALL "));
        rows.into_iter()
            .map(|mut row| {
                let cells = row.split_off(2);
                let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
                ((database, text(&row[0]), text(&row[1]), text(&cells[1])), cells)
            })
            .collect()
    }

    pub(super) fn snapshot(&self, apart: &Apart) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        add_files(&self.mnt(), "", &mut snapshot.files)?;
        if let Apart(Some(path)) = apart {
            add_files(&self.apart(), &format!("share/{path}/"), &mut snapshot.files)?;
        }
        for database in 0..self.databases.len() {
            snapshot.rows.extend(self.rows(database, &TABLES));
        }
        Ok(snapshot)
    }
}

fn add_files(from: &Path, prefix: &str, files: &mut BTreeMap<String, Content>) -> Result {
    let is_trash = |name: &std::ffi::OsStr| name == ".ezdfs-trash";
    let walk = WalkDir::new(from).into_iter().filter_entry(|entry| !is_trash(entry.file_name()));
    for entry in walk {
        let entry = entry?;
        // What a bare mount point has is not a part of the share.
        if entry.file_type().is_dir() || entry.file_name() == ".keep" {
            continue;
        }
        let path = entry.path().strip_prefix(from)?.to_string_lossy();
        let bytes = match entry.file_type().is_symlink() {
            true => fs::read_link(entry.path())?.to_string_lossy().into_owned().into_bytes(),
            false => fs::read(entry.path())?,
        };
        let status = entry.metadata()?;
        let time = i128::from(status.mtime()) * 1_000_000_000 + i128::from(status.mtime_nsec());
        files.insert(format!("{prefix}{path}"), (bytes, time, status.mode()));
    }
    Ok(())
}
