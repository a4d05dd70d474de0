//! A database that is sick on purpose: cut, frozen, restarted, full, read-only.

mod changes;
mod charsets;
mod commits;
mod connections;
#[cfg(feature = "failpoints")]
mod deleters;
mod failover;
mod forks;
#[cfg(feature = "failpoints")]
mod killed;
mod poolers;
mod refusals;
mod repeats;
mod sessions;
mod storms;

use std::io::Read;

use ezdfs::{CreateOptions, Error, FileInfo, Store};

use crate::c_programs::IN_C;
use crate::store::{Site, id, store};
use crate::support::db::TestDb;
use crate::support::proxy::Proxy;
use crate::support::{Need, Result, Trials};

pub(crate) fn register(trials: &mut Trials) {
    changes::register(&mut trials.group("database::changes", &[]));
    changes::register_postgres(&mut trials.group("database::changes", &[Need::POSTGRES]));
    charsets::register(&mut trials.group("database::charsets", &[Need::MARIADB]));
    charsets::register_postgres(&mut trials.group("database::charsets", &[Need::POSTGRES]));
    poolers::register(&mut trials.group("database::poolers", &[Need::PGBOUNCER]));
    refusals::register(&mut trials.group("database::refusals", &[Need::MARIADB]));
    refusals::register_galera(
        &mut trials.group("database::refusals", &[Need::MARIADB, Need::Galera]),
    );
    commits::register(&mut trials.group("database::commits", &[]));
    connections::register(&mut trials.group("database::connections", &[]));
    repeats::register(&mut trials.group("database::repeats", &[]));
    storms::register(&mut trials.group("database::storms", &[]));
    #[cfg(feature = "failpoints")]
    deleters::register(&mut trials.group("database::deleters", &[]));
    #[cfg(feature = "failpoints")]
    killed::register(&mut trials.group("database::killed", &[]));
    let php = [Need::Built("ezdfs.so"), Need::Programs(&["php", "php-config"])];
    forks::register_php(&mut trials.group("database::forks", &php));
    forks::register_c(&mut trials.group("database::forks", &IN_C));
    failover::register_mariadb(&mut trials.group("database::failover", &[Need::MARIADB]));
    failover::register_postgres(&mut trials.group("database::failover", &[Need::POSTGRES]));
    sessions::register_mariadb(&mut trials.group("database::sessions", &[Need::MARIADB]));
    sessions::register_postgres(&mut trials.group("database::sessions", &[Need::POSTGRES]));
}

const OLD: &[u8] = b"the old bytes";
const NEW: &[u8] = b"the new bytes, of another length";

/// A site with a store that reaches the database through a proxy.
struct Sick {
    site: Site,
    proxy: Proxy,
    store: Store,
}

impl Sick {
    fn new(db: TestDb, options: &[(&str, &str)]) -> Result<Self> {
        let site = Site::new(db);
        let proxy = Proxy::start(port(&site.db.dsn))?;
        let store = store(&proxy.through(&site.db.dsn), site.root(), options);
        Ok(Sick { site, proxy, store })
    }

    /// Stores by way of the proxy.
    fn create(&self, name: &str, bytes: &[u8]) -> std::result::Result<FileInfo, Error> {
        create(&self.store, name, bytes)
    }

    /// Reads by way of the proxy.
    fn read(&self, name: &str) -> std::result::Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.store.open(&id(name))?.file.read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    }
}

fn create(store: &Store, name: &str, bytes: &[u8]) -> std::result::Result<FileInfo, Error> {
    store.create(&id(name), &mut &*bytes, &CreateOptions::default())
}

/// The port in a DSN of the trials' servers.
fn port(dsn: &str) -> u16 {
    let after = dsn.split("127.0.0.1:").nth(1).expect("a server on the loopback");
    after.split('/').next().unwrap().parse().unwrap()
}
