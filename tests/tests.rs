//! Every integration test, in one program.
//!
//! `cargo test` runs what the machine allows; `make test` installs and builds first what is missing.

use std::process::{Command, ExitCode};

use libtest_mimic::Arguments;

mod agent;
mod apache;
mod bundle;
mod c_programs;
mod caches;
mod cluster;
mod command;
mod connect;
mod copy;
#[cfg(feature = "failpoints")]
mod crash;
mod database;
mod demo;
mod feed;
mod fsck;
mod galera;
mod hands;
mod harness;
mod install;
mod kill;
mod model;
mod moving;
mod nfs_client;
mod nginx;
mod php;
mod php_fpm;
mod prometheus;
mod purge;
#[cfg(feature = "failpoints")]
mod races;
#[cfg(feature = "failpoints")]
mod replies;
mod safe;
mod sandbox;
mod stats;
mod store;
#[allow(dead_code, unreachable_pub, reason = "not every trial needs every part")]
mod support;
mod units;
mod web;

use support::{Trials, nfs_client as client, process};

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| first == client::PROGRAM) {
        return client::program::main(std::env::args().skip(2));
    }
    if std::env::args().nth(1).is_some_and(|first| first == cluster::DEMO) {
        return cluster::demo_main();
    }
    if let Some(code) = kill::helper::run() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Trials wait for servers as much as they compute.
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.test_threads = arguments.test_threads.or(Some(processors * 3 / 2));
    let mut trials = Trials::default();
    harness::register(&mut trials);
    // It compiles for minutes: at the end of a run all others would wait for it.
    install::register(&mut trials);
    c_programs::register(&mut trials);
    caches::register(&mut trials);
    stats::register(&mut trials);
    store::register(&mut trials);
    command::register(&mut trials);
    agent::register(&mut trials);
    cluster::register(&mut trials);
    apache::register(&mut trials);
    #[cfg(feature = "failpoints")]
    crash::register(&mut trials);
    database::register(&mut trials);
    kill::register(&mut trials);
    model::register(&mut trials);
    moving::register(&mut trials);
    nginx::register(&mut trials);
    web::register(&mut trials);
    nfs_client::register(&mut trials);
    feed::register(&mut trials);
    fsck::register(&mut trials);
    galera::register(&mut trials);
    hands::register(&mut trials);
    php::register(&mut trials);
    php_fpm::register(&mut trials);
    prometheus::register(&mut trials);
    purge::register(&mut trials);
    #[cfg(feature = "failpoints")]
    races::register(&mut trials);
    #[cfg(feature = "failpoints")]
    replies::register(&mut trials);
    safe::register(&mut trials);
    sandbox::register(&mut trials);
    connect::register(&mut trials);
    copy::register(&mut trials);
    bundle::register(&mut trials);
    demo::register(&mut trials);
    units::register(&mut trials);

    let (servers, trials, unmet) = trials.into_parts();
    if !arguments.list {
        process::remove_dead_run_dirs();
        for reason in unmet {
            eprintln!("cannot run: {reason}");
        }
        warn_of_stale_build();
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    servers.stop();
    process::remove_run_dir();
    match support::faults::conclude(&arguments, &conclusion) {
        Err(error) if !arguments.list => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        _ => conclusion.exit_code(),
    }
}

/// Some trials run what `make build` left in `build/`; say so when the sources have moved on.
fn warn_of_stale_build() {
    if !support::built("libezdfs.a").exists() {
        return;
    }
    let mut make = Command::new("make");
    make.args(["--question", "--silent", "build"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if make.output().is_ok_and(|output| output.status.code() == Some(1)) {
        eprintln!(
            "build/ is older than its sources: trials of the module and of C use it as it is"
        );
    }
}
