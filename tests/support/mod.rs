//! What the trials stand on: servers of their own, and a list to put themselves on.

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use libtest_mimic::{Failed, Trial};

pub mod apache;
pub mod db;
pub mod documents;
pub mod faults;
pub mod fpm;
pub mod galera;
pub mod http;
pub mod mariadb;
pub mod metrics;
pub mod nfs_client;
pub mod nginx;
pub mod pgbouncer;
pub mod php;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod varnish;

use db::{Backend, TestDb};
use process::program;

pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The pictures that the repository ships, below `var/site/storage`. Copy it before changing it.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tree")
}

/// Copies a directory with all that is below it.
pub fn copy_tree(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// What a trial needs on the machine; without it the trial is ignored, and a failure in CI.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// Programs, by name.
    Programs(&'static [&'static str]),
    /// MariaDB, or what the run takes for it.
    MariaDb,
    /// A file below `build/`, which `make build` leaves there.
    Built(&'static str),
    /// To mount NFS clients of the tests' own.
    NfsClient,
    /// What makes MariaDB servers a cluster.
    Galera,
}

impl Need {
    pub const MARIADB: Self = Self::MariaDb;
    pub const POSTGRES: Self = Self::Programs(postgres::PROGRAMS);
    pub const PGBOUNCER: Self = Self::Programs(pgbouncer::PROGRAMS);
    pub const NGINX: Self = Self::Programs(&["nginx"]);
    pub const MODULE: Self = Self::Built("ngx_http_ezdfs_module.so");
    /// The newest nginx, and the module built for it.
    pub const NEWEST_NGINX: Self = Self::Built("test-nginx/newest.so");
    pub const APACHE: Self = Self::Programs(apache::PROGRAMS);
    pub const APACHE_MODULE: Self = Self::Built("mod_ezdfs.so");
    pub const VARNISH: Self = Self::Programs(varnish::PROGRAMS);
    pub const COMMAND: Self = Self::Built("ezdfs");

    /// Why the trial cannot run.
    pub fn unmet(self) -> Option<String> {
        match self {
            Self::Programs(names) => {
                let missing = names.iter().find(|name| program(name).is_none())?;
                Some(format!("{missing} is not installed (make deps)"))
            }
            Self::MariaDb => mariadb::flavour().unmet(),
            Self::NfsClient => nfs_client::unmet(),
            Self::Galera => galera::unmet(),
            Self::Built(name) => {
                (!built(name).exists()).then(|| format!("build/{name} is missing (make build)"))
            }
        }
    }
}

/// Where `make build` leaves its results.
pub fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("build").join(name)
}

/// The servers that the whole run shares, each started by the first trial that asks for it.
#[derive(Debug, Default)]
pub struct Servers {
    mariadb: OnceLock<std::result::Result<Arc<mariadb::Server>, String>>,
    postgres: OnceLock<std::result::Result<Arc<postgres::Server>, String>>,
    galera: OnceLock<std::result::Result<Arc<galera::Cluster>, String>>,
}

impl Servers {
    pub fn mariadb(&self) -> Result<Arc<mariadb::Server>> {
        let start = || mariadb::Server::start().map(Arc::new).map_err(|e| e.to_string());
        Ok(self.mariadb.get_or_init(start).clone()?)
    }

    pub fn postgres(&self) -> Result<Arc<postgres::Server>> {
        let start = || postgres::Server::start().map(Arc::new).map_err(|e| e.to_string());
        Ok(self.postgres.get_or_init(start).clone()?)
    }

    pub fn galera(&self) -> Result<Arc<galera::Cluster>> {
        let start = || galera::Cluster::start().map(Arc::new).map_err(|e| e.to_string());
        Ok(self.galera.get_or_init(start).clone()?)
    }

    /// Stops what has been started, whoever still holds a handle.
    pub fn stop(&self) {
        if let Some(Ok(server)) = self.mariadb.get() {
            server.stop();
        }
        if let Some(Ok(server)) = self.postgres.get() {
            server.stop();
        }
        if let Some(Ok(cluster)) = self.galera.get() {
            cluster.stop();
        }
    }
}

/// The list of trials.
#[derive(Default)]
pub struct Trials {
    servers: Arc<Servers>,
    list: Vec<Trial>,
    unmet: Vec<String>,
}

impl Trials {
    /// Opens the part of the list for one module: its trials' names start with `name::`, and all
    /// of them need `needs`.
    pub fn group(&mut self, name: &str, needs: &[Need]) -> Group<'_> {
        Group { trials: self, name: name.to_owned(), needs: needs.to_vec() }
    }

    /// The servers, the trials, and a line for every reason to ignore some.
    pub fn into_parts(self) -> (Arc<Servers>, Vec<Trial>, Vec<String>) {
        (self.servers, self.list, self.unmet)
    }

    fn push(
        &mut self,
        name: String,
        needs: &[Need],
        run: impl FnOnce(&Servers) -> std::result::Result<(), Failed> + Send + 'static,
    ) {
        let unmet = needs.iter().find_map(|need| need.unmet());
        let in_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        let ignored = unmet.is_some() && !in_ci;
        if let Some(reason) = unmet.as_ref().filter(|reason| !self.unmet.contains(reason)) {
            self.unmet.push(reason.clone());
        }
        let servers = Arc::clone(&self.servers);
        let told = name.clone();
        let trial = Trial::test(name, move || match unmet {
            Some(reason) => Err(Failed::from(reason)),
            None => timed(&told, || run(&servers)),
        });
        self.list.push(trial.with_ignored_flag(ignored));
    }
}

/// Runs a trial; how long it took goes to the file that `EZDFS_TEST_TIMES` names, in seconds.
fn timed<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let outcome = run();
    if let Some(file) = std::env::var_os("EZDFS_TEST_TIMES") {
        let line = format!("{:.2} {name}\n", start.elapsed().as_secs_f64());
        let opened = fs::File::options().create(true).append(true).open(file);
        let _ = opened.and_then(|mut file| file.write_all(line.as_bytes()));
    }
    outcome
}

/// The trials of one module.
pub struct Group<'a> {
    trials: &'a mut Trials,
    name: String,
    needs: Vec<Need>,
}

impl Group<'_> {
    /// Adds a trial. It fails by a panic or by returning an error.
    pub fn add<O: Outcome>(
        &mut self,
        name: &str,
        run: impl FnOnce(&Servers) -> O + Send + 'static,
    ) {
        let name = format!("{}::{name}", self.name);
        self.trials.push(name, &self.needs, move |servers| run(servers).into_outcome());
    }

    /// Adds a trial that needs more than the group does, and no shared server.
    pub fn add_needing<O: Outcome>(
        &mut self,
        name: &str,
        need: Need,
        run: impl FnOnce() -> O + Send + 'static,
    ) {
        let needs = [&self.needs[..], &[need]].concat();
        let name = format!("{}::{name}", self.name);
        self.trials.push(name, &needs, move |_| run().into_outcome());
    }

    /// Adds a trial for every database, each on an empty database of its own.
    pub fn per_database<O: Outcome>(
        &mut self,
        name: &str,
        run: impl Fn(TestDb) -> O + Send + Sync + 'static,
    ) {
        self.on(&Backend::ALL, name, run);
    }

    /// The same for every database that has a server.
    pub fn per_server<O: Outcome>(
        &mut self,
        name: &str,
        run: impl Fn(TestDb) -> O + Send + Sync + 'static,
    ) {
        self.on(&[Backend::MariaDb, Backend::Postgres], name, run);
    }

    fn on<O: Outcome>(
        &mut self,
        backends: &[Backend],
        name: &str,
        run: impl Fn(TestDb) -> O + Send + Sync + 'static,
    ) {
        let run = Arc::new(run);
        for backend in backends.iter().copied() {
            let mut needs = self.needs.clone();
            match backend {
                Backend::Sqlite => {}
                Backend::MariaDb => needs.push(Need::MARIADB),
                Backend::Postgres => needs.push(Need::POSTGRES),
            }
            let run = Arc::clone(&run);
            let name = format!("{}::{name}::{}", self.name, backend.name());
            self.trials.push(name, &needs, move |servers| match backend.fresh(servers) {
                Ok(db) => run(db).into_outcome(),
                failed => failed.map(drop).into_outcome(),
            });
        }
    }
}

/// What a trial may return.
pub trait Outcome {
    fn into_outcome(self) -> std::result::Result<(), Failed>;
}

impl Outcome for () {
    fn into_outcome(self) -> std::result::Result<(), Failed> {
        Ok(())
    }
}

impl<E: Display> Outcome for std::result::Result<(), E> {
    fn into_outcome(self) -> std::result::Result<(), Failed> {
        // With its causes: what failed once may not fail again.
        self.map_err(|error| Failed::from(format!("{error:#}")))
    }
}
