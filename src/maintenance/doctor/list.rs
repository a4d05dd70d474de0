//! All checks, and which task needs which.

/// What somebody does with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Serving: reads rows and files.
    Nginx,
    /// The site: stores, finds, deletes.
    Php,
    /// `fsck`, `purge`, `import` and the like.
    Maintenance,
}

impl Task {
    pub(crate) const ALL: [Task; 3] = [Task::Nginx, Task::Php, Task::Maintenance];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Task::Nginx => "nginx",
            Task::Php => "php",
            Task::Maintenance => "maintenance",
        }
    }
}

const ALL: &[Task] = &Task::ALL;
const SERVING: &[Task] = &[Task::Nginx, Task::Php];
const WRITING: &[Task] = &[Task::Php, Task::Maintenance];

/// Names are never changed: scripts go by them.
const CHECKS: [(&str, &[Task]); 47] = [
    ("database", ALL),
    ("table", ALL),
    ("engine", WRITING),
    ("charset", WRITING),
    ("collation", WRITING),
    ("index", WRITING),
    ("column-width", WRITING),
    ("journal", WRITING),
    ("grants", ALL),
    ("read-only", WRITING),
    ("row", WRITING),
    ("connections", ALL),
    ("clock-here", WRITING),
    ("clock-database", WRITING),
    ("clock-file-server", WRITING),
    ("time-zone", WRITING),
    ("root", ALL),
    ("root-fits", ALL),
    ("name-prefix", ALL),
    ("mount-marker", ALL),
    ("mount-type", ALL),
    ("mount-soft", ALL),
    ("mount-nocto", ALL),
    ("mount-actimeo", ALL),
    ("mount-lookupcache", ALL),
    ("mount-noac", ALL),
    ("space", WRITING),
    ("readable", ALL),
    ("owner", WRITING),
    ("owner-mapped", WRITING),
    ("mode", WRITING),
    ("file-create", WRITING),
    ("file-write", WRITING),
    ("file-rename", WRITING),
    ("file-unlink", WRITING),
    ("file-link", WRITING),
    ("file-sync", WRITING),
    ("file-mode", WRITING),
    ("openat2", ALL),
    ("statx", SERVING),
    ("preadv2", SERVING),
    ("memfd-create", SERVING),
    ("directory-sync", WRITING),
    ("nginx-module", &[Task::Nginx]),
    ("php-extension", &[Task::Php]),
    ("feed", WRITING),
    ("replica", ALL),
];

/// Where these are wrong, others cannot be made.
pub(super) const BLOCKING: [&str; 7] =
    ["database", "table", "engine", "root", "root-fits", "file-create", "grants"];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.into_iter().map(|(name, _)| name)
}

/// The tasks that a check is made for.
pub(super) fn needs(check: &str) -> &'static [Task] {
    let found = CHECKS.iter().find(|(name, _)| *name == check);
    debug_assert!(found.is_some(), "{check} is in no list");
    found.map_or(&[], |(_, tasks)| tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_told_of() {
        let manual = include_str!("../../../docs/operations.md");
        for name in names() {
            assert!(manual.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn each_check_has_a_name_of_its_own() {
        let mut names: Vec<_> = names().collect();
        let is_kebab = |name: &&str| {
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
        };
        assert!(names.iter().all(is_kebab), "{names:?}");
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(BLOCKING.iter().all(|name| names.contains(name)));
    }
}
