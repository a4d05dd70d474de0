//! Single rows, with the keys that they really have.

use super::support::db::{Backend, TestDb};
use super::{index, run};
use crate::index::Keyed;
use crate::metadata::Row;
use crate::name::FileName;

pub(super) fn a_row_is_found_with_its_key(db: &TestDb) {
    let index = index(db, "ezdfsfile");
    run(index.create_schema());
    let name = FileName::stored("images/a");
    let row = Row {
        name: "images/a".to_owned(),
        datatype: "image/png".to_owned(),
        scope: "image".to_owned(),
        size: 1,
        mtime: 1,
        expired: false,
    };
    run(index.write(&name, |_| row.clone()));
    let asked = name.hash();
    let found = |expected: Option<&str>| {
        let key_of = |found: Option<Keyed>| found.map(|keyed| keyed.key);
        assert_eq!(key_of(run(index.find_keyed(&asked))).as_deref(), expected);
        let (mut locked, row) = run(index.lock(&name));
        assert_eq!(row.is_some(), expected.is_some());
        assert_eq!(key_of(run(locked.find_keyed(&asked))).as_deref(), expected);
        run(locked.roll_back());
    };
    found(Some(&asked));
    db.sql("UPDATE ezdfsfile SET name_hash = UPPER(name_hash)");
    found(None);
    if db.backend == Backend::MariaDb {
        // In a table of the kernels it is the same key.
        db.sql("ALTER TABLE ezdfsfile MODIFY name_hash varchar(34) COLLATE utf8mb4_general_ci");
        found(Some(&asked.to_uppercase()));
    }
}
