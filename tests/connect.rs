//! How a server is reached and let in by: TLS, addresses, sockets, logins.

mod addresses;
mod certificates;
mod garbled;
mod logins;
mod tls;

use std::path::Path;

pub(crate) use tls::mariadb_with_tls;

use ezdfs::{CreateOptions, Error, Store};

use crate::store::{id, store};
use crate::support::db::TestDb;
use crate::support::{Need, Trials, mariadb};

pub(crate) fn register(trials: &mut Trials) {
    let openssl = Need::Programs(&["openssl"]);
    tls::register_mariadb(&mut trials.group("connect::tls", &[Need::MARIADB, openssl]));
    tls::register_postgres(&mut trials.group("connect::tls", &[Need::POSTGRES, openssl]));
    addresses::register_mariadb(&mut trials.group("connect::addresses", &[Need::MARIADB]));
    addresses::register_postgres(&mut trials.group("connect::addresses", &[Need::POSTGRES]));
    logins::register(&mut trials.group("connect::logins", &[]));
    if mariadb::is_mysql() {
        logins::register_mysql(&mut trials.group("connect::logins", &[Need::MARIADB]));
    }
    garbled::register(&mut trials.group("connect::garbled", &[]));
}

/// Whether one gets in by this DSN and can store something there.
fn stored(dsn: &str, root: &Path) -> Result<(), Error> {
    let store = store(dsn, root, &[]);
    store.create_schema()?;
    put(&store)
}

fn put(store: &Store) -> Result<(), Error> {
    store.create(&id("images/a.txt"), &mut &b"a"[..], &CreateOptions::default()).map(drop)
}

/// Another host, and parameters, in the DSN of a trial's server.
fn with(db: &TestDb, host: &str, query: &str) -> String {
    format!("{}?{query}", db.dsn.replace("@127.0.0.1:", &format!("@{host}:")))
}
