//! Compiles the C part against the headers of the PHP that `php-config` names.

use std::env;
use std::process::Command;

const SOURCES: [&str; 7] = [
    "shim/classes.c",
    "shim/ini.c",
    "shim/iterator.c",
    "shim/objects.c",
    "shim/stats.c",
    "shim/store.c",
    "shim/stream.c",
];

fn main() {
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-env-changed=PHP_CONFIG");
    // Threads of the runtime outlive the module: PHP unloads it before the process ends.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");

    let mut build = cc::Build::new();
    for include in includes().split_whitespace() {
        // As system headers: their warnings are not ours.
        build.flag("-isystem").flag(include.trim_start_matches("-I"));
    }
    build.flag("-Wall").flag("-Wextra").files(SOURCES).compile("ezdfs_php_shim");
}

fn includes() -> String {
    let program = env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".to_owned());
    let output = Command::new(&program)
        .arg("--includes")
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error} (Debian: php8.2-dev)"));
    assert!(output.status.success(), "{program} --includes failed");
    String::from_utf8(output.stdout).expect("php-config speaks ASCII")
}
