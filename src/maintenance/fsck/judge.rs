//! What is wrong with a row, and what would put it right.

use std::time::SystemTime;

use nix::errno::Errno;

use super::Fault;
use crate::error::Result;
use crate::files::Examined;
use crate::index::Keyed;
use crate::metadata::Row;
use crate::mime;
use crate::name::{FileName, normalised};

/// How a row is put right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    Delete,
    Unexpire,
    Size(u64),
    Datatype(String),
    Key(String),
    /// Of its file, which is there.
    MakeReadable,
}

#[derive(Debug)]
pub(super) struct Judged {
    pub(super) detail: String,
    /// Or why the row had better be left as it is.
    pub(super) remedy: Result<Remedy, &'static str>,
}

/// What is known of a row when it is judged.
pub(super) struct Evidence<'e> {
    pub(super) key: &'e str,
    pub(super) row: &'e Row,
    /// The row of [`other_key`], with the key that it has.
    pub(super) other: Option<&'e Keyed>,
    /// `None` where the name can have no file, and an error where it is missing.
    pub(super) file: Option<&'e Result<Examined>>,
    /// Whether an old file is set aside for the name: which the row speaks of, or may.
    pub(super) has_file_aside: bool,
    pub(super) cutoff: SystemTime,
}

/// The key of the row that decides about this fault, where another one than this
/// row does.
pub(super) fn other_key(fault: Fault, key: &str, row: &Row) -> Option<String> {
    let other = match fault {
        Fault::BadHash | Fault::KeyCase => Some(FileName::stored(&row.name).hash()),
        Fault::Alias => normalised(&row.name).map(|name| FileName::stored(&name).hash()),
        _ => None,
    };
    other.filter(|other| other != key)
}

const NO_FILE: &str = "its file is missing";
const ASIDE: &str = "an old file is kept beside it: repair interrupted-overwrite first";

/// Whether the row has this fault.
pub(super) fn judge(fault: Fault, evidence: &Evidence<'_>) -> Option<Judged> {
    let Evidence { row, file, .. } = *evidence;
    let found = file.and_then(|file| file.as_ref().ok());
    let (detail, remedy) = match fault {
        Fault::MissingFile if row.is_live() => missing(evidence)?,
        Fault::SizeMismatch if row.is_live() => {
            let found = found.filter(|found| found.size != row.size)?;
            let remedy = match found.changed > evidence.cutoff {
                _ if evidence.has_file_aside => Err(ASIDE),
                true => Err("the file is younger than the grace period"),
                false => Ok(Remedy::Size(found.size)),
            };
            (format!("the row says {} bytes, the file has {}", row.size, found.size), remedy)
        }
        Fault::UnreadableFile if row.is_live() => {
            let detail = "owner and group of its directory may not read it".to_owned();
            (detail, Ok(Remedy::MakeReadable))
        }
        Fault::HiddenRow if is_hidden(row) => {
            let detail = format!("expired, although its mtime is {}", row.mtime);
            (detail, found.map_or(Err(NO_FILE), |_| Ok(Remedy::Unexpire)))
        }
        Fault::BadHash | Fault::KeyCase => bad_key(evidence)?,
        Fault::BadDatatype if has_bad_datatype(row) => {
            let sniffed = |found: &Examined| Ok(Remedy::Datatype(mime::sniff(&found.head).into()));
            (format!("the type is {:?}", row.datatype), found.map_or(Err(NO_FILE), sniffed))
        }
        Fault::Alias => alias(evidence),
        _ => return None,
    };
    Some(Judged { detail, remedy })
}

type Verdict = (String, Result<Remedy, &'static str>);

fn missing(evidence: &Evidence<'_>) -> Option<Verdict> {
    match evidence.file? {
        Ok(_) => None,
        Err(error) if error.os_errno() == Errno::ENOENT as i32 => {
            let remedy = if evidence.has_file_aside { Err(ASIDE) } else { Ok(Remedy::Delete) };
            Some(("the row is live, its file is missing".to_owned(), remedy))
        }
        // The directory stays; no door gives it as a file.
        Err(error) if error.os_errno() == Errno::EISDIR as i32 => {
            Some(("the row is live, a directory has the name".to_owned(), Ok(Remedy::Delete)))
        }
        Err(_) => {
            let reason = "something that is no regular file has the name";
            Some(("the row is live, its file is no regular file".to_owned(), Err(reason)))
        }
    }
}

fn bad_key(evidence: &Evidence<'_>) -> Option<Verdict> {
    let Evidence { key, row, other, .. } = *evidence;
    let right = FileName::stored(&row.name).hash();
    if key == right {
        return None;
    }
    let detail = format!("the key is {key:?}, the name's md5 {right}");
    let found = evidence.file.is_some_and(Result::is_ok);
    // In a table that takes `A` for `a` the row itself is found under that key.
    let remedy = match other.filter(|other| other.key != key) {
        Some(_) => Err("another row has the right key"),
        None if found => Ok(Remedy::Key(right)),
        None => Err(NO_FILE),
    };
    Some((detail, remedy))
}

fn alias(evidence: &Evidence<'_>) -> Verdict {
    let Evidence { key, row, other, .. } = *evidence;
    match (normalised(&row.name), other) {
        (Some(name), Some(other)) if name != row.name => {
            let remedy = match other.row.is_live() || !row.is_live() {
                true => Ok(Remedy::Delete),
                false => Err("this row is live, that of the path's own name is not"),
            };
            (format!("another spelling of {name:?}, which has a row"), remedy)
        }
        (Some(name), None) if FileName::stored(&name).hash() == key => {
            let detail = format!("another spelling of {name:?}, whose key it has");
            (detail, Err("the file is found by the key"))
        }
        (Some(name), None) if name != row.name => {
            let detail = format!("another spelling of {name:?}");
            (detail, Err("the path's own name has no row; `ezdfs rm --key` removes this one"))
        }
        _ => {
            let reason = "nothing to put in its place; `ezdfs rm --key` removes it";
            ("no name that a file can have".to_owned(), Err(reason))
        }
    }
}

pub(super) fn is_hidden(row: &Row) -> bool {
    row.expired && row.mtime > 0
}

/// Only of rows that somebody may see: legacy leaves all sorts of things in
/// those that it has deleted.
pub(super) fn has_bad_datatype(row: &Row) -> bool {
    row.mtime > 0 && mime::check(&row.datatype).is_err() && !is_legacy_token(&row.datatype)
}

/// What legacy stores where it knows no MIME type. Nothing is wrong with that: such
/// files are served by what their names say.
pub(super) fn is_legacy_token(datatype: &str) -> bool {
    matches!(datatype, "" | "misc" | "php" | "pdf" | "xml")
}
