//! The clocks of the database, the file server and this machine.

use super::{Examination, Finding};
use crate::index::Ahead;

const SECOND: i64 = 1_000_000;

/// What nobody notices.
const TOLERATED: i64 = 2 * SECOND;

/// Offsets of time zones are multiples of this.
const ZONE_STEP: i64 = 15 * 60 * SECOND;

/// How near to such a multiple a clock is that shows another zone's time.
const NEAR_ZONE: i64 = 10 * SECOND;

pub(super) fn check(examination: &Examination<'_>, database: Option<Ahead>, files: Option<Ahead>) {
    let known = [("clock-database", database), ("clock-file-server", files)];
    for (check, clock) in known {
        match clock {
            Some(_) => examination.passed(check),
            None => examination.skipped(check, "it is this machine's, or nothing tells it"),
        }
    }
    let ahead = |clock: Option<Ahead>| clock.and_then(beyond);
    if database.is_none() && files.is_none() {
        examination.skipped("clock-here", "there is no other clock");
        return examination.skipped("time-zone", "there is no other clock");
    }
    examination.passed("clock-here");
    examination.passed("time-zone");
    match (ahead(database), ahead(files)) {
        (Some(one), Some(other)) if (one - other).abs() <= 2 * TOLERATED => {
            examination.found(told("clock-here", "this machine's clock", -one));
        }
        (database, files) => {
            let whose = [
                ("clock-database", "the database's clock", database),
                ("clock-file-server", "the file server's clock", files),
            ];
            for (check, clock, ahead) in whose {
                if let Some(ahead) = ahead {
                    examination.found(told(check, clock, ahead));
                }
            }
        }
    }
}

/// By how much it is wrong for sure, if that is more than nothing.
fn beyond(clock: Ahead) -> Option<i64> {
    let is_beyond = clock.microseconds.abs() - clock.uncertain > TOLERATED;
    is_beyond.then_some(clock.microseconds)
}

fn told(check: &'static str, clock: &str, ahead: i64) -> Finding {
    let direction = if ahead > 0 { "ahead" } else { "behind" };
    let seconds = (ahead.abs() + SECOND / 2) / SECOND;
    let against =
        if check == "clock-here" { "that of database and file server" } else { "this machine's" };
    let what = format!("{clock} is {seconds} s {direction} of {against}");
    let rest = ahead.abs() % ZONE_STEP;
    let is_zone = ahead.abs() > ZONE_STEP / 2 && rest.min(ZONE_STEP - rest) <= NEAR_ZONE;
    if is_zone {
        return Finding::error("time-zone", format!("{what}: as if local time were taken for UTC"))
            .costs(COST)
            .change(
                "the machine's time zone (timedatectl), and whether its hardware clock has UTC",
            );
    }
    Finding::warning(check, what)
        .costs(COST)
        .change("NTP there: timedatectl set-ntp true, chronyc tracking")
}

const COST: &str = "times of rows and files contradict each other: versions of one file get times in \
                    the wrong order, what was just stored counts as old or is not yet to be swept, \
                    and logs of nodes cannot be laid beside each other";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_a_time_zone_and_a_minute_is_none() {
        for (seconds, check) in [
            (3600, "time-zone"),
            (-19_800, "time-zone"),
            (60, "clock-database"),
            (450, "clock-database"),
            (3725, "clock-database"),
        ] {
            assert_eq!(
                told("clock-database", "a clock", seconds * SECOND).check,
                check,
                "{seconds}"
            );
        }
    }

    #[test]
    fn what_the_answer_took_is_no_difference() {
        assert_eq!(beyond(Ahead::of(5 * SECOND, 0, 10 * SECOND)), None);
        assert_eq!(beyond(Ahead::of(15 * SECOND, 0, 10 * SECOND)), Some(10 * SECOND));
        assert_eq!(beyond(Ahead::of(-5 * SECOND, 0, 0)), Some(-5 * SECOND));
    }
}
