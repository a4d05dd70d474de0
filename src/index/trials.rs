//! What the other files of this directory do on the three databases, where no
//! public function shows it by itself.

#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "a few of its parts are enough here")]
mod support;

mod locked;
mod locks;
mod record;
mod survey;

use support::db::{Backend, TestDb};
use support::{Need, Servers, process};

use super::Index;
use crate::config::Options;
use crate::error::Result;
use crate::runtime;

type Trial = fn(&TestDb);

const TRIALS: [(&str, Trial); 5] = [
    ("a_row_is_found_with_the_key_that_it_has", locked::a_row_is_found_with_its_key),
    ("deletes_go_by_key", locks::deletes_go_by_key),
    ("a_deleted_row_comes_back_whole", record::a_deleted_row_comes_back_whole),
    ("counts_and_samples", survey::counts_and_samples),
    ("siblings_claim_what_is_theirs", survey::siblings_claim_what_is_theirs),
];

/// As the ezpostgresqlcluster extension made it.
const OLD_POSTGRES: &str = "CREATE TABLE old (
    name text NOT NULL, name_trunk text NOT NULL, name_hash char(32) NOT NULL DEFAULT '',
    datatype varchar(60), scope varchar(20), size integer NOT NULL DEFAULT 0,
    mtime integer NOT NULL DEFAULT 0, expired integer NOT NULL DEFAULT 0, PRIMARY KEY (name_hash))";

/// One test, so that the servers are started once and leave nothing behind.
#[test]
fn on_every_database() {
    let servers = Servers::default();
    for backend in Backend::ALL {
        let need = match backend {
            Backend::Sqlite => None,
            Backend::MariaDb => Some(Need::MARIADB),
            Backend::Postgres => Some(Need::POSTGRES),
        };
        if let Some(reason) = need.and_then(Need::unmet) {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{reason}");
            eprintln!("cannot run: {reason}");
            continue;
        }
        for (name, trial) in TRIALS {
            println!("{name} on {}", backend.name());
            trial(&backend.fresh(&servers).unwrap());
        }
    }
    servers.stop();
    process::remove_run_dir();
}

fn index(db: &TestDb, table: &str) -> Index {
    let mut options = Options::builder();
    for (key, value) in [("dsn", &*db.dsn), ("root", "/nowhere"), ("table", table)] {
        options.set(key, value).unwrap();
    }
    Index::new(&options.build().unwrap()).unwrap()
}

fn run<T>(work: impl Future<Output = Result<T>>) -> T {
    runtime::block_on(work).unwrap()
}
