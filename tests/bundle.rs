//! The Symfony bundle of php/bundle: its PHPUnit tests on the built extension, for both families
//! of kernels and on every database.

use std::path::Path;
use std::process::Command;

use crate::support::process::{program, run, scratch};
use crate::support::{Need, Result, Trials, built};

const PROGRAMS: Need = Need::Programs(&["php", "phpunit"]);
const EXTENSION: Need = Need::Built("ezdfs.so");

/// As tests/bootstrap.php of the bundle knows them.
const FAMILIES: [&str; 2] = ["ezplatform", "ibexa"];

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("bundle", &[PROGRAMS, EXTENSION]);
    for family in FAMILIES {
        group.per_database(family, move |db| phpunit(family, &db.dsn));
    }
}

fn phpunit(family: &str, dsn: &str) -> Result {
    // Whatever a test leaves behind goes with this directory.
    let temporary = scratch();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("php/bundle");
    let phpunit = program("phpunit").ok_or("phpunit is not installed")?;
    let mut php = Command::new("php");
    php.arg("-d").arg(format!("extension={}", built("ezdfs.so").display())).arg(phpunit);
    php.arg("--configuration").arg(bundle.join("phpunit.xml.dist"));
    php.env("TMPDIR", temporary.path());
    php.env("EZDFS_TEST_FAMILY", family).env("EZDFS_TEST_DSN", dsn);
    run(&mut php)?;
    Ok(())
}
