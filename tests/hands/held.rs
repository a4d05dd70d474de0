//! Commands that are held at a step. They are built with `failpoints`.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::command::Cli;
use crate::support::Result;
use crate::support::process::wait_for;

/// A command that stops at a step until it is let go on.
pub(super) struct Held {
    pub(super) child: Child,
    gate: PathBuf,
}

impl Held {
    pub(super) fn at(cli: &Cli, step: &str, mut command: Command) -> Result<Self> {
        let gate = cli.dir.path().join(format!("{step}.gate"));
        command.env("FAILPOINTS", format!("{step}=return(wait:{})", gate.display()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let held = Held { child: command.spawn()?, gate };
        let reached = held.gate.with_extension("gate.reached");
        wait_for("a command to stop", || reached.exists())?;
        Ok(held)
    }

    pub(super) fn release(self) -> Result<std::process::Output> {
        fs::write(&self.gate, "")?;
        Ok(self.child.wait_with_output()?)
    }
}

/// The same command with the steps of the tests.
pub(super) fn stepping(cli: &Cli, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ezdfs"));
    command.args(arguments).current_dir(cli.dir.path()).env_clear().stdin(Stdio::null());
    command.env("EZDFS_DSN", &cli.dsn).env("EZDFS_ROOT", cli.root());
    command
}
