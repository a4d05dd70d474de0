//! The change log, and this node's replica.

use super::{Examination, Finding};
use crate::index::{FeedState, UNSEEN};
use crate::maintenance::{ReplicaStatus, replica_status};

pub(super) async fn check(examination: &Examination<'_>) {
    let is_usable = check_replica(examination);
    if is_usable {
        // An account that reads may see neither log nor triggers.
        return examination.skipped("feed", "the replica is kept by it");
    }
    match examination.process.index().feed_state().await {
        Ok(FeedState::Absent) => {
            examination.skipped("feed", "there is none, or this user may not see it")
        }
        Ok(FeedState::There) => examination.passed("feed"),
        Ok(FeedState::Broken(faults)) if is_unseen(examination, &faults).await => {
            let reason = "this user may not see its triggers (TRIGGER); what it inserts is logged";
            examination.skipped("feed", reason);
        }
        Ok(FeedState::Broken(faults)) => examination.found(broken(&faults)),
        Err(error) => examination.failed("feed", &error),
    }
}

/// Whether there are triggers all the same, where none is seen.
async fn is_unseen(examination: &Examination<'_>, faults: &[String]) -> bool {
    let are_unseen = matches!(faults, [fault] if fault.contains(UNSEEN));
    are_unseen && examination.process.index().is_insert_logged().await.unwrap_or(false)
}

fn broken(faults: &[String]) -> Finding {
    Finding::error("feed", format!("the change log is not whole: {}", faults.join("; ")))
        .costs(
            "agents do not hear of all changes, so no replica is used; where a trigger is left whose \
             log is gone, every write fails",
        )
        .change("ezdfs schema --create-feed, or, without agents, ezdfs schema --drop-feed")
}

/// Whether there is one that is used.
fn check_replica(examination: &Examination<'_>) -> bool {
    if examination.store.options().replica.is_none() {
        examination.skipped("replica", "the option replica is not set");
        return false;
    }
    match replica_status(examination.store) {
        Ok(ReplicaStatus { unusable: None, .. }) => {
            examination.passed("replica");
            true
        }
        Ok(ReplicaStatus { unusable: Some(why), path, .. }) => {
            let path = path.display();
            let finding = Finding::warning("replica", format!("{path} is not used: {why}"))
                .costs("every row is asked of the database, and known files are 503 while that is away")
                .change(format!(
                    "ezdfs schema --create-feed once, `systemctl enable --now ezdfs-agent@...` on this \
                     node, who reads {path} in the agent's group; or remove the option replica"
                ));
            examination.found(finding);
            false
        }
        Err(error) => {
            examination.failed("replica", &error);
            false
        }
    }
}
