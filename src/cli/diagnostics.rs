//! All that goes to standard error: why something failed, what the library warns of while it
//! goes on, such as a file that it had to leave behind, and what is told besides.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::SystemTime;

use clap::{Arg, ArgAction, ArgMatches};
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::{Map, Value, json};

use super::secrets;
use crate::error::{Error, ErrorKind, Result};
use crate::stats;
use crate::store::Store;

/// In which form things are told.
#[derive(Debug, Clone, Copy, Default)]
struct Form {
    /// Errors are objects.
    error_objects: bool,
    /// Everything is.
    objects: bool,
}

static FORM: OnceLock<Form> = OnceLock::new();

/// What the command line says of it.
pub(super) fn arguments() -> [Arg; 4] {
    [
        Arg::new("verbose")
            .long("verbose")
            .short('v')
            .action(ArgAction::Count)
            .global(true)
            .help("Say what is done: which file options are read from, connections; -vv: statements, too"),
        Arg::new("quiet")
            .long("quiet")
            .short('q')
            .action(ArgAction::SetTrue)
            .global(true)
            .conflicts_with("verbose")
            .help("Say nothing but results and errors"),
        Arg::new("stats")
            .long("stats")
            .action(ArgAction::SetTrue)
            .global(true)
            .help("At the end, say what was counted: look-ups, queries, calls on the mount, and their time"),
        Arg::new("log-format")
            .long("log-format")
            .value_name("FORMAT")
            .value_parser(["text", "json"])
            .default_value("text")
            .global(true)
            .help("How everything on standard error is written; with --json, errors are objects anyway"),
    ]
}

/// To be called before anything else is told.
pub(super) fn start() {
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// To be called when the command line is known.
pub(super) fn choose(matches: &ArgMatches) {
    let objects = matches.get_one::<String>("log-format").is_some_and(|format| format == "json");
    FORM.get_or_init(|| Form { error_objects: objects || matches.get_flag("json"), objects });
    log::set_max_level(match (matches.get_flag("quiet"), matches.get_count("verbose")) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    });
}

/// For a command line that is not understood: what can be told of it.
pub(super) fn choose_by_words(words: &[String]) {
    let objects = words.iter().any(|word| word == "--log-format=json")
        || words.windows(2).any(|pair| pair == ["--log-format", "json"]);
    let error_objects = objects || words.iter().any(|word| word == "--json");
    FORM.get_or_init(|| Form { error_objects, objects });
}

/// Whether progress may be shown.
pub(super) fn allows_progress() -> bool {
    log::max_level() >= LevelFilter::Warn && !form().objects
}

pub(super) fn wants_error_objects() -> bool {
    form().error_objects
}

/// Why something failed.
pub(super) fn report(error: &Error) {
    complain(error.kind(), error.operation(), &format!("{error:#}"));
}

/// The same of what is known as a text.
pub(super) fn complain(kind: ErrorKind, operation: &str, message: &str) {
    match form().error_objects {
        true => {
            let mut object = if form().objects { head(Level::Error) } else { Map::new() };
            object.insert("error".to_owned(), error_of(kind, operation, message));
            write(&Value::Object(object).to_string());
        }
        false => write(&text(Level::Error, message)),
    }
}

/// An error in JSON, in the words of the exit codes.
pub(super) fn error_object(error: &Error) -> Value {
    json!({ "error": error_of(error.kind(), error.operation(), &format!("{error:#}")) })
}

/// What was found out in JSON, or why it was not.
pub(super) fn result_object<T>(outcome: &Result<T>, show: impl FnOnce(&T) -> Value) -> Value {
    outcome.as_ref().map_or_else(error_object, show)
}

fn error_of(kind: ErrorKind, operation: &str, message: &str) -> Value {
    json!({ "kind": kind.name(), "message": secrets::hide(message), "operation": operation })
}

/// Tells what whoever runs the command has to know.
pub(super) fn tell(message: &str) {
    say(Level::Warn, message);
}

/// Tells what a store has counted, as Prometheus has it.
pub(super) fn tell_stats(store: &Store) {
    let Ok(snapshot) = store.stats() else { return };
    stats::summary(Some(&store.options().table), &snapshot).iter().for_each(|line| tell(line));
}

/// Tells what is worth knowing for who asks.
pub(super) fn inform(message: &str) {
    say(Level::Info, message);
}

fn say(level: Level, message: &str) {
    if level > log::max_level() {
        return;
    }
    if !form().objects {
        return write(&text(level, message));
    }
    let mut object = head(level);
    object.insert("message".to_owned(), json!(secrets::hide(message)));
    write(&Value::Object(object).to_string());
}

fn form() -> Form {
    FORM.get().copied().unwrap_or_default()
}

fn head(level: Level) -> Map<String, Value> {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let level = level.as_str().to_lowercase();
    [("time".to_owned(), json!(time)), ("level".to_owned(), json!(level))].into_iter().collect()
}

fn text(level: Level, message: &str) -> String {
    let message = secrets::hide(message);
    match level {
        Level::Debug => format!("ezdfs: debug: {message}"),
        Level::Trace => format!("ezdfs: trace: {message}"),
        Level::Error | Level::Warn | Level::Info => format!("ezdfs: {message}"),
    }
}

fn write(line: &str) {
    // Nobody may be listening any more; that is no reason to end in the middle.
    let _ = writeln!(io::stderr(), "{line}");
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && metadata.target().starts_with("ezdfs")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            say(record.level(), message.strip_prefix("ezdfs: ").unwrap_or(&message));
        }
    }

    fn flush(&self) {}
}
