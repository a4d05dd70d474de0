//! The C programs of tests/c against include/ezdfs.h and the built libraries.
//!
//! Every program gets an empty directory and the fixture tree as arguments, and passes by exit
//! code 0. It is compiled as C99 and as C++ with all warnings as errors, and runs plain, under
//! valgrind and, unless it forks, under AddressSanitizer (which also looks for leaks): where another
//! thread is in the allocator at a fork, as it may be in libc's, a child of that hangs in gcc's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ezdfs::CreateOptions;

use crate::store::{id, store};
use crate::support::process::{run, scratch};
use crate::support::{Need, Result, Trials, built, db, fixtures};

const C99: &[&str] = &["gcc", "-std=c99", "-D_GNU_SOURCE"];
const CXX: &[&str] = &["g++", "-std=c++11", "-x", "c++"];
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-O1"];

/// What rustc names under `--print native-static-libs`.
const NATIVE: &[&str] = &["-lssl", "-lcrypto", "-lpthread", "-ldl", "-lm"];

/// A definite leak is an error; what the runtime's threads still hold at exit is reachable.
const VALGRIND: &[&str] = &[
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--show-leak-kinds=definite",
];

/// What [`compile_plain`] needs.
pub(crate) const IN_C: [Need; 2] = [Need::Programs(&["gcc"]), Need::Built("libezdfs.a")];

const PROGRAMS: Need = Need::Programs(&["gcc", "g++", "valgrind"]);
const LIBRARIES: [Need; 2] = [Need::Built("libezdfs.a"), Need::Built("libezdfs.so")];

#[derive(Clone, Copy)]
enum Link {
    Static,
    Shared,
}

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("c", &[PROGRAMS, LIBRARIES[0], LIBRARIES[1]]);
    group.add("each_function_of_the_shared_library_has_a_version", |_| versions());
    for source in sources() {
        let name = source.file_stem().unwrap().to_string_lossy().into_owned();
        let mut add = |way: &str, runner, compiler, link, extra| {
            let source = source.clone();
            group.add(&format!("{name}::{way}"), move |_| {
                compile_and_run(&source, runner, compiler, link, extra)
            });
        };
        add("c99", &[], C99, Link::Static, &[]);
        add("cxx", &[], CXX, Link::Static, &[]);
        add("shared", &[], C99, Link::Shared, &[]);
        if !forks(&source) {
            add("address_sanitizer", &[], C99, Link::Static, &["-fsanitize=address,undefined"]);
        }
        add("valgrind", VALGRIND, C99, Link::Static, &[]);
    }
}

/// As Debian's package lists them, and nothing else is shown.
fn versions() -> Result {
    let mut nm = Command::new("nm");
    nm.args(["--dynamic", "--defined-only", "--format=just-symbols"]).arg(built("libezdfs.so"));
    let shown = run(&mut nm)?;
    let shown: BTreeSet<_> = shown.lines().filter(|symbol| *symbol != "EZDFS_0").collect();
    let package = fs::read_to_string(repository("debian/libezdfs0.symbols"))?.replace('@', "@@");
    let listed = package.lines().filter_map(|line| line.trim().split_once(' ')).map(|it| it.0);
    let listed: BTreeSet<_> = listed.filter(|it| it.starts_with("ezdfs_")).collect();
    assert!(!listed.is_empty() && listed.iter().all(|it| it.ends_with("@@EZDFS_0")));
    assert_eq!(shown, listed);
    Ok(())
}

fn sources() -> Vec<PathBuf> {
    let files = fs::read_dir(repository("tests/c"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut sources: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|e| e == "c")).collect();
    sources.sort();
    sources
}

fn forks(source: &Path) -> bool {
    fs::read_to_string(source).is_ok_and(|text| text.contains("fork()"))
}

fn compile_and_run(
    source: &Path,
    runner: &[&str],
    compiler: &[&str],
    link: Link,
    extra: &[&str],
) -> Result {
    let dir = scratch();
    let program = dir.path().join("program");
    compile(source, &program, compiler, link, extra)?;
    let work = dir.path().join("work");
    fs::create_dir(&work)?;
    if source.ends_with("purge.c") {
        soft_delete(dir.path(), &work)?;
    }
    let mut test = match runner {
        [tool, options @ ..] => {
            let mut command = Command::new(tool);
            command.args(options).arg(&program);
            command
        }
        [] => Command::new(&program),
    };
    test.arg(&work).arg(fixtures());
    if let Link::Shared = link {
        // By the name that the loader will look for on a user's machine, too.
        std::os::unix::fs::symlink(built("libezdfs.so"), dir.path().join("libezdfs.so.0"))?;
        test.env("LD_LIBRARY_PATH", dir.path());
    }
    run(&mut test)?;
    Ok(())
}

/// What only legacy does: a file that it has deleted, and one that it has not.
fn soft_delete(dir: &Path, work: &Path) -> Result {
    let file = dir.join("db.sqlite");
    fs::write(&file, "")?;
    let dsn = format!("sqlite:{}", file.display());
    let store = store(&dsn, work, &[("name_prefix", "")]);
    store.create_schema()?;
    for name in ["gone", "live"] {
        let id = id(&format!("var/site/storage/images/{name}.png"));
        store.create(&id, &mut &b"picture"[..], &CreateOptions::default())?;
    }
    let mark = "UPDATE ezdfsfile SET mtime = -mtime, expired = 1 WHERE name LIKE '%/gone.png'";
    db::sql(&dsn, mark)?;
    Ok(())
}

/// A program for trials of another kind; needs [`IN_C`].
pub(crate) fn compile_plain(source: &Path, program: &Path) -> Result {
    compile(source, program, C99, Link::Static, &[])
}

fn compile(source: &Path, program: &Path, compiler: &[&str], link: Link, extra: &[&str]) -> Result {
    let mut cc = Command::new(compiler[0]);
    cc.args(&compiler[1..]).args(STRICT).args(extra);
    cc.arg("-I").arg(repository("include")).arg("-I").arg(repository("tests/c"));
    cc.arg(source).arg("-o").arg(program);
    // After a source marked as C++ the compiler would take the library for C++, too.
    cc.args(["-x", "none"]);
    match link {
        Link::Static => cc.arg(built("libezdfs.a")).args(NATIVE),
        Link::Shared => cc.arg("-L").arg(built("")).arg("-lezdfs"),
    };
    run(&mut cc)?;
    Ok(())
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
