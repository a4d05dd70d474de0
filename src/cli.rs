//! The `ezdfs` command. Results go to standard output, as JSON lines with
//! `--json`; everything else to standard error.

mod arguments;
mod commands;
mod fsck;
mod import;
mod output;
mod purge;
mod remove;
mod restore;
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
        Err(error) => {
            let _ = error.print();
            return match error.kind() {
                Usage::DisplayHelp | Usage::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(2),
            };
        }
    };
    match settings::store(&matches).and_then(|store| commands::run(&store, &matches)) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn report(error: &Error) {
    tell(&format!("{error:#}"));
}

/// Says something on standard error.
fn tell(message: &str) {
    eprintln!("ezdfs: {message}");
}
