//! What lies on the mount, and what this user can do there.

use std::collections::BTreeMap;
use std::fmt::Display;

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::table::Rows;
use super::{Examination, Finding, Severity, mount};
use crate::config::{DEFAULT_MODES, Durability};
use crate::error::Result;
use crate::files::{Mount, Surveyed, Trial, Tried};
use crate::index::{Ahead, now};
use crate::metadata::Area;
use crate::name::FileId;

/// Whether the root is what the table speaks of, so that something may be tried there.
pub(super) async fn check_root(examination: &Examination<'_>, rows: &Rows) -> bool {
    let has_marker = examination.store.options().mount_marker.is_some();
    // Without rows a bare root is right, and without a table nobody knows.
    if !has_marker && rows.sample.is_empty() {
        examination.passed("root");
        return rows.are_known;
    }
    match examination.process.gate().run("look", Mount::require_alive).await {
        Ok(()) => {
            examination.passed("root");
            true
        }
        Err(error) => {
            examination.found(mount::absent(examination, &error));
            false
        }
    }
}

/// Looks at files and tries what can be done; says what time it is there.
pub(super) async fn check(examination: &Examination<'_>, rows: &Rows) -> Option<Ahead> {
    let surveyed = match survey(examination, rows).await {
        Ok(surveyed) => surveyed,
        Err(error) => {
            examination.failed("readable", &error);
            Vec::new()
        }
    };
    if !examination.has_found("root-fits") && examination.writes() {
        return try_writing(examination, &surveyed).await;
    }
    None
}

async fn survey(examination: &Examination<'_>, rows: &Rows) -> Result<Vec<Surveyed>> {
    let prefix = examination.process.name_prefix();
    let known: Vec<(FileId, u64)> = rows
        .sample
        .iter()
        .filter_map(|keyed| Some((prefix.id(&keyed.row.name)?, keyed.row.size)))
        // Legacy's caches have rows, too, and no business here.
        .filter(|(id, _)| {
            Area::of(id, prefix).is_ok_and(|area| !matches!(area, Area::Caches | Area::Other))
        })
        .collect();
    if known.is_empty() {
        for check in ["root-fits", "readable", "owner", "mode"] {
            examination.skipped(check, "the table has no live rows here");
        }
        return Ok(Vec::new());
    }
    let ids: Vec<_> = known.iter().map(|(id, _)| id.clone()).collect();
    let surveyed = examination.process.gate().run("look", move |mount| mount.survey(&ids)).await?;
    examination.judge("root-fits", Ok(fits(examination, &known, &surveyed)));
    examination.judge("readable", Ok(unreadable(&surveyed)));
    examination.judge("owner", Ok(owners(&surveyed)));
    examination.judge("mode", Ok(modes(examination, &surveyed)));
    Ok(surveyed)
}

fn fits(
    examination: &Examination<'_>,
    known: &[(FileId, u64)],
    surveyed: &[Surveyed],
) -> Option<Finding> {
    let is_fitting = |((_, size), found): (&(FileId, u64), &Surveyed)| {
        let status = found.status.as_ref();
        found.unreadable.is_some() || status.is_some_and(|it| it.st_size.cast_unsigned() == *size)
    };
    let all = surveyed.len();
    let fitting = known.iter().zip(surveyed).filter(|pair| is_fitting(*pair)).count();
    let root = examination.store.root().display();
    (fitting * 2 < all).then(|| {
        let what = format!("of {all} live rows {fitting} have a file of their size beneath {root}");
        Finding::error("root-fits", what)
            .costs("most of the site is not served; checks refuse to repair anything")
            .change("the options root, name_prefix and table, or what is mounted there")
    })
}

fn unreadable(surveyed: &[Surveyed]) -> Option<Finding> {
    let failing: Vec<_> =
        surveyed.iter().filter_map(|it| Some((&it.path, it.unreadable?))).collect();
    let (path, errno) = failing.first()?;
    let what = format!(
        "{} of {} files that were looked at cannot be opened by uid {}: {path:?}: {errno:?}",
        failing.len(),
        surveyed.len(),
        geteuid()
    );
    let finding = Finding::error("readable", what).costs("they are answered with 503");
    Some(finding.change(
        "run this as the user of nginx or PHP; for that one chmod o+r (files), o+rx (directories), or \
         its group; links on the way are not followed: mount --bind",
    ))
}

fn owners(surveyed: &[Surveyed]) -> Option<Finding> {
    let owners = counted(surveyed.iter().filter_map(|it| Some(it.status.as_ref()?.st_uid)));
    let user = geteuid().as_raw();
    let what = match &owners[..] {
        [] => return None,
        [(uid, _)] if *uid == user => return None,
        [(uid, _)] => format!("files belong to uid {uid}, and this is run by uid {user}"),
        several => format!("files belong to several users: {}", shown(several)),
    };
    let (uid, _) = owners.first()?;
    let finding = Finding::warning("owner", what).costs(
        "what one user has stored another cannot overwrite, repair or purge, or not everywhere",
    );
    Some(
        finding.change(format!(
            "everything as one user, that of PHP; chown -R {uid} what is another's"
        )),
    )
}

fn modes(examination: &Examination<'_>, surveyed: &[Surveyed]) -> Option<Finding> {
    let all = surveyed.iter().filter_map(|it| Some(it.status.as_ref()?.st_mode & 0o7777));
    let modes = counted(all.map(|mode| format!("{mode:04o}")));
    let own = examination.store.options().file_mode;
    (modes.len() > 1).then(|| {
        Finding::warning("mode", format!("files have several modes: {}", shown(&modes)))
            .costs("some of them cannot be read by who reads the others")
            .change(format!(
                "the option file_mode (now {own:04o}) alike everywhere, PHP's umask, and chmod of what \
                 is there: find -type f -exec chmod {own:04o}"
            ))
    })
}

/// The most frequent first.
fn counted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<(T, usize)> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

fn shown<T: Display>(counts: &[(T, usize)]) -> String {
    let shown: Vec<_> = counts.iter().map(|(value, count)| format!("{value} ({count})")).collect();
    shown.join(", ")
}

/// Beside a file that is there, and, for who keeps a trash, in the root.
async fn try_writing(examination: &Examination<'_>, surveyed: &[Surveyed]) -> Option<Ahead> {
    let there = surveyed.iter().find(|it| it.status.is_some());
    let beside = there.map(|it| it.path.rsplit_once('/').map_or("", |(parent, _)| parent));
    let keeps_trash = examination.tasks().contains(&super::Task::Maintenance);
    let mut directories: Vec<String> = beside.map(str::to_owned).into_iter().collect();
    if directories.is_empty() || keeps_trash && directories != [""] {
        directories.push(String::new());
    }
    let mut clock = None;
    for directory in directories {
        let tried = directory.clone();
        let try_it = move |mount: &Mount| {
            let before = now();
            let trial = mount.try_writing(&tried)?;
            let clock = trial.changed.map(|changed| Ahead::of(changed, before, now()));
            Ok((trial, clock))
        };
        match examination.process.gate().run("try", try_it).await {
            Ok((trial, told)) => {
                judge(examination, &directory, &trial);
                clock = clock.or(told);
            }
            Err(error) => {
                examination.found(mount::absent(examination, &error));
                break;
            }
        }
    }
    clock
}

const CALLS: [(Tried, &str); 8] = [
    (Tried::Create, "file-create"),
    (Tried::Write, "file-write"),
    (Tried::Sync, "file-sync"),
    (Tried::Mode, "file-mode"),
    (Tried::Link, "file-link"),
    (Tried::Rename, "file-rename"),
    (Tried::SyncDirectory, "directory-sync"),
    (Tried::Unlink, "file-unlink"),
];

fn judge(examination: &Examination<'_>, directory: &str, trial: &Trial) {
    let is_stopped = trial.failed.iter().any(|(call, _)| *call == Tried::Create);
    for (call, check) in CALLS {
        let failed = trial.failed.iter().find(|(failed, _)| *failed == call);
        match failed {
            Some((_, errno)) if !examination.has_found(check) => {
                examination.judge(check, Ok(refused(examination, check, call, directory, *errno)));
            }
            None if !is_stopped => examination.passed(check),
            _ => {}
        }
    }
    if !is_stopped {
        examination.judge("owner-mapped", Ok(trial.foreign_owner.map(mapped)));
    }
}

fn mapped(owner: u32) -> Finding {
    let user = geteuid();
    Finding::warning("owner-mapped", format!("a new file of uid {user} belongs to uid {owner}"))
        .costs("what the server makes of this user may not overwrite or remove what others have stored")
        .change("run this as the user of PHP; on the server no all_squash, and idmapd.conf alike (NFS 4)")
}

/// What was refused, and whether anything is lost by it.
fn refused(
    examination: &Examination<'_>,
    check: &'static str,
    call: Tried,
    directory: &str,
    errno: Errno,
) -> Option<Finding> {
    let options = examination.store.options();
    let is_synced = options.durability == Durability::Full;
    if matches!(call, Tried::Sync | Tried::SyncDirectory) && !is_synced {
        return None;
    }
    let is_usual = (options.file_mode, options.dir_mode) == DEFAULT_MODES;
    let (severity, words, cost) = match call {
        Tried::Create => (Severity::Error, "no file can be made", "nothing can be stored there"),
        Tried::Write => (Severity::Error, "a file cannot be written to", "nothing can be stored"),
        Tried::Sync => (Severity::Error, "a file cannot be synced", "nothing can be stored"),
        Tried::Rename => (
            Severity::Error,
            "a file cannot be renamed",
            "nothing can be stored, moved or repaired",
        ),
        Tried::Unlink => {
            (Severity::Error, "a file cannot be removed", "nothing can be deleted or purged")
        }
        Tried::Link => (
            Severity::Warning,
            "a file cannot have two names",
            "an overwrite whose commit fails cannot put the old bytes back; Galera with writers on \
             several nodes cannot store",
        ),
        Tried::SyncDirectory => (
            Severity::Warning,
            "a directory cannot be synced",
            "a power cut may take a name that was acknowledged",
        ),
        Tried::Mode if is_usual => (
            Severity::Warning,
            "a file cannot be given a mode",
            "modes are as the mount gives them",
        ),
        Tried::Mode => (
            Severity::Error,
            "a file cannot be given a mode",
            "nothing can be stored with file_mode or dir_mode other than the default",
        ),
    };
    let place = examination.store.root().join(directory);
    let what = format!("{words} in {}: {errno:?}", place.display());
    Some(Finding::new(severity, check, what).costs(cost).change(remedy(errno, call)))
}

fn remedy(errno: Errno, call: Tried) -> String {
    match errno {
        Errno::EACCES | Errno::EPERM if call == Tried::Create => format!(
            "run this, and all that writes, as the owner of the files (this is uid {}); or chown",
            geteuid()
        ),
        Errno::EROFS => "rw in place of ro: in /etc/fstab, in the export, in the volume".to_owned(),
        Errno::ENOSPC | Errno::EDQUOT => "more room, or a larger quota".to_owned(),
        _ if call == Tried::Mode => "file_mode and dir_mode left out of the options".to_owned(),
        _ => {
            "what exports or mounts the root: NFS with the usual options does all of it".to_owned()
        }
    }
}
