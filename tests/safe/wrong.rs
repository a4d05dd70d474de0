//! Configurations that are right, or wrong in one way or more, and what is done with them.

use super::plan::{FAR, MAIN, SITES, STALE, TABLES};
use crate::kill::content::Random;

/// Where a command is pointed at.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// Beneath `mnt`, without symbolic links.
    pub(super) root: String,
    /// Named by a link to it.
    pub(super) by_link: bool,
    pub(super) prefix: String,
    pub(super) database: usize,
    pub(super) table: &'static str,
    /// That of caches: none, the right one, or any.
    pub(super) caches: Option<&'static str>,
    /// Seconds by which the machine's clock goes ahead.
    pub(super) clock: i64,
    pub(super) marker: bool,
    /// The part of the share that is a mount of its own, and what of that is to be seen.
    pub(super) nested: Option<(String, Nested)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nested {
    Mounted,
    /// An empty directory.
    Bare,
    /// A directory that has `.keep`.
    Keep,
    Missing,
}

/// A command.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Fsck { repair: Vec<&'static str>, patient: bool, dir: Option<String>, forced: bool },
    Purge { patient: bool, forced: bool },
    Import { dir: String, new_storage: bool },
    Remove { dir: String, row_only: bool },
    EmptyTrash,
}

const CLASSES: [&str; 10] = [
    "missing-file",
    "orphan-file",
    "size-mismatch",
    "unreadable-file",
    "hidden-row",
    "bad-hash",
    "bad-datatype",
    "interrupted-overwrite",
    "stale-staging",
    "alias",
];

fn pick<T: Clone>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize].clone()
}

fn percent(random: &mut Random, of: u64) -> bool {
    random.below(100) < of
}

impl Config {
    pub(super) fn draw(random: &mut Random, can_mount: bool) -> Self {
        let (site, database, table) = pick(random, &SITES);
        let (other, ..) = pick(random, &SITES);
        let right = [
            ("share".to_owned(), String::new()),
            (format!("share/var/{site}/storage"), format!("var/{site}/storage")),
            (format!("share/var/{site}/storage"), format!("var/{site}/storage")),
            (format!("share/var/{site}"), format!("var/{site}")),
        ];
        let (root, prefix) = pick(random, &right);
        let mut config = Config {
            root,
            by_link: percent(random, 15),
            prefix,
            database,
            table,
            caches: None,
            clock: pick(random, &[-7200, 0, 7200]),
            marker: percent(random, 5),
            nested: None,
        };
        if percent(random, 15) {
            config.caches = percent(random, 30).then_some("ezdfsfile_cache");
            // Rightly pointed.
            return config;
        }
        if percent(random, 45) {
            config.root = pick(
                random,
                &[
                    String::new(),
                    "share".to_owned(),
                    "share/var".to_owned(),
                    format!("share/var/{other}"),
                    format!("share/var/{other}/storage"),
                    format!("share/var/{other}/storage"),
                    format!("share/var/{other}/storage"),
                    format!("share/var/{site}/storage/images"),
                    "share/backup/tree".to_owned(),
                    "share/backup/tree/var/site1/storage".to_owned(),
                    "share/.snapshot/daily".to_owned(),
                    "neighbour".to_owned(),
                ],
            );
        }
        if percent(random, 35) {
            config.prefix = pick(
                random,
                &[
                    String::new(),
                    format!("var/{other}/storage"),
                    format!("var/{other}/storage"),
                    "var/stie1/storage".to_owned(),
                    format!("var/{other}"),
                    format!("var/{site}/storage/images"),
                    "var".to_owned(),
                    "storage".to_owned(),
                    "share".to_owned(),
                ],
            );
        }
        if percent(random, 15) {
            config.table = pick(random, &TABLES);
        }
        if percent(random, 25) {
            config.caches = Some(pick(random, &TABLES)).filter(|caches| *caches != config.table);
        }
        if percent(random, 25) {
            config.database = pick(random, &[MAIN, FAR, STALE, STALE]);
        }
        if percent(random, 25) {
            config.nested = Some(nested(random, can_mount));
        }
        config
    }

    /// The table that this says has the row of a name.
    pub(super) fn table_of(&self, name: &str) -> &'static str {
        let is_cache = name.contains("/cache/") && !name.contains("/storage/");
        self.caches.filter(|_| is_cache).unwrap_or(self.table)
    }

    /// Whether the file that this leads to for a name is the name's own.
    pub(super) fn is_right_for(&self, name: &str) -> bool {
        self.path_of(name).is_some_and(|path| path == format!("share/{name}"))
    }

    /// The path beneath `mnt` of the file of a name.
    pub(super) fn path_of(&self, name: &str) -> Option<String> {
        let rest = match self.prefix.as_str() {
            "" => name,
            prefix => name.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        Some(format!("{}/{rest}", self.root).trim_start_matches('/').to_owned())
    }
}

fn nested(random: &mut Random, can_mount: bool) -> (String, Nested) {
    let (site, ..) = pick(random, &SITES);
    match random.below(4) {
        0 | 1 if can_mount => ("var/site2".to_owned(), Nested::Mounted),
        0 | 1 => ("var/site2".to_owned(), Nested::Bare),
        2 => (format!("var/{site}"), pick(random, &[Nested::Bare, Nested::Keep])),
        _ => {
            let how = pick(random, &[Nested::Bare, Nested::Keep, Nested::Missing]);
            (format!("var/{site}/storage/images"), how)
        }
    }
}

impl Step {
    pub(super) fn draw(random: &mut Random, config: &Config) -> Self {
        match random.below(100) {
            0..45 => {
                let repair = match percent(random, 60) {
                    true => vec!["all"],
                    false => (0..=random.below(3)).map(|_| pick(random, &CLASSES)).collect(),
                };
                let dir = percent(random, 20).then(|| directory(random, config));
                let (patient, forced) = (percent(random, 30), percent(random, 40));
                Step::Fsck { repair, patient, dir, forced }
            }
            45..65 => Step::Purge { patient: percent(random, 25), forced: percent(random, 40) },
            65..80 => {
                let dir =
                    if percent(random, 50) { String::new() } else { directory(random, config) };
                Step::Import { dir, new_storage: percent(random, 30) }
            }
            80..95 => {
                Step::Remove { dir: directory(random, config), row_only: percent(random, 40) }
            }
            _ => Step::EmptyTrash,
        }
    }

    /// Whether it leaves alone what changed within the last hour.
    pub(super) fn is_patient(&self) -> bool {
        match self {
            Step::Fsck { patient, .. } | Step::Purge { patient, .. } => *patient,
            _ => true,
        }
    }

    /// Whether it is to change nothing at all.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Step::Purge { patient: true, .. } | Step::EmptyTrash)
    }

    /// The arguments, but for paths that only the caller knows.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut words: Vec<&str> = Vec::new();
        let grace = |patient: bool| if patient { ["--grace", "1h"] } else { ["--grace", "0s"] };
        match self {
            Step::Fsck { repair, patient, dir, forced } => {
                words.push("fsck");
                words.extend(grace(*patient));
                words.extend(repair.iter().flat_map(|class| ["--repair", class]));
                words.extend(dir.as_deref());
                if *forced {
                    words.extend(["--max-missing", "100", "--max-orphans", "100"]);
                    words.extend(["--max-remove", "100000"]);
                }
            }
            Step::Purge { patient, forced } => {
                words.push("purge");
                words.extend(grace(*patient));
                if *forced {
                    words.extend(["--max-missing", "100", "--max-remove", "100000"]);
                }
            }
            Step::Import { new_storage, .. } => {
                words.push("import");
                words.extend(new_storage.then_some("--new-storage"));
            }
            Step::Remove { dir, row_only } => {
                words.extend(["rm", "-r", dir]);
                words.extend(row_only.then_some("--row-only"));
            }
            // What lies there since today must stay, also where the day ends meanwhile.
            Step::EmptyTrash => words.extend(["purge", "--trash", "--grace", "1h"]),
        }
        words.into_iter().map(str::to_owned).collect()
    }
}

/// One that is there, or that rows speak of, or neither.
fn directory(random: &mut Random, config: &Config) -> String {
    let dir = pick(
        random,
        &["images", "images/1", "images/2", "images/_aliases", "images-versioned", "original"],
    );
    let (site, ..) = pick(random, &SITES);
    match (config.root.as_str(), percent(random, 80)) {
        ("share", true) => match random.below(5) {
            0 => format!("var/{site}"),
            _ => format!("var/{site}/storage/{dir}"),
        },
        ("", true) => format!("share/var/{site}/storage/{dir}"),
        (root, true) if !root.ends_with("storage") => format!("storage/{dir}"),
        _ => dir.to_owned(),
    }
}
