//! What the other files of this directory do on the three databases, where no
//! public function shows it by itself.

#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "a few of its parts are enough here")]
mod support;

mod follow;
mod locked;
mod locks;
mod plans;
mod record;
mod survey;
mod tables;

use support::db::{Backend, TestDb};
use support::{Need, Servers, process};

use super::Index;
use crate::config::Options;
use crate::error::Result;
use crate::runtime;

type Trial = fn(&TestDb);

const TRIALS: [(&str, Trial); 16] = [
    ("a_row_is_found_with_the_key_that_it_has", locked::a_row_is_found_with_its_key),
    ("deletes_go_by_key", locks::deletes_go_by_key),
    ("a_deleted_row_comes_back_whole", record::a_deleted_row_comes_back_whole),
    ("counts_and_samples", survey::counts_and_samples),
    ("siblings_claim_what_is_theirs", survey::siblings_claim_what_is_theirs),
    ("changes_come_with_their_rows", follow::changes_come_with_their_rows),
    ("many_changes_come_page_by_page", follow::many_changes_come_page_by_page),
    ("no_late_commit_is_missed", follow::no_late_commit_is_missed),
    ("interleaved_numbers_hide_nothing", follow::interleaved_numbers_hide_nothing),
    ("a_log_that_is_another_is_noticed", follow::a_log_that_is_another_is_noticed),
    ("another_server_without_the_last_commits", follow::another_server_without_the_last_commits),
    ("a_server_that_takes_no_writes_is_not_followed", follow::read_only),
    ("old_entries_go_but_not_the_last", follow::old_entries_go_but_not_the_last),
    ("polls_go_by_key", plans::polls_go_by_key),
    ("each_table_has_its_names", tables::each_table_has_its_names),
    (
        "a_table_that_is_not_there_is_no_trouble_of_the_others",
        tables::a_table_that_is_not_there_is_no_trouble_of_the_others,
    ),
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
    follow_a_cluster(&servers);
    servers.stop();
    process::remove_run_dir();
}

fn follow_a_cluster(servers: &Servers) {
    let unmet = [Need::MARIADB, Need::Galera].into_iter().find_map(Need::unmet);
    if let Some(reason) = unmet {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{reason}");
        eprintln!("cannot run: {reason}");
        return;
    }
    let (db, elsewhere) = servers.galera().unwrap().database().unwrap();
    follow::what_either_node_commits_is_seen_at_once(&db, &elsewhere);
}

fn index(db: &TestDb, table: &str) -> Index {
    index_by(&db.dsn, table)
}

fn index_by(dsn: &str, table: &str) -> Index {
    index_of(dsn, &[("table", table)])
}

fn index_with(db: &TestDb, options: &[(&str, &str)]) -> Index {
    index_of(&db.dsn, options)
}

fn index_of(dsn: &str, more: &[(&str, &str)]) -> Index {
    let mut options = Options::builder();
    for (key, value) in [("dsn", dsn), ("root", "/nowhere")].iter().chain(more) {
        options.set(key, value).unwrap();
    }
    Index::new(&options.build().unwrap(), &crate::stats::Stats::new(None)).unwrap()
}

fn run<T>(work: impl Future<Output = Result<T>>) -> T {
    runtime::block_on(work).unwrap()
}
