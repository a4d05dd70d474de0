//! What is httpd's own of its module: configuration, processes, its other modules, redirects. What
//! it has in common with nginx is in `web`.

use crate::support::{Need, Trials};

mod config;
mod features;
mod memory;
mod processes;
mod redirects;

pub(crate) fn register(trials: &mut Trials) {
    let needs = [Need::APACHE, Need::APACHE_MODULE];
    let and = |need| [&needs[..], &[need]].concat();
    config::register(&mut trials.group("apache::config", &needs));
    features::register(&mut trials.group("apache::features", &needs));
    let clients = Need::Programs(&["curl", "openssl"]);
    features::register_http2(&mut trials.group("apache::features", &and(clients)));
    let checkers = Need::Programs(&["valgrind", "gcc"]);
    memory::register(&mut trials.group("apache::memory", &and(checkers)));
    processes::register(&mut trials.group("apache::processes", &and(Need::MARIADB)));
    redirects::register(&mut trials.group("apache::redirects", &needs));
}
