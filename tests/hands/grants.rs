//! What the database has to allow for each task, as docs/operations.md says.

use std::process::Output;

use crate::command::{Cli, stderr};
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_server("each_task_needs_the_rights_that_are_documented", rights);
}

/// An account of this trial's own, and what it may do with the table.
pub(super) fn account(cli: &Cli, backend: Backend, rights: &str) -> String {
    let (user, rest) = cli.dsn.split_once("//ezdfs:secret@").unwrap();
    let database = rest.rsplit('/').next().unwrap();
    // MySQL's names of users are short.
    let initials: String = rights.split(", ").filter_map(|right| right.chars().next()).collect();
    let name = format!("{}_{database}", initials.to_lowercase());
    match backend {
        Backend::MariaDb => cli.sql(&format!(
            "CREATE USER '{name}'@'%' IDENTIFIED BY 'secret';
             GRANT {rights} ON {database}.ezdfsfile TO '{name}'@'%'"
        )),
        _ => cli.sql(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD 'secret';
             GRANT {rights} ON ezdfsfile TO {name}"
        )),
    }
    format!("{user}//{name}:secret@{rest}")
}

pub(super) fn drop_account(cli: &Cli, backend: Backend, dsn: &str) {
    let (_, rest) = dsn.split_once("//").unwrap();
    let name = rest.split_once(':').unwrap().0;
    match backend {
        Backend::MariaDb => cli.sql(&format!("DROP USER '{name}'@'%'")),
        _ => cli.sql(&format!("DROP OWNED BY {name}; DROP ROLE {name}")),
    }
}

fn rights(db: TestDb) {
    let backend = db.backend;
    let cli = Cli::new(Some(db));
    for number in 0..6 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    let root = cli.root();
    let (root, state) = (root.to_str().unwrap(), cli.dir.path().join("state"));
    let purge = ["purge", "--grace", "0s", "--state", state.to_str().unwrap()];
    let check = ["fsck", "--grace", "0s"];
    let repair = ["fsck", "--grace", "0s", "--repair", "all"];
    let spoil = || {
        cli.lay("images/1/orphan.jpg", b"orphan");
        cli.add_row("images/1/missing.jpg", 1);
        cli.store("images/1/due.jpg", b"due");
        cli.delete_as_legacy("images/1/due.jpg");
        cli.lay("images/1/new.jpg", b"not imported yet");
    };
    let tasks: [(&str, &[&[&str]]); 5] = [
        (
            "SELECT",
            &[
                &["schema"],
                &["get", "images/1/1.jpg"],
                &["stat", "images/1/1.jpg"],
                &["info", "images/1/1.jpg"],
                &["ls"],
                &["ls", "--deleted"],
                &["usage", "--by", "area"],
                &["status"],
                &["undelete", "-n", "images/1/due.jpg"],
                &check,
                &[&purge[..], &["-n"]].concat(),
                &["import", "-n", root],
                &["rm", "-n", "images/1/1.jpg"],
                &["rm", "-n", "-r", "images"],
                &["mv", "-n", "images/1/1.jpg", "images/1/x.jpg"],
                &["restore", "-n"],
            ],
        ),
        ("SELECT, UPDATE", &[&["undelete", "images/1/due.jpg"]]),
        ("SELECT, UPDATE, DELETE", &[&purge, &["purge", "--trash"]]),
        ("SELECT, INSERT", &[&["restore"]]),
        (
            "SELECT, INSERT, UPDATE, DELETE",
            &[
                &["put", "images/1/x.jpg", "/dev/null"],
                &["mv", "images/1/x.jpg", "images/1/y.jpg"],
                &["rm", "images/1/y.jpg"],
                &["rm", "-r", "--row-only", "images/1"],
                &["restore"],
                &["import", root],
                &repair,
                &purge,
                &["rm", "-r", "images/1"],
            ],
        ),
    ];
    for (rights, commands) in tasks {
        let dsn = account(&cli, backend, rights);
        if rights != "SELECT, INSERT" {
            cli.sql("DELETE FROM ezdfsfile WHERE name LIKE '%missing%' OR name LIKE '%due%'");
            spoil();
        }
        for command in commands {
            let with = [command, &["--dsn", &dsn][..]].concat();
            let output: Output = cli.run(&with);
            let code = output.status.code();
            // Faults are there, and that is all that may be wrong.
            assert!(matches!(code, Some(0 | 7)), "{rights}: {command:?}: {}", stderr(&output));
            assert_eq!(stderr(&output), "", "{rights}: {command:?}");
        }
        drop_account(&cli, backend, &dsn);
    }
}
