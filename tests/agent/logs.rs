//! Change logs that are not what they were, and those that not all changes are written to.

use ezdfs::Store;
use nix::sys::signal::Signal;

use super::{Running, fill, insert, is_true, is_usable, of, reader, site, size, status, until};
use crate::command::Cli;
use crate::feed::a_trigger;
use crate::support::Group;
use crate::support::db::{self, Backend, TestDb};
use crate::support::faults::injected;

pub(super) fn register(group: &mut Group) {
    group.per_database("a_log_that_was_restored_is_noticed", restored);
    group.per_database("a_log_that_was_emptied_is_noticed", emptied);
    group.per_database("a_log_that_was_dropped_is_noticed", dropped);
    group.per_database("a_trigger_that_was_dropped_is_noticed", without_trigger);
    group.per_database("triggers_that_were_made_again_are_noticed", made_again);
}

/// A site with some rows and an agent that nothing but changes tells of others.
struct Followed {
    cli: Cli,
    agent: Running,
    reader: Store,
}

impl Followed {
    fn new(db: TestDb) -> Self {
        let cli = site(Some(db));
        fill(&cli, 0..30);
        cli.sql(
            "CREATE TABLE rows_then AS SELECT * FROM ezdfsfile; \
             CREATE TABLE log_then AS SELECT * FROM ezdfsfile_changes",
        );
        let agent = Running::start(&cli, &["--compare-rate", "0"]);
        is_usable(&cli);
        let reader = reader(&cli);
        Followed { cli, agent, reader }
    }

    /// While the agent is stopped in the middle of what it does.
    fn unseen(&self, statements: &str) {
        self.agent.signal(Signal::SIGSTOP);
        self.cli.sql(statements);
        self.agent.signal(Signal::SIGCONT);
    }

    fn is_unusable(&self) {
        until("it is not used", || status(&self.cli)["usable"] == false);
    }

    /// Readers see what no agent was told of.
    fn sees(&self, number: usize) {
        until("the new row", || size(&self.reader, number) == Some(number as u64));
    }

    #[track_caller]
    fn is_read_anew(&self, rows: usize) {
        until("it is read anew", || {
            let status = status(&self.cli);
            status["usable"] == true && status["rows"] == rows
        });
        is_true(&self.cli, rows);
    }

    /// It has said each of these once, and has read the table so often.
    #[track_caller]
    fn told(self, reasons: &[&str], scans: usize) {
        let (code, told) = self.agent.ends(Signal::SIGTERM);
        assert_eq!((code, told.matches("has read the table").count()), (Some(0), scans), "{told}");
        for reason in reasons {
            assert_eq!(told.matches(reason).count(), 1, "{reason}: {told}");
        }
    }
}

fn restored(db: TestDb) {
    let followed = Followed::new(db);
    followed.cli.sql(&format!("UPDATE ezdfsfile SET size = 300 {}", of(3)));
    fill(&followed.cli, 30..40);
    until("all is heard", || status(&followed.cli)["rows"] == 40);
    followed.unseen(
        "DELETE FROM ezdfsfile; INSERT INTO ezdfsfile SELECT * FROM rows_then; \
         DELETE FROM ezdfsfile_changes; INSERT INTO ezdfsfile_changes SELECT * FROM log_then",
    );
    followed.is_read_anew(30);
    assert_eq!((size(&followed.reader, 3), size(&followed.reader, 35)), (Some(3), None));
    injected("table and change log restored from a backup", "the table is read anew");
    followed.told(&["the entry read last is gone from the change log, or another"], 2);
}

fn emptied(db: TestDb) {
    let followed = Followed::new(db);
    followed.unseen("DELETE FROM ezdfsfile_changes");
    followed.is_unusable();
    fill(&followed.cli, 30..31);
    followed.sees(30);
    followed.is_read_anew(31);
    injected("change log emptied", "readers ask the database until there is an entry");
    // With entries that it has not seen.
    followed.unseen(&format!("DELETE FROM ezdfsfile_changes; {}", insert(31, 31)));
    followed.is_read_anew(32);
    injected("change log emptied and written again", "the table is read anew");
    followed.told(&["the change log is empty; `ezdfs schema --create-feed` begins it"], 3);
}

fn dropped(db: TestDb) {
    let followed = Followed::new(db);
    followed.cli.text(&["schema", "--drop-feed"]);
    followed.is_unusable();
    fill(&followed.cli, 30..31);
    followed.sees(30);
    followed.cli.text(&["schema", "--create-feed"]);
    followed.is_read_anew(31);
    injected("change log dropped, and made again", "readers ask the database meanwhile");
    followed.told(&["there is no change log; `ezdfs schema --create-feed` makes it"], 2);
}

fn without_trigger(db: TestDb) {
    let drop = a_trigger(&db).1;
    let missing = match db.backend {
        Backend::Postgres => {
            "the change log is broken: public.ezdfsfile has no trigger that writes"
        }
        _ => "the change log is broken: the trigger ezdfsfile_feed_update is missing; `ezdfs",
    };
    let followed = Followed::new(db);
    followed.cli.sql(drop);
    followed.cli.sql(&format!("UPDATE ezdfsfile SET size = 300 {}", of(3)));
    until("the overwrite", || size(&followed.reader, 3) == Some(300));
    followed.is_unusable();
    followed.cli.text(&["schema", "--create-feed"]);
    followed.is_read_anew(30);
    injected("trigger dropped while an agent follows", "readers ask the database");
    // That it is mended in parts may be told, too.
    followed.told(&[missing], 2);
}

/// What makes the trigger that [`a_trigger`] names.
fn definition(cli: &Cli, backend: Backend) -> String {
    let found = match backend {
        Backend::Sqlite => "SELECT sql FROM sqlite_master WHERE name = 'ezdfsfile_feed_update'",
        Backend::MariaDb => {
            "SELECT CONCAT('CREATE TRIGGER ', trigger_name, ' AFTER UPDATE ON ezdfsfile \
             FOR EACH ROW ', action_statement) FROM information_schema.triggers \
             WHERE trigger_schema = DATABASE() AND trigger_name = 'ezdfsfile_feed_update'"
        }
        Backend::Postgres => "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    };
    db::sql(&cli.dsn, found).unwrap()[0][0].clone().unwrap()
}

/// As a dump does it that is loaded again.
fn made_again(db: TestDb) {
    let (backend, drop) = (db.backend, a_trigger(&db).1);
    let followed = Followed::new(db);
    let again = definition(&followed.cli, backend);
    let change = format!("UPDATE ezdfsfile SET size = 300 {}", of(3));
    followed.unseen(&format!("{drop}; {change}; {again}"));
    until("the overwrite", || size(&followed.reader, 3) == Some(300));
    followed.is_read_anew(30);
    injected("triggers dropped and made again, with changes in between", "the table is read anew");
    followed.told(&["reads the table anew"], 2);
}
