//! Clients that die in the middle of a transaction. The command is built with the feature
//! `failpoints`, and waits at a step until it is killed.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{NEW, OLD};
use crate::fsck::{fsck, options};
use crate::store::{PREFIX, Site, texts};
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::{Group, Result};

pub(super) fn register(group: &mut Group) {
    group.per_server("a_killed_writer_leaves_no_lock", killed);
}

/// Not killed in a trial that fails, it would go on waiting.
struct Writer(Child);

impl Writer {
    /// Starts to write NEW, and waits at a step after the row was written.
    fn start(site: &Site, step: &str) -> Result<Self> {
        let source = site.root().with_extension("source");
        std::fs::write(&source, NEW)?;
        let command = Command::new(env!("CARGO_BIN_EXE_ezdfs"))
            .args(["put", "images/a"])
            .arg(&source)
            .env_clear()
            .env("EZDFS_DSN", &site.db.dsn)
            .env("EZDFS_ROOT", site.root())
            .env("EZDFS_NAME_PREFIX", PREFIX)
            .env("FAILPOINTS", format!("{step}=sleep(3600000)"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Writer(command))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many transactions of others have written something.
fn writing(db: &TestDb) -> String {
    // InnoDB looks anew only when nobody has asked for a tenth of a second.
    std::thread::sleep(std::time::Duration::from_millis(150));
    let rows = db.sql(match db.backend {
        Backend::MariaDb => {
            "SELECT count(*) FROM information_schema.innodb_trx t
             JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
             WHERE p.db = database() AND t.trx_rows_modified > 0"
        }
        _ => {
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_xid IS NOT NULL"
        }
    });
    rows[0][0].clone().unwrap_or_default()
}

fn killed(db: TestDb) -> Result {
    let site = Site::new(db);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for (step, seen) in [("upserted", OLD), ("published", NEW)] {
            site.create("images/a", OLD)?;
            let mut writer = Writer::start(&site, step)?;
            wait_for("the transaction", || writing(&site.db) == "1")?;
            wait_for("the step", || site.read("images/a").is_ok_and(|bytes| bytes == seen))?;
            kill(Pid::from_raw(writer.0.id().cast_signed()), signal)?;
            assert!(!writer.0.wait()?.success());
            assert_eq!(site.row("size", "images/a"), texts([&*OLD.len().to_string()]));
            // Waits for the server, which may take a moment to see that the client is gone.
            site.create("images/a", NEW)?;
            assert_eq!(site.read("images/a")?, NEW);
            assert_eq!(writing(&site.db), "0");
            injected("client killed in mid-transaction", "rolled back; the next writer succeeds");
        }
    }
    // What the killed ones had staged is known for what it is.
    let repair = [ezdfs::maintenance::Fault::StaleStaging];
    assert_eq!(fsck(&site, options(&repair)).0.remaining(), 0);
    assert_eq!(site.tree(), ["images", "images/a"]);
    Ok(())
}
