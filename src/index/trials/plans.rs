//! How the databases go about what is asked often.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::follow::{NOW, followed, insert, insert_all, poll, restarted};
use super::support::db::{Backend, TestDb};
use super::{index, run};
use crate::feed::Question;
use crate::index::sql::Sql;

/// With a log that is much longer than what is asked for, and no statistics of it.
pub(super) fn polls_go_by_key(db: &TestDb) {
    let charsets: &[&str] = match db.backend {
        Backend::MariaDb => &["latin1", "utf8mb3", "utf8mb4 COLLATE utf8mb4_general_ci"],
        _ => &[""],
    };
    for charset in charsets {
        db.sql("DROP TABLE IF EXISTS ezdfsfile; DROP TABLE IF EXISTS ezdfsfile_changes");
        let first = index(db, "ezdfsfile");
        run(first.create_schema());
        if !charset.is_empty() {
            db.sql(&format!("ALTER TABLE ezdfsfile CONVERT TO CHARACTER SET {charset}"));
        }
        let (index, mut follower) = followed(db);
        let names: Vec<_> = (0..10_000).map(|n| format!("images/{n}")).collect();
        db.sql(&insert_all(&names));
        for _ in 0..4 {
            db.sql(
                "INSERT INTO ezdfsfile_changes (name_hash, name, changed_at) \
                 SELECT name_hash, name, changed_at FROM ezdfsfile_changes",
            );
        }
        db.sql(match db.backend {
            Backend::MariaDb => "ANALYZE TABLE ezdfsfile",
            _ => "ANALYZE ezdfsfile",
        });
        while !poll(&index, &mut follower).1 {}
        if db.backend != Backend::Sqlite {
            let never = db.hold(&insert("never"));
            db.sql(&insert("last"));
            drop(never);
            while !poll(&index, &mut follower).1 {}
        }
        let question = restarted(&follower).question();
        assert!(question.compared.is_some(), "it asks for less");
        assert_eq!(question.ranges.is_empty(), db.backend == Backend::Sqlite);
        assert_by_key(db, &question, charset);
        run(super::index(db, "ezdfsfile").begin_feed(NOW));
    }
}

fn assert_by_key(db: &TestDb, question: &Question, charset: &str) {
    let explain = match db.backend {
        Backend::Sqlite => "EXPLAIN QUERY PLAN",
        _ => "EXPLAIN",
    };
    let fresh = index(db, "ezdfsfile");
    for poll in [Sql::poll, Sql::poll_entries] {
        let plan = |sql: &Sql| format!("{explain} {}", poll(sql, question, 1000));
        let (plan, _) = run(fresh.ask_log(plan));
        assert_is_by_key(db, &plan, charset);
    }
}

fn assert_is_by_key(db: &TestDb, plan: &[AnyRow], charset: &str) {
    let steps: Vec<_> = plan.iter().map(|row| step(db.backend, row)).collect();
    assert!(steps.iter().any(|step| step.contains("ezdfsfile_changes")), "{steps:#?}");
    let all = |step: &&String| {
        step.starts_with("SCAN ezdfsfile")
            || step.contains("Seq Scan on ezdfsfile")
            || step.starts_with("ALL ezdfsfile")
            || step.starts_with("index ezdfsfile")
    };
    assert_eq!(steps.iter().find(all), None, "{charset}: {steps:#?}");
}

/// How a table is read, and which.
fn step(backend: Backend, row: &AnyRow) -> String {
    match backend {
        Backend::Sqlite => row.get(3),
        Backend::Postgres => row.get(0),
        Backend::MariaDb => {
            let cell = |column: &str| row.get::<Option<String>, _>(column).unwrap_or_default();
            format!("{} {}", cell("type"), cell("table"))
        }
    }
}
