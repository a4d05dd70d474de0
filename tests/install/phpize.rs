//! The extension built as PIE builds it: the whole tree unpacked anywhere, `phpize` and what follows in
//! the folder that composer.json names.

use std::fs;
use std::process::Command;

use crate::support::process::{run, scratch};
use crate::support::{Need, Result, Trials, built};

use super::unpack;

pub(super) fn register(trials: &mut Trials) {
    let needs = [Need::Programs(&["phpize", "php-config", "php", "make", "cargo"])];
    let mut group = trials.group("install", &needs);
    group.add("phpize_builds_and_installs", |_| phpize());
}

fn phpize() -> Result {
    // Stays between runs, as all that is built.
    let place = built("test-phpize");
    let tree = place.join("ezdfs-ezdfs-0.1.0");
    unpack(&tree)?;
    let composer: serde_json::Value =
        serde_json::from_slice(&fs::read(tree.join("composer.json"))?)?;
    let folder = composer["php-ext"]["build-path"].as_str().ok_or("no build-path")?;
    let (folder, root) = (tree.join(folder), scratch());
    let prepare = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&folder).env("CARGO_TARGET_DIR", place.join("target"));
        // Compiled as fast as can be.
        command.env("CARGO_PROFILE_RELEASE_LTO", "false");
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
        command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        command
    };
    let step = |program: &str, arguments: &[&str]| run(&mut prepare(program, arguments));
    step("phpize", &[])?;
    step("./configure", &[])?;
    step("make", &[])?;
    // By another user, as by sudo: without a toolchain.
    let mut install =
        prepare("make", &["install", &format!("INSTALL_ROOT={}", root.path().display())]);
    install.env("HOME", root.path()).env_remove("CARGO_HOME").env_remove("RUSTUP_HOME");
    run(&mut install)?;

    let extensions = step("php-config", &["--extension-dir"])?;
    let installed = format!("{}{}/ezdfs.so", root.path().display(), extensions.trim());
    let loaded = step("php", &["-n", "-d", &format!("extension={installed}"), "--ri", "ezdfs"])?;
    assert!(loaded.contains(env!("CARGO_PKG_VERSION")), "{loaded}");
    Ok(())
}
