//! What is known of a file besides its bytes.

use crate::error::{Error, ErrorKind, Result};
use crate::name::{FileId, FileName, NamePrefix};
use crate::territory::located;

/// The largest `mtime` that the tables hold: their column is a signed `int(11)`.
pub const MAX_MTIME: i64 = i32::MAX as i64;

/// The longest MIME type that the tables hold, in bytes.
pub const MAX_MIME_LEN: usize = 255;

/// The `datatype` of a file whose bytes tell nothing.
pub(crate) const DEFAULT_MIME: &str = "application/octet-stream";

/// One row of the metadata table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// As stored, which need not be a MIME type: legacy writes `misc` or `php`.
    pub(crate) datatype: String,
    pub(crate) scope: String,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    pub(crate) expired: bool,
}

impl Row {
    /// The row that a write of this file stores.
    pub(crate) fn new(
        name: &FileName,
        prefix: &NamePrefix,
        size: u64,
        mtime: i64,
        mime: &str,
    ) -> Self {
        Row {
            name: name.as_str().to_owned(),
            datatype: mime.to_owned(),
            scope: Area::of_name(name.as_str(), prefix).scope().to_owned(),
            size,
            mtime,
            expired: false,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity { size: self.size, mtime: self.mtime }
    }

    /// The visibility rule of the new kernels. Legacy soft-deletes by a
    /// negative `mtime` and `expired = 1`.
    pub(crate) fn is_live(&self) -> bool {
        !self.expired && self.mtime > 0
    }
}

/// What tells one version of a file from every other: row, validator and, where
/// ezdfs wrote it, the file itself have the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Bytes.
    pub(crate) size: u64,
    /// Seconds since the epoch; negative of a row that is soft-deleted.
    pub(crate) mtime: i64,
}

/// The time that a version is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mtime {
    /// When it was written, or a second after the version that it replaces, which
    /// may have a time to come: clocks differ, and within a second much is written.
    Written(i64),
    /// As its creator says, be it in the past.
    Given(i64),
}

impl Mtime {
    /// The time of what replaces `old`. `is_taken`: whether the row has the size and
    /// time already, and the file other bytes.
    pub(crate) fn after(self, old: Option<&Row>, is_taken: bool, turns: Option<Turns>) -> i64 {
        let (Mtime::Written(mtime) | Mtime::Given(mtime)) = self;
        let mtime = match (self, old) {
            (Mtime::Written(now), Some(old)) => now.max(second_after(old.mtime.abs())),
            (Mtime::Given(_), _) if is_taken => second_after(mtime),
            _ => mtime,
        };
        turns.map_or(mtime, |turns| turns.next(mtime))
    }
}

impl Mtime {
    /// So many seconds later.
    pub(crate) fn later(self, seconds: i64) -> Self {
        let later = |mtime: i64| (mtime + seconds).min(MAX_MTIME);
        match self {
            Mtime::Written(mtime) => Mtime::Written(later(mtime)),
            Mtime::Given(mtime) => Mtime::Given(later(mtime)),
        }
    }
}

/// The seconds that one of several servers may give to versions, so that two never
/// give one: every `step`th, from `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turns {
    offset: i64,
    step: i64,
}

impl Turns {
    pub(crate) fn new(offset: i64, step: i64) -> Self {
        Turns { offset, step: step.max(1) }
    }

    /// The first of them that is not before this.
    fn next(self, mtime: i64) -> i64 {
        let next = mtime + (self.offset - mtime).rem_euclid(self.step);
        if next > MAX_MTIME { next - self.step } else { next }
    }
}

/// A second later; another time at the end of what the tables can hold.
pub(crate) fn second_after(mtime: i64) -> i64 {
    if mtime < MAX_MTIME { mtime + 1 } else { 1 }
}

/// The time of a version that is put back after another had its place: no validator
/// that either was known by is good for it.
pub(crate) fn time_when_back(row: i64, replaced: i64) -> i64 {
    second_after(row.max(if replaced < MAX_MTIME { replaced } else { row }))
}

/// What a caller learns of a stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// The file's id.
    pub id: FileId,
    /// Bytes, as the row says.
    pub size: u64,
    /// Seconds since the epoch, as the row says.
    pub mtime: i64,
    /// The row's `datatype` as it stands: not fit for a header, see
    /// [`crate::serve`].
    pub mime_type: String,
    /// The row's `scope`.
    pub scope: String,
}

impl FileInfo {
    pub(crate) fn new(id: FileId, row: &Row) -> Self {
        FileInfo {
            id,
            size: row.size,
            mtime: row.mtime,
            mime_type: row.datatype.clone(),
            scope: row.scope.clone(),
        }
    }
}

/// The part of a storage directory, or of a directory of caches, that a file lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// `images/`: published pictures and their variations.
    Images,
    /// `images-versioned/`: pictures of drafts.
    Drafts,
    /// `original/`: documents and media, whose download PHP authorises.
    Originals,
    /// `cache/public/` and `cache/texttoimage/` of legacy, which web servers hand out; where
    /// caches have a table of their own.
    Caches,
    /// Anything else, such as other caches.
    Other,
}

impl Area {
    /// The area of a file, by its name in the table: where root and URLs begin does
    /// not matter.
    ///
    /// # Errors
    ///
    /// Those of [`NamePrefix::name`].
    pub fn of(id: &FileId, prefix: &NamePrefix) -> Result<Self> {
        Ok(Self::of_name(&prefix.join(id.as_str())?, prefix))
    }

    /// The area of a name, by what follows its storage directory.
    pub(crate) fn of_name(name: &str, prefix: &NamePrefix) -> Self {
        located(name, prefix).map_or(Area::Other, |(area, _)| area)
    }

    /// The area of a path within a storage directory.
    pub(crate) fn of_path(beneath: &str) -> Self {
        match beneath.split_once('/') {
            Some(("images", _)) => Area::Images,
            Some(("images-versioned", _)) => Area::Drafts,
            Some(("original", _)) => Area::Originals,
            _ => Area::Other,
        }
    }

    /// The `scope` that the kernels give to files of this area.
    pub fn scope(self) -> &'static str {
        match self {
            Area::Images => "image",
            Area::Originals => "binaryfile",
            Area::Drafts | Area::Caches | Area::Other => "UNKNOWN_SCOPE",
        }
    }
}

/// Checks an `mtime` that is about to be stored.
pub(crate) fn check_mtime(id: &FileId, mtime: i64) -> Result<i64> {
    if (1..=MAX_MTIME).contains(&mtime) {
        return Ok(mtime);
    }
    let reason = format!("mtime {mtime} is outside 1 to {MAX_MTIME}; the row would be invisible");
    Err(Error::new(ErrorKind::InvalidInput, "store", id.as_str(), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(id: &str) -> Area {
        area_in("", id)
    }

    fn area_in(prefix: &str, id: &str) -> Area {
        Area::of(&FileId::parse(id).unwrap(), &NamePrefix::parse(prefix).unwrap()).unwrap()
    }

    #[test]
    fn areas_and_scopes_are_those_of_the_kernels() {
        assert_eq!(area("images/1/a.jpg").scope(), "image");
        assert_eq!(area_in("var/site/storage/images", "1/a.jpg").scope(), "image");
        assert_eq!(area_in("var/site/storage/original", "images/a.jpg"), Area::Originals);
        assert_eq!(area("original/application/x.pdf").scope(), "binaryfile");
        assert_eq!(area("images-versioned/1/a.jpg").scope(), "UNKNOWN_SCOPE");
        assert_eq!(area("var/site/storage/images/a.jpg"), Area::Images);
        assert_eq!(area("var/storage/images/a.jpg"), Area::Images);
        for other in ["images", "var/site/storage-x/images/a", "var/site/cache/a", "imagesx/a"] {
            assert_eq!(area(other), Area::Other, "{other}");
        }
        assert_eq!(area("var/a/b/storage/images/x"), Area::Other);
    }

    #[test]
    fn only_unexpired_rows_with_a_positive_mtime_live() {
        let id = FileId::parse("images/a").unwrap();
        let name = NamePrefix::default().name(&id).unwrap();
        let row = Row::new(&name, &NamePrefix::default(), 1, 1, "image/png");
        assert!(row.is_live());
        assert!(!Row { expired: true, ..row.clone() }.is_live());
        assert!(!Row { mtime: 0, ..row.clone() }.is_live());
        assert!(!Row { mtime: -5, ..row }.is_live());
    }

    #[test]
    fn a_version_comes_after_the_one_before() {
        let id = FileId::parse("images/a").unwrap();
        let name = NamePrefix::default().name(&id).unwrap();
        let row = |mtime| Row::new(&name, &NamePrefix::default(), 1, mtime, "image/png");
        let after = |mtime: Mtime, old: i64| mtime.after(Some(&row(old)), false, None);
        assert_eq!(Mtime::Written(5).after(None, false, None), 5);
        assert_eq!(after(Mtime::Written(5), 3), 5);
        assert_eq!(after(Mtime::Written(5), 5), 6);
        assert_eq!(after(Mtime::Written(5), 9), 10, "a clock that is behind");
        assert_eq!(after(Mtime::Written(5), -9), 10, "soft-deleted");
        assert_eq!(after(Mtime::Written(5), MAX_MTIME), 5, "there is nothing later");
        assert_eq!(after(Mtime::Given(5), 9), 5);
        assert_eq!(Mtime::Given(5).after(Some(&row(5)), true, None), 6);
    }

    #[test]
    fn two_servers_never_give_one_time() {
        let times = |offset| {
            let turns = Turns::new(offset, 3);
            (10..20).map(|mtime| turns.next(mtime)).collect::<std::collections::BTreeSet<_>>()
        };
        assert!(times(1).is_disjoint(&times(2)) && times(2).is_disjoint(&times(3)));
        assert_eq!(Turns::new(1, 3).next(10), 10);
        assert_eq!(Turns::new(1, 1).next(10), 10);
        assert!((MAX_MTIME - 3..=MAX_MTIME).contains(&Turns::new(2, 3).next(MAX_MTIME)));
    }

    #[test]
    fn an_mtime_that_would_hide_the_row_is_refused() {
        let id = FileId::parse("a").unwrap();
        for bad in [0, -1, MAX_MTIME + 1] {
            assert!(check_mtime(&id, bad).is_err());
        }
        assert_eq!(check_mtime(&id, MAX_MTIME).unwrap(), MAX_MTIME);
    }
}
