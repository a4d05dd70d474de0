//! A real nginx with the module, on real stores.

use crate::support::{Need, Trials};

mod config;
mod freshness;
mod http;
mod paths;
mod serving;
mod site;
mod types;

pub(crate) fn register(trials: &mut Trials) {
    let needs = [Need::NGINX, Need::MODULE, Need::COMMAND];
    config::register(&mut trials.group("nginx::config", &needs));
    freshness::register(&mut trials.group("nginx::freshness", &needs));
    http::register(&mut trials.group("nginx::http", &needs));
    paths::register(&mut trials.group("nginx::paths", &needs));
    serving::register(&mut trials.group("nginx::serving", &needs));
    types::register(&mut trials.group("nginx::types", &needs));
}
