//! Processes that fork with a connection open. (C programs do it in tests/c/fork.c, nginx at each
//! reload.)

use std::process::Command;

use super::Sick;
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::run;
use crate::support::{Group, Result, built};

pub(super) fn register(group: &mut Group) {
    group.per_server("a_fork_of_php_has_connections_of_its_own", php_forks);
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
