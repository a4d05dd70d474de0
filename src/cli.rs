//! The `ezdfs` command. Results go to standard output, as JSON lines with
//! `--json`; everything else to standard error.

mod arguments;
mod commands;
mod fsck;
mod import;
mod output;
mod printer;
mod purge;
mod remove;
mod restore;
mod secrets;
mod settings;

use std::process::ExitCode;

use clap::error::ErrorKind as Usage;

use crate::error::Error;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let matches = match arguments::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    match settings::store(&matches).and_then(|store| commands::run(&store, &matches)) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::from(error.kind().exit_code())
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
    if is_help || shown == plain {
        // In colour, where there is a terminal.
        let _ = error.print();
    } else {
        eprint!("{shown}");
    }
    code
}

fn report(error: &Error) {
    tell(&format!("{error:#}"));
}

/// Says something on standard error; everything said there comes through here.
fn tell(message: &str) {
    eprintln!("ezdfs: {}", secrets::hide(message));
}
