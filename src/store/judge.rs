//! What is wrong with a row, and what would put it right.

use std::time::SystemTime;

use nix::errno::Errno;

use super::Fault;
use crate::error::Result;
use crate::files::Examined;
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
}

#[derive(Debug)]
pub(super) struct Judged {
    pub(super) detail: String,
    /// Or why the row had better be left as it is.
    pub(super) remedy: Result<Remedy, &'static str>,
}

/// The key of the row that decides about this fault, where another one than this
/// row does.
pub(super) fn other_key(fault: Fault, key: &str, row: &Row) -> Option<String> {
    let other = match fault {
        Fault::BadHash => Some(FileName::stored(&row.name).hash()),
        Fault::Alias => normalised(&row.name).map(|name| FileName::stored(&name).hash()),
        _ => None,
    };
    other.filter(|other| other != key)
}

/// Whether the row has this fault. `other` is the row of [`other_key`]; `file`
/// is `None` where the name can have none, and an error where it is missing.
pub(super) fn judge(
    fault: Fault,
    key: &str,
    row: &Row,
    other: Option<&Row>,
    file: Option<&Result<Examined>>,
    cutoff: SystemTime,
) -> Option<Judged> {
    const NO_FILE: Result<Remedy, &str> = Err("its file is missing");
    let found = file.and_then(|file| file.as_ref().ok());
    let (detail, remedy) = match fault {
        Fault::MissingFile if row.is_live() => match file? {
            Ok(_) => return None,
            Err(error) if error.os_errno() == Errno::ENOENT as i32 => {
                ("the row is live, its file is missing".to_owned(), Ok(Remedy::Delete))
            }
            Err(_) => {
                let reason = "something that is no regular file has the name";
                ("the row is live, its file is no regular file".to_owned(), Err(reason))
            }
        },
        Fault::SizeMismatch if row.is_live() => {
            let found = found.filter(|found| found.size != row.size)?;
            let remedy = match found.changed > cutoff {
                true => Err("the file is younger than the grace period"),
                false => Ok(Remedy::Size(found.size)),
            };
            (format!("the row says {} bytes, the file has {}", row.size, found.size), remedy)
        }
        Fault::HiddenRow if is_hidden(row) => {
            let detail = format!("expired, although its mtime is {}", row.mtime);
            (detail, found.map_or(NO_FILE, |_| Ok(Remedy::Unexpire)))
        }
        Fault::BadHash => {
            let right = FileName::stored(&row.name).hash();
            if key == right {
                return None;
            }
            let detail = format!("the key is {key:?}, the name's md5 {right}");
            let remedy = match (other, found) {
                (Some(_), _) => Err("another row has the right key"),
                (None, None) => NO_FILE,
                (None, Some(_)) => Ok(Remedy::Key(right)),
            };
            (detail, remedy)
        }
        Fault::BadDatatype if has_bad_datatype(row) => {
            let sniffed = |found: &Examined| Ok(Remedy::Datatype(mime::sniff(&found.head).into()));
            (format!("the type is {:?}", row.datatype), found.map_or(NO_FILE, sniffed))
        }
        Fault::Alias => match (normalised(&row.name), other) {
            (Some(name), Some(other)) if name != row.name => {
                let remedy = match other.is_live() || !row.is_live() {
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
                (detail, Err("the path's own name has no row"))
            }
            _ => ("no name that a file can have".to_owned(), Err("nothing to put in its place")),
        },
        _ => return None,
    };
    Some(Judged { detail, remedy })
}

pub(crate) fn is_hidden(row: &Row) -> bool {
    row.expired && row.mtime > 0
}

/// Only of rows that somebody may see: legacy leaves all sorts of things in
/// those that it has deleted.
pub(crate) fn has_bad_datatype(row: &Row) -> bool {
    row.mtime > 0 && mime::check(&row.datatype).is_err()
}
