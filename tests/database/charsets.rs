//! Tables of older character sets: what they cannot hold is not in them.

use ezdfs::maintenance::{Import, ImportOptions, ImportReport, ImportedFile, Phase, Progress};
use ezdfs::{DirId, Error, ErrorKind};

use super::{OLD, create};
use crate::store::{Site, refused, store};
use crate::support::db::{Backend, TestDb};
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};

pub(super) fn register(group: &mut Group) {
    group.add("what_a_table_cannot_hold_is_not_in_it::mariadb", cannot_hold);
    group.add("a_table_gets_another_character_set::mariadb", changed);
    group.add("an_import_goes_on_past_what_a_table_cannot_hold::mariadb", import);
}

pub(super) fn register_postgres(group: &mut Group) {
    group.add("what_a_database_cannot_hold_is_not_in_it::postgres", latin1_postgres);
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
            assert_eq!(site.store.list(Some(&dir))?.count(), 0, "{charset}");
            site.store.delete_directory(&dir)?;
        }
        refused(site.create("images/\u{1f408}/a", OLD), ErrorKind::InvalidInput);
        assert_eq!(site.store.list(None)?.count(), 1);
    }
    Ok(())
}

/// A process that knows the table as it was.
fn changed(servers: &Servers) -> Result {
    let site = Site::new(TestDb::mariadb(servers, "utf8mb4", "utf8mb4_unicode_520_ci")?);
    let dir = DirId::parse("images/\u{65e5}\u{672c}")?;
    assert_eq!(site.store.list(Some(&dir))?.count(), 0);
    site.db.sql("ALTER TABLE ezdfsfile CONVERT TO CHARACTER SET latin1");
    wait_for("the new character set", || site.store.delete_directory(&dir).is_ok())?;
    assert_eq!(site.store.list(Some(&dir))?.count(), 0);
    Ok(())
}

fn latin1_postgres(servers: &Servers) -> Result {
    let own = Backend::Postgres.fresh(servers)?;
    let name = format!("{}_latin1", own.dsn.rsplit('/').next().unwrap_or_default());
    own.sql(&format!(
        "CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    ));
    let site = Site::new(own.another()?);
    let dsn = own.dsn.replace(own.dsn.rsplit('/').next().unwrap_or_default(), &name);
    let store = store(&dsn, site.root(), &[]);
    store.create_schema()?;
    create(&store, "images/caf\u{e9}/a", OLD)?;
    let dir = DirId::parse("images/\u{65e5}\u{672c}")?;
    assert_eq!(store.list(Some(&dir))?.count(), 0);
    store.delete_directory(&dir)?;
    refused(create(&store, "images/\u{65e5}/a", OLD), ErrorKind::InvalidInput);
    assert_eq!(store.list(Some(&DirId::parse("images/caf\u{e9}")?))?.count(), 1);
    drop(store);
    Ok(())
}

struct Heard(Vec<String>);

impl ImportReport for Heard {
    fn registered(&mut self, _: &ImportedFile) -> std::result::Result<(), Error> {
        Ok(())
    }

    fn failure(&mut self, error: Error) {
        self.0.push(error.to_string());
    }
}

impl Progress for Heard {
    fn progress(&mut self, _: Phase, _: u64, _: u64) {}
}

fn import(servers: &Servers) -> Result {
    let site = Site::new(TestDb::mariadb(servers, "utf8mb3", "utf8mb3_general_ci")?);
    let charset = "CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci";
    site.db.sql(&format!("ALTER TABLE ezdfsfile CONVERT TO {charset}"));
    let lay = |name: &str| {
        let path = site.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, OLD).unwrap();
    };
    (0..6).for_each(|number| lay(&format!("images/{number}.png")));
    lay("images/\u{1f408}.png");
    let mut heard = Heard(Vec::new());
    let options = ImportOptions { new_storage: true, ..ImportOptions::default() };
    let imported = Import::new(&site.store, site.root(), options)?.run(&mut heard)?;
    assert_eq!((imported.added, imported.failed), (6, 1), "{:?}", heard.0);
    assert!(heard.0[0].contains("\u{1f408}"), "{:?}", heard.0);
    assert_eq!(site.store.list(None)?.count(), 6);
    Ok(())
}
