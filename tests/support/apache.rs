//! A private Apache httpd, with or without the project's module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::process::{Daemon, children_of, free_port, is_root, log_of, program, scratch, wait_for};
use super::{Result, built};

pub const PROGRAMS: &[&str] = &["apache2", "apxs"];

/// How httpd has its requests answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mpm {
    Event,
    Worker,
    Prefork,
}

impl Mpm {
    pub const ALL: [Self; 3] = [Self::Event, Self::Worker, Self::Prefork];

    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Worker => "worker",
            Self::Prefork => "prefork",
        }
    }
}

/// What goes into httpd.conf, beside what every private server needs.
#[derive(Debug)]
pub struct Builder {
    dir: TempDir,
    port: u16,
    pub mpm: Mpm,
    children: usize,
    module: PathBuf,
    modules: Vec<String>,
    user: Option<&'static str>,
    under: Vec<String>,
    environment: Vec<(String, String)>,
    pub main: String,
    pub server: String,
}

impl Builder {
    /// The port of the server, for further `<VirtualHost>`s.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory that ends with the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn mpm(mut self, mpm: Mpm) -> Self {
        self.mpm = mpm;
        self
    }

    /// How many children answer at a time; those that a restart ends are not counted.
    pub fn children(mut self, children: usize) -> Self {
        self.children = children;
        self
    }

    /// Lets the children run as this user where the tests run as root.
    pub fn user(mut self, user: &'static str) -> Self {
        self.user = Some(user);
        self
    }

    /// Has this program, with its arguments, start the server.
    pub fn under(mut self, wrapper: &[String]) -> Self {
        self.under = wrapper.to_vec();
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Loads this build of the module under test.
    pub fn load(mut self, module: &Path) -> Self {
        self.module = module.to_owned();
        self
    }

    /// Loads one of httpd's own modules, such as `rewrite`.
    pub fn module(mut self, name: &str) -> Self {
        if !self.modules.iter().any(|module| module == name) {
            self.modules.push(name.to_owned());
        }
        self
    }

    /// Adds to the top level.
    pub fn main(mut self, text: &str) -> Self {
        self.main.push_str(text);
        self
    }

    /// Adds to the main server, which listens on [`port`](Self::port).
    pub fn server(mut self, text: &str) -> Self {
        self.server.push_str(text);
        self
    }

    /// The whole httpd.conf.
    pub fn config(&self) -> String {
        let Self { port, mpm, modules, main, server, .. } = self;
        let dir = self.dir.path().display();
        let mpm = format!("mpm_{}", mpm.name());
        let modules: String = [mpm.as_str(), "authz_core"]
            .into_iter()
            .chain(modules.iter().map(String::as_str))
            .map(|name| format!("LoadModule {name}_module {}\n", httpd_module(name).display()))
            .collect();
        let user = self.user.filter(|_| is_root());
        let user = user.map_or(String::new(), |user| format!("User {user}\nGroup nogroup\n"));
        format!(
            "ServerRoot {dir}\nServerName localhost\nDefaultRuntimeDir {dir}\n\
             PidFile {dir}/httpd.pid\nMutex file:{dir} default\n{user}\
             {modules}LoadModule ezdfs_module {module}\n\
             Listen 127.0.0.1:{port}\nErrorLog {dir}/error.log\nLogLevel info\n\
             LogFormat \"%r %>s %{{ezdfs_status}}n %{{ezdfs_source}}n %{{ezdfs_time}}n\" ezdfs\n\
             CustomLog {dir}/access.log ezdfs\nDocumentRoot {dir}/htdocs\n\
             {}\nGracefulShutdownTimeout 30\n{main}\n{server}\n",
            self.processes(),
            module = self.module.display(),
        )
    }

    fn processes(&self) -> String {
        let children = self.children;
        let threads = match self.mpm {
            Mpm::Prefork => 1,
            Mpm::Event | Mpm::Worker => 25,
        };
        let each = match self.mpm {
            Mpm::Prefork => String::new(),
            Mpm::Event | Mpm::Worker => format!("ThreadsPerChild {threads}\n"),
        };
        format!("{each}StartServers {children}\nMaxRequestWorkers {}", threads * children)
    }

    /// Runs `apachectl configtest`'s command: whether the configuration passes, and what it says.
    pub fn test(&self) -> Result<(bool, String)> {
        let mut command = self.command("test.conf")?;
        let output = command.arg("-t").stdin(Stdio::null()).output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    pub fn start(self) -> Result<Apache> {
        let command = self.command("httpd.conf")?;
        let log = self.dir.path().join("stderr.log");
        let mut daemon = Daemon::start(&command, None, Signal::SIGTERM, &log)?;
        // It opens its port while it reads the configuration for the first time, and closes it again.
        let said = self.dir.path().join("error.log");
        daemon.wait_until_ready(|| {
            fs::read_to_string(&said).is_ok_and(|log| log.contains(RESUMING))
        })?;
        Ok(Apache { daemon, setup: self })
    }

    fn command(&self, config: &str) -> Result<Command> {
        fs::create_dir_all(self.dir.path().join("htdocs"))?;
        let file = self.dir.path().join(config);
        fs::write(&file, self.config())?;
        let httpd = program("apache2").ok_or("Apache httpd is not installed")?;
        let mut words = Vec::new();
        if is_root() && self.user.is_none() {
            words.extend(AS_NOBODY.iter().map(ToString::to_string));
        }
        let variables = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        words.extend(["env".to_owned()].into_iter().chain(variables));
        words.extend(self.under.iter().cloned());
        words.push(httpd.display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("-d").arg(self.dir.path()).arg("-f").arg(&file);
        command.args(["-D", "FOREGROUND"]);
        Ok(command)
    }
}

/// What starts it where the tests run as root: it refuses to have root for its children, and they
/// have to read what root wrote. The death signal is set again, since another user has none.
pub const AS_NOBODY: &[&str] = &[
    "setpriv",
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
    "--inh-caps=+dac_override,+net_bind_service",
    "--ambient-caps=+dac_override,+net_bind_service",
    "--pdeathsig=TERM",
];

/// What it logs when it answers, after a start and after a restart.
const RESUMING: &str = "resuming normal operations";

/// Where Debian keeps httpd's own modules.
fn httpd_module(name: &str) -> PathBuf {
    Path::new("/usr/lib/apache2/modules").join(format!("mod_{name}.so"))
}

/// A running httpd.
#[derive(Debug)]
pub struct Apache {
    // Before the directory in `setup`, so that the server ends before its files go.
    daemon: Daemon,
    setup: Builder,
}

impl Apache {
    pub fn builder() -> Builder {
        Builder {
            dir: scratch(),
            port: free_port(),
            mpm: Mpm::Event,
            children: 1,
            module: built("mod_ezdfs.so"),
            modules: Vec::new(),
            user: None,
            under: Vec::new(),
            environment: Vec::new(),
            main: String::new(),
            server: String::new(),
        }
    }

    pub fn port(&self) -> u16 {
        self.setup.port
    }

    pub fn dir(&self) -> &Path {
        self.setup.dir.path()
    }

    pub fn parent_pid(&self) -> u32 {
        self.daemon.pid()
    }

    pub fn child_pids(&self) -> Vec<u32> {
        children_of(self.daemon.pid())
    }

    /// Changes the configuration with `edit`, restarts gracefully, and waits for the new children.
    pub fn restart_gracefully(&mut self, edit: impl FnOnce(&mut Builder)) -> Result {
        let before = self.resumptions();
        edit(&mut self.setup);
        fs::write(self.dir().join("httpd.conf"), self.setup.config())?;
        self.daemon.signal(Signal::SIGUSR1)?;
        let restarted = wait_for("the restart", || self.resumptions() > before);
        restarted.map_err(|e| format!("{e}\n{}", self.error_log()).into())
    }

    fn resumptions(&self) -> usize {
        self.error_log().matches(RESUMING).count()
    }

    pub fn signal(&self, signal: Signal) -> Result {
        self.daemon.signal(signal)
    }

    /// Waits for the end of the parent, which outlives its children.
    pub fn wait_for_end(&mut self) -> Result {
        self.daemon.wait_for_end()
    }

    /// The requests that httpd has logged: line, status, and what ezdfs noted.
    pub fn access_log(&self) -> String {
        log_of(&self.dir().join("access.log"))
    }

    /// What httpd has logged, the messages of its start included.
    pub fn error_log(&self) -> String {
        self.daemon.log() + &log_of(&self.dir().join("error.log"))
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("httpd on port {} said:\n{}", self.port(), self.error_log());
        }
    }
}
