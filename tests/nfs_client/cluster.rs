//! A server's tree with its table, and two nodes that mount it.

use std::path::Path;

use ezdfs::{CreateOptions, FileId, Options, Store};
use tempfile::TempDir;

use crate::support::db::{Backend, TestDb};
use crate::support::nfs_client::NfsClient;
use crate::support::process::scratch;
use crate::support::{Result, Servers};

use super::doors::{Door, Node};

/// An id that nginx may serve.
pub(super) const PICTURE: &str = "var/site/storage/images/1/picture.png";

/// A tree on a server, and two nodes.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) a: NfsClient,
    pub(super) b: NfsClient,
    pub(super) db: TestDb,
    server: TempDir,
}

impl Cluster {
    pub(super) fn new(servers: &Servers) -> Result<Self> {
        Self::on(Backend::Sqlite.fresh(servers)?)
    }

    pub(super) fn on(db: TestDb) -> Result<Self> {
        let server = scratch();
        let (a, b) = (NfsClient::mount(server.path())?, NfsClient::mount(server.path())?);
        let cluster = Cluster { a, b, db, server };
        cluster.store().create_schema()?;
        Ok(cluster)
    }

    /// The tree as the server has it.
    pub(super) fn server(&self) -> &Path {
        self.server.path()
    }

    /// Mounts the tree again on node B, with the behaviour that it had.
    pub(super) fn remount(&mut self) -> Result {
        self.b.mount_again(self.server.path())
    }

    /// A store on node A, which other nodes take for another machine.
    pub(super) fn store(&self) -> Store {
        store_with(&self.db.dsn, self.a.at(), &[])
    }

    pub(super) fn put(&self, id: &str, bytes: &[u8]) -> Result {
        let options = CreateOptions { mime_type: Some("image/png"), ..Default::default() };
        self.store().create(&file_id(id), &mut &bytes[..], &options)?;
        Ok(())
    }

    /// A row and a file that are older than any cache of an NFS client.
    pub(super) fn put_old(&self, id: &str, bytes: &[u8]) -> Result {
        let mtime = Some(1_500_000_000);
        let options = CreateOptions { mime_type: Some("image/png"), mtime, ..Default::default() };
        self.store().create(&file_id(id), &mut &bytes[..], &options)?;
        Ok(())
    }

    /// A door of node B.
    pub(super) fn door(
        &self,
        door: Door,
        options: &[(&'static str, &'static str)],
    ) -> Result<Node> {
        Node::start(door, &self.db.dsn, self.b.at(), options)
    }

    /// All that lies on the server, directories left out.
    pub(super) fn files(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let all = walkdir::WalkDir::new(self.server()).sort_by_file_name().into_iter();
        for entry in all.filter_entry(|entry| entry.file_name() != ".ezdfs-trash") {
            let entry = entry?;
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(self.server())?;
                found.push(path.to_string_lossy().into_owned());
            }
        }
        Ok(found)
    }

    /// Rows, as text: enough to see that none has changed.
    pub(super) fn rows(&self) -> Vec<Vec<Option<String>>> {
        self.db.sql("SELECT name, size, mtime, expired FROM ezdfsfile ORDER BY name")
    }
}

pub(super) fn file_id(text: &str) -> FileId {
    FileId::parse(text).expect("an id")
}

pub(super) fn store_with(dsn: &str, root: &Path, options: &[(&str, &str)]) -> Store {
    let mut builder = Options::builder();
    builder.set("dsn", dsn).unwrap().set("root", &root.to_string_lossy()).unwrap();
    for (key, value) in options {
        builder.set(key, value).unwrap();
    }
    Store::new(builder.build().unwrap())
}
