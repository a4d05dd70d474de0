//! Whether the server has places for all connections that may be opened.

use std::fs;

use super::{Examination, Finding};
use crate::index::ConnectionLimit;

/// Programs that open connections; their names may go on with a version.
const PROGRAMS: [&str; 2] = ["nginx", "php-fpm"];

pub(super) async fn check(examination: &Examination<'_>) {
    let limits = match examination.process.index().connection_limits().await {
        Ok(limits) if limits.is_empty() => {
            return examination.skipped("connections", "nothing bounds them");
        }
        Ok(limits) => limits,
        Err(error) => return examination.failed("connections", &error),
    };
    let (processes, are_counted) = match examination.options.processes {
        Some(processes) => (processes, false),
        None => (running().max(1), true),
    };
    let of_each = examination.store.options().max_connections as u64;
    let wanted = processes.saturating_mul(of_each);
    let tightest = limits.into_iter().min_by_key(|limit| limit.connections);
    let too_few = tightest.filter(|limit| limit.connections < wanted);
    let finding = too_few.map(|limit| {
        let counted = if are_counted { " on this machine" } else { "" };
        told(&limit, &format!("{processes} processes{counted} with {of_each} each"), wanted)
    });
    examination.judge("connections", Ok(finding));
}

fn told(limit: &ConnectionLimit, processes: &str, wanted: u64) -> Finding {
    let ConnectionLimit { name, connections } = limit;
    let what = format!("the server allows {connections} ({name}); {processes} may open {wanted}");
    Finding::warning("connections", what)
        .costs("in a rush some look-ups wait for a place, and then end as \"unavailable\" (503)")
        .change(format!(
            "{name} on the server, to {wanted} or more; or max_connections of the store's options, \
             or the number of processes (pm.max_children, worker_processes)"
        ))
}

/// Processes of this machine that use a store, most likely.
fn running() -> u64 {
    let is_one = |name: &str| PROGRAMS.iter().any(|program| name.starts_with(program));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names =
        processes.filter_map(|process| fs::read_to_string(process.path().join("comm")).ok());
    names.filter(|name| is_one(name)).count() as u64
}
