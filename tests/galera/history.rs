//! What was acknowledged, and whether what there is can have come of it.

use std::time::Duration;

/// What an operation made of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: usize,
    /// The version that it stored; `None` where it took the file away.
    pub(super) left: Option<u64>,
    pub(super) began: Duration,
    pub(super) ended: Duration,
}

/// Whether one of the name's events can have been the last: no other that left something else
/// began after its end.
pub(super) fn can_end_in(events: &[Event], name: usize, left: Option<u64>) -> bool {
    let of_name = || events.iter().filter(|event| event.name == name);
    let refuted = |last: &Event| of_name().any(|it| it.left != left && it.began > last.ended);
    of_name().any(|event| event.left == left && !refuted(event))
}

pub(super) fn trial() {
    let event = |left, began, ended| {
        let [began, ended] = [began, ended].map(Duration::from_secs);
        Event { name: 0, left, began, ended }
    };
    let one_after_the_other = [event(Some(1), 0, 1), event(Some(2), 2, 3)];
    assert!(can_end_in(&one_after_the_other, 0, Some(2)));
    assert!(!can_end_in(&one_after_the_other, 0, Some(1)), "a lost write");
    assert!(!can_end_in(&one_after_the_other, 0, None), "a lost file");
    let at_once = [event(Some(1), 0, 3), event(None, 2, 4)];
    assert!(can_end_in(&at_once, 0, Some(1)) && can_end_in(&at_once, 0, None));
    assert!(!can_end_in(&[event(Some(1), 0, 1), event(None, 2, 3)], 0, Some(1)), "a lost delete");
}
