//! What is wrong with the table, its server and who uses it.

use super::Site;
use crate::support::db::{self, Backend, TestDb};
use crate::support::mariadb;
use crate::support::{Group, Need, Result};

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("doctor_finds_what_the_table_lacks", tables);
    group.per_server("doctor_finds_what_the_user_may_not", users);
    group.per_database("doctor_finds_a_change_log_that_is_not_whole", feed);
    group.add_needing("doctor_finds_what_is_wrong_with_a_server::mariadb", Need::MARIADB, server);
    group.add("doctor_finds_a_database_that_may_only_be_read::sqlite", |_| read_only_file());
}

/// What is planted by SQL, and which check speaks up.
type Planted = (&'static str, &'static str);

const EVERYWHERE: [Planted; 4] = [
    ("DROP TABLE ezdfsfile", "table"),
    ("ALTER TABLE ezdfsfile DROP COLUMN scope", "table"),
    // Their names and those of others are the same.
    ("ALTER TABLE ezdfsfile RENAME TO another", "table"),
    ("ALTER TABLE ezdfsfile RENAME COLUMN expired TO gone", "table"),
];

const MARIADB: [Planted; 14] = [
    ("ALTER TABLE ezdfsfile DROP PRIMARY KEY, ADD KEY (name_hash)", "table"),
    ("SET sql_mode = ''; ALTER TABLE ezdfsfile MODIFY name_hash varchar(20) NOT NULL", "table"),
    ("ALTER TABLE ezdfsfile ENGINE=MyISAM", "engine"),
    ("ALTER TABLE ezdfsfile CONVERT TO CHARACTER SET utf8mb3", "charset"),
    ("ALTER TABLE ezdfsfile CONVERT TO CHARACTER SET latin1", "charset"),
    ("ALTER TABLE ezdfsfile DROP KEY ezdfsfile_name", "index"),
    ("ALTER TABLE ezdfsfile DROP KEY ezdfsfile_mtime", "index"),
    ("ALTER TABLE ezdfsfile MODIFY datatype varchar(30) NOT NULL", "column-width"),
    ("ALTER TABLE ezdfsfile MODIFY datatype varchar(60) NOT NULL", "column-width"),
    ("ALTER TABLE ezdfsfile MODIFY size int unsigned NOT NULL", "column-width"),
    ("ALTER TABLE ezdfsfile MODIFY name varchar(255) COLLATE utf8mb4_bin NOT NULL", "column-width"),
    ("ALTER TABLE ezdfsfile MODIFY scope varchar(10) NOT NULL", "column-width"),
    ("ALTER TABLE ezdfsfile ADD CONSTRAINT small CHECK (size < 100)", "row"),
    ("ALTER TABLE ezdfsfile ADD owner int NOT NULL", "row"),
];

const POSTGRES: [Planted; 9] = [
    ("ALTER TABLE ezdfsfile DROP CONSTRAINT ezdfsfile_pkey", "table"),
    ("DROP INDEX ezdfsfile_name", "index"),
    ("DROP INDEX ezdfsfile_mtime", "index"),
    ("ALTER TABLE ezdfsfile ALTER COLUMN name TYPE text COLLATE \"default\"", "collation"),
    ("ALTER TABLE ezdfsfile ALTER COLUMN size TYPE integer", "column-width"),
    ("ALTER TABLE ezdfsfile ALTER COLUMN datatype TYPE varchar(30)", "column-width"),
    ("ALTER TABLE ezdfsfile ALTER COLUMN scope TYPE varchar(10)", "column-width"),
    ("ALTER TABLE ezdfsfile ADD CONSTRAINT small CHECK (size < 100)", "row"),
    (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
         current_database()); END $$",
        "read-only",
    ),
];

const SQLITE: [Planted; 5] = [
    ("DROP INDEX ezdfsfile_name", "index"),
    ("DROP INDEX ezdfsfile_mtime", "index"),
    (
        "DROP INDEX ezdfsfile_name; CREATE INDEX another ON ezdfsfile (name COLLATE NOCASE)",
        "collation",
    ),
    ("PRAGMA journal_mode = DELETE", "journal"),
    (
        "CREATE TRIGGER no BEFORE INSERT ON ezdfsfile BEGIN SELECT RAISE(ABORT, 'no more'); END",
        "row",
    ),
];

fn planted(backend: Backend) -> impl Iterator<Item = Planted> {
    let own: &[Planted] = match backend {
        Backend::MariaDb => &MARIADB,
        Backend::Postgres => &POSTGRES,
        Backend::Sqlite => &SQLITE,
    };
    EVERYWHERE.into_iter().chain(own.iter().copied())
}

fn tables(db: TestDb) -> Result {
    for (statements, check) in planted(db.backend) {
        let site = Site::new(Some(db.another()?));
        site.cli.sql(statements);
        let told = site.finds(statements, &["--for", "maintenance"], check);
        // Served from there all is well, or nothing is.
        let serving = site.doctor(&["--for", "nginx"]);
        let expected: &[&str] = if check == "table" { &["table"] } else { &[] };
        assert_eq!(serving.checks(), expected, "{statements}: {}", serving.object);
        repaired(&site, &told, check);
    }
    if db.backend == Backend::MariaDb {
        // As the kernels' installers make it.
        let site = Site::new(Some(db.another()?));
        let kernels = "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci";
        site.cli.sql(&format!("ALTER TABLE ezdfsfile {kernels}"));
        site.is_sound(&[]);
    }
    Ok(())
}

/// What is to be changed is a statement where one is enough.
#[track_caller]
fn repaired(site: &Site, told: &super::Told, check: &str) {
    if matches!(check, "index" | "collation" | "column-width" | "charset" | "journal") {
        let remedy = told.object["findings"][0]["remedy"].as_str().unwrap();
        site.cli.sql(remedy);
        site.is_sound(&[]);
    }
}

/// A user of the trial's own, whose name is that of the database.
struct User {
    name: String,
    dsn: String,
}

impl User {
    fn new(db: &TestDb, dsn: &str, with: &str) -> Self {
        let (head, database) = dsn.rsplit_once('/').unwrap();
        let name = format!("user_{database}");
        let create = match db.backend {
            Backend::MariaDb => format!("CREATE USER {name}@'%' IDENTIFIED BY 'secret' {with}"),
            _ => format!("CREATE ROLE {name} LOGIN PASSWORD 'secret' {with}"),
        };
        db::sql(dsn, &create).unwrap();
        let head = head.replace("//ezdfs:", &format!("//{name}:"));
        User { dsn: format!("{head}/{database}"), name }
    }

    fn grant(&self, site: &Site, verbs: &str) {
        let host = if self.dsn.starts_with("mysql") { "@'%'" } else { "" };
        site.cli.sql(&format!("GRANT {verbs} ON ezdfsfile TO {}{host}", self.name));
    }
}

fn users(db: TestDb) -> Result {
    let cases = [
        ("SELECT, INSERT, UPDATE", "php", Some("grants")),
        ("SELECT, INSERT, DELETE", "php", Some("grants")),
        ("SELECT, UPDATE, DELETE", "maintenance", Some("grants")),
        ("SELECT", "maintenance", Some("grants")),
        ("INSERT, UPDATE, DELETE", "nginx", Some("grants")),
        ("SELECT", "nginx", None),
        ("SELECT, INSERT, UPDATE, DELETE", "php", None),
    ];
    for (verbs, task, check) in cases {
        let other = db.another()?;
        let user = User::new(&db, &other.dsn, "");
        let mut site = Site::new(Some(other));
        user.grant(&site, verbs);
        site.dsn.clone_from(&user.dsn);
        match check {
            Some(check) => {
                let told = site.finds(verbs, &["--for", task], check);
                site.cli.sql(told.object["findings"][0]["remedy"].as_str().unwrap());
                site.is_sound(&["--for", task]);
            }
            None => drop(site.is_sound(&["--for", task])),
        }
        // Whose task nobody has named, and who may not write, only serves.
        if verbs == "SELECT" && check.is_none() {
            assert_eq!(site.is_sound(&[]).object["for"], serde_json::json!(["nginx"]));
        }
        site.dsn = user.dsn.replace(":secret@", ":wrong@");
        site.finds("a wrong password", &[], "database");
        drop_user(&site, &user);
    }
    too_few_connections(&db)
}

fn too_few_connections(db: &TestDb) -> Result {
    let other = db.another()?;
    let bound = match db.backend {
        Backend::MariaDb => "WITH MAX_USER_CONNECTIONS 7",
        _ => "CONNECTION LIMIT 7",
    };
    let user = User::new(db, &other.dsn, bound);
    let mut site = Site::new(Some(other));
    user.grant(&site, "SELECT, INSERT, UPDATE, DELETE");
    site.dsn.clone_from(&user.dsn);
    site.is_sound(&[]);
    let told = site.finds("7 for 8", &["--max-connections", "8"], "connections");
    assert!(told.object["findings"][0]["what"].as_str().unwrap().contains("allows 7"));
    drop_user(&site, &user);
    Ok(())
}

/// A server may have no user of the name when the trial is run again on it.
fn drop_user(site: &Site, user: &User) {
    let name = &user.name;
    match site.cli.dsn.starts_with("mysql") {
        true => site.cli.sql(&format!("DROP USER {name}@'%'")),
        false => site.cli.sql(&format!("DROP OWNED BY {name}; DROP ROLE {name}")),
    }
}

fn feed(db: TestDb) -> Result {
    let half = match db.backend {
        Backend::Postgres => "ALTER TABLE ezdfsfile DISABLE TRIGGER ezdfsfile_feed",
        _ => "DROP TRIGGER ezdfsfile_feed_delete",
    };
    for planted in [half, "DROP TABLE ezdfsfile_changes"] {
        let site = Site::new(Some(db.another()?));
        site.cli.text(&["schema", "--create-feed"]);
        assert!(site.is_sound(&[]).has_checked("feed"));
        site.cli.sql(planted);
        site.finds(planted, &["--for", "php"], "feed");
    }
    match db.backend {
        Backend::MariaDb => unseen_triggers(&db),
        _ => Ok(()),
    }
}

/// An account that may write all of the database, and see no trigger.
fn unseen_triggers(db: &TestDb) -> Result {
    let other = db.another()?;
    let user = User::new(db, &other.dsn, "");
    let mut site = Site::new(Some(other));
    site.cli.text(&["schema", "--create-feed"]);
    site.cli.sql(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON * TO {}@'%'", user.name));
    site.dsn.clone_from(&user.dsn);
    let told = site.is_sound(&[]);
    assert!(!told.has_checked("feed"), "{}", told.object);
    let text = site.cli.text(&["schema", "--dsn", &user.dsn]);
    assert!(text.contains("can be used") && text.contains("(TRIGGER)"), "{text}");
    for event in ["insert", "update", "delete"] {
        site.cli.sql(&format!("DROP TRIGGER ezdfsfile_feed_{event}"));
    }
    site.finds("no trigger", &[], "feed");
    drop_user(&site, &user);
    Ok(())
}

/// One of the trial's own: what is set there is set for all.
fn server() -> Result {
    // Before the site is stored, and of no account that may do everything.
    let server = std::sync::Arc::new(mariadb::Server::start()?);
    let db = TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?;
    let user = User::new(&db, &db.dsn, "");
    let mut site = Site::new(Some(db));
    user.grant(&site, "SELECT, INSERT, UPDATE, DELETE");
    site.dsn.clone_from(&user.dsn);
    site.is_sound(&[]);
    for (seconds, check) in
        [("+ 100", "clock-database"), ("- 100", "clock-database"), ("+ 7200", "time-zone")]
    {
        site.cli.sql(&format!(
            "SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() {seconds}'"
        ));
        site.finds(seconds, &[], check);
    }
    site.cli.sql("SET GLOBAL init_connect = ''; SET GLOBAL read_only = 1");
    site.finds("read_only", &[], "read-only");
    site.is_sound(&["--for", "nginx"]);
    site.cli.sql("SET GLOBAL read_only = 0");
    server.freeze()?;
    site.finds("no answer", &["--connect-timeout", "1s"], "database");
    server.thaw()?;
    site.is_sound(&[]);
    server.stop();
    site.finds("no server", &[], "database");
    Ok(())
}

fn read_only_file() {
    let mut site = Site::new(None);
    site.dsn = format!("{}?mode=ro", site.cli.dsn);
    site.finds("mode=ro", &[], "read-only");
    site.is_sound(&["--for", "nginx"]);
}
