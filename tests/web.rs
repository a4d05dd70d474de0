//! What is the same whichever web server serves: a real nginx or Apache httpd with its module, on
//! real stores.

use crate::support::{Need, Trials};

mod database;
pub(crate) mod door;
mod freshness;
mod http;
pub(crate) mod load;
mod mount;
mod paths;
mod serving;
pub(crate) mod site;
mod templates;
mod types;

use door::Door;

pub(crate) fn register(trials: &mut Trials) {
    for door in Door::ALL {
        let of = |group: &str| format!("{}::{group}", door.name());
        let needs = door.needs();
        let and = |need| [&needs[..], &[need]].concat();
        database::register_mariadb(&mut trials.group(&of("database"), &and(Need::MARIADB)), door);
        database::register_postgres(&mut trials.group(&of("database"), &and(Need::POSTGRES)), door);
        freshness::register(&mut trials.group(&of("freshness"), &needs), door);
        http::register(&mut trials.group(&of("http"), &needs), door);
        mount::register(&mut trials.group(&of("mount"), &needs), door);
        mount::register_unreadable(&mut trials.group(&of("mount"), &and(Need::MARIADB)), door);
        paths::register(&mut trials.group(&of("paths"), &needs), door);
        serving::register(&mut trials.group(&of("serving"), &needs), door);
        templates::register(&mut trials.group(&of("templates"), &needs), door);
        types::register(&mut trials.group(&of("types"), &needs), door);
    }
}
