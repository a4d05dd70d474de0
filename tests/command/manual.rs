//! What a person reads: manual pages.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use ezdfs::config::VOCABULARY;

use super::stderr;
use crate::support::process::scratch;
use crate::support::{Need, Trials, built};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("command", &[Need::COMMAND, Need::Programs(&["groff"])]);
    group.add("manual_pages_are_as_the_help", |_| pages());
    group.add("the_modules_page_has_all_of_it", |_| module());
}

/// Without any option of a store.
pub(super) fn run(arguments: &[&str]) -> Output {
    let output = Command::new(built("ezdfs")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    output
}

/// As the help lists them.
pub(super) fn subcommands() -> Vec<String> {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let is_one = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names = list.lines().filter(is_one).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// What a terminal shows of a page, which has no fault that the formatter knows of.
#[track_caller]
fn shown(page: &Path) -> String {
    let options = ["-man", "-Tutf8", "-Kutf8", "-ww", "-P-cbou"];
    let output = Command::new("groff").args(options).arg(page).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{page:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn pages() {
    let dir = scratch();
    run(&["manual", dir.path().to_str().unwrap()]);
    let found = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let pages: HashMap<_, _> = found
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), shown(&path)))
        .collect();
    let whole = &pages["ezdfs.1"];
    for name in subcommands() {
        let page = &pages[&format!("ezdfs-{name}.1")];
        assert!(
            page.contains(&format!("NAME\n       ezdfs-{name} ")) && page.contains("SEE ALSO"),
            "{page}"
        );
        // What every command takes stands once.
        assert!(
            !page.contains("--cache-ttl") && whole.contains(&format!("ezdfs-{name}(1)")),
            "{page}"
        );
    }
    assert!(pages.contains_key("ezdfs-replica-status.1") && !pages.contains_key("ezdfs-manual.1"));
    for spec in VOCABULARY {
        let option = format!("--{}", spec.key.replace('_', "-"));
        assert!(whole.contains(&option) && pages["ezdfs.toml.5"].contains(spec.key), "{option}");
    }
    // A table is none where its lines are run together.
    let fsck = &pages["ezdfs-fsck.1"];
    let is_row = |line: &str| line.trim() == "orphan-file            the file goes to the trash";
    assert!(fsck.lines().any(is_row), "{fsck}");
}

/// What the module has is registered under these names.
fn names_in(source: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx-module").join(source);
    let text = fs::read_to_string(path).unwrap();
    let entries = text.split("{ ngx_string(\"").skip(1);
    entries.filter_map(|entry| Some(entry.split_once('"')?.0.to_owned())).collect()
}

fn module() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/nginx-module/ngx_http_ezdfs_module.7");
    let page = shown(Path::new(source));
    let directives = names_in("ngx_http_ezdfs_conf.c");
    let variables = names_in("ngx_http_ezdfs_variables.c");
    assert_eq!((directives.len(), variables.len()), (5, 5), "{directives:?} {variables:?}");
    for directive in directives {
        let begins = |end| page.contains(&format!("\n       {directive}{end}"));
        assert!(begins(' ') || begins(';'), "{directive}: {page}");
    }
    for variable in variables {
        assert!(page.contains(&format!("\n       ${variable}\n")), "{variable}: {page}");
    }
}
