//! Tables of older character sets: what they cannot hold is not in them.

use ezdfs::{DirId, ErrorKind};

use super::OLD;
use crate::store::{Site, refused};
use crate::support::db::TestDb;
use crate::support::{Group, Result, Servers};

pub(super) fn register(group: &mut Group) {
    group.add("what_a_table_cannot_hold_is_not_in_it::mariadb", cannot_hold);
}

const SETS: [(&str, &str); 4] = [
    ("latin1", "latin1_swedish_ci"),
    ("ascii", "ascii_general_ci"),
    ("utf8mb3", "utf8mb3_general_ci"),
    ("utf8mb3", "utf8mb3_bin"),
];

fn cannot_hold(servers: &Servers) -> Result {
    for (charset, collation) in SETS {
        let site = Site::new(TestDb::mariadb(servers, charset, collation)?);
        site.db.sql(&format!(
            "ALTER TABLE ezdfsfile CONVERT TO CHARACTER SET {charset} COLLATE {collation}"
        ));
        site.create("images/plain/a", OLD)?;
        for dir in ["images/\u{43a}\u{43e}\u{442}", "images/\u{1f408}"] {
            let dir = DirId::parse(dir)?;
            match site.store.list(Some(&dir)) {
                Ok(list) => assert_eq!(list.filter(|it| it.is_ok()).count(), 0, "{charset}"),
                Err(error) => panic!("{charset}: {error:#}"),
            }
            site.store.delete_directory(&dir)?;
        }
        refused(site.create("images/\u{1f408}/a", OLD), ErrorKind::InvalidInput);
        assert_eq!(site.store.list(None)?.count(), 1);
    }
    Ok(())
}
