//! Files that a row names by another spelling: no orphans, although no row has
//! their own name.

use std::collections::HashSet;

use crate::error::Result;
use crate::name::{DirId, NamePrefix, normalised};
use crate::runtime;
use crate::store::Process;

/// More than this is not kept; then no file can be sure of having no row.
const MOST: usize = 100_000;

const PAGE: usize = 5000;

#[derive(Debug)]
pub(super) struct Aliases {
    /// Paths below the root.
    paths: HashSet<String>,
    /// What names have before the path: empty, or ends in a slash.
    prefix: String,
}

impl Aliases {
    pub(super) fn new(prefix: &str) -> Self {
        Aliases { paths: HashSet::new(), prefix: prefix.to_owned() }
    }

    /// Adds the path that a row's name leads to.
    pub(super) fn add(&mut self, name: &str) {
        let Some(name) = normalised(name) else { return };
        if let Some(path) = name.strip_prefix(&self.prefix)
            && self.paths.len() < MOST
        {
            self.paths.insert(path.to_owned());
        }
    }

    /// Adds what lies outside the part of the table that was checked: a name
    /// there may lead back (`elsewhere/../images/a.jpg`).
    pub(super) fn complete(&mut self, process: &Process, dir: Option<&DirId>) -> Result<()> {
        if dir.is_none() && self.prefix.is_empty() {
            return Ok(());
        }
        let prefix = NamePrefix::default();
        let mut after = None;
        loop {
            let names = runtime::block_on(async {
                process.index().names_by_key(after.as_deref(), PAGE).await
            })?;
            let Some((last, _)) = names.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for (_, name) in names.iter().filter(|(_, name)| prefix.id(name).is_none()) {
                self.add(name);
            }
        }
    }

    /// Whether some row leads to this path by another spelling.
    pub(super) fn name(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    pub(super) fn are_too_many(&self) -> bool {
        self.paths.len() >= MOST
    }
}
