//! What is remembered of a live row, in little memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::metadata::{FileInfo, Row};
use crate::name::FileId;

/// A live row without its name, which is its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    kind: Arc<Kind>,
}

/// What many rows have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) datatype: Box<str>,
    pub(crate) scope: Box<str>,
}

impl Facts {
    pub(crate) fn new(size: u64, mtime: i64, kind: Arc<Kind>) -> Self {
        Facts { size, mtime, kind }
    }

    /// Whether they are those of a live row.
    #[cfg(feature = "cli")]
    pub(crate) fn is_of(&self, row: &Row) -> bool {
        let Kind { datatype, scope } = &*self.kind;
        (self.size, self.mtime, &**datatype, &**scope)
            == (row.size, row.mtime, &*row.datatype, &*row.scope)
    }

    pub(crate) fn info(&self, id: FileId) -> FileInfo {
        FileInfo {
            id,
            size: self.size,
            mtime: self.mtime,
            mime_type: self.kind.datatype.as_ref().into(),
            scope: self.kind.scope.as_ref().into(),
        }
    }
}

/// The kinds of rows seen, each kept once. A table has a few dozen of them; one
/// that has very many does without sharing.
#[derive(Debug, Default)]
pub(super) struct Kinds(Mutex<HashSet<Arc<Kind>>>);

const MOST_KINDS: usize = 1000;

impl Kinds {
    /// `None` where the row is not live.
    pub(super) fn facts(&self, row: Row) -> Option<Facts> {
        row.is_live().then(|| Facts {
            size: row.size,
            mtime: row.mtime,
            kind: self.share(Kind { datatype: row.datatype.into(), scope: row.scope.into() }),
        })
    }

    fn share(&self, kind: Kind) -> Arc<Kind> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kinds.get(&kind) {
            return Arc::clone(known);
        }
        let kind = Arc::new(kind);
        if kinds.len() < MOST_KINDS {
            kinds.insert(Arc::clone(&kind));
        }
        kind
    }
}
