//! Many who wait for the same database: it must not drown in their connections.

use std::sync::{Arc, Mutex};
use std::thread;

use ezdfs::{ErrorKind, Store};

use super::{OLD, Sick};
use crate::store::{Site, id, store};
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::proxy::{Mode, Proxy};
use crate::support::{Group, Need, Result, mariadb, postgres};

const REQUESTS: usize = 1000;
const CONNECTIONS: usize = 4;

pub(super) fn register(group: &mut Group) {
    group.per_server("a_server_that_is_down_is_tried_now_and_then", down);
    group.per_server("a_full_server_is_shared", full);
    group.add_needing("a_restart_with_many_waiting::mariadb", Need::MARIADB, || {
        let server = Arc::new(mariadb::Server::start()?);
        let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?;
        restart(db, || server.restart_on_same_port())
    });
    group.add_needing("a_restart_with_many_waiting::postgres", Need::POSTGRES, || {
        let server = Arc::new(postgres::Server::start()?);
        restart(TestDb::on_postgres(&server)?, || server.restart_on_same_port())
    });
}

/// Asks for as many different files at a time; says how many got an answer, and how many an error.
fn ask(store: &Store, requests: usize) -> (usize, usize) {
    let errors = errors(store, requests).len();
    (requests - errors, errors)
}

/// The same, and what the errors say.
fn errors(store: &Store, requests: usize) -> Vec<String> {
    let errors = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..requests {
            let errors = &errors;
            let asking = move || match store.exists(&id(&format!("images/{number}"))) {
                Ok(exists) => assert_eq!(exists, number == 0),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}");
                    errors.lock().unwrap().push(format!("{error:#}"));
                }
            };
            let small = thread::Builder::new().stack_size(512 << 10);
            small.spawn_scoped(scope, asking).unwrap();
        }
    });
    errors.into_inner().unwrap()
}

fn down(db: TestDb) -> Result {
    let sick = Sick::new(db, &[])?;
    sick.create("images/0", OLD)?;
    // The proxy takes each attempt to connect, and has nobody to pass it on to.
    let nobody = Proxy::start(crate::support::process::free_port())?;
    let dsn = format!(
        "{}{}",
        sick.site.db.dsn.split("127.0.0.1").next().unwrap(),
        format_args!("{}/x", nobody.address())
    );
    let lost = store(&dsn, sick.site.root(), &[]);
    for _ in 0..3 {
        assert_eq!(ask(&lost, REQUESTS), (0, REQUESTS));
    }
    let attempts = nobody.accepted();
    assert!(attempts < 60, "{attempts} attempts for {} requests", 3 * REQUESTS);
    injected(
        "1,000 requests while the server is down",
        "errors at once, a few attempts to connect",
    );

    // And of a store that was connected.
    sick.proxy.set(Mode::Refuse);
    sick.proxy.cut();
    assert_eq!(ask(&sick.store, REQUESTS).0, 0);
    sick.proxy.set(Mode::Pass);
    wait_for("the server's return", || sick.store.exists(&id("images/0")).is_ok())?;
    assert_eq!(ask(&sick.store, REQUESTS), (REQUESTS, 0));
    assert!(sick.proxy.most() <= CONNECTIONS, "{} connections", sick.proxy.most());
    Ok(())
}

/// The server lets this user have two connections only.
fn full(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/0", OLD)?;
    let user = format!("few{}", site.db.dsn.rsplit('_').next().unwrap());
    site.db.sql(&match site.db.backend {
        Backend::MariaDb => format!(
            "CREATE USER {user}@'%' IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS 2;
             GRANT ALL ON *.* TO {user}@'%'"
        ),
        _ => format!(
            "CREATE ROLE {user} LOGIN PASSWORD 'secret' CONNECTION LIMIT 2;
             GRANT ALL ON ezdfsfile TO {user}"
        ),
    });
    let proxy = Proxy::start(super::port(&site.db.dsn))?;
    let dsn = proxy.through(&site.db.dsn).replace("//ezdfs:", &format!("//{user}:"));
    let few = store(&dsn, site.root(), &[("max_connections", "20"), ("connect_timeout", "60s")]);
    assert!(few.exists(&id("images/0"))?);
    assert_eq!(ask(&few, 300), (300, 0));
    let attempts = proxy.accepted();
    assert!(attempts < 150, "{attempts} attempts to connect");
    injected("server without a place for one more connection", "those that there are go round");
    drop(few);
    // The last trial's rows go with the database, users do not.
    wait_for("the connections' end", || proxy.open() == 0)?;
    site.db.sql(&match site.db.backend {
        Backend::MariaDb => format!("DROP USER {user}@'%'"),
        _ => format!("DROP OWNED BY {user}; DROP ROLE {user}"),
    });
    Ok(())
}

fn restart(db: TestDb, restart: impl Fn() -> Result + Sync) -> Result {
    let patient = [("connect_timeout", "60s"), ("query_timeout", "60s")];
    let sick = Sick::new(db, &patient)?;
    sick.create("images/0", OLD)?;
    sick.proxy.set(Mode::Freeze);
    thread::scope(|scope| -> Result {
        let asking = scope.spawn(|| errors(&sick.store, REQUESTS));
        // One that asks, and one that is connecting.
        wait_for("the requests", || sick.proxy.open() == 2)?;
        restart()?;
        sick.proxy.cut();
        sick.proxy.set(Mode::Pass);
        let errors = asking.join().unwrap();
        // Who was connecting just then is told so; the next attempt succeeds.
        assert!(errors.len() <= CONNECTIONS, "{} errors: {:?}", errors.len(), errors.first());
        Ok(())
    })?;
    assert_eq!(ask(&sick.store, REQUESTS), (REQUESTS, 0));
    assert!(sick.proxy.most() <= CONNECTIONS, "{} connections", sick.proxy.most());
    let all = sick.proxy.accepted();
    assert!(all < 60, "{all} connections in all");
    injected(
        "server restarted while 1,000 requests wait",
        "answered over max_connections connections",
    );
    Ok(())
}
