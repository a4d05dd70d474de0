//! Which calls are answered wrongly, and how.

use crate::kill::content::Random;
use crate::support::faults::Fault;

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const EEXIST: i32 = 17;
const ETIMEDOUT: i32 = 110;
const ESTALE: i32 = 116;

/// What an NFS client may say of a call whose answer it did not get.
const ERRORS: [i32; 5] = [ENOENT, EIO, ETIMEDOUT, EEXIST, ESTALE];

/// Pairs of calls that fail, chosen at random.
const PAIRS: usize = 24;

/// Higher than the number of any call.
const LAST: usize = 1_000_000;

#[derive(Debug, Clone, Copy)]
struct Reply {
    first: usize,
    last: usize,
    error: i32,
    is_done: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    replies: Vec<Reply>,
    /// After this call the mount does not answer any more.
    dead_after: Option<usize>,
}

impl Plan {
    fn one(call: usize, error: i32, is_done: bool) -> Self {
        let reply = Reply { first: call, last: call, error, is_done };
        Plan { replies: vec![reply], dead_after: None }
    }

    /// In the words of the preloaded library.
    pub(super) fn replies(&self) -> String {
        let text = |reply: &Reply| {
            let Reply { first, last, error, is_done } = reply;
            format!("{first}-{last}:{error}:{}", u8::from(*is_done))
        };
        self.replies.iter().map(text).collect::<Vec<_>>().join(",")
    }

    pub(super) fn dead_after(&self) -> Option<usize> {
        self.dead_after
    }

    /// Whether there may be neither a way on nor a way back: of two calls that fail, and cannot be
    /// seen to have been carried out, one is what the operation fails for, and the other one that it
    /// needs to undo what it did.
    pub(super) fn may_leave_it_open(&self, calls: &[String], is_undoing: bool) -> bool {
        let failing = self.replies.iter().map(|reply| match reply.last - reply.first {
            0 => usize::from(!reply.is_done || !changes_names(kind(calls, reply.first))),
            _ => 2,
        });
        self.dead_after.is_some() || failing.sum::<usize>() + usize::from(is_undoing) > 1
    }

    /// Fault and outcome, for the table of them.
    pub(super) fn fault(&self, calls: &[String]) -> Fault {
        let Some(reply) = self.replies.first() else { return ("no call fails", "success") };
        if self.dead_after.is_some() {
            return (
                "the mount dies in the midst of an operation",
                "old or new, whole, after fsck",
            );
        }
        if reply.last > reply.first {
            return ("all changes on the mount fail from one on", "old or new, whole, after fsck");
        }
        if self.replies.len() > 1 {
            return ("two changes on the mount fail", "old or new, whole, after fsck");
        }
        match (kind(calls, reply.first), reply.is_done) {
            ("link", true) => ("the answer to a LINK is lost", SEEN),
            ("link", false) => ("LINK fails", TOLD),
            ("rename", true) => ("the answer to a RENAME is lost", SEEN),
            ("rename", false) => ("RENAME fails", TOLD),
            ("unlink", true) => ("the answer to a REMOVE is lost", SEEN),
            ("unlink", false) => ("REMOVE fails", TOLD),
            ("mkdir", true) => ("the answer to a MKDIR is lost", SEEN),
            ("mkdir", false) => ("MKDIR fails", TOLD),
            ("create", true) => ("the answer to a CREATE is lost", SEEN),
            ("create", false) => ("CREATE fails", TOLD),
            ("rmdir", _) => ("RMDIR fails, or its answer is lost", TOLD),
            _ => ("COMMIT of a file or SETATTR fails, or its answer is lost", TOLD),
        }
    }

    pub(super) fn text(&self, calls: &[String]) -> String {
        let text = |reply: &Reply| {
            let Reply { first, last, error, is_done } = *reply;
            let more = if last > first { " and all after it" } else { "" };
            let done = if is_done { "carried out" } else { "not carried out" };
            format!("{first} ({}){more} {done}, answered {error}", kind(calls, first))
        };
        let replies: Vec<_> = self.replies.iter().map(text).collect();
        let dead = if self.dead_after.is_some() { ", then the mount is dead" } else { "" };
        format!("{}{dead}", replies.join("; "))
    }
}

const SEEN: &str = "seen that it was carried out";
const TOLD: &str = "old or new, whole, and told which";

fn kind(calls: &[String], call: usize) -> &str {
    calls.get(call - 1).map_or("?", String::as_str)
}

/// Whether it can be seen in a directory that a call was carried out.
fn changes_names(kind: &str) -> bool {
    matches!(kind, "link" | "rename" | "unlink" | "rmdir" | "mkdir" | "create")
}

/// All that is tried of an operation that makes these calls.
pub(super) fn plans(calls: &[String], seed: &str) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (call, kind) in (1..).zip(calls) {
        let errors: &[i32] = if changes_names(kind) { &ERRORS } else { &[EIO, ESTALE] };
        for error in errors {
            plans.extend([true, false].map(|is_done| Plan::one(call, *error, is_done)));
        }
        for (error, is_done) in [(EIO, true), (ENOENT, true), (EIO, false)] {
            let all = Reply { first: call, last: LAST, error, is_done };
            plans.push(Plan { replies: vec![all], dead_after: None });
        }
        for is_done in [true, false] {
            plans.push(Plan { dead_after: Some(call), ..Plan::one(call, EIO, is_done) });
        }
    }
    let mut random = Random::new(seed.bytes().map(u64::from).sum());
    for _ in 0..PAIRS {
        let mut pair = Plan::default();
        let first = 1 + random.below(calls.len() as u64) as usize;
        for call in [first, first + 1 + random.below(4) as usize] {
            let error = ERRORS[random.below(ERRORS.len() as u64) as usize];
            pair.replies.extend(Plan::one(call, error, random.below(3) > 0).replies);
        }
        plans.push(pair);
    }
    plans
}
