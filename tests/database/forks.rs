//! Processes that fork with a connection open. (C programs do it in tests/c/fork*.c, nginx at each
//! reload.)

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::Sick;
use crate::c_programs::compile_plain;
use crate::store::{Site, texts};
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::process::{run, scratch};
use crate::support::{Group, Result, Servers, built};

pub(super) fn register_php(group: &mut Group) {
    group.per_server("a_fork_of_php_has_connections_of_its_own", php_forks);
    group.add("families_of_php_on_sqlite", php_families);
}

pub(super) fn register_c(group: &mut Group) {
    group.add("a_busy_process_forks_on_sqlite", busy_process);
    group.add("a_process_forks_while_it_is_used_the_first_time", |_| first_use());
    group.add("no_fork_takes_a_statement_of_sqlite_along", stuck_statement);
}

/// The child's work and end leave the parent's connection alone.
const FORKING: &str = r#"
$store = new Ezdfs\Store(['dsn' => $argv[1], 'root' => $argv[2], 'cache_ttl' => '0']);
$store->exists('images/a') && exit(2);
for ($i = 0; $i < 3; $i++) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        $store->createFromString("images/child$i", 'by the child');
        exit($store->exists("images/child$i") ? 7 : 1);
    }
    $store->exists('images/a') && exit(3);
    pcntl_waitpid($pid, $status);
    pcntl_wexitstatus($status) === 7 || exit(4);
    $store->exists("images/child$i") || exit(5);
}
echo 'done';
"#;

fn php_forks(db: TestDb) -> Result {
    let sick = Sick::new(db, &[])?;
    let (proxy, site) = (&sick.proxy, &sick.site);
    let mut php = Command::new("php");
    php.arg("-n").arg("-d").arg(format!("extension={}", built("ezdfs.so").display()));
    php.args(["-r", FORKING, "--", &proxy.through(&site.db.dsn)]).arg(site.root());
    assert_eq!(run(&mut php)?, "done");
    assert_eq!(proxy.accepted(), 4, "one connection of the parent, one of each child");
    for _ in 0..3 {
        injected(
            "fork after connecting, in PHP",
            "the child connects; the parent's connection lives",
        );
    }
    Ok(())
}

const FORKS: usize = 1000;
const STARTS: usize = 300;

/// A program of the repository.
fn program(path: &str) -> Result<(TempDir, Command)> {
    let dir = scratch();
    let program = dir.path().join("program");
    compile_plain(&source(path), &program)?;
    Ok((dir, Command::new(program)))
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn site(servers: &Servers) -> Result<Site> {
    Ok(Site::new(Backend::Sqlite.fresh(servers)?))
}

fn assert_nothing_lost(site: &Site) {
    assert_eq!(site.db.sql("PRAGMA integrity_check"), texts(["ok"]));
    for _ in 0..FORKS {
        injected(
            "fork amid reads and writes on SQLite",
            "every acknowledged write is there, no process hangs",
        );
    }
}

fn busy_process(servers: &Servers) -> Result {
    let site = site(servers)?;
    let (_dir, mut program) = program("tests/database/forks/busy.c")?;
    run(program.arg(site.root()).arg(&site.db.dsn).arg(FORKS.to_string()))?;
    assert_nothing_lost(&site);
    Ok(())
}

/// Over and over, because the moment is short.
fn first_use() -> Result {
    let (dir, mut program) = program("tests/c/fork_threads.c")?;
    program.arg(dir.path()).args(["", "3"]);
    for _ in 0..STARTS {
        run(&mut program)?;
        injected("fork while a process is used the first time", "the child works");
    }
    Ok(())
}

/// A generation is a parent and its three children.
fn php_families(servers: &Servers) -> Result {
    let site = site(servers)?;
    let mut php = Command::new("php");
    php.arg("-n").arg("-d").arg(format!("extension={}", built("ezdfs.so").display()));
    php.arg(source("tests/database/forks/families.php"))
        .arg(&site.db.dsn)
        .arg(site.root())
        .arg((FORKS / 4).to_string());
    let is_over = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        // Another program opens and closes the file all the time.
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                site.db.sql("SELECT COUNT(*) FROM ezdfsfile");
                thread::sleep(Duration::from_millis(2));
            }
        });
        let said = run(&mut php);
        is_over.store(true, Ordering::Relaxed);
        said
    });
    assert_eq!(said?, "0 failed, 0 lost");
    assert_nothing_lost(&site);
    Ok(())
}

fn stuck_statement(servers: &Servers) -> Result {
    let site = site(servers)?;
    let (_dir, mut program) = program("tests/database/forks/stuck.c")?;
    let held = site.db.hold("UPDATE ezdfsfile SET status = 0");
    let mut child = program.arg(site.root()).arg(&site.db.dsn).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().expect("is piped")).read_line(&mut said)?;
    held.commit();
    assert!(child.wait()?.success());
    assert_eq!(said, "refused\n");
    injected(
        "fork while a statement on SQLite does not end",
        "the child is refused; the parent's write succeeds",
    );
    Ok(())
}
