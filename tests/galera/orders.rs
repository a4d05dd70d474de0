//! Two nodes at one file: a command of the first stops at a step, and one of the second runs from its
//! beginning to its end. The command is built with the feature `failpoints`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{OPTIONS, Pair, put, read, state};
use crate::races::{Stopped, command, scratch};
use crate::store::{id, store};
use crate::support::faults::injected;
use crate::support::proxy::{Proxy, Trap};
use crate::support::{Group, Result, Servers};

const OLD: &[u8] = b"the old bytes";
const FIRST: &[u8] = b"of the first node's writer";
const SECOND: &[u8] = b"of the second node's";

const WRITE: &[&str] = &["upserted", "set-aside", "published"];
const DELETE: &[&str] = &["soft-deleted", "locked", "files-removed", "rows-deleted"];
/// The steps of a rename after its COMMIT.
const MOVED: &[&str] = &["committed", "locked", "files-removed", "rows-deleted"];

pub(super) fn register(group: &mut Group<'_>) {
    group.add("a_file_stored_while_it_is_deleted_stays", stored_while_deleted);
    group.add("a_file_stored_while_its_directory_is_deleted_stays", stored_while_swept);
    group.add("a_file_overwritten_while_it_is_moved_is_under_one_name", stored_while_moved);
    group.add("a_target_overwritten_while_a_file_is_moved_there", target_stored_while_moved);
    group.add("a_file_deleted_while_it_is_moved", deleted_while_moved);
    group.add("a_commit_that_fails_certification_is_repeated", repeated);
    group.add("of_two_writers_the_last_to_commit_is_there", two_writers);
    group.add("a_file_deleted_while_it_is_stored_is_stored", deleted_while_stored);
    group.add("a_connection_lost_at_the_commit_leaves_old_or_new", lost);
    group.add("a_connection_lost_at_a_commit_that_fails", lost_and_failed);
    group.add("a_connection_lost_at_the_commit_of_a_delete", lost_while_deleting);
}

/// A command by way of a DSN.
fn run(pair: &Pair, dsn: &str, arguments: &[&str], last: &Path) -> Command {
    let mut command = command(&pair.site, arguments, last);
    command.env("EZDFS_DSN", dsn).env("EZDFS_QUERY_TIMEOUT", "60s").stderr(Stdio::inherit());
    command
}

/// Stops at a step of storing a file by way of a DSN.
fn stopped_put(pair: &Pair, dsn: &str, file: &str, bytes: &[u8], step: &str) -> Result<Stopped> {
    let (dir, number) = scratch(&pair.site)?;
    let source = dir.join(number.to_string());
    std::fs::write(&source, bytes)?;
    Stopped::start(&pair.site, run(pair, dsn, &["put", file], &source), step)
}

/// The first node's command, stopped at a step.
fn stopped(pair: &Pair, arguments: &[&str], last: &str, step: &str) -> Result<Stopped> {
    Stopped::start(&pair.site, run(pair, &pair.dsns[0], arguments, Path::new(last)), step)
}

#[track_caller]
fn ends_well(stopped: Stopped, what: &str) {
    stopped.release().unwrap();
    assert!(stopped.succeeds().unwrap(), "{what}: refused");
}

/// Rows and files agree, and these files have these bytes on both nodes; `None` is no file.
#[track_caller]
fn settled(pair: &Pair, what: &str, files: &[(&str, Option<&[u8]>)]) {
    let faults = state::faults(pair).unwrap().1;
    assert!(faults.is_empty(), "{what}: {faults:?}");
    for node in 0..2 {
        for (file, bytes) in files {
            let store = pair.store(node);
            match bytes {
                Some(bytes) => assert_eq!(read(&store, file).unwrap(), *bytes, "{what}, {file}"),
                None => assert!(!store.exists(&id(file)).unwrap(), "{what}: {file} is there"),
            }
        }
    }
}

fn stored_while_deleted(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    for step in DELETE {
        let file = format!("images/{step}");
        put(&pair.store(1), &file, OLD)?;
        let delete = stopped(&pair, &["rm"], &file, step)?;
        put(&pair.store(1), &file, SECOND)?;
        ends_well(delete, step);
        settled(&pair, step, &[(&file, Some(SECOND))]);
        injected("a file is stored on one Galera node while another deletes it", STAYS);
    }
    Ok(())
}

const STAYS: &str = "the new file stays";

fn stored_while_swept(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    put(&pair.store(1), "images/bystander", OLD)?;
    for step in DELETE {
        let dir = format!("images/{step}");
        let [file, other] = ["file", "other"].map(|name| format!("{dir}/{name}"));
        put(&pair.store(1), &file, OLD)?;
        put(&pair.store(1), &other, OLD)?;
        let delete = stopped(&pair, &["rm", "-r"], &dir, step)?;
        put(&pair.store(1), &file, SECOND)?;
        ends_well(delete, step);
        settled(&pair, step, &[(&file, Some(SECOND)), (&other, None)]);
        injected("a file is stored on one Galera node while another deletes it", STAYS);
    }
    Ok(())
}

/// A rename of `from` to `to`, stopped at each of its steps, while this name is overwritten.
fn overwritten_while_moved(
    servers: &Servers,
    overwritten: &str,
    before: [(&str, Option<&[u8]>); 2],
    after: [(&str, Option<&[u8]>); 2],
) -> Result {
    let pair = Pair::new(servers)?;
    for step in WRITE.iter().chain(MOVED) {
        let path = |name: &str| format!("images/{step}/{name}");
        put(&pair.store(1), &path("from"), FIRST)?;
        put(&pair.store(1), &path("to"), OLD)?;
        let rename = stopped(&pair, &["mv", &path("from")], &path("to"), step)?;
        put(&pair.store(1), &path(overwritten), SECOND)?;
        ends_well(rename, step);
        let expected = if MOVED.contains(step) { after } else { before };
        let [from, to] = expected.map(|(name, bytes)| (path(name), bytes));
        settled(&pair, step, &[(&from.0, from.1), (&to.0, to.1)]);
        injected(
            "a file is stored on one Galera node while another moves it",
            "the last to commit is there",
        );
    }
    Ok(())
}

fn stored_while_moved(servers: &Servers) -> Result {
    let before = [("from", None), ("to", Some(SECOND))];
    let after = [("from", Some(SECOND)), ("to", Some(FIRST))];
    overwritten_while_moved(servers, "from", before, after)
}

fn target_stored_while_moved(servers: &Servers) -> Result {
    let before = [("from", None), ("to", Some(FIRST))];
    let after = [("from", None), ("to", Some(SECOND))];
    overwritten_while_moved(servers, "to", before, after)
}

/// Before the COMMIT there is nothing to move any more, after it nothing to delete.
fn deleted_while_moved(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    for step in WRITE.iter().chain(MOVED) {
        let [from, to] = ["from", "to"].map(|name| format!("images/{step}/{name}"));
        put(&pair.store(1), &from, FIRST)?;
        put(&pair.store(1), &to, OLD)?;
        let rename = stopped(&pair, &["mv", &from], &to, step)?;
        let deleted = pair.store(1).delete(&id(&from));
        rename.release()?;
        let has_moved = rename.succeeds()?;
        assert_eq!(has_moved, MOVED.contains(step), "{step}");
        if !has_moved {
            deleted?;
        }
        let at_target = if has_moved { FIRST } else { OLD };
        settled(&pair, step, &[(&from, None), (&to, Some(at_target))]);
        injected(
            "a file is deleted on one Galera node while another moves it",
            "it is deleted, or moved",
        );
    }
    Ok(())
}

fn repeated(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    let new_file = ["upserted", "published"].map(|step| (step, None));
    let overwrite = WRITE.iter().map(|step| (*step, Some(OLD)));
    for (step, old) in new_file.into_iter().chain(overwrite) {
        let file = format!("images/{step}{}", u8::from(old.is_some()));
        if let Some(old) = old {
            put(&pair.store(1), &file, old)?;
        }
        let first = stopped_put(&pair, &pair.dsns[0], &file, FIRST, step)?;
        put(&pair.store(1), &file, SECOND)?;
        ends_well(first, step);
        settled(&pair, step, &[(&file, Some(FIRST))]);
        injected(
            "COMMIT that fails certification, the other Galera node having been faster",
            "the write is repeated and succeeds",
        );
    }
    Ok(())
}

/// Both stop at a step each, and go on one after the other.
fn two_writers(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    for first_step in WRITE {
        for second_step in WRITE {
            for last in [0, 1] {
                let what = format!("{first_step}-{second_step}-{last}");
                let file = format!("images/{what}");
                put(&pair.store(1), &file, OLD)?;
                let mut writers = vec![
                    stopped_put(&pair, &pair.dsns[0], &file, FIRST, first_step)?,
                    stopped_put(&pair, &pair.dsns[1], &file, SECOND, second_step)?,
                ];
                ends_well(writers.remove(1 - last), &what);
                ends_well(writers.remove(0), &what);
                settled(&pair, &what, &[(&file, Some([FIRST, SECOND][last]))]);
                injected(
                    "writers of one file on two Galera nodes, in whichever order",
                    "the last to commit is there",
                );
            }
        }
    }
    Ok(())
}

fn deleted_while_stored(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    for step in WRITE {
        let file = format!("images/{step}");
        put(&pair.store(1), &file, OLD)?;
        let first = stopped_put(&pair, &pair.dsns[0], &file, FIRST, step)?;
        pair.store(1).delete(&id(&file))?;
        ends_well(first, step);
        settled(&pair, step, &[(&file, Some(FIRST))]);
        injected("a file is deleted on one Galera node while another stores it", "it is stored");
    }
    Ok(())
}

const TRAPS: [Trap; 3] = [Trap::CutBefore, Trap::CutAfter, Trap::Late(Duration::from_millis(200))];
const LOST: &str = "connection cut around the COMMIT on a Galera node";

fn lost(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    let proxy = Proxy::start(pair.port)?;
    let here = store(&proxy.through(&pair.dsns[0]), pair.site.root(), OPTIONS);
    for (number, trap) in TRAPS.into_iter().enumerate() {
        let (file, what) = (format!("images/{number}"), format!("{trap:?}"));
        put(&here, &file, OLD)?;
        proxy.trap(trap);
        let outcome = put(&here, &file, FIRST);
        assert!(proxy.has_sprung());
        let unheard = trap != Trap::CutBefore;
        assert!(outcome.is_ok() || !unheard, "{what}: {outcome:?}");
        settled(&pair, &what, &[(&file, Some(if outcome.is_ok() { FIRST } else { OLD }))]);
        injected(LOST, "old or new, as the writer is told");
    }
    Ok(())
}

/// The other node was faster, of which the writer hears nothing.
fn lost_and_failed(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    let proxy = Proxy::start(pair.port)?;
    let dsn = proxy.through(&pair.dsns[0]);
    for (number, trap) in TRAPS.into_iter().enumerate() {
        let (file, what) = (format!("images/{number}"), format!("{trap:?}"));
        put(&pair.store(1), &file, OLD)?;
        let first = stopped_put(&pair, &dsn, &file, FIRST, "published")?;
        put(&pair.store(1), &file, SECOND)?;
        proxy.trap(trap);
        first.release()?;
        let succeeded = first.succeeds()?;
        settled(&pair, &what, &[(&file, Some(if succeeded { FIRST } else { SECOND }))]);
        injected(LOST, "old or new, as the writer is told");
    }
    Ok(())
}

/// What the other node has stored meanwhile stays, whatever becomes of the COMMIT.
fn lost_while_deleting(servers: &Servers) -> Result {
    let pair = Pair::new(servers)?;
    let proxy = Proxy::start(pair.port)?;
    let dsn = proxy.through(&pair.dsns[0]);
    for (number, trap) in TRAPS.into_iter().enumerate() {
        for is_stored in [false, true] {
            let (file, what) = (format!("images/{number}{is_stored}"), format!("{trap:?}"));
            put(&pair.store(1), &file, OLD)?;
            let delete = run(&pair, &dsn, &["rm"], Path::new(&file));
            let delete = Stopped::start(&pair.site, delete, "rows-deleted")?;
            if is_stored {
                put(&pair.store(1), &file, SECOND)?;
            }
            proxy.trap(trap);
            ends_well(delete, &what);
            settled(&pair, &what, &[(&file, is_stored.then_some(SECOND))]);
            injected(
                "connection cut around the COMMIT of a delete on a Galera node",
                "it is deleted, or the new file stays",
            );
        }
    }
    Ok(())
}
