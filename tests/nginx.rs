//! A real nginx with the module, on real stores.

use crate::support::{Need, Trials};

mod http;
mod paths;
mod serving;
mod site;
mod types;

pub(crate) fn register(trials: &mut Trials) {
    let needs = [Need::NGINX, Need::MODULE, Need::COMMAND];
    serving::register(&mut trials.group("nginx::serving", &needs));
    http::register(&mut trials.group("nginx::http", &needs));
    paths::register(&mut trials.group("nginx::paths", &needs));
    types::register(&mut trials.group("nginx::types", &needs));
}
