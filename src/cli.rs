//! The `ezdfs` command. Results go to standard output, as JSON lines with
//! `--json`; everything else to standard error.

mod agent;
mod arguments;
mod commands;
mod completion;
mod copy;
mod diagnostics;
mod doctor;
mod fsck;
mod get;
mod import;
mod info;
mod inherited;
mod manual;
mod metrics;
mod output;
mod printer;
mod progress;
mod purge;
mod remove;
mod rename_prefix;
mod rename_table;
mod replica;
mod restore;
mod schema;
mod secrets;
mod settings;
mod sides;
mod status;
mod undelete;
mod usage;

use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind as Usage;

use crate::error::{Error, ErrorKind};
use crate::runtime;

pub use inherited::Inherited;

/// Runs the command line of this process.
pub fn run(inherited: Inherited) -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    inherited.note();
    diagnostics::start();
    let matches = match arguments::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    diagnostics::choose(&matches);
    let outcome = match matches.subcommand() {
        Some(("completion", matches)) => completion::run(matches),
        Some(("manual", matches)) => manual::run(matches),
        Some(("copy", matches)) => copy::run(matches),
        Some(("check", matches)) => copy::run_check(matches),
        _ => settings::store(&matches).and_then(|store| {
            let outcome = commands::run(&store, &matches);
            if matches.get_flag("stats") {
                diagnostics::tell_stats(&store);
            }
            outcome
        }),
    };
    let code = outcome.unwrap_or_else(|error| fail(&error));
    end_what_is_due();
    code
}

/// Waits for what hangs on the mount while it keeps rows locked: this process
/// has the locks, and nobody else could end it. Ctrl-C ends the waiting.
fn end_what_is_due() {
    const LOOK_AGAIN: Duration = Duration::from_millis(100);
    let was_interrupted = output::is_interrupted();
    for what in runtime::ends_due() {
        diagnostics::tell(&format!(
            "waits until the mount has answered, the row stays locked: {what}"
        ));
    }
    while !runtime::wait_for_ends(LOOK_AGAIN) {
        // The second Ctrl-C ends the process by itself.
        if !was_interrupted && output::is_interrupted() {
            return;
        }
    }
}

/// Prints what is wrong with the command line, or the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let (is_help, code) = match error.kind() {
        Usage::DisplayHelp | Usage::DisplayVersion => (true, ExitCode::SUCCESS),
        Usage::DisplayHelpOnMissingArgumentOrSubcommand => (true, ExitCode::from(2)),
        _ => (false, ExitCode::from(2)),
    };
    let plain = error.render().to_string();
    let shown = secrets::hide_from_usage(&plain);
    let words = std::env::args_os().filter_map(|word| word.into_string().ok());
    diagnostics::choose_by_words(&words.collect::<Vec<_>>());
    if !is_help && diagnostics::wants_error_objects() {
        let message = shown.strip_prefix("error: ").unwrap_or(&shown).trim_end();
        diagnostics::complain(ErrorKind::InvalidInput, "parse", message);
        return code;
    }
    if !is_help && shown != plain {
        eprint!("{shown}");
        return code;
    }
    // In colour, where there is a terminal. Nobody may be listening to a complaint.
    let printed = output::help(error);
    match printed.err().filter(|_| !error.use_stderr()) {
        Some(error) => fail(&error),
        None => code,
    }
}

fn fail(error: &Error) -> ExitCode {
    diagnostics::report(error);
    ExitCode::from(error.kind().exit_code())
}
