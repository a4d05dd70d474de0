//! The statements that kernels and legacy send, from a user who has no right on the change log.

use ezdfs::Store;

use super::{account, create_feed, drop_account};
use crate::store::{PREFIX, Site, id, md5, store};
use crate::support::db::{self, Backend, TestDb};

/// Who writes, and what was logged so far.
struct Foreign {
    site: Site,
    dsn: String,
    seen: usize,
}

impl Foreign {
    fn does(&mut self, statement: &str, expected: &[&str]) {
        db::sql(&self.dsn, statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        self.assert_logged(statement, expected);
    }

    fn stores(&mut self, what: &str, does: impl FnOnce(&Store), expected: &[&str]) {
        does(&store(&self.dsn, self.site.root(), &[]));
        self.assert_logged(what, expected);
    }

    /// The names of the rows that were logged, in any order, and their keys with them.
    fn assert_logged(&mut self, what: &str, expected: &[&str]) {
        let rows = self.site.db.sql(
            "SELECT name_hash, name FROM ezdfsfile_changes WHERE name_hash <> '' ORDER BY number",
        );
        let mut new: Vec<_> = rows[self.seen..].to_vec();
        new.sort();
        let row = |name: &&str| vec![Some(md5(name)), Some((*name).to_owned())];
        let mut expected: Vec<_> = expected.iter().map(row).collect();
        expected.sort();
        self.seen = rows.len();
        assert_eq!(new, expected, "{what}");
    }
}

fn name(file: &str) -> String {
    format!("{PREFIX}/{file}")
}

fn insert(name: &str, mtime: i64) -> String {
    format!(
        "INSERT INTO ezdfsfile (name, name_hash, name_trunk, mtime, size, scope, datatype) \
         VALUES ('{name}', '{}', '{name}', {mtime}, 3, 'image', 'image/png')",
        md5(name)
    )
}

fn upsert(backend: Backend, name: &str, mtime: i64) -> String {
    let insert = insert(name, mtime);
    match backend {
        Backend::MariaDb => format!(
            "{insert} ON DUPLICATE KEY UPDATE datatype = VALUES(datatype), \
             scope = VALUES(scope), size = VALUES(size), mtime = VALUES(mtime)"
        ),
        _ => format!(
            "{insert} ON CONFLICT (name_hash) DO UPDATE SET datatype = excluded.datatype, \
             scope = excluded.scope, size = excluded.size, mtime = excluded.mtime"
        ),
    }
}

pub(super) fn trial(db: TestDb) {
    let backend = db.backend;
    let site = Site::new(db);
    create_feed(&site.store).unwrap();
    let dsn = match backend {
        Backend::Sqlite => site.db.dsn.clone(),
        _ => account(&site.db, "writes", ""),
    };
    let mut foreign = Foreign { site, dsn, seen: 0 };
    let names = ["images/a.png", "images/b \u{1f600}.png", "images/c.png"].map(name);
    let [a, b, c] = names.each_ref().map(String::as_str);

    // New, overwritten, and overwritten within the same second.
    for (name, mtime) in [(a, 1000), (a, 1001), (a, 1001), (b, 1000)] {
        foreign.does(&upsert(backend, name, mtime), &[name]);
    }
    foreign.does(&insert(c, 1000), &[c]);
    let hash = md5(c);
    foreign.does(
        &format!("UPDATE ezdfsfile SET mtime = 1001, size = 4 WHERE name_hash = '{hash}'"),
        &[c],
    );
    assert!(db::sql(&foreign.dsn, &insert(c, 1002)).is_err());
    foreign.assert_logged("a row that is there already", &[]);

    let expire = "UPDATE ezdfsfile SET mtime = -ABS(mtime), expired = ";
    let yes = if backend == Backend::Postgres { "TRUE" } else { "1" };
    foreign.does(&format!("{expire}{yes} WHERE name_hash = '{hash}'"), &[c]);
    foreign.does(&format!("{expire}{yes} WHERE name LIKE '{PREFIX}/images/%'"), &[a, b, c]);
    foreign.does(&format!("DELETE FROM ezdfsfile WHERE name LIKE '{PREFIX}/images/%'"), &[a, b, c]);
    foreign.does("DELETE FROM ezdfsfile WHERE name = 'nobody'", &[]);

    if backend != Backend::Postgres {
        let replace = insert(a, 1000).replacen("INSERT", "REPLACE", 1);
        foreign.does(&replace, &[a]);
        db::sql(&foreign.dsn, &replace).unwrap();
        // As a deletion and an insertion, or as one of them.
        let logged = super::logged(&foreign.site.db, "ezdfsfile").split_off(foreign.seen);
        assert!(!logged.is_empty() && logged.iter().all(|key| *key == md5(a)), "{logged:?}");
        foreign.seen += logged.len();
        foreign.does("DELETE FROM ezdfsfile", &[a]);
    }
    foreign.does(&insert(a, 1000), &[a]);
    let renamed = format!(
        "UPDATE ezdfsfile SET name_hash = '{}', name = '{c}', name_trunk = '{c}' \
         WHERE name_hash = '{}'",
        md5(c),
        md5(a)
    );
    foreign.does(&renamed, &[a, c]);
    foreign.does(&format!("BEGIN; {}; ROLLBACK", insert(a, 1000)), &[]);
    foreign.does(&format!("BEGIN; {}; {}; COMMIT", insert(a, 1), insert(b, 1)), &[a, b]);
    foreign.does("DELETE FROM ezdfsfile", &[a, b, c]);

    // ezdfs itself, of which nobody asks in how many statements.
    for file in ["images/a.png", "images/b.png"] {
        let stored = name(file);
        let create = |store: &Store| {
            store.create(&id(file), &mut &b"x"[..], &Default::default()).unwrap();
        };
        foreign.stores("create", create, &[&stored]);
    }
    let before = foreign.seen;
    let own = store(&foreign.dsn, foreign.site.root(), &[]);
    own.rename(&id("images/a.png"), &id("images/c.png")).unwrap();
    own.delete(&id("images/b.png")).unwrap();
    let logged = super::logged(&foreign.site.db, "ezdfsfile").split_off(before);
    for file in ["images/a.png", "images/b.png", "images/c.png"] {
        assert!(logged.contains(&md5(&name(file))), "{file}: {logged:?}");
    }
    if backend != Backend::Sqlite {
        drop_account(&foreign.site.db, &foreign.dsn);
    }
}
