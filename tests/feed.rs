//! The change log: whoever changes a row, it is told.

mod statements;

use std::sync::Arc;

use ezdfs::maintenance::{FeedState, abilities, create_feed, drop_feed};
use ezdfs::{ErrorKind, Store};
use serde_json::Value;

use crate::command::{Cli, stderr};
use crate::store::{Site, id, refused, store};
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Result, Servers, Trials, mariadb};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("feed", &[]);
    group.per_database("what_foreign_writers_do_is_logged", statements::trial);
    group.per_database("it_is_made_once", made_once);
    group.per_database("a_part_that_is_missing_or_another_is_told_and_mended", mended);
    group.per_database("another_s_table_stays", another_s_table);
    group.per_database("tables_of_any_name", any_name);
    group.per_server("a_view_has_none", view);
    group.per_server("without_the_right_nothing_is_left", without_right);
    let mut group = trials.group("feed", &[Need::MARIADB]);
    group.add("a_binary_log_forbids_it", binary_log);
    let mut group = trials.group("feed", &[Need::COMMAND]);
    group.per_database("the_command_makes_and_reports_it", command);
}

fn state(store: &Store) -> FeedState {
    abilities(store).unwrap().feed
}

fn faults(store: &Store) -> String {
    match state(store) {
        FeedState::Broken(faults) => faults.join("; "),
        state => panic!("{state:?}"),
    }
}

/// The keys that were logged since a number.
fn logged(db: &TestDb, table: &str) -> Vec<String> {
    let rows = db.sql(&format!(
        "SELECT name_hash FROM {table}_changes WHERE name_hash <> '' ORDER BY number"
    ));
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

fn first_entry(db: &TestDb) -> Option<String> {
    db.sql("SELECT changed_at FROM ezdfsfile_changes ORDER BY number LIMIT 1")[0][0].clone()
}

fn made_once(db: TestDb) {
    let site = Site::new(db);
    assert_eq!(state(&site.store), FeedState::Absent);
    create_feed(&site.store).unwrap();
    assert_eq!(state(&site.store), FeedState::There);
    site.create("images/a", b"x").unwrap();
    let (first, before) = (first_entry(&site.db), logged(&site.db, "ezdfsfile"));
    create_feed(&site.store).unwrap();
    assert_eq!((first_entry(&site.db), logged(&site.db, "ezdfsfile")), (first, before));

    site.db.sql("DELETE FROM ezdfsfile_changes");
    create_feed(&site.store).unwrap();
    assert!(first_entry(&site.db).is_some());

    drop_feed(&site.store).unwrap();
    assert_eq!(state(&site.store), FeedState::Absent);
    site.create("images/b", b"x").unwrap();
    drop_feed(&site.store).unwrap();
}

/// A trigger of the backend's, and how it is dropped.
pub(crate) fn a_trigger(db: &TestDb) -> (&'static str, &'static str) {
    match db.backend {
        Backend::Postgres => ("ezdfsfile_feed", "DROP TRIGGER ezdfsfile_feed ON ezdfsfile"),
        _ => ("ezdfsfile_feed_update", "DROP TRIGGER ezdfsfile_feed_update"),
    }
}

fn mended(db: TestDb) {
    let site = Site::new(db);
    let (name, drop) = a_trigger(&site.db);
    let other = match site.db.backend {
        Backend::Postgres => "ALTER TABLE ezdfsfile DISABLE TRIGGER ezdfsfile_feed".to_owned(),
        Backend::MariaDb => format!(
            "{drop}; CREATE TRIGGER {name} AFTER UPDATE ON ezdfsfile FOR EACH ROW SET @a = 1"
        ),
        Backend::Sqlite => {
            format!("{drop}; CREATE TRIGGER {name} AFTER UPDATE ON ezdfsfile BEGIN SELECT 1; END")
        }
    };
    create_feed(&site.store).unwrap();
    for (spoil, told) in [
        (drop, "trigger"),
        (&*other, "is another"),
        ("DROP TABLE ezdfsfile_changes", "no table ezdfsfile_changes"),
    ] {
        let first = first_entry(&site.db);
        site.db.sql(spoil);
        let faults = faults(&site.store).replace("public.", "");
        assert!(faults.contains(told), "{spoil}: {faults}");
        create_feed(&site.store).unwrap();
        assert_eq!(state(&site.store), FeedState::There, "{spoil}");
        // Who follows it has to know that changes were missed.
        assert_ne!(first_entry(&site.db), first, "{spoil}");
        site.create("images/a", b"x").unwrap();
        assert!(!logged(&site.db, "ezdfsfile").is_empty());
    }
}

fn another_s_table(db: TestDb) {
    let site = Site::new(db);
    site.db
        .sql("CREATE TABLE ezdfsfile_changes (what int); INSERT INTO ezdfsfile_changes VALUES (7)");
    assert!(faults(&site.store).contains("is no change log"));
    refused(create_feed(&site.store), ErrorKind::Schema);
    refused(drop_feed(&site.store), ErrorKind::Schema);
    assert_eq!(site.db.sql("SELECT what FROM ezdfsfile_changes").len(), 1);
    site.create("images/a", b"x").unwrap();
}

fn any_name(db: TestDb) {
    let schema = match db.backend {
        Backend::Sqlite => "main".to_owned(),
        Backend::MariaDb => db.dsn.rsplit('/').next().unwrap().to_owned(),
        Backend::Postgres => {
            db.sql("CREATE SCHEMA elsewhere");
            "elsewhere".to_owned()
        }
    };
    let site = Site::new(db);
    create_feed(&site.store).unwrap();
    for table in ["ibexa_dfs_file", "ezdfsfile_s", "site_ezdfsfile", &format!("{schema}.dfs")] {
        let other = site.another_store(&[("table", table)]);
        other.create_schema().unwrap();
        create_feed(&other).unwrap();
        assert_eq!(state(&other), FeedState::There, "{table}");
        other.create(&id("images/a"), &mut &b"x"[..], &Default::default()).unwrap();
        assert!(!logged(&site.db, table).is_empty(), "{table}");
        drop_feed(&other).unwrap();
        assert_eq!(state(&other), FeedState::Absent, "{table}");
    }
    // That of the other tables is left alone.
    assert_eq!(state(&site.store), FeedState::There);
    assert!(logged(&site.db, "ezdfsfile").is_empty());
}

fn view(db: TestDb) {
    let site = Site::new(db);
    site.db.sql("CREATE VIEW ibexa_dfs_file AS SELECT * FROM ezdfsfile");
    let renamed = site.another_store(&[("table", "ibexa_dfs_file")]);
    refused(create_feed(&renamed), ErrorKind::Schema);
    assert_eq!(state(&renamed), FeedState::Absent);
    renamed.create(&id("images/a"), &mut &b"x"[..], &Default::default()).unwrap();
}

/// A user who may do with the table what writers do, and these things besides.
fn account(db: &TestDb, name: &str, besides: &str) -> String {
    let (scheme, rest) = db.dsn.split_once("//ezdfs:secret@").unwrap();
    let database = rest.rsplit('/').next().unwrap();
    let name = format!("{name}_{database}");
    db.sql(
        &match db.backend {
            Backend::MariaDb => format!(
                "CREATE USER {name}@'%' IDENTIFIED BY 'secret';
             GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.ezdfsfile TO {name}@'%'; {besides}"
            ),
            _ => format!(
                "CREATE ROLE {name} LOGIN PASSWORD 'secret';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ezdfsfile TO {name}; {besides}"
            ),
        }
        .replace("USER_NAME", &name)
        .replace("DATABASE_NAME", database),
    );
    format!("{scheme}//{name}:secret@{rest}")
}

fn drop_account(db: &TestDb, dsn: &str) {
    let name = dsn.split_once("//").unwrap().1.split_once(':').unwrap().0;
    db.sql(&match db.backend {
        Backend::MariaDb => format!("DROP USER {name}@'%'"),
        _ => format!("DROP OWNED BY {name}; DROP ROLE {name}"),
    });
}

fn without_right(db: TestDb) {
    let site = Site::new(db);
    let besides = match site.db.backend {
        Backend::MariaDb => "GRANT CREATE, DROP, INDEX ON DATABASE_NAME.* TO USER_NAME@'%'",
        _ => "GRANT CREATE ON SCHEMA public TO USER_NAME",
    };
    let dsn = account(&site.db, "makes", besides);
    let error = refused(create_feed(&store(&dsn, site.root(), &[])), ErrorKind::InvalidConfig);
    assert!(format!("{error:#}").contains("privilege"), "{error:#}");
    assert_eq!(state(&site.store), FeedState::Absent);
    drop_account(&site.db, &dsn);
    site.create("images/a", b"x").unwrap();
}

fn binary_log(_: &Servers) -> Result {
    let server = Arc::new(mariadb::Server::start_with(&["--log-bin=binary", "--server-id=7"])?);
    let site = Site::new(TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_bin")?);
    let besides = "GRANT ALL ON DATABASE_NAME.* TO USER_NAME@'%'";
    let dsn = account(&site.db, "owner", besides);
    let own = store(&dsn, site.root(), &[]);
    let error = refused(create_feed(&own), ErrorKind::InvalidConfig);
    assert!(format!("{error:#}").contains("log_bin_trust_function_creators is on"), "{error:#}");
    assert_eq!(state(&site.store), FeedState::Absent);
    site.db.sql("SET GLOBAL log_bin_trust_function_creators = 1");
    create_feed(&own)?;
    assert_eq!(state(&own), FeedState::There);
    site.create("images/a", b"x")?;
    assert!(!logged(&site.db, "ezdfsfile").is_empty());
    Ok(())
}

fn command(db: TestDb) {
    let cli = Cli::new(Some(db));
    let said = |arguments: &[&str]| {
        let output = cli.run(&[&["schema"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let feed = || serde_json::from_str::<Value>(&said(&["--json"])).unwrap()["feed"].clone();
    assert!(said(&[]).contains("change log: none"));
    assert!(said(&["--create-feed"]).contains("change log: there"));
    assert_eq!(feed()["state"], "there");
    cli.sql("DROP TABLE ezdfsfile_changes");
    assert!(said(&[]).contains("change log: broken: there is no table"));
    assert_eq!(feed()["state"], "broken");
    assert!(feed()["faults"][0].as_str().unwrap().contains("writers fail"));
    assert!(said(&["--drop-feed"]).contains("change log: none"));
    assert_eq!(feed()["faults"].as_array().unwrap().len(), 0);
    assert_eq!(cli.code(&["schema", "--create-feed", "--drop-feed"]), 2);
}
