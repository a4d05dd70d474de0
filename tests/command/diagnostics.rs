//! What the command says on standard error, and in which form.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use super::{Cli, stderr};
use crate::support::Group;

pub(super) fn register(group: &mut Group<'_>) {
    group.add("errors_are_objects_where_results_are", |_| error_objects());
    group.add("quiet_and_verbose_choose_what_is_said", |_| levels());
    group.add("a_log_of_objects_has_nothing_else", |_| log_of_objects());
    group.add("stats_say_what_was_counted", |_| stats());
}

fn objects(output: &Output) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    stderr(output).lines().map(parse).collect()
}

fn error_objects() {
    let cli = Cli::new(None);
    for (arguments, code, kind, operation) in [
        (&["get", "images/missing"][..], 1, "not_found", "open"),
        (&["stat", "a/../b"], 2, "invalid_name", "id"),
        (&["ls", "--cache-ttl", "soon"], 2, "invalid_config", "option"),
        (&["ls", "--dsn", "mysql://u:hunter2@127.0.0.1:1/db"], 3, "unavailable", "connect"),
        (&["put", "images/x", "--root", "/nonexistent"], 3, "unavailable", "root"),
        (&["ls", "--table", "no_such_table"], 4, "schema", "table"),
        (&["frobnicate"], 2, "invalid_input", "parse"),
        (&["stat"], 2, "invalid_input", "parse"),
        (&["ls", "-q", "-v"], 2, "invalid_input", "parse"),
        (&["rm", "images/missing"], 1, "not_found", "delete"),
        (&["undelete", "images/missing"], 1, "not_found", "undelete"),
    ] {
        let output = cli.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        let [told] = &objects(&output)[..] else { panic!("{arguments:?}: {}", stderr(&output)) };
        let error = &told["error"];
        assert_eq!(
            (&error["kind"], &error["operation"]),
            (&json!(kind), &json!(operation)),
            "{told}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.contains("hunter2"), "{told}");
        assert_eq!(told.as_object().unwrap().len(), 1, "{told}");
        assert!(output.stdout.is_empty());
    }
    let output = cli.run(&["rm", "images/1", "images/2", "--json"]);
    assert_eq!(objects(&output).len(), 2, "{}", stderr(&output));
}

fn stats() {
    let cli = Cli::new(None);
    cli.text(&["put", "images/a", "/dev/null"]);
    let output = cli.run(&["get", "images/a", "-", "--stats"]);
    let told = stderr(&output);
    let counted = "ezdfs_lookups_total{store=\"ezdfsfile\",source=\"database\"} 1\n";
    assert!(output.status.success() && told.contains(counted), "{told}");
    assert!(!told.contains("ezdfs_writes_total") && !told.contains("_bucket"), "{told}");
    // What fails is counted as well.
    let told = stderr(&cli.run(&["get", "images/missing", "-", "--stats", "--log-format=json"]));
    assert!(told.contains("outcome=\\\"not_found\\\"} 1"), "{told}");
}

/// A file whose length is not that of its row, which readers are warned of.
fn with_warning() -> Cli {
    let cli = Cli::new(None);
    cli.text(&["put", "images/a", "/dev/null"]);
    fs::write(cli.root().join("images/a"), b"longer").unwrap();
    cli
}

fn levels() {
    let cli = with_warning();
    let said = |flags: &[&str]| {
        let output = cli.run(&[&["get", "images/a"], flags].concat());
        assert_eq!(output.stdout, b"longer");
        stderr(&output)
    };
    let usual = said(&[]);
    assert!(usual.contains("its row says 0") && usual.lines().count() == 1, "{usual}");
    assert_eq!(said(&["-q"]), "");
    assert_eq!(said(&["--quiet"]), "");
    let verbose = said(&["-v"]);
    assert!(verbose.contains(&usual) && verbose.contains("debug: connected to "), "{verbose}");
    assert!(!verbose.contains("trace: "), "{verbose}");
    for flags in [&["-vv"][..], &["-v", "--verbose"]] {
        let traced = said(flags);
        assert!(traced.contains("trace: asks the database: SELECT"), "{traced}");
    }
    let error = cli.run(&["get", "images/missing", "-q"]);
    assert!(stderr(&error).contains("images/missing"), "{}", stderr(&error));
}

fn log_of_objects() {
    let cli = with_warning();
    let output = cli.run(&["get", "images/a", "-vv", "--log-format", "json"]);
    assert_eq!(output.stdout, b"longer");
    let lines = objects(&output);
    for line in &lines {
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
    }
    let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    for level in ["info", "debug", "trace", "warn"] {
        assert!(levels.contains(&level), "{level}: {levels:?}");
    }
    let output = cli.run(&["get", "images/missing", "--log-format", "json"]);
    let [told] = &objects(&output)[..] else { panic!("{}", stderr(&output)) };
    assert_eq!((&told["level"], &told["error"]["kind"]), (&json!("error"), &json!("not_found")));
    assert_eq!(cli.code(&["ls", "--log-format", "xml"]), 2);
    for format in [&["--log-format", "json"][..], &["--log-format=json"]] {
        let output = cli.run(&[&["frobnicate"], format].concat());
        let [told] = &objects(&output)[..] else { panic!("{}", stderr(&output)) };
        assert_eq!(
            (&told["level"], &told["error"]["operation"]),
            (&json!("error"), &json!("parse"))
        );
    }
}
