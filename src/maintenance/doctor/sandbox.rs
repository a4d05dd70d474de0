//! System calls that are refused to this process, and so most likely to others in its sandbox.

use super::{Examination, Finding};
use crate::files::{Refused, is_filtered, refused};

const COSTS: [(&str, &str, &str); 4] = [
    (
        "openat2",
        "openat2",
        "paths are opened directory by directory: as many calls as they have segments, and on NFS as \
         many questions",
    ),
    (
        "memfd-create",
        "memfd_create",
        "small files that are sent often need /dev/shm, or are read from the mount each time",
    ),
    ("statx", "statx", "no file of a share is kept open: each request opens it anew"),
    (
        "preadv2",
        "preadv2",
        "what the kernel has cached of a local disk is read by threads all the same",
    ),
];

pub(super) fn check(examination: &Examination<'_>) {
    let refused = refused();
    for (check, call, cost) in COSTS {
        let it = refused.iter().find(|refused| refused.call == call);
        examination.judge(check, Ok(it.map(|refused| told(check, refused, cost))));
    }
}

fn told(check: &'static str, refused: &Refused, cost: &str) -> Finding {
    let Refused { call, errno, since } = refused;
    let remedy = match is_filtered() {
        true => format!(
            "SystemCallFilter= of the unit, or the container's seccomp profile, to allow {call} (a newer \
             container runtime does)"
        ),
        false => format!("a kernel of Linux {since} or later"),
    };
    let filter = if is_filtered() { ", and calls are filtered (seccomp)" } else { "" };
    Finding::warning(check, format!("{call} is refused: {errno:?}{filter}"))
        .costs(cost)
        .change(remedy)
}
