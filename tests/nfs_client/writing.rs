//! Writing and deleting while the mount fails or is gone: all or nothing.

use std::fs;
use std::process::Stdio;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::db::Rows;
use crate::support::faults::injected;
use crate::support::nfs_client::{Call, Fault};
use crate::support::process::{scratch, wait_for};
use crate::support::{Result, Servers, Trials};

use super::cluster::{Cluster, PICTURE};
use super::doors::{Answer, Door, done, per_door};

pub(super) fn register(trials: &mut Trials) {
    per_door(trials, "failing_writes_change_nothing", &Door::WRITERS, failing_writes);
    per_door(
        trials,
        "a_directory_that_another_client_pruned_is_made_again",
        &Door::WRITERS,
        pruned,
    );
    per_door(
        trials,
        "a_directory_that_goes_while_it_is_read_is_made_again",
        &Door::WRITERS,
        pruned_while_read,
    );
    per_door(trials, "an_unfinished_write_is_nobodys_file", &[Door::Command], unfinished_write);
    per_door(trials, "an_absent_mount_refuses_everything", &Door::ALL, absent_mount);
    per_door(trials, "an_absent_mount_refuses_maintenance", &[Door::Command], maintenance);
    per_door(trials, "a_failing_delete_is_finished_later", &Door::WRITERS, failing_delete);
}

fn bytes(text: &str) -> Answer {
    Answer::Bytes(text.as_bytes().to_vec())
}

/// What a full disk, a spent quota or a broken server does to a write.
fn faults() -> Vec<(Fault, &'static str)> {
    let fault = Fault::new;
    vec![
        (fault(Call::Create, Errno::EDQUOT), "EDQUOT when the staging file is made"),
        (fault(Call::Write, Errno::ENOSPC), "ENOSPC at write"),
        (fault(Call::Write, Errno::EDQUOT).beyond(200_000), "EDQUOT at a later write"),
        (fault(Call::Write, Errno::EIO), "EIO at write"),
        (fault(Call::ChangeMode, Errno::EIO), "EIO at fchmod"),
        (fault(Call::Fsync, Errno::ENOSPC), "ENOSPC at fsync"),
        (fault(Call::Fsync, Errno::EIO), "EIO at fsync"),
        (fault(Call::Flush, Errno::ENOSPC), "ENOSPC at close"),
        (fault(Call::Flush, Errno::EDQUOT), "EDQUOT at close"),
        (fault(Call::Flush, Errno::EIO), "EIO at close"),
        (fault(Call::Rename, Errno::EIO).times(1), "EIO at rename"),
        (fault(Call::Rename, Errno::ENOSPC).times(1), "ENOSPC at rename"),
        (fault(Call::Fsync, Errno::EIO).name("a-directory"), "EIO at fsync of the directory"),
    ]
}

fn failing_writes(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let (old, new) = (
        "var/site/storage/images/a-directory/old.png",
        "var/site/storage/images/a-directory/new.png",
    );
    cluster.put_old(old, b"old bytes")?;
    let (rows, files) = (cluster.rows(), cluster.files()?);
    // A mode that the umask does not leave.
    let node = cluster.door(door, &[("cache_ttl", "0"), ("file_mode", "0664")])?;
    let content = vec![b'n'; 300_000];
    for (fault, what) in faults() {
        for id in [old, new] {
            cluster.b.fail([fault.clone()])?;
            let answer = node.write(id, &content);
            match Errno::from_raw(fault.errno) {
                Errno::ENOSPC | Errno::EDQUOT => answer.assert_full(),
                _ => drop(answer.assert_refused()),
            }
            cluster.b.heal()?;
            // What is put back has a new time: readers may have had the new bytes.
            let found = (without_times(cluster.rows()), cluster.files()?);
            assert_eq!(found, (without_times(rows.clone()), files.clone()), "{what}");
            assert_eq!((node.read(old), node.read(new)), (bytes("old bytes"), Answer::NotFound));
        }
        injected(what, "refused; old file and row intact, no temporary file left");
    }
    assert_eq!(node.write(old, &content), done());
    assert_eq!(node.read(old), Answer::Bytes(content));
    Ok(())
}

fn pruned(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let node = cluster.door(door, &[])?;
    // The kernel itself tries it a second time.
    for (number, times) in [2, 4].into_iter().enumerate() {
        let id = format!("var/site/storage/images/new/{number}/a.png");
        cluster.b.fail([Fault::new(Call::Create, Errno::ESTALE).times(times)])?;
        assert_eq!(node.write(&id, b"bytes"), done());
        cluster.b.heal()?;
        assert_eq!(node.read(&id), bytes("bytes"));
    }
    injected("ESTALE when the staging file is made", "its directory is opened or made once more");
    // One that stays so is told of.
    cluster.b.fail([Fault::new(Call::Create, Errno::ESTALE)])?;
    node.write("var/site/storage/images/new/b.png", b"bytes").assert_refused();
    cluster.b.heal()
}

fn pruned_while_read(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let node = cluster.door(door, &[])?;
    // The kernel itself asks twice of what is stale.
    for (errno, times) in [(Errno::ENOENT, 1), (Errno::ESTALE, 2)] {
        let fault = |errno| Fault::new(Call::OpenDirectory, errno).name("there");
        let directory = format!("var/site/storage/images/there-{times}");
        fs::create_dir_all(cluster.a.at().join(&directory))?;
        // Not there when it is looked for, there a moment later, and gone when it is read.
        cluster.b.fail([fault(Errno::ENOENT).times(1), fault(errno).after(1).times(times)])?;
        assert_eq!(node.write(&format!("{directory}/a.png"), b"bytes"), done());
        cluster.b.heal()?;
    }
    injected("a directory goes while it is read", "it is made again");
    Ok(())
}

fn without_times(mut rows: Rows) -> Rows {
    for row in &mut rows {
        row.remove(2);
    }
    rows
}

/// A node that dies while it writes leaves a name that nobody is shown.
fn unfinished_write(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put_old(PICTURE, b"old bytes")?;
    let node = cluster.door(door, &[])?;
    let dir = scratch();
    let source = dir.path().join("source");
    fs::write(&source, b"new bytes")?;
    cluster.b.hang(&[Call::Fsync])?;
    let mut writer = node.command();
    writer.args(["put", PICTURE]).arg(&source).stderr(Stdio::piped());
    let mut writer = writer.spawn()?;
    wait_for("the writer to hang", || cluster.b.hanging().is_ok_and(|hanging| hanging > 0))?;
    let staged = |cluster: &Cluster| -> Result<Vec<String>> {
        let files = cluster.files()?.into_iter();
        Ok(files.filter(|path| path.contains("/.ezdfs-")).collect())
    };
    assert_eq!(staged(&cluster)?.len(), 1, "{:?}", cluster.files()?);
    assert_eq!(super::doors::read_core(&cluster.store(), PICTURE), bytes("old bytes"));

    kill(Pid::from_raw(writer.id().cast_signed()), Signal::SIGKILL)?;
    // The node is gone with its mount.
    cluster.b.unmount()?;
    writer.wait()?;
    cluster.b.behaviour.hang.clear();
    cluster.remount()?;
    assert_eq!(node.run(&["ls"]), bytes(&format!("{PICTURE}\n")));
    assert_eq!(node.read(PICTURE), bytes("old bytes"));
    let temporary = staged(&cluster)?.pop().ok_or("nothing is left")?;
    let refused = node.read(&temporary);
    assert!(matches!(&refused, Answer::Wrong(said) if said.contains("status: 2")), "{refused:?}");

    // Young ones may be somebody's write under way.
    let fsck = |grace: &str| node.run(&["fsck", "--repair", "stale-staging", "--grace", grace]);
    assert!(matches!(fsck("1h"), Answer::Bytes(_)), "{:?}", fsck("1h"));
    assert_eq!(staged(&cluster)?.len(), 1);
    wait_for("the sweep", || {
        let _ = fsck("1s");
        staged(&cluster).is_ok_and(|left| left.is_empty())
    })?;
    assert_eq!(node.read(PICTURE), bytes("old bytes"));
    injected("a node dies with its mount while it writes", "the old file; the rest is swept later");
    Ok(())
}

/// What a reboot or a lazy unmount leaves: an empty directory.
fn absent_mount(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let other = PICTURE.replace("picture", "other");
    for id in [PICTURE, &other] {
        cluster.put_old(id, id.as_bytes())?;
    }
    let node = cluster.door(door, &[("cache_ttl", "0"), ("cache_negative_ttl", "0")])?;
    assert_eq!(node.read(PICTURE), bytes(PICTURE));
    let (rows, files) = (cluster.rows(), cluster.files()?);
    cluster.b.unmount()?;
    for id in [PICTURE, &other] {
        node.read(id).assert_refused();
    }
    if Door::WRITERS.contains(&door) {
        for id in [PICTURE, "var/site/storage/images/2/new.png"] {
            node.write(id, b"new bytes").assert_refused();
        }
        node.delete(PICTURE).assert_refused();
        node.delete_directory("var/site/storage/images").assert_refused();
    }
    assert_eq!(fs::read_dir(cluster.b.at())?.count(), 0, "something was written below the mount");
    assert_eq!((cluster.rows(), cluster.files()?), (rows, files));
    cluster.remount()?;
    for id in [PICTURE, &other] {
        assert_eq!(node.read(id), bytes(id));
    }
    injected("the share is not mounted", "everything refuses, nothing is removed, no 404");
    Ok(())
}

fn maintenance(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put_old(PICTURE, b"bytes")?;
    let deleted = PICTURE.replace("picture", "deleted");
    cluster.put_old(&deleted, b"bytes")?;
    cluster
        .db
        .sql(&format!("UPDATE ezdfsfile SET expired = 1, mtime = -mtime WHERE name = '{deleted}'"));
    let node = cluster.door(door, &[])?;
    let (rows, files) = (cluster.rows(), cluster.files()?);
    let dir = scratch();
    let state = dir.path().join("state").to_string_lossy().into_owned();
    cluster.b.unmount()?;
    for arguments in [
        &["fsck"][..],
        &["fsck", "--repair", "all", "--grace", "0s"],
        &["purge", "--grace", "0s", "--state", &state],
    ] {
        let said = node.run(arguments);
        assert!(matches!(&said, Answer::Refused(_)), "{arguments:?}: {said:?}");
        assert_eq!((cluster.rows(), cluster.files()?), (rows.clone(), files.clone()));
    }
    injected("the share is not mounted", "fsck and purge refuse");
    Ok(())
}

/// The row goes first, so that nobody sees a file that may be gone.
fn failing_delete(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let node = cluster.door(door, &[("cache_ttl", "0"), ("cache_negative_ttl", "0")])?;
    for errno in [Errno::EIO, Errno::ESTALE, Errno::EACCES] {
        cluster.put_old(PICTURE, b"bytes")?;
        cluster.b.fail([Fault::new(Call::Unlink, errno)])?;
        node.delete(PICTURE).assert_refused();
        assert_eq!(node.read(PICTURE), Answer::NotFound, "{errno}");
        assert_eq!(cluster.files()?, [PICTURE], "{errno}");
        cluster.b.heal()?;
        assert_eq!(node.delete(PICTURE), done(), "{errno}");
        assert_eq!(cluster.files()?, Vec::<String>::new());
        assert_eq!(cluster.rows(), Vec::<Vec<_>>::new());
    }
    injected(
        "EIO, ESTALE or EACCES at unlink",
        "reported; not found since; deleting again ends it",
    );
    Ok(())
}
