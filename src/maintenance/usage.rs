//! How much there is of what: one pass over the rows, page by page, in memory that
//! does not grow with the table.

use std::collections::HashMap;

use super::{Phase, Progress};
use crate::error::Result;
use crate::index::PAGE;
use crate::metadata::{Area, Row};
use crate::name::NamePrefix;
use crate::runtime;
use crate::store::Store;
use crate::territory::{beneath_storage, storage_of};

/// So many groups are told apart; a table that has more is counted with these, and the
/// rest of it together.
const MOST_GROUPS: usize = 10_000;

/// Where the variations of published pictures lie, beneath the storage directory.
const VARIATIONS: &str = "images/_aliases/";

/// What rows are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The var directory that the name begins with.
    Siteaccess,
    Area,
    /// The image variation.
    Alias,
    /// The `datatype`, as it is stored.
    Type,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Live rows.
    pub(crate) rows: u64,
    /// What these say that they have.
    pub(crate) bytes: u64,
    /// Rows that no reader sees: soft-deleted, or hidden.
    pub(crate) deleted: u64,
    pub(crate) deleted_bytes: u64,
    /// The least time of the live rows.
    pub(crate) oldest: Option<i64>,
}

/// What rows have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    Named(String),
    /// Those that have nothing of the kind, such as pictures that are no variations.
    None,
    /// Those of the groups that were too many.
    Others,
}

#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// The largest first.
    pub(crate) groups: Vec<(Group, Amount)>,
    pub(crate) total: Amount,
    /// It was ended before its end.
    pub(crate) is_interrupted: bool,
}

/// Counts the rows of a store.
///
/// # Errors
///
/// Those of the database.
pub(crate) fn usage(store: &Store, by: Option<By>, progress: &mut dyn Progress) -> Result<Usage> {
    let process = store.process()?;
    let prefix = process.name_prefix();
    let beneath = prefix.beneath(None)?;
    let mut groups = Groups { most: MOST_GROUPS, amounts: HashMap::new() };
    let mut usage = Usage::default();
    let (mut after, mut done) = (None, 0);
    loop {
        let page = process.index().list_by_key(&beneath, after.as_deref(), PAGE);
        let page = runtime::block_on(page)?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for keyed in &page {
            usage.total.add(&keyed.row);
            if let Some(by) = by {
                groups.of(by.group(&keyed.row, prefix)).add(&keyed.row);
            }
        }
        done += page.len() as u64;
        progress.progress(Phase::ReadingRows, done, 0);
        if progress.is_interrupted() {
            usage.is_interrupted = true;
            break;
        }
    }
    usage.groups = groups.sorted();
    Ok(usage)
}

impl By {
    fn group(self, row: &Row, prefix: &NamePrefix) -> Option<String> {
        let group = match self {
            By::Siteaccess => var_dir(&row.name, prefix),
            By::Area => Some(match Area::of_name(&row.name, prefix) {
                Area::Images => "images",
                Area::Drafts => "images-versioned",
                Area::Originals => "original",
                Area::Caches => "cache",
                Area::Other => "other",
            }),
            By::Alias => beneath_storage(&row.name, prefix)
                .and_then(|beneath| beneath.strip_prefix(VARIATIONS))
                .and_then(|rest| rest.split_once('/'))
                .map(|(alias, _)| alias),
            By::Type => Some(&*row.datatype),
        };
        group.filter(|group| !group.is_empty()).map(str::to_owned)
    }
}

/// `var/site` of `var/site/storage/images/a`, and of `var/site/cache/a`.
fn var_dir<'n>(name: &'n str, prefix: &NamePrefix) -> Option<&'n str> {
    if let Some(storage) = storage_of(name, prefix) {
        let site = ["/storage", "/cache"].iter().find_map(|end| storage.strip_suffix(end));
        return Some(site.unwrap_or(storage));
    }
    let site = name.strip_prefix("var/")?.find('/')?;
    Some(&name[.."var/".len() + site])
}

impl Amount {
    fn add(&mut self, row: &Row) {
        if !row.is_live() {
            self.deleted += 1;
            self.deleted_bytes = self.deleted_bytes.saturating_add(row.size);
            return;
        }
        self.rows += 1;
        self.bytes = self.bytes.saturating_add(row.size);
        self.oldest = Some(self.oldest.map_or(row.mtime, |oldest| oldest.min(row.mtime)));
    }
}

struct Groups {
    most: usize,
    amounts: HashMap<Group, Amount>,
}

impl Groups {
    fn of(&mut self, name: Option<String>) -> &mut Amount {
        let group = name.map_or(Group::None, Group::Named);
        let is_one_more = self.amounts.len() >= self.most && !self.amounts.contains_key(&group);
        self.amounts.entry(if is_one_more { Group::Others } else { group }).or_default()
    }

    fn sorted(self) -> Vec<(Group, Amount)> {
        let name = |group: &Group| match group {
            Group::Named(name) => Some(name.clone()),
            Group::None | Group::Others => None,
        };
        let mut groups: Vec<_> = self.amounts.into_iter().collect();
        groups.sort_by_cached_key(|(group, amount)| (u64::MAX - amount.bytes, name(group)));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, datatype: &str, size: u64, mtime: i64) -> Row {
        let (name, datatype) = (name.to_owned(), datatype.to_owned());
        Row { name, datatype, scope: String::new(), size, mtime, expired: false }
    }

    #[test]
    fn groups_are_told_by_name_and_prefix() {
        for (name, prefix, site, area, alias) in [
            ("var/a/storage/images/1/x", "", Some("var/a"), "images", None),
            ("var/storage/original/x", "", Some("var"), "original", None),
            ("var/a/cache/images/x", "", Some("var/a"), "other", None),
            ("var/x", "", None, "other", None),
            ("images/_aliases/large/1/x", "", None, "images", Some("large")),
            ("f/images/_aliases/large/1/x", "f", Some("f"), "images", Some("large")),
            ("f/images/_aliases/x", "f", Some("f"), "images", None),
            ("var/a/storage/images/_aliases/b c/1", "", Some("var/a"), "images", Some("b c")),
            ("var/a/storage/images-versioned/1", "", Some("var/a"), "images-versioned", None),
        ] {
            let (row, prefix) = (row(name, "misc", 1, 1), NamePrefix::parse(prefix).unwrap());
            let group = |by: By| by.group(&row, &prefix);
            assert_eq!(group(By::Siteaccess).as_deref(), site, "{name}");
            assert_eq!(group(By::Area).as_deref(), Some(area), "{name}");
            assert_eq!(group(By::Alias).as_deref(), alias, "{name}");
            assert_eq!(group(By::Type).as_deref(), Some("misc"));
        }
    }

    #[test]
    fn groups_that_are_too_many_are_counted_together() {
        let mut groups = Groups { most: 2, amounts: HashMap::new() };
        for (number, name) in ["a", "b", "c", "d", "a"].into_iter().enumerate() {
            groups.of(Some(name.to_owned())).add(&row("x", "", 10, number as i64 + 1));
        }
        let sorted = groups.sorted();
        let rows: Vec<_> = sorted.iter().map(|(group, amount)| (group, amount.rows)).collect();
        let named = |name: &str| Group::Named(name.to_owned());
        assert_eq!(rows, [(&Group::Others, 2), (&named("a"), 2), (&named("b"), 1)]);
        assert_eq!(sorted[1].1.oldest, Some(1));
    }
}
