//! Which table a name has its row in: legacy keeps those of its caches in one of their own.
//!
//! A row that lies in the table of other names, as those of caches do that were there before
//! they had a table, is no row of anybody's: legacy does not find it either.

use std::borrow::Cow;
use std::iter;

use tokio::sync::OnceCell;

use super::Index;
use super::fitted::Fitted;
use crate::config::Options;
use crate::name::FileName;
use crate::territory::is_of_caches;

/// The names whose rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    All,
    AllButCaches,
    Caches,
}

/// A table, and what was found out about it.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) names: Names,
    /// The statements, fitted to the table's shape.
    pub(super) fitted: Fitted,
    /// Whether an index has the rows in the byte order of their names.
    pub(super) is_ordered: OnceCell<bool>,
}

impl Table {
    fn new(name: &str, names: Names) -> Self {
        let (fitted, is_ordered) = (Fitted::default(), OnceCell::new());
        Table { name: name.to_owned(), names, fitted, is_ordered }
    }

    /// The table of all names, and that of caches, if the options name one.
    pub(super) fn of_options(options: &Options) -> (Self, Option<Self>) {
        match &options.cache_table {
            None => (Table::new(&options.table, Names::All), None),
            Some(caches) => (
                Table::new(&options.table, Names::AllButCaches),
                Some(Table::new(caches, Names::Caches)),
            ),
        }
    }
}

/// Names whose rows are in one table.
pub(super) type Group<'t, 'n> = (&'t Table, Cow<'n, [FileName]>);

impl Index {
    /// Whether the change log tells of a name: it is that of the first table.
    pub(crate) fn is_logged(&self, name: &str) -> bool {
        self.caches.is_none() || !is_of_caches(name)
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        iter::once(&self.main).chain(&self.caches)
    }

    pub(super) fn table_of(&self, name: &FileName) -> &Table {
        self.table_of_text(name.as_str())
    }

    pub(super) fn table_of_text(&self, name: &str) -> &Table {
        self.caches.as_ref().filter(|_| is_of_caches(name)).unwrap_or(&self.main)
    }

    /// Whether rows of this name are in this table, and so one found by its key is that row.
    pub(super) fn has_row(&self, table: &Table, name: &str) -> bool {
        std::ptr::eq(self.table_of_text(name), table)
    }

    /// Those that have rows of names that begin so: below a storage directory the first alone.
    pub(super) fn tables_beneath(&self, beneath: &str) -> impl Iterator<Item = &Table> {
        let caches = self.caches.as_ref().filter(|_| !beneath.contains("/storage/"));
        iter::once(&self.main).chain(caches)
    }

    /// These names by their tables, without those that have none of them.
    pub(super) fn by_table<'n>(&self, names: &'n [FileName]) -> Vec<Group<'_, 'n>> {
        let is_cached = |name: &FileName| self.caches.is_some() && is_of_caches(name.as_str());
        let Some(caches) = self.caches.as_ref().filter(|_| names.iter().any(is_cached)) else {
            let all = (!names.is_empty()).then_some((&self.main, Cow::Borrowed(names)));
            return all.into_iter().collect();
        };
        let (of_caches, others): (Vec<_>, Vec<_>) = names.iter().cloned().partition(is_cached);
        let groups = [(&self.main, others), (caches, of_caches)].into_iter();
        let groups = groups.filter(|(_, names)| !names.is_empty());
        groups.map(|(table, names)| (table, Cow::Owned(names))).collect()
    }
}

/// The first of what several tables have, which comes from each in the order of these keys: that
/// of names, or of digests. A row whose key is no digest may be passed over where there are two.
pub(super) fn merged<T>(parts: Vec<Vec<T>>, limit: usize, key: impl Fn(&T) -> &str) -> Vec<T> {
    let is_one = parts.len() == 1;
    let mut all: Vec<T> = parts.into_iter().flatten().collect();
    if !is_one {
        all.sort_by(|one, other| key(one).cmp(key(other)));
        all.truncate(limit);
    }
    all
}
