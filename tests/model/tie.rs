//! The steps of the model are the steps of the code: what the command writes down as it takes them
//! is what the model's processes take when they are alone.

use std::fs;
use std::process::{Command, Stdio};

use stateright::Model;

use super::protocol::{At, Before, State, Step, fault_points};
use super::{Action, Protocol, Role};
use crate::store::{PREFIX, Site};
use crate::support::Trials;

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("model", &[]);
    group.per_database("its_steps_are_those_of_the_code", |db| same_steps(&Site::new(db)));
}

/// The named steps of one process alone; the step that is to fail, if any, does.
fn of_the_model(role: Role, there_before: bool, fails: Option<Step>) -> Vec<&'static str> {
    let model = Protocol { roles: vec![role], ..Protocol::new(None) };
    let before = if there_before { Before::File } else { Before::Nothing };
    let mut state = State::new(before, 1);
    let mut names = Vec::new();
    while !matches!(state.processes[0].at, At::Ended(_)) {
        let step = model.next(&state, 0).expect("a step");
        let action = if fails == Some(step) {
            Action::Fail(0, step)
        } else {
            names.extend(fault_points(step));
            Action::Step(0, step)
        };
        state = model.next_state(&state, action).expect("a state");
    }
    names
}

fn of_the_code(site: &Site, arguments: &[&str], failpoints: &str) -> Vec<String> {
    let log = site.root().with_extension("steps");
    fs::write(&log, "").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_ezdfs"))
        .args(arguments)
        .env_clear()
        .env("EZDFS_DSN", &site.db.dsn)
        .env("EZDFS_ROOT", site.root())
        .env("EZDFS_NAME_PREFIX", PREFIX)
        .env("FAILPOINTS_LOG", &log)
        .env("FAILPOINTS", failpoints)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.success(), failpoints.is_empty(), "{arguments:?}");
    fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
}

fn same_steps(site: &Site) {
    let put = ["put", "images/a", "/dev/null"];
    let (writer, deleter) = (Role::Writer, Role::Deleter);
    assert_eq!(of_the_code(site, &put, ""), of_the_model(writer, false, None));
    assert_eq!(of_the_code(site, &put, ""), of_the_model(writer, true, None));
    // Another time, so that the row is another one.
    let later = ["put", "--mtime", "1500000000", "images/a", "/dev/null"];
    assert_eq!(
        of_the_code(site, &later, "published=return(error)"),
        of_the_model(writer, true, Some(Step::Commit))
    );
    let remove = ["rm", "images/a"];
    assert_eq!(of_the_code(site, &remove, ""), of_the_model(deleter, true, None));
}
