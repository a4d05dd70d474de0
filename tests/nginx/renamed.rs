//! The table gets another name under load, as an upgrade to Ibexa 5 wants it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ezdfs::maintenance::{RenamedTable, rename_table};

use crate::support::db::TestDb;
use crate::support::http::Connection;
use crate::support::nginx::Nginx;
use crate::support::process::wait_for;
use crate::support::{Group, Result};

use super::site::{Site, location, path, url};

const OLD: &str = "ezdfsfile";
const NEW: &str = "ibexa_dfs_file";
const FILES: usize = 20;

pub(super) fn register(group: &mut Group) {
    group.per_server("the_table_is_renamed_under_load", renamed);
}

/// Each request asks the table. Neither before the new configuration nor after it is anything not
/// found.
fn renamed(db: TestDb) -> Result {
    let site = Site::new(db)?;
    for i in 0..FILES {
        site.put(&path(i), path(i).as_bytes())?;
    }
    let block = |table: &str| {
        site.block("main", &format!("table {table}; cache_ttl 1ms; cache_negative_ttl 1ms;"))
    };
    let builder = Nginx::with_module().http(&block(OLD)).workers(2);
    let mut nginx = builder.server(&location("")).start()?;
    let port = nginx.port();
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| -> Result {
        let hammer = || -> Result {
            for i in (0..FILES).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let close = [("Connection", "close")];
                let answer = Connection::open(port)?.request("GET", &url(&path(i)), &close)?;
                match answer.status {
                    200 => assert_eq!(answer.text(), path(i)),
                    status => assert_eq!(status, 503, "{answer:?}"),
                }
                served.fetch_add(usize::from(answer.status == 200), Ordering::Relaxed);
            }
            Ok(())
        };
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(hammer)).collect();
        let get_on = || {
            let before = served.load(Ordering::Relaxed);
            wait_for("some answers", || {
                served.load(Ordering::Relaxed) > before + 60
                    || clients.iter().any(|client| client.is_finished())
            })
        };
        let mut rename = |from: &str, to: &str| -> Result {
            get_on()?;
            assert_eq!(rename_table(site.store(), from, to)?, RenamedTable::Renamed);
            get_on()?;
            nginx.reload(|config| config.http = block(to))?;
            get_on()
        };
        let outcome = rename(OLD, NEW).and_then(|()| rename(NEW, OLD));
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        outcome
    })
}
