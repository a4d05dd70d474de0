//! A real nginx with the module, on real stores.

use crate::support::{Need, Trials};
use crate::web::site;

mod clients;
mod config;
mod database;
mod features;
mod kept;
mod lifecycle;
mod metrics;
mod mount;
mod prefixes;
mod redirects;
mod renamed;
mod serving;
mod threads;

pub(crate) fn register(trials: &mut Trials) {
    let needs = [Need::NGINX, Need::MODULE];
    let and = |need| [&needs[..], &[need]].concat();
    clients::register(&mut trials.group("nginx::clients", &needs));
    clients::register_mariadb(&mut trials.group("nginx::clients", &and(Need::MARIADB)));
    threads::register(&mut trials.group("nginx::threads", &[Need::NGINX]));
    config::register(&mut trials.group("nginx::config", &needs));
    database::register_mariadb(&mut trials.group("nginx::database", &and(Need::MARIADB)));
    features::register(&mut trials.group("nginx::features", &needs));
    let clients = Need::Programs(&["curl", "openssl"]);
    features::register_http2(&mut trials.group("nginx::features", &and(clients)));
    kept::register(&mut trials.group("nginx::kept", &needs));
    lifecycle::register(&mut trials.group("nginx::lifecycle", &needs));
    lifecycle::register_mariadb(&mut trials.group("nginx::lifecycle", &and(Need::MARIADB)));
    metrics::register(&mut trials.group("nginx::metrics", &needs));
    let promtool = Need::Programs(&["promtool"]);
    metrics::register_promtool(&mut trials.group("nginx::metrics", &and(promtool)));
    mount::register(&mut trials.group("nginx::mount", &needs));
    prefixes::register(&mut trials.group("nginx::prefixes", &needs));
    redirects::register(&mut trials.group("nginx::redirects", &needs));
    renamed::register(&mut trials.group("nginx::renamed", &needs));
    serving::register(&mut trials.group("nginx::serving", &and(Need::COMMAND)));
}
