//! A private php-fpm with the extension, to stand behind nginx.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::process::{self, Daemon, run, scratch};
use super::{Result, built};

/// A running php-fpm that answers every request by one page.
#[derive(Debug)]
pub struct Fpm {
    // Before the directory, so that the server ends before its files go.
    daemon: Daemon,
    dir: TempDir,
}

impl Fpm {
    /// `pool` goes into its configuration; `settings` are those of php.ini.
    pub fn start(page: &str, pool: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let dir = scratch();
        let home = dir.path().display();
        let settings: String = settings
            .iter()
            .map(|(key, value)| format!("php_admin_value[{key}] = \"{value}\"\n"))
            .collect();
        fs::write(dir.path().join("index.php"), page)?;
        fs::write(
            dir.path().join("fpm.conf"),
            format!(
                "[global]\nerror_log = {home}/error.log\nprocess_control_timeout = 30s\n\
                 [www]\nuser = root\ngroup = root\nlisten = {home}/fpm.sock\n\
                 listen.backlog = 256\npm = static\n{pool}\n{settings}"
            ),
        )?;
        let mut command = Command::new(program()?);
        command.args(["--nodaemonize", "--allow-to-run-as-root", "--no-php-ini", "--fpm-config"]);
        command.arg(dir.path().join("fpm.conf"));
        command.arg("-d").arg(format!("extension={}", built("ezdfs.so").display()));
        let log = dir.path().join("fpm.log");
        let mut daemon = Daemon::start(&command, None, Signal::SIGTERM, &log)?;
        let socket = dir.path().join("fpm.sock");
        daemon.wait_until_ready(|| socket.exists())?;
        Ok(Fpm { daemon, dir })
    }

    /// The location of an nginx in front of it.
    pub fn location(&self) -> String {
        let dir = self.dir.path().display();
        format!(
            "location / {{ fastcgi_pass unix:{dir}/fpm.sock; \
             fastcgi_param SCRIPT_FILENAME {dir}/index.php; \
             fastcgi_param REQUEST_METHOD $request_method; \
             fastcgi_param QUERY_STRING $query_string; }}"
        )
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    pub fn signal(&self, signal: Signal) -> Result {
        self.daemon.signal(signal)
    }
}

/// Debian has the version in the program's name.
pub fn program() -> Result<PathBuf> {
    let version = run(Command::new("php-config").arg("--version"))?;
    let short: Vec<&str> = version.trim().split('.').take(2).collect();
    let name = format!("php-fpm{}", short.join("."));
    process::program(&name)
        .or_else(|| process::program("php-fpm"))
        .ok_or_else(|| format!("{name} is missing").into())
}
