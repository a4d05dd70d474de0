//! A share that goes away in the middle of a deletion: what is not to be found any more is not
//! taken for removed.

use std::fs;
use std::process::{Child, Stdio};

use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::{Need, Result, Trials};

use super::cluster::{Cluster, PICTURE};
use super::doors::Door;

/// A busy machine is no dead one.
const PATIENT: &[(&str, &str)] = &[("query_timeout", "60s"), ("mount_timeout", "60s")];

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("nfs_client", &[Need::NfsClient]);
    group.per_database("unmounted_in_the_middle_of_a_deletion", unmounted);
}

/// Lets a command go as far as to lock its rows, unmounts, and lets it go on.
fn interrupted(cluster: &mut Cluster, arguments: &[&str]) -> Result<Child> {
    let gate = cluster.server().with_extension("gate");
    let reached = gate.with_extension("gate.reached");
    let mut command = cluster.door(Door::Command, PATIENT)?.command();
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    command.env("FAILPOINTS", format!("locked=return(wait:{})", gate.display()));
    let child = command.spawn()?;
    wait_for("the rows to be locked", || reached.exists())?;
    cluster.b.unmount()?;
    fs::write(&gate, "")?;
    Ok(child)
}

fn unmounted(db: TestDb) -> Result {
    let mut cluster = Cluster::on(db)?;
    for arguments in [&["rm", PICTURE][..], &["rm", "-r", "var/site/storage/images/1"]] {
        cluster.put_old(PICTURE, b"bytes")?;
        cluster.put_old("var/site/storage/images/2/other.png", b"bytes")?;
        let status = interrupted(&mut cluster, arguments)?.wait()?;
        assert_eq!(status.code(), Some(3), "{arguments:?}");
        assert_eq!(cluster.rows().len(), 2, "{arguments:?}: the row went without its file");
        assert_eq!(cluster.files()?.len(), 2, "{arguments:?}");
        cluster.remount()?;
        let again = cluster.door(Door::Command, PATIENT)?.command().args(arguments).status()?;
        assert!(again.success(), "{arguments:?}: {again}");
        assert_eq!((cluster.rows().len(), cluster.files()?.len()), (1, 1), "{arguments:?}");
        for left in ["gate", "gate.reached"] {
            fs::remove_file(cluster.server().with_extension(left))?;
        }
        injected("the share is unmounted while rows are deleted", "rows stay, repeated, all go");
    }
    Ok(())
}
