//! A site whose connections to the database are counted, its agent, and whoever else writes.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::{Running, at, is_usable, site};
use crate::command::Cli;
use crate::store::md5;
use crate::support::Result;
use crate::support::db::{self, Backend, TestDb};
use crate::support::nginx::{Builder, Nginx};
use crate::support::proxy::Proxy;

/// Where names and URLs begin.
pub(super) const PREFIX: &str = "var/site/storage";

/// So many pictures there are at first, in version 0.
pub(super) const PICTURES: usize = 10;

/// The name of a picture, as the table has it.
pub(super) fn name(id: &str) -> String {
    format!("{PREFIX}/{id}")
}

pub(super) fn id(picture: usize) -> String {
    format!("images/{picture}.png")
}

pub(super) fn url(id: &str) -> String {
    format!("/{PREFIX}/{id}")
}

/// A version of a picture, of which nothing fits another's. Two that follow each other may have
/// the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) picture: usize,
    pub(super) number: usize,
}

const FIRST_TIME: i64 = 1_500_000_000;

impl Version {
    pub(super) fn bytes(self) -> Vec<u8> {
        let text = format!("{} {} ", self.picture, self.number);
        let length = 100 + (self.number / 2 + self.number / 200) % 50;
        text.bytes().chain(std::iter::repeat(b'.')).take(length).collect()
    }

    pub(super) fn mtime(self) -> i64 {
        FIRST_TIME + self.number as i64
    }

    pub(super) fn etag(self) -> String {
        format!("\"{}-{}\"", self.mtime(), self.bytes().len())
    }

    /// Whose bytes they are, where they are a whole version's.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split(' ');
        let mut word = || words.next()?.parse().ok();
        let version = Version { picture: word()?, number: word()? };
        (version.bytes() == bytes).then_some(version)
    }

    /// The number that a time belongs to.
    pub(super) fn number_of(mtime: i64) -> usize {
        usize::try_from(mtime - FIRST_TIME).unwrap()
    }
}

/// A site with some pictures, whose database is reached by a proxy, and its agent.
pub(super) struct Watched {
    pub(super) agent: Option<Running>,
    pub(super) cli: Cli,
    pub(super) proxy: Proxy,
    /// Without the proxy.
    direct: String,
    backend: Backend,
}

impl Watched {
    pub(super) fn new(db: TestDb) -> Result<Self> {
        let mut watched = Watched::without_agent(db, PICTURES)?;
        watched.start_agent(&[]);
        is_usable(&watched.cli);
        Ok(watched)
    }

    pub(super) fn without_agent(db: TestDb, pictures: usize) -> Result<Self> {
        let port = db.dsn.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next());
        let proxy = Proxy::start(port.ok_or("a server on the loopback")?.parse()?)?;
        let (direct, backend) = (db.dsn.clone(), db.backend);
        let mut cli = site(Some(db));
        cli.dsn = proxy.through(&cli.dsn);
        let watched = Watched { agent: None, cli, proxy, direct, backend };
        fs::create_dir_all(watched.cli.root().join("images"))?;
        let rows: Vec<_> = (0..pictures)
            .map(|picture| {
                let version = Version { picture, number: 0 };
                watched.write(&id(picture), version)?;
                watched.give_its_time(&id(picture), version)?;
                Ok(watched.upsert(&id(picture), version))
            })
            .collect::<Result<_>>()?;
        watched.sql(&rows.join("; "));
        Ok(watched)
    }

    pub(super) fn start_agent(&mut self, arguments: &[&str]) {
        self.agent = Some(Running::start(&self.cli, arguments));
    }

    pub(super) fn replica(&self) -> PathBuf {
        at(&self.cli, "replica")
    }

    pub(super) fn file(&self, id: &str) -> PathBuf {
        self.cli.root().join(id)
    }

    /// What it does, without a new connection.
    #[track_caller]
    pub(super) fn unasked<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.proxy.accepted();
        let done = work();
        assert_eq!(self.proxy.accepted(), before, "somebody connected");
        done
    }

    /// As another program does, by a way of its own.
    #[track_caller]
    pub(super) fn sql(&self, statements: &str) {
        db::sql(&self.direct, statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// Has a file replaced, as a whole.
    pub(super) fn write(&self, id: &str, version: Version) -> Result {
        let new = self.cli.root().join(".new");
        fs::write(&new, version.bytes())?;
        Ok(fs::rename(new, self.file(id))?)
    }

    /// As ezdfs does, and who restores a tree. Others leave a file the time of its writing.
    fn give_its_time(&self, id: &str, version: Version) -> Result {
        let time = UNIX_EPOCH + Duration::from_secs(version.mtime().unsigned_abs());
        Ok(File::options().append(true).open(self.file(id))?.set_modified(time)?)
    }

    /// A row as others write it, whatever was there.
    pub(super) fn upsert(&self, id: &str, version: Version) -> String {
        let name = name(id);
        let (mtime, size) = (version.mtime(), version.bytes().len());
        let update = match self.backend {
            Backend::Postgres => "ON CONFLICT (name_hash) DO UPDATE SET",
            _ => "ON DUPLICATE KEY UPDATE",
        };
        format!(
            "INSERT INTO ezdfsfile (name_hash, name, name_trunk, mtime, size, scope, datatype, \
             expired) VALUES ('{}', '{name}', '{name}', {mtime}, {size}, 'image', 'image/png', \
             FALSE) {update} mtime = {mtime}, size = {size}, expired = FALSE",
            md5(&name)
        )
    }

    /// The file first, then the row.
    pub(super) fn put(&self, id: &str, version: Version) -> Result {
        self.write(id, version)?;
        self.sql(&self.upsert(id, version));
        Ok(())
    }

    pub(super) fn delete(&self, id: &str) -> Result {
        self.sql(&format!("DELETE FROM ezdfsfile {}", of_name(id)));
        Ok(fs::remove_file(self.file(id))?)
    }

    pub(super) fn soft_delete(&self, id: &str) {
        let set = "SET mtime = -ABS(mtime), expired = TRUE";
        self.sql(&format!("UPDATE ezdfsfile {set} {}", of_name(id)));
    }

    /// For readers there is one of both names at any time.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result {
        let new = self.cli.root().join(".linked");
        fs::hard_link(self.file(from), &new)?;
        fs::rename(new, self.file(to))?;
        let name = name(to);
        self.sql(&format!(
            "DELETE FROM ezdfsfile {}; UPDATE ezdfsfile SET name = '{name}', \
             name_trunk = '{name}', name_hash = '{}' {}",
            of_name(to),
            md5(&name),
            of_name(from)
        ));
        Ok(fs::remove_file(self.file(from))?)
    }

    /// An nginx that serves the site by the replica.
    pub(super) fn nginx(&self, options: &str) -> Builder {
        let (dsn, root) = (&self.cli.dsn, self.cli.root());
        let (root, replica) = (root.display(), self.replica());
        let replica = replica.display();
        Nginx::with_module()
            .http(&format!(
                "ezdfs_store main {{ dsn {dsn}; root {root}; name_prefix {PREFIX}; \
                 replica {replica}; {options} }}\n"
            ))
            .server(&format!("location /{PREFIX}/ {{ ezdfs main; }}"))
    }
}

fn of_name(id: &str) -> String {
    format!("WHERE name_hash = '{}'", md5(&name(id)))
}
