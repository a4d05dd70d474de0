//! One of the two: a store, or a plain tree that no table speaks of.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::Options;
use crate::debris;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, Walk, Walked, shown};
use crate::index::{Keyed, Sorted};
use crate::metadata::{Identity, Row};
use crate::name::{FileId, FileName, NamePrefix};
use crate::runtime;
use crate::store::{Disposal, Process, Store, Trash, take_rowless};
use crate::territory::storage_of;

/// Where files are copied from, or to.
#[derive(Debug, Clone)]
pub struct Side {
    /// `None` of a tree.
    store: Option<(Store, Arc<Process>)>,
    mount: Mount,
    prefix: NamePrefix,
    shown: String,
    /// What errors name.
    operation: &'static str,
}

/// Something that is there, under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: FileId,
    /// `None` of a file in a tree.
    pub(super) row: Option<Row>,
}

/// Which of the two a side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    From,
    To,
}

/// The trash, and the file server's time when it was opened: what changed since then stays.
pub(super) struct Removal {
    disposal: Disposal,
    now: SystemTime,
}

impl Listed {
    /// What readers would be served.
    pub(super) fn is_live(&self) -> bool {
        self.row.as_ref().is_none_or(Row::is_live)
    }
}

impl Side {
    /// Rows of a table, and their files.
    ///
    /// # Errors
    ///
    /// Those of a store that cannot be used at all.
    pub fn store(store: &Store) -> Result<Self> {
        let process = store.process()?;
        let options = store.options();
        Ok(Side {
            mount: process.mount().clone(),
            prefix: options.name_prefix.clone(),
            shown: format!("{} {} {}", options.dsn, options.table, process.root_shown()),
            operation: "copy",
            store: Some((store.clone(), process)),
        })
    }

    /// The files of a tree in which ids are paths. `options` say where it is, how its files are
    /// made, and with which prefix ids would be names; nothing else of them counts.
    pub fn tree(options: &Options) -> Self {
        Side {
            store: None,
            mount: Mount::new(options),
            prefix: options.name_prefix.clone(),
            shown: options.root.to_string_lossy().into_owned(),
            operation: "copy",
        }
    }

    /// The same, of which something else is done.
    pub(super) fn of(self, operation: &'static str) -> Self {
        Side { operation, ..self }
    }

    /// An error that names what is done.
    pub(super) fn error(
        &self,
        kind: ErrorKind,
        subject: impl Into<String>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Error {
        Error::new(kind, self.operation, subject, reason)
    }

    /// The same of a call that failed.
    pub(super) fn io_error(
        &self,
        subject: impl Into<String>,
        reason: &'static str,
        error: std::io::Error,
    ) -> Error {
        Error::io(self.operation, subject, reason, error)
    }

    /// Its store; `None` of a tree.
    #[must_use]
    pub fn opened(&self) -> Option<&Store> {
        self.store.as_ref().map(|(store, _)| store)
    }

    pub(super) fn process(&self) -> Option<&Arc<Process>> {
        self.store.as_ref().map(|(_, process)| process)
    }

    pub(super) fn mount(&self) -> &Mount {
        &self.mount
    }

    pub(super) fn prefix(&self) -> &NamePrefix {
        &self.prefix
    }

    /// Where its table is, without a password.
    pub(super) fn database(&self) -> Option<String> {
        self.store.as_ref().map(|(store, _)| store.dsn().to_string())
    }

    /// What tells it from others; without a password.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// All that there is, in the byte order of the ids; `observe` hears the size of each row.
    pub(super) fn list(&self, role: Role, observe: &mut dyn FnMut(u64)) -> Result<Listing> {
        let Some(process) = self.process() else {
            let walk = self.mount.walk("")?;
            return Ok(Listing::Files { walk, side: self.clone(), role });
        };
        let beneath = self.prefix.beneath(None)?;
        let mut each =
            |keyed: &Keyed| observe(if keyed.row.is_live() { keyed.row.size } else { 0 });
        let sorted = async { process.index().sorted(&beneath, &mut each).await };
        let rows = runtime::block_on(sorted)?;
        Ok(Listing::Rows { rows, side: self.clone() })
    }

    /// The row, or the file of a tree, that has an id now.
    pub(super) fn find(&self, id: &FileId) -> Result<Option<Listed>> {
        match self.process() {
            Some(process) => {
                let name = self.prefix.name(id)?;
                let row = runtime::block_on(async { process.index().find(&name).await })?;
                Ok(row.map(|row| Listed { id: id.clone(), row: Some(row) }))
            }
            None => {
                let there = self.mount.entry(id.as_str())?;
                Ok(there.map(|_| Listed { id: id.clone(), row: None }))
            }
        }
    }

    /// Size and time of a version: of its row, or of the file where there is none. `None` where
    /// that has gone meanwhile.
    pub(super) fn version(&self, listed: &Listed) -> Result<Option<Identity>> {
        if let Some(row) = &listed.row {
            return Ok(Some(row.identity()));
        }
        let there = self.mount.entry(listed.id.as_str())?;
        Ok(there.map(|status| Identity {
            size: status.st_size.cast_unsigned(),
            mtime: status.st_mtime,
        }))
    }

    /// Refuses a mount that is not there.
    pub(super) fn require_alive(&self) -> Result<()> {
        match self.process() {
            Some(process) if runtime::block_on(process.has_no_rows())? => Ok(()),
            _ => self.mount.require_alive(),
        }
    }

    /// Where files go that are taken away now.
    pub(super) fn begin_removal(&self) -> Result<Removal> {
        let now = self.mount.server_time([])?;
        let trash = match self.process() {
            Some(process) => process.trash_of_live_rows("copy", now),
            None => Trash::of_tree("copy", now),
        };
        Ok(Removal { disposal: Disposal::Trash(trash), now })
    }

    /// Takes a file away.
    pub(super) fn remove(&self, id: &FileId, removal: &Removal) -> Result<()> {
        let Removal { disposal, now } = removal;
        match &self.store {
            Some((store, _)) => store.delete_by(id, disposal),
            None => take_rowless(&self.mount, id.as_str(), *now, disposal, "extra").map(drop),
        }
    }

    /// Where the root is, without symbolic links.
    pub(super) fn real_root(&self) -> Result<String> {
        self.mount.real_root()
    }

    /// Whether something without a row is one of a site's stored files.
    pub(super) fn is_stored(&self, id: &FileId) -> bool {
        is_stored(id, &self.prefix)
    }

    /// The row that a file of another store or tree has here.
    pub(super) fn own_row(&self, row: &Row, id: &FileId) -> Result<Row> {
        Ok(Row { name: self.prefix.name(id)?.as_str().to_owned(), ..row.clone() })
    }
}

/// What a side has, one after the other.
pub(super) enum Listing {
    Rows { rows: Sorted, side: Side },
    Files { walk: Walk, side: Side, role: Role },
}

/// What comes next.
pub(super) enum Next {
    Listed(Listed),
    /// Nobody's stored file, or a row that no reader could be told of.
    Foreign,
    Failed(Error),
}

impl Listing {
    pub(super) fn next(&mut self) -> Result<Option<Next>> {
        match self {
            Listing::Rows { rows, side } => {
                let Some(keyed) = rows.next()? else { return Ok(None) };
                let has_its_key = keyed.key == FileName::stored(&keyed.row.name).hash();
                Ok(Some(match side.prefix.id(&keyed.row.name).filter(|_| has_its_key) {
                    Some(id) => Next::Listed(Listed { id, row: Some(keyed.row) }),
                    None if has_its_key && keyed.row.is_live() => {
                        let reason = "no id leads to this row, though kernels may find it: see \
                                      `ezdfs fsck`; not copied";
                        Next::Failed(side.error(ErrorKind::Storage, keyed.row.name, reason))
                    }
                    None => Next::Foreign,
                }))
            }
            Listing::Files { walk, side, role } => loop {
                match walk.next() {
                    None => return Ok(None),
                    Some(Walked::File(file)) => {
                        return Ok(Some(of_file(&file.path, &side.prefix, *role)));
                    }
                    Some(Walked::Unreadable { error, .. }) => return Ok(Some(Next::Failed(error))),
                    Some(Walked::Elsewhere { path }) => {
                        let reason = "lies on another file system than the root, and is not copied";
                        let error = side.error(ErrorKind::Storage, shown(&path), reason);
                        return Ok(Some(Next::Failed(error)));
                    }
                    Some(Walked::Other { path })
                        if *role == Role::From && is_in_way(&shown(&path), &side.prefix) =>
                    {
                        let reason = "is a symbolic link or no regular file: not copied, nor what \
                                      it leads to";
                        let error = side.error(ErrorKind::Storage, shown(&path), reason);
                        return Ok(Some(Next::Failed(error)));
                    }
                    Some(Walked::Other { .. } | Walked::Bare { .. }) => {}
                }
            },
        }
    }
}

/// Rows may speak of any file of the target. Of a source without rows only what lies in an area of
/// a storage directory is a site's.
fn of_file(path: &[u8], prefix: &NamePrefix, role: Role) -> Next {
    let file_name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    if debris::of_file(file_name).is_some() {
        return Next::Foreign;
    }
    match FileId::from_bytes(path) {
        Ok(id) if role == Role::To || is_stored(&id, prefix) => {
            Next::Listed(Listed { id, row: None })
        }
        Ok(_) => Next::Foreign,
        Err(_) if role == Role::To => Next::Foreign,
        Err(error) => Next::Failed(error),
    }
}

/// Whether stored files may lie at a path, or below it.
fn is_in_way(path: &str, prefix: &NamePrefix) -> bool {
    let below = ["", "/x", "/images/x", "/storage/images/x"];
    let is_one =
        |end: &str| FileId::parse(&format!("{path}{end}")).is_ok_and(|id| is_stored(&id, prefix));
    below.into_iter().any(is_one)
}

fn is_stored(id: &FileId, prefix: &NamePrefix) -> bool {
    prefix.name(id).is_ok_and(|name| storage_of(name.as_str(), prefix).is_some())
}

/// Whether one directory is, or lies in, the other.
pub(super) fn is_within(inner: &str, outer: &str) -> bool {
    Path::new(inner).starts_with(outer)
}
