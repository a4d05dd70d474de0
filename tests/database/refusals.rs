//! Servers that say that they take writes, and do not.

use ezdfs::ErrorKind;

use super::failover::{self, Pair};
use super::{NEW, OLD, create, port};
use crate::store::{Site, id, refused, store};
use crate::support::db;
use crate::support::faults::injected;
use crate::support::{Group, Result, Servers};

pub(super) fn register(group: &mut Group) {
    group.add("a_server_that_refuses_to_write_is_left::mariadb", |_| refuses_to_write());
    group.add("where_all_refuse_reads_go_on::mariadb", |_| all_refuse());
}

pub(super) fn register_galera(group: &mut Group) {
    group.add("a_node_that_refuses_everything_is_left::galera", refuses_everything);
}

/// Of readers in the cloud (1290, though `read_only` is 0) and of InnoDB that may only be read.
const ERRORS: [u16; 3] = [1290, 1036, 1836];

const VERBS: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

/// A server of a pair refuses each change of its table so.
fn refuse(pair: &Pair, server: usize, number: u16) {
    for verb in VERBS {
        pair.dbs[server].sql(&format!(
            "CREATE OR REPLACE TRIGGER refuses_{verb} BEFORE {verb} ON ezdfsfile FOR EACH ROW \
             SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'refused'"
        ));
    }
}

fn refuses_to_write() -> Result {
    let pair = failover::mariadb()?;
    for number in ERRORS {
        let store = pair.store();
        create(&store, &format!("images/{number}/a"), OLD)?;
        assert_eq!(pair.holders(&format!("images/{number}/a")), [0], "{number}");
        refuse(&pair, 0, number);
        for round in 0..20 {
            let name = format!("images/{number}/{round}");
            create(&store, &name, NEW)?;
            assert_eq!(pair.holders(&name), [1], "{number}");
            assert!(store.exists(&id(&name))?, "reads go where writes go");
        }
        injected(
            "server that says it takes writes and does not",
            "the other is used, by reads too",
        );
        for verb in VERBS {
            pair.dbs[0].sql(&format!("DROP TRIGGER refuses_{verb}"));
        }
        // Another process, or later.
        create(&pair.store(), &format!("images/{number}/b"), NEW)?;
        assert_eq!(pair.holders(&format!("images/{number}/b")), [0], "{number}");
    }
    Ok(())
}

fn all_refuse() -> Result {
    let pair = failover::mariadb()?;
    let store = pair.store();
    create(&store, "images/a", OLD)?;
    refuse(&pair, 0, 1290);
    refuse(&pair, 1, 1290);
    refused(create(&store, "images/b", OLD), ErrorKind::Unavailable);
    assert!(store.exists(&id("images/a"))?, "the first that answers is read");
    // It may be one that follows, whatever it says.
    refused(store.exists(&id("images/none")), ErrorKind::Unavailable);
    assert!(!pair.holders("images/b").contains(&0) && !pair.holders("images/b").contains(&1));
    injected(
        "all servers say that they take writes and do not",
        "reads go on; one error for writes",
    );
    Ok(())
}

/// As a node that has lost the others: every query is answered with 1047.
fn refuses_everything(servers: &Servers) -> Result {
    let (db, elsewhere) = servers.galera()?.database()?;
    let site = Site::new(db);
    let [first, second] = [&site.db.dsn, &elsewhere].map(|dsn| format!("127.0.0.1:{}", port(dsn)));
    let dsn = site.db.dsn.replace(&first, &format!("{first},{second}"));
    let store = store(&dsn, site.root(), &[("cache_ttl", "0")]);
    create(&store, "images/a", OLD)?;
    for kind in ["ALL", "ALL_KILL"] {
        site.db.sql(&format!("SET GLOBAL wsrep_reject_queries = {kind}"));
        let outcome = (|| {
            assert!(store.exists(&id("images/a"))?);
            for round in 0..5 {
                create(&store, &format!("images/{kind}/{round}"), NEW)?;
                assert!(store.exists(&id(&format!("images/{kind}/{round}")))?);
            }
            Ok::<_, ezdfs::Error>(())
        })();
        let back = "SET GLOBAL wsrep_reject_queries = NONE";
        db::sql(&site.db.dsn, back)?;
        outcome?;
    }
    injected("Galera node that refuses everything", "the other is used, by reads too");
    Ok(())
}
