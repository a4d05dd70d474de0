//! Operators' commands, pointed at the wrong place: whatever root, prefix, table, database, mounts and
//! clock are, nothing that a live row speaks of is lost, and `ezdfs restore` brings back the rest.
//!
//! Each round draws a share with five sites, a configuration and up to three commands (see [`plan`]
//! and [`wrong`]); [`oracle`] says what must be there afterwards. EZDFS_TEST_ROUNDS sets how many
//! rounds each database has, EZDFS_TEST_SEED the seed of the first one: a round that failed is drawn
//! again by its own seed, though not the random sample of rows that the commands look at.

mod oracle;
mod plan;
mod site;
mod wrong;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use crate::kill::content::Random;
use crate::support::db::{Backend, TestDb};
use crate::support::process::is_root;
use crate::support::{Need, Result, Trials, built};
use oracle::{Oracle, Ordered};
use plan::Plan;
use site::{Apart, Site, Snapshot};
use wrong::{Config, Nested, Step};

const PROGRAMS: Need = Need::Programs(&["gcc", "unshare"]);

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("safe", &[Need::COMMAND, PROGRAMS]);
    group.per_database("no_wrong_configuration_costs_a_live_file", wrong_configurations);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn wrong_configurations(db: TestDb) -> Result {
    let (first, rounds) = match db.backend {
        Backend::Sqlite => (1_000_000, 200),
        Backend::MariaDb => (2_000_000, 70),
        Backend::Postgres => (3_000_000, 50),
    };
    let first = number("EZDFS_TEST_SEED").unwrap_or(first);
    let rounds = number("EZDFS_TEST_ROUNDS").unwrap_or(rounds);
    let site = Site::new(db)?;
    let (mut failures, mut taken) = (Vec::new(), 0);
    for seed in first..first + rounds {
        let round = Round::new(&site, seed)?;
        match round.run()? {
            Ok(Taken(something)) => taken += u64::from(something),
            Err(failure) => failures.push(failure),
        }
    }
    if !failures.is_empty() {
        let count = failures.len();
        return Err(format!("{count} of {rounds} rounds\n{}", failures.join("\n")).into());
    }
    assert!(taken * 5 > rounds || rounds < 50, "only {taken} rounds took anything away");
    Ok(())
}

/// Whether anything was taken away, and so was brought back.
struct Taken(bool);

struct Round<'s> {
    site: &'s Site,
    seed: u64,
    plan: Plan,
    config: Config,
    steps: Vec<Step>,
    /// Nanoseconds since the epoch when everything was there.
    born: u128,
}

impl<'s> Round<'s> {
    fn new(site: &'s Site, seed: u64) -> Result<Self> {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9));
        let now = SystemTime::UNIX_EPOCH.elapsed()?.as_secs().cast_signed();
        let mut plan = Plan::draw(&mut random, now);
        let config = Config::draw(&mut random, is_root());
        let steps = (0..=random.below(3)).map(|_| Step::draw(&mut random, &config)).collect();
        site.build(&mut plan)?;
        let born = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
        Ok(Round { site, seed, plan, config, steps, born })
    }

    fn run(&self) -> Result<std::result::Result<Taken, String>> {
        let before = self.site.snapshot(&Apart::default())?;
        let apart = self.set_apart()?;
        let mut log = String::new();
        let mut ordered = Ordered::default();
        for step in &self.steps {
            self.order(step, &mut ordered);
            self.step(step, &mut log)?;
        }
        let after = self.site.snapshot(&apart)?;
        self.put_together(&apart)?;
        let mut restore = self.command(&["restore".to_owned()], self.config.clock);
        self.note(&mut log, "restore", &restore.output()?)?;
        let last = match &self.config.nested {
            Some((_, Nested::Mounted)) => self.site.snapshot(&apart)?,
            _ => self.site.snapshot(&Apart::default())?,
        };

        let Round { plan, config, steps, .. } = self;
        let oracle = Oracle { plan, config, steps, before: &before, ordered: &ordered };
        let mut wrong = oracle.after(&after);
        wrong.extend(oracle.restored(&last));
        if wrong.is_empty() {
            let is_gone = |snapshot: &Snapshot| {
                before.files.keys().any(|path| !snapshot.files.contains_key(path))
                    || before.rows.keys().any(|row| !snapshot.rows.contains_key(row))
            };
            return Ok(Ok(Taken(is_gone(&after))));
        }
        Ok(Err(format!("seed {}: {config:?}\n{log}  {}", self.seed, wrong.join("\n  "))))
    }

    /// What a deletion names: rows, and the files that they lead to.
    fn order(&self, step: &Step, ordered: &mut Ordered) {
        let Step::Remove { dir, row_only } = step else { return };
        let Config { database, table, caches, prefix, .. } = &self.config;
        let beneath = match prefix.as_str() {
            "" => format!("{dir}/"),
            prefix => format!("{prefix}/{dir}/"),
        };
        let tables: Vec<_> = [*table].into_iter().chain(*caches).collect();
        let rows = self.site.rows(*database, &tables).into_iter();
        let rows = rows.filter(|(row, _)| row.1 == self.config.table_of(&row.2));
        for (row, _) in rows.filter(|(row, _)| row.2.starts_with(&beneath)) {
            let path = self.config.path_of(&row.2);
            match row_only {
                true => drop(ordered.alone.insert(row)),
                false => {
                    ordered.files.extend(path);
                    ordered.rows.insert(row);
                }
            }
        }
    }

    fn step(&self, step: &Step, log: &mut String) -> Result {
        let mut arguments = step.arguments();
        let mut clocks = vec![self.config.clock];
        match step {
            Step::Purge { patient, .. } => {
                let state = self.site.top.path().join("state");
                arguments.extend(["--state".to_owned(), state.to_string_lossy().into_owned()]);
                if *patient {
                    clocks = vec![-7200, 7200];
                }
            }
            Step::Import { dir, .. } => {
                arguments.push(self.root().join(dir).to_string_lossy().into_owned());
            }
            _ => {}
        }
        for clock in clocks {
            let output = self.command(&arguments, clock).output()?;
            self.note(log, &arguments.join(" "), &output)?;
        }
        Ok(())
    }

    fn root(&self) -> PathBuf {
        match self.config.by_link {
            true => self.site.top.path().join("link"),
            false => self.site.mnt().join(&self.config.root),
        }
    }

    /// The command under this round's configuration.
    fn command(&self, arguments: &[String], clock: i64) -> Command {
        let Config { prefix, database, table, caches, nested, marker, .. } = &self.config;
        let mut command = match nested {
            Some((path, Nested::Mounted)) => {
                // In a mount namespace of its own, which ends with it.
                let mut command = Command::new("unshare");
                let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
                command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
                command.arg(self.site.apart()).arg(self.site.share().join(path));
                command.arg(built("ezdfs"));
                command
            }
            _ => Command::new(built("ezdfs")),
        };
        command.args(arguments).env_clear().stdin(Stdio::null()).current_dir(self.site.top.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("LD_PRELOAD", &self.site.library);
        command.env("EZDFS_TEST_CLOCK", clock.to_string());
        command.env("EZDFS_TEST_BORN", self.born.to_string());
        command.env("EZDFS_DSN", &self.site.databases[*database].dsn);
        command.env("EZDFS_ROOT", self.root()).env("EZDFS_NAME_PREFIX", prefix);
        command.env("EZDFS_TABLE", table).env("EZDFS_CACHE_TABLE", caches.unwrap_or_default());
        if *marker {
            command.env("EZDFS_MOUNT_MARKER", ".mounted");
        }
        command
    }

    fn note(&self, log: &mut String, what: &str, output: &Output) -> Result {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text);
        writeln!(log, "$ {what}: {}\n{text}", output.status)?;
        match output.status.code() {
            Some(0..=7) => Ok(()),
            _ => Err(format!("seed {}: {:?}\n{log}", self.seed, self.config).into()),
        }
    }

    /// Moves a part of the share away.
    fn set_apart(&self) -> Result<Apart> {
        let link = self.site.top.path().join("link");
        let _ = fs::remove_file(&link);
        let _ = fs::remove_file(self.site.top.path().join("state"));
        symlink(self.site.mnt().join(&self.config.root), link)?;
        let Some((path, how)) = &self.config.nested else { return Ok(Apart(None)) };
        let place = self.site.share().join(path);
        fs::rename(&place, self.site.apart())?;
        if *how != Nested::Missing {
            fs::create_dir(&place)?;
        }
        if *how == Nested::Keep {
            fs::write(place.join(".keep"), "")?;
        }
        Ok(Apart(Some(path.clone())))
    }

    /// Has it there again.
    fn put_together(&self, apart: &Apart) -> Result {
        let Some((path, how)) = &self.config.nested else { return Ok(()) };
        if *how == Nested::Mounted || apart.0.is_none() {
            return Ok(());
        }
        let place = self.site.share().join(path);
        if *how == Nested::Keep {
            fs::remove_file(place.join(".keep"))?;
        }
        if place.exists() {
            // Nothing else was put there.
            fs::remove_dir(&place)?;
        }
        fs::create_dir_all(place.parent().ok_or("no directory")?)?;
        Ok(fs::rename(self.site.apart(), &place)?)
    }
}
