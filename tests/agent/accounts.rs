//! With the rights that the documents name, and through a pooler.

use nix::sys::signal::Signal;

use super::{Running, fill, insert, is_true, is_usable, of, reader, site, size, status, until};
use crate::support::db::{self, Backend, TestDb};
use crate::support::faults::injected;
use crate::support::pgbouncer::Pooler;
use crate::support::{Group, Result, Servers};

pub(super) fn register(group: &mut Group) {
    group.per_server("it_has_few_rights_and_tells_which_is_missing", rights);
}

pub(super) fn register_pooler(group: &mut Group) {
    group.add("it_follows_through_a_pooler", pooler);
}

/// A right of an agent's, and what it says without it.
struct Right {
    what: &'static str,
    told: &'static str,
}

fn rights_of(backend: Backend) -> Vec<Right> {
    let mut rights = vec![
        Right { what: "SELECT ON ezdfsfile", told: "the user may not see it (SELECT)" },
        Right { what: "SELECT ON ezdfsfile_changes", told: "the user may not see it (SELECT)" },
        Right { what: "DELETE ON ezdfsfile_changes", told: "cannot trim the change log: " },
    ];
    if backend == Backend::MariaDb {
        let told = "or the user may not see it (TRIGGER)";
        rights.push(Right { what: "TRIGGER ON ezdfsfile", told });
    }
    rights
}

/// An agent's account, and who gives it rights.
struct Account {
    backend: Backend,
    administrator: String,
    database: String,
    user: String,
}

impl Account {
    fn new(db: &TestDb) -> Self {
        let database = db.dsn.rsplit('/').next().unwrap_or_default().to_owned();
        let user = format!("agent_{database}");
        db.sql(&match db.backend {
            Backend::MariaDb => format!("CREATE USER {user}@'%' IDENTIFIED BY 'secret'"),
            _ => format!("CREATE ROLE {user} LOGIN PASSWORD 'secret'"),
        });
        Account { backend: db.backend, administrator: db.dsn.clone(), database, user }
    }

    fn dsn(&self) -> String {
        self.administrator.replace("//ezdfs:", &format!("//{}:", self.user))
    }

    fn change(&self, verb: &str, right: &str, direction: &str) {
        let Account { database, user, .. } = self;
        let statement = match self.backend {
            Backend::MariaDb => {
                let right = right.replace(" ON ", &format!(" ON {database}."));
                format!("{verb} {right} {direction} {user}@'%'")
            }
            _ => format!("{verb} {right} {direction} {user}"),
        };
        db::sql(&self.administrator, &statement).unwrap();
    }

    fn grant(&self, right: &str) {
        self.change("GRANT", right, "TO");
    }

    fn revoke(&self, right: &str) {
        self.change("REVOKE", right, "FROM");
    }

    fn drop(&self) {
        let user = &self.user;
        let statement = match self.backend {
            Backend::MariaDb => format!("DROP USER {user}@'%'"),
            _ => format!("DROP OWNED BY {user}; DROP ROLE {user}"),
        };
        db::sql(&self.administrator, &statement).unwrap();
    }

    /// Has entries that are to be trimmed.
    fn log_old_entries(&self) {
        let rows: Vec<_> = (0..12_000).map(|_| "('x', 'x', 1)").collect();
        let insert = "INSERT INTO ezdfsfile_changes (name_hash, name, changed_at) VALUES ";
        db::sql(&self.administrator, &format!("{insert}{}", rows.join(", "))).unwrap();
    }
}

fn rights(db: TestDb) {
    let account = Account::new(&db);
    let mut cli = site(Some(db));
    fill(&cli, 0..10);
    let rights = rights_of(account.backend);
    rights.iter().for_each(|right| account.grant(right.what));
    cli.dsn = account.dsn();
    for Right { what, told } in rights {
        account.log_old_entries();
        account.revoke(what);
        let mut agent = Running::start(&cli, &["--poll-interval", "10ms"]);
        let before = agent.until_told(told);
        account.grant(what);
        is_usable(&cli);
        let (code, after) = agent.ends(Signal::SIGTERM);
        assert_eq!((code, after.contains(told)), (Some(0), false), "{what}: {before}{after}");
        injected(
            "agent's account without one of its rights",
            "one line; it goes on with the right",
        );
        std::fs::remove_dir_all(super::at(&cli, "replica")).unwrap();
    }
    account.drop();
}

fn pooler(servers: &Servers) -> Result {
    for ignored in ["", "extra_float_digits, options"] {
        let db = Backend::Postgres.fresh(servers)?;
        let direct = db.dsn.clone();
        let pooler = Pooler::start(&servers.postgres()?, ignored)?;
        let mut cli = site(Some(db));
        cli.dsn = pooler.through(&cli.dsn);
        fill(&cli, 0..10);
        let agent = Running::start(&cli, &["--compare-rate", "0"]);
        is_usable(&cli);
        let reader = reader(&cli);
        let late = db::hold(&direct, &insert(1000, 8));
        db::sql(&direct, &format!("UPDATE ezdfsfile SET size = 300 {}", of(3)))?;
        until("the overwrite", || size(&reader, 3) == Some(300));
        fill(&cli, 10..50);
        until("the others", || status(&cli)["rows"] == 50);
        late.commit();
        until("the new row", || size(&reader, 1000) == Some(8));
        is_true(&cli, 51);
        let (_, told) = agent.ends(Signal::SIGTERM);
        assert_eq!(told.matches("reads the table").count(), 1, "{told}");
        injected("agent behind a pooler, each transaction by another connection", "all works");
    }
    Ok(())
}
