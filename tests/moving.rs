//! Other names: of the metadata table, and of what the table's names begin with.

#[cfg(feature = "failpoints")]
mod killed;
mod prefix;
mod restarts;
mod table;

#[cfg(feature = "failpoints")]
pub(crate) use killed::STEPS;

use crate::support::{Need, Trials};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("moving", &[]);
    table::register(&mut group);
    prefix::register(&mut group);
    #[cfg(feature = "failpoints")]
    killed::register(&mut group);
    let mut group = trials.group("moving", &[Need::Programs(&["cc"])]);
    prefix::linkless::register(&mut group);
    restarts::register(&mut trials.group("moving", &[Need::MARIADB, Need::POSTGRES]));
    let mut group = trials.group("moving", &[Need::COMMAND]);
    table::register_command(&mut group);
    prefix::register_command(&mut group);
}
