//! A server's tree with its table, two nodes that mount it, and the doors of a node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ezdfs::{CreateOptions, Error, ErrorKind, FileId, Options, Store};
use tempfile::TempDir;

use crate::support::db::{Backend, TestDb};
use crate::support::http::Connection;
use crate::support::nfs_client::NfsClient;
use crate::support::nginx::Nginx;
use crate::support::process::scratch;
use crate::support::{Need, Result, Servers, Trials, built};

/// An id that nginx may serve.
pub(super) const PICTURE: &str = "var/site/storage/images/1/picture.png";

/// A tree on a server, and two nodes.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) a: NfsClient,
    pub(super) b: NfsClient,
    pub(super) db: TestDb,
    server: TempDir,
}

impl Cluster {
    pub(super) fn new(servers: &Servers) -> Result<Self> {
        Self::on(Backend::Sqlite.fresh(servers)?)
    }

    pub(super) fn on(db: TestDb) -> Result<Self> {
        let server = scratch();
        let (a, b) = (NfsClient::mount(server.path())?, NfsClient::mount(server.path())?);
        let cluster = Cluster { a, b, db, server };
        cluster.store().create_schema()?;
        Ok(cluster)
    }

    /// The tree as the server has it.
    pub(super) fn server(&self) -> &Path {
        self.server.path()
    }

    /// Mounts the tree again on node B, with the behaviour that it had.
    pub(super) fn remount(&mut self) -> Result {
        self.b.mount_again(self.server.path())
    }

    /// A store on node A, which other nodes take for another machine.
    pub(super) fn store(&self) -> Store {
        store(&self.db.dsn, self.a.at(), &[])
    }

    pub(super) fn put(&self, id: &str, bytes: &[u8]) -> Result {
        let options = CreateOptions { mime_type: Some("image/png"), ..Default::default() };
        self.store().create(&file_id(id), &mut &bytes[..], &options)?;
        Ok(())
    }

    /// A row and a file that are older than any cache of an NFS client.
    pub(super) fn put_old(&self, id: &str, bytes: &[u8]) -> Result {
        let mtime = Some(1_500_000_000);
        let options = CreateOptions { mime_type: Some("image/png"), mtime, ..Default::default() };
        self.store().create(&file_id(id), &mut &bytes[..], &options)?;
        Ok(())
    }

    /// A door of node B.
    pub(super) fn door(
        &self,
        door: Door,
        options: &[(&'static str, &'static str)],
    ) -> Result<Node> {
        Node::start(door, &self.db.dsn, self.b.at(), options)
    }

    /// All that lies on the server, directories left out.
    pub(super) fn files(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in walkdir::WalkDir::new(self.server()).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(self.server())?;
                found.push(path.to_string_lossy().into_owned());
            }
        }
        Ok(found)
    }

    /// Rows, as text: enough to see that none has changed.
    pub(super) fn rows(&self) -> Vec<Vec<Option<String>>> {
        self.db.sql("SELECT name, size, mtime, expired FROM ezdfsfile ORDER BY name")
    }
}

pub(super) fn file_id(text: &str) -> FileId {
    FileId::parse(text).expect("an id")
}

fn store(dsn: &str, root: &Path, options: &[(&str, &str)]) -> Store {
    let mut builder = Options::builder();
    builder.set("dsn", dsn).unwrap().set("root", &root.to_string_lossy()).unwrap();
    for (key, value) in options {
        builder.set(key, value).unwrap();
    }
    Store::new(builder.build().unwrap())
}

/// A way into the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Core,
    Command,
    Php,
    Nginx,
}

impl Door {
    pub(super) const ALL: [Self; 4] = [Self::Core, Self::Command, Self::Php, Self::Nginx];
    /// Those that also write.
    pub(super) const WRITERS: [Self; 3] = [Self::Core, Self::Command, Self::Php];

    fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Command => "command",
            Self::Php => "php",
            Self::Nginx => "nginx",
        }
    }

    fn needs(self) -> Vec<Need> {
        let needs: &[Need] = match self {
            Self::Core | Self::Command => &[],
            Self::Php => &[Need::Programs(&["php"]), Need::Built("ezdfs.so")],
            Self::Nginx => &[Need::NGINX, Need::MODULE],
        };
        [&[Need::NfsClient], needs].concat()
    }
}

/// Adds a trial for each of these doors.
pub(super) fn per_door(
    trials: &mut Trials,
    name: &str,
    doors: &[Door],
    run: fn(&Servers, Door) -> Result,
) {
    for &door in doors {
        let name = format!("{name}::{}", door.name());
        trials.group("nfs_client", &door.needs()).add(&name, move |servers| run(servers, door));
    }
}

/// What a door said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Bytes(Vec<u8>),
    NotFound,
    /// Unavailable, or an error of the file system: never a 404.
    Refused(String),
    /// It began well.
    Broken(String),
    /// Something that a door must not say here.
    Wrong(String),
}

impl Answer {
    #[track_caller]
    pub(super) fn assert_refused(&self) -> &str {
        match self {
            Answer::Refused(text) => text,
            other => panic!("should have been refused: {other:?}"),
        }
    }

    fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Answer::NotFound,
            ErrorKind::Unavailable | ErrorKind::Storage => Answer::Refused(format!("{error:#}")),
            _ => Answer::Wrong(format!("{error:#}")),
        }
    }

    fn of_output(output: Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => Answer::Bytes(output.stdout),
            Some(1) => Answer::NotFound,
            Some(3 | 5) if output.stdout.is_empty() => Answer::Refused(said),
            Some(3 | 5) => Answer::Broken(said),
            _ => Answer::Wrong(format!("{}: {said}", output.status)),
        }
    }
}

/// One door of one node, open as long as the value lives.
#[derive(Debug)]
pub(super) struct Node {
    door: Door,
    dsn: String,
    root: PathBuf,
    options: Vec<(&'static str, &'static str)>,
    store: Store,
    pub(super) nginx: Option<Nginx>,
    scratch: TempDir,
}

/// Exit codes as those of the command.
const PHP: &str = r#"
try {
    $store = new Ezdfs\Store(json_decode($argv[1], true));
    match ($argv[2]) {
        'get' => print($store->read($argv[3])),
        'put' => $store->create($argv[3], fopen($argv[4], 'rb')),
        'rm' => $store->delete($argv[3]),
        'rmdir' => $store->deleteDirectory($argv[3]),
    };
} catch (Ezdfs\Exception\EzdfsException $e) {
    fwrite(STDERR, get_class($e) . ': ' . $e->getMessage());
    exit(match (true) {
        $e instanceof Ezdfs\Exception\NotFoundException => 1,
        $e instanceof Ezdfs\Exception\UnavailableException => 3,
        $e instanceof Ezdfs\Exception\StorageException => 5,
        default => 70,
    });
}
"#;

impl Node {
    fn start(
        door: Door,
        dsn: &str,
        root: &Path,
        options: &[(&'static str, &'static str)],
    ) -> Result<Self> {
        let nginx = match door {
            Door::Nginx => Some(nginx(dsn, root, options, "")?),
            _ => None,
        };
        Ok(Node {
            door,
            dsn: dsn.to_owned(),
            root: root.to_owned(),
            options: options.to_vec(),
            store: store(dsn, root, options),
            nginx,
            scratch: scratch(),
        })
    }

    pub(super) fn read(&self, id: &str) -> Answer {
        match self.door {
            Door::Core => read_core(&self.store, id),
            Door::Command | Door::Php => self.run(&["get", id]),
            Door::Nginx => self.fetch(id),
        }
    }

    /// Bytes are what a success yields: none.
    pub(super) fn write(&self, id: &str, bytes: &[u8]) -> Answer {
        if self.door == Door::Core {
            let written =
                self.store.create(&file_id(id), &mut &bytes[..], &CreateOptions::default());
            return written.map_or_else(|error| Answer::of(&error), |_| done());
        }
        let source = self.scratch.path().join("source");
        fs::write(&source, bytes).expect("write a source");
        self.run(&["put", id, &source.to_string_lossy()])
    }

    pub(super) fn delete(&self, id: &str) -> Answer {
        if self.door == Door::Core {
            let deleted = self.store.delete(&file_id(id));
            return deleted.map_or_else(|error| Answer::of(&error), |()| done());
        }
        self.run(&["rm", id])
    }

    pub(super) fn delete_directory(&self, dir: &str) -> Answer {
        match self.door {
            Door::Core => {
                let dir = ezdfs::DirId::parse(dir).expect("a directory's id");
                let deleted = self.store.delete_directory(&dir);
                deleted.map_or_else(|error| Answer::of(&error), |_| done())
            }
            Door::Command => self.run(&["rm", "-r", dir]),
            _ => self.run(&["rmdir", dir]),
        }
    }

    /// The command or PHP, in a process of its own.
    pub(super) fn run(&self, arguments: &[&str]) -> Answer {
        self.run_raw(arguments).0
    }

    /// The same, and what it wrote to standard output.
    pub(super) fn run_raw(&self, arguments: &[&str]) -> (Answer, Vec<u8>) {
        let mut command = match self.door {
            Door::Php => self.php(),
            _ => self.command(),
        };
        command.args(arguments).stdin(Stdio::null());
        let output = command.output().expect("start a process");
        let written = output.stdout.clone();
        (Answer::of_output(output), written)
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ezdfs"));
        command.env_clear().env("EZDFS_DSN", &self.dsn).env("EZDFS_ROOT", &self.root);
        for (key, value) in &self.options {
            command.env(format!("EZDFS_{}", key.to_uppercase()), value);
        }
        command
    }

    fn php(&self) -> Command {
        let mut options: serde_json::Map<_, _> =
            self.options.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        options.insert("dsn".to_owned(), self.dsn.as_str().into());
        options.insert("root".to_owned(), self.root.to_string_lossy().into());
        let mut command = Command::new("php");
        command.arg("-n").arg("-d").arg(format!("extension={}", built("ezdfs.so").display()));
        command.args(["-r", PHP, "--", &serde_json::Value::from(options).to_string()]);
        command
    }

    pub(super) fn port(&self) -> u16 {
        self.nginx.as_ref().expect("the door is nginx").port()
    }

    fn fetch(&self, id: &str) -> Answer {
        let mut connection = match Connection::open(self.port()) {
            Ok(connection) => connection,
            Err(error) => return Answer::Wrong(error.to_string()),
        };
        match connection.request("GET", &format!("/{id}"), &[("Connection", "close")]) {
            Ok(answer) => match answer.status {
                200 => Answer::Bytes(answer.body),
                404 => Answer::NotFound,
                503 if answer.header("Retry-After").is_some() => Answer::Refused(answer.text()),
                _ => Answer::Wrong(format!("{answer:?}")),
            },
            Err(error) => Answer::Broken(error.to_string()),
        }
    }
}

/// An nginx on a node's mount.
pub(super) fn nginx(
    dsn: &str,
    root: &Path,
    options: &[(&str, &str)],
    location: &str,
) -> Result<Nginx> {
    let options: String = options.iter().map(|(key, value)| format!("{key} {value}; ")).collect();
    let root = root.display();
    let store = format!("ezdfs_store main {{ dsn {dsn}; root {root}; {options} }}\n");
    let server = format!("location / {{ ezdfs main; {location} }}");
    Nginx::with_module().http(&store).server(&server).start()
}

pub(super) fn done() -> Answer {
    Answer::Bytes(Vec::new())
}

pub(super) fn read_core(store: &Store, id: &str) -> Answer {
    let mut opened = match store.open(&file_id(id)) {
        Ok(opened) => opened,
        Err(error) => return Answer::of(&error),
    };
    let mut bytes = Vec::new();
    match std::io::Read::read_to_end(&mut opened.file, &mut bytes) {
        Ok(count) if count as u64 == opened.size => Answer::Bytes(bytes),
        Ok(count) => Answer::Broken(format!("{count} of {} bytes", opened.size)),
        Err(error) => Answer::Broken(error.to_string()),
    }
}
