//! A storage tree with its table, and an nginx in front of it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ezdfs::{CreateOptions, FileId, FileInfo, Options, Store};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use tempfile::TempDir;

use crate::support::db::{Backend, TestDb};
use crate::support::nginx::{Builder, Nginx};
use crate::support::process::{free_port, scratch};
use crate::support::{Result, Servers, mariadb};

/// Where the paths that trials name begin, in the table, on the mount and in URLs.
pub(crate) const STORAGE: &str = "var/site/storage";

/// What of a path may stand in a URL as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

pub(crate) fn encode(path: &str) -> String {
    percent_encode(path.as_bytes(), PLAIN).to_string()
}

/// The request target of a path below the storage directory.
pub(crate) fn url(path: &str) -> String {
    format!("/{STORAGE}/{}", encode(path))
}

/// The location that sites use, with further directives.
pub(crate) fn location(directives: &str) -> String {
    format!(
        "location ~ ^/var/([^/]+/)?storage/images(-versioned)?/ {{ ezdfs main; {directives} }}\n"
    )
}

/// A store whose database is not there.
pub(crate) fn dead_store(site: &Site, name: &str) -> String {
    let (port, root) = (free_port(), site.root());
    format!(
        "ezdfs_store {name} {{ dsn mysql://ezdfs:secret@127.0.0.1:{port}/d; root {}; }}\n",
        root.display()
    )
}

/// A row as a foreign node writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    pub(crate) datatype: &'a str,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    pub(crate) expired: bool,
}

impl<'a> Row<'a> {
    pub(crate) fn new(name: &'a str, size: usize) -> Self {
        let size = size as u64;
        Self { name, datatype: "image/png", size, mtime: 1_700_000_000, expired: false }
    }

    /// SQL that all databases read; MariaDB takes backslashes for escapes.
    fn sql(&self, backend: Backend) -> String {
        let quote = |text: &str| {
            let text = text.replace('\'', "''");
            let escaped = backend == Backend::MariaDb;
            format!("'{}'", if escaped { text.replace('\\', "\\\\") } else { text })
        };
        let Self { name, datatype, size, mtime, expired } = self;
        let hash = hash(name);
        let (name, datatype) = (quote(name), quote(datatype));
        format!(
            "DELETE FROM ezdfsfile WHERE name_hash = '{hash}';
             INSERT INTO ezdfsfile
             (name, name_trunk, name_hash, datatype, scope, size, mtime, expired, status)
             VALUES ({name}, {name}, '{hash}', {datatype}, 'image', {size}, {mtime}, {expired},
             FALSE);"
        )
    }
}

fn hash(name: &str) -> String {
    Md5::digest(name).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A tree and its table. Its store has no prefixes, as in the documentation.
#[derive(Debug)]
pub(crate) struct Site {
    store: Store,
    root: TempDir,
    pub(crate) db: TestDb,
}

impl Site {
    pub(crate) fn new(db: TestDb) -> Result<Self> {
        let root = scratch();
        // For workers of another user.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755))?;
        // The mount is not the root itself, so that it can go away.
        fs::create_dir(root.path().join("mount"))?;
        let mut options = Options::builder();
        options.set("dsn", &db.dsn)?.set("durability", "rename")?;
        options.set("root", &root.path().join("mount").to_string_lossy())?;
        let store = Store::new(options.build()?);
        store.create_schema()?;
        Ok(Self { store, root, db })
    }

    pub(crate) fn sqlite(servers: &Servers) -> Result<Self> {
        Self::new(Backend::Sqlite.fresh(servers)?)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.root.path().join("mount")
    }

    /// Beside the mount: what no request may reach.
    pub(crate) fn outside(&self) -> &Path {
        self.root.path()
    }

    /// Where a path below the storage directory lies.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root().join(STORAGE).join(path)
    }

    /// Stores a file as an ezdfs node does.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) -> Result<FileInfo> {
        let id = FileId::parse(&format!("{STORAGE}/{path}"))?;
        let options = CreateOptions { mime_type: Some("image/png"), ..Default::default() };
        Ok(self.store.create(&id, &mut &bytes[..], &options)?)
    }

    /// Deletes a file as an ezdfs node does.
    pub(crate) fn delete(&self, path: &str) -> Result {
        Ok(self.store.delete(&FileId::parse(&format!("{STORAGE}/{path}"))?)?)
    }

    /// Writes a row as a foreign node does; the name is the whole one.
    pub(crate) fn row(&self, row: Row) {
        self.db.sql(&row.sql(self.db.backend));
    }

    /// Writes bytes and row as a foreign node does. The file's time is not the row's.
    pub(crate) fn put_foreign(&self, path: &str, bytes: &[u8], row: Row) -> Result {
        self.write(path, bytes)?;
        let name = format!("{STORAGE}/{path}");
        self.row(Row { name: &name, size: bytes.len() as u64, ..row });
        Ok(())
    }

    /// Writes bytes without a row.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
        fs::write(&file, bytes)?;
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        Ok(File::options().append(true).open(&file)?.set_modified(time)?)
    }

    pub(crate) fn delete_row(&self, path: &str) {
        let hash = hash(&format!("{STORAGE}/{path}"));
        self.db.sql(&format!("DELETE FROM ezdfsfile WHERE name_hash = '{hash}'"));
    }

    /// What a store needs, with further options.
    pub(crate) fn options(&self, options: &str) -> String {
        format!("dsn {}; root {}; {options}", self.db.dsn, self.root().display())
    }

    /// An `ezdfs_store` block with further options.
    pub(crate) fn block(&self, name: &str, options: &str) -> String {
        format!("ezdfs_store {name} {{ {} }}\n", self.options(options))
    }

    /// An nginx that knows this site as the store `main`, and serves nothing yet.
    pub(crate) fn builder(&self, options: &str) -> Builder {
        Nginx::with_module().http(&self.block("main", options))
    }

    /// An nginx that serves this site.
    pub(crate) fn serve(&self, options: &str) -> Result<Nginx> {
        self.builder(options).server(&location("")).start()
    }
}

/// A server that answers nothing until the value goes, also where the trial fails meanwhile.
pub(crate) struct Frozen<'a>(&'a mariadb::Server);

impl<'a> Frozen<'a> {
    pub(crate) fn new(server: &'a mariadb::Server) -> Result<Self> {
        server.freeze()?;
        Ok(Self(server))
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = self.0.thaw();
    }
}

/// A MariaDB server with a site that has `count` files.
pub(crate) fn mariadb_site(count: usize) -> Result<(Arc<mariadb::Server>, Site)> {
    let server = Arc::new(mariadb::Server::start()?);
    let site = Site::new(TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?)?;
    for i in 0..count {
        site.put(&path(i), path(i).as_bytes())?;
    }
    Ok((server, site))
}

pub(crate) fn path(i: usize) -> String {
    format!("images/{i}.png")
}
