//! In what one file differs from its copy.

use super::pairs::Pair;
use super::side::{Listed, Side};
use crate::error::{ErrorKind, Result};
use crate::files::{Ahead, have_same_bytes};
use crate::name::FileId;
use crate::store::LATEST;

/// In what a file differs, or why it is not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Difference {
    /// It is not there.
    Missing,
    /// It is there, and the source has none, or none that is live.
    Extra,
    /// The sizes differ.
    Size,
    /// The times differ.
    Mtime,
    /// MIME type or scope differ.
    Type,
    /// The row is there, and no file of its size.
    NoFile,
    /// The source's row has no file of its size.
    SourceNoFile,
    /// The bytes differ.
    Bytes,
}

impl Difference {
    /// All of them.
    pub const ALL: [Difference; 8] = [
        Difference::Missing,
        Difference::Extra,
        Difference::Size,
        Difference::Mtime,
        Difference::Type,
        Difference::NoFile,
        Difference::SourceNoFile,
        Difference::Bytes,
    ];

    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Difference::Missing => "missing",
            Difference::Extra => "extra",
            Difference::Size => "size",
            Difference::Mtime => "mtime",
            Difference::Type => "type",
            Difference::NoFile => "no-file",
            Difference::SourceNoFile => "source-no-file",
            Difference::Bytes => "bytes",
        }
    }

    /// What it means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Difference::Missing => "FROM has it, TO has not",
            Difference::Extra => "TO has it, FROM has not, or not any more",
            Difference::Size => "the sizes differ",
            Difference::Mtime => "the times differ",
            Difference::Type => "MIME type or scope differ",
            Difference::NoFile => "TO's row has no file of its size",
            Difference::SourceNoFile => "FROM's row has no file of its size",
            Difference::Bytes => "size and time are equal, the bytes are not",
        }
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Comparison {
    /// Bytes, even where all else is equal.
    pub(super) bytes: bool,
    /// Whether the source has the file that its row speaks of.
    pub(super) source_file: bool,
    /// Both sides have the same files.
    pub(super) same_files: bool,
}

/// The first difference, if there is one.
pub(super) fn compare(
    from: &Side,
    to: &Side,
    pair: &Pair,
    comparison: Comparison,
) -> Result<Option<Difference>> {
    let is_live = |listed: &&Listed| listed.is_live();
    let Some(source) = pair.from.as_ref().filter(is_live) else {
        let is_own = |it: &Listed| it.row.is_some() || to.is_stored(&it.id);
        let is_extra = pair.to.as_ref().is_some_and(|it| it.is_live() && is_own(it));
        return Ok(is_extra.then_some(Difference::Extra));
    };
    let copy = pair.to.as_ref().filter(is_live);
    if copy.is_none() && !comparison.source_file {
        return Ok(Some(Difference::Missing));
    }
    let Some(version) = from.version(source)? else { return Ok(None) };
    if comparison.source_file && !has_file(from, &pair.id, version.size)? {
        return Ok(Some(Difference::SourceNoFile));
    }
    let Some(copy) = copy else { return Ok(Some(Difference::Missing)) };
    let Some(there) = to.version(copy)? else { return Ok(Some(Difference::Missing)) };
    if version.size != there.size {
        return Ok(Some(Difference::Size));
    }
    if !has_file(to, &pair.id, there.size)? {
        return Ok(Some(Difference::NoFile));
    }
    if let (Some(one), Some(other)) = (&source.row, &copy.row)
        && (&one.datatype, &one.scope) != (&other.datatype, &other.scope)
    {
        return Ok(Some(Difference::Type));
    }
    let delay = there.mtime - version.mtime;
    // What had to get another time, because another version of its size had that.
    if !(0..=LATEST).contains(&delay) {
        return Ok(Some(Difference::Mtime));
    }
    if comparison.same_files || (delay == 0 && !comparison.bytes) {
        return Ok((delay != 0).then_some(Difference::Mtime));
    }
    match same_bytes(from, to, &pair.id)? {
        true => Ok(None),
        false if delay == 0 => Ok(Some(Difference::Bytes)),
        false => Ok(Some(Difference::Mtime)),
    }
}

fn has_file(side: &Side, id: &FileId, size: u64) -> Result<bool> {
    let there = side.mount().entry(id.as_str())?;
    if there.is_some_and(|status| status.st_size.cast_unsigned() == size) {
        return Ok(true);
    }
    // What an NFS client remembers is no proof.
    match side.mount().examine(id, 0) {
        Ok(file) => Ok(file.size == size),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file that goes meanwhile differs.
fn same_bytes(from: &Side, to: &Side, id: &FileId) -> Result<bool> {
    let open = |side: &Side| match side.mount().open(id, false, Ahead { bytes: 0, whole: 0 }) {
        Ok(opened) => Ok(Some(opened.file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let (Some(one), Some(other)) = (open(from)?, open(to)?) else { return Ok(false) };
    have_same_bytes(one, other).map_err(|error| to.io_error(id.as_str(), "cannot read it", error))
}
