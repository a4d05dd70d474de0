//! A private Varnish, with the project's VCL before one that is as the kernel's.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::Result;
use super::http::{Response, get};
use super::process::{Daemon, free_port, program, scratch};

pub const PROGRAMS: &[&str] = &["varnishd"];

/// What its token is.
pub const TOKEN: &str = "s3cret";

#[derive(Debug)]
pub struct Varnish {
    // Before the directory, so that the server ends before its files go.
    _daemon: Daemon,
    port: u16,
    _dir: TempDir,
}

impl Varnish {
    /// Before a web server. Keeps what it has for longer than any trial.
    pub fn before(web_server: u16) -> Result<Self> {
        let (dir, port) = (scratch(), free_port());
        let token = dir.path().join("token");
        fs::write(&token, format!("{TOKEN}\n"))?;
        let vcl = format!(
            "vcl 4.1;\nimport std;\n\
             backend web {{ .host = \"127.0.0.1\"; .port = \"{web_server}\"; }}\n\
             acl ezdfs_purgers {{ \"127.0.0.1\"; }}\n\
             sub ezdfs_token {{ set req.http.x-ezdfs-token = regsub(std.fileread(\"{}\"), \
             \"\\s+$\", \"\"); }}\n\
             include \"ezdfs.vcl\";\n{KERNEL}",
            token.display()
        );
        let file = dir.path().join("default.vcl");
        fs::write(&file, vcl)?;
        let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/varnish");
        let mut command = Command::new(program("varnishd").ok_or("varnishd is not installed")?);
        command.args(["-F", "-j", "none", "-s", "malloc,16m", "-l", "4m", "-t", "3600", "-n"]);
        command.arg(dir.path().join("work")).arg("-f").arg(file);
        command.arg("-a").arg(format!("127.0.0.1:{port}"));
        command.arg("-p").arg(format!("vcl_path={}", contrib.display()));
        let log = dir.path().join("log");
        let mut daemon = Daemon::start(&command, None, Signal::SIGTERM, &log)?;
        daemon.wait_until_ready(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Varnish { _daemon: daemon, port, _dir: dir })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// An answer, and whether the cache had it.
    #[track_caller]
    pub fn get(&self, path: &str) -> (Response, bool) {
        let answer = get(self.port, path);
        // Of the request, and of the one that had brought it.
        let is_hit = answer.header("X-Varnish").is_some_and(|ids| ids.contains(' '));
        (answer, is_hit)
    }
}

/// What follows in the VCL of a site: it purges by other means, from elsewhere, and looks up by itself. Of what
/// it does not know as a file the application is asked first what the visitor may see.
const KERNEL: &str = "\
import std;
acl invalidators { \"192.0.2.1\"; }
sub vcl_recv {
    if (req.method == \"PURGE\" || req.method == \"BAN\") {
        if (client.ip !~ invalidators) { return (synth(405, \"Method not allowed\")); }
        return (purge);
    }
    if (req.method != \"GET\" && req.method != \"HEAD\") { return (pass); }
    if (req.restarts == 0 && req.url !~ \"\\.(gif|png)$\") { set req.url = \"/_visitor\"; }
    return (hash);
}
sub vcl_backend_response { set beresp.grace = 1h; }
";
