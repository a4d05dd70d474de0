//! Which files a copy or a comparison is about.

use super::side::Side;
use crate::error::{ErrorKind, Result};
use crate::maintenance::Exclude;
use crate::metadata::Area;
use crate::name::{DirId, FileId, NamePrefix};
use crate::territory::storage_of;

/// Which files; all of them by default.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only those in these areas of a storage directory; in all if it is empty.
    pub areas: Vec<Area>,
    /// Only those of these sites, by the directory beneath `var/`; of all if it is empty.
    pub siteaccesses: Vec<String>,
    /// Only those below these directories; everywhere if it is empty.
    pub dirs: Vec<DirId>,
    /// None of these.
    pub exclude: Exclude,
    /// What ids begin with in the table: areas and sites are parts of names.
    pub(super) prefix: NamePrefix,
}

impl Selection {
    /// Learns what names begin with, and whether legacy's caches have a table of their own.
    pub(super) fn begin(&mut self, from: &Side, to: &Side) -> Result<()> {
        let has_caches = [from, to].iter().any(|side| side.prefix().has_caches());
        if !has_caches && self.areas.contains(&Area::Caches) {
            let reason = "caches are an area where they have a table of their own: neither side \
                          has a cache_table";
            return Err(from.error(ErrorKind::InvalidInput, from.shown(), reason));
        }
        let prefix = from.prefix();
        self.prefix = if has_caches { prefix.with_caches() } else { prefix.clone() };
        Ok(())
    }

    pub(super) fn has(&self, id: &FileId) -> bool {
        let path = id.as_str();
        let Ok(name) = self.prefix.name(id) else { return false };
        let is_in_area = || self.areas.contains(&Area::of_name(name.as_str(), &self.prefix));
        let is_of_site = || {
            let storage = storage_of(name.as_str(), &self.prefix).unwrap_or_default();
            let beneath_var = storage.strip_prefix("var/").and_then(|path| path.rsplit_once('/'));
            let site = beneath_var.map(|(site, _storage_or_cache)| site);
            site.is_some_and(|site| self.siteaccesses.iter().any(|wanted| wanted == site))
        };
        let is_below =
            |dir: &DirId| path.strip_prefix(dir.as_str()).is_some_and(|rest| rest.starts_with('/'));
        (self.areas.is_empty() || is_in_area())
            && (self.siteaccesses.is_empty() || is_of_site())
            && (self.dirs.is_empty() || self.dirs.iter().any(is_below))
            && !self.exclude.has(path)
    }
}
