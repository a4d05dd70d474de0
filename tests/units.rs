//! The units of systemd, as far as they can be looked at where it is not running.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::process::scratch;
use crate::support::{Need, Trials, built};

pub(crate) fn register(trials: &mut Trials) {
    let needs = [Need::COMMAND, Need::Programs(&["systemd-analyze"])];
    let mut group = trials.group("units", &needs);
    group.add("systemd_understands_them", |_| understood());
    group.add("they_are_hardened", |_| hardened());
    group.add("their_commands_are_the_commands_own", |_| commands());
}

/// Where the command was installed for which they are written.
const INSTALLED: &str = "/usr/local/bin/ezdfs";

/// Copies that start the command which was built.
fn units() -> (TempDir, Vec<PathBuf>) {
    let dir = scratch();
    let sources = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/systemd")).unwrap();
    let copies = sources.map(|source| {
        let source = source.unwrap();
        let copy = dir.path().join(source.file_name());
        let text = fs::read_to_string(source.path()).unwrap();
        fs::write(&copy, text.replace(INSTALLED, built("ezdfs").to_str().unwrap())).unwrap();
        copy
    });
    let copies = copies.collect();
    (dir, copies)
}

fn services(units: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    units.iter().filter(|unit| unit.extension().is_some_and(|it| it == "service"))
}

fn told(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    texts.concat()
}

fn understood() {
    let (_dir, units) = units();
    assert_eq!(units.len(), 5, "{units:?}");
    for unit in units {
        let instance = unit.to_str().unwrap().replace('@', "@mnt-nfs");
        let mut analyze = Command::new("systemd-analyze");
        let output = analyze.args(["verify", "--man=no", &instance]).output().unwrap();
        assert!(output.status.success() && told(&output).is_empty(), "{}", told(&output));
    }
}

fn hardened() {
    let (_dir, units) = units();
    for unit in services(&units) {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold=29"]).arg(unit);
        let output = analyze.output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    }
}

/// What a unit starts is told to nobody until the night: an option that is none, say.
fn commands() {
    let (_dir, units) = units();
    let mut count = 0;
    for unit in services(&units) {
        let text = fs::read_to_string(unit).unwrap();
        for command in text.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            // A shell makes words of a variable as systemd does, and none of one that is not set.
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("exec {command}")]);
            let output = shell.env_clear().env("EZDFS_CONFIG", "/none.toml").output().unwrap();
            // It comes as far as its configuration.
            assert!(told(&output).contains("/none.toml"), "{command}: {}", told(&output));
            count += 1;
        }
    }
    assert_eq!(count, 4);
}
