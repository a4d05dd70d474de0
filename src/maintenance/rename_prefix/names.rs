//! The two prefixes, and which file a name leads to.

use crate::error::{Error, ErrorKind, Result};
use crate::name::{DirId, FileName, NamePrefix};
use crate::store::Pair;

/// What names begin with, and are to begin with; without a slash at the end.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) old: String,
    pub(super) new: String,
    prefix: NamePrefix,
    /// Where the files are beneath the root; `None` where the store's own name_prefix changes, which
    /// says nothing of the place of a file.
    pub(super) directories: Option<(DirId, DirId)>,
}

impl Names {
    pub(super) fn parse(old: &str, new: &str, prefix: &NamePrefix) -> Result<Self> {
        let (old, new) = (DirId::parse(old)?, DirId::parse(new)?);
        let (old, new) = (old.as_str(), new.as_str());
        let refused = |reason: &str| {
            Err(Error::new(ErrorKind::InvalidInput, "rename", old, reason.to_owned()))
        };
        if is_in(old, new) || is_in(new, old) {
            return refused("both are the same, or one lies in the other");
        }
        let own = prefix.as_str();
        let beneath = |name: &str| match own {
            "" => DirId::parse(name).ok(),
            own => DirId::parse(name.strip_prefix(own)?.strip_prefix('/')?).ok(),
        };
        let directories = match (beneath(old), beneath(new)) {
            (Some(old), Some(new)) => Some((old, new)),
            (None, None) if is_in(own, old) => None,
            (None, _) => return refused("it lies outside the name_prefix"),
            (Some(_), None) => {
                return refused(
                    "the new one lies outside the name_prefix, so that no file can be there",
                );
            }
        };
        let (old, new, prefix) = (old.to_owned(), new.to_owned(), prefix.clone());
        Ok(Names { old, new, prefix, directories })
    }

    /// How the names begin that are to change.
    pub(super) fn beneath(&self) -> String {
        format!("{}/", self.old)
    }

    /// What comes after the prefix.
    pub(super) fn rest<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&*self.old)?.strip_prefix('/')
    }

    /// Both names of what comes after the prefixes.
    pub(super) fn pair(&self, rest: &str) -> Result<Pair> {
        let (old, new) = (format!("{}/{rest}", self.old), format!("{}/{rest}", self.new));
        let mut paths = None;
        if self.directories.is_some() {
            let (from, to) = (self.prefix.id(&old), self.prefix.id(&new));
            if from.is_some() && to.is_none() {
                let reason = "the new name would be too long";
                return Err(Error::new(ErrorKind::InvalidInput, "rename", old, reason));
            }
            paths = from.zip(to);
        }
        let (old, new) = (FileName::stored(&old), FileName::stored(&new));
        Ok(Pair { old, new, paths, noted: None })
    }
}

/// Whether a name is a prefix or begins with it.
fn is_in(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(old: &str, new: &str, prefix: &str) -> Result<Names> {
        Names::parse(old, new, &NamePrefix::parse(prefix).unwrap())
    }

    #[test]
    fn files_move_where_the_prefixes_lie_beneath_that_of_the_store() {
        let moved = names("var/old/storage", "var/new/storage/", "").unwrap();
        let pair = moved.pair("images/a").unwrap();
        assert_eq!(pair.new.as_str(), "var/new/storage/images/a");
        assert_eq!(pair.paths.unwrap().1.as_str(), "var/new/storage/images/a");
        let moved = names("var/site/storage/images", "var/site/storage/other", "var/site").unwrap();
        let pair = moved.pair("a").unwrap();
        assert_eq!(pair.paths.unwrap().0.as_str(), "storage/images/a");
        // Of names that are no ids no file is anybody's.
        assert!(moved.pair("a//b").unwrap().paths.is_none());
    }

    #[test]
    fn files_stay_where_the_stores_own_prefix_changes() {
        for prefix in ["var/old/storage", "var/old"] {
            let renamed = names("var/old", "var/new", prefix).unwrap();
            assert!(renamed.pair("storage/images/a").unwrap().paths.is_none());
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (old, new, prefix) in [
            ("var/a", "var/a/", ""),
            ("var/a", "var/a/b", ""),
            ("var/a/b", "var/a", ""),
            ("var/a", "var/../b", ""),
            ("var/a", "/var/b", ""),
            ("", "var/b", ""),
            ("var/a", "var/b", "var/c"),
            ("var/a/x", "var/b/x", "var/a"),
        ] {
            names(old, new, prefix).unwrap_err();
        }
        assert!(names("var/a", "var/ab", "").is_ok());
    }

    #[test]
    fn no_name_gets_too_long() {
        let long = format!("{}/{}", "a".repeat(255), "b/".repeat(1900));
        let rest = format!("{}c", long);
        assert!(names("v", &"w".repeat(200), "").unwrap().pair(&rest).is_err());
    }
}
