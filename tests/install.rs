//! From sources to what is installed: what is missing is said first, cargo may build anywhere, paths
//! may have spaces.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::process::{program, run, scratch};
use crate::support::{Need, Result, Trials, built, copy_tree};

mod debian;
mod packages;
mod phpize;

const NGINX_SOURCES: &str = "/usr/share/nginx/src";

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("install", &[Need::Programs(&["make", "bash"])]);
    group.add("what_is_missing_is_said_first", |_| said_first());
    group.add("a_rust_that_is_too_old_is_said_first", |_| old_rust());
    group.add("cargo_may_build_elsewhere", |_| elsewhere());
    let archive = Need::Built("libezdfs.a");
    group.add_needing("the_module_is_built_in_a_path_with_a_space", archive, path_with_space);
    let php = Need::Programs(&["cc", "php-config"]);
    let mut group = trials.group("install", &[php]);
    group.add("headers_declare_what_php_uses", |_| declared());
    phpize::register(trials);
    packages::register(trials);
    debian::register(trials);
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything but what was built and the history. What is there already and the same keeps its time:
/// then cargo sees what it has built for the last run.
fn unpack(into: &Path) -> Result {
    mirror(repository(), into, &["target", "build", ".git"])
}

fn mirror(from: &Path, into: &Path, leave: &[&str]) -> Result {
    fs::create_dir_all(into)?;
    for old in fs::read_dir(into)?.flatten().filter(|old| !from.join(old.file_name()).exists()) {
        let directory = old.file_type()?.is_dir();
        if directory { fs::remove_dir_all(old.path()) } else { fs::remove_file(old.path()) }?;
    }
    for entry in fs::read_dir(from)?.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let copy = into.join(&name);
        if leave.iter().any(|left| name == *left) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            mirror(&path, &copy, &[])?;
        } else if fs::read(&copy).ok() != Some(fs::read(&path)?) {
            fs::copy(&path, &copy)?;
        }
    }
    Ok(())
}

/// Copies files and directories of the repository, with all that is below them.
fn copy_of(what: &[&str], to: &Path) -> Result {
    for name in what {
        let (from, to) = (repository().join(name), to.join(name));
        if from.is_dir() {
            copy_tree(&from, &to)?;
        } else {
            fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))?;
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// The sources as somebody has them who has built nothing yet.
fn sources() -> Result<TempDir> {
    let dir = scratch();
    let scripts = ["tests/deps.sh", "tests/cargo-into.sh"];
    copy_of(&["Makefile", "Cargo.toml", "Cargo.lock", "src", "include"], dir.path())?;
    copy_of(&["nginx-module", "php"], dir.path())?;
    copy_of(&scripts, dir.path())?;
    Ok(dir)
}

/// What make says where it fails.
fn refused(make: &mut Command) -> Result<String> {
    let output = make.output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() {
        Err(format!("{make:?} succeeded: {said}").into())
    } else {
        Ok(said)
    }
}

/// A PATH with the usual tools of a shell, and nothing to compile with.
fn bare_path() -> Result<TempDir> {
    let dir = scratch();
    for tool in ["bash", "sh", "make", "sed", "sort", "head", "dirname", "find", "grep", "mkdir"] {
        symlink(program(tool).ok_or(tool)?, dir.path().join(tool))?;
    }
    Ok(dir)
}

fn said_first() -> Result {
    let (sources, path) = (sources()?, bare_path()?);
    let wanted: [(&str, &[&str]); 6] = [
        ("build", &["Rust", "cc", "OpenSSL", "nginx", "PHP"]),
        ("install", &["Rust", "cc", "OpenSSL", "nginx", "PHP"]),
        ("lint", &["Rust", "cc", "OpenSSL", "PHP"]),
        ("build/ezdfs", &["Rust", "cc", "OpenSSL"]),
        ("build/ezdfs.so", &["Rust", "cc", "OpenSSL", "PHP"]),
        ("header", &["Rust", "cc", "OpenSSL"]),
    ];
    for (goal, things) in wanted {
        let mut make = Command::new("make");
        make.arg(goal).current_dir(sources.path()).env("PATH", path.path());
        // Nothing of this machine's shows through.
        make.env("NGX_SRC", path.path().join("none")).env("DESTDIR", path.path().join("root"));
        let said = refused(&mut make)?;
        for thing in things {
            assert!(said.contains(thing), "{goal}: {thing} is not said to be missing: {said}");
        }
        assert!(said.contains("https://rustup.rs"), "{goal}: {said}");
    }
    assert!(!path.path().join("root").exists(), "something was installed");
    Ok(())
}

fn old_rust() -> Result {
    let sources = sources()?;
    let manifest = sources.path().join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    let line = text.lines().find(|line| line.starts_with("rust-version")).ok_or("no version")?;
    fs::write(&manifest, text.replace(line, "rust-version = \"99.9\""))?;
    for goal in ["build", "install", "lint", "demo", "test"] {
        let mut make = Command::new("make");
        make.arg(goal).current_dir(sources.path()).env("CARGO_NET_OFFLINE", "true");
        let said = refused(&mut make)?;
        assert!(said.contains("Rust 99.9 or later, this is "), "{goal}: {said}");
    }
    Ok(())
}

/// A command of this name that is compiled in no time.
fn small_crate(dir: &Path, says: &str) -> Result {
    copy_of(&["Makefile", "tests/deps.sh", "tests/cargo-into.sh"], dir)?;
    let source = format!("fn main() {{ println!(\"{says}\"); }}\n");
    fs::create_dir_all(dir.join("src"))?;
    fs::write(dir.join("src/main.rs"), source)?;
    let manifest = "[package]\nname = \"ezdfs\"\nversion = \"0.1.0\"\nedition = \"2024\"\nrust-version = \"1.94\"\n";
    fs::write(dir.join("Cargo.toml"), manifest)?;
    let lock = "version = 4\n\n[[package]]\nname = \"ezdfs\"\nversion = \"0.1.0\"\n";
    Ok(fs::write(dir.join("Cargo.lock"), lock)?)
}

fn elsewhere() -> Result {
    let other = scratch();
    let other = other.path().join("an other");
    let host = run(Command::new("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("no host")?;
    let configured = format!("[build]\ntarget-dir = {:?}\n", other.join("of a file"));
    let ways: [(&str, &str, Option<PathBuf>); 4] = [
        ("CARGO_TARGET_DIR", "", Some(other.join("of the environment"))),
        ("CARGO_BUILD_TARGET_DIR", "", Some(other.join("of the configuration"))),
        ("CARGO_BUILD_TARGET", "", Some(host.into())),
        ("", &configured, None),
    ];
    for (variable, configuration, value) in ways {
        let dir = scratch();
        small_crate(dir.path(), "new")?;
        // What another build has left.
        let stale = dir.path().join("target/release/ezdfs");
        fs::create_dir_all(stale.parent().ok_or("no parent")?)?;
        fs::write(&stale, "#!/bin/sh\necho stale\n")?;
        fs::set_permissions(&stale, fs::Permissions::from_mode(0o755))?;
        fs::create_dir_all(dir.path().join(".cargo"))?;
        fs::write(dir.path().join(".cargo/config.toml"), configuration)?;
        let mut make = Command::new("make");
        make.arg("build/ezdfs").current_dir(dir.path());
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_TARGET"] {
            make.env_remove(name);
        }
        if let Some(value) = value {
            make.env(variable, value);
        }
        run(&mut make)?;
        let said = run(&mut Command::new(dir.path().join("build/ezdfs")))?;
        assert_eq!(said, "new\n", "{variable} {configuration}");
    }
    Ok(())
}

fn path_with_space() -> Result {
    if !Path::new(NGINX_SOURCES).is_dir() {
        return Err(format!("no {NGINX_SOURCES} (make deps)").into());
    }
    let dir = scratch();
    let tree = dir.path().join("a folder's \"tree\"");
    copy_of(&["nginx-module", "include"], &tree)?;
    fs::create_dir(tree.join("build"))?;
    fs::copy(built("libezdfs.a"), tree.join("build/libezdfs.a"))?;
    let mut build = Command::new("nginx-module/build.sh");
    build.arg("build/module.so").current_dir(&tree).env("TMPDIR", &tree);
    run(&mut build)?;
    assert!(tree.join("build/module.so").is_file());
    Ok(())
}

/// What gcc 14 refuses, and older ones only warn of, where the headers are not the system's.
fn declared() -> Result {
    let includes = run(Command::new("php-config").arg("--includes"))?;
    let mut cc = Command::new("cc");
    cc.args(["-fsyntax-only", "-Werror=implicit-function-declaration"]);
    cc.args(includes.split_whitespace());
    let shim = repository().join("php/extension/shim");
    let files = fs::read_dir(shim)?.flatten().map(|entry| entry.path());
    cc.args(files.filter(|file| file.extension().is_some_and(|extension| extension == "c")));
    run(&mut cc)?;
    Ok(())
}
