//! The doors of a node: each says the same of the same file, in its own words.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ezdfs::{CreateOptions, Error, ErrorKind, Store};
use tempfile::TempDir;

use crate::support::apache::Apache;
use crate::support::http::Connection;
use crate::support::nginx::{Builder, Nginx, Release};
use crate::support::process::{scratch, wait_for};
use crate::support::{Need, Result, Servers, Trials, built};

use crate::web::door::{Place, Server, Setup};

use super::cluster::{file_id, store_with};

/// A way into the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Core,
    Command,
    Php,
    Nginx,
    Apache,
    /// nginx as it is elsewhere; plays what depends on how the module was built.
    NewestNginx,
}

impl Door {
    pub(super) const ALL: [Self; 5] =
        [Self::Core, Self::Command, Self::Php, Self::Nginx, Self::Apache];
    /// Those that also write.
    pub(super) const WRITERS: [Self; 3] = [Self::Core, Self::Command, Self::Php];

    fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Command => "command",
            Self::Php => "php",
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::NewestNginx => "newest_nginx",
        }
    }

    fn needs(self) -> Vec<Need> {
        let needs: &[Need] = match self {
            Self::Core | Self::Command => &[],
            Self::Php => &[Need::Programs(&["php"]), Need::Built("ezdfs.so")],
            Self::Nginx => &[Need::NGINX, Need::MODULE],
            Self::Apache => &[Need::APACHE, Need::APACHE_MODULE],
            Self::NewestNginx => &[Need::NEWEST_NGINX],
        };
        [&[Need::NfsClient], needs].concat()
    }

    /// Web servers say nothing of the reason to their clients.
    pub(super) const SERVERS: [Self; 3] = [Self::Nginx, Self::Apache, Self::NewestNginx];

    /// One of nginx, with the module.
    pub(super) fn server(self) -> Builder {
        match self {
            Self::NewestNginx => Nginx::of(Release::Newest),
            _ => Nginx::with_module(),
        }
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
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Bytes(Vec<u8>),
    NotFound,
    /// Unavailable, or an error of the file system: never a 404.
    Refused(String),
    /// There is no room for it.
    Full(String),
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

    #[track_caller]
    pub(super) fn assert_full(&self) {
        assert!(matches!(self, Answer::Full(_)), "there is no room: {self:?}");
    }

    fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Answer::NotFound,
            ErrorKind::NoSpace => Answer::Full(format!("{error:#}")),
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
            Some(8) => Answer::Full(said),
            _ => Answer::Wrong(format!("{}: {said}", output.status)),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // As much as tells one file of the trials from another.
            Answer::Bytes(bytes) => {
                let head = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]);
                write!(f, "{} bytes, {head:?}", bytes.len())
            }
            Answer::NotFound => f.write_str("not found"),
            Answer::Full(said) => write!(f, "no room: {said}"),
            Answer::Refused(said) => write!(f, "refused: {said}"),
            Answer::Broken(said) => write!(f, "broken off: {said}"),
            Answer::Wrong(said) => write!(f, "wrong: {said}"),
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
    /// Where the door is a web server.
    pub(super) server: Option<Server>,
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
    fwrite(STDERR, get_class($e) . ': ' . $e->getMessage() . "\n");
    exit(match (true) {
        $e instanceof Ezdfs\Exception\NotFoundException => 1,
        $e instanceof Ezdfs\Exception\UnavailableException => 3,
        $e instanceof Ezdfs\Exception\StorageException => 5,
        $e instanceof Ezdfs\Exception\NoSpaceException => 8,
        default => 70,
    });
}
"#;

impl Node {
    pub(super) fn start(
        door: Door,
        dsn: &str,
        root: &Path,
        options: &[(&'static str, &'static str)],
    ) -> Result<Self> {
        let mut settings = format!("dsn {dsn}; root {}; ", root.display());
        settings.extend(options.iter().map(|(key, value)| format!("{key} {value}; ")));
        let setup = match door {
            Door::Nginx | Door::NewestNginx => Some(Setup::Nginx(door.server())),
            Door::Apache => Some(Setup::Apache(Apache::builder())),
            _ => None,
        };
        let start = |setup: Setup| {
            let setup = setup.store("main", &settings);
            setup.section(Place::Everything, "main", &[]).start()
        };
        let server = setup.map(start).transpose()?;
        Ok(Node {
            door,
            dsn: dsn.to_owned(),
            root: root.to_owned(),
            options: options.to_vec(),
            store: store_with(dsn, root, options),
            server,
            scratch: scratch(),
        })
    }

    pub(super) fn read(&self, id: &str) -> Answer {
        match self.door {
            Door::Core => read_core(&self.store, id),
            Door::Command | Door::Php => self.run(&["get", id]),
            Door::Nginx | Door::NewestNginx | Door::Apache => self.fetch(id),
        }
    }

    /// Bytes are what a success yields: none.
    pub(super) fn write(&self, id: &str, bytes: &[u8]) -> Answer {
        if self.door == Door::Core {
            let written =
                self.store.create(&file_id(id), &mut &bytes[..], &CreateOptions::default());
            return written.map_or_else(|error| Answer::of(&error), |_| done());
        }
        self.run(&["put", id, &self.source(bytes)])
    }

    /// [`write`](Self::write) of a process, where it hangs: see [`run_hung`](Self::run_hung).
    pub(super) fn write_hung(
        &self,
        id: &str,
        bytes: &[u8],
        release: impl FnOnce() -> Result,
    ) -> Result<Answer> {
        self.run_hung(&["put", id, &self.source(bytes)], release)
    }

    fn source(&self, bytes: &[u8]) -> String {
        let source = self.scratch.path().join("source");
        fs::write(&source, bytes).expect("write a source");
        source.to_string_lossy().into_owned()
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

    /// The same, where it hangs: a process cannot end before its calls come back, so what it says
    /// is read first, and then `release` lets them come back.
    pub(super) fn run_hung(
        &self,
        arguments: &[&str],
        release: impl FnOnce() -> Result,
    ) -> Result<Answer> {
        let mut command = match self.door {
            Door::Php => self.php(),
            _ => self.command(),
        };
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let line = std::thread::spawn(move || {
            let mut line = Vec::new();
            BufReader::new(stderr).read_until(b'\n', &mut line).map(|_| line)
        });
        let waited = wait_for("an error message", || line.is_finished());
        release()?;
        if waited.is_err() {
            child.kill()?;
        }
        let status = child.wait()?;
        waited?;
        let stderr = line.join().map_err(|_| "the reader panicked")??;
        Ok(Answer::of_output(Output { status, stdout: Vec::new(), stderr }))
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
        self.server.as_ref().expect("the door is a web server").port()
    }

    /// What the web server logged last.
    fn reason(&self) -> String {
        let log = self.server.as_ref().map(Server::error_log).unwrap_or_default();
        log.lines().rfind(|line| line.contains("ezdfs:")).unwrap_or_default().to_owned()
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
                503 if answer.header("Retry-After").is_some() => Answer::Refused(self.reason()),
                _ => Answer::Wrong(format!("{answer:?}")),
            },
            Err(error) => Answer::Broken(error.to_string()),
        }
    }
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
