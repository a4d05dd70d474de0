//! What a database asks to be repeated: deadlocks, lock timeouts, serialisation failures.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ezdfs::{CreateOptions, ErrorKind};

use super::{NEW, OLD, create};
use crate::fsck::{fsck, options};
use crate::store::{Site, id, refused, texts};
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::{Group, Result};

pub(super) fn register(group: &mut Group) {
    group.per_server("refusals_that_end_are_not_noticed", refusals_end);
    group.per_server("refusals_that_go_on_end_at_the_deadline", refusals_go_on);
    group.per_server("real_deadlocks_are_resolved", deadlocks);
    group.per_database("a_lock_is_waited_for_until_the_deadline", locked);
    group.per_database("no_row_is_no_success", no_row);
    group.per_server("an_outer_transaction_of_somebody_else_is_not_disturbed", outer_transaction);
}

/// Makes the next `count` inserts and updates fail with this code. What is counted stays counted
/// when the transaction is rolled back.
fn refuse(site: &Site, code: &str, count: u32) {
    let statements: Vec<String> = match site.db.backend {
        Backend::MariaDb => {
            let body = format!(
                "BEGIN UPDATE refusals SET n = n - 1 WHERE n > 0; \
                 IF ROW_COUNT() > 0 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = {code}; \
                 END IF; END"
            );
            vec![
                "DROP TRIGGER IF EXISTS a".to_owned(),
                "DROP TRIGGER IF EXISTS b".to_owned(),
                "DROP TABLE IF EXISTS refusals".to_owned(),
                format!("CREATE TABLE refusals ENGINE = MyISAM AS SELECT {count} AS n"),
                format!("CREATE TRIGGER a BEFORE INSERT ON ezdfsfile FOR EACH ROW {body}"),
                format!("CREATE TRIGGER b BEFORE UPDATE ON ezdfsfile FOR EACH ROW {body}"),
            ]
        }
        _ => vec![format!(
            "DROP SEQUENCE IF EXISTS refusals; CREATE SEQUENCE refusals;
             CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('refusals') <= {count} THEN
             RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$;
             CREATE OR REPLACE TRIGGER a BEFORE INSERT OR UPDATE ON ezdfsfile
             FOR EACH ROW EXECUTE FUNCTION refuse();"
        )],
    };
    for statement in statements {
        site.db.sql(&statement);
    }
}

fn codes(backend: Backend) -> &'static [&'static str] {
    match backend {
        Backend::MariaDb => &["1213", "1205"],
        _ => &["40001", "40P01", "55P03"],
    }
}

fn refusals_end(db: TestDb) -> Result {
    let site = Site::new(db);
    for code in codes(site.db.backend) {
        refuse(&site, code, 3);
        site.create("images/a", OLD)?;
        refuse(&site, code, 3);
        site.create("images/a", NEW)?;
        assert_eq!(site.read("images/a")?, NEW);
        refuse(&site, code, 3);
        site.store.rename(&id("images/a"), &id("images/b"))?;
        refuse(&site, code, 3);
        site.store.delete(&id("images/b"))?;
        assert_eq!(site.db.sql("SELECT count(*) FROM ezdfsfile"), texts(["0"]));
        refuse(&site, code, 3);
        site.store.put_metadata(&id("images/a"), 1, None, None)?;
        site.store.delete_metadata(&id("images/a"))?;
        for _ in 0..5 {
            injected("deadlock, lock timeout or serialisation failure, three times", "success");
        }
    }
    Ok(())
}

fn refusals_go_on(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/old", OLD)?;
    let hasty = site.another_store(&[("query_timeout", "1s")]);
    for code in codes(site.db.backend) {
        refuse(&site, code, 1_000_000);
        let error = refused(create(&hasty, "images/1/new", NEW), ErrorKind::Unavailable);
        assert!(error.to_string().contains("the database is busy"), "{error}");
        assert!(!site.exists("images/1/new"));
        refused(create(&hasty, "images/old", NEW), ErrorKind::Unavailable);
        assert_eq!(site.read("images/old")?, OLD);
        assert_eq!(site.tree(), ["images", "images/old"]);
        for _ in 0..2 {
            injected(
                "deadlock, lock timeout or serialisation failure, again and again",
                "one error after query_timeout; nothing changed",
            );
        }
    }
    let asked = match site.db.backend {
        Backend::MariaDb => site.db.sql("SELECT 1000000 - n FROM refusals"),
        _ => site.db.sql("SELECT last_value FROM refusals"),
    };
    let asked: u32 = asked[0][0].as_ref().unwrap().parse()?;
    assert!((4..200).contains(&asked), "{asked} attempts in two seconds");
    Ok(())
}

/// Two renames that take the same two locks in opposite orders.
fn deadlocks(db: TestDb) -> Result {
    let site = Site::new(db);
    let (a, b) = (id("images/a"), id("images/b"));
    for round in 0..20 {
        site.create("images/a", OLD)?;
        site.create("images/b", NEW)?;
        let stores = [site.another_store(&[]), site.another_store(&[])];
        thread::scope(|scope| {
            let one = scope.spawn(|| stores[0].rename(&a, &b));
            let other = scope.spawn(|| stores[1].rename(&b, &a));
            for outcome in [one.join().unwrap(), other.join().unwrap()] {
                // Whose file the other has renamed away meanwhile.
                let kind = outcome.as_ref().map_err(ezdfs::Error::kind).err();
                assert!(matches!(kind, None | Some(ErrorKind::NotFound)), "{round}: {outcome:?}");
            }
        });
        let found = fsck(&site, options(&[])).0;
        assert_eq!(found.remaining(), 0, "round {round}: {found:?}");
        injected("two renames in opposite directions", "both end; rows and files agree");
    }
    Ok(())
}

fn locked(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", OLD)?;
    let store = site.another_store(&[("query_timeout", "2s")]);
    let lock = || site.db.hold("UPDATE ezdfsfile SET scope = 'held'");

    let held = lock();
    let error = refused(create(&store, "images/a", NEW), ErrorKind::Unavailable);
    assert!(error.to_string().contains("the database is busy"), "{error}");
    refused(store.delete(&id("images/a")), ErrorKind::Unavailable);
    assert_eq!(site.read("images/a")?, OLD, "readers need no lock");
    held.commit();
    for _ in 0..2 {
        injected(
            "row locked by somebody else for good",
            "one error at the deadline; nothing changed",
        );
    }

    let held = lock();
    let released = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(500));
            released.store(true, Ordering::SeqCst);
            held.commit();
        });
        create(&store, "images/a", NEW).unwrap();
        assert!(released.load(Ordering::SeqCst), "did not wait");
    });
    assert_eq!(site.read("images/a")?, NEW);
    injected("row locked by somebody else for a while", "success");
    Ok(())
}

/// A database that takes a row and stores none.
fn no_row(db: TestDb) {
    let site = Site::new(db);
    site.create("images/old", OLD).unwrap();
    match site.db.backend {
        // Its triggers cannot do this.
        Backend::MariaDb => return,
        Backend::Postgres => site.db.sql(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN RETURN NULL; END';
             CREATE TRIGGER a BEFORE INSERT ON ezdfsfile
             FOR EACH ROW EXECUTE FUNCTION swallow();",
        ),
        Backend::Sqlite => site
            .db
            .sql("CREATE TRIGGER a BEFORE INSERT ON ezdfsfile BEGIN SELECT RAISE(IGNORE); END"),
    };
    refused(site.create("images/1/new", NEW), ErrorKind::Unavailable);
    refused(site.create("images/old", NEW), ErrorKind::Unavailable);
    refused(site.store.put_metadata(&id("images/m"), 1, None, None), ErrorKind::Unavailable);
    assert_eq!(site.tree(), ["images", "images/old"]);
    assert_eq!(site.read("images/old").unwrap(), OLD);
    for _ in 0..3 {
        injected("row accepted and not stored", "error; nothing changed");
    }
}

/// An application stores a file while its own transaction is open: ezdfs has connections of its
/// own, and overwriting a row is no error that would end a transaction of PostgreSQL.
fn outer_transaction(db: TestDb) -> Result {
    let site = Site::new(db);
    site.create("images/a", OLD)?;
    site.db.sql("CREATE TABLE content (id integer PRIMARY KEY)");
    let outer = site.db.hold("INSERT INTO content VALUES (1)");
    let options = CreateOptions { mime_type: Some("image/png"), ..CreateOptions::default() };
    site.store.create(&id("images/a"), &mut &NEW[..], &options)?;
    site.create("images/b", NEW)?;
    site.store.delete(&id("images/b"))?;
    assert_eq!(site.db.sql("SELECT count(*) FROM content"), texts(["0"]), "its own affair");
    outer.commit();
    assert_eq!(site.db.sql("SELECT count(*) FROM content"), texts(["1"]));
    assert_eq!(site.read("images/a")?, NEW);
    Ok(())
}
