//! Sandboxes and older kernels that refuse system calls: everything goes on, with each call that is
//! younger than Linux 3.10 refused in either way.
//!
//! clone3(2) is left out: who refuses that with EPERM lets no program of a recent glibc start a thread.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use tempfile::TempDir;

use crate::support::db::Backend;
use crate::support::faults::injected;
use crate::support::http::get;
use crate::support::nginx::Nginx;
use crate::support::process::{compiled, scratch};
use crate::support::{Need, Result, Servers, Trials, built};

/// What the code calls, and what the libraries below it may.
const CALLS: [&str; 13] = [
    "openat2",
    "preadv2",
    "statx",
    "memfd_create",
    "copy_file_range",
    "renameat2",
    "close_range",
    "getrandom",
    "pwritev2",
    "faccessat2",
    "fchmodat2",
    "epoll_pwait2",
    "membarrier",
];

const REFUSALS: [Errno; 2] = [Errno::EPERM, Errno::ENOSYS];

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("sandbox", &[Need::Programs(&["cc"])]);
    for errno in REFUSALS {
        group.add(&format!("the_command_does_without::{errno:?}"), move |_| command(errno));
    }
    let mut group = trials.group("sandbox", &[Need::Programs(&["cc", "nginx"]), Need::MODULE]);
    for errno in REFUSALS {
        group.add(&format!("nginx_does_without::{errno:?}"), move |_| nginx(errno));
    }
    let mut group = trials.group("sandbox", &[Need::Programs(&["cc"]), Need::POSTGRES]);
    for errno in REFUSALS {
        let name = format!("a_login_has_random_numbers_or_says_why::{errno:?}::postgres");
        group.add(&name, move |servers| login(servers, errno));
    }
    let needs = [Need::Programs(&["cc", "php"]), Need::Built("ezdfs.so")];
    let mut group = trials.group("sandbox", &needs);
    for errno in REFUSALS {
        group.add(&format!("php_does_without::{errno:?}"), move |_| php(errno));
    }
}

/// Each call alone, and all of them.
fn refused() -> impl Iterator<Item = String> {
    CALLS.iter().map(|call| (*call).to_owned()).chain([CALLS.join(",")])
}

/// A store on SQLite, and a sandbox for whoever uses it.
struct Sandbox {
    dir: TempDir,
    errno: Errno,
    calls: String,
}

impl Sandbox {
    fn new(errno: Errno, calls: String) -> Result<Self> {
        let dir = scratch();
        fs::create_dir(dir.path().join("root"))?;
        let sandbox = Sandbox { dir, errno, calls };
        sandbox.ezdfs(&["schema", "--create"])?;
        Ok(sandbox)
    }

    fn dsn(&self) -> String {
        format!("sqlite:{}/db.sqlite", self.dir.path().display())
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("root").join(path)
    }

    fn wrapper(&self) -> Vec<String> {
        let errno = self.errno as i32;
        let wrapper = compiled("refuse").to_string_lossy().into_owned();
        vec![wrapper, errno.to_string(), self.calls.clone()]
    }

    fn output(&self, program: &Path, arguments: &[&str]) -> Result<(bool, String)> {
        let wrapper = self.wrapper();
        let mut command = Command::new(&wrapper[0]);
        command.args(&wrapper[1..]).arg(program).args(arguments).env_clear();
        command.env("EZDFS_DSN", self.dsn()).env("EZDFS_ROOT", self.at(""));
        let output = command.stdin(Stdio::null()).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let (is_done, said) = self.output(program, arguments)?;
        let Sandbox { errno, calls, .. } = self;
        is_done.then(|| said.clone()).ok_or_else(|| {
            format!("{calls} answered {errno:?}: {arguments:?} failed: {said}").into()
        })
    }

    fn ezdfs(&self, arguments: &[&str]) -> Result<String> {
        self.run(Path::new(env!("CARGO_BIN_EXE_ezdfs")), arguments)
    }

    fn source(&self, bytes: &[u8]) -> Result<String> {
        let source = self.dir.path().join("source");
        fs::write(&source, bytes)?;
        Ok(source.to_string_lossy().into_owned())
    }
}

fn command(errno: Errno) -> Result {
    for calls in refused() {
        let sandbox = Sandbox::new(errno, calls)?;
        for bytes in [b"first one".as_slice(), b"second"] {
            sandbox.ezdfs(&["put", "images/1/a.png", &sandbox.source(bytes)?])?;
        }
        sandbox.ezdfs(&["mv", "images/1/a.png", "images/2/b.png"])?;
        assert_eq!(sandbox.ezdfs(&["get", "images/2/b.png"])?, "second");
        assert_eq!(sandbox.ezdfs(&["ls"])?, "images/2/b.png\n");
        assert!(!sandbox.at("images/1/a.png").exists());
        sandbox.ezdfs(&["fsck"])?;
        fs::write(sandbox.at("images/2/c.png"), b"imported")?;
        sandbox.ezdfs(&["import", sandbox.at("").to_str().ok_or("a path")?])?;
        assert_eq!(sandbox.ezdfs(&["get", "images/2/c.png"])?, "imported");
        // As strict as ever.
        symlink("b.png", sandbox.at("images/2/link.png"))?;
        symlink("2", sandbox.at("images/linked"))?;
        for name in ["images/2/link.png", "images/linked/b.png"] {
            let said = sandbox.output(
                Path::new(env!("CARGO_BIN_EXE_ezdfs")),
                &["put", name, &sandbox.source(b"third")?],
            )?;
            assert!(!said.0 && said.1.contains("symbolic link"), "{name}: {said:?}");
        }
        assert_eq!(sandbox.ezdfs(&["get", "images/2/b.png"])?, "second");
        for name in ["images/2/link.png", "images/linked"] {
            fs::remove_file(sandbox.at(name))?;
        }
        sandbox.ezdfs(&["rm", "-r", "images"])?;
        assert!(!sandbox.at("images").exists());
        told(
            errno,
            "a system call of the command is refused (EPERM)",
            "a system call of the command is refused (ENOSYS)",
        );
    }
    Ok(())
}

/// sqlx has random numbers from nowhere but getrandom(2) where glibc has it in the vDSO.
fn login(servers: &Servers, errno: Errno) -> Result {
    let database = Backend::Postgres.fresh(servers)?;
    let sandbox = Sandbox::new(errno, "getrandom".to_owned())?;
    let ezdfs = Path::new(env!("CARGO_BIN_EXE_ezdfs"));
    let (is_done, said) = sandbox.output(ezdfs, &["schema", "--create", "--dsn", &database.dsn])?;
    assert!(is_done || said.contains("getrandom(2) is refused"), "{said}");
    Ok(())
}

fn told(errno: Errno, eperm: &'static str, enosys: &'static str) {
    injected(if errno == Errno::EPERM { eperm } else { enosys }, "done without it");
}

fn nginx(errno: Errno) -> Result {
    for calls in refused() {
        let sandbox = Sandbox::new(errno, calls)?;
        let names = ["images/small.png", "images/large.png"];
        let content = |name: &str| vec![b'a'; if name == names[0] { 5_000 } else { 200_000 }];
        for name in names {
            sandbox.ezdfs(&["put", name, &sandbox.source(&content(name))?])?;
        }
        let (dsn, root) = (sandbox.dsn(), sandbox.at(""));
        let root = root.display();
        let store = format!("ezdfs_store main {{ dsn {dsn}; root {root}; cache_ttl 1h; }}\n");
        let builder = Nginx::with_module().http(&store).server("location / { ezdfs main; }");
        let builder = builder.http(&need_of_nginx(&sandbox)?);
        let nginx = builder.under(&sandbox.wrapper()).start()?;
        for _ in 0..20 {
            for name in names {
                let answer = get(nginx.port(), &format!("/{name}"));
                assert!(
                    answer.status == 200 && answer.body == content(name),
                    "{}: {name}",
                    sandbox.calls
                );
            }
        }
        told(
            errno,
            "a system call of nginx is refused (EPERM)",
            "a system call of nginx is refused (ENOSYS)",
        );
    }
    Ok(())
}

/// What nginx without the module needs in this sandbox. One with HTTP/3 makes a key whenever it reads
/// its configuration, of random numbers that OpenSSL takes from getrandom(2) alone, from Linux 4.8 on;
/// where it is refused nginx ends without a word. A file that has the key spares it that.
fn need_of_nginx(sandbox: &Sandbox) -> Result<String> {
    if Nginx::builder().under(&sandbox.wrapper()).test()?.0 {
        return Ok(String::new());
    }
    assert!(sandbox.calls.contains("getrandom"), "{}: nginx itself does not start", sandbox.calls);
    let key = sandbox.dir.path().join("quic.key");
    fs::write(&key, [b'k'; 32])?;
    Ok(format!("quic_host_key {};\n", key.display()))
}

const PHP: &str = r"
$store = new Ezdfs\Store(['dsn' => $argv[1], 'root' => $argv[2], 'cache_ttl' => '1h']);
$store->create('images/1/a.png', fopen($argv[3], 'rb'));
$store->create('images/1/a.png', fopen($argv[3], 'rb'));
$store->rename('images/1/a.png', 'images/b.png');
for ($i = 0; $i < 10; $i++) {
    echo $store->read('images/b.png') === file_get_contents($argv[3]) ? 'y' : 'n';
}
$store->delete('images/b.png');
";

fn php(errno: Errno) -> Result {
    for calls in refused() {
        let sandbox = Sandbox::new(errno, calls)?;
        let extension = format!("extension={}", built("ezdfs.so").display());
        let (dsn, root) = (sandbox.dsn(), sandbox.at("").to_string_lossy().into_owned());
        let source = sandbox.source(&[b'a'; 100_000])?;
        let arguments = ["-n", "-d", &extension, "-r", PHP, "--", &dsn, &root, &source];
        let program = crate::support::process::program("php").ok_or("no php")?;
        assert_eq!(sandbox.run(&program, &arguments)?, "yyyyyyyyyy");
        assert!(!sandbox.at("images/b.png").exists());
        told(
            errno,
            "a system call of PHP is refused (EPERM)",
            "a system call of PHP is refused (ENOSYS)",
        );
    }
    Ok(())
}
