//! Paths that a command is told to leave alone.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, ErrorKind, Result};

/// Globs over paths beneath the root: `*` and `?` stop at slashes, `**` does not.
#[derive(Debug, Clone, Default)]
pub struct Exclude(GlobSet);

impl Exclude {
    /// Parses globs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for one that is none.
    pub fn parse<'g>(globs: impl IntoIterator<Item = &'g str>) -> Result<Self> {
        let bad = |glob: &str, error: globset::Error| {
            Error::new(ErrorKind::InvalidInput, "exclude", glob, "is no glob").with_source(error)
        };
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let parsed = GlobBuilder::new(glob).literal_separator(true).build();
            set.add(parsed.map_err(|error| bad(glob, error))?);
        }
        set.build().map(Exclude).map_err(|error| bad("*", error))
    }

    /// Whether a path, or a directory on the way to it, is excluded.
    pub(crate) fn has(&self, path: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let ends = path.match_indices('/').map(|(slash, _)| slash).chain([path.len()]);
        ends.filter(|end| *end > 0).any(|end| self.0.is_match(&path[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_takes_all_below_it() {
        let exclude = Exclude::parse(["images/tmp", "**/*.bak", "original/*/x"]).unwrap();
        for path in ["images/tmp/a/b.jpg", "images/1/a.bak", "a.bak", "original/pdf/x/1"] {
            assert!(exclude.has(path), "{path}");
        }
        for path in ["images/tmp2/a", "images/a.bak.jpg", "original/a/b/x"] {
            assert!(!exclude.has(path), "{path}");
        }
        assert!(Exclude::parse(["["]).is_err());
        assert!(!Exclude::default().has("anything"));
    }
}
