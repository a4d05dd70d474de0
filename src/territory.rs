//! What part of a tree and of a table is a store's business: the areas of
//! storage directories in which the table has live rows, and legacy's public caches where these
//! have a table of their own. All else is foreign.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::Area;
use crate::name::NamePrefix;

/// Of storage directories, and of directories of caches: each name tells which.
const AREAS: [&str; 5] = ["images", "images-versioned", "original", "public", "texttoimage"];

/// Whether legacy has the row of a name in its table of caches.
pub(crate) fn is_of_caches(name: &str) -> bool {
    name.contains("/cache/") && !name.contains("/storage/")
}

/// What of a name of the table lies beneath its storage directory, if it lies in
/// one of its areas: `images/`, `images-versioned/` or `original/`. A storage
/// directory is one of the kernels, from the beginning of the name or, failing
/// that, from the end of the prefix; or else the prefix itself, which may be empty.
/// The first decides: a prefix that leads into an area makes nothing of its own.
pub(crate) fn beneath_storage<'n>(name: &'n str, prefix: &NamePrefix) -> Option<&'n str> {
    located(name, prefix).map(|(_, beneath)| beneath)
}

/// The same, and which area it is. Legacy's public caches are one of the directory of
/// caches that they lie in.
pub(crate) fn located<'n>(name: &'n str, prefix: &NamePrefix) -> Option<(Area, &'n str)> {
    let own = match prefix.as_str() {
        "" => Some(name),
        prefix => name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
    };
    let [stored, cached] = ["storage/", "cache/"].map(|kind| {
        let of_kernels = own.and_then(|own| beneath_kernels(own, kind));
        [beneath_kernels(name, kind), of_kernels].into_iter().flatten()
    });
    let stored = stored.chain(own).map(|beneath| (Area::of_path(beneath), beneath));
    stored
        .filter(|(area, _)| *area != Area::Other)
        .chain(
            cached
                .filter(|beneath| prefix.has_caches() && is_public_cache(beneath))
                .filter(|_| is_of_caches(name))
                .map(|beneath| (Area::Caches, beneath)),
        )
        .next()
}

/// What web servers hand out of a directory of caches.
fn is_public_cache(beneath: &str) -> bool {
    matches!(beneath.split_once('/'), Some(("public" | "texttoimage", _)))
}

/// `var/storage/...` and `var/<site>/storage/...`, or the same of caches, as in the rewrite rules
/// that sites use today.
fn beneath_kernels<'n>(name: &'n str, kind: &str) -> Option<&'n str> {
    let beneath_var = name.strip_prefix("var/")?;
    beneath_var.strip_prefix(kind).or_else(|| {
        let (_site, rest) = beneath_var.split_once('/')?;
        rest.strip_prefix(kind)
    })
}

/// The storage directory that a name of the table lies in an area of
/// (`var/site/storage`, or the store's prefix, which may be empty).
pub(crate) fn storage_of<'n>(name: &'n str, prefix: &NamePrefix) -> Option<&'n str> {
    let beneath = beneath_storage(name, prefix)?;
    let storage = &name[..name.len() - beneath.len()];
    Some(storage.strip_suffix('/').unwrap_or(storage))
}

/// Where the area ends in a path of a store that lies in one, with that of its
/// storage directory before it: 6 of `images/1/a.jpg`. 0 where the prefix ends in it
/// already, `None` of a path outside any.
pub(crate) fn area_end(path: &str, prefix: &NamePrefix) -> Option<usize> {
    let name = prefix.join(path).ok()?;
    let beneath = beneath_storage(&name, prefix)?;
    let end = name.len() - beneath.len() + beneath.find('/')?;
    Some(end.saturating_sub(name.len() - path.len()))
}

/// The names by which a table may know the file at a path, were it asked about
/// with another root or prefix. `roots` are spellings of the root.
pub(crate) fn other_names(roots: &[&str], prefix: &NamePrefix, path: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for root in roots {
        let full = format!("{}/{path}", root.trim_matches('/'));
        let starts = full.match_indices('/').map(|(slash, _)| slash + 1);
        for suffix in [0].into_iter().chain(starts).map(|start| &full[start..]) {
            let is_named = beneath_kernels(suffix, "storage/")
                .is_some_and(|it| Area::of_path(it) != Area::Other)
                || prefix.has_caches()
                    && beneath_kernels(suffix, "cache/").is_some_and(is_public_cache);
            let is_area = Area::of_path(suffix) != Area::Other;
            if is_named || is_area {
                names.insert(suffix.to_owned());
            }
            if is_area && !prefix.as_str().is_empty() {
                names.insert(format!("{prefix}/{suffix}"));
            }
        }
    }
    names
}

/// The part of a tree that is nobody's business, as a report counts it:
/// `backup`, `var/site/log`.
pub(crate) fn top(path: &str) -> &str {
    let depth = if path.starts_with("var/") { 3 } else { 1 };
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    directory.match_indices('/').nth(depth - 1).map_or(directory, |(end, _)| &directory[..end])
}

/// The storage directories that a table knows, and how many live rows it has in
/// each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Territory {
    prefix: NamePrefix,
    storages: BTreeMap<String, u64>,
}

impl Territory {
    pub(crate) fn new(prefix: &NamePrefix) -> Self {
        Territory { prefix: prefix.clone(), storages: BTreeMap::new() }
    }

    /// Counts a row.
    pub(crate) fn add(&mut self, name: &str, is_live: bool) {
        let Some(storage) = storage_of(name, &self.prefix) else { return };
        match self.storages.get_mut(storage) {
            Some(live) => *live += u64::from(is_live),
            None => drop(self.storages.insert(storage.to_owned(), u64::from(is_live))),
        }
    }

    /// Whether a file of this name, if it has a row or not, is the store's.
    pub(crate) fn covers(&self, name: &str) -> bool {
        storage_of(name, &self.prefix).is_some_and(|storage| self.live_in(storage) > 0)
    }

    /// Paths of the areas that have live rows, beneath the root.
    pub(crate) fn areas(&self) -> impl Iterator<Item = String> {
        let areas = self.storages().flat_map(move |storage| {
            let name = |area| format!("{storage}/{area}").trim_start_matches('/').to_owned();
            AREAS
                .map(name)
                .into_iter()
                .filter(move |name| storage_of(&format!("{name}/"), &self.prefix) == Some(storage))
        });
        let prefix = self.prefix.as_str();
        areas.filter_map(move |name| {
            Some(name.strip_prefix(prefix)?.trim_start_matches('/').to_owned())
        })
    }

    fn live_in(&self, storage: &str) -> u64 {
        self.storages.get(storage).copied().unwrap_or_default()
    }

    /// The storage directories that have live rows.
    pub(crate) fn storages(&self) -> impl Iterator<Item = &str> {
        self.storages.iter().filter(|(_, live)| **live > 0).map(|(storage, _)| storage.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> NamePrefix {
        NamePrefix::parse(text).unwrap()
    }

    #[test]
    fn storage_directories_are_those_of_the_kernels_and_the_stores_own() {
        for (name, of, expected) in [
            ("var/site/storage/images/1/a.jpg", "", Some("var/site/storage")),
            ("var/storage/original/a", "", Some("var/storage")),
            ("var/site/storage/images-versioned/a", "files", Some("var/site/storage")),
            ("files/images/a", "files", Some("files")),
            ("images/a", "", Some("")),
            ("images/a", "files", None),
            ("images", "", None),
            ("var/site/cache/images/a", "", None),
            ("var/site/log/error.log", "", None),
            ("backup/images/a", "", None),
            ("var/a/b/storage/images/a", "", None),
            ("var/a/b/storage/images/a", "var/a/b/storage", Some("var/a/b/storage")),
            ("var/site/storage/images/a", "var", Some("var/site/storage")),
            (
                "var/site/storage/images/images/a",
                "var/site/storage/images",
                Some("var/site/storage"),
            ),
            ("files/var/site/storage/images/a", "files", Some("files/var/site/storage")),
        ] {
            assert_eq!(storage_of(name, &prefix(of)), expected, "{name} of {of:?}");
        }
    }

    #[test]
    fn public_caches_are_the_stores_where_they_have_a_table() {
        for (name, of, expected) in [
            ("var/site/cache/public/a.css", "", Some("var/site/cache")),
            ("var/cache/texttoimage/a.png", "", Some("var/cache")),
            ("var/site/cache/public/a", "var/site", Some("var/site/cache")),
            ("files/var/site/cache/public/a", "files", Some("files/var/site/cache")),
            ("var/site/cache/content/a", "", None),
            ("var/site/cache/public", "", None),
            ("var/site/cache/publicity/a", "", None),
            ("var/site/storage/cache/public/a", "", None),
            ("var/site/storage/cache/public/a", "var/site/storage", None),
            ("cache/public/a", "", None),
            ("public/a", "", None),
            ("var/site/storage/images/cache/a", "", Some("var/site/storage")),
        ] {
            let (off, on) = (prefix(of), prefix(of).with_caches());
            assert_eq!(storage_of(name, &on), expected, "{name} of {of:?}");
            let is_cached = expected.is_some_and(|storage| storage.ends_with("cache"));
            assert_eq!(storage_of(name, &off), expected.filter(|_| !is_cached), "{name}");
        }
        let mut territory = Territory::new(&prefix("").with_caches());
        territory.add("var/site/cache/public/a", true);
        territory.add("var/site/storage/images/a", true);
        let areas = ["cache/public", "cache/texttoimage"].into_iter().chain([
            "storage/images",
            "storage/images-versioned",
            "storage/original",
        ]);
        let areas: Vec<_> = areas.map(|area| format!("var/site/{area}")).collect();
        assert_eq!(territory.areas().collect::<Vec<_>>(), areas);
        assert!(!territory.covers("var/site/cache/content/a"));
    }

    #[test]
    fn areas_end_where_the_name_says() {
        for (path, of, expected) in [
            ("images/1/a.jpg", "", Some(6)),
            ("images/1/a.jpg", "var/site/storage", Some(6)),
            ("var/site/storage/images/1/a.jpg", "", Some(23)),
            ("site/storage/images/1/a.jpg", "var", Some(19)),
            ("storage/images/1/a.jpg", "var/site", Some(14)),
            ("1/a.jpg", "var/site/storage/images", Some(0)),
            ("images/a.jpg", "var/site/storage/images", Some(0)),
            ("1/a.jpg", "", None),
            ("site/cache/a", "var", None),
        ] {
            assert_eq!(area_end(path, &prefix(of)), expected, "{path} of {of:?}");
        }
    }

    #[test]
    fn territory_is_where_live_rows_are() {
        let mut territory = Territory::new(&prefix(""));
        territory.add("var/one/storage/images/a", true);
        territory.add("var/two/storage/images/a", false);
        assert!(territory.covers("var/one/storage/original/new"));
        for foreign in
            ["var/two/storage/images/a", "var/one/log/a", "images/a", "var/one/storage/a"]
        {
            assert!(!territory.covers(foreign), "{foreign}");
        }
        assert_eq!(territory.storages().collect::<Vec<_>>(), ["var/one/storage"]);
    }

    #[test]
    fn what_is_foreign_is_counted_by_its_top() {
        for (path, expected) in [
            ("a", ""),
            ("backup/2026/db.sql.gz", "backup"),
            ("var/site/log/x/y.log", "var/site/log"),
            ("var/site/a", "var/site"),
        ] {
            assert_eq!(top(path), expected, "{path}");
        }
    }
}
