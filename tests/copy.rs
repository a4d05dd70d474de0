//! Moving a site: `ezdfs copy` and `ezdfs check` between databases, mounts and plain trees.

mod faults;
mod killed;
mod messy;
mod moves;
mod place;
mod writers;

use crate::support::{Need, Trials};

pub(crate) fn register(trials: &mut Trials) {
    moves::register(&mut trials.group("copy", &[Need::COMMAND]));
    faults::register(&mut trials.group("copy", &[Need::COMMAND]));
    let all = [Need::COMMAND, Need::MARIADB, Need::POSTGRES];
    killed::register(&mut trials.group("copy", &all));
}
