//! A real nginx with the module, on real stores.

use crate::support::{Need, Trials};

mod serving;
mod site;

pub(crate) fn register(trials: &mut Trials) {
    let needs = [Need::NGINX, Need::MODULE, Need::COMMAND];
    serving::register(&mut trials.group("nginx::serving", &needs));
}
