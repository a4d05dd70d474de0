//! Clients that go on while a server starts anew.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::Result;
use crate::support::http::Connection;
use crate::support::process::wait_for;

use super::site::{path, url};

/// Files that are asked for in turn: those of [`mariadb_site`](super::site::mariadb_site), say.
pub(crate) const FILES: usize = 20;

/// Has this many clients ask for [`FILES`] in turn, on a connection for each request, while
/// `restart` runs so many times; says how many answers there were. Each has to be the file.
pub(crate) fn while_asked(
    port: u16,
    clients: usize,
    times: usize,
    mut restart: impl FnMut() -> Result,
) -> Result<usize> {
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| -> Result {
        let hammer = || -> Result {
            for i in (0..FILES).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let close = [("Connection", "close")];
                let answer = Connection::open(port)?.request("GET", &url(&path(i)), &close)?;
                assert_eq!((answer.status, answer.text()), (200, path(i)));
                served.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(hammer)).collect();
        let restarts = (0..times).try_for_each(|_| {
            let before = served.load(Ordering::Relaxed);
            wait_for("some answers", || {
                served.load(Ordering::Relaxed) > before + 50
                    || clients.iter().any(|client| client.is_finished())
            })?;
            restart()
        });
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        restarts
    })?;
    Ok(served.into_inner())
}
