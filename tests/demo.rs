//! `make demo`: what is uploaded through PHP comes back from nginx, and nothing stays behind.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::process::{Daemon, children_of, free_port, scratch};
use crate::support::{Need, Result, Trials, fixtures, http};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/demo/run.sh");
const PICTURE: &str = "var/site/storage/images/4/3/0/7/7034-1-eng-GB/harbour.jpg";

pub(crate) fn register(trials: &mut Trials) {
    let needs = [
        Need::MODULE,
        Need::COMMAND,
        Need::Built("ezdfs.so"),
        Need::NGINX,
        Need::Programs(&["php-config"]),
    ];
    let mut group = trials.group("demo", &needs);
    group.add("uploaded_picture_is_served_without_php", |_| uploaded_picture_is_served());
    group.add("what_is_no_picture_is_not_stored", |_| no_picture_is_not_stored());
    group.add("signal_leaves_nothing", |_| signal_leaves_nothing());
    group.add("paths_may_have_spaces", |_| paths_with_spaces());
}

fn uploaded_picture_is_served() -> Result {
    let demo = Demo::start()?;
    assert!(http::get(demo.port, "/").text().contains("action=\"/upload\""));
    let bytes = fs::read(fixtures().join(PICTURE))?;
    let answer = demo.upload("the <b>harbour.jpg", &bytes)?;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.text());

    let listed = demo.listed()?;
    let [url] = &listed[..] else { return Err(format!("listed: {listed:?}").into()) };
    assert!(url.ends_with("-the-b-harbour.jpg"), "{url}");
    // Without its socket PHP cannot be asked.
    fs::remove_file(demo.site()?.join("php-fpm.sock"))?;
    assert_eq!(http::get(demo.port, "/list").status, 502);
    let answer = http::get(demo.port, url);
    assert_eq!((answer.status, answer.body == bytes), (200, true));
    assert_eq!(answer.header("content-type"), Some("image/jpeg"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    Ok(())
}

fn no_picture_is_not_stored() -> Result {
    let demo = Demo::start()?;
    let answer = demo.upload("a.jpg", b"<html><script>alert(1)</script></html>")?;
    assert_eq!((answer.status, answer.text().contains("text/html")), (415, true));
    assert_eq!(http::get(demo.port, "/upload").status, 405);
    assert_eq!(demo.listed()?, [""; 0]);
    let uploads = demo.site()?.join("root/var/site/storage/images/_uploads");
    assert_eq!(fs::read_dir(uploads).into_iter().flatten().count(), 0);
    Ok(())
}

fn signal_leaves_nothing() -> Result {
    let mut demo = Demo::start()?;
    let servers = children_of(demo.script.pid());
    assert_eq!(servers.len(), 2, "nginx and php-fpm");
    let workers = servers.iter().flat_map(|pid| children_of(*pid));
    let started: Vec<u32> = workers.chain(servers.iter().copied()).collect();
    demo.script.signal(Signal::SIGTERM)?;
    demo.script.wait_for_end()?;
    started.iter().for_each(|pid| {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is left");
    });
    assert_eq!(fs::read_dir(&demo.tmp)?.count(), 0);
    assert!(TcpStream::connect(("127.0.0.1", demo.port)).is_err());
    Ok(())
}

fn paths_with_spaces() -> Result {
    let dir = scratch();
    let repository = dir.path().join("a tree");
    std::os::unix::fs::symlink(env!("CARGO_MANIFEST_DIR"), &repository)?;
    let demo = Demo::start_from(&repository.join("tests/demo/run.sh"), "a folder")?;
    let bytes = fs::read(fixtures().join(PICTURE))?;
    assert_eq!(demo.upload("harbour.jpg", &bytes)?.status, 303);
    let url = demo.listed()?.pop().ok_or("nothing is listed")?;
    assert_eq!(http::get(demo.port, &url).body, bytes);
    Ok(())
}

/// A demo that runs. It ends before its directory goes.
struct Demo {
    script: Daemon,
    port: u16,
    tmp: PathBuf,
    _dir: tempfile::TempDir,
    _log: tempfile::TempDir,
}

impl Demo {
    fn start() -> Result<Self> {
        Self::start_from(Path::new(SCRIPT), "folder")
    }

    /// The script by another path, and the name of the folder for what it writes.
    fn start_from(script: &Path, folder: &str) -> Result<Self> {
        let (dir, log, port) = (scratch(), scratch(), free_port());
        let tmp = dir.path().join(folder);
        fs::create_dir(&tmp)?;
        let mut command = Command::new("env");
        command.arg(format!("DEMO_PORT={port}"));
        command.arg(format!("TMPDIR={}", tmp.display())).arg(script);
        let file = log.path().join("demo.log");
        let mut script = Daemon::start(&command, None, Signal::SIGTERM, &file)?;
        let said = || fs::read_to_string(&file).unwrap_or_default();
        script.wait_until_ready(|| said().contains("Press Ctrl-C"))?;
        Ok(Demo { script, port, tmp, _dir: dir, _log: log })
    }

    /// The directory that the demo has made.
    fn site(&self) -> Result<PathBuf> {
        let mut entries = fs::read_dir(&self.tmp)?;
        Ok(entries.next().ok_or("the demo has no directory")??.path())
    }

    /// Sends the page's form.
    fn upload(&self, name: &str, bytes: &[u8]) -> Result<http::Response> {
        let start = format!(
            "--end\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"{name}\"\r\n\
             Content-Type: image/jpeg\r\n\r\n"
        );
        let body = [start.as_bytes(), bytes, b"\r\n--end--\r\n"].concat();
        let length = body.len().to_string();
        let mut connection = http::Connection::open(self.port)?;
        let headers =
            [("Content-Type", "multipart/form-data; boundary=end"), ("Content-Length", &*length)];
        connection.send("POST", "/upload", &headers)?;
        connection.send_raw(&body)?;
        connection.receive("POST")
    }

    /// The URLs of the pictures that the page shows as uploaded.
    fn listed(&self) -> Result<Vec<String>> {
        let answer = http::get(self.port, "/list");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let pictures: Vec<serde_json::Value> = serde_json::from_slice(&answer.body)?;
        let url = |picture: &serde_json::Value| picture["url"].as_str().unwrap_or("").to_owned();
        Ok(pictures.iter().map(url).collect())
    }
}
