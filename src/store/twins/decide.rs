//! Which of two names is right, while a file has both and writers go on under either.

use crate::index::Record;
use crate::metadata::Row;

/// Size and time of a row when its file had got its second name.
pub(crate) type Noted = (i64, i64);

/// What a row says, but for its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) size: i64,
    pub(crate) mtime: i64,
    pub(crate) expired: bool,
    pub(crate) datatype: String,
    pub(crate) scope: String,
}

impl Said {
    pub(crate) fn noted(&self) -> Noted {
        (self.size, self.mtime)
    }

    /// Which of two is later; a deletion by legacy keeps the time of what it deletes.
    fn order(&self) -> (u64, bool) {
        (self.mtime.unsigned_abs(), self.mtime < 0 || self.expired)
    }
}

impl From<&Record> for Said {
    fn from(record: &Record) -> Self {
        Said {
            size: record.size,
            mtime: record.mtime,
            expired: record.expired,
            datatype: record.datatype.clone().unwrap_or_default(),
            scope: record.scope.clone().unwrap_or_default(),
        }
    }
}

impl From<&Row> for Said {
    fn from(row: &Row) -> Self {
        Said {
            size: row.size.cast_signed(),
            mtime: row.mtime,
            expired: row.expired,
            datatype: row.datatype.clone(),
            scope: row.scope.clone(),
        }
    }
}

/// What is to be done for the two rows of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is nothing under the old name, and what is under the new one is right.
    Nothing,
    /// The new name gets what the old one has.
    Copy,
    /// The new name is right: it has the same, or something later.
    Right,
    /// It was deleted under the new name, and nothing else is left of it.
    DeletedUnderNew,
    DeletedUnderOld,
}

/// `noted`: what both said when they were last alike.
pub(crate) fn decide(old: Option<&Said>, new: Option<&Said>, noted: Option<Noted>) -> Verdict {
    match (old, new) {
        (None, None) => Verdict::Nothing,
        (Some(old), None) if noted == Some(old.noted()) => Verdict::DeletedUnderNew,
        (Some(_), None) => Verdict::Copy,
        (None, Some(new)) if noted == Some(new.noted()) => Verdict::DeletedUnderOld,
        (None, Some(_)) => Verdict::Nothing,
        (Some(old), Some(new)) if old == new => Verdict::Right,
        // A type or a scope was put right.
        (Some(old), Some(new)) if old.noted() == new.noted() => Verdict::Copy,
        (Some(old), Some(_)) if noted == Some(old.noted()) => Verdict::Right,
        (Some(_), Some(new)) if noted == Some(new.noted()) => Verdict::Copy,
        (Some(old), Some(new)) if old.order() > new.order() => Verdict::Copy,
        (Some(_), Some(_)) => Verdict::Right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(size: i64, mtime: i64) -> Said {
        let expired = mtime < 0;
        Said { size, mtime, expired, datatype: String::new(), scope: String::new() }
    }

    #[test]
    fn the_name_that_was_written_is_right() {
        let (first, second) = (said(1, 10), said(2, 9));
        let noted = Some(first.noted());
        // Whatever the times say: who knows what both had knows who has changed it.
        assert_eq!(decide(Some(&second), Some(&first), noted), Verdict::Copy);
        assert_eq!(decide(Some(&first), Some(&second), noted), Verdict::Right);
        assert_eq!(decide(Some(&first), Some(&first), noted), Verdict::Right);
        // Both were written, or nothing is known: the later one.
        for noted in [None, Some((7, 7))] {
            assert_eq!(decide(Some(&first), Some(&second), noted), Verdict::Copy);
            assert_eq!(decide(Some(&second), Some(&first), noted), Verdict::Right);
        }
    }

    #[test]
    fn what_was_deleted_does_not_come_back() {
        let (live, deleted) = (said(1, 10), said(1, -10));
        let noted = Some(live.noted());
        assert_eq!(decide(Some(&live), None, noted), Verdict::DeletedUnderNew);
        assert_eq!(decide(None, Some(&live), noted), Verdict::DeletedUnderOld);
        for noted in [noted, None] {
            assert_eq!(decide(Some(&deleted), Some(&live), noted), Verdict::Copy);
            assert_eq!(decide(Some(&live), Some(&deleted), noted), Verdict::Right);
        }
    }

    #[test]
    fn what_was_written_after_all_stays() {
        let (first, second) = (said(1, 10), said(2, 11));
        let noted = Some(first.noted());
        assert_eq!(decide(Some(&second), None, noted), Verdict::Copy);
        assert_eq!(decide(None, Some(&second), noted), Verdict::Nothing);
        assert_eq!(decide(Some(&first), None, None), Verdict::Copy);
        assert_eq!(decide(None, Some(&first), None), Verdict::Nothing);
        assert_eq!(decide(None, None, noted), Verdict::Nothing);
    }

    #[test]
    fn a_type_that_was_put_right_goes_along() {
        let (right, wrong) =
            (Said { datatype: "image/png".to_owned(), ..said(1, 10) }, said(1, 10));
        assert_eq!(decide(Some(&right), Some(&wrong), Some((1, 10))), Verdict::Copy);
    }
}
