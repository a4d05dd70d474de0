//! `ezdfs completion`

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, ValueEnum};
use clap_complete::Shell;

use super::{arguments, output};
use crate::error::Result;

pub(super) fn command() -> Command {
    let shells = [Shell::Bash, Shell::Zsh, Shell::Fish].map(|shell| shell.to_string());
    Command::new("completion").about("Print what completes this command line in a shell").arg(
        Arg::new("shell")
            .required(true)
            .value_name("SHELL")
            .value_parser(shells)
            .help("Whose words it is in: for bash, `source <(ezdfs completion bash)`"),
    )
}

pub(super) fn run(matches: &ArgMatches) -> Result<ExitCode> {
    let shell = matches.get_one::<String>("shell").and_then(|it| Shell::from_str(it, false).ok());
    let mut script = Vec::new();
    clap_complete::generate(
        shell.unwrap_or(Shell::Bash),
        &mut arguments::shown(),
        "ezdfs",
        &mut script,
    );
    output::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
