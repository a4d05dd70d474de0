//! Plausibility, directory by directory. Where most rows of a directory do not
//! fit what lies there, the directory is not what the table speaks of: something
//! is not mounted, or root, prefix or table are wrong. Files in a directory of
//! which the table knows nothing are not judged by it.
//!
//! Rows and files come in the byte order of their paths, so that a directory is
//! complete when the first path outside it comes. Only the directories on the
//! way to the current path are held, and files of theirs that have no row.

use super::Fault;
use super::candidates::Candidates;
use crate::error::Result;
use crate::files::Bare;
use crate::name::NamePrefix;
use crate::territory::area_end;

/// From so many live rows on their share that does not fit is looked at.
const PLAUSIBLE_FROM: u64 = 10;

/// A directory that is not what the table speaks of.
#[derive(Debug)]
pub(super) struct Suspect {
    /// Ends in a slash; empty for all.
    pub(super) path: Vec<u8>,
    pub(super) why: String,
}

/// A directory on the way.
#[derive(Debug, Default)]
struct Level {
    /// Empty, or ends in a slash.
    path: Vec<u8>,
    /// Rows beneath it, live or not.
    rows: u64,
    live: u64,
    /// Live rows without their file, or with one of another size.
    unfit: u64,
    missing: u64,
    files: u64,
    is_bare: bool,
    is_elsewhere: bool,
    /// Missing files of a bare directory, which may be an accident.
    pending: Vec<(String, Vec<u8>)>,
    /// Files without a row right in it.
    rowless: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Tree {
    levels: Vec<Level>,
    prefix: NamePrefix,
    max_missing: u64,
    /// Whether all of the store is looked at.
    is_whole: bool,
    pub(super) suspects: Vec<Suspect>,
    /// Files in directories of which the table knows nothing.
    pub(super) unknown: u64,
}

impl Tree {
    pub(super) fn new(prefix: &NamePrefix, max_missing: u8, is_whole: bool) -> Self {
        Tree {
            levels: vec![Level::default()],
            prefix: prefix.clone(),
            max_missing: max_missing.into(),
            is_whole,
            suspects: Vec::new(),
            unknown: 0,
        }
    }

    /// Goes to the directory of this path.
    pub(super) fn go_to(&mut self, path: &[u8], found: &mut Candidates) -> Result<()> {
        let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let directory = &path[..end];
        while !directory.starts_with(&self.level().path) {
            self.close(found)?;
        }
        loop {
            let start = self.level().path.len();
            let Some(slash) = directory[start..].iter().position(|byte| *byte == b'/') else {
                return Ok(());
            };
            let path = directory[..=start + slash].to_vec();
            self.levels.push(Level { path, ..Level::default() });
        }
    }

    /// The directory that we are in is empty.
    pub(super) fn is_bare(&mut self) {
        self.level().is_bare = true;
    }

    /// Something else is mounted on the directory that we are in.
    pub(super) fn is_elsewhere(&mut self) {
        self.level().is_elsewhere = true;
    }

    pub(super) fn row(&mut self) {
        self.level().rows += 1;
    }

    /// A live row whose file is there.
    pub(super) fn live_row(&mut self, fits: bool) {
        let level = self.level();
        level.live += 1;
        level.unfit += u64::from(!fits);
    }

    /// A live row whose file is missing. Whether that is a fault of its own is
    /// known when its directory is.
    pub(super) fn missing_row(
        &mut self,
        key: &str,
        path: &[u8],
        found: &mut Candidates,
    ) -> Result<()> {
        let level = self.level();
        level.live += 1;
        level.unfit += 1;
        level.missing += 1;
        let Some(bare) = self.levels.iter_mut().find(|level| level.is_bare) else {
            return found.add(Fault::MissingFile, key, path);
        };
        // More of them are no accident, and are told of as a whole.
        if bare.pending.len() < Bare::TOO_MANY {
            bare.pending.push((key.to_owned(), path.to_vec()));
        }
        Ok(())
    }

    pub(super) fn file(&mut self) {
        self.level().files += 1;
    }

    /// A file without a row.
    pub(super) fn rowless_file(&mut self, path: Vec<u8>) {
        self.level().rowless.push(path);
    }

    /// Leaves all directories.
    pub(super) fn end(&mut self, found: &mut Candidates) -> Result<()> {
        while self.levels.len() > 1 {
            self.close(found)?;
        }
        let mut root = self.levels.pop().unwrap_or_default();
        self.sort_out(&mut root, found)?;
        let Level { live, unfit, missing, .. } = root;
        // Of a part of the store by itself nothing can be said: it may be small.
        if self.is_whole && live > 0 && unfit * 100 > live * self.max_missing {
            let why = too_many(live, missing, unfit - missing);
            self.suspects = vec![Suspect { path: Vec::new(), why }];
        }
        Ok(())
    }

    /// Whether a path lies in a directory that does not fit. They are in the order
    /// of their paths, and none lies in another.
    pub(super) fn is_suspect(&self, path: &[u8]) -> bool {
        let after = self.suspects.partition_point(|suspect| *suspect.path <= *path);
        after > 0 && path.starts_with(&self.suspects[after - 1].path)
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the root's stays until the end")
    }

    fn close(&mut self, found: &mut Candidates) -> Result<()> {
        let Some(mut level) = self.levels.pop() else { return Ok(()) };
        self.sort_out(&mut level, found)?;
        let Level { rows, live, unfit, missing, files, .. } = level;
        if let Some(why) = self.why_suspect(&level) {
            while self.suspects.last().is_some_and(|last| last.path.starts_with(&level.path)) {
                self.suspects.pop();
            }
            self.suspects.push(Suspect { path: level.path, why });
        }
        let above = self.level();
        above.rows += rows;
        above.live += live;
        above.unfit += unfit;
        above.missing += missing;
        above.files += files;
        Ok(())
    }

    fn why_suspect(&self, level: &Level) -> Option<String> {
        let Level { live, unfit, missing, files, .. } = *level;
        if level.is_elsewhere && live > 0 {
            return Some(format!(
                "another file system is mounted here than on the root: its {live} live rows are not \
                 checked; check them by a run of its own"
            ));
        }
        if level.is_bare && missing >= level.limit(&self.prefix) {
            return Some(format!("empty, although the table has {missing} live rows beneath it"));
        }
        // The whole area is not there.
        if files == 0 && missing == live && live > 0 && level.limit(&self.prefix) == 1 {
            return Some(format!("no file, although the table has {live} live rows beneath it"));
        }
        let is_too_much = live >= PLAUSIBLE_FROM && unfit * 100 > live * self.max_missing;
        is_too_much.then(|| too_many(live, missing, unfit - missing))
    }

    fn sort_out(&mut self, level: &mut Level, found: &mut Candidates) -> Result<()> {
        if level.is_bare && level.missing < level.limit(&self.prefix) {
            for (key, path) in level.pending.drain(..) {
                found.add(Fault::MissingFile, &key, &path)?;
            }
        }
        match level.rows {
            0 => self.unknown += level.rowless.len() as u64,
            _ => {
                for path in level.rowless.drain(..) {
                    found.add(Fault::OrphanFile, "", &path)?;
                }
            }
        }
        Ok(())
    }
}

impl Level {
    /// So many missing files are no accident, if the directory is empty.
    fn limit(&self, prefix: &NamePrefix) -> u64 {
        let path = String::from_utf8_lossy(&self.path);
        // As that of a file in it: `images/` is an area's, `var/site2/` above one.
        let is_high = match area_end(&format!("{path}x"), prefix) {
            None => path.is_empty() || path == "var/" || is_above_areas(&path, prefix),
            Some(end) => path.trim_end_matches('/').len() <= end,
        };
        if is_high { 1 } else { Bare::TOO_MANY as u64 }
    }
}

/// `var/site2/`, `var/site2/storage/`, `var/site2/cache/`: areas may lie below.
fn is_above_areas(path: &str, prefix: &NamePrefix) -> bool {
    let is_above = |below: &str| area_end(&format!("{path}{below}"), prefix).is_some();
    ["images/x", "storage/images/x", "public/x"].into_iter().any(is_above)
}

fn too_many(live: u64, missing: u64, other_size: u64) -> String {
    format!(
        "of {live} live rows beneath it {missing} have no file and {other_size} one of another size"
    )
}
