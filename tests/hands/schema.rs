//! `ezdfs schema` says what each task needs, and what of it is there.

use serde_json::Value;

use super::grants::{account, drop_account};
use crate::command::{Cli, stderr};
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_server("schema_names_the_rights_that_are_missing", rights);
    group.per_server("schema_names_what_is_wrong_with_the_table", shapes);
    group.per_database("schema_names_a_root_that_is_not_there", root);
}

/// What is in the way of a task.
fn lacks(cli: &Cli, arguments: &[&str], task: &str) -> String {
    let output = cli.run(&[&["schema", "--json"], arguments].concat());
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    let lacks = said["lacking"][task].as_array().unwrap().iter();
    let can_read = said["lacking"]["read"].as_array().unwrap().is_empty();
    assert_eq!(said["usable"].as_bool(), Some(can_read));
    assert_eq!(output.status.code(), Some(if can_read { 0 } else { 4 }));
    lacks.map(|it| it.as_str().unwrap().to_owned() + "\n").collect()
}

fn rights(db: TestDb) {
    let backend = db.backend;
    let cli = Cli::new(Some(db));
    cli.store("images/1/a.jpg", b"live");
    for (rights, missing) in [
        ("SELECT", &["INSERT", "UPDATE", "DELETE"][..]),
        ("SELECT, UPDATE, DELETE", &["INSERT"]),
        ("SELECT, INSERT", &["UPDATE", "DELETE"]),
        ("SELECT, INSERT, UPDATE, DELETE", &[]),
    ] {
        let dsn = account(&cli, backend, rights);
        let with = ["--dsn", &*dsn];
        let write = lacks(&cli, &with, "write");
        for verb in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
            let is_named = write.lines().any(|line| line.starts_with(verb));
            assert_eq!(is_named, missing.contains(&verb), "{rights}: {write}");
        }
        // It is in, and may not do all.
        assert_eq!(write.matches("lacks a privilege").count(), missing.len(), "{write}");
        assert!(!write.contains("login"), "{write}");
        assert_eq!(lacks(&cli, &with, "read"), "", "{rights}");
        let needs_insert_alone = lacks(&cli, &with, "restore").is_empty();
        assert_eq!(needs_insert_alone, !missing.contains(&"INSERT"), "{rights}");
        let output = cli.run(&["schema", "--dsn", &dsn]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.contains("can be used"), missing.is_empty(), "{rights}: {text}");
        drop_account(&cli, backend, &dsn);
    }
    assert_eq!(cli.code(&["stat", "images/1/a.jpg"]), 0);
}

fn shapes(db: TestDb) {
    let backend = db.backend;
    let cli = Cli::new(Some(db));
    cli.store("images/1/a.jpg", b"live");
    let (hash, size) = match backend {
        Backend::MariaDb => ("MODIFY name_hash varchar(30) NOT NULL", "MODIFY size int NOT NULL"),
        _ => ("ALTER name_hash TYPE varchar(30)", "ALTER size TYPE integer"),
    };
    cli.sql(&format!("ALTER TABLE ezdfsfile {size}"));
    assert!(advice(&cli).contains("size has four bytes"));
    for column in ["name", "mtime"] {
        cli.sql(&match backend {
            Backend::MariaDb => format!("ALTER TABLE ezdfsfile DROP INDEX ezdfsfile_{column}"),
            _ => format!("DROP INDEX ezdfsfile_{column}"),
        });
        assert!(advice(&cli).contains(&format!("no index begins with {column}")));
    }
    if backend == Backend::MariaDb {
        cli.sql("ALTER TABLE ezdfsfile ENGINE=MyISAM");
        for task in ["write", "purge", "restore"] {
            assert!(lacks(&cli, &[], task).contains("MyISAM"), "{task}");
        }
        assert_eq!(lacks(&cli, &[], "read"), "");
        cli.sql("ALTER TABLE ezdfsfile ENGINE=InnoDB");
    }
    // No key would fit.
    cli.sql("DELETE FROM ezdfsfile");
    cli.sql(&format!("ALTER TABLE ezdfsfile {hash}"));
    let output = cli.run(&["schema"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("name_hash holds 30 characters"), "{}", stderr(&output));
}

/// What is said besides.
fn advice(cli: &Cli) -> String {
    let output = cli.run(&["schema"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stderr(&output)
}

fn root(db: TestDb) {
    let cli = Cli::new(Some(db));
    std::fs::create_dir_all(cli.root()).unwrap();
    for task in ["read", "write", "purge", "restore"] {
        assert_eq!(lacks(&cli, &[], task), "", "{task}: nothing was stored yet");
    }
    let there = cli.dir.path().join("nowhere");
    let with = ["--root", there.to_str().unwrap()];
    for task in ["read", "write", "purge", "restore"] {
        assert!(lacks(&cli, &with, task).contains("nowhere"), "{task}");
    }
}
