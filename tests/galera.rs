//! Two servers that both take writes: a Galera cluster, a store on each node, one mount.
//!
//! A row's lock is the node's own, and a COMMIT fails that the other node was faster than.

mod crowd;
mod history;
#[cfg(feature = "failpoints")]
mod orders;
mod state;

use std::io::Read;

use ezdfs::{CreateOptions, DirId, Error, FileInfo, Store};

use crate::store::{Site, id, store};
use crate::support::db;
use crate::support::{Need, Result, Servers, Trials};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("galera", &[]);
    group.add("a_lost_write_would_be_noticed", |_| history::trial());
    let mut group = trials.group("galera", &[Need::MARIADB, Need::Galera]);
    group.add("what_one_node_acknowledged_the_other_finds", acknowledged_is_found);
    group.add("whoever_collides_with_whom_rows_and_files_agree", crowd::trial);
    #[cfg(feature = "failpoints")]
    orders::register(&mut group);
}

/// Sees what others write at once, and has patience with a machine that is busy.
const OPTIONS: &[(&str, &str)] = &[
    ("cache_ttl", "0s"),
    ("cache_negative_ttl", "0s"),
    ("connect_timeout", "30s"),
    ("query_timeout", "60s"),
];

/// A site that is reached by way of either node.
struct Pair {
    /// By way of the first node.
    site: Site,
    dsns: [String; 2],
    /// Of the first node.
    port: u16,
}

impl Pair {
    fn new(servers: &Servers) -> Result<Self> {
        let cluster = servers.galera()?;
        let (db, elsewhere) = cluster.database()?;
        let dsns = [db.dsn.clone(), elsewhere];
        let site = Site::new(db);
        // The second node has the table when it has answered this.
        db::sql(&dsns[1], "SET SESSION wsrep_sync_wait = 1; SELECT name FROM ezdfsfile")?;
        Ok(Pair { site, dsns, port: cluster.port() })
    }

    /// A store of its own by way of this node.
    fn store(&self, node: usize) -> Store {
        store(&self.dsns[node], self.site.root(), OPTIONS)
    }
}

fn put(store: &Store, file: &str, bytes: &[u8]) -> std::result::Result<FileInfo, Error> {
    store.create(&id(file), &mut &*bytes, &CreateOptions::default())
}

fn read(store: &Store, file: &str) -> std::result::Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    store.open(&id(file))?.file.read_to_end(&mut bytes).unwrap();
    Ok(bytes)
}

/// Each time the second node is busy with what came before: without waiting it knows of nothing.
fn acknowledged_is_found(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    let (here, there) = (pair.store(0), pair.store(1));
    pair.site.db.sql("CREATE TABLE work (a int PRIMARY KEY AUTO_INCREMENT, b varchar(100))");
    let stored = |file: &str, bytes: &[u8]| {
        pair.site.db.sql("INSERT INTO work (b) SELECT repeat('x', 100) FROM seq_1_to_20000");
        put(&here, file, bytes).map(drop)
    };
    stored("images/read", b"first")?;
    assert_eq!(read(&there, "images/read")?, b"first");
    stored("images/read", b"overwritten")?;
    assert_eq!(there.stat(&id("images/read"))?.size, 11);
    stored("images/listed/1", b"first")?;
    assert_eq!(there.list(Some(&DirId::parse("images/listed")?))?.flatten().count(), 1);
    stored("images/moved", b"first")?;
    there.rename(&id("images/moved"), &id("images/target"))?;
    stored("images/target", b"overwritten")?;
    there.delete(&id("images/target"))?;
    stored("images/beneath/1", b"first")?;
    assert_eq!(there.delete_directory(&DirId::parse("images/beneath")?)?.rows, 1);
    for file in ["images/moved", "images/target", "images/beneath/1"] {
        assert!(!here.exists(&id(file))?, "{file}");
    }
    pair.site.db.sql("INSERT INTO work (b) SELECT repeat('x', 100) FROM seq_1_to_20000");
    here.delete(&id("images/read"))?;
    assert!(!there.exists(&id("images/read"))?);
    Ok(())
}
