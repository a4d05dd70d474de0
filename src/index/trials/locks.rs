//! What the statements that change rows go through, and therefore lock.

use sqlx::Row as _;

use super::support::db::{Backend, TestDb};
use super::{index, run};
use crate::index::query::Query;
use crate::index::sql::Sql;
use crate::index::{BATCH, bind_all};
use crate::name::FileName;

type Statement = fn(&Sql) -> Query;

const STATEMENTS: [(&str, Statement); 3] = [
    ("lock", |sql| sql.lock_soft_deleted(BATCH)),
    ("soft-delete", |sql| sql.soft_delete(BATCH)),
    ("delete", |sql| sql.delete_many(BATCH)),
];

/// Small and large tables, few and many soft-deleted rows in them: MariaDB chooses
/// by such numbers.
pub(super) fn deletes_go_by_key(db: &TestDb) {
    if db.backend != Backend::MariaDb {
        return;
    }
    for (live, soft_deleted) in [(100, 0), (1000, 100), (3000, 0), (3000, 1000)] {
        db.sql("DROP TABLE IF EXISTS ezdfsfile");
        let index = index(db, "ezdfsfile");
        run(index.create_schema());
        insert(db, "live", live, 1_500_000_000);
        insert(db, "other", soft_deleted, -1_500_000_000);
        let names = insert(db, "batch", BATCH, -1_600_000_000);
        db.sql("ANALYZE TABLE ezdfsfile");
        for (what, statement) in STATEMENTS {
            let explain = |sql: &Sql| {
                let text = format!("EXPLAIN {}", statement(sql).text);
                bind_all(Query::new(text), &names)
            };
            let plan = run(index.fetch(&index.main, "explain", what, explain));
            let used: Option<String> = plan[0].try_get("key").unwrap();
            let way: String = plan[0].try_get("type").unwrap();
            let found = (used.as_deref(), way.as_str());
            assert_eq!(found, (Some("PRIMARY"), "range"), "{what}: {live}, {soft_deleted}");
        }
    }
}

fn insert(db: &TestDb, dir: &str, count: usize, mtime: i64) -> Vec<FileName> {
    let stored = |n| FileName::stored(&format!("var/site/storage/images/{dir}/{n}/picture.jpg"));
    let names: Vec<_> = (0..count).map(stored).collect();
    let row = |(number, name): (usize, &FileName)| {
        let (name, hash) = (name.as_str(), name.hash());
        format!("('{name}', '{name}', '{hash}', {mtime} + {number})")
    };
    let rows: Vec<_> = names.iter().enumerate().map(row).collect();
    if !rows.is_empty() {
        let columns = "name, name_trunk, name_hash, mtime";
        db.sql(&format!("INSERT INTO ezdfsfile ({columns}) VALUES {}", rows.join(", ")));
    }
    names
}
