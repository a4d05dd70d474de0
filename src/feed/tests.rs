//! What neither the model nor a database shows: large numbers, and much time.

use std::time::Duration;

use super::follower::MOST_RUNS;
use super::gaps::Gaps;
use super::{Answer, Entry, Fingerprint, Follower, Heard, KEPT, Loss, Range};

fn range(first: u64, last: u64) -> Range {
    Range { first, last }
}

#[test]
fn what_is_filled_splits_a_gap_and_what_is_old_is_forgotten() {
    let (early, late) = (Duration::from_secs(5), Duration::from_secs(100));
    let mut gaps = Gaps::default();
    gaps.add(range(2, 9), early);
    gaps.add(range(11, 11), late);
    for number in [5, 2, 9, 7, 7, 10] {
        gaps.remove(number);
    }
    assert_eq!(gaps.newest(9), [range(3, 4), range(6, 6), range(8, 8), range(11, 11)]);
    assert_eq!(gaps.older(2), Some(range(3, 6)));
    assert_eq!(gaps.seen_within(range(3, 6)), 1);
    assert!(gaps.contains(8) && !gaps.contains(7) && !gaps.contains(12));
    gaps.forget(early + KEPT);
    assert!(gaps.contains(8));
    gaps.forget(early + KEPT + Duration::from_secs(1));
    assert_eq!(gaps.newest(9), [range(11, 11)]);
    gaps.remove(11);
    assert_eq!((gaps.newest(9), gaps.older(0)), (Vec::new(), None));
}

fn answer(session: &str, numbers: impl Iterator<Item = u64>) -> Answer {
    let entry = |number| Entry { number, key: "key".to_owned(), changed_at: 7 };
    Answer {
        session: session.to_owned(),
        entries: numbers.map(entry).collect(),
        is_whole: true,
        count: 0,
        compared: Fingerprint::default(),
    }
}

#[test]
fn changes_that_are_too_many_to_compare_are_not_taken_for_the_same() {
    let mut follower = Follower::new(0, 9999);
    let many = 2 * MOST_RUNS as u64 + 2;
    let question = follower.question();
    let heard = follower.hear(&question, &answer("a", (1..=many).step_by(2)), Duration::ZERO);
    assert!(matches!(heard, Heard::New { is_whole: true, .. }));

    let mut other = follower.clone();
    let again = other.question();
    let heard = other.hear(&again, &answer("b", [many - 1].into_iter()), Duration::ZERO);
    assert_eq!(heard, Heard::Again);
    let again = other.question();
    let heard = other.hear(&again, &answer("b", [many - 1].into_iter()), Duration::ZERO);
    assert_eq!(heard, Heard::Lost(Loss::Incomparable));

    // One more change, and the last ones are few.
    let question = follower.question();
    let one_more = answer("a", [many - 1, many].into_iter());
    follower.hear(&question, &one_more, Duration::ZERO);
    let compared = Fingerprint { count: 1, sum: 7 };
    let same = Answer { compared, ..answer("b", [many].into_iter()) };
    let question = follower.question();
    assert_eq!(follower.hear(&question, &same, Duration::ZERO), Heard::Again);
    let question = follower.question();
    let heard = follower.hear(&question, &same, Duration::ZERO);
    assert_eq!(heard, Heard::New { numbers: Vec::new(), is_whole: true });
}
