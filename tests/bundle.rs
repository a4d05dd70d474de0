//! The Symfony bundle of php/bundle: its PHPUnit tests on the built extension, for both families
//! of kernels and on every database.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::process::{program, run, scratch};
use crate::support::{Need, Result, Trials, built, php};

const PROGRAMS: Need = Need::Programs(&["php", "phpunit"]);
const EXTENSION: Need = Need::Built("ezdfs.so");

/// As tests/bootstrap.php of the bundle knows them.
const FAMILIES: [&str; 2] = ["ezplatform", "ibexa"];

/// What PHPUnit, Symfony and the tests need of PHP, where it is not part of PHP itself; what
/// others need before those.
const EXTENSIONS: &[&str] = &[
    "mysqlnd",
    "pdo",
    "xml",
    "ctype",
    "dom",
    "fileinfo",
    "iconv",
    "mbstring",
    "pcntl",
    "pdo_mysql",
    "pdo_pgsql",
    "pdo_sqlite",
    "phar",
    "posix",
    "simplexml",
    "tokenizer",
    "xmlreader",
    "xmlwriter",
];

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("bundle", &[PROGRAMS, EXTENSION, Need::COMMAND]);
    for family in FAMILIES {
        group.per_database(family, move |db| phpunit(family, &db.dsn));
    }
    let installed = Need::Built("test-hooks/ezdfs.so");
    group.add_needing(
        "what_is_installed_is_not_what_is_tested",
        installed,
        beside_an_installed_one,
    );
}

fn phpunit(family: &str, dsn: &str) -> Result {
    // Whatever a test leaves behind goes with this directory.
    let temporary = scratch();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("php/bundle");
    let phpunit = program("phpunit").ok_or("phpunit is not installed")?;
    let mut php = Command::new("php");
    configure(&mut php, temporary.path())?;
    php.arg(phpunit).arg("--configuration").arg(bundle.join("phpunit.xml.dist"));
    php.env("TMPDIR", temporary.path());
    php.env("EZDFS_TEST_FAMILY", family).env("EZDFS_TEST_DSN", dsn);
    php.env("EZDFS_TEST_COMMAND", built("ezdfs"));
    run(&mut php)?;
    Ok(())
}

/// Has PHP, and the PHP that it starts, read a php.ini of the trial's own and nothing of the
/// system's, where another ezdfs may stand.
fn configure(php: &mut Command, dir: &Path) -> Result {
    fs::write(dir.join("php.ini"), php::ini(EXTENSIONS)?)?;
    php.env("PHPRC", dir).env("PHP_INI_SCAN_DIR", "");
    Ok(())
}

fn beside_an_installed_one() -> Result {
    let dir = scratch();
    let installed = built("test-hooks/ezdfs.so");
    fs::write(dir.path().join("ezdfs.ini"), format!("extension={}\n", installed.display()))?;
    let mut php = Command::new("php");
    php.env("PHP_INI_SCAN_DIR", dir.path());
    configure(&mut php, dir.path())?;
    let maps = run(php.args(["-r", r#"readfile("/proc/self/maps");"#]))?;
    let is_loaded = |file: &Path| maps.contains(&*file.to_string_lossy());
    assert!(is_loaded(&built("ezdfs.so")) && !is_loaded(&installed), "{maps}");
    Ok(())
}
