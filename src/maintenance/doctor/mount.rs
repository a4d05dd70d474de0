//! How the root is mounted, as the kernel lists it.

use std::path::PathBuf;

use super::{Examination, Finding};
use crate::error::{Error, Result};
use crate::files::{Mount, MountEntry, Space};

/// Seconds for which the attributes of files are trusted at most where nobody says anything.
const USUAL_ATTRIBUTES: u64 = 60;

/// In percent.
const LEAST_FREE: u64 = 2;

/// What is looked at, all in one go.
struct Looked {
    place: Option<MountEntry>,
    space: Result<Space>,
    soft: Vec<PathBuf>,
}

fn look(mount: &Mount) -> Result<Looked> {
    let soft = mount.mounts()?.soft().map(PathBuf::from).collect();
    Ok(Looked { place: mount.place()?, space: mount.space(), soft })
}

/// Whether there is a root that answers.
pub(super) async fn check(examination: &Examination<'_>) -> bool {
    let looked = match examination.process.gate().run("look", look).await {
        Ok(looked) => looked,
        Err(error) => {
            examination.found(absent(examination, &error));
            return false;
        }
    };
    check_soft(examination, &looked.soft);
    check_place(examination, looked.place.as_ref());
    examination.judge("space", looked.space.map(|space| full(&space)));
    true
}

pub(super) fn absent(examination: &Examination<'_>, error: &Error) -> Finding {
    let root = examination.store.root().display();
    Finding::error("root", format!("{error:#}"))
        .costs("nothing is served or stored: nginx answers 503, PHP throws")
        .change(format!(
            "mount the share ({root} in /etc/fstab, `mount`, the volume of the container), or the \
             options root and mount_marker"
        ))
}

fn check_soft(examination: &Examination<'_>, soft: &[PathBuf]) {
    let finding = (!soft.is_empty()).then(|| {
        let places: Vec<_> = soft.iter().map(|place| place.display().to_string()).collect();
        Finding::error("mount-soft", format!("{} is mounted soft", places.join(", ")))
            .costs(
                "a call that NFS gives up there may be carried out later, when the row is locked no more: \
                 what another node has stored meanwhile is lost",
            )
            .change(changed("hard in place of soft or softerr"))
    });
    examination.judge("mount-soft", Ok(finding));
}

fn changed(option: &str) -> String {
    format!(
        "{option}, in /etc/fstab or the mount unit; then unmount and mount (a remount keeps it)"
    )
}

/// Checks by what the kernel lists of one mount.
type OfPlace = fn(&Examination<'_>, &MountEntry) -> Option<Finding>;

const OF_PLACE: [(&str, OfPlace); 6] = [
    ("mount-type", in_memory),
    ("mount-marker", marker),
    ("mount-nocto", nocto),
    ("mount-actimeo", attributes),
    ("mount-lookupcache", names),
    ("mount-noac", noac),
];

fn check_place(examination: &Examination<'_>, place: Option<&MountEntry>) {
    for (check, find) in OF_PLACE {
        match place {
            Some(place) => examination.judge(check, Ok(find(examination, place))),
            None => examination.skipped(check, "the kernel does not tell what is mounted"),
        }
    }
}

fn in_memory(_: &Examination<'_>, place: &MountEntry) -> Option<Finding> {
    let MountEntry { file_system, mount_point, .. } = place;
    place.is_in_memory().then(|| {
        let at = mount_point.display();
        Finding::error("mount-type", format!("the root lies on {file_system} at {at}"))
            .costs("all files are gone when the machine ends, and no other node has them")
            .change("mount the share there, or the option root")
    })
}

fn marker(examination: &Examination<'_>, place: &MountEntry) -> Option<Finding> {
    let is_missing = place.is_network() && examination.store.options().mount_marker.is_none();
    let root = examination.store.root().display();
    is_missing.then(|| {
        Finding::warning("mount-marker", format!("{root} is a share, and mount_marker is not set"))
            .costs(
                "files that lie in the directory beneath the share are taken for its own while it is not \
                 mounted",
            )
            .change(format!("touch {root}/.mounted while it is mounted; mount_marker = \".mounted\""))
    })
}

fn nocto(_: &Examination<'_>, place: &MountEntry) -> Option<Finding> {
    (place.is_nfs() && place.has_option("nocto")).then(|| {
        Finding::error("mount-nocto", "the root is mounted nocto")
            .costs("opening a file does not ask the server: bytes of an overwritten file are served as new ones")
            .change(changed("without nocto"))
    })
}

fn attributes(_: &Examination<'_>, place: &MountEntry) -> Option<Finding> {
    if !place.is_nfs() || place.has_option("noac") {
        return None;
    }
    let seconds = |option| place.option(option).and_then(|value| value.parse::<u64>().ok());
    let all = ["acregmax", "acdirmax", "actimeo"].map(seconds);
    let longest = all.into_iter().flatten().max()?;
    let (what, cost) = match longest {
        0 => ("attributes are never cached (actimeo=0)".to_owned(), UNCACHED),
        seconds if seconds > USUAL_ATTRIBUTES => (
            format!("attributes are cached for up to {seconds} s (actimeo, acregmax, acdirmax)"),
            LATE,
        ),
        _ => return None,
    };
    let remedy = changed("without actimeo, acregmax and acdirmax, whose defaults are 60 s at most");
    Some(Finding::warning("mount-actimeo", what).costs(cost).change(remedy))
}

const UNCACHED: &str = "every look at a file asks the server: several times the load and the time";
const LATE: &str = "what another node has stored, replaced or deleted is seen that much later by all \
                    that does not open it: PHP's file_exists(), legacy, find";

fn names(_: &Examination<'_>, place: &MountEntry) -> Option<Finding> {
    let setting = place.option("lookupcache").filter(|_| place.is_nfs())?;
    (setting == "none").then(|| {
        Finding::warning("mount-lookupcache", "the root is mounted lookupcache=none")
            .costs("each segment of each path is asked of the server, at every open")
            .change(changed("lookupcache=positive, or without it"))
    })
}

fn noac(_: &Examination<'_>, place: &MountEntry) -> Option<Finding> {
    (place.is_nfs() && place.has_option("noac")).then(|| {
        Finding::warning("mount-noac", "the root is mounted noac")
            .costs(format!("{UNCACHED}; and each write waits for the disk of the server"))
            .change(changed("without noac: close-to-open is enough for ezdfs"))
    })
}

fn full(space: &Space) -> Option<Finding> {
    let is_short =
        |free: u64, all: u64| all > 0 && free.saturating_mul(100) < all.saturating_mul(LEAST_FREE);
    let what = if is_short(space.bytes_free, space.bytes) {
        format!("{} of {} bytes are free", space.bytes_free, space.bytes)
    } else if is_short(space.inodes_free, space.inodes) {
        format!("{} of {} inodes are free", space.inodes_free, space.inodes)
    } else {
        return None;
    };
    let finding = Finding::warning("space", what)
        .costs("uploads fail soon (507), and so do repairs, which keep what they take away");
    Some(
        finding
            .change("more room; `ezdfs purge --trash`, `ezdfs usage --by alias` say what can go"),
    )
}
