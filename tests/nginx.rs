//! A real nginx with the module, on real stores.

use crate::support::{Need, Trials};

mod config;
mod features;
mod freshness;
mod http;
mod paths;
mod redirects;
mod serving;
mod site;
mod types;

pub(crate) fn register(trials: &mut Trials) {
    let needs = [Need::NGINX, Need::MODULE, Need::COMMAND];
    config::register(&mut trials.group("nginx::config", &needs));
    features::register(&mut trials.group("nginx::features", &needs));
    let curl = [&needs[..], &[Need::Programs(&["curl", "openssl"])]].concat();
    features::register_http2(&mut trials.group("nginx::features", &curl));
    freshness::register(&mut trials.group("nginx::freshness", &needs));
    http::register(&mut trials.group("nginx::http", &needs));
    paths::register(&mut trials.group("nginx::paths", &needs));
    redirects::register(&mut trials.group("nginx::redirects", &needs));
    serving::register(&mut trials.group("nginx::serving", &needs));
    types::register(&mut trials.group("nginx::types", &needs));
}
