//! The PHP extension: tests/php under PHP's own test runner, on every database, with and without
//! the compiler of opcache; under valgrind; and in a real php-fpm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::connect;
use crate::support::db::{Backend, TestDb};
use crate::support::process::{run, scratch};
use crate::support::{Need, Result, Trials, built, copy_tree};

/// The extension as users get it, below `build/`.
const EXTENSION: &str = "ezdfs.so";
/// The extension with functions that fail at will.
const HOOKS: &str = "test-hooks/ezdfs.so";
const PROGRAMS: Need = Need::Programs(&["php", "php-cgi", "php-config"]);
const OPCACHE: &[&str] = &[
    "zend_extension=opcache",
    "opcache.enable_cli=1",
    "opcache.jit=tracing",
    "opcache.jit_buffer_size=32M",
];

/// A leak that grows is an error; what the runtime's threads hold at exit is reachable.
const VALGRIND: &[&str] = &[
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--show-leak-kinds=definite",
];

pub(crate) fn register(trials: &mut Trials) {
    let needs = [PROGRAMS, Need::Built(EXTENSION), Need::Built(HOOKS)];
    let mut group = trials.group("php", &needs);
    group.per_database("phpt", |db| phpt(&db, EXTENSION, "tests/php", &[]));
    group.per_database("phpt_with_jit", |db| phpt(&db, EXTENSION, "tests/php", OPCACHE));
    group.per_database("phpt_hooks", |db| phpt(&db, HOOKS, "tests/php/hooks", &[]));
    let mut group = trials.group("php", &[PROGRAMS, Need::Built(EXTENSION), VALGRIND_PROGRAM]);
    group.per_database("valgrind", |db| valgrind(&db));
    let openssl = Need::Programs(&["openssl"]);
    let needs = [PROGRAMS, Need::Built(EXTENSION), VALGRIND_PROGRAM, openssl, Need::MARIADB];
    let name = format!("valgrind_of_tls::{}", Backend::MariaDb.name());
    trials.group("php", &needs).add(&name, |_| valgrind(&connect::mariadb_with_tls()?));
}

const VALGRIND_PROGRAM: Need = Need::Programs(&["valgrind"]);

/// Runs the phpt files of a directory; fails with the differences.
fn phpt(db: &TestDb, extension: &str, tests: &str, settings: &[&str]) -> Result {
    let dir = scratch();
    // The runner writes beside itself, and what PHP has installed is root's: so it runs from a copy.
    let runner = dir.path().join("run-tests.php");
    fs::copy(run_tests()?, &runner)?;
    let mut command = Command::new("php");
    command.arg("-n").arg(runner);
    // Quiet, without php.ini, and with the differences of what fails.
    command.args(["-q", "-n", "-g", "FAIL,BORK,WARN,LEAK,SKIP", "--show-diff"]);
    command.arg("-d").arg(format!("extension={}", built(extension).display()));
    command.args(settings.iter().flat_map(|setting| ["-d", setting]));
    // Beside the tests it leaves what they said.
    let copy = dir.path().join("tests/php");
    copy_tree(&repository().join("tests/php"), &copy)?;
    let stubs = repository().join("php");
    std::os::unix::fs::symlink(stubs, dir.path().join("php"))?;
    command.args(phpt_files(&dir.path().join(tests))?);
    command
        .current_dir(dir.path())
        .env("TEST_PHP_EXECUTABLE", "php")
        .env("TEST_PHP_CGI_EXECUTABLE", "php-cgi")
        .env("NO_INTERACTION", "1")
        // Seconds for one test, on a busy machine.
        .env("TEST_TIMEOUT", "300")
        .env("EZDFS_TEST_DSN", &db.dsn)
        .env("EZDFS_TEST_DIR", dir.path());
    let said = run(&mut command)?;
    let skipped = said.lines().find(|line| line.starts_with("Tests skipped"));
    match skipped {
        Some(line) if line.contains(" 0 ") => Ok(()),
        other => Err(format!("{other:?}\n{said}").into()),
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// PHP's test runner, which comes with phpize.
fn run_tests() -> Result<PathBuf> {
    let ask = |what| run(Command::new("php-config").arg(what)).map(|said| said.trim().to_owned());
    let places = [
        Path::new(&ask("--extension-dir")?).join("build/run-tests.php"),
        Path::new(&ask("--prefix")?).join("lib/php/build/run-tests.php"),
    ];
    let found = places.iter().find(|file| file.exists()).cloned();
    found.ok_or_else(|| format!("no run-tests.php in {places:?} (make deps)").into())
}

fn phpt_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        entries.filter(|file| file.extension().is_some_and(|e| e == "phpt")).collect();
    files.sort();
    Ok(files)
}

/// One script that calls everything, over and over, in a PHP that allocates by malloc.
fn valgrind(db: &TestDb) -> Result {
    let dir = scratch();
    let mut command = Command::new("valgrind");
    command.args(VALGRIND).arg("php").arg("-n");
    command.arg("-d").arg(format!("extension={}", built(EXTENSION).display()));
    // Valgrind makes seconds of a handshake.
    command.args(["-d", "ezdfs.connect_timeout=60s", "-d", "ezdfs.query_timeout=60s"]);
    command.arg(repository().join("tests/php/everything.php"));
    command
        .env("USE_ZEND_ALLOC", "0")
        .env("ZEND_DONT_UNLOAD_MODULES", "1")
        .env("EZDFS_TEST_DSN", &db.dsn)
        .env("EZDFS_TEST_DIR", dir.path());
    let said = run(&mut command)?;
    if said.lines().any(|line| line == "done") { Ok(()) } else { Err(said.into()) }
}
