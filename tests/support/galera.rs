//! A private Galera cluster of two MariaDB servers, both of which take writes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::Result;
use super::db::{self, TestDb};
use super::mariadb::{Flavour, Server};
use super::process::{free_port, wait_for_success};

/// Where the packages of the distributions put Galera.
const PROVIDERS: [&str; 3] = [
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
];

/// Nothing but that the servers of one cluster say the same.
const STATE: &str = "5f0c3ab2-6c1d-11ee-8c99-0242ac120002";

/// A stall of a busy machine is no failure: alone, neither server would take writes.
const PATIENCE: &str = "evs.suspect_timeout=PT1M;evs.inactive_timeout=PT2M;gcache.size=32M";

/// Why there can be no cluster here.
pub fn unmet() -> Option<String> {
    provider().is_none().then(|| "galera-4 is not installed (make deps)".to_owned())
}

fn provider() -> Option<&'static Path> {
    PROVIDERS.iter().map(Path::new).find(|file| file.is_file())
}

/// Two running servers; what one has committed, the other has or will have.
#[derive(Debug)]
pub struct Cluster {
    nodes: [Arc<Server>; 2],
}

impl Cluster {
    pub fn start() -> Result<Self> {
        let ports = [free_port(), free_port()];
        let first = Server::install(Flavour::MariaDb, arguments(ports[0], None)?)?;
        let second = first.copy(arguments(ports[1], Some(ports[0]))?)?;
        // The first server begins the cluster at 0; that is change 1, and its joining change 2. A
        // server that claims to have had change 1 misses nothing then: no state is transferred, by
        // none of the programs that do that and would have to be cleaned up after.
        write_state(&first.data(), 0)?;
        write_state(&second.data(), 1)?;
        first.launch()?;
        second.launch()?;
        first.create_user()?;
        wait_for_success("the second node's users", || second.sql("", "SELECT 1").map(drop))?;
        Ok(Self { nodes: [first, second].map(Arc::new) })
    }

    pub fn stop(&self) {
        self.nodes.iter().for_each(|node| node.stop());
    }

    /// The first server's.
    pub fn port(&self) -> u16 {
        self.nodes[0].port()
    }

    /// A new empty database by way of the first server, and its DSN by way of the second.
    pub fn database(&self) -> Result<(TestDb, String)> {
        let db = TestDb::on_mariadb(&self.nodes[0], "utf8mb4", "utf8mb4_unicode_520_ci")?;
        let [first, second] = self.nodes.each_ref().map(|node| node.dsn(""));
        let name = db.dsn.strip_prefix(&first).ok_or("a database of another server")?;
        let elsewhere = format!("{second}{name}");
        wait_for_success("the second node's database", || {
            db::sql(&elsewhere, "SELECT 1").map(drop)
        })?;
        Ok((db, elsewhere))
    }
}

/// What makes a server a node; without a peer it begins the cluster.
fn arguments(port: u16, peer: Option<u16>) -> Result<Vec<String>> {
    let provider = provider().ok_or("galera-4 is not installed")?.display();
    let here = format!("127.0.0.1:{port}");
    let peer = peer.map(|port| format!("127.0.0.1:{port}")).unwrap_or_default();
    Ok(vec![
        "--wsrep-on=ON".to_owned(),
        format!("--wsrep-provider={provider}"),
        format!("--wsrep-cluster-address=gcomm://{peer}"),
        format!("--wsrep-node-address={here}"),
        format!("--wsrep-provider-options=gmcast.listen_addr=tcp://{here};{PATIENCE}"),
        "--binlog-format=ROW".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
    ])
}

fn write_state(data: &Path, seqno: u32) -> Result {
    let state = format!(
        "# GALERA saved state\nversion: 2.1\nuuid: {STATE}\nseqno: {seqno}\nsafe_to_bootstrap: 1\n"
    );
    Ok(fs::write(data.join("grastate.dat"), state)?)
}
