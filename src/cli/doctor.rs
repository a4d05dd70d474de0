//! `ezdfs doctor`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, Command, value_parser};
use serde_json::{Value, json};

use super::commands::Arguments;
use super::diagnostics::{inform, tell};
use super::{output, secrets};
use crate::error::{ErrorKind, Result};
use crate::maintenance::doctor::{
    Diagnosis, DoctorOptions, Finding, Severity, Task, Unchecked, examine,
};
use crate::store::Store;

const ABOUT: &str = "\
Tries what the task needs and changes nothing: statements in transactions that are rolled back,
calls on files of its own. Run it as the user, on the node and in the sandbox that are in question.
Says nothing where all is well (-v: what was not checked, and why); takes ten seconds at most.

Exit code 0: nothing was found; 7: something was; 3: nothing, but a check could not be made.";

pub(super) fn command() -> Command {
    let path = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
    };
    Command::new("doctor")
        .about("Find what is set up wrong: what it costs, and what to change")
        .after_help(ABOUT)
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("TASK")
                .value_parser(Task::ALL.map(Task::name))
                .help("What the store is to do here; all by default, or nginx where the user may not write"),
        )
        .arg(
            Arg::new("processes")
                .long("processes")
                .value_name("NUMBER")
                .value_parser(value_parser!(u64).range(1..))
                .help(
                    "Processes of all nodes that open connections; by default those of nginx and \
                     PHP-FPM that run on this machine",
                ),
        )
        .arg(path("nginx-module", "The module whose version to look at; searched for by default"))
        .arg(path("php-extension", "The extension whose version to look at; searched for by default"))
}

pub(super) fn run(store: &Store, arguments: &Arguments<'_>) -> Result<ExitCode> {
    let task = arguments.text("for");
    let path = |name| arguments.matches.get_one::<PathBuf>(name).cloned();
    let options = DoctorOptions {
        task: Task::ALL.into_iter().find(|it| Some(it.name()) == task),
        processes: arguments.matches.get_one("processes").copied(),
        nginx_module: path("nginx-module"),
        php_extension: path("php-extension"),
    };
    let diagnosis = examine(store, &options)?;
    match arguments.flag("json") {
        true => output::json(&object(&diagnosis))?,
        false => print(&diagnosis)?,
    }
    let has_failed = diagnosis.unchecked.iter().any(|it| it.has_failed);
    Ok(match (diagnosis.findings.is_empty(), has_failed) {
        (false, _) => ExitCode::from(output::FOUND),
        (true, true) => ExitCode::from(ErrorKind::Unavailable.exit_code()),
        (true, false) => ExitCode::SUCCESS,
    })
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn object(diagnosis: &Diagnosis) -> Value {
    let findings = diagnosis.findings.iter().map(|finding| {
        json!({
            "severity": word(finding.severity), "check": finding.check,
            "what": secrets::hide(&finding.what), "cost": finding.cost,
            "remedy": secrets::hide(&finding.remedy),
        })
    });
    let unchecked = diagnosis.unchecked.iter().map(|it| {
        json!({
            "check": it.check, "reason": secrets::hide(&it.reason), "failed": it.has_failed,
        })
    });
    json!({
        "for": diagnosis.tasks.iter().map(|task| task.name()).collect::<Vec<_>>(),
        "sound": diagnosis.findings.is_empty(),
        "findings": findings.collect::<Vec<_>>(),
        "checked": diagnosis.checked,
        "not_checked": unchecked.collect::<Vec<_>>(),
    })
}

/// What a script would look for comes first in its line.
fn print(diagnosis: &Diagnosis) -> Result<()> {
    for finding in &diagnosis.findings {
        print_finding(finding)?;
    }
    // Many have one reason where something hangs.
    let mut reasons: Vec<(&Unchecked, Vec<&str>)> = Vec::new();
    for it in &diagnosis.unchecked {
        match reasons.iter_mut().find(|(first, _)| first.reason == it.reason) {
            Some((_, checks)) => checks.push(it.check),
            None => reasons.push((it, vec![it.check])),
        }
    }
    for (Unchecked { reason, has_failed, .. }, checks) in reasons {
        let text = format!("not checked: {}: {reason}", checks.join(", "));
        if *has_failed { tell(&text) } else { inform(&text) }
    }
    Ok(())
}

fn print_finding(finding: &Finding) -> Result<()> {
    let Finding { severity, check, what, cost, remedy } = finding;
    let line = |label: &str, text: &str| {
        output::line(&format!("{label:<9}{}", output::printable(&secrets::hide(text))))
    };
    line(word(*severity), &format!("{check}: {what}"))?;
    line("  costs", cost)?;
    line("  change", remedy)
}
