//! What a person sees of a cluster: Debian's Chromium, led by Playwright.

use std::fs;
use std::process::Command;

use super::{Cluster, trials};
use crate::support::process::{free_port, program, run, scratch};
use crate::support::{Need, Result, Trials, built, fixtures};

/// Where `make test-cluster` puts what npm fetches.
const PLAYWRIGHT: &str = "tools/playwright/node_modules";

/// Two pictures, of which the second one takes the place of the first.
const PICTURES: [&str; 2] = [
    "var/site/storage/images/4/3/0/7/7034-1-eng-GB/harbour.jpg",
    "var/site/storage/images/0/9/0/7/7090-1-eng-GB/orbit.gif",
];

pub(super) fn register(trials: &mut Trials) {
    let besides = [Need::Programs(&["node", "chromium"]), Need::Built(PLAYWRIGHT)];
    let mut group = trials.group("cluster", &[trials::NEEDS, &besides].concat());
    group.add("a_browser_sees_what_was_replaced_on_the_other_node", |_| browse());
}

fn browse() -> Result {
    let cluster = Cluster::start()?;
    let site = cluster.relay(free_port())?;
    let nodes = [cluster.relay_to_node(0, free_port())?, cluster.relay_to_node(1, free_port())?];
    let addresses =
        [&site, &nodes[0], &nodes[1]].map(|at| format!("http://127.0.0.1:{}/", at.port));
    let dir = scratch();
    let mut command = Command::new(program("node").ok_or("Node.js is not installed")?);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/browser.mjs"));
    command.args(addresses);
    for (number, picture) in PICTURES.iter().enumerate() {
        let place = dir.path().join(number.to_string());
        fs::create_dir(&place)?;
        fs::copy(fixtures().join(picture), place.join("picture"))?;
        command.arg(place.join("picture"));
    }
    command.env("PLAYWRIGHT", built(PLAYWRIGHT)).env("TMPDIR", dir.path());
    command.env("CHROMIUM", program("chromium").ok_or("Chromium is not installed")?);
    run(&mut command).map_err(|error| format!("{error}\n{}", cluster.logs()))?;
    Ok(())
}
