//! What happens to a cluster on a bad day.

use super::Cluster;
use crate::support::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Fault {
    KillDatabase,
    FreezeDatabase,
    /// Of a web node.
    HangMount(usize),
    KillNode(usize),
    KillAgent(usize),
    /// The databases are out of a web node's reach.
    CutOff(usize),
    KillSessions,
    KillCache,
}

impl Fault {
    pub(super) const ALL: [Self; 12] = [
        Self::KillDatabase,
        Self::FreezeDatabase,
        Self::HangMount(0),
        Self::HangMount(1),
        Self::KillNode(0),
        Self::KillNode(1),
        Self::KillAgent(0),
        Self::KillAgent(1),
        Self::CutOff(0),
        Self::CutOff(1),
        Self::KillSessions,
        Self::KillCache,
    ];

    /// What an operator would call it, and how the page's buttons name it.
    pub(super) fn name(self) -> String {
        match self {
            Self::KillDatabase => "the active database is killed".to_owned(),
            Self::FreezeDatabase => "the active database hangs".to_owned(),
            Self::HangMount(node) => format!("the mount of web{} hangs", node + 1),
            Self::KillNode(node) => format!("web{} is killed", node + 1),
            Self::KillAgent(node) => format!("the agent of web{} is killed", node + 1),
            Self::CutOff(node) => format!("web{} does not reach the databases", node + 1),
            Self::KillSessions => "Redis is killed".to_owned(),
            Self::KillCache => "Varnish is killed".to_owned(),
        }
    }

    /// Whether a node hears nothing of databases to which others write.
    pub(super) fn is_deaf(self) -> bool {
        matches!(self, Self::CutOff(_))
    }

    pub(super) fn begin(self, cluster: &mut Cluster) -> Result {
        match self {
            Self::KillDatabase => cluster.databases.kill_active(),
            Self::FreezeDatabase => cluster.databases.freeze_active(),
            Self::HangMount(node) => cluster.web[node].hang_mount(),
            Self::KillNode(node) => cluster.web[node].kill(),
            Self::KillAgent(node) => cluster.web[node].kill_agent(),
            Self::CutOff(node) => cluster.on_ways_to_databases(node, |from, to| from.cut_off(to)),
            Self::KillSessions => cluster.redis.kill(),
            Self::KillCache => cluster.varnish.kill(),
        }
    }

    /// What somebody does who mends it: turns it on again. The databases see to themselves.
    pub(super) fn end(self, cluster: &mut Cluster) -> Result {
        match self {
            Self::KillDatabase | Self::FreezeDatabase => Ok(()),
            Self::HangMount(node) => cluster.web[node].release_mount(),
            Self::KillNode(node) => cluster.web[node].start_again(),
            Self::KillAgent(node) => cluster.web[node].start_agent(),
            Self::CutOff(node) => {
                cluster.on_ways_to_databases(node, |from, to| from.reach_again(to))
            }
            Self::KillSessions => cluster.redis.start(),
            Self::KillCache => cluster.varnish.start(),
        }
    }
}
