//! Tables as they are found: every era's shape is used as it is, a wrong one is
//! refused by name.

use std::time::Duration;

use ezdfs::maintenance::PurgeOptions;
use ezdfs::{DirId, ErrorKind, Store};

use super::{PREFIX, Site, id, md5, refused, texts};
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Result, Servers, Trials, mariadb};

/// eZ Publish 4.7 after its upgrade script: nullable datatype, no status, no
/// character set of its own.
pub(crate) const LEGACY_MYSQL: &str = "CREATE TABLE ezdfsfile (
    name text NOT NULL, name_trunk text NOT NULL, name_hash varchar(34) NOT NULL DEFAULT '',
    datatype varchar(255) DEFAULT 'application/octet-stream', scope varchar(25) NOT NULL DEFAULT '',
    size bigint(20) unsigned NOT NULL DEFAULT 0, mtime int(11) NOT NULL DEFAULT 0,
    expired tinyint(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (name_hash), KEY ezdfsfile_name (name(191)), KEY ezdfsfile_name_trunk (name_trunk(191)),
    KEY ezdfsfile_mtime (mtime), KEY ezdfsfile_expired_name (expired, name(191))) ENGINE=InnoDB";

/// The ezpostgresqlcluster extension: padded hash, integer flags and size.
const LEGACY_POSTGRES: &str = "CREATE TABLE ezdfsfile (
    name text NOT NULL, name_trunk text NOT NULL, name_hash char(32) NOT NULL DEFAULT '',
    datatype varchar(60) NOT NULL DEFAULT 'application/octet-stream',
    scope varchar(20) NOT NULL DEFAULT '', size integer NOT NULL DEFAULT 0,
    mtime integer NOT NULL DEFAULT 0, expired integer NOT NULL DEFAULT 0, PRIMARY KEY (name_hash));
    CREATE INDEX ezdfsfile_name ON ezdfsfile (name); CREATE INDEX ezdfsfile_mtime ON ezdfsfile (mtime)";

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("schema", &[]);
    group.per_database("created_once_and_used_again", created_once_and_used_again);
    group.per_database("a_missing_table_is_named", a_missing_table_is_named);
    group.per_database("a_wrong_shape_is_named_before_anything_is_stored", wrong_shape);
    group.per_database("another_table_name_works", another_table_name_works);
    group.per_database("a_view_serves_a_rolling_upgrade", a_view_serves_a_rolling_upgrade);
    let mut group = trials.group("schema", &[Need::MARIADB]);
    group.add("legacy_mysql_in_any_collation", legacy_mysql_in_any_collation);
    group.add("without_transactions_mariadb_is_read_only", without_transactions);
    group.add("mariadb_finds_by_primary_key", mariadb_finds_by_primary_key);
    group.add("mariadb_never_sorts_the_table", mariadb_never_sorts_the_table);
    let mut group = trials.group("schema", &[Need::POSTGRES]);
    group.add("legacy_postgres", legacy_postgres);
    group.add("postgres_finds_by_primary_key", postgres_finds_by_primary_key);
    group.add("postgres_is_listed_in_any_collation", postgres_listing);
}

fn created_once_and_used_again(db: TestDb) {
    let site = Site::new(db);
    site.create("images/a", b"x").unwrap();
    site.store.create_schema().unwrap();
    assert!(site.exists("images/a"));
}

fn a_missing_table_is_named(db: TestDb) {
    let site = Site::without_table(db, &[]);
    for error in [
        refused(site.store.check_schema(), ErrorKind::Schema),
        refused(site.create("images/a", b"x"), ErrorKind::Schema),
        refused(site.store.stat(&id("images/a")), ErrorKind::Schema),
    ] {
        assert!(error.to_string().contains("ezdfsfile"), "{error}");
    }
    assert_eq!(site.tree(), Vec::<String>::new());
}

fn wrong_shape(db: TestDb) {
    let site = Site::without_table(db, &[]);
    site.db.sql("CREATE TABLE ezdfsfile (name_hash varchar(34) PRIMARY KEY, name varchar(99))");
    let error = refused(site.create("images/a", b"x"), ErrorKind::Schema);
    assert!(error.to_string().contains("mtime"), "{error}");
    assert_eq!(site.tree(), Vec::<String>::new());

    site.db.sql("DROP TABLE ezdfsfile");
    site.db.sql(
        "CREATE TABLE ezdfsfile (name varchar(99), name_trunk varchar(99), name_hash varchar(34), \
         datatype varchar(99), scope varchar(25), size bigint, mtime int, expired int)",
    );
    let error = refused(site.another_store(&[]).check_schema(), ErrorKind::Schema);
    assert!(error.to_string().contains("name_hash is neither"), "{error}");
}

fn another_table_name_works(db: TestDb) {
    let site = Site::without_table(db, &[("table", "ibexa_dfs_file")]);
    site.store.create_schema().unwrap();
    site.create("images/a", b"x").unwrap();
    assert_eq!(site.db.sql("SELECT COUNT(*) FROM ibexa_dfs_file"), texts(["1"]));
}

/// Ibexa 5 renames the table; a view under the new name serves both releases.
fn a_view_serves_a_rolling_upgrade(db: TestDb) {
    if db.backend == Backend::Sqlite {
        // Its views cannot be written to.
        return;
    }
    let site = Site::new(db);
    site.create("images/a", b"x").unwrap();
    site.db.sql("CREATE VIEW ibexa_dfs_file AS SELECT * FROM ezdfsfile");
    let renamed = site.another_store(&[("table", "ibexa_dfs_file")]);
    assert!(renamed.exists(&id("images/a")).unwrap());
    renamed.create(&id("images/b"), &mut &b"y"[..], &Default::default()).unwrap();
    renamed.create(&id("images/a"), &mut &b"zz"[..], &Default::default()).unwrap();
    assert_eq!(site.row("size", "images/a"), texts(["2"]));
    assert!(site.exists("images/b"));
}

fn legacy_mysql_in_any_collation(servers: &Servers) -> Result {
    for (charset, collation) in [
        ("latin1", "latin1_swedish_ci"),
        ("utf8mb3", "utf8mb3_general_ci"),
        ("utf8mb4", "utf8mb4_bin"),
        ("utf8mb4", "utf8mb4_unicode_520_ci"),
    ] {
        let site = Site::without_table(TestDb::mariadb(servers, charset, collation)?, &[]);
        site.db.sql(LEGACY_MYSQL);
        let file = "images/living room é.jpg";
        site.create(file, b"one").unwrap();
        site.create(file, b"three").unwrap();
        assert_eq!(site.read(file).unwrap(), b"three", "{collation}");
        // As legacy and kernels ask, on a connection of their own.
        let hash = md5(&format!("{PREFIX}/{file}"));
        let kernels = format!("SELECT size FROM ezdfsfile WHERE name_hash = '{hash}'");
        assert_eq!(site.db.sql(&kernels), texts(["5"]), "{collation}");
        site.db.sql("UPDATE ezdfsfile SET datatype = NULL");
        assert_eq!(site.another_store(&[]).stat(&id(file)).unwrap().mime_type, "");
        assert_eq!(site.store.list(None).unwrap().count(), 1);
        site.store.delete(&id(file)).unwrap();
    }
    Ok(())
}

fn legacy_postgres(servers: &Servers) -> Result {
    let site = Site::without_table(Backend::Postgres.fresh(servers)?, &[]);
    site.db.sql(LEGACY_POSTGRES);
    site.create("images/a", b"one").unwrap();
    site.db.sql("UPDATE ezdfsfile SET expired = 1, mtime = -mtime");
    let other = site.another_store(&[]);
    assert!(!other.exists(&id("images/a")).unwrap());
    site.create("images/a", b"three").unwrap();
    assert!(other.stat(&id("images/b")).is_err());
    assert_eq!(site.row("size, expired", "images/a"), texts(["5", "0"]));
    assert_eq!(site.store.list(None).unwrap().count(), 1);
    site.store.delete(&id("images/a")).unwrap();
    assert!(!site.exists("images/a"));
    Ok(())
}

/// A row that ought to be rolled back would stay, and be live.
fn without_transactions(servers: &Servers) -> Result {
    for engine in ["MyISAM", "Aria"] {
        let site = Site::new(Backend::MariaDb.fresh(servers)?);
        site.create("images/a", b"x")?;
        site.foreign_row("images/soft-deleted", 1, -5, true);
        site.db.sql(&format!("ALTER TABLE ezdfsfile ENGINE={engine}"));
        let all = || site.db.sql("SELECT * FROM ezdfsfile ORDER BY name_hash");
        let (rows, tree) = (all(), site.tree());
        let store = site.another_store(&[]);

        assert_eq!(store.stat(&id("images/a"))?.size, 1);
        assert_eq!(store.list(None)?.count(), 1);
        let images = DirId::parse("images")?;
        let purge_all = PurgeOptions {
            grace: Duration::ZERO,
            ..PurgeOptions::new(site.root().with_extension("purge"))
        };
        for error in [
            refused(store.check_schema(), ErrorKind::Schema),
            refused(store.create_schema(), ErrorKind::Schema),
            refused(
                store.create(&id("images/b"), &mut &b"y"[..], &Default::default()),
                ErrorKind::Schema,
            ),
            refused(store.rename(&id("images/a"), &id("images/b")), ErrorKind::Schema),
            refused(store.put_metadata(&id("images/b"), 1, None, None), ErrorKind::Schema),
            refused(store.delete(&id("images/a")), ErrorKind::Schema),
            refused(store.delete_directory(&images), ErrorKind::Schema),
            refused(store.delete_metadata(&id("images/a")), ErrorKind::Schema),
            refused(store.delete_metadata_directory(&images), ErrorKind::Schema),
            refused(crate::purge::purge(&store, &purge_all), ErrorKind::Schema),
        ] {
            let text = error.to_string();
            assert!(text.contains(engine) && text.contains("ENGINE=InnoDB"), "{text}");
        }
        assert_eq!((all(), site.tree()), (rows, tree));

        site.db.sql("ALTER TABLE ezdfsfile ENGINE=InnoDB");
        store.create(&id("images/b"), &mut &b"y"[..], &Default::default())?;
        store.check_schema()?;
    }
    Ok(())
}

/// Fills a table so that a scan is dearer than the key.
const MANY: usize = 3000;

/// Files whose order depends on the collation.
fn file(n: usize) -> String {
    let letter = ["a", "B", "\u{e9}"][n % 3];
    format!("images/{letter}/{n}")
}

fn insert_many(site: &Site) {
    let names: Vec<_> = (0..MANY).map(|n| format!("{PREFIX}/{}", file(n))).collect();
    for chunk in names.chunks(500) {
        let values: Vec<_> = chunk
            .iter()
            .map(|name| format!("('{name}','{name}','{}','','',1,1,{})", md5(name), 0))
            .collect();
        let columns = "name, name_trunk, name_hash, datatype, scope, size, mtime, expired";
        site.db.sql(&format!("INSERT INTO ezdfsfile ({columns}) VALUES {}", values.join(",")));
    }
    let analyze = match site.db.backend {
        Backend::MariaDb => "ANALYZE TABLE ezdfsfile",
        Backend::Postgres | Backend::Sqlite => "ANALYZE ezdfsfile",
    };
    site.db.sql(analyze);
}

/// Many rows on a server of their own: its counters are the whole server's.
fn many_on_mariadb() -> Result<Site> {
    let server = std::sync::Arc::new(mariadb::Server::start()?);
    let site =
        Site::without_table(TestDb::on_mariadb(&server, "latin1", "latin1_swedish_ci")?, &[]);
    site.db.sql(LEGACY_MYSQL);
    insert_many(&site);
    site.store.check_schema()?;
    Ok(site)
}

fn counted(site: &Site, counter: &str) -> usize {
    let rows = site.db.sql(&format!("SHOW GLOBAL STATUS LIKE '{counter}'"));
    rows[0][1].as_ref().unwrap().parse().unwrap()
}

fn mariadb_finds_by_primary_key(_: &Servers) -> Result {
    let site = many_on_mariadb()?;
    let scanned = || counted(&site, "Handler_read_rnd_next");
    let before = scanned();
    for n in 0..50 {
        assert!(site.exists(&file(n)));
    }
    let read = scanned() - before;
    assert!(read < MANY, "50 look-ups read {read} rows by scanning");
    Ok(())
}

/// A sort for each page takes longer and longer, and at last longer than a query may.
fn mariadb_never_sorts_the_table(_: &Servers) -> Result {
    let site = many_on_mariadb()?;
    let before = counted(&site, "Sort_rows");
    assert_listed(&site.store);
    assert_eq!(counted(&site, "Sort_rows"), before);
    Ok(())
}

fn assert_listed(store: &Store) {
    let ids: Vec<_> = store.list(None).unwrap().map(|info| info.unwrap().id).collect();
    assert_eq!(ids.len(), MANY);
    assert!(ids.is_sorted_by_key(|id| id.as_str()));
}

fn postgres_listing(servers: &Servers) -> Result {
    // The second can be followed by an index, the third has another order than that of bytes.
    for collation in ["default", "C", "und-x-icu"] {
        let site = Site::without_table(Backend::Postgres.fresh(servers)?, &[]);
        site.db.sql(LEGACY_POSTGRES);
        let retype = "ALTER TABLE ezdfsfile ALTER name TYPE text COLLATE";
        site.db.sql(&format!("{retype} \"{collation}\""));
        insert_many(&site);
        assert_listed(&site.store);
    }
    Ok(())
}

fn postgres_finds_by_primary_key(servers: &Servers) -> Result {
    let site = Site::without_table(Backend::Postgres.fresh(servers)?, &[]);
    site.db.sql(LEGACY_POSTGRES);
    insert_many(&site);
    for n in 0..50 {
        assert!(site.exists(&file(n)));
    }
    let scans = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'ezdfsfile'";
    let read: usize = site.db.sql(scans)[0][0].as_ref().unwrap().parse()?;
    assert!(read < 50 * MANY, "50 look-ups read {read} rows by scanning");
    Ok(())
}
